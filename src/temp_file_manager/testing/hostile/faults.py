"""Faults for anybody's cleaner: disks, mounts and limits that are real, and a storage that fails as it is told to.

Real ones first: a mount or a limit makes the kernel itself say no, to whatever system call a cleaner thought of. They
raise where the machine does not let us, with what is missing; a test then injects the fault, with ``FailingStorage``,
and says which of the two it was. ``hostile`` has the attackers.
"""

import ctypes
import errno
import os
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

from temp_file_manager.chunks import failed
from temp_file_manager.records import Outcome, TempFile
from temp_file_manager.storage import LocalStorage
from temp_file_manager.storage.contract import Removal
from temp_file_manager.testing.hostile.attacks import AnyPath

_READ_ONLY, _REMOUNT, _BIND, _DETACH = 1, 32, 4096, 2

HANG = 0
"""In place of an errno: what is asked for does not return until it is released."""


class FailingStorage(LocalStorage):
    """A storage that fails for chosen files, and removes the others as ``LocalStorage`` does.

    Proves what whoever drives a storage makes of failures: that a file which could not be removed stays on record, that
    others do not stay with it, and that one which hangs holds up nobody else. It keeps the storage's contract: records
    are worked on in order, and it asks whether a file may go when only the removal itself is left to do.

    Limits: the system call is never made, so this says nothing of what a kernel leaves half done. A hang can be
    released here, as no dead network mount can.

    Args:
        error: The ``errno`` of the failure, such as ``errno.EIO``, or ``HANG``.
        paths: Whose removal fails; None: every one's.
        storage: What removes the others, and all of them once the fault is over.
        escapes: The error is raised out of ``remove``, as a storage with a bug of its own would do, instead of being
            told as an outcome.

    Attributes:
        hung: Set when a removal hangs.
        hits: How many removals failed or hung.

    Example::

        removal = Removal(Made([TempFile("/tmp/app/bad", 0.0), TempFile("/tmp/app/good", 0.0)]))
        storage = FailingStorage(errno.EIO, ["/tmp/app/bad"])
        storage.remove(removal)
        assert (removal.done, removal.others[0].status, len(removal.others)) == (2, Status.FAILED, 1)
        storage.release()  # the disk is well again
    """

    def __init__(
        self,
        error: int,
        paths: Iterable[AnyPath] | None = None,
        *,
        storage: LocalStorage | None = None,
        escapes: bool = False,
    ) -> None:
        super().__init__()
        self.hung: threading.Event = threading.Event()
        self.hits: int = 0
        self._error = error
        self._paths = None if paths is None else {os.path.abspath(path) for path in paths}
        self._storage = storage or LocalStorage()
        self._escapes = escapes
        self._released = threading.Event()

    def release(self) -> None:
        """End the fault: what hangs goes on, and nothing fails any more."""
        self._released.set()

    def remove(self, removal: Removal) -> None:
        """Remove one file a record, or fail."""
        for at, path in removal.each(removal.records.paths()):
            if self._hit(path):
                if not removal.may_go(at):
                    continue
                self.hits += 1
                if self._error != HANG:
                    self._fail(removal, at, path)
                    continue
                self.hung.set()
                self._released.wait()
            part = removal.part(at, at + 1)
            self._storage.remove(part)
            removal.others.update(part.others)

    def predict(self, records: Iterable[TempFile]) -> Iterator[Outcome]:
        """Yield what looking can tell: not that it will fail."""
        return self._storage.predict(records)

    def _hit(self, path: str) -> bool:
        return not self._released.is_set() and (self._paths is None or path in self._paths)

    def _fail(self, removal: Removal, at: int, path: str) -> None:
        error = OSError(self._error, os.strerror(self._error), path)
        if self._escapes:
            raise error
        removal.others[at] = failed(error)


