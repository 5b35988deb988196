"""One sweep: claim → remove → settle, a chunk at a time; settling one and claiming the next are one step.

kill -9 may interrupt it anywhere: a record outlives its file and is retired by the next sweep, never the
other way round.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import NamedTuple, Protocol, Self

from temp_file_manager import logs
from temp_file_manager.arguments import most, seconds
from temp_file_manager.chunks import Other
from temp_file_manager.clock import Clock
from temp_file_manager.durations import Duration
from temp_file_manager.errors import RegistryError
from temp_file_manager.events import Hooks, RecordsSettled, SweepFinished
from temp_file_manager.records import Outcome, Selection, Status, TempFile
from temp_file_manager.registry import Claim, Page, Settlement
from temp_file_manager.registry.card import CHUNK
from temp_file_manager.registry.contract import Claims
from temp_file_manager.reports import SweepReport
from temp_file_manager.rules import renewed, verdict
from temp_file_manager.storage.contract import Removal, Storage
from temp_file_manager.sweeping.foreseen import NO_MORE, Coming
from temp_file_manager.sweeping.history import History
from temp_file_manager.sweeping.tally import Tally
from temp_file_manager.sweeping.upcoming import Upcoming

ENOUGH = 0.05
"""Seconds after which no more files of a claim are begun: so long, and not longer, others wait for a claimed record."""

LEASE = 60.0
"""Seconds a claim lasts. A sweep stops using it at half, so that a stalled one never acts on a lapsed claim."""


Stop = Callable[[], bool]
"""Says whether to stop."""

Tell = Callable[[Sequence[Outcome]], object]
"""Hears what would become of records, as it is foretold."""


class Bounds(NamedTuple):
    """How far a sweep may go; it looks between chunks, and for ``stop`` also where one file takes long."""

    limit: int | None = None
    budget: float | None = None
    stop: Stop = lambda: False

    @classmethod
    def of(cls, limit: int | None, budget: Duration | None, stop: Stop) -> Self:
        """Return bounds that somebody has given.

        Raises:
            InvalidArgumentError: ``limit`` or ``budget`` is negative or not a number.
        """
        return cls(most("limit", limit), None if budget is None else seconds("budget", budget), stop)

    def after(self, report: SweepReport) -> "Bounds":
        """Return what they leave to what comes after a sweep; one that was stopped leaves nothing."""
        handled = report.retired + report.replaced + report.compressed + report.kept + report.failed
        limit = None if self.limit is None else max(0, self.limit - handled)
        budget = None if self.budget is None else max(0.0, self.budget - report.duration)
        return Bounds(0 if report.stopped else limit, budget, self.stop)


class _Hand:
    """The claim that a sweep has not settled yet, and how far it has come with it.

    Attributes:
        claims: None or one. The source puts a claim here in the step that makes it, and settles the one before.
        removal: Of the last claim that was begun with.
        asof: What ages are read at, less the elapsed clock: what is settled is tried again by that time, whatever the
            wall clock says meanwhile.
    """

    def __init__(self, asof: float) -> None:
        self.asof = asof
        self.claims: list[Claim] = []
        self.removal: Removal | None = None

    def settlement(self, elapsed: float) -> Settlement | None:
        """Return the end of the claim at a moment of the elapsed clock; None when there is no claim."""
        claim, removal, at = self.claims[0] if self.claims else None, self.removal, self.asof + elapsed
        if claim is None or not claim.records:
            return None
        if removal is None or removal.records is not claim.records:  # interrupted before it was begun with
            return Settlement(claim, 0, {}, at)
        return Settlement(claim, removal.done, removal.others, at)


class Source(Claims, Protocol):
    """Where a sweep's records come from: a registry, or what is found in a directory."""

    def page(self, due: Selection | None, *, now: float, limit: int, after: object | None = None) -> Page:
        """Return the records that ``claim`` would take, in its order, without taking them."""


