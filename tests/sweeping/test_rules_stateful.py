"""Random histories of files under rules, with limits, sessions, pins and holds, beside a model that looks at all.

What a dry run tells is what the same sweep then does. The first rule that is about a file decides about it; nothing
that is pinned, held, in a living session, or has a ttl of its own goes by a rule.
"""

import math
import shutil
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, replace
from fnmatch import fnmatch
from os import utime
from pathlib import Path

from hypothesis import HealthCheck, note, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from histories import histories
from limited import BLOCK, limit
from temp_file_manager import Settings, SweepReport, TempFileManager
from temp_file_manager.limits import Measure
from temp_file_manager.records import Status
from temp_file_manager.registering.hold import Hold
from temp_file_manager.rules.rule import By, Rule
from temp_file_manager.testing import FakeClock

SETTINGS = settings(
    max_examples=histories(40), stateful_step_count=30, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
NAMES = st.sampled_from(["a0", "a1.x", "a2.x", "b0", "b1.x", "c0", "c1", "c2"])
MAX_AGE = 50.0
AGES = st.none() | st.sampled_from([0.0, 5.0, 20.0, 90.0])
AWAY = "quarantined: "

New = tuple[str, int, int | None, list[str], bool]
"""A file to be: its name, blocks, ttl and tags, and whether another registers it."""

FILES = st.lists(
    st.tuples(
        NAMES,
        st.integers(1, 3),
        st.sampled_from([None] * 5 + [4, 60]),
        st.lists(st.sampled_from("xyz"), unique=True, max_size=2),
        st.sampled_from([False, False, True]),
    ),
    min_size=1,
    max_size=5,
)

TURNS = st.sampled_from(["session", "vanish", "read", "read", "write", "write", "pin", "unpin", "hold"])
"""What is done with a file."""

SWEEPS = st.tuples(st.sampled_from([1, 3, 9, 30, 60]), st.sampled_from([False] * 9 + [True]), st.booleans())
"""Seconds before a sweep, whether it is forced, and whether it asks who has files open."""

Told = Counter[tuple[str, Status]]


def _sensible(one: Rule) -> Rule:
    """Return what a rule may be: of one that keeps all none is the newest or due; what counts from a use is an age."""
    if one.keep:
        one = replace(one, keep_last=None, age=None, quarantine=None)
    return one if one.age is not None else replace(one, by=By.REGISTRATION)


def rules_drawn(*, durable: bool, newest: bool = True) -> st.SearchStrategy[tuple[Rule, ...]]:
    """Draw rules that a registry can do: one in memory knows no sizes, and moves nothing away.

    Where rules were changed, to such without a ``newest``: what was among those of another rule may have any end.
    """
    one = st.builds(
        Rule,
        name=st.just(""),
        match=st.sampled_from([(), ("a*",), ("*.x", "c0"), ("b*", "c*")]),
        tags=st.sampled_from([(), ("x",), ("y", "z")]),
        larger=st.none() | st.just(2 * BLOCK) if durable else st.none(),
        age=AGES,
        by=st.sampled_from(By),
        keep=st.sampled_from([False, False, False, True]),
        keep_last=st.none() | st.integers(1, 2) if newest else st.none(),
        quarantine=st.none() | st.just(30.0) if durable else st.none(),
    )
    plain = one.map(_sensible)
    many = st.lists(plain, min_size=1, max_size=4)
    return many.map(lambda found: tuple(replace(one, name=f"rule{n}") for n, one in enumerate(found)))


@dataclass(eq=False)
class File:
    """A record, and what is true of its file."""

    name: str
    number: int
    registered_at: float
    due_at: float | None
    tags: tuple[str, ...]
    blocks: int
    written_at: float
    used_at: float
    there: bool = True
    pinned: bool = False
    session: bool = False
    beyond: bool = False
    """Whether it is no more among the newest of its rule."""


class Ruled(RuleBasedStateMachine):
    """A manager with rules, on real files."""

    registry: str
    durable: bool

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.mkdtemp()
        self.base = Path(self.folder, "base")
        self.clock = FakeClock(float(int(time.time())))
        self.model: dict[str, File] = {}
        self.away: list[tuple[str, float]] = []
        """What is in quarantine: where it was, and until when."""
        self.held: dict[str, Hold] = {}
        self.count = 0
        self.managers: list[TempFileManager] = []

    @initialize(data=st.data(), most=st.none() | st.none() | st.integers(0, 6), files=FILES)
    def begin(self, data: st.DataObject, most: int | None, files: list[New]) -> None:
        self.limits = () if most is None else (limit(Measure.FILES, most, most // 2, spare=3.0),)
        self.ask(data.draw(rules_drawn(durable=self.durable)))
        self.session = self.manager.session("living")
        self.register(files)

    def ask(self, rules: tuple[Rule, ...]) -> None:
        self.rules = rules
        self.manager = self.opened(rules, self.limits)

    def opened(self, rules: tuple[Rule, ...], limits: tuple[object, ...] = ()) -> TempFileManager:
        told = Settings(base_dir=str(self.base), max_age=MAX_AGE, rules=rules, limits=limits)  # type: ignore[arg-type]
        manager = TempFileManager.from_settings(told, registry=self.registry, clock=self.clock)
        self.managers.append(manager)
        return manager

    def teardown(self) -> None:
        for manager in self.managers:
            manager.close()
        shutil.rmtree(self.folder)

    def path(self, name: str) -> str:
        return str(self.base / name)

    # -- files

    @rule(data=st.data(), what=st.sampled_from(["register", "turn to", "turn to", "sweep", "sweep", "change rules"]))
    def act(self, data: st.DataObject, what: str) -> None:
        """One step: as rules of their own, many histories would be without one kind or another of them."""
        if what == "register":
            self.register(data.draw(FILES))
        elif what == "turn to":
            self.turn_to(data.draw(NAMES), data.draw(TURNS))
        elif what == "sweep":
            self.sweep(*data.draw(SWEEPS))
        elif self.durable and data.draw(st.booleans()):
            self.ask(data.draw(rules_drawn(durable=True, newest=False)))

    def register(self, files: list[New]) -> None:
        """By this manager, or where records are shared by another, which knows no rules."""
        for name, blocks, ttl, tags, other in files:
            if name in self.held:
                continue
            path, now = Path(self.path(name)), self.clock.wall()
            path.write_bytes(bytes(blocks * BLOCK))
            utime(path, (now, now))
            manager = self.opened(()) if other and self.durable else self.manager
            manager.register_file(path, ttl=ttl, tags=tags)
            self.record(name, None if ttl is None else now + ttl, tuple(tags), blocks)

    def record(
        self, name: str, due_at: float | None, tags: tuple[str, ...], blocks: int, *, session: bool = False
    ) -> None:
        self.count += 1
        now = self.clock.wall()
        pinned = name in self.model and self.model[name].pinned
        self.model[name] = File(name, self.count, now, due_at, tags, blocks, now, now, pinned=pinned, session=session)
        self.clock.advance(1)  # what is as old as another goes before or after it

    def turn_to(self, name: str, what: str) -> None:
        if name in self.held and what in {"hold", "vanish"}:
            self.held.pop(name).__exit__(None, None, None)
        file = self.model.get(name)
        if file is None or not file.there:
            return
        if what == "session":
            self.session.register_file(self.path(name), tags=file.tags)
            self.record(name, None, file.tags, file.blocks, session=True)
            self.model[name].written_at, self.model[name].used_at = file.written_at, file.used_at
        elif what == "vanish":
            Path(self.path(name)).unlink()
            file.there = False
        elif what in {"read", "write"}:
            file.used_at = self.clock.wall()
            file.written_at = file.used_at if what == "write" else file.written_at
            utime(self.path(name), (file.used_at, file.written_at))
        elif what == "hold":
            self.held[name] = self.manager.hold(self.path(name))
            self.held[name].__enter__()
        else:
            (self.manager.pin if what == "pin" else self.manager.unpin)(self.path(name))
            file.pinned = what == "pin"

    # -- sweeping

    def sweep(self, seconds: int, force: bool, protect_open: bool) -> None:
        self.clock.advance(seconds)
        told = self.told(self.manager.sweep(dry_run=True, force=force, protect_open=protect_open))
        again = self.told(self.manager.sweep(dry_run=True, force=force, protect_open=protect_open))
        assert again == told, "a dry run changes nothing"
        expected = self.expected()
        done = self.told(self.manager.sweep(force=force, protect_open=protect_open))
        note(f"{told=} {done=} {expected=}")
        assert told == done
        gone = {name for name, status in done if status is not Status.KEPT}
        assert not {name for name, file in self.model.items() if self.stays(file, force=force)} & gone
        if not force:
            for_a_limit = done - expected
            assert expected - done == Counter(), "due, and still there"
            assert not for_a_limit or self.limits
            assert not [name for name, status in for_a_limit if status is Status.QUARANTINED]
        self.settle(done, force=force)

    def told(self, report: SweepReport) -> Told:
        """Return what became of each that did not stay where it was; what is in quarantine is named by where it was."""
        found: Told = Counter()
        for record, status, *_ in report.outcomes:
            name = AWAY + Path(record.origin).name if record.origin else Path(record.path).name
            if status is Status.REMOVED and found[name, Status.QUARANTINED]:
                name = AWAY + name  # by a dry run, which does not know its path there yet
            found[name, status] += status is not Status.KEPT
        return +found

    def stays(self, file: File, *, force: bool = False) -> bool:
        return file.pinned or (file.session and not force) or file.name in self.held

    def expected(self) -> Told:
        """Return what is due, and what becomes of it."""
        asof = self.clock.wall()
        found: Told = Counter()
        beyond = self.beyond()
        for file in self.model.values():
            decides = self.decides(file)
            if self.stays(file) or not self.is_due(file, decides, asof, beyond):
                continue
            status = Status.GONE if not file.there else Status.REMOVED
            if file.there and decides is not None and decides.quarantine is not None:
                status = Status.QUARANTINED
            found[file.name, status] += 1
        for name, until in self.away:
            found[AWAY + name, Status.REMOVED] += until <= asof
        return +found

    def is_due(self, file: File, decides: Rule | None, asof: float, beyond: set[str]) -> bool:
        if file.due_at is not None:
            return file.due_at <= asof
        if decides is None:
            return asof - file.registered_at > MAX_AGE
        if decides.keep or (decides.keep_last is not None and file.name not in beyond):
            return False
        age = decides.age if decides.age is not None else MAX_AGE if decides.keep_last is None else 0.0
        return self.since(file, decides.by) + age <= asof

    def since(self, file: File, by: By) -> float:
        if by is By.REGISTRATION or not file.there:
            return file.registered_at
        return max(file.registered_at, file.written_at, file.used_at if by is By.USE else -math.inf)

    def decides(self, file: File) -> Rule | None:
        """Return the first rule that is about a file; what has an end of its own is under none."""
        if file.due_at is not None or file.session:
            return None
        return next((one for one in self.rules if self.is_about(one, file)), None)

    def is_about(self, one: Rule, file: File) -> bool:
        matches = not one.match or any(fnmatch(file.name, pattern) for pattern in one.match)
        tagged = not one.tags or bool(set(one.tags) & set(file.tags))
        return matches and tagged and (one.larger is None or file.blocks * BLOCK >= one.larger)

    def beyond(self) -> set[str]:
        """Return what is not, or has once not been, among the newest of its rule."""
        found = {file.name for file in self.model.values() if file.beyond}
        for one in self.rules:
            if one.keep_last is not None:
                under = [file for file in self.model.values() if self.decides(file) is one and not file.beyond]
                newest = sorted(under, key=lambda file: (file.registered_at, file.number), reverse=True)
                found |= {file.name for file in newest[one.keep_last :]}
        return found

    def settle(self, done: Told, *, force: bool) -> None:
        for name in () if force else self.beyond():
            self.model[name].beyond = True
        for name, status in done.elements():
            if name.startswith(AWAY):
                self.away.remove(min(one for one in self.away if one[0] == name.removeprefix(AWAY)))
                continue
            file = self.model.pop(name)
            if status is Status.QUARANTINED:
                decides = self.decides(file)
                assert decides is not None
                assert decides.quarantine is not None
                self.away.append((name, self.clock.wall() + decides.quarantine))

    @invariant()
    def what_is_there_is_there(self) -> None:
        there = {path.name for path in self.base.iterdir() if path.is_file()}
        assert there == {name for name, file in self.model.items() if file.there}

    @invariant()
    def what_can_be_had_back_is_on_record(self) -> None:
        if self.durable:
            records = self.manager.context.restorer.quarantined()
            found = sorted((Path(record.origin).name, record.due_at) for record in records)
            assert found == sorted(self.away)


class RuledInSqlite(Ruled):
    registry = "sqlite:"
    durable = True


class RuledInMemory(Ruled):
    registry = "memory:"
    durable = False


TestRuledInSqlite = RuledInSqlite.TestCase
TestRuledInSqlite.settings = SETTINGS
TestRuledInMemory = RuledInMemory.TestCase
TestRuledInMemory.settings = SETTINGS
