"""Heaps beside the dict of the registry in memory: what is due next, and what is out on a claim.

The dict is the truth; a heap entry counts only while it is what the dict holds. So callers' deletions need no
attention: what they leave in a heap is dropped when it comes up, or when the heap outgrows the dict.
"""

import itertools
import math
from heapq import heapify, heappop, heappush
from typing import Self

from temp_file_manager.records import Selection, TempFile
from temp_file_manager.registry.memory.files import MemoryFiles, Stamp, make_record
from temp_file_manager.rules import due_at

_SLACK = 64  # stale heap entries that are not worth a rebuild


class DueQueue:
    """Records to hand out, the longest overdue first, each to one taker. A page is taken from a copy.

    Attributes:
        files: The live dict.
        claims: What is out, by path.
        pins: Until when sweeps leave a path alone.
        held: How often a path is held; sweeps leave it alone.
        by_age: The heap of records without a ttl.
    """

    def __init__(self, numbers: "itertools.count[int]") -> None:
        self.files = MemoryFiles(self.push)
        self.claims: dict[str, TempFile] = {}
        self.numbers = numbers
        self.pins: dict[str, float] = {}
        self.held: dict[str, int] = {}
        self.by_age: list[Stamp] = []
        self._by_due: list[tuple[float, int, Stamp]] = []  # the number keeps stamps from being compared
        self._aside: dict[str, Stamp] = {}  # failed ones, until a later sweep begins

    def copy(self) -> Self:
        """Return a queue that gives what this one would, and leaves this one alone."""
        other = object.__new__(type(self))
        other.files, other.numbers, other.claims = self.files, self.numbers, self.claims.copy()
        other.pins, other.held = self.pins, self.held
        other.by_age, other._by_due, other._aside = self.by_age.copy(), self._by_due.copy(), self._aside.copy()
        return other

    def push(self, stamp: Stamp) -> None:
        """Put a record in its place."""
        if stamp.details is None or stamp.details.due_at is None:
            heappush(self.by_age, stamp)
        else:
            heappush(self._by_due, (stamp.details.due_at, next(self.numbers), stamp))

    def set_aside(self, stamp: Stamp) -> None:
        """Keep a failed record for a later sweep."""
        self._aside[stamp.path] = stamp

    def begin(self, due: Selection) -> "int | Everything":
        """Begin a sweep: bring in what earlier ones set aside. Return the sweep's number, or what to force."""
        if due.force:
            return Everything(self.files, due)
        self.shrink()
        for path, stamp in list(self._aside.items()):
            if self.files.get(path) is not stamp:
                del self._aside[path]
            elif not _waits(stamp, due) and not self.is_kept(path, due.asof):
                del self._aside[path]
                self.push(stamp)
        return next(self.numbers)

    def keep(self, path: str) -> None:
        """End the claim on a path that has been pinned or is held now."""
        claim = self.claims.pop(path, None)
        if claim is not None and self.files.get(path) is claim.registered_at:
            self.push(self.files[path])  # type: ignore[arg-type]  # every insertion makes a Stamp

    def free(self, path: str) -> None:
        """Put a record in its place that a pin or a hold had kept from it."""
        stamp = self._aside.pop(path, None)
        if stamp is not None and self.files.get(path) is stamp:
            self.push(stamp)

    def record(self, stamp: Stamp) -> TempFile:
        """Return a record with what keeps it."""
        path = stamp.path
        if path not in self.pins and path not in self.held:
            return make_record(stamp)
        return make_record(stamp)._replace(pinned_until=self.pins.get(path), held=path in self.held)

    def is_kept(self, path: str, asof: float) -> bool:
        """Say whether a pin or a hold keeps sweeps away."""
        return path in self.held or self.pins.get(path, -math.inf) > asof

    def take(self, due: Selection, sweep: "int | Everything", limit: int) -> tuple[TempFile, ...]:
        """Take due records that are current and not out, for a sweep that ``begin`` began."""
        stamps = sweep.next(self, limit) if isinstance(sweep, Everything) else self._next(due, sweep, limit)
        generation = next(self.numbers)  # one for all: a path is taken but once at a time
        records = tuple([make_record(stamp, generation) for stamp in stamps])
        for record in records:
            self.claims[record.path] = record
        return records

    def is_free(self, stamp: Stamp) -> bool:
        """Say whether a record is current and not out."""
        claim = self.claims.get(stamp.path)
        return self.files.get(stamp.path) is stamp and (claim is None or claim.registered_at is not stamp)

    def _next(self, due: Selection, sweep: int, limit: int) -> list[Stamp]:
        """Pop what is due off the two heaps, the longest overdue first."""
        by_age, by_due, asof, max_age = self.by_age, self._by_due, due.asof, due.max_age
        keeping = self.pins or self.held
        found: dict[str, Stamp] = {}  # by path: after a rebuild a record may be on a heap twice
        while len(found) < limit:
            timed = by_due and by_due[0][0] <= asof
            if by_age and asof - by_age[0] > max_age and not (timed and by_due[0][0] < by_age[0] + max_age):
                stamp = heappop(by_age)
                if stamp.details is not None and stamp.details.due_at is not None:
                    continue  # a rebuild put it here; its own time is on the other heap
            elif timed:
                stamp = heappop(by_due)[2]
            else:
                break
            if not self.is_free(stamp):
                continue
            tried = stamp.details is not None and (stamp.details.last_sweep >= sweep or _waits(stamp, due))
            if tried or (keeping and self.is_kept(stamp.path, asof)):
                self._aside[stamp.path] = stamp
            else:
                found[stamp.path] = stamp
        return list(found.values())

    def shrink(self) -> None:
        """Rebuild the heaps when stale entries have made one twice as long as the dict."""
        most = 2 * len(self.files) + _SLACK
        if len(self.by_age) > most or len(self._by_due) > most:
            self.rebuild()

    def rebuild(self) -> None:
        """Make the heaps anew from the dict.

        In place and in one step: a caller who writes to the dict without the lock meanwhile has stored in the dict
        before it pushes, so what it writes is in the copy, or is pushed onto the copy. What is out, or waits aside, is
        in the copy too; ``take`` sorts that out.
        """
        self._by_due.clear()
        self.by_age[:] = self.files.values()  # type: ignore[assignment]  # every insertion makes a Stamp
        for stamp in self.by_age.copy():
            if stamp.details is not None and stamp.details.due_at is not None:
                self.push(stamp)
        heapify(self.by_age)


