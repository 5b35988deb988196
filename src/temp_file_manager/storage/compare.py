"""Directories opened for a batch of removals, and the comparison of what is in them with what was registered."""

import errno
import os
import stat
from types import TracebackType
from typing import NamedTuple, Self

from temp_file_manager.causes import Cause
from temp_file_manager.chunks import Place
from temp_file_manager.records import PENDING, Identity, Rewritten, Status
from temp_file_manager.storage.contract import NotThatFile
from temp_file_manager.storage.identity import same_directory, same_file
from temp_file_manager.storage.kernel import mounts
from temp_file_manager.storage.kernel.statx import HERE, Listed, ListedLook, Look, Seen, listed_looker, looker
from temp_file_manager.storage.kernel.volumes import has_ended, volume
from temp_file_manager.storage.own_files import OWN_DIRECTORY, OwnPaths
from temp_file_manager.storage.permissions import foreign
from temp_file_manager.storage.shared_volume import lies_in

_NOWHERE = -1


class _Directory(NamedTuple):
    """A directory, as files of one identity were registered in it.

    Attributes:
        descriptor: It, open.
        refusal: Why nothing in it is removed.
    """

    descriptor: int
    refusal: Cause


class Directories:
    """The directories of one batch, each opened once. For one thread; closed on leaving the ``with`` block.

    Args:
        owner_check: Keep files that belong to another user.
        base: A directory in which a file that was rewritten stays on record; None: nowhere.
        within, below: As in ``LocalStorage``.
    """

    def __init__(
        self,
        *,
        owner_check: bool = False,
        base: str | None = None,
        within: str | None = None,
        below: str | None = None,
    ) -> None:
        self._within = within
        self._below = below
        self._owner_check = owner_check
        self._base = base
        self._ours: dict[int, bool] = {}
        self._own_paths = OwnPaths()
        self._look: Look | None = None  # made when first asked for: records in memory have no identity
        self._listed: ListedLook | None = None
        self._open: dict[bytes, int] = {}
        self._judged: dict[tuple[bytes, int, int], _Directory] = {}
        self._absent: dict[tuple[bytes, int, int, int], Cause] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        for descriptor in self._open.values():
            if descriptor != _NOWHERE:
                os.close(descriptor)

    def compared(self, place: Place) -> tuple[int, Seen]:
        """Return where the entry is and what it is, when it is the file that was registered.

        Without an identity the path alone says which file is meant; it is the name, and no directory is opened.

        Raises:
            NotThatFile: it is not, or nothing can tell.
            OSError: it cannot be looked at; FileNotFoundError when it is gone, and not with what it lies on.
        """
        look = self._look = self._look or looker()
        directory, name, identity, size = place
        if identity is None:
            if self._below is not None:  # whatever lies on the way could lead it elsewhere
                raise NotThatFile(Status.KEPT, Cause.IDENTITY_UNKNOWN)
            if os.fsdecode(name) in self._own_paths:
                raise NotThatFile(Status.KEPT, Cause.OWN)
            descriptor, seen = HERE, look(HERE, name)
            if not may_be_removed(seen.mode):
                raise NotThatFile(Status.FAILED, Cause.NOT_REGULAR)
        else:
            _, _, _, parent_inode, parent_born, _ = identity
            judged = self._judged.get((directory, parent_inode, parent_born))
            try:
                descriptor, refusal = judged or self._judge(directory, identity)
                seen = look(descriptor, name)
            except (FileNotFoundError, NotADirectoryError) as error:
                self._refuse_absence(directory, identity, error)
                raise
            if refusal or not same_file(identity, seen, size):
                self._refuse(place, descriptor, seen, refusal)
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

    def _judge(self, directory: bytes, identity: Identity) -> _Directory:
        """Open a directory, once, and say why nothing goes that was registered in it as it was then.

        Raises:
            FileNotFoundError: there is none.
        """
        descriptor = self._open.get(directory)
        if descriptor is None:
            descriptor = self._open[directory] = open_directory(directory)
        if descriptor == _NOWHERE:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), os.fsdecode(directory))
        assert self._look is not None  # noqa: S101 - see ``compared``
        if not self._may_be_in(descriptor):
            refusal = Cause.OWN
        elif self._below is not None and not lies_in(descriptor, self._below):
            refusal = Cause.OUTSIDE
        else:
            refusal = _why_other(identity, self._look(descriptor, b"."), descriptor)
        judged = self._judged[directory, identity.parent_inode, identity.parent_born] = _Directory(descriptor, refusal)
        return judged

    def _may_be_in(self, descriptor: int) -> bool:
        """Say whether files in an open directory are any of ours to remove."""
        if self._within is None:
            return not is_in_own_directory(descriptor)
        try:
            return os.path.samestat(os.lstat(self._within), os.fstat(descriptor))
        except OSError:  # there is no such folder: then it lies elsewhere
            return False

    def _refuse(self, place: Place, descriptor: int, seen: Seen, refusal: Cause) -> None:
        """Refuse what seems not to be what was registered, or not to lie where it was; return if it is all the same.

        Raises:
            NotThatFile: why it is not removed.
        """
        _, name, identity, size = place
        assert identity is not None  # noqa: S101 - see ``compared``
        if identity.inode == PENDING.inode:
            raise NotThatFile(Status.KEPT, Cause.PENDING)
        if refusal:
            raise NotThatFile(Status.KEPT, refusal)
        why_not = _why_not(identity, seen, size, descriptor)
        if why_not is not None:
            found = self._rewritten(descriptor, name, identity, seen)
            raise NotThatFile(Status.SKIPPED, Cause.REWRITTEN, found=found) if found else NotThatFile(*why_not)

    def _rewritten(self, descriptor: int, name: bytes, identity: Identity, seen: Seen) -> Rewritten | None:
        """Return what a file of ours was rewritten as, where nobody else can have put it; None where that may be."""
        if self._base is None or not stat.S_ISREG(seen.mode) or seen.owner != os.geteuid():
            return None
        ours = self._ours.get(descriptor)
        if ours is None:
            ours = self._ours[descriptor] = is_ours_within(descriptor, self._base)
        if not ours:
            return None
        facts = self._look_listed(descriptor, name)
        known = identity._replace(inode=facts.inode, born=facts.born, changed=facts.changed)
        since = max(facts.born, facts.changed, facts.written) / 1e9
        return Rewritten(known, since, facts.size, facts.disk) if stat.S_ISREG(facts.mode) else None

    def _look_listed(self, descriptor: int, name: bytes) -> Listed:
        self._listed = self._listed or listed_looker()
        return self._listed(descriptor, name)

    # -- what is not there

    def _refuse_absence(self, directory: bytes, identity: Identity, error: OSError) -> None:
        """Return if what is not there is gone; looked into once for a directory.

        Raises:
            NotThatFile: it may be where it was, on something that is not mounted here now.
        """
        known = (directory, *identity[3:])
        cause = self._absent.get(known)
        if cause is None:
            cause = self._absent[known] = self._why_absent(directory, identity)
        if cause:
            raise NotThatFile(Status.KEPT, cause) from error

    def _why_absent(self, directory: bytes, identity: Identity) -> Cause:
        """Say why a file may be elsewhere that is not in its directory; ``NONE`` when it is gone.

        It is gone from a directory that is the registered one. If that is not there itself, or another has taken its
        place, it is gone with it if the same thing is still mounted there: then it was removed, or moved away.
        """
        descriptor = self._open[directory]
        there = descriptor != _NOWHERE
        if there and not self._judge(directory, identity).refusal and identity.parent_born > 0:
            return Cause.NONE  # a number and a birth: no other volume has such a directory
        if not identity.parent_inode or has_ended(identity.volume):  # nobody has seen its directory; or nobody can
            return Cause.NONE
        if identity.volume:
            found = self._volume(descriptor) if there else self._nearest_volume(directory)
            if found == identity.volume:
                return Cause.NONE
        return Cause.ABSENT_DIRECTORY

    def _nearest_volume(self, directory: bytes) -> int:
        """Return the volume of the nearest directory above one that is missing; 0 if that is there by now."""
        above = directory
        while (descriptor := open_directory(above)) == _NOWHERE:
            above = above.rpartition(b"/")[0]
        try:
            # It may have been mounted since it was looked for: then what was found here lies on it, and proves nothing.
            return 0 if os.path.isdir(directory) else self._volume(descriptor)
        finally:
            os.close(descriptor)

    def _volume(self, descriptor: int) -> int:
        return volume(self._look_listed, descriptor)


