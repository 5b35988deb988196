"""File systems that paths lie on, as the kernel lists them."""

import os
from enum import StrEnum
from struct import Struct

from temp_file_manager.storage.kernel.statx import system_call

NETWORK = frozenset({
    "nfs", "nfs4", "cifs", "smb3", "smbfs", "ncpfs", "9p", "virtiofs", "afs", "coda", "ceph", "lustre", "gpfs",
    "beegfs", "orangefs", "pvfs2", "ocfs2", "gfs2", "gfs", "acfs", "vboxsf", "vmhgfs", "prl_fs", "drvfs",
})  # fmt: skip
"""File systems that other machines may change, or whose locks those do not see: of a network, a cluster, a host."""

_LOCAL_FUSE = frozenset({
    "fuseblk", "fuse.fuse-overlayfs", "fuse.bindfs", "fuse.encfs", "fuse.gocryptfs", "fuse.cryfs", "fuse.ntfs-3g",
    "fuse.ntfs", "fuse.exfat", "fuse.lxcfs", "fuse.squashfuse",
})  # fmt: skip
"""Kinds of FUSE that are known to keep what they hold on this machine. Of any other nothing tells."""

OVERLAY = 0x794C7630
LEASES_DECIDE = frozenset({0xEF53, 0x58465342, 0x9123683E, 0x01021994})
"""Magic numbers of ext2 to ext4, xfs, btrfs and tmpfs: there a lease is granted only while nobody has the file open."""

VOLATILE = frozenset({0x01021994, 0x858458F6})
"""Those of tmpfs and ramfs, which end when they are unmounted."""

NUMBERS_LAST = LEASES_DECIDE | {
    *(0x858458F6, 0x2FC12FC1, 0xF2F52010, 0xCA451A4E, 0x3153464A, 0x52654973),
    *(0x6969, 0x00C36400, 0x01161970, 0x7461636F, 0x7366746E),
}
"""Those where a file keeps its inode number for life: besides these ramfs, zfs, f2fs, bcachefs, jfs, reiserfs, nfs,
ceph, gfs2, ocfs2 and ntfs3. On FAT, exFAT and much of FUSE it gets another when it is mounted anew, or sooner, and on
overlayfs when it is first written to: there another number proves nothing."""

PATH_ONLY = getattr(os, "O_PATH", os.O_RDONLY) | getattr(os, "O_DIRECTORY", 0) | getattr(os, "O_CLOEXEC", 0)
"""How to open a directory without any right to read it."""

_MOUNTS = "/proc/self/mountinfo"

_SIZE_OF_STATFS = 256  # at most
_FIRST_WORD = Struct("@l")


class Reading(StrEnum):
    """How a mount notes that a file is read."""

    EXACT = "exact"
    DAILY = "daily"  # relatime: when it was written since, or the last note is a day old
    NEVER = "never"  # noatime
    UNKNOWN = "unknown"

    @property
    def words(self) -> str:
        """It in words."""
        return _READING[self]


_READING = {
    Reading.EXACT: "each reading is noted here",
    Reading.DAILY: "reading is noted once a day here (relatime)",
    Reading.NEVER: "reading is not noted here (noatime), so it is the last writing that counts",
    Reading.UNKNOWN: "nothing tells whether reading is noted here",
}


def reading(path: str) -> Reading:
    """Return how reading is noted where a path lies."""
    try:
        flags = os.statvfs(path).f_flag
        if flags & os.ST_NOATIME:
            return Reading.NEVER
        return Reading.DAILY if flags & os.ST_RELATIME else Reading.EXACT
    except (OSError, ValueError, AttributeError):  # it is not there, or not Linux
        return Reading.UNKNOWN


def magic(descriptor: int) -> int:
    """Return the magic number of the file system that an open file lies on; 0 if it cannot be told."""
    fstatfs = system_call("fstatfs")
    if fstatfs is None:
        return 0
    import ctypes  # noqa: PLC0415 - see system_call

    found = ctypes.create_string_buffer(_SIZE_OF_STATFS)
    return 0 if fstatfs(descriptor, found) else _FIRST_WORD.unpack_from(found)[0] & 0xFFFFFFFF


def is_network(kind: str) -> bool:
    """Say whether a file system of this type is, or may be, shared with other machines."""
    fuse = kind == "fuse" or kind.startswith("fuse.")
    return kind in NETWORK or (fuse and kind not in _LOCAL_FUSE)


def numbers_last(descriptor: int) -> bool:
    """Say whether files keep their inode numbers on the file system that an open file lies on."""
    return magic(descriptor) in NUMBERS_LAST


def kind(path: str) -> str:
    """Return the type of the file system that ``path`` lies on, or would, as ``mount`` names it; empty if unknown."""
    try:
        with open(_MOUNTS, encoding="utf-8", errors="surrogateescape") as file:
            mounts = file.read()
    except OSError:  # not Linux, or no /proc
        return ""
    return kind_among(mounts, os.path.realpath(path))


def kind_among(mounts: str, path: str) -> str:
    """Return the type of the mount that holds ``path``: the longest mount point above it, the last if mounted over."""
    best, found = "", ""
    for line in mounts.splitlines():
        before, _, after = line.partition(" - ")
        fields = before.split(" ")
        if len(fields) < 5 or not after:  # noqa: PLR2004 - the fifth field is the mount point
            continue
        point = _unescaped(fields[4])
        inside = path == point or path.startswith(point.rstrip("/") + "/")
        if inside and len(point) >= len(best):
            best, found = point, after.split(" ")[0]
    return found


def point_below(path: str) -> str:
    """Return a place below a directory, absolute and with links resolved, where something is mounted; empty if none."""
    try:
        with open(_MOUNTS, encoding="utf-8", errors="surrogateescape") as file:
            points = [_unescaped(line.split(" ")[4]) for line in file]
    except (OSError, IndexError):
        return ""
    return next((point for point in points if point.startswith(f"{path}/")), "")


def _unescaped(field: str) -> str:
    # The kernel writes these four, and no others, as octal.
    for character in " \t\n":
        field = field.replace(f"\\{ord(character):03o}", character)
    return field.replace("\\134", "\\")
