"""Identities of files: the file that a path meant when it was registered, and whether it still does.

Inode numbers are used again, on some file systems at once, and a change time moves when a file is only appended to;
a birth time does neither. Python's ``os.stat`` does not tell it on Linux, so the system call that does is made
through ctypes there.
"""

import os
import stat
from typing import NamedTuple

from temp_file_manager.records import Identity
from temp_file_manager.storage.kernel.statx import HERE, Seen, looker


class Found(NamedTuple):
    """A file that can be registered."""

    size: int
    identity: Identity
    owner: int = -1


class Examiner:
    """Looks at files to be registered, one batch long: each directory is looked at once."""

    def __init__(self) -> None:
        self._look = looker()
        self._parents: dict[bytes, tuple[int, int]] = {}

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
            mode, inode, size, born, changed, owner = self._look(HERE, name)
            if not stat.S_ISREG(mode) and not (stat.S_ISLNK(mode) and os.path.isfile(path)):
                return None
            directory = name[: name.rindex(b"/")]
            parent = self._parents.get(directory) or self._parent(directory)
        except (FileNotFoundError, NotADirectoryError):
            return None
        return _new(Found, (size, _new(Identity, (inode, born, changed, *parent)), owner))

    def examine_open(self, descriptor: int, directory: str) -> Identity:
        """Return the identity of an open file that is to have a name in ``directory``."""
        seen = self._look(descriptor, b"")
        return Identity(seen.inode, seen.born, seen.changed, *self._parent(os.fsencode(directory)))

    def _parent(self, directory: bytes) -> tuple[int, int]:
        seen = self._look(HERE, directory + b"/.")  # what a link leads to, not the link
        self._parents[directory] = seen.inode, seen.born
        return seen.inode, seen.born


def same_file(identity: Identity, seen: Seen) -> bool | None:
    """Say whether ``seen`` is the file that was registered; None when nothing can tell."""
    if seen.inode != identity.inode:
        return False
    if seen.born and identity.born:
        return seen.born == identity.born
    return True if seen.changed == identity.changed else None


def same_directory(identity: Identity, seen: Seen) -> bool:
    """Say whether ``seen`` is the directory that the file was registered in."""
    return is_same_directory((identity.parent_inode, identity.parent_born), (seen.inode, seen.born))


def is_same_directory(known: tuple[int, int], found: tuple[int, int]) -> bool:
    """Say whether two looks, an inode and a birth each (0: unknown), were at one directory."""
    told = known[1] and found[1]
    return known[0] == found[0] and not (told and known[1] != found[1])


_new = tuple.__new__
