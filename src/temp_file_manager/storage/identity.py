"""Which file is meant by a path: what it was when it was registered, and whether it still is.

Inode numbers are used again, on some file systems at once, and a change time moves when a file is only appended to;
a birth time does neither. Python's ``os.stat`` does not tell it on Linux, so the system call that does is made
through ctypes there.
"""

import functools
import os
import stat
from collections.abc import Callable
from struct import Struct
from typing import NamedTuple

from temp_file_manager.records import Identity

HERE = -100  # AT_FDCWD: names are relative to the working directory; absolute ones are what they are
_LINK_ITSELF = 0x100 | 0x1000  # AT_SYMLINK_NOFOLLOW; and AT_EMPTY_PATH, for a descriptor itself
_WANTED = 0x1 | 0x2 | 0x8 | 0x80 | 0x100 | 0x200 | 0x800  # type, mode, owner, ctime, inode, size, btime
_BORN = 0x800  # STATX_BTIME, in the answer: the file system told
# struct statx: mask, owner, mode, inode, size, btime, ctime; inodes signed, as SQL has no other whole numbers.
_STATX = Struct("=I16xI4xH2xqq8x8x16xqI4xqI4x")
_SIZE_OF_STATX = 256


class Seen(NamedTuple):
    """What the kernel says of a directory entry, links not followed. Times are nanoseconds, ``born`` 0 if unknown."""

    mode: int
    inode: int
    size: int
    born: int
    changed: int
    owner: int = -1


class Found(NamedTuple):
    """A file that can be registered."""

    size: int
    identity: Identity
    owner: int = -1


Look = Callable[[int, bytes], Seen]
"""Looks at a name relative to a directory's descriptor, or without a name at what is open as that descriptor.

Raises OSError. Not to be shared between threads.
"""


def looker() -> Look:
    """Return a ``Look`` of one's own, as fast as this platform allows."""
    function = _statx()
    return _look_by_stat if function is None else _by_statx(function)


def _by_statx(statx: Callable[..., int]) -> Look:
    import ctypes  # noqa: PLC0415 - see _statx

    # A buffer for each: while the kernel fills it other threads run.
    buffer = ctypes.create_string_buffer(_SIZE_OF_STATX)
    address, unpack, errno = ctypes.addressof(buffer), _STATX.unpack_from, ctypes.get_errno

    def look(directory: int, name: bytes) -> Seen:
        if statx(directory, name, _LINK_ITSELF, _WANTED, address):
            number = errno()
            raise OSError(number, os.strerror(number), os.fsdecode(name))
        mask, owner, mode, inode, size, born, born_ns, changed, changed_ns = unpack(buffer)
        born = born * 1_000_000_000 + born_ns if mask & _BORN else 0
        return _new(Seen, (mode, inode, size, born, changed * 1_000_000_000 + changed_ns, owner))

    return look


@functools.cache
def _statx() -> Callable[..., int] | None:
    """Return the C library's ``statx``, or None where there is none."""
    if not _linux:
        return None
    import ctypes  # noqa: PLC0415 - slow to import, and in memory nobody asks

    try:
        function = ctypes.CDLL(None, use_errno=True).statx
    except (OSError, AttributeError):  # a C library before glibc 2.28 or musl 1.2.4
        return None
    function.argtypes = [ctypes.c_int, ctypes.c_char_p, ctypes.c_int, ctypes.c_uint, ctypes.c_void_p]
    return function


def _look_by_stat(directory: int, name: bytes) -> Seen:
    if name:
        found = os.stat(name, dir_fd=None if directory == HERE else directory, follow_symlinks=False)
    else:
        found = os.fstat(directory)
    # macOS and the BSDs tell it, in seconds.
    born = int(getattr(found, "st_birthtime", 0) * 1e9)
    return Seen(found.st_mode, signed(found.st_ino), found.st_size, born, found.st_ctime_ns, found.st_uid)


def signed(inode: int) -> int:
    """Return an inode number as it is stored: SQL has no unsigned numbers."""
    return inode if inode < 1 << 63 else inode - (1 << 64)


class Examiner:
    """Looks at files to be registered, one batch long: each directory is looked at once."""

    def __init__(self) -> None:
        self._look = looker()
        self._parents: dict[bytes, tuple[int, int]] = {}

    def examine(self, path: str) -> Found | None:
        """Return what an absolute ``path`` is, or None when it is neither a regular file nor a link to one."""
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
        except OSError:
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
    told = seen.born and identity.parent_born
    return seen.inode == identity.parent_inode and not (told and seen.born != identity.parent_born)


NOTHING = Identity(0, 0, 0, 0, 0)
"""The identity of what was not there when it was put on record: no file is taken for it."""

_linux = os.uname().sysname == "Linux" if hasattr(os, "uname") else False
_new = tuple.__new__
