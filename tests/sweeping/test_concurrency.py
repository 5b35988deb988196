"""Threads, interrupts and slow removals: nothing lost, nothing removed twice, nobody waits who need not.

No test sleeps: each waits for the very event it needs, and gives up after ``PATIENCE``.
"""

import itertools
import logging
import os
import threading
from collections import Counter
from collections.abc import Callable
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from temp_file_manager.storage.in_flight import IN_FLIGHT

from temp_file_manager import TempFileManager
from temp_file_manager.events import Event, FilesRegistered, RecordsSettled, SweepFinished
from temp_file_manager.records import Status
from temp_file_manager.sweeping.sweep import CHUNK
from temp_file_manager.testing import NOW, FakeClock

PATIENCE = 60.0
"""Real seconds after which a test that waits for something fails: far more than it ever takes."""


class TickingClock(FakeClock):
    """A clock that never gives the same time twice, so that a time names a registration."""

    def __init__(self) -> None:
        super().__init__()
        self._ticks = itertools.count()

    def wall(self) -> float:
        return NOW + next(self._ticks) / 2**20


class Workers:
    """Threads whose errors are the test's."""

    def __init__(self) -> None:
        self.errors: list[BaseException] = []
        self.threads: list[threading.Thread] = []

    def start(self, work: Callable[..., Any], *args: Any) -> threading.Thread:
        def run() -> None:
            try:
                work(*args)
            except BaseException as error:
                self.errors.append(error)

        thread = threading.Thread(target=run, daemon=True)
        self.threads.append(thread)
        thread.start()
        return thread

    def join(self) -> None:
        for thread in self.threads:
            thread.join(PATIENCE)
            assert not thread.is_alive(), "a thread hangs"
        for error in self.errors:
            raise error


@pytest.fixture
def workers() -> Workers:
    return Workers()


