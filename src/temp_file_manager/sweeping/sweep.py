"""One sweep: claim → remove → settle, a chunk at a time.

kill -9 may interrupt it anywhere: a record outlives its file and is retired by the next sweep, never the
other way round.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Protocol

from temp_file_manager import logs
from temp_file_manager.clock import Clock
from temp_file_manager.events import Hooks, RecordsSettled, SweepFinished
from temp_file_manager.records import Cause, Outcome, Selection, Status, TempFile, sentence
from temp_file_manager.registry import Claim, Page
from temp_file_manager.reports import OUTCOMES_IN_A_REPORT, REASONS_IN_A_REPORT, Reason, SweepReport
from temp_file_manager.storage.contract import Gate, Storage
from temp_file_manager.storage.in_flight import IN_FLIGHT
from temp_file_manager.sweeping.history import History

CHUNK = 50
"""Records claimed at a time, at most: what a killed process leaves claimed, and what one lease must cover."""

LEASE = 60.0
"""Seconds a claim lasts. A sweep stops using it at half, so that a stalled one never acts on a lapsed claim."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """How far a sweep may go; it looks between chunks."""

    limit: int | None = None
    budget: float | None = None
    stop: Callable[[], bool] = lambda: False


_EXPLAINED = (Status.REPLACED, Status.KEPT, Status.FAILED)


class _Chunk:
    """Who is in flight: the removal of one chunk."""

    over = False


class _Tally:
    """The report in the making."""

    def __init__(self) -> None:
        self.counts = dict.fromkeys(Status, 0)
        self.outcomes: list[Outcome] = []
        self.reasons: dict[tuple[Status, str], Reason] = {}

    @property
    def handled(self) -> int:
        return sum(self.counts.values()) - self.counts[Status.SKIPPED]

    def add(self, outcomes: list[Outcome]) -> None:
        statuses = [outcome.status for outcome in outcomes]
        for status in self.counts:  # a Counter would hash each member, which an Enum does in Python
            self.counts[status] += statuses.count(status)
        if len(self.outcomes) < OUTCOMES_IN_A_REPORT:
            self.outcomes += outcomes[: OUTCOMES_IN_A_REPORT - len(self.outcomes)]
        if statuses.count(Status.REMOVED) < len(statuses):  # most often all were, and there is nothing to explain
            for outcome in outcomes:
                self._explain(outcome)

    def _explain(self, outcome: Outcome) -> None:
        if outcome.status not in _EXPLAINED:
            return
        words = sentence(outcome.cause, outcome.detail)
        known = self.reasons.get((outcome.status, words))
        if known is not None:
            self.reasons[outcome.status, words] = known._replace(files=known.files + 1)
        elif len(self.reasons) < REASONS_IN_A_REPORT:
            path = str(outcome.record.path)  # callers may have put anything into ``files``
            self.reasons[outcome.status, words] = Reason(str(outcome.status), words, 1, path, str(outcome.cause))


class Source(Protocol):
    """Where a sweep's records come from: a registry, or what is found in a directory. See ``Registry``."""

    def page(self, due: Selection | None, *, now: float, limit: int, after: object | None = None) -> Page:
        """Return the records that ``claim`` would take, in its order, without taking them."""

    def claim(self, due: Selection, *, now: float, lease: float, limit: int, after: object | None = None) -> Claim:
        """Take records; none when there are no more."""

    def still_claimed(self, record: TempFile) -> bool:
        """Say whether a record is still what was taken."""

    def settle(self, outcomes: Iterable[Outcome], now: float) -> None:
        """Hear what became of what was taken."""


