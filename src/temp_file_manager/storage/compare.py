"""Directories opened for a batch of removals, and the comparison of what is in them with what was registered."""

import os
import stat
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
        self._judged: dict[tuple[bytes, int, int], tuple[int, Cause]] = {}

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
            descriptor, seen = HERE, look(HERE, name)
            if not may_be_removed(seen.mode):
                raise NotThatFile(Status.FAILED, Cause.NOT_REGULAR)
        else:
            _, _, _, parent_inode, parent_born = identity
            judged = self._judged.get((directory, parent_inode, parent_born))
            descriptor, refusal = judged or self._judge(directory, identity)
            seen = look(descriptor, name)
            if refusal or not same_file(identity, seen):
                raise _why_not(identity, seen, refusal)
        if self._owner_check and (reason := foreign(seen.owner)):
            raise NotThatFile(Status.KEPT, Cause.FOREIGN, reason)
        return descriptor, seen

    def confirm(self, place: Place) -> None:
        """Compare once more; where a path is all that is known, nothing can tell.

        All of it: in the time that an opening takes, a file can be removed, and its number given to another under its
        name. So a look at the number alone, at half the price, would not do.

        Raises:
            NotThatFile, OSError: as ``compared``.
        """
        if place[2] is not None:
            self.compared(place)

    def _judge(self, directory: bytes, identity: Identity) -> tuple[int, Cause]:
        """Open a directory, once, and say why nothing goes that was registered in it as it was then."""
        descriptor = self._open.get(directory)
        if descriptor is None:
            descriptor = self._open[directory] = os.open(directory or b"/", _FLAGS)
        assert self._look is not None  # noqa: S101 - see ``compared``
        refusal = Cause.NONE
        if is_in_own_directory(descriptor):
            refusal = Cause.OWN
        elif not same_directory(identity, self._look(descriptor, b".")):
            refusal = Cause.OTHER_DIRECTORY
        judged = self._judged[directory, identity.parent_inode, identity.parent_born] = descriptor, refusal
        return judged


def _why_not(identity: Identity, seen: Seen, refusal: Cause) -> NotThatFile:
    """Return why what was seen is not removed for what was registered, or for anything in its directory."""
    if identity.inode == PENDING.inode:
        return NotThatFile(Status.KEPT, Cause.PENDING)
    if refusal:
        return NotThatFile(Status.KEPT, refusal)
    if same_file(identity, seen) is None:
        return NotThatFile(Status.KEPT, Cause.IDENTITY_UNKNOWN)
    return NotThatFile(Status.REPLACED, Cause.REPLACED)


def may_be_removed(mode: int) -> bool:
    """Say whether what has a mode may go where the path is all that is known: no socket, no pipe and no device.

    Nor does a directory, of which the system itself says so.
    """
    return stat.S_ISREG(mode) or stat.S_ISLNK(mode) or stat.S_ISDIR(mode)


def is_in_own_directory(descriptor: int) -> bool:
    """Say whether an open directory lies in the package's own, by whatever links it was reached."""
    try:
        return f"{os.readlink(f'/proc/self/fd/{descriptor}')}/".find(f"/{OWN_DIRECTORY}/") >= 0
    except OSError:  # no /proc: then what the path says has been asked when it was registered
        return False
