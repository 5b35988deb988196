"""Records that may go for a limit, in the order in which they go, and what keeps the others."""

import heapq
import math
import os
from collections import defaultdict
from collections.abc import Callable, Container, Iterable, Iterator, Sequence
from contextlib import suppress
from typing import Final, NamedTuple

from temp_file_manager.errors import RegistryFullError
from temp_file_manager.limits import Limit, Measure
from temp_file_manager.records import Kind, Measured, Order, Selection, TempFile
from temp_file_manager.registry import Registry
from temp_file_manager.storage.measure import GONE, Gone
from temp_file_manager.sweeping.foreseen import AsSwept, as_it_is
from temp_file_manager.sweeping.limits import Protection, measured, place, protection, size_of, weight
from temp_file_manager.sweeping.near import Near
from temp_file_manager.sweeping.orders import SORTED, Key, Ordered, OrderFailedError

PAGE = 500
"""Records read at a time."""

MOST_USED = 20_000
"""So many records that were found used since may wait for their turn in memory: with more, reading begins again."""

_ONCE: Final = (Order.OLDEST, Order.LARGEST)
"""Orders in which no record comes up again."""

Look = Callable[[Sequence[TempFile], float], Iterable[Measured | Gone | None]]
"""Looks at the files of records at a moment; see ``storage.measure``."""

_APART = (Kind.QUARANTINED, Kind.OBJECT)
"""Kinds that no limit takes: what is going already, and what takes no room on any disk here."""


class Amount(NamedTuple):
    """So many files, and what they take off the measure."""

    files: int = 0
    weight: float = 0.0


class Candidate(NamedTuple):
    """A record that may go.

    Attributes:
        record: As it is on record.
        found: As a look has found it, where one was taken; else the same.
    """

    record: TempFile
    found: TempFile

    @property
    def size(self) -> int:
        """Bytes that it takes on the disk, as far as is known."""
        return size_of(self.found)

    def weight(self, limit: Limit, near: Near) -> float:
        """Return what a limit gains when it goes: bytes, or one file."""
        if limit.measure not in ON_FILE_SYSTEM:
            return weight(limit, self.record) if measured(self.record, limit) else 0.0
        return weight(limit, self.found) if near(os.path.dirname(self.record.path)) else 0.0


class _AnythingMoved(Exception):  # noqa: N818 - no error: it ends a reading, so that another begins
    """Too many records have a later place than the one at which they were read."""


