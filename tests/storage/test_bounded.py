"""What hangs is left behind: the sweep goes on, and what comes back late does no harm."""

import contextlib
import gc
import itertools
import os
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

from contexts import removing_by
from hanging_mount import hanging_mount
from temp_file_manager import TempFileManager
from temp_file_manager.records import Cause, Outcome, Status, TempFile
from temp_file_manager.storage import LocalStorage
from temp_file_manager.storage.contract import Gate
from temp_file_manager.storage.in_flight import IN_FLIGHT
from temp_file_manager.storage.wrappers import bounded
from temp_file_manager.storage.wrappers.bounded import Abandoning, alive
from temp_file_manager.storage.wrappers.wakeup import LockBell, PipeBell
from temp_file_manager.testing import FakeClock, in_child

PATIENCE = 60.0
SECONDS = 5.0


class Hanging:
    """A storage that hangs at some paths, before the gate or in the removal, until ``release`` is set."""

    def __init__(self, *, before: Iterable[str] = (), during: Iterable[str] = ()) -> None:
        self.before = set(before)
        self.during = set(during)
        self.reached = threading.Semaphore(0)
        self.release = threading.Event()
        self.looked: list[str] = []
        self.removed: list[str] = []
        self.closed = 0

    def remove(self, records: Iterable[TempFile], gate: Gate) -> Iterator[Outcome]:
        try:
            for record in records:
                self.looked.append(record.path)
                self._hang(record.path in self.before)
                if reason := gate(record):
                    yield Outcome(record, Status.SKIPPED, reason)
                    continue
                self._hang(record.path in self.during)
                self.removed.append(record.path)
                yield Outcome(record, Status.REMOVED)
        finally:
            self.closed += 1

    def predict(self, records: Iterable[TempFile]) -> Iterator[Outcome]:
        return (Outcome(record, Status.REMOVED) for record in records)

    def _hang(self, here: bool) -> None:
        if here:
            self.reached.release()
            assert self.release.wait(PATIENCE)


def workers() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "temp-file-removal"]


@pytest.fixture(autouse=True)
def no_thread_is_left() -> Iterator[None]:
    yield
    gc.collect()
    for thread in workers():
        thread.join(PATIENCE)
        assert not thread.is_alive(), "a worker outlives its storage"
    assert IN_FLIGHT.marks == {}


def records(*paths: str) -> list[TempFile]:
    return [TempFile(path, 0.0) for path in paths]


def willing(_: TempFile) -> Cause | None:
    return None


class Sweep:
    """A removal in a thread of its own, watched by a clock that obeys."""

    def __init__(self, remove: Callable[[], Any], storage: Any, clock: FakeClock) -> None:
        self._storage = storage
        self._clock = clock
        self.outcomes: list[Outcome] = []
        self._thread = threading.Thread(target=lambda: self.outcomes.extend(remove()), daemon=True)
        self._thread.start()

    def time_is_up(self) -> None:
        """Let the time go on until what hangs is given up."""
        given_up = self._storage.hung
        while self._storage.hung == given_up:
            self._clock.advance(1)
            self._thread.join(0.001)
            assert self._thread.is_alive() or self._storage.hung > given_up

    def told(self) -> list[tuple[str, str]]:
        self._thread.join(PATIENCE)
        assert not self._thread.is_alive(), "the sweep hangs"
        return [(outcome.record.path, str(outcome.status)) for outcome in self.outcomes]


def hung(storage: Abandoning, inner: Hanging, clock: FakeClock, *paths: str, times: int = 1) -> Sweep:
    """Remove these; what hangs, so many times, is given up."""
    sweep = Sweep(lambda: storage.remove(records(*paths), willing), storage, clock)
    for _ in range(times):
        assert inner.reached.acquire(timeout=PATIENCE)
        sweep.time_is_up()
    return sweep


# -- a file system that really hangs