class Sweeper:
    """Sweeps over one source. Several may run at once, in threads or processes: claims keep them apart.

    Args:
        registry: The source.
        clock: What tells the time.
        hooks: Who hears of outcomes.
        history: Where sweeps are noted; None: nowhere.
        chunk: Records claimed at a time; more than ``CHUNK`` is that.
    """

    def __init__(
        self, registry: Source, clock: Clock, hooks: Hooks, history: History | None = None, chunk: int = CHUNK
    ) -> None:
        self._registry = registry
        self._clock = clock
        self._hooks = hooks
        self._chunk = min(chunk, CHUNK)
        self._history = history

    def run(
        self, due: Selection, bounds: Bounds, storage: Storage, *, dry_run: bool = False, scheduled: bool = False
    ) -> SweepReport:
        """Sweep what is due, within bounds, by what ``storage`` removes; tell the log, the history and the hooks."""
        report = self._run(due, bounds, storage, dry_run=dry_run)
        if not dry_run:
            logs.swept(report, due.force)
            if self._hooks.hooks:
                self._hooks.emit(SweepFinished(report, scheduled))
            if self._history is not None:
                self._history.swept(report, scheduled=scheduled)
        return report

    def _run(self, due: Selection, bounds: Bounds, storage: Storage, *, dry_run: bool) -> SweepReport:
        chunks = self._planned if dry_run else self._removed
        tally = _Tally()
        began = self._clock.elapsed()
        cursor = None
        while not (stopped := self._stopped(bounds, tally.handled, began)):
            size = self._chunk if bounds.limit is None else min(self._chunk, bounds.limit - tally.handled)
            outcomes, cursor = chunks(storage, due, size, cursor)
            tally.add(outcomes)
            if cursor is None:
                break
        return SweepReport(
            removed=tally.counts[Status.REMOVED],
            gone=tally.counts[Status.GONE],
            replaced=tally.counts[Status.REPLACED],
            kept=tally.counts[Status.KEPT],
            failed=tally.counts[Status.FAILED],
            skipped=tally.counts[Status.SKIPPED],
            outcomes=tuple(tally.outcomes),
            reasons=tuple(tally.reasons.values()),
            stopped=stopped,
            dry_run=dry_run,
            duration=self._clock.elapsed() - began,
        )

    def _stopped(self, bounds: Bounds, handled: int, began: float) -> str:
        if bounds.limit is not None and handled >= bounds.limit:
            return "limit"
        if bounds.budget is not None and self._clock.elapsed() - began >= bounds.budget:
            return "budget"
        return "stopped" if bounds.stop() else ""

    def _planned(
        self, storage: Storage, due: Selection, size: int, cursor: object | None
    ) -> tuple[list[Outcome], object | None]:
        page = self._registry.page(due, now=self._clock.elapsed(), limit=size, after=cursor)
        return list(storage.predict(page.records)), page.cursor

    def _removed(
        self, storage: Storage, due: Selection, size: int, cursor: object | None
    ) -> tuple[list[Outcome], object | None]:
        now = self._clock.elapsed()
        deadline = now + LEASE / 2
        claim = self._registry.claim(due, now=now, lease=LEASE, limit=size, after=cursor)
        if not claim.records:
            return [], None
        outcomes: list[Outcome] = []
        sweep = _Chunk()
        try:
            outcomes.extend(storage.remove(claim.records, self._gate(sweep, deadline)))
        finally:
            sweep.over = True  # first: a worker that was abandoned may be at the gate
            IN_FLIGHT.clear(sweep)
            self._settle(claim.records, outcomes)
        return outcomes, claim.cursor

    def _gate(self, sweep: _Chunk, deadline: float) -> Gate:
        """Return what asks, at the moment a record's file would go, whether it still may; its path is marked first."""
        mark, still_claimed, elapsed = IN_FLIGHT.mark, self._registry.still_claimed, self._clock.elapsed

        def gate(record: TempFile) -> Cause | None:
            mark(sweep, record.path)
            if sweep.over:
                IN_FLIGHT.clear(sweep)
                return Cause.SWEEP_OVER
            if elapsed() >= deadline:
                return Cause.LEASE_ENDED
            return None if still_claimed(record) else Cause.CLAIM_ENDED

        return gate

    def _settle(self, records: tuple[TempFile, ...], outcomes: list[Outcome]) -> None:
        if len(outcomes) < len(records):
            # Interrupted: what was not tried is free at once, not when its lease ends.
            tried = {outcome.record.path for outcome in outcomes}
            outcomes += [Outcome(r, Status.SKIPPED, Cause.INTERRUPTED) for r in records if r.path not in tried]
        self._registry.settle(outcomes, self._clock.wall())
        logs.settled(outcomes)
        if self._hooks.hooks:
            self._hooks.emit(RecordsSettled(tuple(outcomes)))
