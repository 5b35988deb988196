"""The storage that does not remove files yet: it moves them to a private folder, from where they can be had back."""

import errno
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass

from temp_file_manager.causes import Cause
from temp_file_manager.chunks import Place, failed, place_at, place_of
from temp_file_manager.errors import RegistryFullError
from temp_file_manager.records import PENDING, Identity, Kind, Nature, Outcome, Status, TempFile
from temp_file_manager.storage.compare import Directories
from temp_file_manager.storage.compressed_copy import SUFFIX
from temp_file_manager.storage.contract import NotThatFile, Removal, Storage
from temp_file_manager.storage.identity import parent_of, same_file
from temp_file_manager.storage.kernel import mounts, renames
from temp_file_manager.storage.kernel.leases import InUse
from temp_file_manager.storage.kernel.statx import Look, Seen, looker
from temp_file_manager.storage.local import LocalStorage
from temp_file_manager.storage.successors import Row, Succession, successor
from temp_file_manager.storage.wrappers.set_aside import FULL, foretell, give_back, not_moved, opened, out_of_reach

NEEDED_BY = "a quarantine"


@dataclass(frozen=True, slots=True)
class Quarantine:
    """Moves files to a folder in which nobody else can rename anything, under records that say where they were.

    Their records are made first, for all that go together, by what is on record of them. Then each file is compared and
    moved by its name, which nothing takes the place of; in the folder it is compared once more. What is another file by
    then is moved back.

    A quarantine lasts as long as there is room: where the disk is full, files are removed for good.

    Attributes:
        folder: Made, for this user alone, when first needed.
        succession: What keeps the records of what is in the folder.
        plain: What removes for good.
        in_use, owner_check, base: As in ``LocalStorage``.
        due_at: Until when files can be had back, seconds since the epoch.
    """

    folder: str
    succession: Succession
    plain: Storage
    in_use: Callable[[], InUse] | None
    owner_check: bool
    base: str
    due_at: float

    def remove(self, removal: Removal) -> None:
        """Move one file a record, in order, until all are done or it is enough; see ``Storage``."""
        column: Sequence[Place | str] = removal.records.places() or removal.records.paths()
        try:
            with (
                self._directories() as directories,
                closing(_Batch(self, removal, directories, self._opened())) as batch,
            ):
                if removal.done < removal.last and removal.goes_on:
                    batch.go(column, removal.last)
        except Exception as error:  # nothing can be moved there
            if is_full(error):
                self.plain.remove(removal)
            else:
                for at, _ in removal.each(column):
                    removal.others[at] = failed(error)

    def predict(self, records: Iterable[TempFile]) -> Iterator[Outcome]:
        """Yield what ``remove`` would, as far as looking can tell: a disk that is full stays unseen."""
        local = LocalStorage(self.in_use, owner_check=self.owner_check, base=self.base)
        with self._directories() as directories:
            for outcome in local.predict(records):
                yield self._foretold(outcome, directories) if outcome.status is Status.REMOVED else outcome

    def _foretold(self, outcome: Outcome, directories: Directories) -> Outcome:
        try:
            directory, seen = directories.compared(place_of(outcome.record))
            refuse_unmovable(directory, seen)
            foretell(self.folder, directory, NEEDED_BY)
        except NotThatFile as other:
            return other.outcome(outcome.record)
        except OSError as error:
            return Outcome(outcome.record, *failed(error))
        return outcome._replace(status=Status.QUARANTINED)

    def _directories(self) -> Directories:
        return Directories(owner_check=self.owner_check, base=self.base)

    def _opened(self) -> int:
        os.makedirs(self.folder, 0o700, exist_ok=True)
        return opened(self.folder)


