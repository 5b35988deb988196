"""The storage that overwrites the content of files before it removes them."""

import os
import stat
from collections import deque
from collections.abc import Callable, Iterable, Iterator

from temp_file_manager.records import Cause, Outcome, Status, TempFile, failed
from temp_file_manager.storage.compare import Directories
from temp_file_manager.storage.contract import Gate, NotThatFile
from temp_file_manager.storage.in_flight import IN_FLIGHT
from temp_file_manager.storage.kernel import mounts
from temp_file_manager.storage.kernel.leases import InUse, take_lease
from temp_file_manager.storage.kernel.statx import Seen, looker
from temp_file_manager.storage.local import LocalStorage
from temp_file_manager.storage.wrappers.overwrite import Overwriter, Overwriting, guarantee, open_writable


class SecureStorage(LocalStorage):
    """Overwrites with zeros, then removes. What cannot be overwritten is not removed: ``FAILED``, with the reason.

    Of a link only the link goes. A file that has other names is only unlinked, as it is kept under those. A few files
    are overwritten at once, in threads; all else is done in the calling thread, in order. The gate is asked twice:
    before the content goes, and before the name does. In between the path is marked in flight, so that whoever
    registers it in this process learns that the file went; another process that does so is left with a file of zeros.
    A kill in the middle leaves a file of zeros on record, for the next sweep.

    Args:
        threads: How many files are overwritten at once.
        in_use, owner_check: As in ``LocalStorage``.
    """

    def __init__(self, threads: int, in_use: Callable[[], InUse] | None = None, *, owner_check: bool = False) -> None:
        super().__init__(in_use, owner_check=owner_check)
        self._threads = threads

    def remove(self, records: Iterable[TempFile], gate: Gate) -> Iterator[Outcome]:
        """Overwrite and remove one file a record, and yield what became of it, in order."""
        with Directories(owner_check=self._owner_check) as directories:
            batch = _Batch(directories, gate, self._in_use() if self._in_use else None)
            waiting: deque[_Removal | Outcome] = deque()
            try:
                with Overwriter(self._threads) as overwriter:
                    for record in records:
                        waiting.append(batch.begun(record, overwriter))
                        if len(waiting) > 2 * self._threads:  # enough that no thread idles
                            yield batch.ended(waiting.popleft())
                    while waiting:
                        yield batch.ended(waiting.popleft())
            finally:  # after the threads: a path is in flight for as long as one may be writing to it
                batch.close()

    def predict(self, records: Iterable[TempFile]) -> Iterator[Outcome]:
        """Yield what ``remove`` would, as far as looking can tell."""
        guarantees: dict[str, str] = {}
        for outcome in super().predict(records):
            if outcome.status is Status.REMOVED:
                yield _predicted(outcome.record, guarantees)
            else:
                yield outcome


class _Removal:
    """A file on its way out: what was found, and is held, marked and overwritten."""

    def __init__(self, record: TempFile, directory: int, name: bytes, seen: Seen) -> None:
        self.record = record
        self.directory = directory
        self.name = name
        self.seen = seen
        self.held: int | None = None
        self.overwriting: Overwriting | None = None
        self.remains = ""

    def hold(self, descriptor: int | None) -> None:
        """Keep this descriptor, and close the one before."""
        before, self.held = self.held, descriptor
        if before is not None:
            os.close(before)


