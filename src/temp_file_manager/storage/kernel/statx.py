"""The kernel's description of a directory entry, birth time included.

Python's ``os.stat`` does not tell a birth time on Linux, so the system call that does is made through ctypes there.
"""

import errno
import functools
import os
import sys
from collections.abc import Callable
from struct import Struct
from typing import Any, NamedTuple, cast

HERE = -100  # AT_FDCWD: names are relative to the working directory; absolute ones are what they are
_NOT_FOLLOWED, _NOT_MOUNTED, _OR_DESCRIPTOR = (
    0x100,
    0x800,
    0x1000,
)  # AT_SYMLINK_NOFOLLOW, AT_NO_AUTOMOUNT, AT_EMPTY_PATH
_NOT_ASKED = 0x4000  # AT_STATX_DONT_SYNC: what the kernel knows, without a question to a server
BORN, _MOUNT = 0x800, 0x1000  # STATX_BTIME and, since Linux 5.8, STATX_MNT_ID: in the answer, what was told
_SIZE_OF_STATX = 256
_TYPE, _DIRECTORY = 0o170000, 0o040000
_NS = 1_000_000_000
_BLOCK = 512  # bytes; whatever the file system's own blocks have

_HANDLE = Struct("=II")  # struct file_handle: the length of what follows, and what kind of handle it is
_LONGEST_HANDLE, _SIZE_OF_MOUNT = 128, 8
_PRIME, _WORD = 0x100000001B3, (1 << 64) - 1
_ARGUMENTS: dict[str, Callable[[Any], list[Any]]] = {
    "statx": lambda c: [c.c_int, c.c_char_p, c.c_int, c.c_uint, c.c_void_p],
    "name_to_handle_at": lambda c: [c.c_int, c.c_char_p, c.c_void_p, c.c_void_p, c.c_int],
    "inotify_init1": lambda c: [c.c_int],
    "inotify_add_watch": lambda c: [c.c_int, c.c_char_p, c.c_uint32],
    "inotify_rm_watch": lambda c: [c.c_int, c.c_int],
    "renameat2": lambda c: [c.c_int, c.c_char_p, c.c_int, c.c_char_p, c.c_uint],
    "fstatfs": lambda c: [c.c_int, c.c_char_p],
}

# Of struct statx mask, nlink, owner, mode, inode, size, blocks, btime, ctime; inodes signed, as SQL has no other whole
# numbers.
_SEEN = Struct("=I12xII4xH2xqqq24xqI4xqI4x")
_SEEN_WANTED = 0x1 | 0x2 | 0x4 | 0x8 | 0x80 | 0x100 | 0x200 | 0x400 | BORN  # type, mode, nlink, owner, ctime and so on
# The same and mtime, device, mount.
_LISTED = Struct("=I12xII4xH2xqqq24xqI4xqI4xqI4x8xIIQ")
_LISTED_WANTED = _SEEN_WANTED | 0x40 | _MOUNT  # and mtime
# The same and atime, mtime.
_USED = Struct("=I12xII4xH2xqqq8xqI4xqI4xqI4xqI4x")
_USED_WANTED = _SEEN_WANTED | 0x20 | 0x40
_OPENED = Struct("=32xq96xII")  # inode, device
_OPENED_WANTED = 0x1 | 0x100  # type, inode


_FORBIDDEN = (errno.EPERM, errno.ENOSYS)
"""What ``statx`` fails with where a filter of system calls does not let it through: then ``stat`` is asked, which no
filter forbids. Looking at a file gives neither for any other reason."""


class Seen(NamedTuple):
    """A directory entry, links not followed. Times are nanoseconds.

    ``born`` is its birth time; where there is none, a negative number made of its handle, and 0 without that, too.
    ``disk`` is what it takes on the disk in bytes, divided by the number of its names.
    """

    mode: int
    inode: int
    size: int
    born: int
    changed: int
    owner: int = -1
    disk: int = 0


class Listed(NamedTuple):
    """A directory entry with what a walk through a tree asks beyond ``Seen``.

    Attributes:
        links: How many names it has.
        mount: Equal for what lies on the same mount; where no kernel tells, on the same device.
        born: As ``Seen.born``.
        written: Its last writing, nanoseconds since the epoch.
        disk: As ``Seen.disk``; of a directory all that it takes, as those in it are no names of it for others.
    """

    mode: int
    links: int
    owner: int
    mount: int
    inode: int
    size: int
    born: int
    changed: int
    written: int
    disk: int = 0


Look = Callable[[int, bytes], Seen]
"""Looks at a name relative to a directory's descriptor, or without a name at what is open as that descriptor.

Raises OSError. Not to be shared between threads.
"""


class Used(NamedTuple):
    """A directory entry, links not followed, and when it was used.

    Attributes:
        seen: It.
        used: The later of its last reading and its last writing, nanoseconds since the epoch.
    """

    seen: Seen
    used: int