class _Batch:
    """Files that are moved together. For one thread.

    Args:
        quarantine: What has them moved.
        removal: Whose they are.
        directories: Where they are.
        here: The folder, open; closed with this.
    """

    def __init__(self, quarantine: Quarantine, removal: Removal, directories: Directories, here: int) -> None:
        self._quarantine = quarantine
        self._removal = removal
        self._directories = directories
        self._here = here
        self._look: Look = looker()
        self._in_use = quarantine.in_use() if quarantine.in_use else None
        self._movable: set[int] = set()
        self._coming: dict[int, Row] = {}
        self._come: list[Row] = []

    def go(self, column: Sequence[Place | str], last: int) -> None:
        """Move the next files, those before ``last``: what is prepared is done, or most would be prepared in vain.

        Raises:
            RegistryFullError: there is no room for their records.
        """
        removal = self._removal
        removal.begun = max(removal.begun, removal.done + 1)  # a look may hang: then this is the one that does
        self._prepare(column, last)
        for at in range(removal.done, last):
            if removal.over:
                return
            removal.begun = at + 1
            self._move(at, place_at(column[at]))
            removal.done = at + 1
        self._keep_on_record()
        self._withdraw()

    def _prepare(self, column: Sequence[Place | str], last: int) -> None:
        """Put on record what is to come, as far as records can tell what that is.

        Raises:
            RegistryFullError: there is no room for that.
        """
        parent = parent_of(self._look, os.fsencode(self._quarantine.folder))
        rows: dict[int, Row] = {}
        for at in range(self._removal.done, last):
            with suppress(NotThatFile, OSError, TypeError, ValueError):  # told when it is its turn
                rows[at] = self._row(self._removal.records[at], place_at(column[at]), parent)
        if rows:
            self._coming = rows
            self._quarantine.succession.succeed(list(rows.values()))

    def _row(self, record: TempFile, place: Place, parent: tuple[int, int, int]) -> Row:
        # Its number and its birth stay what they are: no look is needed where both are on record.
        known = record.identity
        seen = known if known is not None and known.born and known.inode != PENDING.inode else self._compared(place)[1]
        path = f"{self._quarantine.folder}/{name_in_quarantine(record.generation, seen.inode, record.kind)}"
        nature = Nature(kind=Kind.QUARANTINED, origin=record.path)
        return successor(record, path, seen, parent, nature, self._quarantine.due_at)

    def _move(self, at: int, place: Place) -> None:
        """Move a file, and note what became of it."""
        removal, held = self._removal, None
        full = False
        try:
            directory, seen = self._compared(place)
            if self._in_use is not None:
                held = self._in_use.secured(removal.records, at, directory, place[1], seen)
                self._directories.confirm(place)
            if removal.may_go(at):
                self._moved(at, place[1], directory, seen)
        except NotThatFile as other:
            removal.others[at] = other.other
        except (FileNotFoundError, NotADirectoryError):
            removal.note(at, Status.GONE, Cause.GONE)
        except Exception as error:  # one bad file never stops a sweep
            full = is_full(error)
            removal.others[at] = failed(error)
        finally:
            if held is not None:
                os.close(held)
        if full:
            self._remove_for_good(at)

    def _compared(self, place: Place) -> tuple[int, Seen]:
        """Return where an entry is and what, if it is the registered file, and can be moved to the folder.

        Raises:
            NotThatFile: it is not, or cannot.
        """
        if place[2] is None:
            raise NotThatFile(Status.KEPT, Cause.IDENTITY_UNKNOWN)
        directory, seen = self._directories.compared(place)
        if directory not in self._movable:  # whether a rename leads from it to the folder, that says itself
            refuse_unmovable(directory, seen)
            self._movable.add(directory)
        return directory, seen

    def _moved(self, at: int, name: bytes, directory: int, seen: Seen) -> None:
        """Move an entry to the folder, and back again if it is not the file that was just seen there.

        Raises:
            NotThatFile: it was another; that one is back in its place, or the reason says where it is.
            OSError: it cannot be moved.
        """
        folder, row = self._quarantine.folder, self._coming.get(at)
        if row is None:
            raise NotThatFile(Status.KEPT, Cause.CHANGING)
        identity, number = Identity(seen.inode, seen.born, seen.changed, 0, 0), os.fsencode(os.path.basename(row[0][0]))
        try:
            renames.move(name, directory, number, self._here)
        except FileExistsError:
            self._end_move(name, directory, number, identity)
        except OSError as error:
            if error.errno == errno.EXDEV:
                raise out_of_reach(folder, NEEDED_BY) from error
            raise
        same = same_file(identity, self._look(self._here, number))
        if not same:
            give_back(name, directory, number, self._here, folder)
            raise not_moved(same)
        self._come.append(self._coming.pop(at))
        self._removal.note(at, Status.QUARANTINED, Cause.NONE)

    def _end_move(self, name: bytes, directory: int, number: bytes, identity: Identity) -> None:
        """End a move that was cut short where a file is moved by a second name: it has both.

        Raises:
            FileExistsError: another file has the name in the folder.
        """
        if not same_file(identity, self._look(self._here, number)):
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), os.fsdecode(number))
        os.unlink(name, dir_fd=directory)

    def _remove_for_good(self, at: int) -> None:
        removal = self._removal
        one = removal.part(at, at + 1)
        self._quarantine.plain.remove(one)
        removal.others.pop(at, None)
        removal.others.update(one.others)

    def close(self) -> None:
        """Forget what was to come and has not."""
        try:
            self._keep_on_record()
            self._withdraw()
        finally:
            os.close(self._here)

    def _keep_on_record(self) -> None:
        """Put on record once more what somebody has found gone between its record and its move."""
        come, self._come = self._come, []
        succession = self._quarantine.succession
        if come and not succession.has_all([file[0] for file, _ in come]):
            succession.succeed(come, only_new=True)

    def _withdraw(self) -> None:
        # Whoever was abandoned forgets nothing: others have put the same on record again by now.
        if self._coming and not self._removal.over:
            paths = (file[0] for file, _ in self._coming.values())
            self._quarantine.succession.withdraw([path for path in paths if not self._is_there(path)])
        self._coming = {}

    def _is_there(self, path: str) -> bool:
        """Say whether a file is in the folder: a sweep that was killed may have moved it before."""
        try:
            self._look(self._here, os.fsencode(os.path.basename(path)))
        except FileNotFoundError:
            return False
        except OSError:  # in doubt it stays on record
            return True
        return True


