"""Random histories, in lockstep with models so plain that they are right at a glance."""

import math
import os
import shutil
import tempfile
from collections import Counter
from dataclasses import dataclass, field

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, precondition, rule

from temp_file_manager import TempFileManager
from temp_file_manager.records import Order, Outcome, Selection, Status, TempFile
from temp_file_manager.registry import THIS_PROCESS, Claim, MemoryRegistry, Registry, counters
from temp_file_manager.registry.sqlite.registry import SqliteRegistry
from temp_file_manager.rules import retry_at
from temp_file_manager.testing import NOW, FakeClock

SETTINGS = settings(
    max_examples=120, stateful_step_count=40, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)

NAMES = st.sampled_from([f"f{number}" for number in range(8)])
SECONDS = st.integers(-30, 30).map(float)


class PublishedClass(RuleBasedStateMachine):
    """A manager on real files; the model is what the specification's class does with a plain dict.

    ``model`` is path → time. ``ttls`` is what the model adds: path → seconds, which is due when it has ended.
    """

    def __init__(self) -> None:
        super().__init__()
        self.base = tempfile.mkdtemp()
        self.clock = FakeClock()
        self.manager = TempFileManager(self.base, 20, clock=self.clock)
        self.model: dict[str, float] = {}
        self.ttls: dict[str, float] = {}
        self.on_disk: set[str] = set()
        self.undeletable: set[str] = set()
        self.held: dict[str, float] | None = None

    def teardown(self) -> None:
        self.manager.close()
        shutil.rmtree(self.base)

    def path(self, name: str) -> str:
        return os.path.join(self.base, name)

    # -- the disk

    def write(self, path: str) -> bool:
        if path in self.undeletable:
            return False
        with open(path, "w") as file:
            file.write("x")
        self.on_disk.add(path)
        return True

    @rule(name=NAMES)
    def vanish(self, name: str) -> None:
        path = self.path(name)
        if path in self.on_disk:
            os.remove(path)
            self.on_disk.remove(path)

    @rule(name=NAMES)
    def make_undeletable(self, name: str) -> None:
        path = self.path(name)
        if path not in self.undeletable:
            if path in self.on_disk:
                os.remove(path)
                self.on_disk.remove(path)
            os.mkdir(path)
            self.undeletable.add(path)

    @rule(name=NAMES)
    def make_deletable(self, name: str) -> None:
        path = self.path(name)
        if path in self.undeletable:
            os.rmdir(path)
            self.undeletable.remove(path)
            self.write(path)

    # -- registering

    @rule(name=NAMES, ttl=st.none() | st.integers(0, 60).map(float))
    def register(self, name: str, ttl: float | None) -> None:
        path = self.path(name)
        if not self.write(path):
            self.manager.register_file(path)  # a directory: refused, and a record of before stays as it is
            return
        self.manager.register_file(path, ttl=ttl)
        self.record(path, self.clock.wall(), ttl)

    @rule(name=NAMES)
    def register_what_is_missing(self, name: str) -> None:
        path = self.path(name)
        if path not in self.on_disk:
            self.manager.register_file(path)

    @rule(names=st.lists(NAMES, unique=True))
    def register_many(self, names: list[str]) -> None:
        paths = [self.path(name) for name in names]
        regular = [path for path in paths if self.write(path)]
        report = self.manager.register_files(paths)
        assert report.registered == len(regular)
        assert [path for path, _ in report.refused] == [path for path in paths if path not in regular]
        for path in regular:
            self.record(path, self.clock.wall(), None)

    def record(self, path: str, when: float, ttl: float | None) -> None:
        self.model[path] = when
        self.ttls.pop(path, None)
        if ttl is not None:
            self.ttls[path] = ttl

    # -- writing to ``files``: what a dict does; a known path keeps its ttl, a forgotten one has none

    @rule(name=NAMES, seconds=SECONDS)
    def backdate(self, name: str, seconds: float) -> None:
        self.manager.files[self.path(name)] = self.model[self.path(name)] = self.clock.wall() - seconds

    @rule(times=st.dictionaries(NAMES, SECONDS), how=st.sampled_from(["update", "pairs", "|=", "files |="]))
    def update(self, times: dict[str, float], how: str) -> None:
        new = {self.path(name): self.clock.wall() - seconds for name, seconds in times.items()}
        if how == "update":
            self.manager.files.update(new)
        elif how == "pairs":
            self.manager.files.update(list(new.items()))
        elif how == "|=":
            files = self.manager.files
            files |= new  # type: ignore[operator]  # in memory it is a dict
        else:
            self.manager.files |= new  # type: ignore[operator]  # likewise
        self.model.update(new)

    @rule(name=NAMES, seconds=SECONDS)
    def setdefault(self, name: str, seconds: float) -> None:
        path, when = self.path(name), self.clock.wall() - seconds
        assert self.manager.files.setdefault(path, when) == self.model.setdefault(path, when)

    @rule(name=NAMES, how=st.sampled_from(["pop", "del", "popitem", "clear"]))
    def delete(self, name: str, how: str) -> None:
        path = self.path(name)
        if how == "pop":
            assert self.manager.files.pop(path, None) == self.model.pop(path, None)
        elif how == "clear":
            self.manager.files.clear()
            self.model.clear()
        elif how == "popitem" and self.model:
            assert self.manager.files.popitem() == self.model.popitem()
        elif how == "del" and path in self.model:
            del self.manager.files[path]
            del self.model[path]
        self.forget_ttls()

    def forget_ttls(self) -> None:
        self.ttls = {path: ttl for path, ttl in self.ttls.items() if path in self.model}

    @rule(times=st.dictionaries(NAMES, SECONDS))
    def assign_files(self, times: dict[str, float]) -> None:
        new = {self.path(name): self.clock.wall() - seconds for name, seconds in times.items()}
        before, old = dict(self.manager.files), self.manager.files
        self.manager.files = new
        assert old == before
        self.model, self.ttls = dict(new), {}

    @rule()
    def assign_the_existing(self) -> None:
        # The specification's own recipe. What it keeps keeps no ttl of another record.
        existing = {path: when for path, when in self.manager.files.items() if os.path.exists(path)}
        kept = self.ttls
        self.manager.files = existing
        self.model = {path: when for path, when in self.model.items() if os.path.exists(path)}
        self.ttls = {}
        for path, ttl in kept.items():
            if path in self.model and self.manager.status(path).record.due_at is not None:  # type: ignore[union-attr]
                self.ttls[path] = ttl

    @precondition(lambda self: self.held is None)
    @rule()
    def swap_away(self) -> None:
        self.held = self.manager.files  # type: ignore[assignment]  # in memory it is a dict
        self.held_model = self.model
        self.manager.files = {}
        self.model, self.ttls = {}, {}

    @precondition(lambda self: self.held is not None)
    @rule()
    def restore(self) -> None:
        assert self.held == self.held_model
        self.manager.files = self.held
        self.model, self.ttls = dict(self.held_model), {}
        self.held = None
        for path, when in self.model.items():
            record = self.manager.status(path).record
            assert record is not None
            if record.due_at is not None:
                self.ttls[path] = record.due_at - when

    # -- time and cleanups

    @rule(seconds=st.integers(0, 40).map(float))
    def pass_time(self, seconds: float) -> None:
        self.clock.advance(seconds)

    @rule(max_age=st.sampled_from([0, 1, 10, 20.0, 45, float("inf")]))
    def change_max_age(self, max_age: float) -> None:
        self.manager.max_age = max_age

    def is_due(self, path: str, force: bool) -> bool:
        age = self.clock.wall() - self.model[path]
        if path in self.ttls:
            return force or age >= self.ttls[path]
        return force or age > self.manager.max_age

    def expected(self, force: bool) -> list[str]:
        """What is due, the longest overdue first; equals in any order."""
        since = {
            path: when + self.ttls.get(path, self.manager.max_age)
            for path, when in self.model.items()
            if self.is_due(path, force)
        }
        return sorted(since, key=lambda path: since[path])

    def retire(self, path: str) -> bool:
        if path in self.undeletable:
            return False
        self.on_disk.discard(path)
        del self.model[path]
        self.ttls.pop(path, None)
        return True

    @rule(force=st.booleans())
    def cleanup(self, force: bool) -> None:
        due = self.expected(force)
        assert self.manager.cleanup(force) == sum(map(self.retire, due))

    @rule()
    def clear_all(self) -> None:
        due = self.expected(True)
        assert self.manager.clear_all() == sum(map(self.retire, due))

    @rule(force=st.booleans(), limit=st.none() | st.integers(0, 9))
    def sweep(self, force: bool, limit: int | None) -> None:
        due = self.expected(force)
        statuses = {path: self.status_of(path) for path in due}
        planned = self.manager.sweep(force=force, limit=limit, dry_run=True)
        assert self.manager.files == self.model
        done = self.manager.sweep(force=force, limit=limit)
        assert [(o.record.path, o.status) for o in planned.outcomes] == [
            (o.record.path, o.status) for o in done.outcomes
        ]
        assert (planned.removed, planned.gone, planned.failed, planned.skipped, planned.stopped) == (
            done.removed, done.gone, done.failed, done.skipped, done.stopped,
        )  # fmt: skip
        assert (planned.dry_run, done.dry_run) == (True, False)
        taken = [outcome.record.path for outcome in done.outcomes]
        assert len(taken) == len(set(taken)) == (len(due) if limit is None else min(limit, len(due)))
        since = [self.model[path] + self.ttls.get(path, self.manager.max_age) for path in taken]
        assert since == sorted(since)
        assert all(outcome.status is statuses[outcome.record.path] for outcome in done.outcomes)
        assert done.retired == sum(map(self.retire, taken))

    def status_of(self, path: str) -> Status:
        if path in self.undeletable:
            return Status.FAILED
        return Status.REMOVED if path in self.on_disk else Status.GONE

    # -- what always holds

    @invariant()
    def files_are_the_models(self) -> None:
        assert self.manager.files == self.model
        assert len(self.manager.files) == len(self.model)
        assert self.manager.registry.stats().records == len(self.model)

    @invariant()
    def the_disk_is_the_models(self) -> None:
        assert {os.path.join(self.base, name) for name in os.listdir(self.base)} == self.on_disk | self.undeletable

    @invariant()
    def each_file_is_told_about_rightly(self) -> None:
        for number in range(8):
            path = self.path(f"f{number}")
            known = path in self.model
            assert self.manager.is_temp_file(path) is known
            assert self.manager.get_file_age(path) == (self.clock.wall() - self.model[path] if known else None)
            assert self.manager.status(path).due is (known and self.is_due(path, False))