@pytest.mark.parametrize("registry", ["memory:", "sqlite:"])
def test_a_sweep_goes_on_when_a_mount_hangs(tmp_path: Path, registry: str, clock: FakeClock) -> None:
    with hanging_mount(tmp_path / "mount", ["stuck", "behind it"]) as mount:
        if mount is None:
            return
        manager = TempFileManager(tmp_path / "base", registry=registry)
        manager = removing_by(manager, Abandoning(LocalStorage(), SECONDS, clock))
        files = [tmp_path / "first", mount.place / "stuck", mount.place / "behind it", tmp_path / "last"]
        for file in (files[0], files[-1]):
            file.touch()
        for file in files:
            manager.register_file(file)
        assert len(manager.files) == 4
        sweep = Sweep(lambda: manager.sweep(force=True).outcomes, manager.context.storage, clock)
        assert mount.hung.wait(PATIENCE)
        sweep.time_is_up()
        expected = zip(map(str, files), ("removed", "failed", "kept", "removed"), strict=True)
        assert sweep.told() == list(expected)
        assert sweep.outcomes[1].reason == "did not answer within 5 s: abandoned"
        assert set(manager.files) == {str(file) for file in files[1:3]}
        assert manager.sweep(force=True).kept == 2, "nothing is tried there until it comes back"
        mount.release()
        come_back(manager.context.storage)
        assert mount.removed == ["stuck"]
        mount.hung.clear()
        sweep = Sweep(lambda: manager.sweep(force=True).outcomes, manager.context.storage, clock)
        assert mount.hung.wait(PATIENCE)
        mount.release()
        assert sweep.told() == [(str(files[1]), "gone"), (str(files[2]), "removed")]
        manager.close()


def come_back(storage: Any) -> None:
    """Wait until no worker is left behind."""
    deadline = time.monotonic() + PATIENCE
    while storage.hung:
        assert time.monotonic() < deadline, "a worker does not come back"
        for thread in workers():
            thread.join(0.001)


# -- outcomes


def test_outcomes_come_in_order_and_the_rest_goes_on(clock: FakeClock) -> None:
    inner = Hanging(before=["/b/2"], during=["/c/3"])
    storage = Abandoning(inner, SECONDS, clock)
    sweep = hung(storage, inner, clock, "/a/1", "/b/2", "/a/3", "/b/4", "/c/3", "/a/6", times=2)
    assert sweep.told() == [
        ("/a/1", "removed"),
        ("/b/2", "failed"),
        ("/a/3", "removed"),
        ("/b/4", "kept"),
        ("/c/3", "failed"),
        ("/a/6", "removed"),
    ]
    assert sweep.outcomes[3].reason == "another removal hangs in its directory"
    inner.release.set()


def test_what_comes_back_before_the_gate_removes_nothing(clock: FakeClock) -> None:
    inner = Hanging(before=["/a/1"])
    storage = Abandoning(inner, SECONDS, clock)
    asked: list[str] = []

    def gate(record: TempFile) -> Cause | None:
        asked.append(record.path)
        return None

    sweep = Sweep(lambda: storage.remove(records("/a/1", "/a/2"), gate), storage, clock)
    assert inner.reached.acquire(timeout=PATIENCE)
    sweep.time_is_up()
    assert sweep.told() == [("/a/1", "failed"), ("/a/2", "kept")]
    assert IN_FLIGHT.marks == {}, "its removal has not begun: it can be registered"
    inner.release.set()
    join()
    assert (inner.removed, inner.looked, asked, inner.closed) == ([], ["/a/1"], [], 1)


def test_what_comes_back_from_its_removal_goes_no_further(clock: FakeClock) -> None:
    inner = Hanging(during=["/a/1"])
    storage = Abandoning(inner, SECONDS, clock)
    sweep = hung(storage, inner, clock, "/a/1", "/a/2")
    assert sweep.told() == [("/a/1", "failed"), ("/a/2", "kept")]
    assert list(IN_FLIGHT.marks.values()) == ["/a/1"], "as long as it may yet be removed"
    inner.release.set()
    join()
    assert IN_FLIGHT.marks == {}
    assert (inner.removed, inner.looked, inner.closed) == (["/a/1"], ["/a/1"], 1)
    assert [str(outcome.status) for outcome in storage.remove(records("/a/2"), willing)] == ["removed"]


