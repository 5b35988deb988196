"""A value in shared memory that changes whenever a process changes records that another may have claimed.

A sweep asks before each removal whether its record is still the one it claimed. Asking SQLite, even for its own
``data_version``, costs as much as a removal; looking at eight bytes costs nothing.
"""

import itertools
import mmap
import os
import struct

_SIZE = 8


class Changes:
    """One eight-byte value in a small file, mapped by every process that has the registry open.

    A change is announced after it is committed and before it is acknowledged. So whoever sees no change knows
    that nothing *acknowledged* is missing from what it read before.
    """

    def __init__(self, path: str) -> None:
        # Never a file of SQLite's: closing any descriptor of one drops all locks that the process holds on it.
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            if os.fstat(descriptor).st_size < _SIZE:
                os.pwrite(descriptor, bytes(_SIZE), 0)
            self._map = mmap.mmap(descriptor, _SIZE)
        finally:
            os.close(descriptor)
        self._numbers = itertools.count(1)

    def value(self) -> bytes:
        """Return what is to be compared with a later value."""
        return self._map[:_SIZE]

    def announce(self) -> None:
        """Change the value, to one that no other process ever gives it: no announcement undoes another."""
        self._map[:_SIZE] = struct.pack("=II", os.getpid(), next(self._numbers) & 0xFFFFFFFF)

    def close(self) -> None:
        """Unmap it."""
        self._map.close()
