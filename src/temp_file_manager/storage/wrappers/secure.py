"""The storage that overwrites the content of files before it removes them."""

import os
import stat
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing

from temp_file_manager.causes import Cause
from temp_file_manager.chunks import Other, Place, failed, place_at
from temp_file_manager.records import Outcome, Status, TempFile
from temp_file_manager.storage.compare import Directories
from temp_file_manager.storage.contract import NotThatFile, Removal
from temp_file_manager.storage.kernel import mounts
from temp_file_manager.storage.kernel.leases import InUse, take_lease
from temp_file_manager.storage.kernel.statx import Seen, looker
from temp_file_manager.storage.local import LocalStorage
from temp_file_manager.storage.wrappers.overwrite import Overwriter, Overwriting, Stopped, guarantee, open_writable


class SecureStorage(LocalStorage):
    """Overwrites with zeros, then removes. What cannot be overwritten is not removed: ``FAILED``, with the reason.

    Of a link only the link goes. A file that has other names is only unlinked, as it is kept under those. A few files
    are overwritten at once, in threads; all else is done in the calling thread, in order. What has been begun with is
    ended, however long others wait: until then it is claimed, and nobody registers, pins or holds a file whose
    content is going. It is asked twice whether a file may go: before the content does, and before the name does.

    No content is touched once half of the claim's time is up, so that none ever goes under a claim that has lapsed.
    A file that takes longer is cut as far as it was overwritten (see ``overwrite``) and ``SKIPPED``: the next claim,
    most often this sweep's own, goes on with what is left. A kill in the middle leaves such a file as well.

    Args:
        threads: How many files are overwritten at once.
        in_use, owner_check, base, within, below: As in ``LocalStorage``.
    """

    def __init__(
        self,
        threads: int,
        in_use: Callable[[], InUse] | None = None,
        *,
        owner_check: bool = False,
        base: str | None = None,
        within: str | None = None,
        below: str | None = None,
    ) -> None:
        super().__init__(in_use, owner_check=owner_check, base=base, within=within, below=below)
        self._threads = threads

    def remove(self, removal: Removal) -> None:
        """Overwrite and remove one file a record, in order; see ``Storage``."""
        in_use = self._in_use() if self._in_use else None
        with (
            self._directories() as directories,
            closing(_Batch(removal, directories, in_use)) as batch,
            Overwriter(self._threads, removal.why_interrupted) as overwriter,
        ):
            batch.remove(overwriter, most=2 * self._threads)  # enough that no thread idles

    def predict(self, records: Iterable[TempFile]) -> Iterator[Outcome]:
        """Yield what ``remove`` would, as far as looking can tell."""
        guarantees: dict[str, str] = {}
        for outcome in super().predict(records):
            if outcome.status is Status.REMOVED:
                yield _predicted(outcome.record, guarantees)
            else:
                yield outcome


