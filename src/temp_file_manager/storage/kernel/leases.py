"""Leases: the kernel's word, in a few microseconds, on whether somebody has a file open.

A write lease is granted only while nobody else has the file open or mapped, and while it is held whoever opens the
file waits until it is given up. So a file whose lease we hold can be removed without taking it from anybody. Where
leases do not decide, ``/proc`` does, if it shows every process.

Linux alone has these. Elsewhere the answer is always *unknown*.
"""

import errno
import functools
import os
import signal
import stat
from collections.abc import Callable, Sequence
from contextlib import suppress

from temp_file_manager.causes import Cause
from temp_file_manager.records import Status, TempFile
from temp_file_manager.storage.contract import NotThatFile
from temp_file_manager.storage.kernel import mounts, processes
from temp_file_manager.storage.kernel.statx import HERE, Listed, Seen, signed

# Never waiting for anybody: not for the reader of a pipe put in its place, not for another's lease.
_FLAGS = (
    os.O_RDONLY
    | getattr(os, "O_NONBLOCK", 0)
    | getattr(os, "O_NOFOLLOW", 0)
    | getattr(os, "O_CLOEXEC", 0)
    | getattr(os, "O_NOCTTY", 0)
)


class InUse:
    """Answers for one batch of files: what ``/proc`` shows is read at most once.

    Args:
        gone_after: Seconds after its registration a file that nothing can tell about goes all the same; None: never.
        asof: What its age is read at, seconds since the epoch.
        shared: Whether other machines have the files, too: nobody here knows who uses them there.
    """

    def __init__(self, gone_after: float | None, asof: Callable[[], float], *, shared: bool = False) -> None:
        self._shared = shared
        self._gone_after = gone_after
        self._asof = asof
        self._magic: dict[int, int] = {}
        self._mapped: tuple[set[int], bool] | None = None
        self._opened: tuple[set[int], bool] | None = None

    def secured(
        self,
        records: Sequence[TempFile],
        at: int,
        directory: int,
        name: bytes,
        seen: Seen | Listed,
        *,
        only_looking: bool = False,
    ) -> int | None:
        """Return a descriptor to be closed after the removal: until then whoever opens the file waits.

        Args:
            records: One of them is the file's; it is asked for only if its age decides.
            at: Which.
            directory: Its directory's descriptor, or ``HERE`` when ``name`` is the whole path.
            name: The entry's name.
            seen: What the entry was found to be.
            only_looking: Change nothing, not even for a moment.

        Returns:
            None when there is nothing to hold: it is a link, or ``/proc`` has decided.

        Raises:
            NotThatFile: it is in use, or nothing can tell.
            OSError: it cannot be looked at.
        """
        if not stat.S_ISREG(seen.mode):
            return None  # removing a link takes nothing from who has its target open
        above = None if directory == HERE else directory
        # Without birth times an identity is the change time, which lending ourselves a right would move.
        is_ours = seen.owner == os.geteuid() and bool(seen.born)
        try:
            descriptor: int | None = os.open(name, _FLAGS, dir_fd=above)
        except BlockingIOError as error:  # somebody else's lease
            raise NotThatFile(Status.KEPT, Cause.IN_USE) from error
        except PermissionError:
            descriptor = _opened_unreadable(name, above, seen) if is_ours and not only_looking else None
        if descriptor is None:
            free = self.free_by_proc(seen.inode)
            foretold = free is None and is_ours and only_looking  # a sweep would lend itself the right, and ask
            self.decide(records[at], foretold or free)
            return None
        alone: bool | None = None
        try:
            alone = self._alone(descriptor, seen.inode)
            if alone and self._shared:  # else the age does not matter, and no record is made
                self.decide(records[at], alone)
        except BaseException:
            alone = None
            raise
        finally:
            if not alone:  # before /proc is asked: this descriptor is to be seen there by nobody
                os.close(descriptor)
        if alone:
            return descriptor
        self.decide(records[at], self.free_by_proc(seen.inode) if alone is None else False)
        return None

    def decide(self, record: TempFile, free: bool | None) -> None:
        """Return if what a record stands for may go.

        Args:
            record: Its age counts where nothing can tell.
            free: Whether nobody uses it; None: nothing can tell.

        Raises:
            NotThatFile: it is in use, or nothing can tell.
        """
        if free and not self._shared:
            return
        if free is not False:
            if self._gone_after is not None and self._asof() - record.registered_at > self._gone_after:
                return
            raise NotThatFile(Status.KEPT, Cause.USE_UNKNOWN)
        raise NotThatFile(Status.KEPT, Cause.IN_USE)

    def _alone(self, descriptor: int, inode: int) -> bool | None:
        """Say whether nobody else has the file open, as far as a lease decides; None when it does not."""
        opened = os.fstat(descriptor)
        if signed(opened.st_ino) != inode:
            raise NotThatFile(Status.KEPT, Cause.CHANGING)
        granted = take_lease(descriptor)
        if not granted:
            return granted
        magic = self._magic.get(opened.st_dev)
        if magic is None:
            magic = self._magic[opened.st_dev] = mounts.magic(descriptor)
        if magic in mounts.LEASES_DECIDE:
            return True
        if magic == mounts.OVERLAY:
            # Opened there, the file below is open as well; but what only maps it may be a mapping of the latter.
            if self._mapped is None:
                self._mapped = processes.mapped_inodes()
            return inode not in self._mapped[0]
        return None

    def free_by_proc(self, inode: int) -> bool | None:
        """Say whether no process has an inode open or mapped, as far as ``/proc`` tells; None when it does not."""
        # Compared by inode number alone: two names for one device would make a held file look free.
        if self._opened is None:
            self._opened = processes.open_inodes()
        if self._mapped is None:
            self._mapped = processes.mapped_inodes()
        if inode in self._opened[0] or inode in self._mapped[0]:
            return False
        return True if self._opened[1] and self._mapped[1] and processes.sees_all_processes() else None