UsedLook = Callable[[int, bytes], Used]
"""As ``Look``. Looking moves no time."""


class Opened(NamedTuple):
    """Which file is open: enough to know it again."""

    inode: int
    device: int


OpenedLook = Callable[[bytes], Opened]
"""Follows a link of ``/proc/*/fd``. Raises OSError. Not to be shared between threads."""

ListedLook = Callable[[int, bytes], Listed]
"""As ``Look``, of a name in a directory. Looking at a directory mounts nothing on it."""


def looker() -> Look:
    """Return a ``Look`` of one's own, as fast as this platform allows."""
    call = _call()
    if call is None:
        return look_by_stat
    statx, address, buffer = call
    unpack, flags, mark = _SEEN.unpack_from, _NOT_FOLLOWED | _OR_DESCRIPTOR, marker()

    def look(directory: int, name: bytes) -> Seen:
        if statx(directory, name, flags, _SEEN_WANTED, address):
            if (error := _error(name)).errno in _FORBIDDEN:
                return look_by_stat(directory, name)
            raise error
        mask, links, owner, mode, inode, size, blocks, born, born_ns, changed, changed_ns = unpack(buffer)
        born = (born * _NS + born_ns if mask & BORN else 0) or mark(directory, name)
        disk = _BLOCK * blocks // (links or 1)  # as ``_disk``, and a call less
        return _new(Seen, (mode, inode, size, born, changed * _NS + changed_ns, owner, disk))

    return look


def listed_looker() -> ListedLook:
    """Return a ``ListedLook`` of one's own; on Linux by ``statx``, which alone tells births and mounts."""
    call = _call()
    if call is None:
        return listed_by_stat
    statx, address, buffer = call
    unpack, flags, mark = _LISTED.unpack_from, _NOT_FOLLOWED | _NOT_MOUNTED, marker()

    def look(directory: int, name: bytes) -> Listed:
        if statx(directory, name, flags, _LISTED_WANTED, address):
            if (error := _error(name)).errno in _FORBIDDEN:
                return listed_by_stat(directory, name)
            raise error
        mask, links, owner, mode, inode, size, blocks, b, b_ns, c, c_ns, m, m_ns, major, minor, mount = unpack(buffer)
        born = (b * _NS + b_ns if mask & BORN else 0) or mark(directory, name)
        if not mask & _MOUNT:
            mount = major << 32 | minor
        changed, written = c * _NS + c_ns, m * _NS + m_ns
        disk = _BLOCK * blocks if mode & _TYPE == _DIRECTORY else _disk(blocks, links)
        return _new(Listed, (mode, links, owner, mount, inode, size, born, changed, written, disk))

    return look


def used_looker() -> UsedLook:
    """Return a ``UsedLook`` of one's own, as fast as this platform allows."""
    call = _call()
    if call is None:
        return used_by_stat
    statx, address, buffer = call
    unpack, flags, mark = _USED.unpack_from, _NOT_FOLLOWED | _OR_DESCRIPTOR, marker()

    def look(directory: int, name: bytes) -> Used:
        if statx(directory, name, flags, _USED_WANTED, address):
            if (error := _error(name)).errno in _FORBIDDEN:
                return used_by_stat(directory, name)
            raise error
        mask, links, owner, mode, inode, size, blocks, a, a_ns, b, b_ns, c, c_ns, m, m_ns = unpack(buffer)
        born = (b * _NS + b_ns if mask & BORN else 0) or mark(directory, name)
        seen = _new(Seen, (mode, inode, size, born, c * _NS + c_ns, owner, _disk(blocks, links)))
        return _new(Used, (seen, max(a * _NS + a_ns, m * _NS + m_ns)))

    return look


def opened_looker() -> OpenedLook:
    """Return an ``OpenedLook`` of one's own.

    On Linux it asks no file system: ``stat`` of what others have open would wait for each server that does not answer.
    (``fdinfo`` tells an inode, too, but on overlayfs not always the one that ``stat`` tells.)
    """
    call = _call()
    if call is None:
        return opened_by_stat
    statx, address, buffer = call
    unpack, flags = _OPENED.unpack_from, _NOT_ASKED | _NOT_MOUNTED

    def look(link: bytes) -> Opened:
        if statx(HERE, link, flags, _OPENED_WANTED, address):
            if (error := _error(link)).errno in _FORBIDDEN:
                return opened_by_stat(link)
            raise error
        inode, major, minor = unpack(buffer)
        return Opened(inode, os.makedev(major, minor))

    return look


def _call() -> tuple[Callable[..., int], int, Any] | None:
    """Return the system call, where it is to write its answer, and what that is read from; None where it is not."""
    statx = system_call("statx")
    if statx is None:
        return None
    import ctypes  # noqa: PLC0415 - see system_call

    # A buffer for each look: while the kernel fills it other threads run.
    buffer = ctypes.create_string_buffer(_SIZE_OF_STATX)
    return statx, ctypes.addressof(buffer), buffer


