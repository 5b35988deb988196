"""The place that a sweep has got to in a registry's rows, and its way there."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

_Row = tuple[Any, ...]

_START = (-math.inf, 0)


class Columns(NamedTuple):
    """Where rows have what positions go by: each registry has an order of its own."""

    number: int
    registered_at: int
    due_at: int
    retry_at: int


@dataclass(frozen=True, slots=True)
class Position:
    """The place that a sweep has got to.

    Attributes:
        columns: Where rows have what it goes by.
        began: The last number taken when it began: what was tried later it leaves alone, what was recorded later
            a forced one leaves alone; None: it begins.
        aged: Time and id of the last record taken by age, in the order of that index.
        timed: The same of those with a ttl.
        retried: The same of those that have been tried before, which wait for another try.
        last: The number of the last record, which is all that the walk through a session needs.
        epoch: Which frees and backdatings the registry had seen; more of them, and it looks from the start again.
    """

    columns: Columns
    began: int | None = None
    aged: tuple[float, int] = _START
    timed: tuple[float, int] = _START
    retried: tuple[float, int] = _START
    last: int = 0
    epoch: int = 0

    def rewound(self, epoch: int) -> "Position":
        """Return the start of the same sweep."""
        return Position(self.columns, self.began, epoch=epoch)

    @property
    def at_start(self) -> bool:
        """Whether nothing lies behind it."""
        return self.aged == self.timed == self.retried == _START and not self.last

    @property
    def bound(self) -> dict[str, Any]:
        """The parameters that say where it is."""
        return {
            "began": self.began,
            "aged": self.aged[0],
            "aged_id": self.aged[1],
            "timed": self.timed[0],
            "timed_id": self.timed[1],
            "retried": self.retried[0],
            "retried_id": self.retried[1],
            "last": self.last,
        }

    def after(self, rows: Sequence[_Row]) -> "Position":
        """Return the position behind these rows, which were read from here."""
        (number, registered_at, due_at, retry_at), last = self.columns, self.last
        aged, timed, retried = self.aged, self.timed, self.retried
        for row in rows:
            last = row[number]
            if row[retry_at] is not None:
                retried = row[retry_at], last
            elif row[due_at] is None:
                aged = row[registered_at], last
            else:
                timed = row[due_at], last
        return replace(self, aged=aged, timed=timed, retried=retried, last=last)

    def past(self, rows: Sequence[_Row]) -> "Position":
        """Return the same for rows of pages of everything, where it is no matter whether one has been tried."""
        number, registered_at, due_at, _ = self.columns
        aged, timed = self.aged, self.timed
        for row in rows:
            if row[due_at] is None:
                aged = row[registered_at], row[number]
            else:
                timed = row[due_at], row[number]
        return replace(self, aged=aged, timed=timed)


class Way:
    """The way of one sweep through what is due, claim by claim.

    Attributes:
        position: The place that it has got to.
    """

    def __init__(self, position: Position) -> None:
        self.position = position
        self._from = position
        self._renewed: set[int] = set()

    def go(self, start: Position, end: Position) -> None:
        """Have claimed what lies between two places."""
        self._from, self.position = start, end

    def first_time(self, number: int) -> bool:
        """Say whether it is the first time in this sweep that a record was found rewritten, and note that it was."""
        first = number not in self._renewed
        self._renewed.add(number)
        return first

    def back(self, rows: Sequence[_Row]) -> None:
        """Go back behind the first rows of the last claim: the rest of it was not worked on."""
        self.position = self._from.after(rows)