@dataclass
class Row:
    """A record of the model. ``failed_at`` and sweeps' beginnings count the same events."""

    path: str
    registered_at: float
    due_at: float | None
    retry_at: float | None = None
    failures: int = 0
    failed_at: int = 0
    written_at: int = 0
    claimed_until: float | None = None
    claim: TempFile | None = None
    size: int | None = None


@dataclass
class Sweep:
    """A sweep of the model: what claims, and goes on claiming."""

    due: Selection
    began: int
    cursor: object
    claimed: list[TempFile] = field(default_factory=list)


class Lockstep(RuleBasedStateMachine):
    """A registry and a list of rows; several sweeps claim from both."""

    def make_registry(self) -> Registry:
        raise NotImplementedError

    sweeps = Bundle("sweeps")
    paths = st.sampled_from([f"/r/{number}" for number in range(6)])
    ages = st.integers(-5, 40).map(float)

    def __init__(self) -> None:
        super().__init__()
        self.registry = self.make_registry()
        self.rows: dict[str, Row] = {}
        self.pins: dict[str, float] = {}
        self.held: dict[str, int] = {}
        self.counts: Counter[str] = Counter()
        self.ages: list[float] = []
        self.freed = 0
        self.now = NOW
        self.event = 0

    def tick(self) -> int:
        self.event += 1
        return self.event

    @initialize(ages=st.lists(ages, max_size=6))
    def begin(self, ages: list[float]) -> None:
        for number, age in enumerate(ages):
            self.add([(f"/r/{number}", number)], None)
            self.backdate(f"/r/{number}", age)

    sizes = st.none() | st.integers(0, 9)

    @rule(files=st.lists(st.tuples(paths, sizes), max_size=4), ttl=st.none() | st.integers(0, 40).map(float))
    def add(self, files: list[tuple[str, int | None]], ttl: float | None) -> None:
        due_at = None if ttl is None else self.now + ttl
        self.registry.add([(path, due_at, size, (), None) for path, size in files], self.now)
        for path, size in files:
            self.rows[path] = Row(path, self.now, due_at, written_at=self.tick(), size=size)
        self.counts["registered"] += len(files)

    @rule(files=st.lists(st.tuples(paths, sizes), max_size=4))
    def add_only_new(self, files: list[tuple[str, int | None]]) -> None:
        self.registry.add([(path, None, size, (), None) for path, size in files], self.now, only_new=True)
        for path, size in files:
            if path not in self.rows:
                self.rows[path] = Row(path, self.now, None, written_at=self.tick(), size=size)
                self.counts["registered"] += 1

    @rule(path=paths)
    def add_one(self, path: str) -> None:
        self.registry.add_one(path, self.now)
        self.rows[path] = Row(path, self.now, None, written_at=self.tick())
        self.counts["registered"] += 1

    @rule(path=paths, age=ages)
    def amend(self, path: str, age: float) -> None:
        assert self.registry.amend(path, self.now - age) == (path in self.rows)
        if path in self.rows:
            self.write(path, self.now - age)

    @rule(path=paths, age=ages)
    def backdate(self, path: str, age: float) -> None:
        self.registry.files[path] = self.now - age
        self.write(path, self.now - age)

    def write(self, path: str, when: float) -> None:
        old = self.rows.get(path)
        due_at = None if old is None or old.due_at is None else old.due_at + (when - old.registered_at)
        self.rows[path] = Row(path, when, due_at, written_at=self.tick(), size=old.size if old else None)
        self.counts["registered"] += old is None

    @rule(paths=st.lists(paths, max_size=2, unique=True), keeps=st.booleans())
    def forget(self, paths: list[str], keeps: bool) -> None:
        known = [path for path in paths if self.rows.pop(path, None) is not None]
        if not keeps:
            self.pins = {path: until for path, until in self.pins.items() if path not in known}
        assert self.registry.forget(paths, keeps=keeps) == len(known)

    @rule(path=paths)
    def delete(self, path: str) -> None:
        if self.rows.pop(path, None) is not None:
            del self.registry.files[path]

    @rule(times=st.dictionaries(paths, ages, max_size=4))
    def replace(self, times: dict[str, float]) -> None:
        written = self.tick()
        sizes = {path: row.size for path, row in self.rows.items()}
        self.counts["registered"] += len(times.keys() - sizes.keys())
        self.rows = {
            path: Row(path, self.now - age, None, written_at=written, size=sizes.get(path))
            for path, age in times.items()
        }
        self.registry.replace([(path, self.now - age) for path, age in times.items()])

    @rule(seconds=st.sampled_from([1.0, 5.0, 29.0, 60.0]))
    def pass_time(self, seconds: float) -> None:
        self.now += seconds

    # -- claims

    def wanted(self, due: Selection, began: int) -> list[Row]:
        return [row for row in self.rows.values() if self.wants(row, due, began)]

    some_paths = st.lists(paths, max_size=3)

    @rule(paths=some_paths, seconds=st.sampled_from([-5.0, 5.0, 70.0]))
    def pin(self, paths: list[str], seconds: float) -> None:
        known = self.known(paths)
        assert self.registry.keep(paths, self.now + seconds) == known
        for path in known:
            self.pins[path] = self.now + seconds
            self.end_claim(path)

    @rule(paths=some_paths)
    def unpin(self, paths: list[str]) -> None:
        known = self.known(paths)
        assert self.registry.release(paths) == known
        for path in known:
            self.pins.pop(path, None)

    @rule(paths=some_paths)
    def hold(self, paths: list[str]) -> None:
        known = self.known(paths)
        assert self.registry.keep(paths, math.inf, THIS_PROCESS) == known
        for path in known:
            self.held[path] = self.held.get(path, 0) + 1
            self.end_claim(path)

    @rule(paths=some_paths)
    def release(self, paths: list[str]) -> None:
        assert self.registry.release(paths, THIS_PROCESS) == self.known(paths)
        for path in paths:
            left = self.held.pop(path, 0) - 1
            if left > 0:
                self.held[path] = left

    def known(self, paths: list[str]) -> tuple[str, ...]:
        return tuple(path for path in paths if path in self.rows)

    def end_claim(self, path: str) -> None:
        self.rows[path].claim = self.rows[path].claimed_until = None

    def wants(self, row: Row, due: Selection, began: int) -> bool:
        kept = row.path in self.held or self.pins.get(row.path, -math.inf) > due.asof
        return not kept and self.is_free_and_due(row, due, began)

    def is_free_and_due(self, row: Row, due: Selection, began: int) -> bool:
        if row.claimed_until is not None and row.claimed_until > self.now:
            return False
        if row.failed_at >= began:
            return False
        if due.force:
            return row.written_at < began
        if due.patient and row.retry_at is not None and row.retry_at > due.asof:
            return False
        if row.due_at is not None:
            return row.due_at <= due.asof
        return due.asof - row.registered_at > due.max_age

    def take(self, due: Selection, began: int, claim: Claim, limit: int, *, later: bool = False) -> list[TempFile]:
        """Check a claim. A ``later`` claim of a sweep may miss what failed before, if another sweep came by."""
        wanted = {row.path: row for row in self.wanted(due, began)}
        taken = [record.path for record in claim.records]
        assert len(set(taken)) == len(taken)
        assert set(taken) <= set(wanted)
        sure = {path for path, row in wanted.items() if path in taken or not (later and row.failed_at)}
        assert len(taken) == min(limit, len(sure))
        since = {path: _since(row, due) for path, row in wanted.items()}
        assert [since[path] for path in taken] == sorted(since[path] for path in sure)[:limit]
        for record in claim.records:
            row = wanted[record.path]
            assert record[:5] == (row.path, row.registered_at, row.due_at, row.retry_at, row.failures)
            row.claimed_until, row.claim = self.now + 60, record
        return list(claim.records)

    @rule(
        target=sweeps,
        max_age=st.sampled_from([0, 10.0, 25.0]),
        force=st.booleans(),
        patient=st.booleans(),
        limit=st.integers(1, 4),
    )
    def begin_sweep(self, max_age: float, force: bool, patient: bool, limit: int) -> Sweep:
        due = Selection(self.now, max_age, force, patient and not force)
        planned = self.registry.page(due, now=self.now, limit=limit).records
        claim = self.registry.claim(due, now=self.now, lease=60, limit=limit)
        assert [record.path for record in planned] == [record.path for record in claim.records]
        began = self.tick()
        return Sweep(due, began, claim.cursor, self.take(due, began, claim, limit))

    @rule(sweep=sweeps, limit=st.integers(1, 4))
    def go_on(self, sweep: Sweep, limit: int) -> None:
        claim = self.registry.claim(sweep.due, now=self.now, lease=60, limit=limit, after=sweep.cursor)
        sweep.cursor = claim.cursor
        sweep.claimed += self.take(sweep.due, sweep.began, claim, limit, later=True)

    @rule(sweep=sweeps, data=st.data())
    def settle(self, sweep: Sweep, data: st.DataObject) -> None:
        count = data.draw(st.integers(0, len(sweep.claimed)))
        statuses = data.draw(st.lists(st.sampled_from(list(Status)), min_size=count, max_size=count))
        batch, sweep.claimed = sweep.claimed[:count], sweep.claimed[count:]
        outcomes = [Outcome(record, status) for record, status in zip(batch, statuses, strict=True)]
        # What has lapsed and nobody took again may be settled or not: let it be taken first.
        outcomes = [o for o in outcomes if not self.lapsed(o.record)]
        self.registry.settle(outcomes, self.now)
        event = self.tick()
        for outcome in outcomes:
            row = self.rows.get(outcome.record.path)
            if row is None or row.claim is not outcome.record:
                continue
            self.counts[str(outcome.status)] += outcome.status is not Status.SKIPPED
            if outcome.retired:
                del self.rows[row.path]
                self.pins.pop(row.path, None)
                self.ages.append(max(0.0, self.now - row.registered_at))
                self.freed += (row.size or 0) * (outcome.status is Status.REMOVED)
                continue
            row.claim = row.claimed_until = None
            if outcome.status is not Status.SKIPPED:
                row.failures, row.failed_at = row.failures + (outcome.status is Status.FAILED), event
                row.retry_at = retry_at(row.failures, self.now)

    def lapsed(self, record: TempFile) -> bool:
        row = self.rows.get(record.path)
        return row is not None and row.claim is record and (row.claimed_until or 0) <= self.now

    # -- what always holds

    @rule(sweep=sweeps)
    def holds(self, sweep: Sweep) -> None:
        for record in sweep.claimed:
            row = self.rows.get(record.path)
            if row is not None and row.claim is record:
                assert self.registry.still_claimed(record) or self.lapsed(record)
            else:
                assert not self.registry.still_claimed(record)

    @invariant()
    def records_are_the_models(self) -> None:
        assert self.registry.files == {path: row.registered_at for path, row in self.rows.items()}
        assert self.registry.stats().records == len(self.rows)
        for path, record in self.registry.get(list(self.rows)).items():
            row = self.rows[path]
            assert record[:5] == (path, row.registered_at, row.due_at, row.retry_at, row.failures)

    @invariant()
    def orders_are_the_models(self) -> None:
        oldest, largest = self.in_order(Order.OLDEST), self.in_order(Order.LARGEST)
        assert sorted(record.path for record in oldest) == sorted(self.rows)
        assert [record.registered_at for record in oldest] == sorted(row.registered_at for row in self.rows.values())
        known = {r.path: r.size for r in self.registry.get(list(self.rows)).values() if r.size is not None}
        assert {record.path: record.size for record in largest} == known
        assert [record.size for record in largest] == sorted(known.values(), reverse=True)
        assert {record.path for record in self.in_order(Order.ADDED)} == set(self.rows)

    def in_order(self, order: Order) -> list[TempFile]:
        """Every record, in pages of two."""
        selection = Selection(0.0, 0.0, order=order)
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
        assert ages.counts == tuple(sum(age <= bound for age in self.ages) for bound in (*ages.bounds, math.inf))
        assert math.isclose(ages.sum, sum(self.ages), abs_tol=1e-6)
        if self.registry.properties.keeps_identity:
            assert found.bytes == sum(row.size or 0 for row in self.rows.values())
            assert found.counters.get("freed_bytes", 0) == self.freed


def _since(row: Row, due: Selection) -> float:
    return row.registered_at + due.max_age if row.due_at is None else row.due_at


TestPublishedClass = PublishedClass.TestCase
TestPublishedClass.settings = SETTINGS


class LockstepInMemory(Lockstep):
    def make_registry(self) -> Registry:
        return MemoryRegistry()


class LockstepInSqlite(Lockstep):
    def make_registry(self) -> Registry:
        self.place = tempfile.mkdtemp()
        return SqliteRegistry(os.path.join(self.place, "registry.db"), self.place)

    def teardown(self) -> None:
        self.registry.close()
        shutil.rmtree(self.place)


TestLockstepInMemory = LockstepInMemory.TestCase
TestLockstepInMemory.settings = settings(SETTINGS, max_examples=250)
TestLockstepInSqlite = LockstepInSqlite.TestCase
TestLockstepInSqlite.settings = settings(SETTINGS, max_examples=100)
