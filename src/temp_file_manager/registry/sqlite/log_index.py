"""The index of SQLite's log, which says how much of the log holds changes that are not yet in the file itself.

The index is the file ``-shm``, which everybody who uses the registry has mapped. SQLite writes changes to the log first
and then says so in the index; to begin the log anew it says so first, and then cuts the log. So a log that is shorter
than the index says has lost changes, and one that SQLite itself has cut never is.

The index is read by the descriptor that SQLite has open: to close one of ours would take away every lock that SQLite
has on the file in this process.
"""

import os
import struct
from collections.abc import Callable

_HEADER = struct.Struct("=3I2BHI28x")
"""Version, nothing, changes, whether it is valid, byte order, page size, frames of the log; then sums, and the salt."""

_VERSION = 3007000
_LOG_HEADER, _FRAME_HEADER = 32, 24  # bytes

_DESCRIPTORS = "/dev/fd"
_TRIES = 100


def allows(index: tuple[int, int], length: Callable[[], int]) -> bool:
    """Say whether a log may be as short as it is; False, too, where nothing tells.

    Args:
        index: Which file its index is: device and inode.
        length: Looks how many bytes the log has.

    Raises:
        OSError: there is no descriptor to spare.
    """
    for _ in range(_TRIES):
        before = _header(index)
        if length() >= _least(before):
            return True
        if _header(index) == before:  # else others have changed it, and perhaps cut the log, between the two looks
            return False
    return False


def _least(header: bytes) -> float:
    """Return how many bytes the log has at least."""
    if len(header) < 2 * _HEADER.size:
        return float("inf")
    version, _, _, valid, _, size, frames = _HEADER.unpack_from(header)
    if version != _VERSION or not valid or header[: _HEADER.size] != header[_HEADER.size :]:
        return float("inf")  # also in the middle of a change: SQLite writes the second copy, and then the first
    page = size & 0xFE00 | (size & 1) << 16
    return _LOG_HEADER + frames * (_FRAME_HEADER + page) if frames else 0


def _header(index: tuple[int, int]) -> bytes:
    """Return both copies of the header of an index that is open in this process; nothing if it cannot be read."""
    try:
        numbers = os.listdir(_DESCRIPTORS)
    except (FileNotFoundError, PermissionError):  # no /proc, or that of a process which nobody may trace
        return b""
    for number in map(int, numbers):
        try:
            found = os.fstat(number)
            if (found.st_dev, found.st_ino) == index:
                return os.pread(number, 2 * _HEADER.size, 0)
        except OSError:  # that of the listing, or one that another thread has just closed
            continue
    return b""