def _error(name: bytes) -> OSError:
    """Return what the last call that failed in this thread failed with."""
    import ctypes  # noqa: PLC0415 - see system_call

    number = ctypes.get_errno()
    return OSError(number, os.strerror(number), os.fsdecode(name))


def marker() -> Callable[[int, bytes], int]:
    """Return what makes a negative number of a file's handle, by which the file system itself finds it; 0 without one.

    A handle holds the inode's number and how often that has been used, and needs no rights to be asked for. The number
    fits where a birth time does: nobody was born before 1970. Arguments as of ``Look``; not to be shared either.
    """
    buffer: Any = None
    place = kept = 0

    def mark(directory: int, name: bytes) -> int:
        nonlocal buffer, place, kept
        call = system_call("name_to_handle_at")
        if call is None:
            return 0
        if buffer is None:
            import ctypes  # noqa: PLC0415 - see system_call

            buffer = ctypes.create_string_buffer(_HANDLE.size + _LONGEST_HANDLE + _SIZE_OF_MOUNT)
            place = ctypes.addressof(buffer)
            kept = place + _HANDLE.size + _LONGEST_HANDLE
        _HANDLE.pack_into(buffer, 0, _LONGEST_HANDLE, 0)
        if call(directory, name, place, kept, 0 if name else _OR_DESCRIPTOR):
            return 0
        length, kind = _HANDLE.unpack_from(buffer)
        return -mixed(kind, int.from_bytes(buffer[_HANDLE.size : _HANDLE.size + length]))

    return mark


def mixed(*numbers: int) -> int:
    """Return a number from 1 to 2^63 - 1 made of some, the same in every process and version of Python."""
    mix = 0
    for number in numbers:
        for part in number.to_bytes((number.bit_length() + 7) // 8):
            mix = (mix ^ part) * _PRIME & _WORD  # as FNV-1a does
        mix = (mix ^ mix >> 29) * _PRIME & _WORD
    return mix >> 1 or 1


@functools.cache
def system_call(name: str) -> Callable[..., int] | None:
    """Return a function of the C library, or None where there is none of this name."""
    if sys.platform != "linux":
        return None
    import ctypes  # noqa: PLC0415 - slow to import, and in memory nobody asks

    try:
        function = getattr(ctypes.CDLL(None, use_errno=True), name)
    except (OSError, AttributeError):  # a C library before glibc 2.28 or musl 1.2.4
        return None
    function.argtypes = _ARGUMENTS[name](ctypes)
    return cast("Callable[..., int]", function)


def look_by_stat(directory: int, name: bytes) -> Seen:
    """Be a ``Look`` by what Python has everywhere."""
    return _seen(_stat(directory, name))


def used_by_stat(directory: int, name: bytes) -> Used:
    """Be a ``UsedLook`` by what Python has everywhere."""
    found = _stat(directory, name)
    return Used(_seen(found), max(found.st_atime_ns, found.st_mtime_ns))


def _stat(directory: int, name: bytes) -> os.stat_result:
    if not name:
        return os.fstat(directory)
    return os.stat(name, dir_fd=None if directory == HERE else directory, follow_symlinks=False)


def _seen(found: os.stat_result) -> Seen:
    inode, changed, disk = signed(found.st_ino), found.st_ctime_ns, _disk(found.st_blocks, found.st_nlink)
    return Seen(found.st_mode, inode, found.st_size, _born(found), changed, found.st_uid, disk)


def opened_by_stat(link: bytes) -> Opened:
    """Be an ``OpenedLook`` by what Python has everywhere."""
    found = os.stat(link)
    return Opened(signed(found.st_ino), found.st_dev)


def listed_by_stat(directory: int, name: bytes) -> Listed:
    """Be a ``ListedLook`` by what Python has everywhere."""
    s = os.stat(name, dir_fd=directory, follow_symlinks=False)
    inode, changed, written = signed(s.st_ino), s.st_ctime_ns, s.st_mtime_ns
    disk = _BLOCK * s.st_blocks if s.st_mode & _TYPE == _DIRECTORY else _disk(s.st_blocks, s.st_nlink)
    return Listed(s.st_mode, s.st_nlink, s.st_uid, s.st_dev, inode, s.st_size, _born(s), changed, written, disk)


def _disk(blocks: int, links: int) -> int:
    """Return a name's part of what a file takes on the disk, in bytes; what is open without a name takes all of it."""
    return _BLOCK * blocks // (links or 1)


def _born(found: os.stat_result) -> int:
    # macOS and the BSDs tell it, in seconds.
    return int(getattr(found, "st_birthtime", 0) * 1e9)


def signed(inode: int) -> int:
    """Return an inode number as it is stored: SQL has no unsigned numbers."""
    return inode if inode < 1 << 63 else inode - (1 << 64)


_new = tuple.__new__