class Candidates:
    """Reads what may go for a limit, a page at a time, while others go on registering and using files.

    What is in quarantine goes before all else: nobody uses it any more. In the order of use, files are looked at when
    it is their turn: one that was used since goes back to the place that it has by now. So what comes first is always
    what has not been used for the longest time.

    Args:
        registry: The source.
        limit: What is to be kept.
        due: What the sweep before has taken.
        now: As in ``Claims.claim``.
        look: What looks at files.
        near: Says of a directory whether it lies on the file system that is limited.
        gone: Paths that are left out.
        note: Whether what the looks find is noted in the registry.
        most: Records that are read at most, a page more or less.
        moved: What will be in quarantine by then, though nothing on record says so yet.
        quarantined: Whether nothing may go but what is in quarantine.
        as_swept: Says of a record how the sweep before would have left it; for dry runs.
        key: That of the limit's order, where a plug-in brings it.

    Attributes:
        protected: What was passed over, by what keeps it.
        complete: Whether all has been read.
        failed: Why the order of a plug-in gives no more; empty when it does.
    """

    def __init__(
        self,
        registry: Registry,
        limit: Limit,
        due: Selection,
        now: Callable[[], float],
        look: Look,
        near: Near,
        gone: Container[str],
        *,
        note: bool = False,
        most: float = math.inf,
        moved: Sequence[TempFile] = (),
        quarantined: bool = False,
        as_swept: AsSwept = as_it_is,
        key: Key | None = None,
    ) -> None:
        self._as_swept = as_swept
        self._moved = moved
        self._all_there_is = quarantined
        self._registry = registry
        self._limit = limit
        self._due = due
        self._now = now
        self._look = look
        self._near = near
        self._gone = gone
        self._note = note
        self._left = most
        self._key = key
        self._once = limit.order in _ONCE
        self._passed: set[int] = set()
        self._turns = self._all()
        self.protected: defaultdict[Protection, Amount] = defaultdict(Amount)
        self.complete: bool = False
        self.failed: str = ""

    def __iter__(self) -> Iterator[Candidate]:
        """Return what goes next, and then, and so on."""
        return self._turns

    def weight(self, candidate: Candidate) -> float:
        """Return what the limit gains when a candidate goes: bytes, or one file."""
        return candidate.weight(self._limit, self._near)

    def take(self, most: int, enough: float = math.inf) -> list[Candidate]:
        """Return those that go next.

        Args:
            most: So many at most.
            enough: No more than it takes to gain so much.
        """
        taken: list[Candidate] = []
        gained = 0.0
        while len(taken) < most and gained < enough and (one := next(self._turns, None)) is not None:
            taken.append(one)
            gained += self.weight(one)
        return taken

    def gain(self, enough: float, most: float = math.inf) -> Amount:
        """Return how many go next, and what that gains: up to ``enough``, ``most`` at most, and no more are read."""
        files, gained = 0, 0.0
        while files < most and gained < enough and (one := next(self._turns, None)) is not None:
            files += 1
            gained += self.weight(one)
        return Amount(files, gained)

    def _all(self) -> Iterator[Candidate]:
        yield from self._quarantined()
        orders = (self._limit.first, self._limit.tags) if self._limit.first else (self._limit.tags,)
        for tags in () if self._all_there_is else orders:
            again = True
            while again:
                again = False
                try:
                    yield from self._in_order(tags)
                except _AnythingMoved:
                    again = True
                except OrderFailedError as error:
                    self.failed = f"its order {self._limit.order}, which a plug-in brings, has failed: {error}"
                    return
        self.complete = self._left > 0

    def _quarantined(self) -> Iterator[Candidate]:
        wanted = Selection(self._due.asof, self._due.max_age, order=Order.ADDED, kind=Kind.QUARANTINED)
        for page in self._pages(wanted):
            fresh = [record for record in page if measured(record, self._limit) and record.path not in self._gone]
            yield from self._seen([record for record in fresh if self._is_free(record)])
        yield from (Candidate(record, record) for record in self._moved if measured(record, self._limit))

    def _in_order(self, tags: tuple[str, ...]) -> Iterator[Candidate]:
        """Yield what has one of these tags, each at its place by what a look at it has found."""
        if self._key is not None:
            yield from self._by_key(tags, self._key)
            return
        order, waiting = self._limit.order, _Waiting(self._most_used())
        for page in self._pages(self._wanted(tags)):
            fresh = [record for record in page if self._is_fresh(record, waiting, first=tags is self._limit.first)]
            for candidate in self._seen([record for record in fresh if self._is_free(record)]):
                if order is not Order.LEAST_USED and candidate.found.registered_at == candidate.record.registered_at:
                    yield candidate
                    continue
                before, after = place(candidate.record, order), place(candidate.found, order)
                yield from map(self._taken, waiting.until(before))
                if after > before:
                    waiting.add(after, candidate)
                else:
                    yield self._taken(candidate)
        yield from map(self._taken, waiting.until(None))

    def _by_key(self, tags: tuple[str, ...], key: Key) -> Iterator[Candidate]:
        """Yield the same in an order that no registry has: by reading all, again for each so many that go."""
        first, nothing = tags is self._limit.first, _Waiting(0)

        def places() -> Iterator[Ordered]:
            for page in self._pages(self._wanted(tags)):
                for record in page:
                    if self._is_fresh(record, nothing, first=first) and self._is_free(record):
                        yield Ordered(record, key)

        while found := heapq.nsmallest(SORTED, places()):
            for begin in range(0, len(found), PAGE):
                yield from map(self._taken, self._seen([one.record for one in found[begin : begin + PAGE]]))
            if len(found) < SORTED:
                return

    def _taken(self, candidate: Candidate) -> Candidate:
        self._pass(candidate.record)
        return candidate

    def _pass(self, record: TempFile) -> None:
        if not self._once:
            self._passed.add(record.generation)

    def _is_fresh(self, record: TempFile, waiting: "_Waiting", *, first: bool) -> bool:
        """Say whether a record is of this limit's, and has not come up before."""
        if not measured(record, self._limit) or record.generation in self._passed or record.generation in waiting:
            return False
        if record.path in self._gone or record.kind in _APART:
            return False
        return first or set(self._limit.first).isdisjoint(record.tags)

    def _most_used(self) -> float:
        return MOST_USED if self._note else math.inf

    def _wanted(self, tags: tuple[str, ...]) -> Selection:
        order = self._limit.order if isinstance(self._limit.order, Order) else Order.OLDEST
        return Selection(self._due.asof, self._due.max_age, order=order, tags=tags)

    def _pages(self, wanted: Selection) -> Iterator[Sequence[TempFile]]:
        cursor = None
        while self._left > 0:
            page = self._registry.page(wanted, now=self._now(), limit=PAGE, after=cursor)
            self._left -= len(page.records)
            yield page.records
            cursor = page.cursor
            if cursor is None:
                return

    def _is_free(self, record: TempFile) -> bool:
        """Say whether a record may go; note what keeps it."""
        keeps = protection(self._as_swept(record), self._limit, self._due)
        if keeps is None and self._limit.measure in ON_FILE_SYSTEM and not self._near(os.path.dirname(record.path)):
            keeps = Protection.ELSEWHERE
        if keeps is not None:
            self.keep(record, keeps)
            self._pass(record)
        return keeps is None

    def kept_by(self, keeps: Protection) -> float:
        """Return how much of the measure is kept by that, of what was read."""
        return self.protected[keeps].weight if keeps in self.protected else 0.0

    def keep(self, record: TempFile, keeps: Protection) -> None:
        """Note what keeps a record."""
        files, size = self.protected[keeps]
        self.protected[keeps] = Amount(files + 1, size + weight(self._limit, record))

    def _seen(self, records: Sequence[TempFile]) -> Iterator[Candidate]:
        """Yield records as candidates, looked at where that matters."""
        limit = self._limit
        # What a file takes by now the record may not know: it was empty when it was made.
        if limit.order is not Order.LEAST_USED and limit.measure not in (Measure.FREE, Measure.MEMORY):
            yield from (Candidate(record, self._as_swept(record)) for record in records)
            return
        news, seen = [], []
        for record, found in zip(records, self._look(records, self._due.asof), strict=True):
            candidate = Candidate(record, _renewed(self._as_swept(record), found))
            seen.append(candidate)
            if isinstance(found, Measured) and candidate.found != record:
                news.append(Measured(record, found.disk, candidate.found.used_at))
        if news and self._note:
            with suppress(RegistryFullError):  # what goes now makes room
                self._registry.measured(news)
        yield from seen