def _opened_unreadable(name: bytes, above: int | None, seen: Seen | Listed) -> int | None:
    """Open a file of ours whose mode lets us not: its mode lets us for as long as that takes. None: it cannot be done.

    By way of a descriptor that only points: the mode of no other file is changed, whoever renames meanwhile.
    """
    if not hasattr(os, "O_PATH"):
        return None
    pointer = os.open(name, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=above)
    try:
        found, path = os.fstat(pointer), f"/proc/self/fd/{pointer}"
        if found.st_uid != os.geteuid() or not stat.S_ISREG(found.st_mode) or signed(found.st_ino) != seen.inode:
            raise NotThatFile(Status.KEPT, Cause.CHANGING)
        mode = stat.S_IMODE(found.st_mode)
        os.chmod(path, mode | stat.S_IRUSR)
        try:
            return os.open(path, _FLAGS & ~os.O_NOFOLLOW)
        finally:
            os.chmod(path, mode)
    except BlockingIOError as error:
        raise NotThatFile(Status.KEPT, Cause.IN_USE) from error
    except OSError:  # an immutable file, no /proc, a file system without modes
        return None
    finally:
        os.close(pointer)


def take_lease(descriptor: int) -> bool | None:
    """Ask for a write lease: granted, refused because somebody else has the file open, or None: not to be had here."""
    kernel = lease_calls()
    if kernel is None:
        return None
    fcntl, set_lease, set_signal, write_lease = kernel
    try:
        # Before the lease: who opens the file then has us sent a signal, and the usual one, SIGIO, kills. This one
        # is ignored unless a program asks for it.
        fcntl(descriptor, set_signal, signal.SIGURG)
        fcntl(descriptor, set_lease, write_lease)
    except BlockingIOError:
        return False
    except OSError as error:
        if error.errno == errno.EBUSY:
            return False
        return None  # another's file without CAP_LEASE, or a file system without leases
    return True


def let_read(descriptor: int) -> bool:
    """Turn a lease into one that only writers wait for; say whether that could be done.

    ``take_lease`` turns it back, while nobody else has the file open.
    """
    from fcntl import F_RDLCK, F_SETLEASE, fcntl  # noqa: PLC0415 - who has a lease has these

    try:
        fcntl(descriptor, F_SETLEASE, F_RDLCK)
    except OSError:  # somebody waits already
        return False
    return True


def end_lease(descriptor: int) -> None:
    """End a lease, which closing does not do where a forked child has the descriptor, too."""
    from fcntl import F_SETLEASE, F_UNLCK, fcntl  # noqa: PLC0415 - as in ``let_read``

    with suppress(OSError):  # it has none
        fcntl(descriptor, F_SETLEASE, F_UNLCK)


def writer_waits(descriptor: int) -> bool:
    """Say whether a lease is gone, or somebody waits for its end who is to write. Readers may wait as well."""
    from fcntl import F_GETLEASE, F_UNLCK, fcntl  # noqa: PLC0415 - as in ``let_read``

    return fcntl(descriptor, F_GETLEASE) == F_UNLCK


@functools.cache
def lease_calls() -> tuple[Callable[[int, int, int], object], int, int, int] | None:
    """Return ``fcntl`` and what it is to be told; None where there are no leases."""
    try:
        from fcntl import F_SETLEASE, F_SETSIG, F_WRLCK, fcntl  # noqa: PLC0415 - Linux alone has them
    except ImportError:
        return None
    return fcntl, F_SETLEASE, F_SETSIG, F_WRLCK
