"""POSIX access lists, as the kernel tells and takes them."""

import struct

A_USER, A_GROUP = 0x02, 0x08
"""What an entry is about; with its rights and a number it makes one."""
_OWNER, _OWNING_GROUP, _MASK, _OTHERS = 0x01, 0x04, 0x10, 0x20
_NOBODY = 0xFFFFFFFF


def as_the_kernel_tells(*entries: tuple[int, int, int]) -> bytes:
    return struct.pack("<I", 2) + b"".join(struct.pack("<HHI", *entry) for entry in entries)


def a_list(named: tuple[int, int, int], *, owner: int = 7, owning: int = 0, mask: int = 7) -> bytes:
    ordered = sorted([
        (_OWNER, owner, _NOBODY), (_OWNING_GROUP, owning, _NOBODY), (_MASK, mask, _NOBODY), (_OTHERS, 0, _NOBODY),
        named,
    ])  # fmt: skip
    return as_the_kernel_tells(*ordered)
