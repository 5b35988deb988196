"""Volumes: what is mounted where a directory lies, told from what else may be mounted there at another time.

What has gone from a directory is one thing, and a directory whose file system is not there just now is another: a disk
that is not mounted, or another mount namespace's. The second is told by the *volume*: the topmost directory of the
mount, which for a bind mount need not be that of the file system. Device numbers and the kernel's numbers of mounts
would not do: both change with each mounting.
"""

import functools
import os

from temp_file_manager.storage.kernel import mounts
from temp_file_manager.storage.kernel.statx import ListedLook, mixed

_HALF = 31  # bits

_BOOT = "/proc/sys/kernel/random/boot_id"


def volume(look: ListedLook, directory: int, name: bytes = b".") -> int:
    """Return the number of the volume that a directory lies on; 0 if nothing can tell.

    One that ends when it is unmounted, as a tmpfs does, has a negative number, in which is the boot of the machine.

    Args:
        look: What looks.
        directory: An open directory, or ``HERE``.
        name: The directory that is meant, relative to it.
    """
    try:
        top = look(directory, name)
        path = name + b"/.."
        while (above := look(directory, path)).mount == top.mount and above.inode != top.inode:
            top, path = above, path + b"/.."
        magic, file_system = _file_system(directory, name)
    except OSError:  # also where it lies too deep for a path
        return 0
    inode = top.inode if magic in mounts.NUMBERS_LAST else 0
    born = (
        top.born if magic in mounts.NUMBERS_LAST or magic == mounts.OVERLAY else 0
    )  # exFAT's root is born at mounting
    number = mixed(magic, file_system, inode % (1 << 64), born % (1 << 64))
    if magic in mounts.VOLATILE and (this := boot()):
        return -(this << _HALF | number % (1 << _HALF))
    return number


def has_ended(number: int) -> bool:
    """Say whether a volume has ended with all that was on it: it lived in the memory of a machine since restarted."""
    return number < 0 and boot() not in (0, -number >> _HALF)


def _file_system(directory: int, name: bytes) -> tuple[int, int]:
    """Return the kind of the file system that a directory lies on, and its own number where that lasts."""
    descriptor = os.open(name, mounts.PATH_ONLY, dir_fd=None if directory < 0 else directory)
    try:
        device, number = os.fstat(descriptor).st_dev, os.fstatvfs(descriptor).f_fsid
        magic = mounts.magic(descriptor)
    finally:
        os.close(descriptor)
    # Some say the device's number, which the next disk may have: as the kernel packs it into 32 bits.
    minor = os.minor(device)
    packed = minor & 0xFF | os.major(device) << 8 | (minor & ~0xFF) << 12
    return magic, 0 if number == packed else number % (1 << 64)


@functools.cache
def boot() -> int:
    """Return a number of this boot of the machine, of ``_HALF`` bits; 0 where nothing tells."""
    try:
        with open(_BOOT, "rb") as file:
            return mixed(int.from_bytes(file.read().strip())) % (1 << _HALF) or 1
    except OSError:
        return 0