def _renewed(record: TempFile, found: Measured | Gone | None) -> TempFile:
    """Return a record as a look has found its file."""
    if isinstance(found, Measured):
        if (found.disk, found.used_at) == (record.disk, record.used_at):
            return record
        used = max(record.used_at or -math.inf, found.used_at or -math.inf)  # who holds a file has noted its use, too
        return record._replace(disk=found.disk, used_at=None if used == -math.inf else used)
    if found is GONE:
        return record._replace(disk=0)
    if record.identity is None:  # in memory: whatever is there would go
        return record._replace(disk=_disk(record.path))
    return record


def _disk(path: str) -> int | None:
    try:
        found = os.lstat(path)
    except (OSError, ValueError):
        return None
    return found.st_blocks * 512 // max(found.st_nlink, 1)


ON_FILE_SYSTEM: Final = (Measure.FREE, Measure.FREE_INODES, Measure.MEMORY)
"""Measures of the file system that the base directory is on: what lies elsewhere does not matter to them."""


class _Waiting:
    """Candidates that wait until those before their new place have gone.

    Args:
        most: With more, ``_AnythingMoved`` is raised.
    """

    def __init__(self, most: float) -> None:
        self._heap: list[tuple[tuple[float, int], Candidate]] = []
        self._numbers: set[int] = set()
        self._most = most

    def __contains__(self, generation: int) -> bool:
        return generation in self._numbers

    def add(self, at: tuple[float, int], candidate: Candidate) -> None:
        if len(self._heap) >= self._most:
            raise _AnythingMoved
        heapq.heappush(self._heap, (at, candidate))
        self._numbers.add(candidate.record.generation)

    def until(self, at: tuple[float, int] | None) -> Iterator[Candidate]:
        """Yield those whose place is before ``at``; None: all."""
        while self._heap and (at is None or self._heap[0][0] < at):
            candidate = heapq.heappop(self._heap)[1]
            self._numbers.discard(candidate.record.generation)
            yield candidate
