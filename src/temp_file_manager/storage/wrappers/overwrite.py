"""Overwriting of a file's content before its name goes, as far as that can be done from here.

Zeros once, in place: on anything made this century one pass is as good as many (NIST SP 800-88), and ``shred -n1`` does
as much. What it cannot reach is said by ``guarantee`` where the file system tells. Nothing tells of the rest: the
spare blocks of a flash drive, snapshots, backups, a journal of data (``data=journal``), swap.
"""

import errno
import os
import stat
import threading
import time
from collections.abc import Callable, Iterator
from queue import SimpleQueue
from types import TracebackType
from typing import Self

from temp_file_manager.causes import Cause
from temp_file_manager.records import Status
from temp_file_manager.storage.contract import NotThatFile, Removal
from temp_file_manager.storage.kernel import mounts
from temp_file_manager.storage.kernel.statx import HERE, Seen, signed

PIECE = 1 << 20
"""Bytes written at a time: between two pieces a stop is heard."""

STRIDE = 16 * PIECE
"""Bytes brought to the disk and cut off at a time, at most: what was overwritten before a stop needs no overwriting
again. A slow disk gets less: nothing ends the call that brings them there, and whoever stops waits for it."""

FIRST = PIECE
"""Bytes for a beginning: nobody knows yet how slow the disk is."""

QUICK, SLOW = 0.1, 0.5
"""Seconds: what took less is followed by twice as much, what took more by half of it."""

IN_PLACE = frozenset({"ext2", "ext3", "ext4", "exfat", "hfsplus", "jfs", "minix", "msdos", "ntfs3", "tmpfs", "vfat"})
"""File systems that write a file's new bytes where the old ones are."""

_ELSEWHERE = dict.fromkeys(
    ("btrfs", "zfs", "bcachefs"), "copies on write: the old bytes stay until they are used again"
)
_ELSEWHERE |= dict.fromkeys(("f2fs", "nilfs2", "ubifs", "jffs2"), "writes as a log: the old bytes stay in it")
_ELSEWHERE |= {
    "xfs": "may share blocks between files (reflink): what is shared is written elsewhere",
    "overlay": "copies up what lies below: the old bytes stay there",
}

_FLAGS = (
    os.O_RDWR
    | getattr(os, "O_NOFOLLOW", 0)
    | getattr(os, "O_NONBLOCK", 0)
    | getattr(os, "O_CLOEXEC", 0)
    | getattr(os, "O_NOCTTY", 0)
)
_A_LOOK = 0.1  # seconds between two looks whether a file that takes long is still being worked at

synchronise = getattr(os, "fdatasync", None) or os.fsync
"""Brings what was written to the disk; macOS has only the second."""


def guarantee(path: str) -> str:
    """Say why overwriting what lies at ``path`` may leave a copy; nothing when the file system keeps none."""
    kind = mounts.kind(path)
    if kind in IN_PLACE:
        return ""
    if not kind:
        return "nothing tells what file system it is on"
    return f"{kind} {_ELSEWHERE.get(kind, 'is not known to write in place')}"


def open_writable(directory: int, name: bytes, seen: Seen) -> int:
    """Open for overwriting the regular file that was ``seen``, made writable if it is ours.

    Raises:
        NotThatFile: it is another one now.
        OSError: it cannot be written to.
    """
    place = None if directory == HERE else directory
    try:
        descriptor = os.open(name, _FLAGS, dir_fd=place)
    except PermissionError as error:
        if error.errno != errno.EACCES or not hasattr(os, "O_PATH"):
            raise
        descriptor = _made_writable(place, name, seen, error)
    same = False
    try:
        found = os.fstat(descriptor)
        same = signed(found.st_ino) == seen.inode and stat.S_ISREG(found.st_mode)
    finally:
        if not same:
            os.close(descriptor)
    if not same:
        raise NotThatFile(Status.KEPT, Cause.CHANGING)
    return descriptor


def _made_writable(place: int | None, name: bytes, seen: Seen, refusal: PermissionError) -> int:
    # By way of a descriptor that only points: the mode of no other file is changed, whoever renames meanwhile.
    pointer = os.open(name, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=place)
    try:
        found = os.fstat(pointer)
        ours = found.st_uid == os.geteuid() and stat.S_ISREG(found.st_mode) and signed(found.st_ino) == seen.inode
        if not ours:
            raise refusal
        os.chmod(f"/proc/self/fd/{pointer}", stat.S_IMODE(found.st_mode) | stat.S_IRUSR | stat.S_IWUSR)
        return os.open(f"/proc/self/fd/{pointer}", _FLAGS & ~os.O_NOFOLLOW)
    finally:
        os.close(pointer)