class Sweeper:
    """Sweeps over one source. Several may run at once, in threads or processes: claims keep them apart.

    Args:
        registry: The source.
        clock: What tells the time.
        hooks: Who hears of outcomes.
        history: Where sweeps are noted; None: nowhere.
        chunk: Records claimed at a time, at most; the registry's card says how many those may be.

    Attributes:
        chunk: The same.
    """

    def __init__(
        self, registry: Source, clock: Clock, hooks: Hooks, history: History | None = None, chunk: int = CHUNK
    ) -> None:
        self._registry = registry
        self._clock = clock
        self._hooks = hooks
        self.chunk = chunk
        self._history = history

    def run(self, due: Selection, bounds: Bounds, storage: Storage, *, scheduled: bool = False) -> SweepReport:
        """Sweep what is due, within bounds, by what ``storage`` removes; tell the log, the history and the hooks."""
        report = self.part(due, bounds, storage)
        logs.swept(report, due.force)
        self.tell(report, scheduled=scheduled)
        return report

    def tell(self, report: SweepReport, *, scheduled: bool) -> None:
        """Tell the history and the hooks of a sweep that has ended."""
        if self._hooks.hooks:
            self._hooks.emit(SweepFinished(report, scheduled))
        if self._history is not None:
            self._history.swept(report, scheduled=scheduled)

    def part(self, due: Selection, bounds: Bounds, storage: Storage) -> SweepReport:
        """Do as ``run`` does, and leave it to the caller to ``tell`` of the whole."""
        tally, began = Tally(), self._clock.elapsed()
        stopped = self._removed(due, bounds, storage, tally, began)
        return tally.report(stopped, self._clock.elapsed() - began)

    def foretell(
        self, due: Selection, bounds: Bounds, storage: Storage, tell: Tell = lambda _: None, coming: Coming = NO_MORE
    ) -> SweepReport:
        """Report what a sweep would do: a dry run, which changes nothing.

        Args:
            due: What it wants.
            bounds: How far it goes.
            storage: What would remove.
            tell: Hears every outcome, a page at a time; the report has the first alone.
            coming: What would be due by then, too.
        """
        tally, began, stopped = Tally(), self._clock.elapsed(), ""

        def read(wanted: Selection, size: int, after: object | None) -> Page:
            return self._registry.page(wanted, now=self._clock.elapsed(), limit=size, after=after)

        upcoming = Upcoming(read, due, coming, self._size(bounds, tally), few=bounds.limit is not None)
        while not (stopped := self._stopped(bounds, tally.handled, began)):
            records = upcoming.take(self._size(bounds, tally))
            if not records:
                break
            outcomes = list(storage.predict(records))
            tally.add(outcomes, [one for one in outcomes if one.cause or one.status is not Status.REMOVED])
            tell(outcomes)
            for again in _due_again(outcomes, due):
                upcoming.add(again)
        return replace(tally.report(stopped, self._clock.elapsed() - began), dry_run=True)

    def _stopped(self, bounds: Bounds, handled: int, began: float) -> str:
        if bounds.limit is not None and handled >= bounds.limit:
            return "limit"
        if bounds.budget is not None and self._clock.elapsed() - began >= bounds.budget:
            return "budget"
        return "stopped" if bounds.stop() else ""

    def outlook(self, due: Selection, storage: Storage, records: Sequence[TempFile]) -> Iterator[Outcome]:
        """Yield what would become of records; of one that was rewritten also as what it is now, if that is due."""
        outcomes = list(storage.predict(records))
        yield from outcomes
        yield from storage.predict(_due_again(outcomes, due))

    def _removed(self, due: Selection, bounds: Bounds, storage: Storage, tally: Tally, began: float) -> str:
        cursor, settling, hand = None, None, _Hand(due.asof - began)
        try:
            while not (stopped := self._stopped(bounds, tally.handled, began)):
                now = self._clock.elapsed()
                claim = self._registry.claim(
                    due,
                    now=now,
                    lease=LEASE,
                    limit=self._size(bounds, tally),
                    after=cursor,
                    settling=settling,
                    into=hand.claims,
                )
                if not claim.records:
                    break
                self._work_on(hand, claim, storage, now, bounds.stop)
                cursor, settling = claim.cursor, hand.settlement(self._clock.elapsed())
                assert settling is not None  # noqa: S101 - it has records
                tally.add(settling.outcomes, list(settling.outcomes.told()))
                logs.settled(settling.outcomes)
                if self._hooks.hooks:
                    # Before the next claim: a hook may register, pin or forget whatever it likes.
                    self._settle(hand)
                    self._hooks.emit(RecordsSettled(tuple(settling.outcomes)))
                    settling = None
        finally:
            self._settle(hand)
        return stopped

    def _settle(self, hand: "_Hand") -> None:
        """End what is claimed, if anything is, also if it was interrupted before anybody could tell what that is."""
        settlement = hand.settlement(self._clock.elapsed())
        if settlement is not None:
            self._registry.settle(settlement)
            hand.claims.clear()

    def _size(self, bounds: Bounds, tally: Tally) -> int:
        return self.chunk if bounds.limit is None else min(self.chunk, bounds.limit - tally.handled)

    def _work_on(self, hand: "_Hand", claim: Claim, storage: Storage, begun: float, stop: Stop) -> None:
        elapsed = self._clock.elapsed
        hand.removal = removal = Removal(
            claim.records,
            elapsed=elapsed,
            enough=elapsed() + ENOUGH,
            deadline=begun + LEASE / 2,
            stop=stop,
            still=claim.still,
            came_back=lambda at, other: self._came_back(claim.only(at), other, hand.asof + elapsed()),
        )
        try:
            storage.remove(removal)
        finally:
            removal.over = True  # before it is settled: a worker that was abandoned may be about to ask

    def _came_back(self, claim: Claim, other: Other | None, at: float) -> None:
        """Settle what was abandoned and has come back, in the thread that it hung in."""
        others = {0: other._replace(status=Status.SKIPPED)} if other else {}
        try:
            self._registry.settle(Settlement(claim, 1, others, at))
        except RegistryError as error:  # its claim ends with this process
            logs.not_settled(1, int(other is None), error)


def _due_again(outcomes: Iterable[Outcome], due: Selection) -> Iterator[TempFile]:
    """Yield what was found rewritten as what it is now, if that is due."""
    for one in outcomes:
        if one.found is not None:
            again = renewed(one.record, one.found, due.asof)
            if verdict(again, due).due:
                yield again
