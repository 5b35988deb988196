"""Directories opened for a batch of removals, and the comparison of what is in them with what was registered."""

import os
from types import TracebackType
from typing import Self

from temp_file_manager.chunks import Place
from temp_file_manager.records import PENDING, Cause, Identity, Status
from temp_file_manager.storage.contract import NotThatFile
from temp_file_manager.storage.identity import same_directory, same_file
from temp_file_manager.storage.kernel.statx import HERE, Look, Seen, looker
from temp_file_manager.storage.own_files import OWN_DIRECTORY, is_own
from temp_file_manager.storage.permissions import foreign

# O_PATH needs no permission to read the directory, as removing from it does not.
_FLAGS = getattr(os, "O_PATH", os.O_RDONLY) | getattr(os, "O_DIRECTORY", 0) | getattr(os, "O_CLOEXEC", 0)


class Directories:
    """The directories of one batch, each opened once. For one thread; closed on leaving the ``with`` block.

    Args:
        owner_check: Keep files that belong to another user.
    """

    def __init__(self, *, owner_check: bool = False) -> None:
        self._owner_check = owner_check
        self._look: Look | None = None  # made when first asked for: records in memory have no identity
        self._open: dict[bytes, int] = {}
        self._own: dict[int, bool] = {}
        self._known: dict[tuple[bytes, int, int], bool] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        for descriptor in self._open.values():
            os.close(descriptor)

    def compared(self, place: Place) -> tuple[int, Seen]:
        """Return where the entry is and what it is, when it is the file that was registered.

        Without an identity the path alone says which file is meant; it is the name, and no directory is opened.

        Raises:
            NotThatFile: it is not, or nothing can tell.
            OSError: it cannot be looked at; FileNotFoundError when it is gone.
        """
        look = self._look = self._look or looker()
        directory, name, identity = place
        if identity is None:
            if is_own(os.fsdecode(name)):
                raise NotThatFile(Status.KEPT, Cause.OWN)
            return HERE, self._ours(look(HERE, name))
        if identity.inode == PENDING.inode:
            look(HERE, directory + b"/" + name)
            raise NotThatFile(Status.KEPT, Cause.PENDING)
        descriptor = self._open.get(directory)
        if descriptor is None:
            descriptor = self._open[directory] = os.open(directory or b"/", _FLAGS)
            self._own[descriptor] = is_in_own_directory(descriptor)
        if self._own[descriptor]:
            raise NotThatFile(Status.KEPT, Cause.OWN)
        seen = look(descriptor, name)
        if not self._is_that_directory(look, descriptor, directory, identity):
            raise NotThatFile(Status.KEPT, Cause.OTHER_DIRECTORY)
        same = same_file(identity, seen)
        if same:
            return descriptor, self._ours(seen)
        if same is None:
            raise NotThatFile(Status.KEPT, Cause.IDENTITY_UNKNOWN)
        raise NotThatFile(Status.REPLACED, Cause.REPLACED)

    def _ours(self, seen: Seen) -> Seen:
        reason = foreign(seen.owner) if self._owner_check else ""
        if reason:
            raise NotThatFile(Status.KEPT, Cause.FOREIGN, reason)
        return seen

    def _is_that_directory(self, look: Look, descriptor: int, directory: bytes, identity: Identity) -> bool:
        key = directory, identity.parent_inode, identity.parent_born
        known = self._known.get(key)
        if known is None:
            known = self._known[key] = same_directory(identity, look(descriptor, b"."))
        return known


def is_in_own_directory(descriptor: int) -> bool:
    """Say whether an open directory lies in the package's own, by whatever links it was reached."""
    try:
        return f"{os.readlink(f'/proc/self/fd/{descriptor}')}/".find(f"/{OWN_DIRECTORY}/") >= 0
    except OSError:  # no /proc: then what the path says has been asked when it was registered
        return False
