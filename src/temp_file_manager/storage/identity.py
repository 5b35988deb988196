"""Identities of files: the file that a path meant when it was registered, and whether it still does.

Inode numbers are used again, on some file systems at once, and a change time moves when a file is only appended to;
a birth time does neither. Python's ``os.stat`` does not tell it on Linux, so the system call that does is made
through ctypes there.
"""

import os
import stat
from typing import NamedTuple

from temp_file_manager.records import Identity
from temp_file_manager.storage.kernel.statx import HERE, Look, Seen, listed_looker, looker
from temp_file_manager.storage.kernel.volumes import volume
from temp_file_manager.storage.own_files import OwnFiles, is_called

_VOLUMES: dict[tuple[bytes, int, int], int] = {}
_MOST_VOLUMES = 1000
"""By path, number and birth of a directory: to find one out takes several looks."""


_Parent = tuple[tuple[int, int, int], tuple[str, ...] | None]
"""What identities say of a directory, and what own files in it are called."""


class Found(NamedTuple):
    """A file that can be registered, if it is not the package's own. ``disk`` is as in ``TempFile``."""

    size: int
    identity: Identity
    owner: int = -1
    own: bool = False
    disk: int = 0


class Examiner:
    """Looks at files to be registered, one batch long: each directory is looked at once.

    Args:
        own: Which files are the package's own.
    """

    def __init__(self, own: OwnFiles | None = None) -> None:
        self._look = looker()
        self._own = own or OwnFiles()
        self._parents: dict[bytes, _Parent] = {}

    def examine(self, path: str) -> Found | None:
        """Return what an absolute ``path`` is, or None when it is neither a regular file nor a link to one.

        Raises:
            OSError: it cannot be looked at. What is not there is no error.
        """
        try:
            name = os.fsencode(path)
        except UnicodeEncodeError:  # no file has such a name
            return None
        if b"\0" in name:  # C would take what stands before it for the name
            return None
        try:
            mode, inode, size, born, changed, owner, disk = self._look(HERE, name)
            if not stat.S_ISREG(mode) and not (stat.S_ISLNK(mode) and os.path.isfile(path)):
                return None
            directory = name[: name.rindex(b"/")]
            parent = self._parents.get(directory) or self._parent(directory)
        except (FileNotFoundError, NotADirectoryError):
            return None
        numbers, own = parent
        is_ours = own is not None and is_called(os.path.basename(path), own)
        return _new(Found, (size, _new(Identity, (inode, born, changed, *numbers)), owner, is_ours, disk))

    def examine_open(self, descriptor: int, directory: str) -> Identity:
        """Return the identity of an open file that is to have a name in ``directory``."""
        seen = self._look(descriptor, b"")
        return Identity(seen.inode, seen.born, seen.changed, *parent_of(self._look, os.fsencode(directory)))

    def _parent(self, directory: bytes) -> _Parent:
        numbers = parent_of(self._look, directory)
        parent = self._parents[directory] = numbers, self._own.names_in(os.fsdecode(directory), *numbers[:2])
        return parent


def parent_of(look: Look, directory: bytes) -> tuple[int, int, int]:
    """Return what identities say of a directory that files are registered in: its number, birth and volume.

    Raises:
        OSError: it cannot be looked at.
    """
    name = directory + b"/."  # what a link leads to, not the link
    seen = look(HERE, name)
    known = directory, seen.inode, seen.born
    number = _VOLUMES.get(known)
    if number is None:
        number = volume(listed_looker(), HERE, name)
        if seen.born:  # else another volume may have such a directory
            if len(_VOLUMES) >= _MOST_VOLUMES:
                _VOLUMES.clear()
            _VOLUMES[known] = number
    return seen.inode, seen.born, number


def same_file(identity: Identity, seen: Seen, size: int | None = None) -> bool | None:
    """Say whether ``seen`` is the file that was registered; None when nothing can tell.

    Args:
        identity: Of the registered one.
        seen: What is there.
        size: The registered one's, if that is known.
    """
    if seen.inode != identity.inode:
        return False
    unchanged = seen.changed == identity.changed
    if not _told(identity.born, seen.born):
        if not unchanged:
            return None
    elif seen.born != identity.born:
        return False
    elif seen.born < 0:
        return True
    # Two that came after each other within one tick of the clock have all times alike. (Nothing is said by what has
    # become of an empty file: most are registered before they are written to, which takes no tick either.)
    return None if unchanged and size and seen.size != size else True


def same_directory(identity: Identity, seen: Seen) -> bool:
    """Say whether ``seen`` is the directory that the file was registered in."""
    return is_same_directory((identity.parent_inode, identity.parent_born), (seen.inode, seen.born))


def is_same_directory(known: tuple[int, int], found: tuple[int, int]) -> bool:
    """Say whether two looks, an inode and a birth each (0: unknown), were at one directory."""
    return known[0] == found[0] and not (_told(known[1], found[1]) and known[1] != found[1])


def _told(known: int, born: int) -> bool:
    """Say whether two births can be compared: a time with a time, a handle's number with another."""
    return known > 0 < born or known < 0 > born


_new = tuple.__new__
