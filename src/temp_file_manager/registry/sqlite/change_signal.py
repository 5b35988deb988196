"""Signals between processes through shared memory: that records have changed, that files have gone.

A sweep asks before each removal whether its record is still the one it claimed, and a registration whether a sweep
was at work while it was writing. Asking SQLite, even for its own ``data_version``, costs as much as a removal;
looking at a few bytes costs nothing.
"""

import mmap
import os
from collections.abc import Callable
from contextlib import AbstractContextManager

_HALF = 8
_SIZE = 2 * _HALF


class Changes:
    """Two eight-byte values in a small file, mapped by every process that has the registry open.

    The first changes with records that somebody may have claimed: after that is committed, before it is
    acknowledged. So a sweep that sees no change knows that nothing *acknowledged* is missing from what it read.
    The second changes when a sweep has removed files: before it forgets their records. So a registration that finds
    neither its path known nor this value changed knows that no sweep took the file it had just looked at.

    Args:
        path: Made, with mode 0600, when first asked for.
        translated: A context in which the system's errors become ours.
    """

    def __init__(self, path: str, translated: Callable[[], AbstractContextManager[None]]) -> None:
        self._path = path
        self._translated = translated
        self._map: mmap.mmap | None = None

    def _opened(self) -> mmap.mmap:
        with self._translated():
            # Never a file of SQLite's: closing any descriptor of one drops all locks that the process holds on it.
            descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                if os.fstat(descriptor).st_size < _SIZE:
                    os.write(descriptor, bytes(_SIZE))
                self._map = opened = mmap.mmap(descriptor, _SIZE)
            finally:
                os.close(descriptor)
        return opened

    def value(self) -> bytes:
        """Return what changes with records."""
        return (self._map or self._opened())[:_HALF]

    def both(self) -> bytes:
        """Return what changes with records and with files."""
        return (self._map or self._opened())[:_SIZE]

    def announce(self) -> None:
        """Say that records have changed."""
        (self._map or self._opened())[:_HALF] = _unique()

    def announce_removals(self) -> None:
        """Say that files have been removed."""
        (self._map or self._opened())[_HALF:_SIZE] = _unique()

    def close(self) -> None:
        """Unmap it; the next use maps it again."""
        if self._map is not None:
            self._map.close()
            self._map = None


def _unique() -> bytes:
    # A value that nobody else gives: no announcement undoes another. A pid and a number did not do: two containers on
    # one volume are both pid 1.
    return os.urandom(_HALF)