class _Batch:
    def __init__(self, directories: Directories, gate: Gate, in_use: InUse | None) -> None:
        self._directories = directories
        self._gate = gate
        self._in_use = in_use
        self._look = looker()
        self._guarantees: dict[str, str] = {}
        self._open: set[_Removal] = set()

    def begun(self, record: TempFile, overwriter: Overwriter) -> _Removal | Outcome:
        """Look, ask, open and have it overwritten; return what is left to do, or what became of it."""
        removal = None
        try:
            removal = _Removal(record, *self._directories.compared(record))
            self._open.add(removal)
            outcome = self._refused(removal)
            if outcome is None and stat.S_ISREG(removal.seen.mode):
                self._begin_overwriting(removal, overwriter)
        except Exception as error:  # one bad file never stops a sweep
            outcome = _ended_by(record, error)
        if outcome is not None and removal is not None:
            self._close(removal)
        return outcome or removal  # type: ignore[return-value] # without an outcome there is a removal

    def _refused(self, removal: _Removal) -> Outcome | None:
        record, mode = removal.record, removal.seen.mode
        if not (stat.S_ISREG(mode) or stat.S_ISLNK(mode)):
            return Outcome(record, Status.FAILED, _not_regular(mode))
        if self._in_use is not None:
            removal.hold(self._in_use.secured(record, removal.directory, removal.name, removal.seen))
        IN_FLIGHT.mark(removal, record.path)
        cause = self._gate(record)
        return Outcome(record, Status.SKIPPED, cause) if cause else None

    def _begin_overwriting(self, removal: _Removal, overwriter: Overwriter) -> None:
        removal.hold(None)  # its lease would keep us out as well
        removal.hold(descriptor := open_writable(removal.directory, removal.name, removal.seen))
        if self._in_use is not None and take_lease(descriptor) is False:
            raise NotThatFile(Status.KEPT, Cause.IN_USE)
        # Once more now that it is open: its number cannot become another file's any longer. On an overlay, what lay
        # below has just been copied up, and is born anew.
        now = self._look(removal.directory, removal.name)
        reborn = now.born != removal.seen.born and mounts.magic(descriptor) != mounts.OVERLAY
        if now.inode != removal.seen.inode or reborn:
            raise NotThatFile(Status.KEPT, Cause.CHANGING)
        names = os.fstat(descriptor).st_nlink
        removal.remains = _remains(removal.record.path, names, self._guarantees)
        if names == 1:
            removal.overwriting = overwriter.begin(descriptor)

    def ended(self, removal: _Removal | Outcome) -> Outcome:
        """Wait until it is overwritten, ask again and remove it; return what became of it."""
        if isinstance(removal, Outcome):
            return removal
        record = removal.record
        try:
            if removal.overwriting is not None:
                removal.overwriting.result()
            cause = self._gate(record)
            if cause:
                return Outcome(record, Status.SKIPPED, cause)
            if self._look(removal.directory, removal.name).inode != removal.seen.inode:
                detail = "another file was put in its place while it was overwritten"
                return Outcome(record, Status.REPLACED, Cause.REPLACED, detail)
            if record.identity is None:
                os.remove(record.path)  # see LocalStorage
            else:
                os.unlink(removal.name, dir_fd=removal.directory)
        except Exception as error:  # one bad file never stops a sweep
            return _ended_by(record, error)
        else:
            return _removed(record, removal.remains)
        finally:
            if removal.overwriting is None or removal.overwriting.over:
                self._close(removal)

    def _close(self, removal: _Removal) -> None:
        self._open.discard(removal)
        removal.hold(None)
        IN_FLIGHT.clear(removal)

    def close(self) -> None:
        """Give up what is left, when nobody waits for it any more."""
        for removal in list(self._open):
            self._close(removal)


def _ended_by(record: TempFile, error: Exception) -> Outcome:
    if isinstance(error, NotThatFile):
        return error.outcome(record)
    if isinstance(error, FileNotFoundError | NotADirectoryError):
        return Outcome(record, Status.GONE, Cause.GONE)
    return failed(record, error)


def _removed(record: TempFile, remains: str) -> Outcome:
    return Outcome(record, Status.REMOVED, Cause.NOT_GUARANTEED if remains else Cause.NONE, remains)


def _remains(path: str, names: int, guarantees: dict[str, str]) -> str:
    """Return why a removed file's content may still be somewhere; nothing when it is destroyed."""
    if names != 1:
        return f"not overwritten, as it is kept under other names: {names - 1}"
    directory = os.path.dirname(path)
    why = guarantees.get(directory)
    if why is None:  # the kernel's list of mounts is read once a directory, not once a file
        why = guarantees[directory] = guarantee(directory)
    return why


def _not_regular(mode: int) -> Cause:
    return Cause.DIRECTORY if stat.S_ISDIR(mode) else Cause.NOT_REGULAR


def _predicted(record: TempFile, guarantees: dict[str, str]) -> Outcome:
    path = record.path
    try:
        found = os.lstat(path)
    except OSError as error:
        return failed(record, error)
    if stat.S_ISLNK(found.st_mode):
        return Outcome(record, Status.REMOVED)
    if not stat.S_ISREG(found.st_mode):
        return Outcome(record, Status.FAILED, _not_regular(found.st_mode))
    if not os.access(path, os.W_OK) and found.st_uid != os.geteuid():
        return Outcome(record, Status.FAILED, Cause.REFUSED, "EACCES")
    return _removed(record, _remains(path, found.st_nlink, guarantees))
