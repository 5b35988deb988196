"""The live dict of the registry in memory, and the record it holds in the guise of a float.

Callers write to the dict without our lock when they hold it themselves, or forget to: an insertion uses only
operations that are atomic in CPython (a dict store, then a heap push of floats).
"""

import math
from collections.abc import Callable
from heapq import heappush
from typing import Any, NamedTuple, SupportsFloat

from temp_file_manager.errors import InvalidArgumentError
from temp_file_manager.records import PLAIN, Nature, NewFile, TempFile


class Details(NamedTuple):
    """Details that only few records have."""

    due_at: float | None = None
    retry_at: float | None = None
    failures: int = 0
    last_sweep: int = 0
    size: int | None = None
    tags: tuple[str, ...] = ()
    kept_for: str = ""
    session: int = 0
    nature: Nature = PLAIN


class Stamp(float):
    """A registration time that is also the record: it knows its path, and its identity is the generation.

    One object a record where a tuple on a heap would be a second one, and heaps compare it as fast as a float.
    """

    __slots__ = ("path",)
    path: str
    details: Details | None = None

    def __reduce__(self) -> tuple[type[float], tuple[float]]:
        """Copy and pickle as the plain number it stands for."""
        return float, (float(self),)


class DetailedStamp(Stamp):
    """A stamp with details."""

    __slots__ = ("details",)
    details: Details | None


def make_stamp(path: str, when: SupportsFloat, details: Details | None = None) -> Stamp:
    """Return the record of ``path``.

    Raises:
        TypeError: ``when`` is no number, or ``path`` no text.
        InvalidArgumentError: ``when`` is NaN, which has no place in any order.
    """
    if not isinstance(path, str):  # in memory no sweep could remove it, and a database would seem to be damaged
        raise TypeError(f"a path in files is text, not {type(path).__name__}: use os.path.abspath(os.fsdecode(path))")
    if isinstance(when, str | bytes | bytearray):
        raise TypeError(f"a registration time is a number of seconds since the epoch, not {when!r}")
    try:
        stamp = Stamp(when) if details is None else DetailedStamp(when)
    except OverflowError as error:  # an int of hundreds of digits
        raise InvalidArgumentError("a registration time is too large for a number of seconds") from error
    if math.isnan(stamp):
        raise InvalidArgumentError("a registration time is a number of seconds since the epoch, not NaN")
    stamp.path = path
    if details is not None:
        stamp.details = details
    return stamp


def stamp_of_new(file: NewFile, now: float, session: int = 0, end: float = 0.0, nature: Nature = PLAIN) -> Stamp:
    """Return the record of a file that is registered at ``now``; in a session, which ends at ``end``."""
    path, due_at, size, tags, *_ = file
    if session:
        plain = nature._replace(rule="")
        return make_stamp(path, now, Details(due_at=end, size=size, tags=tags, session=session, nature=plain))
    if due_at is None and not tags and nature is PLAIN:
        return make_stamp(path, now)
    return make_stamp(path, now, Details(due_at=due_at, size=size, tags=tags, nature=nature))


def inherited(path: str, when: SupportsFloat, known: float | None = None) -> Details | None:
    """Return what a time that was read from ``files`` still knows of its file: its ttl or rule, size and tags.

    Callers filter ``files`` and assign the result; that must not end a file's ttl. What is ``known`` to be in a session
    stays in that, and stands for what it stood for, whatever is assigned.
    """
    current = known.details if isinstance(known, Stamp) else None
    if current is not None and current.session:
        return current._replace(retry_at=None, failures=0, last_sweep=0, kept_for="")
    what = PLAIN if current is None else current.nature._replace(rule="")
    if not isinstance(when, Stamp) or when.path != path or when.details is None or when.details.session:
        return None if what == PLAIN else Details(nature=what)
    said = when.details
    return Details(due_at=said.due_at, size=said.size, tags=said.tags, nature=what._replace(rule=said.nature.rule))