class Stage:
    """Replaces ``os.remove``: what ``at`` names is removed only after ``release``; all removals are listed."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.real = os.remove
        self.removed: list[str] = []
        self.at = ""
        self.reached = threading.Event()
        self.released = threading.Event()
        self.before: Callable[[str], None] = lambda _: None
        monkeypatch.setattr(os, "remove", self.remove)

    def remove(self, path: str) -> None:
        self.before(path)
        if path == self.at:
            self.reached.set()
            assert self.released.wait(PATIENCE)
        self.real(path)
        self.removed.append(path)

    @contextmanager
    def holding(self, path: str, manager: TempFileManager, workers: Workers) -> Any:
        """Be in the middle of a cleanup that is just removing ``path``."""
        self.at = path
        workers.start(manager.cleanup)
        assert self.reached.wait(PATIENCE)
        try:
            yield
        finally:
            self.released.set()
        workers.join()


@pytest.fixture
def stage(monkeypatch: pytest.MonkeyPatch) -> Stage:
    return Stage(monkeypatch)


@pytest.fixture
def events() -> list[Event]:
    return []


@pytest.fixture
def manager(tmp_path: Path, clock: FakeClock, events: list[Event]) -> TempFileManager:
    return TempFileManager(tmp_path, 100, clock=clock, hooks=[events.append])


def make(base: Path, name: str) -> str:
    path = base / name
    path.write_text("x")
    return str(path)


def old_files(manager: TempFileManager, clock: FakeClock, base: Path, count: int) -> list[str]:
    """Register files that are due, the first the longest."""
    paths = [make(base, f"{number:03}") for number in range(count)]
    for number, path in enumerate(paths):
        manager.register_file(path)
        manager.files[path] = clock.wall() - 1000 + number
    return paths


# -- many threads ----------------------------------------------------------------------------------------------


def test_ten_threads_register_a_hundred_files_each(tmp_path: Path, manager: TempFileManager, workers: Workers) -> None:
    def register(thread: int) -> None:
        for number in range(100):
            manager.register_file(make(tmp_path, f"{thread}-{number}"))

    for thread in range(10):
        workers.start(register, thread)
    workers.join()
    assert len(manager.files) == 1000
    assert manager.clear_all() == 1000
    assert os.listdir(tmp_path) == []


def test_registrations_race_two_cleaners(tmp_path: Path, stage: Stage, workers: Workers) -> None:
    events: list[Event] = []
    manager = TempFileManager(tmp_path, 0, clock=TickingClock(), hooks=[events.append])
    done = threading.Event()
    counted: list[int] = []

    def clean() -> None:
        while not done.is_set():
            counted.append(manager.cleanup())

    def register(thread: int) -> None:
        for number in range(100):
            manager.register_file(make(tmp_path, f"{thread}-{number}"))

    registering = [workers.start(register, thread) for thread in range(10)]
    workers.start(clean)
    workers.start(clean)
    for thread in registering:
        thread.join(PATIENCE)
    done.set()
    workers.join()
    counted.append(manager.cleanup())
    assert sum(counted) == 1000
    assert len(stage.removed) == len(set(stage.removed)) == 1000
    outcomes = settled(events)
    assert Counter(outcome.status for outcome in outcomes) == {Status.REMOVED: 1000}
    assert os.listdir(tmp_path) == []
    assert manager.files == {}


def settled(events: list[Event]) -> list[Any]:
    return [outcome for event in events if isinstance(event, RecordsSettled) for outcome in event.outcomes]


def test_registering_again_races_a_sweep(tmp_path: Path, workers: Workers) -> None:
    """Each registration that succeeded is removed by a sweep of that very registration, or its file is there."""
    clock = TickingClock()
    outcomes: list[Any] = []
    here = threading.local()

    def hear(event: Event) -> None:
        if isinstance(event, RecordsSettled):
            outcomes.extend(event.outcomes)
        elif isinstance(event, FilesRegistered):
            here.succeeded = True

    manager = TempFileManager(tmp_path, 0, clock=clock, hooks=[hear])
    done = threading.Event()
    lost: list[tuple[str, float]] = []
    registrations = Counter[bool]()

    def clean() -> None:
        while not done.is_set():
            manager.cleanup()

    def register_over_and_over(name: str) -> None:
        path = str(tmp_path / name)
        vanished: list[float] = []
        for _ in range(300):
            with open(path, "w") as file:
                file.write("x")
            here.succeeded = False
            earliest = clock.wall()
            manager.register_file(path)
            latest = clock.wall()
            registrations[here.succeeded] += 1
            if here.succeeded and not os.path.exists(path):
                vanished.append(earliest)
                spans.append((path, earliest, latest))

    spans: list[tuple[str, float, float]] = []
    registering = [workers.start(register_over_and_over, f"f{number}") for number in range(4)]
    workers.start(clean)
    workers.start(clean)
    for thread in registering:
        thread.join(PATIENCE)
    done.set()
    workers.join()
    manager.cleanup()

    removed = Counter((o.record.path, float(o.record.registered_at)) for o in outcomes if o.status is Status.REMOVED)
    assert set(removed.values()) == {1}, "a registration was removed twice"
    for path, earliest, latest in spans:
        if not any(where == path and earliest < when < latest for where, when in removed):
            lost.append((path, earliest))
    assert not lost, f"{len(lost)} of {registrations[True]} files were lost though their registration succeeded"
    assert registrations[True] > 600, "most registrations succeed"
    assert os.listdir(tmp_path) == []


def test_a_file_removed_between_the_look_and_the_record_is_refused(
    tmp_path: Path, manager: TempFileManager, clock: FakeClock, monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    """The whole removal fits between the two; there is no mark any more when the record is written."""
    (path,) = old_files(manager, clock, tmp_path, 1)
    real, looks = os.path.isfile, []

    def looked(where: str) -> bool:
        answer = real(where)
        looks.append(where)
        if len(looks) == 1:
            assert manager.cleanup() == 1
        return answer

    monkeypatch.setattr(os.path, "isfile", looked)
    manager.register_file(path)
    assert not manager.is_temp_file(path)
    assert f"Attempted to register non-existent file: {path}" in caplog.text


# -- registering while a removal takes its time ------------------------------------------------------------------


def test_registering_waits_for_no_removal_of_another_path(
    tmp_path: Path, manager: TempFileManager, clock: FakeClock, stage: Stage, workers: Workers
) -> None:
    paths = old_files(manager, clock, tmp_path, 3)
    with stage.holding(paths[0], manager, workers):
        manager.register_file(make(tmp_path, "new"))
        assert manager.register_files([make(tmp_path, "newer"), paths[2]]).registered == 2
        assert manager.is_temp_file(tmp_path / "new")
        assert stage.removed == []
    # paths[2] was registered again while the sweep held it: it stays.
    assert stage.removed == paths[:2]
    assert sorted(os.path.basename(path) for path in manager.files) == ["002", "new", "newer"]
    assert os.path.exists(paths[2])


@pytest.mark.parametrize("batch", [False, True])
def test_registering_a_path_waits_for_its_own_removal(
    tmp_path: Path, manager: TempFileManager, clock: FakeClock, stage: Stage, workers: Workers,
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch, batch: bool,
) -> None:  # fmt: skip
    paths = old_files(manager, clock, tmp_path, 2)
    waiting = threading.Event()
    real: Callable[[str], Any] = IN_FLIGHT.wait
    reports: list[Any] = []

    def wait(path: str) -> Any:
        if path == paths[0]:
            waiting.set()
        return real(path)

    monkeypatch.setattr(IN_FLIGHT, "wait", wait)
    with stage.holding(paths[0], manager, workers):
        register = (lambda: reports.append(manager.register_files([paths[0]]))) if batch else (
            lambda: manager.register_file(paths[0])
        )  # fmt: skip
        registering = workers.start(register)
        assert waiting.wait(PATIENCE)
        assert manager.is_temp_file(paths[0]), "the record is written before the wait"
        assert registering.is_alive()
        assert "Attempted" not in caplog.text
    assert not manager.is_temp_file(paths[0])
    assert f"Attempted to register non-existent file: {paths[0]}" in caplog.text
    if batch:
        assert (reports[0].registered, [path for path, _ in reports[0].refused]) == (0, [paths[0]])


def test_a_file_that_could_not_be_removed_meanwhile_is_registered(
    tmp_path: Path, manager: TempFileManager, clock: FakeClock, stage: Stage, workers: Workers,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    (path,) = old_files(manager, clock, tmp_path, 1)
    waiting = threading.Event()
    real: Callable[[str], Any] = IN_FLIGHT.wait

    def fail(_: str) -> None:
        raise PermissionError("on purpose")

    def wait(path: str) -> Any:
        waiting.set()
        return real(path)

    monkeypatch.setattr(IN_FLIGHT, "wait", wait)
    with stage.holding(path, manager, workers):
        stage.real = fail  # type: ignore[assignment]  # raises instead
        workers.start(manager.register_file, path)
        assert waiting.wait(PATIENCE)
    assert manager.get_file_age(path) == 0
    record = manager.status(path).record
    assert record is not None
    assert record.failures == 0, "the failure was that of the record before"


def test_who_holds_the_lock_can_ask_while_a_sweep_runs(
    tmp_path: Path, manager: TempFileManager, clock: FakeClock, stage: Stage, workers: Workers
) -> None:
    paths = old_files(manager, clock, tmp_path, 3)
    answers: list[Any] = []

    def ask() -> None:
        with manager.lock:
            answers.append(manager.get_file_age(paths[1]))
            answers.append(manager.is_temp_file(paths[1]))
            answers.append(manager.status(paths[1]).due)
            answers.append(list(manager.files))
            answers.append(len(manager.files.items()))
            manager.files[paths[2]] = clock.wall()
            del manager.files[paths[1]]

    with stage.holding(paths[0], manager, workers):
        asking = workers.start(ask)
        asking.join(PATIENCE)
        assert not asking.is_alive(), "it waits for the sweep"
    assert answers == [999, True, True, paths, 3]
    assert stage.removed == [paths[0]], "what the holder wrote and deleted counts at once"
    assert manager.files == {paths[2]: clock.wall()}


def test_the_lock_is_free_during_a_removal(
    tmp_path: Path, manager: TempFileManager, clock: FakeClock, stage: Stage, workers: Workers
) -> None:
    (path,) = old_files(manager, clock, tmp_path, 1)
    with stage.holding(path, manager, workers):
        assert manager.lock.acquire(timeout=PATIENCE)
        manager.lock.release()


def test_a_writer_without_the_lock_breaks_no_sweep(tmp_path: Path, manager: TempFileManager, workers: Workers) -> None:
    """The specification's own recipes delete from ``files`` without it."""
    done = threading.Event()
    files = manager.files

    def write() -> None:
        while not done.is_set():
            for number in range(300):
                files[f"/nowhere/{number}"] = NOW + 1e9
            for number in range(300):
                files.pop(f"/nowhere/{number}", None)

    for number in range(3000):
        files[f"/elsewhere/{number}"] = NOW + 1e9
    workers.start(write)
    try:
        for _ in range(60):
            manager.sweep(force=True, limit=1)
    finally:
        done.set()
    workers.join()
    manager.clear_all()
    assert manager.files == {}


