"""Units: directories that are one record each, and go whole or not at all.

A unit is asked about, moved by one ``rename`` into a private folder, asked about once more, as nobody finds it by its
name any more, put back if somebody turns out to have it in use, and only then removed. So nobody ever sees half of one.
Where it will be is on record before it is moved: killed at whatever point, the next sweep goes on from there.
"""

import errno
import os
import stat
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager
from typing import NamedTuple

from temp_file_manager.causes import Cause
from temp_file_manager.chunks import Other, failed, place_of
from temp_file_manager.records import Kind, Nature, Outcome, Status, TempFile
from temp_file_manager.storage.below import WITHIN, make_accessible
from temp_file_manager.storage.clearance import Clearance
from temp_file_manager.storage.compare import Directories
from temp_file_manager.storage.contract import NotThatFile, Removal
from temp_file_manager.storage.identity import parent_of
from temp_file_manager.storage.kernel import renames
from temp_file_manager.storage.kernel.statx import Seen, looker
from temp_file_manager.storage.successors import Succession, successor
from temp_file_manager.storage.unit_question import MANY, Question, Terms
from temp_file_manager.storage.wrappers.set_aside import opened
from temp_file_manager.text import printable

GOING = "going"
"""The name, in the package's own directory, of the folder of units that are being removed."""

MOST = 2.0
"""Seconds of removing what is in a unit, while others may wait for its path. The rest of it waits for nobody."""


_LEFT_TO_THE_DISK = Other(
    Status.REMOVED, Cause.NOT_GUARANTEED, "what is in a directory that goes as a whole is not overwritten"
)


class Removing(NamedTuple):
    """What the removal of units works with.

    Attributes:
        folder: Where units are moved to; made, for this user alone, when first needed.
        terms: On which they go.
        succession: What keeps on record where they are then.
        elapsed: What tells the time; seconds on a clock that nobody sets.
        destroys: Whether content is to be destroyed, which is not done to what is in units: their outcomes say so.
    """

    folder: str
    terms: Terms
    succession: Succession
    elapsed: Callable[[], float]
    destroys: bool = False


class Units:
    """Removes units that are in their places."""

    def __init__(self, removing: Removing) -> None:
        self._removing = removing

    def remove(self, removal: Removal) -> None:
        """Remove one unit a record; see ``Storage``."""
        question = Question(self._removing.terms)
        with self._directories() as directories, closing(_Folder(self._removing)) as folder:
            for at, record in removal.each(removal.records):
                with noted(removal, at), _Unit(record, directories) as unit:
                    _remove(removal, at, unit, question, folder)
                if self._removing.destroys and at not in removal.others:
                    removal.others[at] = _LEFT_TO_THE_DISK

    def predict(self, records: Iterable[TempFile]) -> Iterator[Outcome]:
        """Yield what ``remove`` would make of each, as far as looking can tell."""
        question = Question(self._removing.terms, only_looking=True)
        with self._directories() as directories:
            for record in records:
                yield Outcome(record, *_predicted(record, directories, question))

    def _directories(self) -> Directories:
        return Directories(owner_check=self._removing.terms.owner_check)


class _Unit:
    """A unit in its place, held open.

    Raises:
        NotThatFile: it is not what was registered.
        OSError: it cannot be opened; FileNotFoundError when it is gone.
    """

    def __init__(self, record: TempFile, directories: Directories) -> None:
        place = place_of(record)
        self.record = record
        self.name = place[1]
        self.above, self.seen = directories.compared(place)
        self.root = opened_as(self.above, self.name, self.seen)

    def __enter__(self) -> "_Unit":
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self.root)


def opened_as(above: int, name: bytes, seen: Seen) -> int:
    """Open what was seen in an open directory.

    Raises:
        NotThatFile: it is no directory, or another by now.
        OSError: it cannot be opened.
    """
    if not stat.S_ISDIR(seen.mode):
        raise NotThatFile(Status.FAILED, Cause.NOT_REGULAR, "it is no directory")
    if os.geteuid() and not os.access(name, os.R_OK | os.X_OK, dir_fd=above):
        make_accessible(above, os.fsdecode(name))
    root = os.open(name, WITHIN, dir_fd=above)
    if looker()(root, b"").inode == seen.inode:
        return root
    os.close(root)
    raise NotThatFile(Status.KEPT, Cause.CHANGING)


