"""Limits as they stand: the measure and its marks, what goes next, and what protects the rest."""

import math
from dataclasses import dataclass, fields, replace
from typing import NamedTuple

from temp_file_manager.context import Context
from temp_file_manager.limits import Limit, Measure
from temp_file_manager.records import Selection, TempFile
from temp_file_manager.registry.journal import last_line
from temp_file_manager.sweeping.eviction import UNMET
from temp_file_manager.sweeping.limits import (
    Protection,
    Reading,
    measured,
    over,
    protection,
    room_left,
    value_of,
    wanted,
)
from temp_file_manager.text import ordinal

MOST = 100_000
"""So many records are looked at; of the rest nothing is told but that there is more."""

NEXT = 3
"""So many of those that go next are named."""


@dataclass(frozen=True, slots=True)
class LimitReading:
    """A limit, and how much there is of its measure. Amounts are bytes or files, as the measure is.

    Attributes:
        limit: Which.
        value: What its measure is; None when nothing can tell.
        capacity: All there is, of which a mark may be a share; None where that means nothing.
        mark: Where removing begins, as a value of the measure; None as above.
        to: Where it ends.
        over: Whether the mark is passed.
        unmet: Why it could not be kept at the last try; empty when it could, or nobody has tried.
    """

    limit: Limit
    value: float | None
    capacity: float | None
    mark: float | None
    to: float | None
    over: bool
    unmet: str

    @property
    def ratio(self) -> float | None:
        """How near the mark is: 1 is at it, more is beyond. None when it cannot be told."""
        if self.value is None or self.mark is None:
            return None
        part, whole = (self.mark, self.value) if self.limit.measure.is_room else (self.value, self.mark)
        return part / whole if whole else math.inf


class Protected(NamedTuple):
    """Files that a limit does not take: what keeps them, how many they are, and how much of the measure is theirs."""

    by: Protection
    files: int
    amount: float


@dataclass(frozen=True, slots=True)
class LimitStatus(LimitReading):
    """A limit as it stands, and what it would take.

    Attributes:
        next: What goes next, of what is not due: its first paths.
        free: How many may go, of the records that were looked at.
        protected: What may not.
        complete: Whether all records were looked at.
        known_for: Seconds since the last complete round of measuring began; None: there was none.
    """

    next: tuple[str, ...]
    free: int
    protected: tuple[Protected, ...]
    complete: bool
    known_for: float | None

    def described(self) -> dict[str, object]:
        """Return it for programs."""
        return self.limit.described() | {
            "value": self.value,
            "capacity": self.capacity,
            "mark_value": self.mark,
            "to_value": self.to,
            "over": self.over,
            "unmet": self.unmet or None,
            "next": list(self.next),
            "may_go": self.free,
            "protected": {str(one.by): {"files": one.files, "amount": one.amount} for one in self.protected},
            "complete": self.complete,
            "known_for": self.known_for,
        }


def readings(context: Context) -> tuple[LimitReading, ...]:
    """Return how much there is of each limit's measure now, at a cost that does not depend on how many files there are.

    Raises:
        RegistryError: the registry cannot be read.
    """
    noted = unmet(context)
    return tuple(_reading(context, limit, noted.get(limit.name, "")) for limit in context.evictor.states.limits)


def _reading(context: Context, limit: Limit, why: str) -> LimitReading:
    found = context.evictor.readings.read(limit)
    if found is None:
        return LimitReading(limit, None, None, None, None, False, why)
    mark, to = value_of(limit.mark, found), value_of(limit.to, found)
    return LimitReading(limit, found.value, found.capacity, mark, to, over(limit, found), why)


def limits(context: Context) -> tuple[LimitStatus, ...]:
    """Return each limit as it stands now; at most ``MOST`` records are looked at for each.

    Raises:
        RegistryError: the registry cannot be read.
    """
    return tuple(_status(context, reading) for reading in readings(context))


def unmet(context: Context) -> dict[str, str]:
    """Return which limits are passed and could not be kept at the last try, whoever made it, and why.

    Raises:
        RegistryError: the registry cannot be read.
    """
    from json import loads  # noqa: PLC0415 - slow to import, and few have limits

    if not context.evictor.states.limits:
        return {}
    line = last_line(context.registry, UNMET)
    noted = {state.limit.name: state.unmet for state in context.evictor.states.all if state.unmet}
    try:
        told = loads(line) if line else {}
    except ValueError:
        told = {}
    known = {**told, **noted}
    return {
        limit.name: known[limit.name]
        for limit in context.evictor.states.limits
        if limit.name in known and _over(context, limit)
    }