def _why_not(identity: Identity, seen: Seen, size: int | None, descriptor: int) -> tuple[Status, Cause] | None:
    """Say why an entry in the right directory is not taken for the registered file; None if it is, after all."""
    same = same_file(identity, seen, size)
    if same is False and not mounts.numbers_last(descriptor):
        # Handles do not last here either, and only those are negative: then it is as if there were none.
        same = same_file(identity, seen._replace(born=max(seen.born, 0)), size) or None
    if same:
        return None
    return (Status.REPLACED, Cause.REPLACED) if same is False else (Status.KEPT, Cause.IDENTITY_UNKNOWN)


def _why_other(identity: Identity, seen: Seen, descriptor: int) -> Cause:
    """Say why a directory is not taken for the one that was registered; ``NONE`` if it is that one."""
    if same_directory(identity, seen):
        return Cause.NONE
    if mounts.numbers_last(descriptor):
        return Cause.OTHER_DIRECTORY
    return Cause.NONE if same_directory(identity, seen._replace(born=max(seen.born, 0))) else Cause.IDENTITY_UNKNOWN


def open_directory(directory: bytes) -> int:
    """Open a directory, which takes no permission to read it, as removing from it does not; ``_NOWHERE`` if none is."""
    try:
        return os.open(directory or b"/", mounts.PATH_ONLY)
    except (FileNotFoundError, NotADirectoryError):
        if not directory:
            raise
        return _NOWHERE


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


def is_ours_within(descriptor: int, base: str) -> bool:
    """Say whether an open directory lies in a base, or is it, and nobody else can write in it or on the way."""
    path = "."
    try:
        top, here = os.stat(base), os.stat(path, dir_fd=descriptor)
        while here.st_uid == os.geteuid() and not here.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
            if os.path.samestat(here, top):
                return True
            path += "/.."
            below, here = here, os.stat(path, dir_fd=descriptor)
            if os.path.samestat(here, below):
                return False
    except OSError:
        return False
    return False
