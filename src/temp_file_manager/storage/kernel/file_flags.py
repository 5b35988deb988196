"""Flags and modes that keep a file from being removed though its directory may be written to."""

import os
import stat

_GET_FLAGS = 0x80086601  # FS_IOC_GETFLAGS; where its number is another the system says so, and no flag is known
_IMMUTABLE, _APPEND_ONLY = 0x10, 0x20
_READ = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0)


def obstacle(path: str) -> str:
    """Say what would make the removal of ``path`` fail, as far as looking can tell; nothing when nothing would."""
    directory = os.path.dirname(path)
    try:
        around, found = os.stat(directory), os.lstat(path)
    except (OSError, ValueError):
        return ""
    sticky = sticks(around, found.st_uid)
    if sticky:
        return sticky
    if stat.S_ISREG(found.st_mode) and flags(path) & (_IMMUTABLE | _APPEND_ONLY):
        return "it is marked as never to be changed: chattr -i -a takes that mark away"
    if flags(directory) & (_IMMUTABLE | _APPEND_ONLY):
        return "its directory is marked as never to be changed: chattr -i -a takes that mark away"
    return ""


def sticks(around: os.stat_result, owner: int) -> str:
    """Say that a directory lets nobody but others remove a file of the user ``owner``; nothing if it lets us."""
    if around.st_mode & stat.S_ISVTX and os.geteuid() not in (0, owner, around.st_uid):
        return "in a sticky directory only a file's owner may remove it"
    return ""


def flags(path: str) -> int:
    """Return the flags that a file system keeps of a file; 0 where it keeps none, or they cannot be read."""
    try:
        from fcntl import ioctl  # noqa: PLC0415 - only Unix has it

        descriptor = os.open(path, _READ)
    except (ImportError, OSError):
        return 0
    try:
        return int.from_bytes(ioctl(descriptor, _GET_FLAGS, bytes(8)), "little")
    except OSError:  # a file system without such marks
        return 0
    finally:
        os.close(descriptor)
