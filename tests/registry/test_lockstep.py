"""Random histories of each registry, in lockstep with a model so plain that it is right at a glance."""

import math
import os
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import TypeVar
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, rule

from histories import histories
from postgres_server import PostgresServer
from temp_file_manager.causes import Cause
from temp_file_manager.chunks import Other
from temp_file_manager.errors import InvalidArgumentError, RecordClaimedError
from temp_file_manager.records import (
    PLAIN,
    RETIRED,
    Kind,
    Measured,
    Nature,
    NewFile,
    Order,
    Ruled,
    Selection,
    Status,
    TempFile,
)
from temp_file_manager.registry import THIS_PROCESS, Claim, Looked, MemoryRegistry, Registry, Settlement, counters
from temp_file_manager.registry.contract import Holder
from temp_file_manager.registry.postgres.registry import PostgresRegistry
from temp_file_manager.registry.sqlite.registry import SqliteRegistry
from temp_file_manager.rules import retry_at
from temp_file_manager.testing import NOW

SETTINGS = settings(
    max_examples=histories(120), stateful_step_count=40, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)

T = TypeVar("T")

NOTHING_DUE = Selection(0.0, math.inf)
REMOVED = Other(Status.REMOVED, Cause.NONE)
HUNG = Other(Status.FAILED, Cause.HUNG)
RULED = [
    Other(Status.KEPT, Cause.RULE, "", None, due_at, rule)
    for due_at in (NOW - 5, NOW + 20, math.inf)
    for rule in ("", "a", "b")
]
ENDS = st.sampled_from([*(Other(status, Cause.NONE) for status in Status), HUNG]) | st.sampled_from(RULED)
NATURES = st.builds(
    Nature, st.sampled_from(["", "a", "b"]), st.sampled_from(Kind), st.sampled_from(["", "/o/0", "/o/1"])
)


@dataclass(eq=False)
class Row:
    """A record of the model. ``failed_at`` and sweeps' beginnings count the same events."""

    path: str
    registered_at: float
    due_at: float | None
    retry_at: float | None = None
    failures: int = 0
    failed_at: int = 0
    written_at: int = 0
    size: int | None = None
    disk: int | None = None
    tags: tuple[str, ...] = ()
    used_at: float | None = None
    session: int = 0
    nature: Nature = PLAIN

    @property
    def room(self) -> int:
        return self.size or 0 if self.disk is None else self.disk


@dataclass(eq=False)
class Owner:
    """A session of the model."""

    number: int
    ends_at: float
    ended: bool = False


@dataclass(eq=False)
class Taken:
    """A claim, and the rows that it is on; those of ``hung`` until they come ``back``."""

    claim: Claim
    rows: list[Row]
    until: float
    hung: set[str] = field(default_factory=set)
    back: set[int] = field(default_factory=set)


@dataclass
class Sweep:
    """A sweep of the model: what claims, and goes on claiming."""

    due: Selection
    began: int
    cursor: object
    only: tuple[Row, ...] | None = None
    claims: list[Taken] = field(default_factory=list)
    settled: list[Taken] = field(default_factory=list)


