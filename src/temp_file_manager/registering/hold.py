"""Holds: registered files kept while they are worked with, for as long as the holder's process lives."""

import math
import os
import stat
import weakref
from types import TracebackType
from typing import Self

from temp_file_manager.errors import InvalidArgumentError
from temp_file_manager.records import Identity, is_object
from temp_file_manager.registry import THIS_PROCESS, Registry
from temp_file_manager.storage.identity import same_file
from temp_file_manager.storage.kernel.statx import HERE, looker, signed

_SWEPT = "it was removed before it could be held"


class Hold:
    """A file that no sweep removes until this is closed, or its process ends, however it ends.

    The registry knows of it, and the file is open: so other programs that ask the kernel see it, too. Use it in a
    ``with`` statement, or ``close`` it.

    Attributes:
        path: The file's absolute path.
    """

    def __init__(self, registry: Registry, path: str) -> None:
        self.path = path
        if is_object(path):
            raise InvalidArgumentError(f"{path!r} is an object in a bucket, which nobody can hold open: pin it")
        record = registry.get((path,)).get(path)
        if record is None:
            raise InvalidArgumentError(f"{path!r} is not registered: register it, then hold it")
        descriptor = _opened(path, record.identity)
        held = False
        try:
            held = bool(registry.keep((path,), math.inf, THIS_PROCESS))
        finally:
            if not held:
                os.close(descriptor)
        if not held:  # forgotten since it was looked up, most likely by a sweep that ``keep`` waited for
            if not os.path.lexists(path):
                raise FileNotFoundError(2, _SWEPT, path)
            raise InvalidArgumentError(f"{path!r} has been forgotten meanwhile: register it, then hold it")
        self._registry, self._process = registry, os.getpid()
        # The garbage collector may come while locks are held, so that what nobody closes is only noted to be released.
        self._dropped = weakref.finalize(self, _drop, registry, path, descriptor)
        # Whoever removed it may have been no sweep, or one that ended before this began.
        if not os.fstat(descriptor).st_nlink or not os.path.lexists(path):
            self.close()
            raise FileNotFoundError(2, _SWEPT, path)

    def close(self) -> None:
        """Let sweeps have it again; may be called again."""
        ended = self._dropped.detach()
        if ended is None:
            return
        _, _, (_, path, descriptor), _ = ended
        os.close(descriptor)
        if os.getpid() == self._process:  # a forked child holds nothing, and must not end what its parent holds
            self._registry.release((path,), THIS_PROCESS)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


def _opened(path: str, identity: Identity | None) -> int:
    look = looker()
    seen = look(HERE, os.fsencode(path))
    if not stat.S_ISLNK(seen.mode) and not stat.S_ISREG(seen.mode):
        raise InvalidArgumentError(f"{path!r} is no regular file any more: it cannot be held")
    if identity is not None and same_file(identity, seen) is False:
        raise InvalidArgumentError(f"{path!r} is another file than the registered one: register it, then hold it")
    # What a link leads to may be a pipe by now; a regular file is waited for while a sweep has its lease.
    waiting = os.O_NONBLOCK | os.O_NOCTTY if stat.S_ISLNK(seen.mode) else 0
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | waiting)
    same = False
    try:
        same = not stat.S_ISREG(seen.mode) or signed(os.fstat(descriptor).st_ino) == seen.inode
    finally:
        if not same:
            os.close(descriptor)
    if not same:
        raise InvalidArgumentError(f"{path!r} was replaced while it was opened: try again")
    return descriptor


def _drop(registry: Registry, path: str, descriptor: int) -> None:
    os.close(descriptor)
    registry.release_later(path)
