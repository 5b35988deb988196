"""The scheduler: when it sweeps, what it survives, and that neither a fork nor an exit removes anything."""

import logging
import os
import queue
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from contexts import jobs_of
from patience import PATIENCE
from temp_file_manager import TempFileManager, logs
from temp_file_manager import manager as facade
from temp_file_manager.clock import SystemClock
from temp_file_manager.events import Event, RecordsSettled, SweepFailed, SweepFinished
from temp_file_manager.records import Status
from temp_file_manager.settings import Settings
from temp_file_manager.sweeping.scheduler import SWEEP, Job, Scheduler, Stop
from temp_file_manager.sweeping.sweep import CHUNK, ENOUGH
from temp_file_manager.testing import FakeClock, in_child

INTERVAL = 300.0
THREAD = f"temp-file-manager-{SWEEP}"


class Ears:
    """A hook that keeps what it hears, for a test to wait for."""

    def __init__(self) -> None:
        self.heard: queue.Queue[Event] = queue.Queue()

    def __call__(self, event: Event) -> None:
        self.heard.put(event)

    def next(self, kind: type[Any]) -> Any:
        while True:
            event = self.heard.get(timeout=PATIENCE)
            if isinstance(event, kind):
                return event

    def none(self, kind: type[Any]) -> bool:
        return not [event for event in list(self.heard.queue) if isinstance(event, kind)]


@pytest.fixture
def ears() -> Ears:
    return Ears()


@pytest.fixture
def manager(tmp_path: Path, clock: FakeClock, ears: Ears) -> Iterator[TempFileManager]:
    manager = TempFileManager(tmp_path, 100, clock=clock, hooks=[ears])
    yield manager
    assert manager.stop(PATIENCE)


def make(base: Path, name: str) -> str:
    path = base / name
    path.write_text("x")
    return str(path)


def schedulers() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == THREAD]


def test_it_sweeps_at_start_and_at_each_interval(
    tmp_path: Path, manager: TempFileManager, clock: FakeClock, ears: Ears
) -> None:
    path = make(tmp_path, "a")
    manager.register_file(path)
    manager.start()
    first = ears.next(SweepFinished)
    assert (first.scheduled, first.report.removed) == (True, 0)
    clock.until_waiting(jobs_of(manager))
    clock.advance(INTERVAL - 1)
    clock.until_waiting(jobs_of(manager))
    assert ears.none(SweepFinished)
    assert os.path.exists(path), "it is due, and the next sweep a second away"
    clock.advance(1)
    assert ears.next(SweepFinished).report.removed == 1
    for _ in range(2):
        clock.until_waiting(jobs_of(manager))
        clock.advance(INTERVAL)
        assert ears.next(SweepFinished).report.retired == 0


def test_start_and_stop_may_be_called_again(manager: TempFileManager, clock: FakeClock, ears: Ears) -> None:
    assert manager.stop(), "not running: nothing to do"
    for _ in range(3):
        manager.start()
    assert len(schedulers()) == 1
    assert schedulers()[0].daemon
    clock.until_waiting(jobs_of(manager))
    assert manager.stop()
    assert manager.stop()
    assert schedulers() == []
    ears.next(SweepFinished)
    assert ears.none(SweepFinished), "three starts are one thread"
    manager.start()
    ears.next(SweepFinished)
    assert len(schedulers()) == 1