class Lockstep(RuleBasedStateMachine):
    """A registry and a list of rows; several sweeps claim from both, and what is claimed nobody else may change.

    All are one thread, which has made every claim: it is refused at once, and waits for nothing.
    """

    writes_wait: bool
    """Whether ``files`` refuses what is claimed, too."""

    settlements_lag: bool
    """Whether the number of settlements may be one of before, so that a file is looked at again in vain."""

    def make_registry(self) -> Registry:
        raise NotImplementedError

    sweeps = Bundle("sweeps")
    looks = Bundle("looks")
    sessions = Bundle("sessions")
    measures = Bundle("measures")
    paths = st.sampled_from([f"/r/{number}" for number in range(6)])
    ages = st.integers(-5, 40).map(float)

    def __init__(self) -> None:
        super().__init__()
        self.registry = self.make_registry()
        self.registry.patience = 0
        self.rows: dict[str, Row] = {}
        self.out: dict[str, Taken] = {}
        self.pins: dict[str, float] = {}
        self.held: dict[str, int] = {}
        self.counts: Counter[str] = Counter()
        self.cleaned_at: list[float] = []
        self.freed = 0
        self.ends = 0
        self.now = NOW
        self.event = 0

    def tick(self) -> int:
        self.event += 1
        return self.event

    def changes(self, paths: Iterable[str], change: Callable[[], T]) -> tuple[T] | None:
        """Return what a change of paths returns, alone; or None: it was refused, as it had to be."""
        claimed = {path for path in paths if path in self.out}
        if not claimed:
            return (change(),)
        with pytest.raises(RecordClaimedError) as refused:
            change()
        assert set(refused.value.paths) == claimed
        return None

    @initialize(ages=st.lists(ages, max_size=6))
    def begin(self, ages: list[float]) -> None:
        for number, age in enumerate(ages):
            self.add([(f"/r/{number}", number)], None)
            self.backdate(f"/r/{number}", age)

    sizes = st.none() | st.integers(0, 9)
    sized = st.lists(st.tuples(paths, sizes), max_size=4)
    words = st.sampled_from([(), ("x",), ("y",), ("x", "y")])
    ends = st.none() | st.integers(0, 40).map(float) | st.just(math.inf)

    natures = st.dictionaries(paths, NATURES, max_size=2)

    @rule(files=sized, ttl=ends, tags=words, disk=sizes, natures=st.just({}) | natures)
    def add(
        self,
        files: list[tuple[str, int | None]],
        ttl: float | None,
        tags: tuple[str, ...] = (),
        disk: int | None = None,
        natures: Mapping[str, Nature] = MappingProxyType({}),
    ) -> None:
        due_at = None if ttl is None else self.now + ttl
        rows: list[NewFile] = [(path, due_at, size, tags, None, disk) for path, size in files]
        if self.changes((path for path, _ in files), lambda: self.registry.add(rows, self.now, natures=natures)):
            self.added(rows, natures=natures)

    def added(
        self, files: Iterable[NewFile], session: int = 0, natures: Mapping[str, Nature] = MappingProxyType({})
    ) -> None:
        for path, due_at, size, tags, _, disk in files:
            row = Row(path, self.now, due_at, written_at=self.tick(), size=size, disk=disk, tags=tags, session=session)
            row.nature = natures.get(path, PLAIN)
            if session:
                row.nature = row.nature._replace(rule="")
            self.rows[path] = row
            self.counts["registered"] += not row.nature.origin

    @rule(files=sized, tags=words, disk=sizes, natures=natures)
    def add_only_new(
        self,
        files: list[tuple[str, int | None]],
        tags: tuple[str, ...],
        disk: int | None,
        natures: dict[str, Nature],
    ) -> None:
        rows: list[NewFile] = [(path, None, size, tags, None, disk) for path, size in files]
        unknown = [path for path, _ in files if path not in self.rows]
        if self.changes(unknown, lambda: self.registry.add(rows, self.now, only_new=True, natures=natures)):
            for row in rows:
                if row[0] not in self.rows:
                    self.added([row], natures=natures)

    @rule(path=paths)
    def add_one(self, path: str) -> None:
        if self.registry.add_one(path, self.now, self.registry.settlements):
            assert path not in self.out
            self.added([(path, None, None, (), None, None)])

    @rule(target=looks)
    def look(self) -> tuple[int, int]:
        return self.registry.settlements, self.ends

    @rule(look=looks, files=sized, gone=st.sets(paths))
    def add_after_a_look(self, look: tuple[int, int], files: list[tuple[str, int | None]], gone: set[str]) -> None:
        """Those of the files that have gone are seen only when they are looked at again."""
        rows: list[NewFile] = [(path, None, size, (), None, None) for path, size in files]
        there = [row for row in rows if row[0] not in gone]
        asked = []

        def again(given: Sequence[NewFile]) -> Sequence[NewFile]:
            asked.append(list(given))
            return there

        settlements, ends = look
        looked = Looked(settlements, again)
        if self.changes((path for path, _ in files), lambda: self.registry.add(rows, self.now, looked=looked)):
            assert asked == [rows] or not files or ends == self.ends
            assert not asked or ends != self.ends or self.settlements_lag
            self.added(there if asked else rows)

    @rule(path=paths, age=ages)
    def amend(self, path: str, age: float) -> None:
        done = self.changes((path,), lambda: self.registry.amend(path, self.now - age))
        if done:
            assert done == (path in self.rows,)
            if path in self.rows:
                self.write(path, self.now - age)

    def writes(self, paths: Iterable[str], write: Callable[[], object]) -> bool:
        """Have a caller write to ``files``; return False if it was refused, as it had to be."""
        if self.writes_wait:
            return self.changes(paths, write) is not None
        write()
        return True

    @rule(path=paths, age=ages)
    def backdate(self, path: str, age: float) -> None:
        if self.writes((path,), lambda: self.registry.files.update({path: self.now - age})):
            self.write(path, self.now - age)

    def write(self, path: str, when: float) -> None:
        old = self.rows.get(path)
        due_at = None if old is None or old.due_at is None else old.due_at + (when - old.registered_at)
        row = self.rows[path] = Row(path, when, due_at, written_at=self.tick())
        if old is not None:
            row.size, row.disk, row.tags, row.session = old.size, old.disk, old.tags, old.session
            row.nature = old.nature
            row.due_at = old.due_at if old.session else due_at
            row.used_at = old.used_at if old.used_at is not None and old.used_at > when else None
        self.counts["registered"] += old is None

    @rule(paths=st.lists(paths, max_size=2, unique=True), keeps=st.booleans())
    def forget(self, paths: list[str], keeps: bool) -> None:
        done = self.changes(paths, lambda: self.registry.forget(paths, keeps=keeps))
        if done is None:
            return
        known = [path for path in paths if self.rows.pop(path, None) is not None]
        if not keeps:
            self.pins = {path: until for path, until in self.pins.items() if path not in known}
        assert done == (len(known),)

    @rule(path=paths)
    def delete(self, path: str) -> None:
        if path in self.rows and self.writes((path,), lambda: self.registry.files.pop(path)):
            del self.rows[path]

    @rule(times=st.dictionaries(paths, ages, max_size=4))
    def replace(self, times: dict[str, float]) -> None:
        new = [(path, self.now - age) for path, age in times.items()]
        if not self.writes(self.rows, lambda: self.registry.replace(new)):
            return
        written = self.tick()
        former, self.rows = self.rows, {}
        self.counts["registered"] += len(times.keys() - former.keys())
        for path, when in new:
            old = former.get(path, Row(path, when, None))
            row = self.rows[path] = Row(path, when, None, written_at=written, size=old.size, disk=old.disk)
            row.nature = old.nature._replace(rule="")
            if old.session:
                row.due_at, row.session = old.due_at, old.session

    # -- measuring

    @rule(target=measures, paths=st.sets(paths, max_size=3))
    def look_at_files(self, paths: set[str]) -> list[tuple[TempFile, Row]]:
        return [(record, self.rows[path]) for path, record in self.registry.get(paths).items()]

    @rule(looked=measures, disk=st.integers(0, 9), used=st.none() | st.integers(1, 40).map(float))
    def measure(self, looked: list[tuple[TempFile, Row]], disk: int, used: float | None) -> None:
        """What was looked at may have been registered again since, or be claimed."""
        times = [None if used is None else row.registered_at + used for _, row in looked]
        found = [Measured(record, disk, at) for (record, _), at in zip(looked, times, strict=True)]
        self.registry.measured(found)
        for (record, row), at in zip(looked, times, strict=True):
            current = self.rows.get(record.path) is row and record.path not in self.out
            if current and self.registry.properties.keeps_identity:
                row.disk = disk
                row.used_at = at if row.used_at is None else max(row.used_at, at or row.used_at)

    @rule(seconds=st.sampled_from([1.0, 5.0, 29.0, 60.0]))
    def pass_time(self, seconds: float) -> None:
        """What has lapsed ends with the next claim, which takes nothing here: nothing is due."""
        self.now += seconds
        lapsed = [path for path, taken in self.out.items() if taken.until <= self.now and path not in taken.hung]
        if lapsed:
            assert not self.registry.claim(NOTHING_DUE, now=self.now, lease=60, limit=9).records
            self.out = {path: taken for path, taken in self.out.items() if path not in lapsed}
            self.ends += 1

    # -- sessions

    @rule(target=sessions, seconds=st.sampled_from([5.0, 40.0, math.inf]))
    def begin_session(self, seconds: float) -> Owner:
        ends_at = self.now + seconds
        session = self.registry.begin("", now=self.now, ends_at=ends_at, owner=THIS_PROCESS)
        return Owner(session.number, ends_at)

    @rule(session=sessions, files=sized, ttl=st.none() | st.just(5.0), natures=natures)
    def add_to_session(
        self, session: Owner, files: list[tuple[str, int | None]], ttl: float | None, natures: dict[str, Nature]
    ) -> None:
        rows: list[NewFile] = [(path, ttl and self.now + ttl, size, (), None, None) for path, size in files]
        if session.ended:
            if rows and not any(path in self.out for path, _ in files):
                with pytest.raises(InvalidArgumentError):
                    self.registry.add(rows, self.now, session=session.number)
            return
        paths = [path for path, _ in files]
        add = self.registry.add
        if self.changes(paths, lambda: add(rows, self.now, session=session.number, natures=natures)):
            ending: list[NewFile] = [(path, session.ends_at, *rest) for path, _, *rest in rows]  # type: ignore[misc]
            self.added(ending, session.number, natures)

    @rule(session=sessions, seconds=st.sampled_from([0.0, 20.0, math.inf]))
    def renew_session(self, session: Owner, seconds: float) -> None:
        ends_at = self.now + seconds
        assert self.registry.renew(session.number, ends_at) is not session.ended
        if not session.ended:
            session.ends_at = ends_at
            self.moved(session, ends_at)

    @rule(session=sessions)
    def end_session(self, session: Owner) -> None:
        due = self.registry.end((session.number,), self.now)
        moved = 0 if session.ended else self.moved(session, self.now)
        assert due == moved
        session.ended = True

    def moved(self, session: Owner, due_at: float) -> int:
        """Give the records of a session another end; in memory what is given one is another record."""
        rows = [row for row in self.rows.values() if row.session == session.number]
        for row in rows:
            if self.writes_wait:
                row.due_at = due_at
            elif row.due_at != due_at:
                self.rows[row.path] = replace(row, due_at=due_at, written_at=self.tick())
        return len(rows)

    @rule(session=sessions)
    def a_page_has_what_is_in_a_session(self, session: Owner) -> None:
        due = Selection(self.now, 0, force=True, session=session.number)
        free = [record.path for record in self.registry.page(due, now=self.now, limit=99).records]
        assert sorted(free) == sorted(path for path, row in self.rows.items() if self.wants(row, due, self.event + 1))

    # -- natures

    @rule(
        looked=measures,
        name=st.sampled_from(["", "a", "b"]),
        seconds=st.integers(-5, 40).map(float) | st.just(math.inf),
    )
    def rule_files(self, looked: list[tuple[TempFile, Row]], name: str, seconds: float) -> None:
        """What was looked at may have been registered again since, be claimed, or have an end of its own."""
        due_at = self.now + seconds if name else None
        self.registry.ruled(Ruled(record, name, due_at) for record, _ in looked)
        for record, row in looked:
            path = record.path
            free = self.rows.get(path) is row and path not in self.out and not row.session
            if not free or (row.due_at is not None and not row.nature.rule):
                continue
            nature = row.nature._replace(rule=name)
            if self.writes_wait:
                row.due_at, row.nature = due_at, nature
            elif self.registry.get((path,))[path].registered_at is not record.registered_at:
                # In memory what is given a rule is another record.
                self.rows[path] = replace(row, due_at=due_at, nature=nature, written_at=self.tick())

    @invariant()
    def natures_are_the_models(self) -> None:
        rows = self.rows.values()
        assert {path: _nature(one) for path, one in self.registry.get(list(self.rows)).items()} == {
            row.path: row.nature for row in rows
        }
        assert self.registry.rules() == Counter(row.nature.rule for row in rows if row.nature.rule)
        for kind in set(Kind) - {Kind.FILE}:
            found = [record.path for record in self.in_order(Order.ADDED, kind=kind)]
            assert sorted(found) == sorted(row.path for row in rows if row.nature.kind is kind)
        successors = self.registry.successors(("/o/0", "/o/1", "/o/2"))
        assert {origin: {one.path for one in records} for origin, records in successors.items()} == {
            origin: {row.path for row in rows if row.nature.origin == origin}
            for origin in {row.nature.origin for row in rows} - {""}
        }

    @rule(name=st.sampled_from(["a", "b"]), count=st.integers(0, 3))
    def the_newest_of_a_rule_and_those_beyond(self, name: str, count: int) -> None:
        endless = [row for row in self.rows.values() if row.nature.rule == name and row.due_at == math.inf]
        every = self.registry.beyond(name, 0, 9)
        assert {record.path for record in every} == {row.path for row in endless}
        times = [record.registered_at for record in every]
        assert times == sorted(times, reverse=True)
        assert self.registry.beyond(name, count, 9) == every[count:]
        assert self.registry.beyond(name, count, 1) == every[count : count + 1]

    # -- pins and holds

    some_paths = st.lists(paths, max_size=3)

    @rule(paths=some_paths, seconds=st.sampled_from([-5.0, 5.0, 70.0]))
    def pin(self, paths: list[str], seconds: float) -> None:
        for path in self.kept(paths, self.now + seconds, None):
            self.pins[path] = self.now + seconds

    @rule(paths=some_paths)
    def hold(self, paths: list[str]) -> None:
        for path in self.kept(paths, math.inf, THIS_PROCESS):
            self.held[path] = self.held.get(path, 0) + 1

    def kept(self, paths: list[str], until: float, holder: Holder | None) -> tuple[str, ...]:
        known = self.known(paths)
        done = self.changes(paths, lambda: self.registry.keep(paths, until, holder))
        if done is None:
            return ()
        assert done == (known,)
        return known

    @rule(paths=some_paths)
    def unpin(self, paths: list[str]) -> None:
        known = self.known(paths)
        assert self.registry.release(paths) == known
        for path in known:
            self.pins.pop(path, None)

    @rule(paths=some_paths)
    def release(self, paths: list[str]) -> None:
        assert self.registry.release(paths, THIS_PROCESS) == self.known(paths)
        for path in paths:
            left = self.held.pop(path, 0) - 1
            if left > 0:
                self.held[path] = left

    def known(self, paths: list[str]) -> tuple[str, ...]:
        return tuple(path for path in paths if path in self.rows)

    # -- claims

    def wants(self, row: Row, due: Selection, began: int, only: tuple[Row, ...] | None = None) -> bool:
        if row.path in self.out or row.path in self.held or self.pins.get(row.path, -math.inf) > due.asof:
            return False
        late = due.session and not self.writes_wait and row.written_at >= began
        of_others = (only is not None and row not in only) or (due.session and row.session != due.session)
        if late or of_others or row.failed_at >= began:
            return False
        if due.force:
            return row.written_at < began
        if due.patient and row.retry_at is not None and row.retry_at > due.asof:
            return False
        if row.due_at is not None:
            return row.due_at <= due.asof
        return due.asof - row.registered_at > due.max_age

    def take(self, sweep: Sweep, claim: Claim, limit: int, *, later: bool = False) -> None:
        """Check a claim. A ``later`` claim of a sweep may miss what failed before, if another sweep came by."""
        due = sweep.due
        wanted = {row.path: row for row in self.rows.values() if self.wants(row, due, sweep.began, sweep.only)}
        paths = [record.path for record in claim.records]
        assert len(set(paths)) == len(paths)
        assert set(paths) <= set(wanted)
        sure = {path for path, row in wanted.items() if path in paths or not (later and row.failed_at)}
        assert min(1, len(sure)) <= len(paths) <= limit
        if not due.session:
            since = {path: _since(row, due) for path, row in wanted.items()}
            assert [since[path] for path in paths] == sorted(since[path] for path in sure)[: len(paths)]
        taken = Taken(claim, [wanted[path] for path in paths], self.now + 60)
        for record, row in zip(claim.records, taken.rows, strict=True):
            assert record[:5] == (row.path, row.registered_at, row.due_at, row.retry_at, row.failures)
            assert _nature(record) == row.nature
            self.out[row.path] = taken
        sweep.cursor = claim.cursor
        if paths:
            sweep.claims.append(taken)

    @rule(
        target=sweeps,
        max_age=st.sampled_from([0, 10.0, 25.0]),
        force=st.booleans(),
        patient=st.booleans(),
        limit=st.integers(1, 4),
        only=st.none() | st.sets(paths),
        session=st.none() | sessions,
    )
    def begin_sweep(
        self, max_age: float, force: bool, patient: bool, limit: int, only: set[str] | None, session: Owner | None
    ) -> Sweep:
        number = session.number if session else 0
        due, rows = Selection(self.now, max_age, force, patient and not force, session=number), None
        if only is not None:
            due = replace(due, only=tuple(self.registry.get(only).values()))
            rows = tuple(row for path, row in self.rows.items() if path in only)
        planned = self.registry.page(due, now=self.now, limit=limit).records
        claim = self.registry.claim(due, now=self.now, lease=60, limit=limit)
        claimed = [record.path for record in claim.records]
        assert [record.path for record in planned][: len(claimed)] == claimed
        sweep = Sweep(due, self.tick(), None, rows)
        self.take(sweep, claim, limit)
        return sweep

    ends_drawn = st.lists(ENDS, max_size=4)

    @rule(sweep=sweeps, limit=st.integers(1, 4), ends=st.none() | ends_drawn)
    def go_on(self, sweep: Sweep, limit: int, ends: list[Other] | None) -> None:
        """With ``ends``, settle the sweep's last claim in the same step."""
        settling = None
        if ends is not None and sweep.claims:
            settling = self.settlement(sweep, ends)
        claim = self.registry.claim(
            sweep.due, now=self.now, lease=60, limit=limit, after=sweep.cursor, settling=settling
        )
        self.take(sweep, claim, limit, later=True)

    @rule(sweep=sweeps, ends=ends_drawn)
    def settle(self, sweep: Sweep, ends: list[Other]) -> None:
        if sweep.claims:
            self.registry.settle(self.settlement(sweep, ends))

    @rule(sweep=sweeps, ends=ends_drawn)
    def settle_again(self, sweep: Sweep, ends: list[Other]) -> None:
        """A claim that has ended: nothing changes."""
        for taken in sweep.settled:
            if not taken.hung:
                self.registry.settle(self.told(taken.claim, ends))

    @rule(sweep=sweeps, at=st.integers(0, 3), end=st.sampled_from([Status.REMOVED, Status.GONE, Status.SKIPPED]))
    def come_back(self, sweep: Sweep, at: int, end: Status) -> None:
        """What hung, or is just about to be settled as hanging."""
        for taken in sweep.settled + sweep.claims:
            if at < len(taken.rows) and self.out.get(taken.rows[at].path) is taken:
                told = self.told(taken.claim.only(at), [Other(end, Cause.NONE)])
                self.registry.settle(told)
                taken.back.add(at)
                self.end(taken, {at: told.others.get(0, REMOVED)})

    def settlement(self, sweep: Sweep, ends: list[Other]) -> Settlement:
        """Settle the sweep's last claim in the model, and return what is to be said to the registry."""
        taken = sweep.claims.pop()
        sweep.settled.append(taken)
        told = self.told(taken.claim, ends)
        worked_on = {at: told.others.get(at, REMOVED) for at in range(told.done)}
        self.end(taken, dict.fromkeys(range(len(taken.rows))) | worked_on)
        return told

    def told(self, claim: Claim, ends: list[Other]) -> Settlement:
        ends = ends[: len(claim.records)]
        others = {at: end for at, end in enumerate(ends) if end.status is not Status.REMOVED}
        return Settlement(claim, len(ends), others, self.now)

    def end(self, taken: Taken, ends: Mapping[int, Other | None]) -> None:
        """End a claim on some of its records; None: they were not worked on."""
        event = self.tick()
        ended = {at: end for at, end in ends.items() if self.out.get(taken.rows[at].path) is taken}
        self.ends += bool(ended)
        for at, end in ended.items():
            row = taken.rows[at]
            if end is HUNG:
                taken.hung.add(row.path)
            else:
                taken.hung.discard(row.path)
                del self.out[row.path]
            if end is not None and self.rows.get(row.path) is row:
                self.outcome(row, end, event)

    def outcome(self, row: Row, end: Other, event: int) -> None:
        status = end.status
        if status is Status.SKIPPED:
            return
        self.counts[str(status)] += 1
        if status in RETIRED:
            del self.rows[row.path]
            self.pins.pop(row.path, None)
            if status not in {Status.REPLACED, Status.COMPRESSED}:
                self.cleaned_at.append(max(0.0, self.now - row.registered_at))
            self.freed += row.room * (status is Status.REMOVED)
            return
        row.failures, row.failed_at = row.failures + (status is Status.FAILED), event
        row.retry_at = retry_at(row.failures, self.now)
        if end.due_at is not None:
            row.failures, row.retry_at = 0, None
            row.due_at = end.due_at if end.rule else None
            row.nature = row.nature._replace(rule=end.rule)

    # -- what always holds

    @rule(sweep=sweeps)
    def still(self, sweep: Sweep) -> None:
        for taken in sweep.claims:
            if taken.claim.still is not None:
                for at in set(range(len(taken.rows))) - taken.back:  # of what came back nobody asks
                    row = taken.rows[at]
                    claimed = self.out.get(row.path) is taken and self.rows.get(row.path) is row
                    assert taken.claim.still(at) is claimed

    @rule()
    def what_is_claimed_or_kept_is_left_out(self) -> None:
        due = Selection(self.now, 0, force=True)
        free = [record.path for record in self.registry.page(due, now=self.now, limit=99).records]
        assert sorted(free) == sorted(path for path, row in self.rows.items() if self.wants(row, due, self.event + 1))

    @invariant()
    def records_are_the_models(self) -> None:
        assert self.registry.files == {path: row.registered_at for path, row in self.rows.items()}
        assert self.registry.stats().records == len(self.rows)
        for path, record in self.registry.get(list(self.rows)).items():
            row = self.rows[path]
            assert record[:5] == (path, row.registered_at, row.due_at, row.retry_at, row.failures)
            assert record.session == row.session

    @invariant()
    def orders_are_the_models(self) -> None:
        oldest, largest = self.in_order(Order.OLDEST), self.in_order(Order.LARGEST)
        assert sorted(record.path for record in oldest) == sorted(self.rows)
        assert [record.registered_at for record in oldest] == sorted(row.registered_at for row in self.rows.values())
        known = {r.path: r.room for r in self.registry.get(list(self.rows)).values() if r.room is not None}
        assert {record.path: record.room for record in largest} == known
        assert [record.room for record in largest] == sorted(known.values(), reverse=True)
        assert {record.path for record in self.in_order(Order.ADDED)} == set(self.rows)
        used = [self.rows[record.path] for record in self.in_order(Order.LEAST_USED)]
        assert {row.path for row in used} == set(self.rows)
        since = [max(row.registered_at, row.used_at or -math.inf) for row in used]
        assert since == sorted(since)

    @invariant()
    def tags_are_the_models(self) -> None:
        for tags in (("x",), ("y", "z")):
            rows = {path: row for path, row in self.rows.items() if set(row.tags) & set(tags)}
            records, size = self.registry.sums(tags)
            assert records == len(rows)
            assert size in {None, sum(row.room for row in rows.values())}

    @rule(order=st.sampled_from([Order.OLDEST, Order.LEAST_USED, Order.LARGEST]), tags=words)
    def what_has_tags_is_in_order(self, order: Order, tags: tuple[str, ...]) -> None:
        every, some = self.in_order(order), self.in_order(order, tags)
        wanted = [record for record in every if not tags or set(record.tags) & set(tags)]
        assert {record.path for record in some} == {record.path for record in wanted}
        assert [_place(record, order) for record in some] == [_place(record, order) for record in wanted]

    def in_order(self, order: Order, tags: tuple[str, ...] = (), kind: Kind | None = None) -> list[TempFile]:
        """Every record, in pages of two."""
        selection = Selection(0.0, 0.0, order=order, tags=tags, kind=kind)
        page = self.registry.page(selection, now=self.now, limit=2)
        found = list(page.records)
        while page.cursor is not None:
            page = self.registry.page(selection, now=self.now, limit=2, after=page.cursor)
            found += page.records
        return found

    @invariant()
    def what_it_tells_is_the_models(self) -> None:
        found = self.registry.stats()
        told = {name: value for name, value in found.counters.items() if value and "_" not in name}
        assert told == +self.counts
        ages = counters.ages(found.counters)
        assert ages.counts == tuple(sum(age <= bound for age in self.cleaned_at) for bound in (*ages.bounds, math.inf))
        assert math.isclose(ages.sum, sum(self.cleaned_at), abs_tol=1e-6)
        if self.registry.properties.keeps_identity:
            assert found.bytes == sum(row.room for row in self.rows.values())
            assert found.counters.get("freed_bytes", 0) == self.freed