def overwrite(descriptor: int, wrote: Callable[[], None], elapsed: Callable[[], float] = time.monotonic) -> None:
    """Overwrite a file's bytes with zeros on the disk, and cut it to nothing: its end first.

    Its holes stay holes: there is nothing in them, and to fill them would take room that a full disk never gets back.

    Args:
        descriptor: Open for writing.
        wrote: Called after each piece; what it raises ends the work.
        elapsed: Tells the time; seconds on a clock that nobody sets.

    Raises:
        OSError: a piece could not be written, or somebody goes on writing: the file is left as long as it is.
    """
    grown, stride = False, FIRST
    end = os.fstat(descriptor).st_size
    while end:
        start, began = (end - 1) // stride * stride, elapsed()
        _zero(descriptor, start, end, wrote)
        stride = next_stride(stride, elapsed() - began)
        size = os.fstat(descriptor).st_size
        if size <= end:
            os.ftruncate(descriptor, start)
            end = start
        elif grown:
            raise OSError(errno.EBUSY, "somebody goes on writing to it")
        else:
            grown, end = True, size


def next_stride(stride: int, took: float) -> int:
    """Return how many bytes to write next, when the last ``stride`` took so many seconds."""
    if took < QUICK:
        return min(2 * stride, STRIDE)
    return max(stride // 2, PIECE) if took > SLOW else stride


def _zero(descriptor: int, start: int, end: int, wrote: Callable[[], None]) -> None:
    zeros = memoryview(bytes(min(PIECE, end - start)))
    for first, last in _data(descriptor, start, end):
        at = first
        while at < last:
            at += os.pwrite(descriptor, zeros[: last - at], at)
            wrote()
    synchronise(descriptor)


def _data(descriptor: int, at: int, end: int) -> Iterator[tuple[int, int]]:
    """Yield the ranges of a file's bytes that are on the disk; where nothing tells of holes, all of them."""
    while at < end:
        try:
            at = os.lseek(descriptor, at, os.SEEK_DATA)
            last = os.lseek(descriptor, at, os.SEEK_HOLE)
        except (OSError, AttributeError) as error:
            if getattr(error, "errno", None) == errno.ENXIO:  # a hole until the end
                return
            last = end
        if at < end:
            yield at, min(last, end)
        at = last


class Stopped(Exception):  # noqa: N818 - an answer
    """The file was not overwritten to its end: nobody waits for it any more, or there was no time left."""


class Overwriting:
    """One file being overwritten."""

    def __init__(self, descriptor: int) -> None:
        # Its own: a number that is closed elsewhere and given to another file would be written to by a late thread.
        self._descriptor = os.dup(descriptor)
        self._error: Exception | None = None
        self._done = threading.Event()
        self.pieces = 0

    def run(self, stopped: Callable[[], bool]) -> None:
        """Overwrite it, in the thread of an ``Overwriter``."""

        def wrote() -> None:
            self.pieces += 1
            if stopped():
                raise Stopped

        try:
            wrote()
            overwrite(self._descriptor, wrote)
        except Exception as error:
            self._error = error
        finally:
            os.close(self._descriptor)
            self._done.set()

    def result(self, removal: Removal) -> None:
        """Wait until it is overwritten; ``removal`` is told that it gets on.

        Raises:
            OSError: it could not be.
            Stopped: it was not, as the removal has ended.
        """
        seen = 0
        while not self._done.wait(_A_LOOK):
            removal.signs += self.pieces > seen
            seen = self.pieces
        if self._error is not None:
            raise self._error


class Overwriter:
    """Threads that overwrite the files of one batch: here they pay, as each call takes long and holds no lock.

    They end with the ``with`` block, after the piece that each is at. Daemons: one that hangs keeps no interpreter
    from ending.

    Args:
        threads: How many at most.
        why_ended: Asked before each piece: says why nothing more may be written.
    """

    def __init__(self, threads: int, why_ended: Callable[[], str]) -> None:
        self._most = threads
        self._why_ended = why_ended
        self._threads: list[threading.Thread] = []
        self._waiting: SimpleQueue[Overwriting | None] = SimpleQueue()
        self._stopped = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._stopped = True
        for _ in self._threads:
            self._waiting.put(None)
        for thread in self._threads:
            thread.join()

    def begin(self, descriptor: int) -> Overwriting:
        """Have a file overwritten; ``descriptor`` stays the caller's.

        Raises:
            RuntimeError: there can be no thread that does it.
        """
        if len(self._threads) < self._most:
            thread = threading.Thread(target=self._work, name="temp-file-overwriting", daemon=True)
            try:
                thread.start()
            except RuntimeError:  # no more of them: those that there are do it
                if not self._threads:
                    raise
            else:
                self._threads.append(thread)
        file = Overwriting(descriptor)
        self._waiting.put(file)
        return file

    def _work(self) -> None:
        while (file := self._waiting.get()) is not None:
            file.run(lambda: self._stopped or bool(self._why_ended()))