# -- leases, interrupts, hooks -----------------------------------------------------------------------------------


@pytest.mark.parametrize("force", [False, True])
def test_a_slow_sweep_lets_go_at_half_its_lease(
    tmp_path: Path, manager: TempFileManager, clock: FakeClock, events: list[Event], stage: Stage, force: bool
) -> None:
    """What is left of the chunk is skipped, and done in the next one."""
    paths = old_files(manager, clock, tmp_path, 10)

    def take_long(path: str) -> None:
        if path == paths[3]:
            clock.advance(30)

    stage.before = take_long
    report = manager.sweep(force=force)
    chunks = [event.outcomes for event in events if isinstance(event, RecordsSettled)]
    assert [outcome.status for outcome in chunks[0]] == [Status.REMOVED] * 4 + [Status.SKIPPED] * 6
    assert [outcome.record.path for outcome in chunks[1]] == paths[4:]
    assert (report.removed, report.skipped, report.stopped) == (10, 6, "")
    assert stage.removed == paths
    assert manager.files == {}


def test_just_below_half_a_lease_goes_on(
    tmp_path: Path, manager: TempFileManager, clock: FakeClock, events: list[Event], stage: Stage
) -> None:
    paths = old_files(manager, clock, tmp_path, 10)
    stage.before = lambda path: clock.advance(29.75) if path == paths[3] else None
    assert manager.sweep().skipped == 0


