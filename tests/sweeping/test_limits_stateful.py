"""Random histories of files, a session and limits, in lockstep with a model that looks at everything each time.

Nothing protected ever goes, whatever the limit; what goes is what brute force would take, in its order; and a dry run
foretells exactly that.
"""

import shutil
import tempfile
import time
from dataclasses import dataclass
from io import FileIO
from os import remove, utime
from pathlib import Path

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from histories import histories
from limited import BLOCK, Place, limit
from temp_file_manager import RecordsSettled
from temp_file_manager.limits import Limit, Measure
from temp_file_manager.records import Order, Status
from temp_file_manager.registering.hold import Hold
from temp_file_manager.testing import FakeClock

SETTINGS = settings(
    max_examples=histories(20), stateful_step_count=25, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
NAMES = st.sampled_from([f"f{number}" for number in range(12)])
SPARE = 20.0


@dataclass
class File:
    """A record, and what is true of its file."""

    number: int
    registered_at: float
    due_at: float | None
    tags: tuple[str, ...]
    blocks: int
    used_at: float
    there: bool = True
    pinned: bool = False
    session: bool = False

    @property
    def last_used(self) -> float:
        return max(self.registered_at, self.used_at)


class Limited(RuleBasedStateMachine):
    """A manager with a limit, on real files."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.mkdtemp()
        self.clock = FakeClock(float(int(time.time())))
        self.place = Place(Path(self.folder), self.clock)
        self.model: dict[str, File] = {}
        self.held: dict[str, Hold] = {}
        self.open: dict[str, FileIO] = {}
        self.count = 0
        self.removed: list[tuple[str, Status]] = []

    def hear(self, event: object) -> None:
        if isinstance(event, RecordsSettled):
            self.removed += [(Path(one.record.path).name, one.status) for one in event.outcomes]

    @initialize(
        measure=st.sampled_from([Measure.FILES, Measure.BYTES]),
        marks=st.tuples(st.integers(1, 8), st.integers(0, 8)),
        order=st.sampled_from([Order.OLDEST, Order.LEAST_USED, Order.LARGEST]),
        first=st.sampled_from([(), ("x",), ("x", "y")]),
        tags=st.sampled_from([(), ("y", "z")]),
        spare=st.sampled_from([0.0, SPARE]),
    )
    def begin(
        self,
        measure: Measure,
        marks: tuple[int, int],
        order: Order,
        first: tuple[str, ...],
        tags: tuple[str, ...],
        spare: float,
    ) -> None:
        mark, to = max(marks), min(marks)
        unit = BLOCK if measure is Measure.BYTES else 1
        self.limit: Limit = limit(measure, mark * unit, to * unit, order=order, first=first, tags=tags, spare=spare)
        self.manager = self.place.manager(self.limit, hooks=[self.hear])
        self.session = self.manager.session("living")

    def teardown(self) -> None:
        for file in self.open.values():
            file.close()
        self.place.close()
        shutil.rmtree(self.folder)

    # -- files

    @rule(
        name=NAMES,
        blocks=st.integers(1, 4),
        ttl=st.none() | st.integers(0, 60),
        tags=st.lists(st.sampled_from("xyz"), unique=True, max_size=2),
    )
    def register(self, name: str, blocks: int, ttl: int | None, tags: list[str]) -> None:
        if name in self.held or name in self.open:
            return
        path, now = Path(self.place.path(name)), self.clock.wall()
        path.write_bytes(bytes(blocks * BLOCK))
        utime(path, (now, now))
        self.manager.register_file(path, ttl=ttl, tags=tags)
        self.count += 1
        pinned = name in self.model and self.model[name].pinned
        due_at = None if ttl is None else now + ttl
        self.clock.advance(1)  # what is as old as another goes before or after it
        self.model[name] = File(self.count, now, due_at, tuple(tags), blocks, now, pinned=pinned)

    @rule(name=NAMES)
    def enter_session(self, name: str) -> None:
        """From now on it has no age, and goes for no limit; that is a registration, too."""
        if name in self.model and self.model[name].there:
            file = self.model[name]
            self.session.register_file(self.place.path(name), tags=file.tags)
            self.count += 1
            now = self.clock.wall()
            self.model[name] = File(
                self.count, now, None, file.tags, file.blocks, file.used_at, pinned=file.pinned, session=True
            )
            self.clock.advance(1)

    @rule(name=NAMES)
    def leave_session(self, name: str) -> None:
        if name in self.model and self.model[name].there and self.model[name].session:
            self.session.keep(self.place.path(name))
            self.count += 1
            file, now = self.model[name], self.clock.wall()
            self.model[name] = File(self.count, now, None, file.tags, file.blocks, file.used_at, pinned=file.pinned)
            self.clock.advance(1)

    @rule(name=NAMES)
    def vanish(self, name: str) -> None:
        if name in self.model and self.model[name].there and name not in self.open and name not in self.held:
            remove(self.place.path(name))
            self.model[name].there = False

    @rule(name=NAMES)
    def use(self, name: str) -> None:
        if name in self.model and self.model[name].there:
            now = self.clock.wall()
            utime(self.place.path(name), (now, now))
            self.model[name].used_at = now
            self.clock.advance(1)

    @rule(name=NAMES, pinned=st.booleans())
    def pin(self, name: str, pinned: bool) -> None:
        if name in self.model and self.model[name].there:
            (self.manager.pin if pinned else self.manager.unpin)(self.place.path(name))
            self.model[name].pinned = pinned

    @rule(name=NAMES)
    def hold(self, name: str) -> None:
        if name in self.held:
            self.held.pop(name).__exit__(None, None, None)
        elif name in self.model and self.model[name].there:
            self.held[name] = self.manager.hold(self.place.path(name))
            self.held[name].__enter__()

    @rule(name=NAMES)
    def open_or_close(self, name: str) -> None:
        if name in self.open:
            self.open.pop(name).close()
        elif name in self.model and self.model[name].there:
            self.open[name] = FileIO(self.place.path(name))

    @rule(seconds=st.integers(1, 40))
    def wait(self, seconds: int) -> None:
        self.clock.advance(seconds)

    # -- sweeping

    @precondition(lambda self: self.model)
    @rule()
    def sweep(self) -> None:
        expected = self.brute_force()
        dry = self.manager.sweep(protect_open=True, dry_run=True)
        foretold = [(Path(one.record.path).name, one.status) for one in dry.outcomes]
        self.removed = []
        report = self.manager.sweep(protect_open=True)
        assert foretold == self.removed
        assert (dry.removed, dry.evicted, dry.kept) == (report.removed, report.evicted, report.kept)
        gone = [name for name, status in self.removed if status in (Status.REMOVED, Status.GONE)]
        assert sorted(gone) == sorted(expected)  # of one claim, what waits the longest goes first
        for name in gone:
            del self.model[name]

    def due(self, file: File) -> bool:
        return file.due_at is not None and file.due_at <= self.clock.wall()

    def stays(self, name: str, file: File) -> bool:
        return file.pinned or file.session or name in self.held or (file.there and name in self.open)

    def brute_force(self) -> list[str]:
        """Return what goes, in order: what is due; then, one after the other, what is first among all that may."""
        due = [name for name, file in self.model.items() if self.due(file) and not self.stays(name, file)]
        gone = sorted(due, key=lambda name: (self.model[name].due_at, self.model[name].number))
        if self.measured(gone) > self.limit.mark.value:
            while self.measured(gone) > self.limit.to.value and (may := self.may_go(gone)):
                gone.append(min(may, key=self.place_of))
        return gone

    def measured(self, gone: list[str]) -> int:
        files = [file for name, file in self.model.items() if name not in gone and self.is_of_limit(file)]
        return len(files) if self.limit.measure is Measure.FILES else sum(file.blocks * BLOCK for file in files)

    def is_of_limit(self, file: File) -> bool:
        return not self.limit.tags or bool(set(self.limit.tags) & set(file.tags))

    def may_go(self, gone: list[str]) -> list[str]:
        now = self.clock.wall()
        return [
            name
            for name, file in self.model.items()
            if name not in gone
            and self.is_of_limit(file)
            and not self.stays(name, file)
            and not self.due(file)
            and now - file.registered_at >= self.limit.spare
        ]

    def place_of(self, name: str) -> tuple[bool, float, int]:
        file = self.model[name]
        keys = {
            Order.OLDEST: file.registered_at,
            Order.LEAST_USED: file.last_used,
            Order.LARGEST: -file.blocks,
        }
        return set(self.limit.first).isdisjoint(file.tags), keys[self.limit.order], file.number

    @invariant()
    def what_is_there_is_there(self) -> None:
        assert set(self.place.left()) == {name for name, file in self.model.items() if file.there}


TestLimited = Limited.TestCase
TestLimited.settings = SETTINGS