def test_a_gate_that_hangs_lets_nothing_through(clock: FakeClock) -> None:
    inner = Hanging()
    storage = Abandoning(inner, SECONDS, clock)
    at_gate, answer = threading.Event(), threading.Event()

    def gate(_: TempFile) -> Cause | None:
        at_gate.set()
        assert answer.wait(PATIENCE)
        return None

    sweep = Sweep(lambda: storage.remove(records("/a/1"), gate), storage, clock)
    assert at_gate.wait(PATIENCE)
    sweep.time_is_up()
    assert sweep.told() == [("/a/1", "failed")]
    answer.set()
    join()
    assert inner.removed == []


def join() -> None:
    for thread in workers():
        thread.join(PATIENCE)
        assert not thread.is_alive()


def test_so_many_are_left_behind_and_no_more(clock: FakeClock) -> None:
    paths = [f"/{number}/file" for number in range(5)]
    inner = Hanging(during=paths[:4])
    storage = Abandoning(inner, SECONDS, clock, most=2)
    sweep = hung(storage, inner, clock, *paths, times=2)
    assert [status for _, status in sweep.told()] == ["failed", "failed", "kept", "kept", "kept"]
    assert sweep.outcomes[-1].reason == "2 removals hang: nothing more is tried until one returns"
    for _ in range(3):
        assert {outcome.status for outcome in storage.remove(records(*paths), willing)} == {Status.KEPT}
    assert len(workers()) == 2
    inner.release.set()
    join()
    assert {outcome.status for outcome in storage.remove(records(*paths), willing)} == {Status.REMOVED}


def test_one_that_takes_long_and_says_so_is_waited_for(clock: FakeClock) -> None:
    go_on = threading.Semaphore(0)
    said = threading.Semaphore(0)

    class Slow(Hanging):
        def _hang(self, here: bool) -> None:
            for _ in range(20 if here else 0):
                assert go_on.acquire(timeout=PATIENCE)
                assert alive(moved=True)
                said.release()

    storage = Abandoning(Slow(during=["/a/1"]), SECONDS, clock)
    sweep = Sweep(lambda: storage.remove(records("/a/1", "/a/2"), willing), storage, clock)
    for _ in range(20):
        clock.until_waiting()
        go_on.release()
        assert said.acquire(timeout=PATIENCE)
        clock.advance(SECONDS * 0.9)
    assert sweep.told() == [("/a/1", "removed"), ("/a/2", "removed")]
    assert alive(moved=True), "nobody waits for this thread, and nobody has given up"


def test_a_storage_that_is_still_at_it_learns_that_nobody_waits(clock: FakeClock) -> None:
    answers: list[bool] = []

    class Asking(Hanging):
        def _hang(self, here: bool) -> None:
            super()._hang(here)
            if here:
                answers.append(alive(moved=False))

    inner = Asking(during=["/a/1"])
    storage = Abandoning(inner, SECONDS, clock)
    assert hung(storage, inner, clock, "/a/1").told() == [("/a/1", "failed")]
    inner.release.set()
    join()
    assert answers == [False]


# -- errors and interrupts


def test_what_the_storage_raises_is_raised_after_what_it_did() -> None:
    class Raising(Hanging):
        def _hang(self, here: bool) -> None:
            if here:
                raise RuntimeError("broken")

    done: list[Outcome] = []
    with pytest.raises(RuntimeError, match="broken"):
        done.extend(Abandoning(Raising(before=["/a/2"]), SECONDS).remove(records("/a/1", "/a/2", "/a/3"), willing))
    assert [outcome.record.path for outcome in done] == ["/a/1"]


def test_a_storage_that_gives_up_is_not_asked_for_ever() -> None:
    class Short(Hanging):
        def remove(self, records: Iterable[TempFile], gate: Gate) -> Iterator[Outcome]:
            return itertools.islice(super().remove(iter(records), gate), 0)

    assert list(Abandoning(Short(), SECONDS).remove(records("/a/1"), willing)) == []