@contextmanager
def limited(resource: int, soft: int) -> Iterator[None]:
    """Lower one of this process's own limits until the block is left.

    Proves that a cleaner which has run out of something fails whole and comes back: ``RLIMIT_NOFILE`` at 0 makes every
    open fail with ``EMFILE`` and leaves what is open alone; ``RLIMIT_FSIZE`` at 0 makes every file refuse to grow
    (``EFBIG``, and SIGXFSZ, which Python ignores).

    Limits: the whole process and all its threads have it, pytest included; keep the block short, and open what the test
    itself needs before. Some limits, as that of processes, do not hold for root.

    Args:
        resource: ``resource.RLIMIT_…``.
        soft: The new soft limit, not above the hard one.

    Raises:
        ValueError: there is no such limit, or it cannot be set to that.

    Example::

        with limited(resource.RLIMIT_NOFILE, 0):
            my_cleaner("work")  # may fail
        my_cleaner("work")  # must not
    """
    import resource as limits  # noqa: PLC0415 - only Unix has it

    before, hard = limits.getrlimit(resource)
    limits.setrlimit(resource, (soft, hard))
    try:
        yield
    finally:
        limits.setrlimit(resource, (before, hard))


@contextmanager
def small_disk(path: AnyPath, size: int) -> Iterator[str]:
    """Mount a file system of ``size`` bytes of memory at ``path`` until the block is left.

    Proves, with ``filler``, what a cleaner does on a full disk: one that is the test's own.

    Limits: a tmpfs. It counts whole pages, has no blocks reserved for root, never fails with EIO, and is gone
    afterwards with all that was in it. The directory is made if missing, and stays.

    Args:
        path: Where.
        size: Bytes.

    Yields:
        The path, absolute.

    Raises:
        OSError: it cannot be mounted, and what is missing: Linux, root (CAP_SYS_ADMIN), or a container that may.

    Example::

        with small_disk("disk", 4 << 20) as disk:
            my_cleaner(disk)
    """
    place = os.path.abspath(path)
    os.makedirs(place, exist_ok=True)
    with _mounted(lambda libc: _mount(libc, "tmpfs", place, "tmpfs", 0, f"size={size},mode=755"), place):
        yield place


@contextmanager
def read_only(directory: AnyPath) -> Iterator[None]:
    """Make a directory read-only, for root as well, until the block is left: it is mounted over itself.

    Proves that a cleaner takes EROFS for what it is: nothing is removed, and nothing is lost.

    Limits: what is open already, and what was reached through another path, can still be written to. The files are
    the same ones, inode and all; a cleaner that compares mounts sees another one.

    Args:
        directory: An existing one.

    Raises:
        OSError: it cannot be mounted, and what is missing.

    Example::

        with read_only("work"):
            my_cleaner("work")
        assert os.listdir("work") == ["file"]
    """
    place = os.path.abspath(directory)
    with _mounted(lambda libc: _mount(libc, place, place, "", _BIND, ""), place):
        _run(lambda libc: _mount(libc, "", place, "", _REMOUNT | _BIND | _READ_ONLY, ""), place)
        yield


@contextmanager
def busy(path: AnyPath) -> Iterator[None]:
    """Make the removal of one file fail with EBUSY until the block is left: the file is mounted over itself.

    Proves that a cleaner does not forget a file for whose removal it came at a bad time.

    Limits: in this mount namespace alone. To remove it in another one is allowed, and ends the mount.

    Args:
        path: An existing file.

    Raises:
        OSError: it cannot be mounted, and what is missing.

    Example::

        with busy("work/file"):
            my_cleaner("work/file")
        assert os.path.exists("work/file")
    """
    place = os.path.abspath(path)
    with _mounted(lambda libc: _mount(libc, place, place, "", _BIND, ""), place):
        yield


@contextmanager
def _mounted(mount: Callable[[ctypes.CDLL], int], place: str) -> Iterator[None]:
    _run(mount, place)
    try:
        yield
    finally:
        # Detached: whatever is still open there, the place itself is free at once.
        _run(lambda libc: libc.umount2(os.fsencode(place), _DETACH), place)


def _mount(libc: ctypes.CDLL, source: str, place: str, kind: str, flags: int, options: str) -> int:
    words = [os.fsencode(word) for word in (source, place, kind, options)]
    result: int = libc.mount(words[0], words[1], words[2], ctypes.c_ulong(flags), words[3])
    return result


def _run(call: Callable[[ctypes.CDLL], int], place: str) -> None:
    if sys.platform != "linux":  # others' mount() takes other arguments
        raise OSError(errno.ENOSYS, "cannot mount here: it takes Linux, and root", place)
    if call(ctypes.CDLL(None, use_errno=True)):
        number = ctypes.get_errno()
        missing = ": it takes root (CAP_SYS_ADMIN), and a container that may" if number == errno.EPERM else ""
        raise OSError(number, f"cannot mount here{missing} ({os.strerror(number)})", place)
