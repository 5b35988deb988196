"""Units that have been moved away: what is left of them is removed, over several sweeps if that is much."""

import os
from collections.abc import Iterable, Iterator

from temp_file_manager.causes import Cause
from temp_file_manager.chunks import Other, place_of
from temp_file_manager.records import Outcome, Status, TempFile
from temp_file_manager.storage.below import WITHIN
from temp_file_manager.storage.compare import Directories
from temp_file_manager.storage.contract import NotThatFile, Removal
from temp_file_manager.storage.kernel.statx import Seen, signed
from temp_file_manager.storage.tree import is_locked
from temp_file_manager.storage.unit import answered, cleared, noted
from temp_file_manager.storage.unit_folder import Removing
from temp_file_manager.storage.unit_place import opened_as
from temp_file_manager.storage.unit_question import Question


class Going:
    """Removes what a sweep before has moved away and not removed, as it was killed or there was much.

    A sweep that moves a unit holds it locked until it has done with it, and puts it on record before that: so what is
    locked, here or where it comes from, is in a living sweep's hands.
    """

    def __init__(self, removing: Removing) -> None:
        self._removing = removing

    def remove(self, removal: Removal) -> None:
        """Remove what is left of one unit a record; see ``Storage``."""
        question = Question(self._removing.terms)
        with Directories(within=self._removing.folder) as directories:
            for at, record in removal.each(removal.records):
                with noted(removal, at):
                    above, name, root = _opened(record, directories)
                    try:
                        self._refuse(record, root, question)
                        if removal.may_go(at):
                            _remove(removal, at, above, name, root)
                    finally:
                        os.close(root)

    def predict(self, records: Iterable[TempFile]) -> Iterator[Outcome]:
        """Yield what ``remove`` would make of each, as far as looking can tell."""
        question = Question(self._removing.terms, only_looking=True)
        with Directories(within=self._removing.folder) as directories:
            for record in records:
                yield Outcome(record, *self._predicted(record, directories, question))

    def _predicted(self, record: TempFile, directories: Directories, question: Question) -> Other:
        with answered() as answer:
            *_, root = _opened(record, directories)
            try:
                self._refuse(record, root, question)
            finally:
                os.close(root)
        return answer[0] if answer else Other(Status.REMOVED, Cause.NONE)

    def _refuse(self, record: TempFile, root: int, question: Question) -> None:
        """Return if it may go: a sweep that was killed has not asked whether somebody has it in use yet."""
        if is_locked(root):
            raise _in_hand()
        question.after(record, root, os.path.realpath(record.path), int, many=True)


def _opened(record: TempFile, directories: Directories) -> tuple[int, bytes, int]:
    """Return the folder that it is in, its name there, and itself, open."""
    place = place_of(record)
    above, seen = _seen(record, directories)
    return above, place[1], opened_as(above, place[1], seen)


def _seen(record: TempFile, directories: Directories) -> tuple[int, Seen]:
    try:
        return directories.compared(place_of(record))
    except FileNotFoundError:
        if _is_being_moved(record):
            raise _in_hand() from None
        return directories.compared(place_of(record))  # it may have come between the two looks


def _is_being_moved(record: TempFile) -> bool:
    """Say whether a unit is still where it comes from, in the hands of a sweep that is about to move it."""
    try:
        origin = os.open(record.origin, WITHIN)
    except OSError:
        return False
    try:
        same = record.identity is not None and signed(os.fstat(origin).st_ino) == record.identity.inode
        return same and is_locked(origin)
    finally:
        os.close(origin)


def _remove(removal: Removal, at: int, above: int, name: bytes, root: int) -> None:
    trouble = cleared(root, removal, lambda: False)
    if trouble is not None:
        removal.others[at] = trouble
    else:
        os.rmdir(name, dir_fd=above)


def _in_hand() -> NotThatFile:
    return NotThatFile(Status.KEPT, Cause.IN_USE, "a sweep is at work on it")
