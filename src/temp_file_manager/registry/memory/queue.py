"""Places beside the dict of the registry in memory: what is due next, and what is out on a claim.

The dict is the truth; an entry in one of the places counts only while it is what the dict holds. So callers' deletions
need no attention: what they leave is dropped when it comes up, or when the place outgrows the dict.
"""

import itertools
import math
from collections.abc import Collection
from heapq import heappop, heappush
from typing import Any, Self

from temp_file_manager.records import Selection, TempFile
from temp_file_manager.registry.memory.files import MemoryFiles, Stamp, make_record
from temp_file_manager.registry.memory.out import Out
from temp_file_manager.registry.memory.sessions import MemorySessions
from temp_file_manager.rules import due_at, is_too_old, waiting_since, waits

_SLACK = 64  # stale entries that are not worth a rebuild


class DueQueue:
    """Records to hand out, those first that wait the longest, each to one taker. A page is taken from a copy.

    Attributes:
        files: The live dict.
        claims: What is out.
        numbers: What everything that needs an order takes the next of.
        pins: Until when sweeps leave a path alone.
        held: How often a path is held; sweeps leave it alone.
        inherited: What the parent of this forked process held. Nothing tells when the parent lets go, so it stays.
        sessions: Which there are.
        run: Records without details, in the order of their times, each registered under the registry's lock.
    """

    def __init__(self, numbers: "itertools.count[int]") -> None:
        self.files = MemoryFiles(self.place)
        self.claims: list[Out] = []
        self.numbers = numbers
        self.pins: dict[str, float] = {}
        self.held: dict[str, int] = {}
        self.inherited: frozenset[str] = frozenset()
        self.sessions = MemorySessions()
        self.run: list[Stamp] = []
        self._taken = 0  # how far into the run
        self._by_age: list[Stamp] = []  # what has no ttl, and came out of order or without the lock
        self._by_due: list[tuple[float, int, Stamp]] = []  # the number keeps stamps from being compared
        self._by_retry: list[tuple[float, int, Stamp]] = []  # what a sweep has left, by its next try
        self._aside: dict[str, Stamp] = {}  # failed ones, until a later sweep begins

    def copy(self) -> Self:
        """Return a queue that gives what this one would, and leaves this one alone."""
        other = object.__new__(type(self))
        other.files, other.numbers, other.claims = self.files, self.numbers, self.claims.copy()
        other.pins, other.held, other.inherited = self.pins, self.held, self.inherited
        other.sessions = self.sessions
        other.run, other._taken = self.run.copy(), self._taken
        other._by_age, other._by_due, other._aside = self._by_age.copy(), self._by_due.copy(), self._aside.copy()
        other._by_retry = self._by_retry.copy()
        return other

    def append(self, stamp: Stamp) -> None:
        """Put a record in its place that was registered just now, under the registry's lock."""
        run = self.run
        if stamp.details is None and (not run or run[-1] <= stamp):
            run.append(stamp)
        else:
            self.push(stamp)

    def push(self, stamp: Stamp) -> None:
        """Put a record in its place."""
        heappush(*self.place(stamp))

    def place(self, stamp: Stamp) -> tuple[list[Any], Any]:
        """Return the heap that a record belongs on, and what is to be pushed there."""
        details = stamp.details
        if details is not None and details.retry_at is not None:
            return self._by_retry, (details.retry_at, next(self.numbers), stamp)
        if details is not None and details.due_at is not None:
            return self._by_due, (details.due_at, next(self.numbers), stamp)
        return self._by_age, stamp

    def set_aside(self, stamp: Stamp) -> None:
        """Keep a failed record for a later sweep."""
        self._aside[stamp.path] = stamp

    def begin(self, due: Selection) -> "int | Listed":
        """Begin a sweep: bring in what earlier ones set aside. Return the sweep's number, or what it is to take."""
        if due.only is not None or due.session:
            return Listed(self._among(due), due, timed=True)
        if due.force:
            stamps: list[Stamp] = list(self.files.values())  # type: ignore[arg-type]  # every insertion makes a Stamp
            return Listed(stamps, due, timed=bool(self._by_due or self._by_retry or self._aside))
        self.shrink()
        sweep = next(self.numbers)
        self._bring_in(due, sweep)
        return sweep

    def _among(self, due: Selection) -> list[Stamp]:
        """Return what is meant, by its records or its session, and is current, and due if that matters."""
        get, session = self.files.get, due.session
        if due.only is None:
            current = list(self.sessions.records(session, self.files))
        else:
            meant = {record.path: record.registered_at for record in due.only if session in {0, record.session}}
            current = [stamp for path, stamp in meant.items() if isinstance(stamp, Stamp) and get(path) is stamp]
        return [stamp for stamp in current if due.force or (_is_due(stamp, due) and not _waits(stamp, due))]

    def _bring_in(self, due: Selection, sweep: int) -> bool:
        """Put those set aside in their places that a sweep may take; say whether there were any."""
        found = False
        for path, stamp in list(self._aside.items()):
            if self.files.get(path) is not stamp:
                del self._aside[path]
            elif not self._is_passed(stamp, due, sweep):
                del self._aside[path]
                self.push(stamp)
                found = True
        return found

    def _is_passed(self, stamp: Stamp, due: Selection, sweep: int) -> bool:
        """Say whether a sweep leaves a record alone: it is not due, has failed meanwhile, has to wait, or is kept."""
        tried = stamp.details is not None and (stamp.details.last_sweep >= sweep or _waits(stamp, due))
        return tried or not _is_due(stamp, due) or self.is_kept(stamp.path, due.asof)

    def free(self, path: str) -> None:
        """Put a record in its place that a pin or a hold had kept from it."""
        stamp = self._aside.pop(path, None)
        if stamp is not None and self.files.get(path) is stamp:
            self.push(stamp)

    def keep(self, paths: Collection[str], until: float, *, held: bool) -> tuple[str, ...]:
        """Pin or hold paths; return those that are on record, and kept by that."""
        known = tuple(path for path in paths if path in self.files)
        for path in known:
            if held:
                self.held[path] = self.held.get(path, 0) + 1
            else:
                self.pins[path] = until
                self.free(path)  # it may end before a former pin would have
        return known

    def release(self, paths: Collection[str], *, held: bool) -> tuple[str, ...]:
        """End the pins of paths, or of each one hold; return those that are on record."""
        known = tuple(path for path in paths if path in self.files)
        for path in paths if held else known:
            if held and self.held.get(path, 0) > 1:
                self.held[path] -= 1
            else:
                (self.held if held else self.pins).pop(path, None)
                self.free(path)
        return known

    def record(self, stamp: Stamp) -> TempFile:
        """Return a record with what keeps it."""
        path = stamp.path
        held = path in self.held or path in self.inherited
        if path not in self.pins and not held:
            return make_record(stamp)
        return make_record(stamp)._replace(pinned_until=self.pins.get(path), held=held)

    def is_kept(self, path: str, asof: float) -> bool:
        """Say whether a pin or a hold keeps sweeps away."""
        return self.kept_until(path) > asof

    def kept_until(self, path: str) -> float:
        """Return until when a pin or a hold keeps a path; minus infinity: nothing does."""
        return math.inf if path in self.held or path in self.inherited else self.pins.get(path, -math.inf)

    @property
    def keeps_any(self) -> bool:
        """Whether a pin or a hold may keep anything from sweeps."""
        return bool(self.pins or self.held or self.inherited)

    def claims_on(self, path: str) -> Out | None:
        """Return the claim that a path is out on."""
        return next((out for out in self.claims if path in out.paths), None)

    def is_free(self, stamp: Stamp) -> bool:
        """Say whether a record is current and not out."""
        return self.files.get(stamp.path) is stamp and self.claims_on(stamp.path) is None

    def take(self, due: Selection, sweep: "int | Listed", limit: int) -> list[Stamp]:
        """Return due records that are current and not out, for a sweep that ``begin`` began; they are in no place."""
        if isinstance(sweep, Listed):
            return sweep.next(self, limit)
        found = self._next_of_run(due, limit) or self._sorted_out(due, sweep, limit)
        if not found and self._bring_in(due, sweep):
            # At its end: another sweep, which began earlier or is more patient, has set aside what this one may take.
            found = self._sorted_out(due, sweep, limit)
        return found

    def _next_of_run(self, due: Selection, limit: int) -> list[Stamp]:
        """Return what comes next in the run; nothing when others come before it, or have to be left out."""
        run, asof, max_age = self.run, due.asof, due.max_age
        if self.keeps_any or self._is_timely(due):
            return []
        part = run[self._taken : self._taken + limit]
        while part and not asof - part[-1] > max_age:
            half = part[len(part) // 2]  # by halves: mostly all are due, or none
            del part[-1 if asof - half > max_age else len(part) // 2 :]
        if part and self._by_retry and self._by_retry[0][0] < part[-1] + max_age:
            return []
        self._pass(len(part))
        if self.claims:
            return [stamp for stamp in part if self.is_free(stamp)]
        get = self.files.get
        return [stamp for stamp in part if get(stamp.path) is stamp]

    def _is_timely(self, due: Selection) -> bool:
        """Say whether a heap has something due."""
        by_age, by_due = self._by_age, self._by_due
        return bool((by_due and by_due[0][0] <= due.asof) or (by_age and due.asof - by_age[0] > due.max_age))

    def _pass(self, records: int) -> None:
        self._taken += records
        if self._taken > len(self.run) // 2:
            del self.run[: self._taken]
            self._taken = 0

    def _sorted_out(self, due: Selection, sweep: int, limit: int) -> list[Stamp]:
        """Take one by one from the run and the three heaps, those first that wait the longest."""
        found: dict[str, Stamp] = {}  # by path: after a rebuild a record may be in two places
        while len(found) < limit and (stamp := self._longest_waiting(due)) is not None:
            if not self.is_free(stamp):
                continue
            if self._is_passed(stamp, due, sweep):
                self._aside[stamp.path] = stamp
            else:
                found[stamp.path] = stamp
        return list(found.values())

    def _longest_waiting(self, due: Selection) -> Stamp | None:
        run, by_age, by_due, max_age = self.run, self._by_age, self._by_due, due.max_age
        oldest = run[self._taken] if self._taken < len(run) else None
        heaped = bool(by_age) and (oldest is None or by_age[0] < oldest)
        oldest = by_age[0] if heaped else oldest
        if oldest is not None and not due.asof - oldest > max_age:
            oldest = None
        aged = None if oldest is None else oldest + max_age
        timed = by_due[0][0] if by_due and by_due[0][0] <= due.asof else None
        if self._by_retry and not any(since is not None and since < self._by_retry[0][0] for since in (aged, timed)):
            return heappop(self._by_retry)[2]  # due or not: that is not what this order is by
        if timed is not None and not (aged is not None and aged < timed):
            return heappop(by_due)[2]
        if oldest is None:
            return None
        if heaped:
            return heappop(by_age)
        self._pass(1)
        return oldest

    def shrink(self) -> None:
        """Rebuild when stale entries have made a place twice as long as the dict."""
        most = 2 * len(self.files) + _SLACK
        if len(self.run) - self._taken > most or max(len(self._by_age), len(self._by_due), len(self._by_retry)) > most:
            self.rebuild()

    def rebuild(self) -> None:
        """Make all places anew from the dict.

        A caller who writes to the dict without the lock meanwhile has stored in the dict before it pushes, so what it
        writes is among what the dict holds, or is pushed afterwards, or both. What is out, or waits aside, is among it
        too; ``take`` sorts that out.
        """
        self._by_due.clear()
        self._by_age.clear()
        self._by_retry.clear()
        stamps: list[Stamp] = list(self.files.values())  # type: ignore[arg-type]  # every insertion makes a Stamp
        self.run[:] = sorted(stamp for stamp in stamps if stamp.details is None)
        self._taken = 0
        for stamp in stamps:
            if stamp.details is not None:
                self.push(stamp)


class Listed:
    """Records that a sweep began with, forced or of some alone: what is registered later, also again, is another's.

    Args:
        stamps: Out of the dict: not out of the places, whatever became of those.
        due: What the sweep wants.
        timed: Whether some may have a ttl.
    """

    def __init__(self, stamps: list[Stamp], due: Selection, *, timed: bool) -> None:
        self._asof = due.asof
        self._stamps = stamps
        if timed:
            self._stamps.sort(key=lambda stamp: _waiting_since(stamp, due.max_age))
        else:
            self._stamps.sort()
        self._next = 0
        self._passed: list[Stamp] = []

    def next(self, queue: DueQueue, limit: int) -> list[Stamp]:
        """Return the next ones that are free; those passed before that are free again come first."""
        get = queue.files.get
        again = [stamp for stamp in self._passed if get(stamp.path) is stamp]
        self._passed = []
        found: list[Stamp] = []
        while len(found) < limit and (part := self._part(again, limit - len(found))):
            self._passed += part
            part = [stamp for stamp in part if get(stamp.path) is stamp]
            if queue.claims or queue.keeps_any:
                part = [s for s in part if queue.is_free(s) and not queue.is_kept(s.path, self._asof)]
            found += part
        self._passed += again
        return found

    def _part(self, again: list[Stamp], limit: int) -> list[Stamp]:
        part = again[:limit]
        if part:
            del again[:limit]
            return part
        first = self._next
        self._next += limit
        return self._stamps[first : first + limit]


def overdue_since(stamp: Stamp, max_age: float) -> float:
    """Return when a record becomes due, or did."""
    return due_at(stamp, None if stamp.details is None else stamp.details.due_at, max_age)


def _waits(stamp: Stamp, due: Selection) -> bool:
    """Say whether a failed record's next try is still to come."""
    details = stamp.details
    if details is None or details.retry_at is None or not due.patient:
        return False
    return waits(details.retry_at, due.asof)


def _is_due(stamp: Stamp, due: Selection) -> bool:
    own = None if stamp.details is None else stamp.details.due_at
    return is_too_old(stamp, due.asof, due.max_age) if own is None else own <= due.asof


def _waiting_since(stamp: Stamp, max_age: float) -> float:
    own, retry_at = (None, None) if stamp.details is None else (stamp.details.due_at, stamp.details.retry_at)
    return waiting_since(stamp, own, retry_at, max_age)