def _over(context: Context, limit: Limit) -> bool:
    reading = context.evictor.readings.read(limit)
    return reading is not None and over(limit, reading)


def _status(context: Context, reading: LimitReading) -> LimitStatus:
    candidates = context.evictor.candidates(reading.limit, _due(context), most=MOST)
    first = candidates.take(NEXT)
    free = len(first) + sum(1 for _ in candidates)
    reading = replace(reading, unmet=reading.unmet or candidates.failed)
    return LimitStatus(
        **{field.name: getattr(reading, field.name) for field in fields(reading)},
        next=tuple(one.record.path for one in first),
        free=free,
        protected=tuple(Protected(by, *amount) for by, amount in candidates.protected.items()),
        complete=candidates.complete,
        known_for=context.measuring.age(),
    )


def _due(context: Context) -> Selection:
    return Selection(context.clock_guard.peek().asof, context.max_age, patient=True)


# -- one file


@dataclass(frozen=True, slots=True)
class LimitPlace:
    """A file's place in the order of a limit.

    Attributes:
        limit: Which.
        place: Its number among those that may go, from 1; None: it is none of them, or comes after all that were looked
            at.
        of: How many there are.
        complete: Whether all records were looked at.
        more: How much more is to come, bytes or files, until it goes; 0: it goes now. None as of ``place``.
        kept: What keeps it from going; None when nothing does.
    """

    limit: Limit
    place: int | None
    of: int
    complete: bool
    more: float | None
    kept: Protection | None

    @property
    def words(self) -> str:
        """It in words."""
        name, measure = f'limit "{self.limit.name}"', self.limit.measure
        if self.kept is not None:
            return f"for {name} it does not go: {self.kept}"
        if self.place is None:
            return f"for {name} it is beyond the first {MOST:,}"
        of = f"{self.of:,}" if self.complete else f"more than {self.of:,}"
        before = f"for {name} it is the {ordinal(self.place)} of {of} to go"
        if not self.more:
            return f"{before}, which is now"
        how = "registered" if measure in (Measure.BYTES, Measure.FILES) else "used"
        more = f"{self.more:,.0f} more files" if measure.is_count else f"{measure.words(self.more)} more"
        return f"{before}; that would be when {more} are {how}"

    def described(self) -> dict[str, object]:
        """Return it for programs."""
        return {
            "limit": self.limit.name,
            "place": self.place,
            "of": self.of,
            "complete": self.complete,
            "more": self.more,
            "kept": None if self.kept is None else str(self.kept),
        }


def places(context: Context, record: TempFile) -> tuple[LimitPlace, ...]:
    """Return the place of a record in the order of each limit that is about it.

    Raises:
        RegistryError: the registry cannot be read.
    """
    return tuple(_place(context, limit, record) for limit in context.evictor.states.limits if measured(record, limit))


def _place(context: Context, limit: Limit, record: TempFile) -> LimitPlace:
    due = _due(context)
    kept = Protection.PAUSED if context.policies.pausing is not None else protection(record, limit, due)
    if kept is not None:
        return LimitPlace(limit, None, 0, True, None, kept)
    candidates = context.evictor.candidates(limit, due, most=MOST)
    before, place, count = 0.0, None, 0
    for count, one in enumerate(candidates, 1):
        if one.record.path == record.path:
            place = count
        elif place is None:
            before += candidates.weight(one)
    reading = context.evictor.readings.read(limit)
    more = None if place is None or reading is None else _more(limit, reading, before)
    if place is None and candidates.complete:
        kept = Protection.ELSEWHERE
    if candidates.failed:
        place, more, kept = None, None, Protection.UNORDERED
    return LimitPlace(limit, place, count, candidates.complete, more, kept)


def _more(limit: Limit, reading: Reading, before: float) -> float:
    """Return how much more is to come until what ``before`` others stand before goes, if they go in this order.

    Each time that the mark is passed, so much goes as lies between the marks.
    """
    if over(limit, reading) and wanted(limit, reading) > before:
        return 0.0
    step = abs(value_of(limit.mark, reading) - value_of(limit.to, reading))
    left = room_left(limit, reading)
    if over(limit, reading):
        before -= wanted(limit, reading)
        left = step
    return left + (before // step * step if step else before)