class _Going:
    """A file on its way out: what was found, and is held and overwritten."""

    def __init__(self, at: int, place: Place, directory: int, seen: Seen) -> None:
        self.at = at
        self.directory = directory
        _, self.name, self.identity, _ = place
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
    def __init__(self, removal: Removal, directories: Directories, in_use: InUse | None) -> None:
        self._removal = removal
        self._directories = directories
        self._in_use = in_use
        self._look = looker()
        self._guarantees: dict[str, str] = {}
        self._held: set[_Going] = set()

    def remove(self, overwriter: Overwriter, most: int) -> None:
        """Begin with one file after another, and end them in the same order, ``most`` at a time."""
        removal = self._removal
        column: Sequence[Place | str] = removal.records.places() or removal.records.paths()
        waiting: deque[_Going | None] = deque()
        for at, where in removal.begin(column):
            waiting.append(self._begun(at, where, overwriter))
            if len(waiting) >= most:
                self._end(waiting.popleft())
        while waiting:
            self._end(waiting.popleft())

    def _begun(self, at: int, where: Place | str, overwriter: Overwriter) -> _Going | None:
        """Look, ask, open and have it overwritten; None when that is the end of it."""
        going = None
        try:
            place = place_at(where)
            going = _Going(at, place, *self._directories.compared(place))
            self._held.add(going)
            if self._may_go(going):
                if stat.S_ISREG(going.seen.mode):
                    self._begin_overwriting(going, overwriter)
                return going
        except Exception as error:  # one bad file never stops a sweep
            self._removal.others[at] = self._ended_by(error)
        if going is not None:
            self._let_go(going)
        return None

    def _may_go(self, going: _Going) -> bool:
        mode = going.seen.mode
        if not (stat.S_ISREG(mode) or stat.S_ISLNK(mode)):
            raise NotThatFile(Status.FAILED, _not_regular(mode))
        if self._in_use is not None:
            records = self._removal.records
            going.hold(self._in_use.secured(records, going.at, going.directory, going.name, going.seen))
        return self._removal.may_go(going.at)

    def _begin_overwriting(self, going: _Going, overwriter: Overwriter) -> None:
        going.hold(None)  # its lease would keep us out as well
        going.hold(descriptor := open_writable(going.directory, going.name, going.seen))
        if self._in_use is not None and take_lease(descriptor) is False:
            raise NotThatFile(Status.KEPT, Cause.IN_USE)
        # Once more now that it is open: its number cannot become another file's any longer. On an overlay, what lay
        # below has just been copied up, and is born anew.
        now = self._look(going.directory, going.name)
        reborn = now.born != going.seen.born and mounts.magic(descriptor) != mounts.OVERLAY
        if now.inode != going.seen.inode or reborn:
            raise NotThatFile(Status.KEPT, Cause.CHANGING)
        names = os.fstat(descriptor).st_nlink
        going.remains = _remains(self._removal.records[going.at].path, names, self._guarantees)
        if names == 1:
            going.overwriting = overwriter.begin(descriptor)

    def _end(self, going: _Going | None) -> None:
        """Wait until it is overwritten, ask again and remove it."""
        removal = self._removal
        if going is not None:
            try:
                if going.overwriting is not None:
                    going.overwriting.result(removal)
                if removal.may_go(going.at):
                    self._unlink(going)
                    if going.remains:
                        removal.note(going.at, Status.REMOVED, Cause.NOT_GUARANTEED, going.remains)
            except Exception as error:  # one bad file never stops a sweep
                removal.others[going.at] = self._ended_by(error)
            # Not after an interrupt: then a thread may be writing to it until the ``Overwriter`` has ended.
            self._let_go(going)
        removal.done += 1

    def _unlink(self, going: _Going) -> None:
        if self._look(going.directory, going.name).inode != going.seen.inode:
            detail = "another file was put in its place while it was overwritten"
            raise NotThatFile(Status.REPLACED, Cause.REPLACED, detail)
        if going.identity is None:
            os.remove(os.fsdecode(going.name))  # see LocalStorage
        else:
            os.unlink(going.name, dir_fd=going.directory)

    def _ended_by(self, error: Exception) -> Other:
        if isinstance(error, NotThatFile):
            return error.other
        if isinstance(error, FileNotFoundError | NotADirectoryError):
            return Other(Status.GONE, Cause.GONE)
        if isinstance(error, Stopped):
            return Other(Status.SKIPPED, self._removal.why_interrupted())
        return failed(error)

    def _let_go(self, going: _Going) -> None:
        self._held.discard(going)
        going.hold(None)

    def close(self) -> None:
        """Give up what is left, when nobody waits for it any more."""
        for going in list(self._held):
            self._let_go(going)


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
        return Outcome(record, *failed(error))
    if stat.S_ISLNK(found.st_mode):
        return Outcome(record, Status.REMOVED)
    if not stat.S_ISREG(found.st_mode):
        return Outcome(record, Status.FAILED, _not_regular(found.st_mode))
    if not os.access(path, os.W_OK) and found.st_uid != os.geteuid():
        return Outcome(record, Status.FAILED, Cause.REFUSED, "EACCES")
    return _removed(record, _remains(path, found.st_nlink, guarantees))
