"""Upcoming records: what a dry run takes next, in the order in which a sweep would, and what comes up once more."""

import math
from collections.abc import Callable, Iterator, Sequence
from heapq import heappop, heappush, nsmallest
from typing import Final

from temp_file_manager.records import Selection, TempFile
from temp_file_manager.registry import Page
from temp_file_manager.rules import waiting_since
from temp_file_manager.sweeping.foreseen import Coming

SORTED: Final = 20_000
"""So many records are in memory at most, those that come first, where they have to be sorted; for more, all are read
again."""

Turn = tuple[float, int, int]
"""Where a record stands among those that a sweep takes: what is smaller comes before."""

_FIRST: Final = (-math.inf, 0, 0)

Read = Callable[[Selection, int, object | None], Page]
"""Returns a page of what a selection wants, so many records at most, from a cursor on."""


def turn_of(record: TempFile, max_age: float) -> Turn:
    """Return where a record stands; of those that have waited as long, those without an end come before."""
    walk = 1 if record.due_at is not None else 0
    since = waiting_since(record.registered_at, record.due_at, record.retry_at, max_age)
    return since, 2 if record.retry_at is not None else walk, record.generation


class Upcoming:
    """What a dry run has still to come to.

    What is not due yet by its record, and will be, is read after what is. A sweep takes both in one order, which
    matters where it takes only so many: then they are sorted.

    Args:
        read: What reads records.
        due: What the sweep wants.
        coming: What will be due by then, too.
        size: Records read at a time.
        few: Whether no more than so many are to be taken.
    """

    def __init__(self, read: Read, due: Selection, coming: Coming, size: int, *, few: bool) -> None:
        self._read = read
        self._due = due
        self._coming = coming
        self._size = size
        is_mixed = bool(coming.selections) or coming.foreseen is not None
        self._records = self._sorted() if few and is_mixed else self._all()
        self._ahead: TempFile | None = None
        self._again: list[tuple[Turn, TempFile]] = []
        self._added: set[int] = set()

    def take(self, most: int) -> list[TempFile]:
        """Return those that come next."""
        taken: list[TempFile] = []
        while len(taken) < most and (record := self._next()) is not None:
            taken.append(record)
        return taken

    def add(self, record: TempFile) -> None:
        """Let a record come up once more, but only once, as it is by then: a sweep looks again from the beginning."""
        if record.generation in self._added:  # somebody may go on rewriting it
            return
        self._added.add(record.generation)
        heappush(self._again, (self._turn(record), record))

    def _turn(self, record: TempFile) -> Turn:
        return turn_of(record, self._due.max_age)

    def _next(self) -> TempFile | None:
        record, self._ahead = self._ahead or next(self._records, None), None
        if not self._again or (record is not None and self._turn(record) < self._again[0][0]):
            return record
        self._ahead = record
        return heappop(self._again)[-1]

    def _sorted(self) -> Iterator[TempFile]:
        last = _FIRST
        while found := nsmallest(SORTED, (one for one in self._all() if self._turn(one) > last), key=self._turn):
            yield from found
            if len(found) < SORTED:
                return
            last = self._turn(found[-1])

    def _all(self) -> Iterator[TempFile]:
        due, foreseen = self._due, self._coming.foreseen
        ended = {wanted.session for wanted in self._coming.selections}
        for page in self._pages(due):
            found = [record for record in page if record.session not in ended] if ended else page
            yield from found if foreseen is None else foreseen.as_swept(found)
        for wanted in self._coming.selections:  # no rule is about what sessions had that have ended
            for page in self._pages(wanted):
                yield from (record._replace(due_at=due.asof) for record in page)
        for page in () if foreseen is None else foreseen.others():
            yield from page

    def _pages(self, wanted: Selection) -> Iterator[Sequence[TempFile]]:
        cursor, more = None, True
        while more:
            page = self._read(wanted, self._size, cursor)
            yield page.records
            cursor, more = page.cursor, page.cursor is not None
