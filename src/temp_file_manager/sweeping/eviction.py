"""The evictor: where a limit's mark is passed it has files swept that are not due, until the limit is kept again.

It removes nothing itself. It reads records in the limit's order, and hands those that may go to the sweeper, a chunk at
a time; before each chunk it asks the measure again.
"""

import math
from collections.abc import Container, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress

from temp_file_manager import logs
from temp_file_manager.clock import Clock
from temp_file_manager.errors import LargeSweepError, RegistryFullError
from temp_file_manager.events import Hooks, LimitUnmet
from temp_file_manager.limits import Limit
from temp_file_manager.records import Outcome, Selection, Status, TempFile
from temp_file_manager.registry import Registry
from temp_file_manager.registry.counters import EVICTED, EVICTED_BYTES, ORDER_FAILURES, REGISTERED
from temp_file_manager.reports import SweepReport
from temp_file_manager.storage.contract import Storage
from temp_file_manager.sweeping.candidates import ON_FILE_SYSTEM, Candidate, Candidates, Look
from temp_file_manager.sweeping.chosen import all_of, chosen, evicted, those_gone
from temp_file_manager.sweeping.foreseen import AsSwept, Coming, Foreseen, as_it_is
from temp_file_manager.sweeping.foretold import AsForetold, Foretold, Tell
from temp_file_manager.sweeping.large_sweep_guard import LargeSweepGuard
from temp_file_manager.sweeping.limit_states import LimitStates
from temp_file_manager.sweeping.limits import Protection, Reading, over, wanted
from temp_file_manager.sweeping.near import Near
from temp_file_manager.sweeping.orders import Key
from temp_file_manager.sweeping.readings import Readings
from temp_file_manager.sweeping.shortages import NO_SHORTAGE, PLENTY, Shortage, lacking, unheeded
from temp_file_manager.sweeping.sweep import Bounds, Stop, Sweeper
from temp_file_manager.sweeping.turn import Turn

NAME = "evict"
"""Nobody else who shares the registry evicts at the same time."""

UNMET = "limits_unmet"
"""The journal of which limits could not be kept at the last try of whoever shares the registry."""