class _Folder:
    """The folder that units are moved to, opened when first needed; and where they are, until they are removed."""

    def __init__(self, removing: Removing) -> None:
        self._removing = removing
        self._look = looker()
        self._here: int | None = None
        self._done: list[str] = []

    def close(self) -> None:
        """Forget the successors of what is not there, and close the folder."""
        if self._done:
            self._removing.succession.withdraw(self._done)
        if self._here is not None:
            os.close(self._here)

    @property
    def real(self) -> str:
        """Its path with links resolved."""
        return os.path.realpath(self._removing.folder)

    def path(self, name: bytes) -> str:
        """Return the path of what has a name in it."""
        return os.path.join(self._removing.folder, os.fsdecode(name))

    def take(self, unit: _Unit) -> bytes:
        """Move a unit here, and return its name.

        Raises:
            NotThatFile: it cannot be moved here, or it was another at that moment.
            OSError: it cannot be moved.
            RegistryFullError: it cannot be put on record where it will be.
        """
        here = self._opened()
        # With the number of the directory: two registries of one base directory use the same generations.
        name = f"{unit.record.generation}-{unit.seen.inode & (1 << 64) - 1}".encode()
        parent = parent_of(self._look, os.fsencode(self._removing.folder))
        nature = Nature(kind=Kind.GOING, origin=unit.record.path)
        due_at = self._removing.terms.asof()
        if not unit.seen.born:
            raise NotThatFile(Status.KEPT, Cause.IDENTITY_UNKNOWN)
        row = successor(unit.record, self.path(name), unit.seen, parent, nature, due_at)
        self._removing.succession.succeed((row,))
        self._done.append(self.path(name))
        try:
            renames.move(unit.name, unit.above, name, here)
        except OSError as error:
            if error.errno == errno.EXDEV:
                detail = f"it lies on another file system or mount than {printable(self._removing.folder)}"
                raise NotThatFile(Status.KEPT, Cause.OTHER_FILE_SYSTEM, detail) from error
            raise
        if self._look(here, name).inode != unit.seen.inode:
            self.put_back(name, unit, "another directory was put in its place")
            raise NotThatFile(Status.KEPT, Cause.CHANGING)
        return name

    def put_back(self, name: bytes, unit: _Unit, why: str) -> None:
        """Move something back to the place of a unit.

        Raises:
            NotThatFile: it cannot be; it says where it is.
        """
        assert self._here is not None  # noqa: S101 - something has been moved here
        try:
            renames.move(name, self._here, unit.name, unit.above)
        except OSError as error:
            self._done.remove(self.path(name))
            detail = f"{why}; it cannot be put back ({error.strerror}), and is {printable(self.path(name))}"
            raise NotThatFile(Status.REPLACED, Cause.REPLACED, detail) from error

    def drop(self, name: bytes) -> None:
        """Remove an empty directory; what is not empty stays on record."""
        assert self._here is not None  # noqa: S101 - see put_back
        os.rmdir(name, dir_fd=self._here)

    def leave(self, name: bytes) -> None:
        """Leave what is here to its own record."""
        self._done.remove(self.path(name))

    def _opened(self) -> int:
        if self._here is None:
            os.makedirs(self._removing.folder, 0o700, exist_ok=True)
            self._here = opened(self._removing.folder)
        return self._here

    def until(self) -> float:
        """Return until when what is in a unit may be removed at once."""
        return self._removing.elapsed() + MOST

    def over(self, until: float) -> bool:
        """Say whether that time is up."""
        return self._removing.elapsed() >= until


def _remove(removal: Removal, at: int, unit: _Unit, question: Question, folder: _Folder) -> None:
    """Move a unit away, and remove what is in it, or leave that to its successor."""

    def sign() -> None:
        removal.signs += 1

    totals = question.before(unit.record, unit.above, unit.root, sign)
    if not removal.may_go(at):
        return
    name = folder.take(unit)
    try:
        path = os.path.join(folder.real, os.fsdecode(name))
        question.after(unit.record, unit.root, path, sign, many=totals.entries > MANY)
    except BaseException as why:
        folder.put_back(name, unit, str(why))
        raise
    until = folder.until()
    trouble = cleared(unit.root, removal, lambda: folder.over(until))
    if trouble is None:
        try:
            folder.drop(name)
        except OSError:  # somebody had it open, and made something in it
            folder.leave(name)
    else:
        folder.leave(name)


def cleared(root: int, removal: Removal, enough: Callable[[], bool]) -> Other | None:
    """Remove what is in an open directory; None: all of it, else what is to be said of the rest."""

    def stopped() -> bool:
        removal.signs += 1
        return enough() or bool(removal.why_interrupted())

    clearance = Clearance(root, stopped)
    try:
        clearance.run()
    except NotThatFile as other:
        return other.other
    except OSError as error:
        return failed(error)
    if clearance.complete:
        return None
    return clearance.trouble or Other(Status.SKIPPED, removal.why_interrupted() or Cause.SWEEP_OVER)


def _predicted(record: TempFile, directories: Directories, question: Question) -> Other:
    with answered() as answer, _Unit(record, directories) as unit:
        question.before(record, unit.above, unit.root, int)
    return answer[0] if answer else Other(Status.REMOVED, Cause.NONE)


@contextmanager
def answered() -> Iterator[list[Other]]:
    """Put what becomes of a record that ends with an error into a list."""
    answer: list[Other] = []
    try:
        yield answer
    except NotThatFile as other:
        answer.append(other.other)
    except (FileNotFoundError, NotADirectoryError):
        answer.append(Other(Status.GONE, Cause.GONE))
    except Exception as error:  # one bad directory never stops a sweep
        answer.append(failed(error))


@contextmanager
def noted(removal: Removal, at: int) -> Iterator[None]:
    """Note what becomes of a record that ends with an error."""
    with answered() as answer:
        yield
    if answer:
        removal.others[at] = answer[0]
