"""Units: directories that are one record each, and go whole or not at all.

A unit is asked about, moved by one ``rename`` into a private folder, asked about once more, as nobody finds it by its
name any more, put back if somebody turns out to have it in use, and only then removed. So nobody ever sees half of one.
Where it will be is on record before it is moved: killed at whatever point, the next sweep goes on from there.
"""

import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager

from temp_file_manager.causes import Cause
from temp_file_manager.chunks import Other, failed
from temp_file_manager.records import Outcome, Status, TempFile
from temp_file_manager.storage.clearance import Clearance
from temp_file_manager.storage.compare import Directories
from temp_file_manager.storage.contract import NotThatFile, Removal
from temp_file_manager.storage.unit_folder import Folder, Removing
from temp_file_manager.storage.unit_place import Unit
from temp_file_manager.storage.unit_question import MANY, Question

MOST = 2.0
"""Seconds of removing what is in a unit, while others may wait for its path. The rest of it waits for nobody."""


_LEFT_TO_THE_DISK = Other(
    Status.REMOVED, Cause.NOT_GUARANTEED, "what is in a directory that goes as a whole is not overwritten"
)


class Units:
    """Removes units that are in their places."""

    def __init__(self, removing: Removing) -> None:
        self._removing = removing

    def remove(self, removal: Removal) -> None:
        """Remove one unit a record; see ``Storage``."""
        question = Question(self._removing.terms)
        with self._directories() as directories, closing(Folder(self._removing)) as folder:
            for at, record in removal.each(removal.records):
                with noted(removal, at), Unit(record, directories) as unit:
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


def _remove(removal: Removal, at: int, unit: Unit, question: Question, folder: Folder) -> None:
    """Move a unit away, and remove what is in it, or leave that to its successor."""

    def sign() -> None:
        removal.signs += 1

    totals = question.before(unit, sign)
    if not removal.may_go(at):
        return
    name = folder.take(unit)
    try:
        path = os.path.join(folder.real, os.fsdecode(name))
        question.after(unit.record, unit.root, path, sign, many=totals.entries > MANY)
    except BaseException as why:
        folder.put_back(name, unit, str(why))
        raise
    until = folder.elapsed() + MOST
    trouble = cleared(unit.root, removal, lambda: folder.elapsed() >= until)
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
    with answered() as answer, Unit(record, directories, lend=False) as unit:
        question.before(unit, int)
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