class Evictor:
    """Keeps limits.

    Args:
        states: What is known of each limit.
        readings: What reads the measures.
        registry: Whose records may go.
        clock: What tells the time.
        guard: What asks before a new or lowered limit removes much.
        sweeper: What sweeps.
        storage: What removes; it keeps files that somebody has open.
        hooks: Who hears of it.
        look: What looks at files.
        near: Says of a directory whether it lies on the file system that is limited.
        orders: Those of plug-ins, by name.
    """

    def __init__(
        self,
        states: LimitStates,
        readings: Readings,
        registry: Registry,
        clock: Clock,
        guard: LargeSweepGuard,
        sweeper: Sweeper,
        storage: Storage,
        hooks: Hooks,
        look: Look,
        near: Near,
        orders: Mapping[str, Key],
    ) -> None:
        self.states = states
        self.readings = readings
        self._registry = registry
        self._clock = clock
        self._guard = guard
        self._sweeper = sweeper
        self._storage = storage
        self._hooks = hooks
        self._look = look
        self._near = near
        self._orders = orders

    def evict(
        self,
        due: Selection,
        bounds: Bounds,
        *,
        allow: int | None = 0,
        foretold: Foretold | None = None,
        scheduled: bool = False,
    ) -> SweepReport:
        """Have swept, for each limit whose mark is passed, what goes first, until the limit is kept.

        Args:
            due: What the sweep before has taken; in a dry run, would have.
            bounds: How far to go.
            allow: So many files may go for a limit that is new or lowered, whatever their share; None: any number.
            foretold: What was foretold of the sweep before, by ``foretold``: then nothing changes, and the report is of
                what the same call would do.
            scheduled: Nobody has asked: wait where a limit says so, or could not be kept.

        Raises:
            LargeSweepError: nobody scheduled it, and a new or lowered limit would remove too much.
        """
        turn = Turn(due, self._until(bounds), allow, scheduled, foretold)
        total = SweepReport(dry_run=turn.dry_run)
        if not self.states.limits:
            return total
        if turn.dry_run:
            for limit in self.states.limits:
                total += self._kept(limit, turn)
            return total
        try:
            with self._alone() as alone:
                for limit in self.states.limits if alone else ():
                    total += self._kept(limit, turn)
        finally:
            if total.retired or total.failed or total.kept:
                self._sweeper.tell(total, scheduled=scheduled)
        return total

    def foretold(self, due: Selection, tell: Tell, foreseen: Foreseen | None = None) -> Foretold:
        """Return what a dry run begins with; what its sweep foretells is taken off where a limit's mark is passed."""
        passed = any(state.over_since is not None for state in self.states.check())
        return Foretold(due, self.states.limits if passed else (), self._near, tell, foreseen)

    @contextmanager
    def _alone(self) -> Iterator[bool]:
        """Give whether nobody else evicts. Where no file can be made to say so, whoever comes does: that makes room."""
        with ExitStack() as stack:
            try:
                alone = stack.enter_context(self._registry.exclusive(NAME))
            except RegistryFullError:
                alone = True
            yield alone

    def _until(self, bounds: Bounds) -> Bounds:
        """Return bounds whose budget counts from now, whatever it is spent on."""
        if bounds.budget is None:
            return bounds
        end = self._clock.elapsed() + bounds.budget
        return bounds._replace(budget=None, stop=lambda: bounds.stop() or self._clock.elapsed() >= end)

    def candidates(
        self,
        limit: Limit,
        due: Selection,
        *,
        gone: Container[str] = (),
        note: bool = False,
        most: float = math.inf,
        moved: Sequence[TempFile] = (),
        quarantined: bool = False,
        as_swept: AsSwept = as_it_is,
    ) -> Candidates:
        """Return what may go for a limit, in order, what is due not among it.

        Args:
            limit: Which.
            due: See ``evict``.
            gone: Paths that are left out.
            note: Whether what looks at files find is noted in the registry.
            most: Records that are read at most.
            moved: As in ``Candidates``.
            quarantined: As in ``Candidates``.
            as_swept: As in ``Candidates``.
        """
        parts = self._registry, limit, due, self._clock.elapsed, self._look, self._near, gone
        key = self._orders.get(limit.order)
        return Candidates(
            *parts, note=note, most=most, moved=moved, quarantined=quarantined, as_swept=as_swept, key=key
        )

    # -- one limit

    def _kept(self, limit: Limit, turn: Turn) -> SweepReport:
        """Keep one limit as far as may be."""
        reading = self._reading(limit, turn)
        if reading is None or not over(limit, reading):
            if reading is not None and not turn.dry_run:
                self._met(limit, turn)
            return SweepReport(dry_run=turn.dry_run)
        if turn.scheduled and not self.states.is_time(limit):
            return SweepReport()
        shortage = self._hindrance(limit, turn, reading)
        if shortage.reason:
            report = SweepReport(dry_run=turn.dry_run)
        else:
            beyond = self._beyond(limit, turn, reading)
            candidates = self._in_turn(limit, turn, note=not turn.dry_run, quarantined=bool(beyond.reason))
            report, shortage = self._swept(limit, turn, candidates)
            shortage = beyond if shortage.reason and beyond.reason else shortage
        if not turn.dry_run:
            self._told(limit, turn, report, shortage)
        return report

    def _swept(self, limit: Limit, turn: Turn, candidates: Candidates) -> tuple[SweepReport, Shortage]:
        """Sweep candidates until the limit is kept, a chunk at a time; return also why it could not be."""
        report, gained, plenty = SweepReport(dry_run=turn.dry_run), 0.0, math.inf
        registered = self._registered()
        while not report.stopped:
            reading = self._reading(limit, turn)
            more = 0.0 if reading is None else wanted(limit, reading)
            most = self._most(turn.bounds, report)
            if not more or not most:
                break
            plenty = min(plenty, PLENTY * more) if not gained else plenty
            if gained >= plenty and limit.measure in ON_FILE_SYSTEM and self._registered() == registered:
                return report, unheeded(limit, gained, more)
            chunk = candidates.take(most, more)
            if not chunk:
                return report, self._shortage(limit, reading, more, candidates)
            part = self._chunk(limit, turn, chunk)
            for outcome in part.outcomes:
                if outcome.status in (Status.KEPT, Status.FAILED):
                    candidates.keep(outcome.record, Protection.WAITING)
            gained += sum(map(candidates.weight, those_gone(chunk, part)))
            report += part
        return report, NO_SHORTAGE

    def take(self, due: Selection, chunk: Sequence[Candidate], stop: Stop) -> SweepReport:
        """Have a chunk swept for a limit, whatever is due: what is pinned, held or in a living session stays."""
        part = self._sweeper.part(chosen(due, chunk), all_of(chunk, stop), self._storage)
        gone = those_gone(chunk, part)
        if gone:
            self._count(due, {EVICTED: float(len(gone)), EVICTED_BYTES: float(sum(one.size for one in gone))})
        return evicted(part)

    def _count(self, due: Selection, counts: Mapping[str, float]) -> None:
        with suppress(RegistryFullError):  # what has gone for a limit is gone, and the next chunk makes more room
            self._registry.write(NAME, None, due.asof, keep=1, counters=counts)

    def _chunk(self, limit: Limit, turn: Turn, chunk: Sequence[Candidate]) -> SweepReport:
        """Have a chunk swept, or foretell that."""
        if turn.foretold is None:
            return self.take(turn.due, chunk, turn.bounds.stop)
        told = list[Outcome]()
        bounds = all_of(chunk, turn.bounds.stop)
        as_foretold = Coming(foreseen=AsForetold(turn.foretold))
        part = self._sweeper.foretell(chosen(turn.due, chunk), bounds, self._storage, told.extend, as_foretold)
        turn.foretold.evicted(limit, told, those_gone(chunk, part))
        return evicted(part)

    def _most(self, bounds: Bounds, report: SweepReport) -> int:
        if bounds.limit is None:
            return self._sweeper.chunk
        return min(self._sweeper.chunk, bounds.after(report).limit or 0)

    def _in_turn(self, limit: Limit, turn: Turn, *, note: bool = False, quarantined: bool = False) -> Candidates:
        told, due = turn.foretold, turn.due
        if told is None:
            return self.candidates(limit, due, note=note, quarantined=quarantined)
        moved, gone = told.as_moved(), told.paths
        return self.candidates(limit, due, gone=gone, moved=moved, quarantined=quarantined, as_swept=told.as_swept)

    def _hindrance(self, limit: Limit, turn: Turn, reading: Reading) -> Shortage:
        """Say why nothing may go for a limit until somebody has been asked; nothing when it may."""
        more = wanted(limit, reading)
        if turn.allow is not None and not turn.dry_run:
            records = self.readings.records(limit)
            try:
                self._guard.check_limit(
                    limit,
                    records,
                    turn.due.asof,
                    lambda most: self._in_turn(limit, turn).gain(more, most)[0],
                    turn.allow,
                )
            except LargeSweepError as error:
                if not turn.scheduled:
                    raise
                return Shortage(str(error))
        return NO_SHORTAGE

    def _beyond(self, limit: Limit, turn: Turn, reading: Reading) -> Shortage:
        """Say why nothing may go for a limit but what is quarantined or due; nothing when it may."""
        more = wanted(limit, reading)
        if limit.measure.is_room:
            candidates = self._in_turn(limit, turn)
            gain = candidates.gain(more).weight
            found = self._shortage(limit, reading, more, candidates) if gain < more else NO_SHORTAGE
            if found.failed:
                return found
            if found.reason and gain + candidates.kept_by(Protection.NEW) < more:
                why = f"all that may go would not do, so only what is quarantined or due goes: {found.reason}"
                return found._replace(reason=why)
        return NO_SHORTAGE

    def _reading(self, limit: Limit, turn: Turn) -> Reading | None:
        """Return what a limit's measure is, or in a dry run would be by now."""
        reading = self.states.look(limit)
        return reading if reading is None or turn.foretold is None else turn.foretold.reading(limit, reading)

    # -- what is said

    def _met(self, limit: Limit, turn: Turn) -> None:
        self._guard.in_force(limit, turn.due.asof)
        if self.states.met(limit):
            logs.limit_met(limit.name)
            self._note_unmet(turn)

    def _told(self, limit: Limit, turn: Turn, report: SweepReport, shortage: Shortage) -> None:
        """Tell what came of it."""
        reading = self.states.look(limit)
        reached = "" if reading is None else limit.measure.words(reading.value)
        if report.retired or report.failed:
            logs.evicted(limit.name, report, reached)
        if shortage.failed:
            self._count(turn.due, {ORDER_FAILURES: 1.0})
        if reading is not None and not over(limit, reading):
            self._met(limit, turn)
        elif shortage.reason and self.states.unmet(limit, shortage.reason, passing=shortage.passing):
            logs.limit_unmet(limit.name, shortage.reason)
            self._note_unmet(turn)
            if self._hooks.hooks:
                self._hooks.emit(LimitUnmet(limit.name, shortage.reason))

    def _note_unmet(self, turn: Turn) -> None:
        from json import dumps  # noqa: PLC0415 - slow to import, and few have limits

        unmet = {state.limit.name: state.unmet for state in self.states.all if state.unmet}
        with suppress(RegistryFullError):  # this process knows it all the same
            self._registry.write(UNMET, dumps(unmet), turn.due.asof, keep=1)

    def _registered(self) -> float:
        """Return how many files have ever been registered: whoever does so meanwhile takes what others leave."""
        return self._registry.stats().counters.get(REGISTERED, 0.0)

    def _shortage(self, limit: Limit, reading: Reading | None, more: float, candidates: Candidates) -> Shortage:
        unknown = None if reading is None else self.readings.unregistered(limit, reading)
        return lacking(limit, more, candidates, unknown)
