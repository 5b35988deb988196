"""Threads, interrupts and slow removals: nothing lost, nothing removed twice, nobody waits who need not.

No test sleeps: each waits for the very event it needs, and gives up after ``LONG``.
"""

import logging
import os
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from temp_file_manager import InvalidArgumentError, TempFileManager
from temp_file_manager.events import Event, FilesRegistered, RecordsSettled, SweepFinished
from temp_file_manager.records import Status
from temp_file_manager.settings import Settings
from temp_file_manager.sweeping.sweep import CHUNK, ENOUGH
from temp_file_manager.testing import NOW, FakeClock
from temp_file_manager.testing.threads import LONG, Work
from ticking import TickingClock

AT_WORK = "a sweep is at work on it, and has not come to an end in time"
SWEPT = "removed by a sweep while it was being registered"


def end(works: list[Work[Any]]) -> None:
    for work in works:
        work.end()


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
            assert self.released.wait(LONG)
        self.real(path)
        self.removed.append(path)

    @contextmanager
    def holding(self, path: str, manager: TempFileManager) -> Iterator[None]:
        """Be in the middle of a cleanup that is just removing ``path``."""
        self.at = path
        cleanup = Work(manager.cleanup)
        assert self.reached.wait(LONG)
        try:
            yield
        finally:
            self.released.set()
        cleanup.end()


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


def register_hundred(manager: TempFileManager, base: Path, thread: int) -> None:
    for number in range(100):
        manager.register_file(make(base, f"{thread}-{number}"))


def test_ten_threads_register_a_hundred_files_each(tmp_path: Path, manager: TempFileManager) -> None:
    end([Work(register_hundred, manager, tmp_path, thread) for thread in range(10)])
    assert len(manager.files) == 1000
    assert manager.clear_all() == 1000
    assert os.listdir(tmp_path) == []


def test_registrations_race_two_cleaners(tmp_path: Path, stage: Stage) -> None:
    events: list[Event] = []
    manager = TempFileManager(tmp_path, 0, clock=TickingClock(), hooks=[events.append])
    done = threading.Event()
    counted: list[int] = []

    def clean() -> None:
        while not done.is_set():
            counted.append(manager.cleanup())

    cleaning = [Work(clean) for _ in range(2)]
    end([Work(register_hundred, manager, tmp_path, thread) for thread in range(10)])
    done.set()
    end(cleaning)
    counted.append(manager.cleanup())
    assert sum(counted) == 1000
    assert len(stage.removed) == len(set(stage.removed)) == 1000
    outcomes = settled(events)
    assert Counter(outcome.status for outcome in outcomes) == {Status.REMOVED: 1000}
    assert os.listdir(tmp_path) == []
    assert manager.files == {}


def settled(events: list[Event]) -> list[Any]:
    return [outcome for event in events if isinstance(event, RecordsSettled) for outcome in event.outcomes]


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


# -- while a removal takes its time ------------------------------------------------------------------------------


def test_registering_waits_for_no_removal_of_another_path(
    tmp_path: Path, manager: TempFileManager, clock: FakeClock, stage: Stage
) -> None:
    paths = old_files(manager, clock, tmp_path, 3)
    known = make(tmp_path, "known")
    manager.register_file(known)
    with stage.holding(paths[0], manager):
        manager.register_file(make(tmp_path, "new"))
        assert manager.register_files([make(tmp_path, "newer"), known]).registered == 2
        manager.pin(known)
        manager.hold(known).close()
        assert manager.registry.forget([known]) == 1
        assert manager.is_temp_file(tmp_path / "new")
        assert stage.removed == []
    assert stage.removed == paths
    assert sorted(os.path.basename(path) for path in manager.files) == ["new", "newer"]


