"""Measuring: the registry's sums are what the disk says, at a pace, by one process, and nothing is ever removed."""

import logging
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from contexts import MakeManager, jobs_of
from histories import histories
from temp_file_manager import TempFileManager, jobs
from temp_file_manager.causes import Cause
from temp_file_manager.errors import RegistryError, RegistryFullError
from temp_file_manager.events import Event, RecordsSettled
from temp_file_manager.records import Measured, Selection, Status, TempFile
from temp_file_manager.registry import Page
from temp_file_manager.registry.sqlite.registry import SqliteRegistry
from temp_file_manager.storage.build import build_gone
from temp_file_manager.storage.contract import Removal, Storage
from temp_file_manager.sweeping.measuring import LONGEST, ROUND, SHARE, SHORTEST, SLICE, TURN, Measuring
from temp_file_manager.sweeping.scheduler import MEASURE, WATCH
from temp_file_manager.sweeping.sweep import Sweeper
from temp_file_manager.sweeping.walk import PAGE
from temp_file_manager.testing import FakeClock, in_child


def never() -> bool:
    return False


@pytest.fixture
def manager(make_manager: MakeManager) -> TempFileManager:
    return make_manager(max_age=1e9)


def measure(manager: TempFileManager, clock: FakeClock) -> None:
    """Measure all files once more; the clock stands still meanwhile, so that one slice comes round."""
    clock.advance(ROUND)
    began = clock.wall()
    manager.context.measuring.slice(never)
    assert manager.context.measuring.age() == clock.wall() - began


def kept(manager: TempFileManager) -> int:
    told = manager.registry.stats().bytes
    assert told is not None
    return told


def known(manager: TempFileManager, path: object) -> TempFile:
    return manager.registry.get([str(path)])[str(path)]


def on_disk(paths: list[str]) -> int:
    """Return what ``du`` says of files: each is counted once, by whatever names."""
    found = {entry.st_ino: 512 * entry.st_blocks for entry in map(os.lstat, paths)}
    return sum(found.values())


def make(folder: Path, name: str, size: int = 5) -> str:
    path = folder / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(b"x" * size)
    return str(path)


# -- sums