def _place(record: TempFile, order: Order) -> float | None:
    if order is Order.LARGEST:
        return record.room
    return max(record.registered_at, -math.inf if order is Order.OLDEST else record.used_at or -math.inf)


def _nature(record: TempFile) -> Nature:
    return Nature(record.rule, record.kind, record.origin)


def _since(row: Row, due: Selection) -> float:
    since = row.registered_at + due.max_age if row.due_at is None else row.due_at
    return since if row.retry_at is None else row.retry_at


class LockstepInMemory(Lockstep):
    writes_wait = False
    settlements_lag = False

    def make_registry(self) -> Registry:
        return MemoryRegistry()


class LockstepInSqlite(Lockstep):
    writes_wait = True
    settlements_lag = True

    def make_registry(self) -> Registry:
        self.place = tempfile.mkdtemp()
        return SqliteRegistry(os.path.join(self.place, "registry.db"), self.place)

    def teardown(self) -> None:
        self.registry.close()
        shutil.rmtree(self.place)


class LockstepInPostgres(Lockstep):
    writes_wait = True
    settlements_lag = True
    place: str

    def make_registry(self) -> Registry:
        self.made = PostgresRegistry(self.place, f"volume:{uuid4().hex}")
        return self.made

    def teardown(self) -> None:
        self.made.owners.leave()  # or the thread would go on for what the history still holds
        self.made.close()


@pytest.fixture(scope="module")
def place(postgres: PostgresServer) -> None:
    """Has a database ready, in which each history has a scope of its own."""
    LockstepInPostgres.place = postgres.conninfo(postgres.new_database())


TestLockstepInMemory = LockstepInMemory.TestCase
TestLockstepInMemory.settings = settings(SETTINGS, max_examples=histories(250))
TestLockstepInSqlite = LockstepInSqlite.TestCase
TestLockstepInSqlite.settings = settings(SETTINGS, max_examples=histories(100))
TestLockstepInPostgres = pytest.mark.usefixtures("place")(LockstepInPostgres.TestCase)
TestLockstepInPostgres.settings = settings(SETTINGS, max_examples=histories(15))