def test_registering_again_waits_for_the_end_of_the_claim(
    tmp_path: Path, manager: TempFileManager, clock: FakeClock, stage: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    """Of what is being removed, and of what is claimed with it; what has gone is refused, and the rest of a batch not.

    Then the path is free: what is made and registered there is another file, and stays.
    """
    paths = old_files(manager, clock, tmp_path, 3)
    new = make(tmp_path, "new")
    with stage.holding(paths[0], manager):
        one = Work(manager.register_file, paths[0])
        many = Work(manager.register_files, [paths[1], new, paths[2]])
        assert one.waits()
        assert many.waits()
        assert not manager.is_temp_file(new), "all at once, or nothing"
        assert "Attempted" not in caplog.text
    one.end()
    report = many.end()
    assert (report.registered, dict(report.refused)) == (1, dict.fromkeys(paths[1:3], SWEPT))
    assert f"Attempted to register non-existent file: {paths[0]} ({SWEPT})" in caplog.text
    assert set(manager.files) == {new}
    manager.register_file(make(tmp_path, "000"))
    assert manager.cleanup() == 0
    assert os.path.exists(paths[0])


def test_whoever_waits_too_long_is_refused(
    tmp_path: Path, manager: TempFileManager, clock: FakeClock, stage: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    """The rest of a batch is registered; what is refused is as it was."""
    paths = old_files(manager, clock, tmp_path, 2)
    new = make(tmp_path, "new")
    manager.registry.patience = 0.01
    with stage.holding(paths[0], manager):
        report = manager.register_files([paths[1], new, paths[0]])
        assert (report.registered, dict(report.refused)) == (1, dict.fromkeys(paths, AT_WORK))
        manager.register_file(paths[0])
        assert f"Attempted to register non-existent file: {paths[0]} ({AT_WORK})" in caplog.text
        assert manager.get_file_age(paths[0]) == 1000
    assert stage.removed == paths
    assert set(manager.files) == {new}


def test_what_is_pinned_held_or_forgotten_while_it_is_removed(
    tmp_path: Path, manager: TempFileManager, clock: FakeClock, stage: Stage
) -> None:
    """They come too late, and say so; what the sweep could not remove they have."""
    gone, left = old_files(manager, clock, tmp_path, 2)

    def fail(path: str) -> None:
        if path == left:
            raise PermissionError("on purpose")

    stage.before = fail
    with stage.holding(gone, manager):
        pins = [Work(manager.pin, path) for path in (gone, left)]
        holds = [Work(manager.hold, path) for path in (gone, left)]
        forgetting = Work(manager.registry.forget, [gone])
        assert all(work.waits() for work in pins)
        assert all(work.waits() for work in holds)
        assert forgetting.waits()
    with pytest.raises(InvalidArgumentError):
        pins[0].end()
    with pytest.raises(FileNotFoundError):
        holds[0].end()
    assert forgetting.end() == 0
    pins[1].end()
    hold = holds[1].end()
    stage.before = lambda _: None
    assert manager.clear_all() == 0
    manager.unpin(left)
    assert manager.clear_all() == 0
    hold.close()
    assert manager.clear_all() == 1


def test_a_file_that_could_not_be_removed_meanwhile_is_registered(
    tmp_path: Path, manager: TempFileManager, clock: FakeClock, stage: Stage
) -> None:
    (path,) = old_files(manager, clock, tmp_path, 1)

    def fail(_: str) -> None:
        raise PermissionError("on purpose")

    with stage.holding(path, manager):
        stage.real = fail  # type: ignore[assignment]  # raises instead
        registering = Work(manager.register_file, path)
        assert registering.waits()
    registering.end()
    assert manager.get_file_age(path) == 0
    record = manager.status(path).record
    assert record is not None
    assert record.failures == 0, "the failure was that of the record before"


def test_the_thread_that_sweeps_never_waits_for_itself(
    tmp_path: Path, manager: TempFileManager, clock: FakeClock, stage: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    """A signal handler in it may ask for anything; what is claimed is refused at once, and the sweep goes on."""
    paths = old_files(manager, clock, tmp_path, 3)
    manager.registry.patience = 2 * LONG
    new = make(tmp_path, "new")
    reports: list[Any] = []

    def interrupted(path: str) -> None:
        if path == paths[1]:
            reports.append(manager.register_files([*paths, new]))
            manager.register_file(paths[2])

    stage.before = interrupted
    assert Work(manager.cleanup).end() == 3
    assert (reports[0].registered, len(reports[0].refused)) == (1, 3)
    assert caplog.text.count(AT_WORK) == 3
    assert set(manager.files) == {new}


def test_who_holds_the_lock_can_ask_while_a_sweep_runs(
    tmp_path: Path, manager: TempFileManager, clock: FakeClock, stage: Stage
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

    with stage.holding(paths[0], manager):
        Work(ask).end()
    assert answers == [999, True, True, paths, 3]
    assert stage.removed == [paths[0]], "what the holder wrote and deleted counts at once"
    assert manager.files == {paths[2]: clock.wall()}


def test_the_lock_is_free_during_a_removal(
    tmp_path: Path, manager: TempFileManager, clock: FakeClock, stage: Stage
) -> None:
    (path,) = old_files(manager, clock, tmp_path, 1)
    with stage.holding(path, manager):
        assert manager.lock.acquire(timeout=LONG)
        manager.lock.release()


def test_a_writer_without_the_lock_breaks_no_sweep(manager: TempFileManager) -> None:
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
    writing = Work(write)
    try:
        for _ in range(60):
            manager.sweep(force=True, limit=1)
    finally:
        done.set()
    writing.end()
    manager.clear_all()
    assert manager.files == {}


# -- leases, interrupts, hooks -----------------------------------------------------------------------------------


@pytest.mark.parametrize("force", [False, True])
def test_a_claim_is_worked_on_for_a_moment(
    tmp_path: Path, manager: TempFileManager, clock: FakeClock, events: list[Event], stage: Stage, force: bool
) -> None:
    """What is left of the chunk is done in the next one: so long, and not longer, others wait for it."""
    paths = old_files(manager, clock, tmp_path, 10)
    spent = {paths[3]: ENOUGH, paths[5]: ENOUGH * 0.99}
    stage.before = lambda path: clock.advance(spent.get(path, 0.0))
    report = manager.sweep(force=force)
    chunks = [event.outcomes for event in events if isinstance(event, RecordsSettled)]
    assert [[outcome.record.path for outcome in chunk] for chunk in chunks] == [paths[:4], paths[4:]]
    assert (report.removed, report.skipped, report.stopped) == (10, 0, "")
    assert stage.removed == paths
    assert manager.files == {}


def test_a_stalled_sweeper_leaves_alone_what_another_took_over(
    tmp_path: Path, manager: TempFileManager, clock: FakeClock, stage: Stage
) -> None:
    paths = old_files(manager, clock, tmp_path, 5)
    with stage.holding(paths[0], manager):
        clock.advance(60)
        stage.at = ""
        assert manager.cleanup() == 5
    # The stalled one's own remove finds nothing: each file is removed once.
    assert sorted(stage.removed) == paths


@pytest.mark.parametrize("interrupt", [KeyboardInterrupt, SystemExit, GeneratorExit])
def test_an_interrupt_in_a_chunk_loses_no_record(
    tmp_path: Path, manager: TempFileManager, clock: FakeClock, stage: Stage, interrupt: type[BaseException]
) -> None:
    paths = old_files(manager, clock, tmp_path, CHUNK + 100)

    def stop(path: str) -> None:
        if path == paths[20]:
            stage.before = lambda _: None
            raise interrupt

    stage.before = stop
    with pytest.raises(interrupt):
        manager.cleanup()
    assert list(manager.files) == paths[20:]
    assert manager.cleanup() == CHUNK + 80
    assert os.listdir(tmp_path) == []
    assert stage.removed == paths


def test_after_an_interrupt_the_path_can_be_registered(
    tmp_path: Path, manager: TempFileManager, clock: FakeClock, stage: Stage
) -> None:
    """Also while the exception is being handled: its traceback keeps the sweep's frames alive."""
    paths = old_files(manager, clock, tmp_path, 2)

    def stop(_: str) -> None:
        raise KeyboardInterrupt

    stage.before = stop
    with pytest.raises(KeyboardInterrupt) as caught:
        manager.cleanup()
    Work(manager.register_file, paths[0]).end()
    assert caught.value.__traceback__ is not None
    assert manager.get_file_age(paths[0]) == 0


@pytest.mark.parametrize("registry", ["memory:", "sqlite:"])
def test_a_hook_may_change_whatever_it_likes(tmp_path: Path, clock: FakeClock, registry: str) -> None:
    """Nothing is claimed while hooks hear of a chunk, though the sweep goes on to the next."""
    managers: list[TempFileManager] = []
    refused: list[Any] = []

    def change(event: Event) -> None:
        if isinstance(event, RecordsSettled) and managers:
            manager = managers.pop()  # at the first chunk
            refused.extend(manager.register_files([paths[0], paths[4]]).refused)
            manager.pin(paths[5])
            holds.append(manager.hold(paths[6]))
            assert manager.registry.forget([paths[7]]) == 1

    settings = Settings(cleanup_batch_size=4)
    manager = TempFileManager(tmp_path, 100, clock=clock, hooks=[change], registry=registry, settings=settings)
    paths = old_files(manager, clock, tmp_path, 12)
    holds: list[Any] = []
    managers.append(manager)
    assert manager.cleanup() == 8
    assert [path for path, _ in refused] == paths[:1]
    assert sorted(path for path in paths if os.path.exists(path)) == paths[4:8]
    assert sorted(manager.files) == paths[4:7]
    holds.pop().close()
    manager.close()


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