def refuse_unmovable(directory: int, seen: Seen) -> None:
    """Return if a file could be told again once it has been moved.

    A rename keeps its number and its birth. It moves its change time, which is all that there is where no birth is.

    Raises:
        NotThatFile: it could not.
    """
    if not seen.born or not mounts.numbers_last(directory):
        detail = "nothing on its file system can tell it again once it is moved, so it cannot be quarantined"
        raise NotThatFile(Status.KEPT, Cause.IDENTITY_UNKNOWN, detail)


def name_in_quarantine(generation: int, inode: int, kind: Kind) -> str:
    """Return the name in the folder of a record's file: the same at each try.

    The record's number is not enough: in another registry of the same base directory it is another's. It also says
    whether the file is the compressed form of another, as its record does no more: its origin is where that was.
    """
    return f"{generation}-{inode & _WORD:x}{SUFFIX if kind is Kind.COMPRESSED else ''}"


def packed_from(record: TempFile) -> str:
    """Return where the file was whose compressed form a record in quarantine is of; nothing if it is of none."""
    if record.kind is not Kind.QUARANTINED or not record.path.endswith(SUFFIX):
        return ""
    return record.origin.removesuffix(SUFFIX)


_WORD = (1 << 64) - 1


def is_full(error: Exception) -> bool:
    """Say whether it is the disk that had no room."""
    return isinstance(error, RegistryFullError) or (isinstance(error, OSError) and error.errno in FULL)