class Interrupted(FakeClock):
    """The first wait ends in ctrl-c, once ``ready``."""

    def __init__(self, ready: threading.Semaphore, then: Callable[[], object]) -> None:
        super().__init__()
        self._ready = ready
        self._then = then
        self._first = True

    def wait(self, event: threading.Event, seconds: float) -> bool:
        if self._first:
            self._first = False
            assert self._ready.acquire(timeout=PATIENCE)
            self._then()
            raise KeyboardInterrupt
        return super().wait(event, seconds)


def test_an_interrupt_lets_end_what_is_under_way_and_tells_what_is_done() -> None:
    inner = Hanging(during=["/a/2"])
    storage = Abandoning(inner, SECONDS, Interrupted(inner.reached, inner.release.set))
    done: list[Outcome] = []
    with pytest.raises(KeyboardInterrupt):
        done.extend(storage.remove(records("/a/1", "/a/2", "/a/3"), willing))
    join()
    # What is under way when the interrupt comes may or may not be followed by a look at the next.
    assert inner.removed == [outcome.record.path for outcome in done if outcome.status is Status.REMOVED]
    assert inner.removed[:2] == ["/a/1", "/a/2"]


def test_an_interrupt_while_a_removal_hangs_ends_the_sweep_all_the_same() -> None:
    inner = Hanging(during=["/a/2"])
    clock = Interrupted(inner.reached, lambda: None)
    storage = Abandoning(inner, SECONDS, clock)
    done: list[Outcome] = []
    raised: list[BaseException] = []

    def sweep() -> None:
        try:
            done.extend(storage.remove(records("/a/1", "/a/2", "/a/3"), willing))
        except KeyboardInterrupt as error:
            raised.append(error)

    thread = threading.Thread(target=sweep)
    thread.start()
    while thread.is_alive():
        clock.advance(1)
        thread.join(0.001)
    assert (len(raised), [outcome.record.path for outcome in done]) == (1, ["/a/1"])
    assert list(IN_FLIGHT.marks.values()) == ["/a/2"]
    inner.release.set()
    join()
    assert inner.removed == ["/a/1", "/a/2"]


# -- threads


def test_one_worker_does_for_one_sweep_after_another() -> None:
    storage = Abandoning(Hanging(), SECONDS)
    for _ in range(20):
        assert len(list(storage.remove(records("/a/1", "/a/2"), willing))) == 2
    assert len(workers()) == 1
    descriptors = len(os.listdir("/proc/self/fd")) if os.path.exists("/proc/self/fd") else 0
    del storage
    gc.collect()
    join()
    if descriptors:
        assert len(os.listdir("/proc/self/fd")) <= descriptors - 4


def test_sweeps_at_once_have_a_worker_each() -> None:
    both = threading.Barrier(2)

    def meet(_: TempFile) -> Cause | None:
        both.wait(PATIENCE)
        return None

    storage = Abandoning(Hanging(), SECONDS)
    with contextlib.ExitStack() as stack:
        for _ in range(2):
            thread = threading.Thread(target=lambda: list(storage.remove(records("/a/1"), meet)))
            thread.start()
            stack.callback(thread.join, PATIENCE)
    assert len(workers()) == 2


def test_a_forked_child_has_workers_of_its_own() -> None:
    storage = Abandoning(Hanging(), SECONDS)
    list(storage.remove(records("/a/1"), willing))
    assert in_child(lambda: len(list(storage.remove(records("/a/1", "/a/2"), willing)))) == 2
    assert len(list(storage.remove(records("/a/1", "/a/2"), willing))) == 2


def test_looking_is_handed_through() -> None:
    assert len(list(Abandoning(Hanging(), SECONDS).predict(records("/a/1")))) == 1


@pytest.mark.parametrize("kind", [LockBell, PipeBell])
def test_a_bell_is_heard_once(kind: type[LockBell]) -> None:
    bell = kind()
    bell.set()
    assert (bell.wait(), bell.wait(0), bell.wait(-1)) == (True, False, False)
    bell.set()
    assert bell.wait(1e12)
    bell.close()


def test_without_descriptors_a_lock_will_do(monkeypatch: pytest.MonkeyPatch) -> None:
    def none_left() -> tuple[int, int]:
        raise OSError(24, "Too many open files")

    monkeypatch.setattr(os, "pipe", none_left)
    assert type(bounded.bell()) is LockBell