class Files:
    """What happens to registered files: each way is a method, which is told a number to choose by."""

    def __init__(self, manager: TempFileManager) -> None:
        self.manager = manager
        self.names = 0

    def new(self) -> str:
        self.names += 1
        return os.path.join(self.manager.base_dir, f"{self.names}")

    def one(self, number: int) -> str | None:
        there = sorted(path for path in self.manager.files if os.path.lexists(path))
        return there[number % len(there)] if there else None

    def registered(self, number: int) -> None:
        path = self.new()
        Path(path).write_bytes(b"x" * number)
        self.manager.register_file(path)

    def by_mkstemp(self, number: int) -> None:
        fd, _ = self.manager.mkstemp()
        os.write(fd, b"x" * number)
        os.close(fd)

    def by_open(self, number: int) -> None:
        with self.manager.open() as file:
            file.write(b"x" * number)

    def grown(self, number: int) -> None:
        if path := self.one(number):
            with open(path, "ab") as file:
                file.write(b"x" * number)

    def with_holes(self, number: int) -> None:
        if path := self.one(number):
            os.truncate(path, number << 10)

    def with_another_name(self, number: int) -> None:
        if path := self.one(number):
            other = self.new()
            os.link(path, other)
            self.manager.register_file(other)

    def gone(self, number: int) -> None:
        if path := self.one(number):
            os.remove(path)

    def renamed_over(self, number: int) -> None:
        if (path := self.one(number)) and (other := self.one(number // 7)):
            os.rename(other, path)

    def rewritten(self, number: int) -> None:
        if path := self.one(number):
            Path(path + ".new").write_bytes(b"x" * (number // 2))
            os.rename(path + ".new", path)


WAYS = [name for name in vars(Files) if not name.startswith("_") and name not in ("new", "one")]
STEPS = st.lists(st.tuples(st.sampled_from(WAYS), st.integers(0, 100_000)), max_size=25)


@settings(max_examples=histories(60), deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(before=STEPS, after=STEPS)
def test_after_a_round_the_kept_sum_is_what_the_disk_says(
    before: list[tuple[str, int]], after: list[tuple[str, int]]
) -> None:
    clock = FakeClock()
    with (
        tempfile.TemporaryDirectory() as folder,
        closing(TempFileManager(folder, 1e9, registry="sqlite:", clock=clock)) as manager,
    ):
        files = Files(manager)
        for steps in (before, after):
            for way, number in steps:
                getattr(files, way)(number)
            there = {entry.path for entry in os.scandir(folder) if entry.is_file()}
            measure(manager, clock)
            assert set(manager.files) == there, "what is gone is forgotten, and nothing else"
            # A file's part for each of its names is a whole number.
            assert abs(kept(manager) - on_disk(sorted(there))) < len(there) + 1
            assert {entry.path for entry in os.scandir(folder) if entry.is_file()} == there


def test_forecast_and_freed_bytes_are_true(manager: TempFileManager, clock: FakeClock) -> None:
    fd, path = manager.mkstemp()
    os.write(fd, b"x" * 100_000)
    os.close(fd)
    measure(manager, clock)
    assert sum(manager.registry.forecast(manager.context.due(), (60.0,)).bytes) == on_disk([path]) >= 100_000
    freed = on_disk([path])
    manager.clear_all()
    assert manager.registry.stats().counters["freed_bytes"] == freed
    assert kept(manager) == 0


def test_a_use_is_noted_and_moves_no_time(manager: TempFileManager, clock: FakeClock, tmp_path: Path) -> None:
    path = make(tmp_path, "file")
    manager.register_file(path)
    os.utime(path, (clock.wall() + 40, clock.wall() + 20))
    measure(manager, clock)
    assert known(manager, path).used_at == clock.wall() - ROUND + 40
    assert os.stat(path).st_atime == clock.wall() - ROUND + 40


# -- what is gone


def test_what_is_gone_is_counted_as_gone_and_told(make_manager: MakeManager, clock: FakeClock, tmp_path: Path) -> None:
    heard: list[Event] = []
    manager = make_manager(hooks=[heard.append], max_age=1e9)
    paths = [make(tmp_path, name) for name in ("gone", "there")]
    manager.register_files(paths)
    os.remove(paths[0])
    heard.clear()
    measure(manager, clock)
    assert list(manager.files) == [paths[1]]
    assert {name: manager.registry.stats().counters.get(name, 0) for name in ("gone", "removed")} == {
        "gone": 1,
        "removed": 0,
    }
    (settled,) = [event for event in heard if isinstance(event, RecordsSettled)]
    assert [(one.record.path, one.status, one.cause) for one in settled.outcomes] == [
        (paths[0], Status.GONE, Cause.GONE)
    ]
    heard.clear()
    measure(manager, clock)
    assert heard == [], "nothing is told of a round that finds nothing"


def test_more_than_a_claim_takes_may_be_gone(manager: TempFileManager, clock: FakeClock, tmp_path: Path) -> None:
    paths = [make(tmp_path / "files", str(number)) for number in range(2 * PAGE + 3)]
    manager.register_files(paths)
    for path in paths[1:]:
        os.remove(path)
    measure(manager, clock)
    assert list(manager.files) == paths[:1]


def test_where_the_directory_is_another_nothing_is_forgotten(
    manager: TempFileManager, clock: FakeClock, tmp_path: Path
) -> None:
    path = make(tmp_path / "files", "file", 100_000)
    manager.register_file(path)
    before = kept(manager)
    os.rename(tmp_path / "files", tmp_path / "elsewhere")
    os.mkdir(tmp_path / "files")
    measure(manager, clock)
    assert list(manager.files) == [path]
    assert kept(manager) == before


def test_what_is_pinned_stays_on_record(manager: TempFileManager, clock: FakeClock, tmp_path: Path) -> None:
    path = make(tmp_path, "file")
    manager.register_file(path)
    manager.pin(path)
    os.remove(path)
    measure(manager, clock)
    assert list(manager.files) == [path]


class Returning:
    """A storage before whose every work something happens."""

    def __init__(self, storage: Storage, happens: Callable[[], object]) -> None:
        self.predict = storage.predict
        self._storage = storage
        self._happens = happens

    def remove(self, removal: Removal) -> None:
        self._happens()
        self._storage.remove(removal)


def measuring_with(manager: TempFileManager, storage: Storage) -> Measuring:
    context = manager.context
    sweeper = Sweeper(context.registry, context.clock, context.hooks)
    return Measuring(context.registry, context.clock, sweeper, storage, context.closed)


@pytest.mark.parametrize("others", [0, 2])
def test_a_file_that_came_back_stays_with_its_record(manager: TempFileManager, tmp_path: Path, others: int) -> None:
    """It was elsewhere when it was looked at, and is back before the sweep that is to forget it looks again."""
    path, aside = make(tmp_path, "file"), str(tmp_path / "aside")
    gone = [make(tmp_path, f"gone {number}") for number in range(others)]
    manager.register_files([path, *gone])
    generation = known(manager, path).generation
    for one in gone:
        os.remove(one)
    os.rename(path, aside)
    came_back: list[int] = []

    def back() -> None:
        came_back.append(1)
        if os.path.exists(aside):
            os.rename(aside, path)

    storage = build_gone(manager.context.settings, manager.base_dir, manager.context.clock)
    measuring_with(manager, Returning(storage, back)).slice(never)
    assert os.path.exists(path)
    assert list(manager.files) == [path]
    assert known(manager, path).generation == generation
    assert len(came_back) == 1, "and no sweep goes round and round"


def test_a_file_that_is_registered_again_meanwhile_stays_on_record(manager: TempFileManager, tmp_path: Path) -> None:
    path = make(tmp_path, "file")
    manager.register_file(path)
    os.remove(path)
    registry = manager.registry
    real = registry.measured

    def again(found: list[Measured]) -> None:
        real(found)
        make(tmp_path, "file")
        manager.register_file(path)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(registry, "measured", again)
        manager.context.measuring.slice(never)
    assert os.path.exists(path)
    assert list(manager.files) == [path]


# -- pace


class Slow(SqliteRegistry):
    """A registry on whose clock each record of a page takes a time to look at."""

    def __init__(self, path: str, base: str, clock: FakeClock, seconds: float) -> None:
        super().__init__(path, base)
        self.clock = clock
        self.seconds = seconds
        self.looked: list[int] = []

    def page(self, selection: Selection | None, *, now: float, limit: int, after: object | None = None) -> Page:
        page = super().page(selection, now=now, limit=limit, after=after)
        self.clock.advance(self.seconds * len(page.records))
        self.looked += [record.generation for record in page.records]
        return page


@contextmanager
def slow_manager(
    tmp_path: Path, clock: FakeClock, seconds: float, files: int
) -> Iterator[tuple[TempFileManager, Slow]]:
    folder = tmp_path / "files"
    folder.mkdir()
    registry = Slow(str(tmp_path / "registry.db"), str(tmp_path / "base"), clock, seconds)
    with closing(TempFileManager(tmp_path / "base", 1e9, registry=registry, clock=clock)) as manager:
        manager.register_files([make(folder, str(number)) for number in range(files)])
        yield manager, registry


@pytest.mark.parametrize("seconds", [1e-5, 1e-4, 1e-3])
def test_it_takes_a_hundredth_of_the_time(tmp_path: Path, clock: FakeClock, seconds: float) -> None:
    with slow_manager(tmp_path, clock, seconds, 4 * PAGE) as (manager, _):
        measuring, worked, began = manager.context.measuring, 0.0, clock.elapsed()
        while clock.elapsed() - began < 10 * ROUND:
            before = clock.elapsed()
            rest = measuring.slice(never)
            worked += clock.elapsed() - before
            assert SHORTEST <= rest == measuring.rest <= LONGEST
            clock.advance(rest)
        assert 0 < worked <= SHARE * (clock.elapsed() - began)
        assert measuring.age() is not None


def test_a_slice_ends_with_the_page_in_hand(tmp_path: Path, clock: FakeClock) -> None:
    with slow_manager(tmp_path, clock, SLICE / PAGE, 3 * PAGE) as (manager, registry):
        manager.context.measuring.slice(never)
        assert len(registry.looked) == PAGE
        assert manager.context.measuring.age() is None


def test_it_stops_when_it_is_told_to(tmp_path: Path, clock: FakeClock) -> None:
    with slow_manager(tmp_path, clock, 0, 3 * PAGE) as (manager, registry):
        manager.context.measuring.slice(lambda: len(registry.looked) >= PAGE)
        assert len(registry.looked) == PAGE


def test_what_was_a_wait_and_no_work_makes_no_rest_of_days(tmp_path: Path, clock: FakeClock) -> None:
    """A machine that slept meanwhile, say: the clock goes on."""
    with slow_manager(tmp_path, clock, 3600, 10) as (manager, _):
        assert manager.context.measuring.slice(never) == LONGEST


def test_the_newest_come_first(tmp_path: Path, clock: FakeClock) -> None:
    with slow_manager(tmp_path, clock, 0, 2 * PAGE + 3) as (manager, registry):
        measure(manager, clock)
        registry.seconds = SLICE / PAGE
        clock.advance(ROUND)
        manager.context.measuring.slice(never)  # a page of the next round
        fd, path = manager.mkstemp()
        os.write(fd, b"x" * 100_000)
        os.close(fd)
        registry.looked.clear()
        clock.advance(SHORTEST)
        manager.context.measuring.slice(never)
        assert known(manager, path).disk == on_disk([path])
        assert len(registry.looked) <= 2 * PAGE, "and not all the others before"


def test_files_that_come_faster_than_they_are_looked_at_keep_no_round_from_its_end(
    tmp_path: Path, clock: FakeClock
) -> None:
    with slow_manager(tmp_path, clock, 0, 2 * PAGE) as (manager, registry):
        measure(manager, clock)
        registry.seconds = SLICE / PAGE
        grown, age = make(tmp_path / "files", "0", 100_000), clock.wall()
        for turn in range(10):
            clock.advance(ROUND / 3)
            manager.register_files([make(tmp_path / f"new {turn}", str(number)) for number in range(PAGE + 1)])
            manager.context.measuring.slice(never)
        assert known(manager, grown).disk == on_disk([grown])
        told = manager.context.measuring.age()
        assert told is not None
        assert told < clock.wall() - age


# -- how old the knowledge is


def test_the_age_is_since_the_last_complete_round_began(tmp_path: Path, clock: FakeClock) -> None:
    with slow_manager(tmp_path, clock, SLICE / PAGE, 2 * PAGE + 3) as (manager, registry):
        measuring, began = manager.context.measuring, clock.wall()
        assert measuring.age() is None
        while measuring.age() is None:
            measuring.slice(never)
            clock.advance(measuring.rest)
        assert measuring.age() == clock.wall() - began
        clock.advance(1000)
        assert measuring.age() == clock.wall() - began
        other = SqliteRegistry(registry.transactions.database.path, str(tmp_path / "base"))
        with closing(TempFileManager(tmp_path / "base", registry=other, clock=clock)) as restarted:
            assert restarted.context.measuring.age() == clock.wall() - began
        clock.set(wall=0.0)
        assert measuring.age() == 0


def test_in_memory_there_is_nothing_to_measure(make_manager: MakeManager, clock: FakeClock) -> None:
    memory, durable = make_manager("memory", registry="memory:"), make_manager("durable")
    assert memory.context.measuring.age() is None
    alone = {job.name for job in jobs.jobs(durable.context)} - {job.name for job in jobs.jobs(memory.context)}
    assert alone == {MEASURE, WATCH}, "nor to adopt"


def test_a_started_manager_measures(manager: TempFileManager, clock: FakeClock) -> None:
    with manager.open() as file:
        file.write(b"x" * 100_000)
    manager.start()
    clock.until_waiting(jobs_of(manager))
    assert kept(manager) == on_disk([file.name])
    with open(file.name, "ab") as more:
        more.write(b"x" * 100_000)
    clock.advance(ROUND)
    clock.until_waiting(jobs_of(manager))
    assert kept(manager) == on_disk([file.name]) >= 200_000
    assert manager.stop()
    assert manager.context.scheduler.state(MEASURE).failures == 0


# -- who measures


def test_one_of_those_who_share_a_registry_measures(make_manager: MakeManager, clock: FakeClock) -> None:
    one, other = (make_manager(max_age=1e9) for _ in range(2))
    fd, path = one.mkstemp()
    os.write(fd, b"x" * 100_000)
    one.context.measuring.slice(never)
    os.write(fd, b"x" * 100_000)
    os.close(fd)
    clock.advance(ROUND)
    assert 0 < other.context.measuring.slice(never) <= LONGEST
    assert known(one, path).disk != on_disk([path]), "it is not the other's turn"
    assert in_child(lambda: one.context.measuring.slice(never)) <= LONGEST
    assert known(one, path).disk != on_disk([path]), "nor a forked child's"
    clock.advance(TURN)
    other.context.measuring.slice(never)
    assert known(one, path).disk == on_disk([path]), "the one has said nothing for long"


def test_it_stays_the_turn_of_whoever_goes_on(make_manager: MakeManager, clock: FakeClock) -> None:
    one, other = (make_manager(max_age=1e9) for _ in range(2))
    for _ in range(10):
        one.context.measuring.slice(never)
        clock.advance(LONGEST)
        assert other.context.measuring.slice(never) <= LONGEST
        assert one.context.measuring.age() == LONGEST, "the other does not look"


def test_a_turn_of_before_the_machine_was_started_has_ended(make_manager: MakeManager, clock: FakeClock) -> None:
    clock.set(elapsed=1e6)
    one, other = (make_manager(max_age=1e9) for _ in range(2))
    one.context.measuring.slice(never)
    clock.set(elapsed=10.0)
    with one.open() as file:
        file.write(b"x" * 100_000)
    other.context.measuring.slice(never)
    assert known(one, file.name).disk == on_disk([file.name])


def test_while_somebody_measures_nobody_else_does(manager: TempFileManager, clock: FakeClock) -> None:
    with manager.registry.exclusive("measure") as alone:
        assert alone
        assert manager.context.measuring.slice(never) == SHORTEST
    assert manager.context.measuring.age() is None


# -- trouble


@pytest.mark.parametrize("what", ["measured", "write"])
def test_a_full_disk_is_no_trouble(
    manager: TempFileManager, clock: FakeClock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    """Files that are gone give room, and what could not be noted is looked at again."""
    paths = [make(tmp_path, name, 5) for name in ("gone", "there")]
    manager.register_files(paths)
    os.remove(paths[0])
    make(tmp_path, "there", 100_000)

    def full(*_: object, **__: object) -> None:
        raise RegistryFullError("on purpose")

    with monkeypatch.context() as patch:
        patch.setattr(manager.registry, what, full)
        manager.context.measuring.slice(never)
    assert list(manager.files) == paths[1:]
    measure(manager, clock)
    assert kept(manager) == on_disk(paths[1:])


def test_a_registry_that_cannot_be_used_is_told_of_once_a_minute(
    manager: TempFileManager, clock: FakeClock, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise RegistryError("on purpose")

    manager.start()
    clock.until_waiting(jobs_of(manager))
    monkeypatch.setattr(manager.registry, "exclusive", broken)
    for _ in range(4):
        clock.advance(LONGEST / 2)
        clock.until_waiting(jobs_of(manager))
    assert manager.stop()
    told = [record for record in caplog.records if "Files were not measured: on purpose" in record.getMessage()]
    assert [record.levelno for record in told] == [logging.WARNING] * 2


def test_whose_turn_it_is_is_not_said_with_each_slice(manager: TempFileManager, clock: FakeClock) -> None:
    def said() -> float:
        return manager.registry.read("measure", limit=1)[0].at

    manager.context.measuring.slice(never)
    first = said()
    clock.advance(5)
    manager.context.measuring.slice(never)
    assert said() == first
    clock.advance(TURN / 2)
    manager.context.measuring.slice(never)
    assert said() == first + 5 + TURN / 2