def times(*others: Any, **named: float) -> dict[str, float]:
    """Return what ``dict.update`` would store.

    Raises:
        TypeError, InvalidArgumentError: as ``make_stamp``, for one of them.
    """
    stored = dict[str, float](*others, **named)
    for path, when in stored.items():
        make_stamp(path, when)
    return stored


class MemoryFiles(dict[str, float]):
    """Path → time of registration: a real dict whose insertions are also put where they become due.

    Attributes:
        begun: How many unknown paths callers have written to it.
    """

    __slots__ = ("_place", "begun")

    def __init__(self, place: Callable[[Stamp], tuple[list[Any], Any]]) -> None:
        super().__init__()
        self._place = place
        self.begun: int = 0

    def __setitem__(self, path: str, when: float) -> None:
        """Record ``path`` as registered at ``when``; a known one keeps its tags, and its ttl from then on."""
        known = self.get(path)
        stamp = make_stamp(path, when)
        details = known.details if isinstance(known, Stamp) else None
        if known is not None and details is not None:
            due_at = details.due_at if details.session or details.due_at is None else details.due_at + (stamp - known)
            if due_at is not None and math.isnan(due_at):  # infinity less infinity
                due_at = float(stamp)
            kept = details._replace(retry_at=None, failures=0, last_sweep=0, kept_for="")
            stamp = make_stamp(path, stamp, kept._replace(due_at=due_at))
        self.put(stamp)
        self.begun += known is None

    def put(self, stamp: Stamp) -> None:
        """Store a new record. The dict first: what is on a heap and not in the dict is taken for stale."""
        heap, entry = self._place(stamp)
        try:
            super().__setitem__(stamp.path, stamp)
        finally:
            heappush(heap, entry)  # also when Ctrl-C comes between the two; nothing can between ``finally`` and this

    def unknown(self, stamps: list[Stamp]) -> list[Stamp]:
        """Return the first of each path that is not on record."""
        first = {stamp.path: stamp for stamp in reversed(stamps) if stamp.path not in self}
        return [stamp for stamp in stamps if first.get(stamp.path) is stamp]

    def setdefault(self, path: str, when: float = math.nan, /) -> float:
        """Return the time of ``path``, recording it first if it is unknown. One step, whoever removes it meanwhile."""
        known = self.get(path)
        if known is not None:
            return known
        stamp = make_stamp(path, when)
        heap, entry = self._place(stamp)
        try:
            known = super().setdefault(path, stamp)
        finally:
            heappush(heap, entry)
        self.begun += known is stamp
        return known

    def update(self, *others: Any, **named: float) -> None:
        """Record what ``dict.update`` would store: nothing, if one of the times is none."""
        stamps = times(*others, **named)
        for path, when in stamps.items():
            self[path] = when

    def __ior__(self, other: Any) -> "MemoryFiles":  # type: ignore[override,misc]  # dict's overloads differ
        self.update(other)
        return self

    def __reduce__(self) -> tuple[type[dict[str, float]], tuple[dict[str, float]]]:
        """Copy and pickle as a plain dict: a copy is nobody's registry."""
        return dict, (dict(self),)


def make_record(stamp: Stamp) -> TempFile:
    """Return the record for others to see; its ``registered_at`` is the stamp itself."""
    details = stamp.details
    if details is None:
        # Past the named tuple's own constructor, which takes twice as long; once a file, that shows.
        return _new_record(
            TempFile, (stamp.path, stamp, None, None, 0, None, (), 0, None, None, False, "", None, None, 0, *PLAIN)
        )
    return TempFile(
        stamp.path,
        stamp,
        details.due_at,
        details.retry_at,
        details.failures,
        details.size,
        details.tags,
        kept_for=details.kept_for,
        session=details.session,
        rule=details.nature.rule,
        kind=details.nature.kind,
        origin=details.nature.origin,
    )


_new_record = tuple.__new__
