"""New files that are on record before they have a name: killed at whatever point, nothing leaks."""

import errno
import functools
import math
import os
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import IO, TYPE_CHECKING, Any, NamedTuple

from temp_file_manager.arguments import labels, seconds
from temp_file_manager.clock import Wall
from temp_file_manager.durations import Duration
from temp_file_manager.errors import RegistryError
from temp_file_manager.records import PENDING, Identity
from temp_file_manager.registering.closed import MANY, ClosedFiles
from temp_file_manager.registering.register import Registrar
from temp_file_manager.registry import THIS_PROCESS, Registry
from temp_file_manager.storage import new_files, permissions
from temp_file_manager.storage.base_directory import BaseDirectory
from temp_file_manager.storage.identity import Examiner
from temp_file_manager.sweeping.limit_states import LimitStates

if TYPE_CHECKING:
    from pathlib import Path

Name = Callable[[], str]
"""Makes a path that nobody can guess."""


class Life(NamedTuple):
    """How a new file goes on record: for so many seconds, a session or ``max_age``; and with which tags."""

    ttl: float | None
    session: int
    tags: tuple[str, ...] = ()


class Creator:
    """What ``TempFileManager.mkstemp`` and ``open`` do.

    In a registry that keeps identities the record comes first. A file without a name is made, put on record under the
    name it is to have, and then given it: the kernel drops it when the process dies before. Until it has its name it is
    held, so that no sweep finds the record without a file and forgets it. Where files without a name cannot be made,
    the record is a *pending* one, which is no ground for removal, and which ``check`` reports when its process has
    died.
    """

    def __init__(
        self,
        directory: BaseDirectory,
        registry: Registry,
        clock: Wall,
        registrar: Registrar,
        closed: ClosedFiles,
        mask: int | None = None,
        limits: LimitStates | None = None,
    ) -> None:
        self._directory = directory
        self._base_dir = directory.path
        self._registry = registry
        self._clock = clock
        self._registrar = registrar
        self._closed = closed
        self._mask = mask
        self._limits = limits

    def create(
        self, suffix: str, prefix: str, ttl: Duration | None, session: int = 0, *, tags: Iterable[str] = ()
    ) -> tuple[int, str]:
        """Create and register an empty file; return its open descriptor and its path.

        Raises:
            LimitError: a limit is passed that is to refuse new files.
        """
        if self._limits is not None:
            self._limits.admit()
        life = Life(None if ttl is None else seconds("ttl", ttl), session, labels(tags))
        return self._directory.within(lambda: self._created(suffix, prefix, life))

    def path(
        self, suffix: str, prefix: str, ttl: Duration | None, session: int = 0, *, tags: Iterable[str] = ()
    ) -> "Path":
        """Create and register an empty file, and close it."""
        from pathlib import Path  # noqa: PLC0415 - slow to import

        fd, path = self.create(suffix, prefix, ttl, session, tags=tags)
        os.close(fd)
        return Path(path)

    def _created(self, suffix: str, prefix: str, life: Life) -> tuple[int, str]:
        if not self._registry.properties.keeps_identity:
            fd, path = new_files.create_file(self._base_dir, prefix, suffix)
            try:
                self._registrar.one(path, life.ttl, life.tags, life.session)
            except BaseException:
                new_files.discard(fd, path)
                raise
            return fd, path
        name = functools.partial(new_files.random_path, self._base_dir, prefix, suffix)
        nameless = new_files.create_nameless(self._base_dir)
        return self._pending(name, life) if nameless is None else self._linked(nameless, name, life)

    def open(
        self,
        mode: str,
        suffix: str,
        ttl: Duration | None,
        encoding: str | None,
        session: int = 0,
        *,
        prefix: str = "tmp",
        tags: Iterable[str] = (),
    ) -> IO[Any]:
        """Create, register and open a file, which is measured when it is closed."""
        self._closed.tell(MANY)
        fd, path = self.create(suffix, prefix, ttl, session, tags=tags)
        try:
            file = new_files.named_file(fd, path, mode, encoding)
        except BaseException:
            new_files.discard(fd, path)  # first: killed in between, a record is left, and no file
            self._forget(path)
            raise
        self._closed.measure(file, path)
        return file

    def _linked(self, fd: int, name: Name, life: Life) -> tuple[int, str]:
        """Give a file that has no name one that is on record."""

        def give(path: str) -> int:
            try:
                new_files.give_name(fd, path)
            except FileExistsError:
                raise  # it is to get another
            except BaseException:
                new_files.discard(fd, path)  # Ctrl-C may come when it has it
                raise
            return fd

        try:
            if self._mask is not None:
                permissions.restrict_new(fd, self._mask)
            identity = Examiner().examine_open(fd, os.path.abspath(self._base_dir))
        except BaseException:
            os.close(fd)
            raise
        fd, path = self._named(name, identity, life, give)
        self._registrar.tell({path: 0})
        return fd, path

    def _pending(self, name: Name, life: Life) -> tuple[int, str]:
        """Make a file under a name that is on record, and put on record which file that is."""

        def give(path: str) -> int:
            fd = new_files.create_exclusively(path)
            try:
                self._register(path, life)
            except BaseException:
                new_files.discard(fd, path)
                raise
            return fd

        return self._named(name, PENDING, life, give)

    def _named(self, name: Name, identity: Identity, life: Life, give: Callable[[str], int]) -> tuple[int, str]:
        """Put a path on record, hold it while a file is given that name, and return both; a failure leaves nothing."""
        while True:
            path, fd = name(), None
            try:
                self._reserve(path, identity, life)
                fd = give(path)
                self._registry.release((path,), THIS_PROCESS)
            except FileExistsError:
                self._forget(path)
            except BaseException:
                if fd is not None:
                    new_files.discard(fd, path)
                self._forget(path)
                raise
            else:
                return fd, path

    def _register(self, path: str, life: Life) -> None:
        if not self._registrar.many((path,), life.ttl, life.tags, session=life.session).registered:
            raise OSError(errno.EPERM, "the file was created and could not be registered: see the log", path)

    def _forget(self, path: str) -> None:
        """Drop the record of a file that is not there, if it has one. If that fails, a sweep finds it out."""
        with suppress(RegistryError):  # the caller hears of the first trouble, which is mostly the same
            self._registry.forget((path,))
            self._registry.release((path,), THIS_PROCESS)

    def _reserve(self, path: str, identity: Identity, life: Life) -> None:
        """Put a path on record and hold it, however many sweeps come between the two."""
        now = self._clock.wall()
        due_at = None if life.ttl is None else now + life.ttl
        while True:
            self._registrar.put(((path, due_at, 0, life.tags, identity, 0),), now, session=life.session)
            if self._registry.keep((path,), math.inf, THIS_PROCESS):
                return
