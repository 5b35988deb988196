"""Free space of a file system, and when it is little."""

import os
from typing import NamedTuple

LITTLE_ROOM, LITTLE_SHARE = 64 * 1024 * 1024, 0.02
"""Less free space than this, and than this part of all: worth a warning."""

FEW_INODES = 1000
"""So with files: fewer than this, and than ``LITTLE_SHARE`` of all."""


class Room(NamedTuple):
    """Free space for whoever is not root.

    Attributes:
        bytes: Free bytes.
        share: Their part of all there are, 0 to 1.
        inodes: How many more files can be made; None where the file system counts none.
        inode_share: Their part of all there are.
        size: All bytes there are.
        all_inodes: How many files there can be.
    """

    bytes: int
    share: float
    inodes: int | None = None
    inode_share: float = 1.0
    size: int = 0
    all_inodes: int = 0

    @property
    def is_full(self) -> bool:
        """Whether nothing more can be made."""
        return not self.bytes or self.inodes == 0

    @property
    def is_little(self) -> bool:
        """Whether somebody should look."""
        few = self.inodes is not None and self.inodes < FEW_INODES and self.inode_share < LITTLE_SHARE
        return self.is_full or few or (self.bytes < LITTLE_ROOM and self.share < LITTLE_SHARE)


def room(directory: str) -> Room | None:
    """Return what is free on a directory's file system; None when it cannot be told."""
    try:
        found = os.statvfs(directory)
    except (OSError, ValueError, AttributeError):  # gone, no path, or no Unix
        return None
    share = found.f_bavail / found.f_blocks if found.f_blocks else 1.0
    size = found.f_blocks * found.f_frsize
    if not found.f_files:  # some file systems make inodes as they go
        return Room(found.f_bavail * found.f_frsize, share, size=size)
    inode_share = found.f_favail / found.f_files
    return Room(found.f_bavail * found.f_frsize, share, found.f_favail, inode_share, size, found.f_files)


def is_full(directory: str) -> bool:
    """Say whether a directory's file system has no room, or no inode, left for us."""
    found = room(directory)
    return found is not None and found.is_full


def has_room(directory: str, size: int) -> bool:
    """Say whether there is room for ``size`` more bytes, as far as anything tells."""
    found = room(directory)
    return found is None or found.bytes >= size