def test_a_stalled_sweeper_leaves_alone_what_another_took_over(
    tmp_path: Path, manager: TempFileManager, clock: FakeClock, stage: Stage, workers: Workers
) -> None:
    paths = old_files(manager, clock, tmp_path, 5)
    with stage.holding(paths[0], manager, workers):
        clock.advance(60)
        stage.at = ""
        assert manager.cleanup() == 5
    # The stalled one's own remove finds nothing: each file is removed once.
    assert sorted(stage.removed) == paths


@pytest.mark.parametrize("interrupt", [KeyboardInterrupt, SystemExit, GeneratorExit])
def test_an_interrupt_in_a_chunk_loses_no_record(
    tmp_path: Path, manager: TempFileManager, clock: FakeClock, stage: Stage, interrupt: type[BaseException]
) -> None:
    paths = old_files(manager, clock, tmp_path, 2 * CHUNK)

    def stop(path: str) -> None:
        if path == paths[20]:
            stage.before = lambda _: None
            raise interrupt

    stage.before = stop
    with pytest.raises(interrupt):
        manager.cleanup()
    assert list(manager.files) == paths[20:]
    assert manager.cleanup() == 2 * CHUNK - 20
    assert os.listdir(tmp_path) == []
    assert stage.removed == paths


def test_after_an_interrupt_the_path_can_be_registered(
    tmp_path: Path, manager: TempFileManager, clock: FakeClock, stage: Stage, workers: Workers
) -> None:
    """Also while the exception is being handled: its traceback keeps the sweep's frames alive."""
    paths = old_files(manager, clock, tmp_path, 2)

    def stop(_: str) -> None:
        raise KeyboardInterrupt

    stage.before = stop
    with pytest.raises(KeyboardInterrupt) as caught:
        manager.cleanup()
    workers.start(manager.register_file, paths[0])
    try:
        workers.join()
    finally:
        IN_FLIGHT.reset()  # a thread that hangs must not make the tests after it hang
    assert caught.value.__traceback__ is not None
    assert manager.get_file_age(paths[0]) == 0


def test_a_hook_that_raises_is_alone_with_it(
    tmp_path: Path, clock: FakeClock, caplog: pytest.LogCaptureFixture
) -> None:
    heard: list[Event] = []

    def broken(event: Event) -> None:
        raise RuntimeError("on purpose")

    manager = TempFileManager(tmp_path, 100, clock=clock, hooks=[broken, heard.append])
    paths = old_files(manager, clock, tmp_path, 2)
    with caplog.at_level(logging.ERROR):
        assert manager.cleanup() == 2
    assert [type(event) for event in heard] == [FilesRegistered, FilesRegistered, RecordsSettled, SweepFinished]
    assert [outcome.record.path for outcome in settled(heard)] == paths
    said = [record.getMessage() for record in caplog.records if "on purpose" in record.getMessage()]
    assert len(said) == 1, "logged once"
    assert manager.context.hooks.failures == 4, "counted each time"


def test_one_bad_file_stops_nothing(
    tmp_path: Path, manager: TempFileManager, clock: FakeClock, stage: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    paths = old_files(manager, clock, tmp_path, 120)

    def fail(path: str) -> None:
        if path in {paths[0], paths[60]}:
            raise OSError("on purpose")

    stage.before = fail
    assert manager.cleanup() == 118
    assert list(manager.files) == [paths[0], paths[60]]
    assert caplog.text.count("Failed to remove temporary file") == 2
    assert manager.get_file_age(paths[0]) == 1000
    stage.before = lambda _: None
    assert manager.cleanup() == 2