def test_ten_threads_start_one(manager: TempFileManager, clock: FakeClock) -> None:
    threads = [threading.Thread(target=manager.start) for _ in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
    assert len(schedulers()) == 1


def test_stop_wakes_it_at_once(manager: TempFileManager, clock: FakeClock) -> None:
    manager.start()
    clock.until_waiting(jobs_of(manager))
    assert manager.stop(PATIENCE), "the clock stands still: only the event can have woken it"


def test_stop_wakes_the_machines_clock_at_once() -> None:
    event = threading.Event()
    event.set()
    assert SystemClock().wait(event, 1e6)
    assert not SystemClock().wait(threading.Event(), 0)


def test_a_log_whose_handler_raises_ends_no_thread(
    tmp_path: Path, manager: TempFileManager, clock: FakeClock, ears: Ears, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that writes to a full disk, say. Hooks hear of it, and all goes on when the log works again."""

    class Broken(logging.Handler):
        def emit(self, _: logging.LogRecord) -> None:
            raise OSError(28, "No space left on device")

    manager.register_file(make(tmp_path, "a"))
    clock.advance(1000)
    with monkeypatch.context() as patched:
        patched.setattr(logs.logger, "handlers", [Broken()])
        logs.logger.setLevel(logging.INFO)
        manager.start()
        assert isinstance(ears.next(SweepFailed).error, OSError)
        clock.until_waiting(jobs_of(manager))
        logs.logger.setLevel(logging.NOTSET)
    assert len(schedulers()) == 1
    path = make(tmp_path, "b")
    manager.register_file(path)
    clock.advance(1000)
    ears.next(SweepFinished)
    assert not os.path.exists(path)


def test_closing_waits_for_no_sweep_that_waits_for_us(
    manager: TempFileManager, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A signal's handler closes while the thread that it interrupted has the lock that a sweep is waiting for."""
    monkeypatch.setattr(facade, "CLOSING", 0.01)
    with manager.lock:
        manager.start()
        manager.close()
        assert schedulers()


def test_stop_finishes_the_chunk_in_hand(
    tmp_path: Path, manager: TempFileManager, clock: FakeClock, ears: Ears, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(3 * CHUNK):
        manager.register_file(make(tmp_path, f"{number:04}"))
    clock.advance(1000)
    reached, release, real = threading.Event(), threading.Event(), os.remove

    def remove(path: str) -> None:
        reached.set()
        assert release.wait(PATIENCE)
        real(path)

    monkeypatch.setattr(os, "remove", remove)
    manager.start()
    assert reached.wait(PATIENCE)
    assert not manager.stop(0), "it is in the middle of a chunk"
    release.set()
    assert manager.stop(PATIENCE)
    report = ears.next(SweepFinished).report
    assert (report.removed, report.stopped) == (CHUNK, "stopped")
    assert len(manager.files) == 2 * CHUNK


def test_it_can_be_started_while_it_is_still_stopping(
    tmp_path: Path, manager: TempFileManager, clock: FakeClock, ears: Ears, monkeypatch: pytest.MonkeyPatch
) -> None:
    manager.register_file(make(tmp_path, "a"))
    clock.advance(1000)
    reached, release, real = threading.Event(), threading.Event(), os.remove

    def remove(path: str) -> None:
        reached.set()
        assert release.wait(PATIENCE)
        real(path)

    monkeypatch.setattr(os, "remove", remove)
    manager.start()
    assert reached.wait(PATIENCE)
    (ending,) = schedulers()
    assert not manager.stop(0)
    starting = threading.Thread(target=manager.start)  # it may wait for the one that is ending, or not
    starting.start()
    release.set()
    starting.join(PATIENCE)
    ending.join(PATIENCE)
    assert len([thread for thread in schedulers() if thread is not ending]) == 1


def test_it_can_be_stopped_from_its_own_thread(tmp_path: Path, clock: FakeClock, ears: Ears) -> None:
    def stop(event: Event) -> None:
        if isinstance(event, SweepFinished):
            own.stop()

    own = TempFileManager(tmp_path, 100, clock=clock, hooks=[stop, ears])
    own.start()
    ears.next(SweepFinished)
    assert own.stop(PATIENCE)
    assert ears.none(SweepFinished)


def test_it_survives_what_a_sweep_raises(
    tmp_path: Path, manager: TempFileManager, clock: FakeClock, ears: Ears, monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    error = RuntimeError("on purpose")

    def fail(*_: object, **__: object) -> None:
        raise error

    path = make(tmp_path, "a")
    manager.register_file(path)
    monkeypatch.setattr(manager.registry, "claim", fail)
    manager.start()
    for number in (1, 2):
        assert ears.next(SweepFailed).error is error
        clock.until_waiting(jobs_of(manager))
        assert manager.context.scheduler.state(SWEEP).failures == number
        clock.advance(INTERVAL)
    assert ears.next(SweepFailed).error is error
    clock.until_waiting(jobs_of(manager))
    assert "Scheduled sweep failed" in caplog.text
    assert "on purpose" in caplog.text
    assert [r.levelno for r in caplog.records if "Scheduled" in r.getMessage()] == [logging.ERROR] * 3
    monkeypatch.undo()
    clock.advance(INTERVAL)
    assert ears.next(SweepFinished).report.removed == 1
    assert not os.path.exists(path)


def test_scheduled_sweeps_back_off_and_a_bare_cleanup_does_not(
    tmp_path: Path, clock: FakeClock, ears: Ears, monkeypatch: pytest.MonkeyPatch
) -> None:
    manager = TempFileManager(tmp_path, 100, settings=Settings(cleanup_interval=10), clock=clock, hooks=[ears])
    tried: list[float] = []
    began = clock.wall()

    def fail(_: str) -> None:
        tried.append(clock.wall() - began)
        raise PermissionError("on purpose")

    path = make(tmp_path, "a")
    manager.register_file(path)
    manager.files[path] = began - 1000
    monkeypatch.setattr(os, "remove", fail)
    manager.start()
    for _ in range(60):
        ears.next(SweepFinished)
        clock.until_waiting(jobs_of(manager))
        clock.advance(10)
    ears.next(SweepFinished)
    clock.until_waiting(jobs_of(manager))
    assert tried == [0, 60, 180, 420], "after 1, 2 and 4 minutes"
    record = manager.status(path).record
    assert record is not None
    assert (record.failures, record.retry_at) == (4, began + 420 + 480)
    assert manager.cleanup() == 0
    assert tried[4:] == [600], "a person means now"
    monkeypatch.undo()
    assert manager.cleanup() == 1


def test_a_timeout_stops_a_scheduled_sweep_between_chunks(
    tmp_path: Path, clock: FakeClock, ears: Ears, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = Settings(cleanup_timeout=ENOUGH / 2, cleanup_interval=7)
    manager = TempFileManager(tmp_path, 100, settings=settings, clock=clock, hooks=[ears])
    for number in range(2 * CHUNK):
        manager.register_file(make(tmp_path, f"{number:03}"))
    clock.advance(1000)
    real = os.remove

    def remove(path: str) -> None:
        clock.advance(ENOUGH / CHUNK)
        real(path)

    monkeypatch.setattr(os, "remove", remove)
    manager.start()
    report = ears.next(SweepFinished).report
    assert (report.removed, report.stopped) == (CHUNK, "budget")
    clock.until_waiting(jobs_of(manager))
    clock.advance(7)
    assert ears.next(SweepFinished).report.removed == CHUNK
    assert manager.stop(PATIENCE)


# -- jobs that say when they are to begin again --------------------------------------------------------------------


class Work:
    """A job's work, of which a test sees when it is done, and which it may hold up."""

    def __init__(self) -> None:
        self.begun: queue.Queue[float] = queue.Queue()
        self.goes_on = threading.Event()
        self.goes_on.set()

    def job(self, clock: FakeClock, interval: Callable[[], float] | float) -> Job:
        def work(_: Stop) -> None:
            self.begun.put(clock.elapsed())
            assert self.goes_on.wait(PATIENCE)

        return Job("work", interval, work, lambda _: None)

    def next(self) -> float:
        return self.begun.get(timeout=PATIENCE)


@pytest.fixture
def scheduler(clock: FakeClock) -> Iterator[Scheduler]:
    scheduler = Scheduler(clock)
    yield scheduler
    assert scheduler.stop(PATIENCE)


def test_a_job_may_say_anew_each_time_how_long_it_rests(scheduler: Scheduler, clock: FakeClock) -> None:
    work, rests = Work(), iter((5.0, 1.0, 30.0, 1e9))
    scheduler.start([work.job(clock, lambda: next(rests))])
    assert work.next() == 0
    for rest, at in ((5, 5), (1, 6), (30, 36)):
        clock.until_waiting(1)
        clock.advance(rest - 0.5)
        clock.until_waiting(1)
        assert work.begun.empty()
        clock.advance(0.5)
        assert work.next() == at


def test_a_job_that_waits_begins_when_it_is_woken(scheduler: Scheduler, clock: FakeClock) -> None:
    work, other = Work(), Work()
    scheduler.wake("work")  # it does not run: nothing comes of it
    scheduler.start([work.job(clock, 100), other.job(clock, 100)._replace(name="other")])
    assert (work.next(), other.next()) == (0, 0)
    clock.until_waiting(2)
    clock.advance(1)
    scheduler.wake("work")
    assert work.next() == 1
    clock.until_waiting(2)
    assert other.begun.empty()
    assert work.begun.empty()


def test_a_job_that_is_woken_while_it_works_begins_once_more(scheduler: Scheduler, clock: FakeClock) -> None:
    """What it was woken for, it may have passed already."""
    work = Work()
    work.goes_on.clear()
    scheduler.start([work.job(clock, 100)])
    assert work.next() == 0
    for _ in range(3):
        scheduler.wake("work")
    work.goes_on.set()
    assert work.next() == 0
    clock.until_waiting(1)
    assert work.begun.empty(), "once, however often it was woken"


def test_what_wakes_a_job_again_and_again_is_heard_once(scheduler: Scheduler, clock: FakeClock) -> None:
    work, paused = Work(), queue.Queue[None]()

    def pause() -> float:
        paused.put(None)
        return 5.0

    scheduler.start([work.job(clock, 100)._replace(pause=pause)])
    assert work.next() == 0
    for at in (5, 10):
        scheduler.wake("work")
        paused.get(timeout=PATIENCE)
        for _ in range(5):
            clock.until_waiting(1)
            assert work.begun.empty()
            scheduler.wake("work")
            clock.advance(1)
        assert work.next() == at
        clock.until_waiting(1)
        assert paused.empty()
    clock.advance(100)
    assert work.next() == 110, "nobody woke it: no pause"


def test_where_one_job_s_thread_cannot_start_none_goes_on(
    scheduler: Scheduler, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = Job("first", 1.0, lambda _: None, lambda _: None)
    start = threading.Thread.start

    def start_first(thread: threading.Thread) -> None:
        if thread.name.endswith("second"):
            raise RuntimeError("can't start new thread")
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", start_first)
    with pytest.raises(RuntimeError, match="new thread"):
        scheduler.start([first, first._replace(name="second")])
    monkeypatch.undo()
    assert scheduler.alive is None, "it is as if it had not been started"
    scheduler.start([first])
    assert scheduler.alive


def test_a_pause_ends_when_it_is_stopped(scheduler: Scheduler, clock: FakeClock) -> None:
    work, paused = Work(), queue.Queue[None]()
    scheduler.start([work.job(clock, 100)._replace(pause=lambda: paused.put(None) or 1e9)])
    assert work.next() == 0
    scheduler.wake("work")
    paused.get(timeout=PATIENCE)
    assert scheduler.stop(PATIENCE)


@pytest.mark.parametrize("raising", [False, True])
def test_a_job_ends_by_finishing(scheduler: Scheduler, clock: FakeClock, raising: bool) -> None:
    done: list[object] = []
    told: list[Exception] = []

    def finish() -> None:
        done.append(threading.current_thread().name)
        if raising:
            raise OSError("nothing to close")

    scheduler.start([Job("work", 100.0, lambda _: None, told.append, finish=finish)])
    clock.until_waiting(1)
    assert done == []
    assert scheduler.stop(PATIENCE)
    assert done == ["temp-file-manager-work"]
    assert (len(told), scheduler.state("work").failures) == (raising, raising)


def test_stopping_waits_for_no_look_that_hangs(scheduler: Scheduler, clock: FakeClock) -> None:
    work = Work()
    work.goes_on.clear()
    scheduler.start([work.job(clock, 100)._replace(patience=0.01)])
    assert work.next() == 0
    assert not scheduler.stop()
    (hanging,) = [thread for thread in threading.enumerate() if thread.name == "temp-file-manager-work"]
    work.goes_on.set()
    hanging.join(PATIENCE)
    assert not scheduler.running


# -- forks -------------------------------------------------------------------------------------------------------


def test_a_forked_child_works_and_owns_nothing(
    tmp_path: Path, manager: TempFileManager, clock: FakeClock, ears: Ears
) -> None:
    """Forked while another thread holds the lock and the scheduler runs."""
    manager.max_age = 2000
    parents = [make(tmp_path, name) for name in ("young", "due")]
    manager.register_files(parents)
    manager.start()
    ears.next(SweepFinished)
    clock.until_waiting(jobs_of(manager))
    held, release = threading.Event(), threading.Event()

    def hold() -> None:
        with manager.lock:
            held.set()
            release.wait(PATIENCE)

    holder = threading.Thread(target=hold)
    holder.start()
    assert held.wait(PATIENCE)

    def child() -> Any:
        running = manager.context.scheduler.running
        own = make(tmp_path, "own")
        manager.register_file(own)
        manager.files[own] = clock.wall() - 5000
        known = sorted(os.path.basename(path) for path in manager.files)
        removed = manager.cleanup()
        manager.start()
        started = manager.context.scheduler.running
        clock.until_waiting(jobs_of(manager))
        return [running, known, removed, started, manager.stop(PATIENCE)]

    def leave() -> list[str]:
        with manager:
            manager.register_file(make(tmp_path, "child's"))
        return sorted(os.listdir(tmp_path))

    try:
        assert in_child(child) == [False, ["due", "own", "young"], 1, True, True]
        assert in_child(leave) == ["child's", "due", "young"]
    finally:
        release.set()
        holder.join(PATIENCE)
    assert manager.context.scheduler.running
    assert sorted(manager.files) == sorted(parents)
    manager.files[parents[1]] = clock.wall() - 5000
    clock.advance(INTERVAL)
    assert ears.next(SweepFinished).report.removed == 1
    assert os.path.exists(parents[0])


def test_a_child_forked_in_the_middle_of_a_sweep_is_not_stuck(
    tmp_path: Path, manager: TempFileManager, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The removal that was under way in the parent is not under way in the child."""
    path = make(tmp_path, "a")
    manager.register_file(path)
    clock.advance(1000)
    reached, release, real = threading.Event(), threading.Event(), os.remove

    def remove(where: str) -> None:
        reached.set()
        assert release.wait(PATIENCE)
        real(where)

    monkeypatch.setattr(os, "remove", remove)
    sweeping = threading.Thread(target=manager.cleanup)
    sweeping.start()
    assert reached.wait(PATIENCE)

    def child() -> Any:
        manager.register_file(path)  # would wait for ever for the parent's removal
        clock.advance(1000)
        return [manager.is_temp_file(path), manager.sweep(dry_run=True).removed]

    try:
        assert in_child(child) == [True, 1]
    finally:
        release.set()
        sweeping.join(PATIENCE)
    assert not os.path.exists(path)


# -- exits -------------------------------------------------------------------------------------------------------

EXIT = """
import os, sys, time
from temp_file_manager import TempFileManager
from temp_file_manager.events import SweepFinished
import threading
swept = threading.Event()
manager = TempFileManager(sys.argv[1], 3600, hooks=[lambda e: swept.set() if isinstance(e, SweepFinished) else None])
manager.register_files([os.path.join(sys.argv[1], name) for name in ("young", "due")])
manager.start()
assert swept.wait()
manager.files[os.path.join(sys.argv[1], "due")] = time.time() - 7200
{end}
"""


@pytest.mark.parametrize("end", ["", "sys.exit(3)", "raise RuntimeError", "manager.close()"])
def test_an_exit_removes_nothing_and_waits_for_nobody(tmp_path: Path, end: str) -> None:
    names = [make(tmp_path, name) for name in ("young", "due")]
    done = subprocess.run(
        [sys.executable, "-c", EXIT.format(end=end), str(tmp_path)],
        capture_output=True, text=True, timeout=PATIENCE, check=False,
    )  # fmt: skip
    assert done.returncode == {"": 0, "sys.exit(3)": 3, "raise RuntimeError": 1, "manager.close()": 0}[end], done.stderr
    assert sorted(os.listdir(tmp_path)) == ["due", "young"]
    assert len(names) == 2


def test_a_failed_record_says_when_it_is_tried_again(
    tmp_path: Path, manager: TempFileManager, clock: FakeClock, ears: Ears
) -> None:
    path = make(tmp_path, "a")
    manager.register_file(path)
    os.remove(path)
    os.mkdir(path)
    clock.advance(1000)
    manager.cleanup()
    (outcome,) = ears.next(RecordsSettled).outcomes
    assert outcome.status is Status.FAILED
    assert manager.status(path).record.retry_at == clock.wall() + 60  # type: ignore[union-attr]  # it is known