class Everything:
    """Records that a forced sweep began with: what is registered later, also again, is not its business."""

    def __init__(self, files: MemoryFiles, due: Selection) -> None:
        max_age, self._asof = due.max_age, due.asof
        # The dict and not the heaps, whatever became of those. The longest overdue last, where lists are popped.
        self._stamps: list[Stamp] = list(files.values())  # type: ignore[arg-type]  # every insertion makes a Stamp
        self._stamps.reverse()
        self._stamps.sort(key=lambda stamp: overdue_since(stamp, max_age), reverse=True)
        self._passed: list[Stamp] = []

    def next(self, queue: DueQueue, limit: int) -> list[Stamp]:
        """Return the next ones that are free; those passed before that are free again come first."""
        again = [stamp for stamp in self._passed if queue.files.get(stamp.path) is stamp]
        self._stamps += reversed(again)
        self._passed = []
        found: list[Stamp] = []
        while self._stamps and len(found) < limit:
            stamp = self._stamps.pop()
            self._passed.append(stamp)
            if queue.is_free(stamp) and not queue.is_kept(stamp.path, self._asof):
                found.append(stamp)
        return found


def overdue_since(stamp: Stamp, max_age: float) -> float:
    """Return when a record becomes due, or did."""
    return due_at(stamp, None if stamp.details is None else stamp.details.due_at, max_age)


def _waits(stamp: Stamp, due: Selection) -> bool:
    """Say whether a failed record's next try is still to come."""
    details = stamp.details
    if details is None or details.retry_at is None or not due.patient:
        return False
    return details.retry_at > due.asof
