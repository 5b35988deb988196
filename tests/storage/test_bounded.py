"""What hangs is left behind: the sweep goes on, and what comes back late does no harm."""

import contextlib
import gc
import os
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

from contexts import removing_by
from hanging_mount import hanging_mount
from patience import PATIENCE
from removing import outcomes, removal_of, removed
from temp_file_manager import TempFileManager
from temp_file_manager.causes import Cause
from temp_file_manager.chunks import Other
from temp_file_manager.records import Outcome, Status, TempFile
from temp_file_manager.storage import LocalStorage
from temp_file_manager.storage.contract import Removal
from temp_file_manager.storage.wrappers import wakeup
from temp_file_manager.storage.wrappers.bounded import Abandoning
from temp_file_manager.storage.wrappers.wakeup import LockBell, PipeBell
from temp_file_manager.testing import FakeClock, in_child

SECONDS = 5.0


class Hanging:
    """A storage that hangs at some paths, before it asks or in the removal, until ``release`` is set."""

    def __init__(self, *, before: Iterable[str] = (), during: Iterable[str] = ()) -> None:
        self.before = set(before)
        self.during = set(during)
        self.reached = threading.Semaphore(0)
        self.release = threading.Event()
        self.looked: list[str] = []
        self.removed: list[str] = []
        self.ended = 0

    def remove(self, removal: Removal) -> None:
        self.removal = removal
        for at, path in removal.each(removal.records.paths()):
            self.looked.append(path)
            self._hang(path in self.before)
            if removal.may_go(at):
                self._hang(path in self.during)
                self.removed.append(path)
        self.ended += 1

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


def records(*paths: str) -> list[TempFile]:
    return [TempFile(path, 0.0) for path in paths]


class Sweep:
    """A sweep, or the removal of a chunk, in a thread of its own, watched by a clock that obeys."""

    def __init__(self, remove: Callable[[], Iterable[Outcome]], storage: Any, clock: FakeClock) -> None:
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


class Returns:
    """What came back from where it hung: ``Removal.came_back``, as a sweeper hears it."""

    def __init__(self) -> None:
        self.told: list[tuple[int, Other | None]] = []

    def __call__(self, at: int, other: Other | None) -> None:
        assert threading.current_thread().name == "temp-file-removal"
        self.told.append((at, other))


def hung(storage: Abandoning, inner: Hanging, clock: FakeClock, *paths: str, times: int = 1, **how: object) -> Sweep:
    """Remove these; what hangs, so many times, is given up."""
    removal = removal_of(records(*paths), **how)

    def remove() -> list[Outcome]:
        storage.remove(removal)
        return outcomes(removal)

    sweep = Sweep(remove, storage, clock)
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
        sweep = Sweep(lambda: manager.sweep(force=True).outcomes, manager.context.storages.forced, clock)
        assert mount.hung.wait(PATIENCE)
        sweep.time_is_up()
        expected = zip(map(str, files), ("removed", "failed", "kept", "removed"), strict=True)
        assert sweep.told() == list(expected)
        assert sweep.outcomes[1].reason == "did not answer within 5 s: abandoned"
        assert set(manager.files) == {str(file) for file in files[1:3]}
        assert manager.sweep(force=True).kept == 1, "nothing is tried there until it comes back"
        manager.registry.patience = 0.01
        assert manager.register_files([files[1]]).registered == 0, "nothing could keep it"
        mount.release()
        come_back(manager.context.storages.forced)
        assert (mount.removed, set(manager.files)) == (["stuck"], {str(files[2])})
        mount.hung.clear()
        sweep = Sweep(lambda: manager.sweep(force=True).outcomes, manager.context.storages.forced, clock)
        assert mount.hung.wait(PATIENCE)
        mount.release()
        assert sweep.told() == [(str(files[2]), "removed")]
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


@pytest.mark.parametrize("where", ["before", "during"])
def test_what_comes_back_goes_no_further_and_is_told_once(clock: FakeClock, where: str) -> None:
    inner = Hanging(**{where: ["/a/1"]})
    storage = Abandoning(inner, SECONDS, clock)
    returns = Returns()
    sweep = hung(storage, inner, clock, "/a/1", "/a/2", came_back=returns)
    assert sweep.told() == [("/a/1", "failed"), ("/a/2", "kept")]
    under_way = [Other(outcome.status, outcome.cause).under_way for outcome in sweep.outcomes]
    assert (under_way, returns.told) == ([True, False], []), "it stays claimed for as long as it may yet be removed"
    inner.release.set()
    join()
    assert (inner.looked, inner.ended) == (["/a/1"], 1)
    if where == "before":
        assert (inner.removed, returns.told) == ([], [(0, Other(Status.SKIPPED, Cause.ABANDONED))])
    else:
        assert (inner.removed, returns.told) == (["/a/1"], [(0, None)])
    assert [str(outcome.status) for outcome in removed(storage, records("/a/2"))] == ["removed"]


def test_what_fails_after_it_was_given_up_is_told_as_that(clock: FakeClock) -> None:
    class Failing(Hanging):
        def remove(self, removal: Removal) -> None:
            for at, _ in removal.each(removal.records.paths()):
                self._hang(True)
                removal.note(at, Status.FAILED, Cause.REFUSED, "EIO")

    inner, returns = Failing(), Returns()
    storage = Abandoning(inner, SECONDS, clock)
    assert hung(storage, inner, clock, "/a/1", "/a/2", came_back=returns).told()[0] == ("/a/1", "failed")
    inner.release.set()
    join()
    assert returns.told == [(0, Other(Status.FAILED, Cause.REFUSED, "EIO"))]


def test_what_is_lost_after_it_was_given_up_is_not_told_as_removed(clock: FakeClock) -> None:
    class Broken(Hanging):
        def _hang(self, here: bool) -> None:
            super()._hang(here)
            raise RuntimeError("broken")

    inner, returns = Broken(during=["/a/1"], before=["/a/1"]), Returns()
    storage = Abandoning(inner, SECONDS, clock)
    assert hung(storage, inner, clock, "/a/1", came_back=returns).told() == [("/a/1", "failed")]
    inner.release.set()
    join()
    assert returns.told == [(0, Other(Status.SKIPPED, Cause.ABANDONED))]


def test_all_that_was_in_hand_is_under_way(clock: FakeClock) -> None:
    """As with several that are overwritten at once: none of them is anybody's until the call has come back."""

    class Several(Hanging):
        def remove(self, removal: Removal) -> None:
            for at, path in list(removal.begin(removal.records.paths())):
                if removal.may_go(at):
                    self._hang(path in self.during)
                removal.done = at + 1

    inner, returns = Several(during=["/b/2"]), Returns()
    storage = Abandoning(inner, SECONDS, clock)
    sweep = hung(storage, inner, clock, "/a/1", "/b/2", "/c/3", came_back=returns)
    assert [status for _, status in sweep.told()] == ["removed", "failed", "failed"]
    inner.release.set()
    join()
    assert returns.told == [(1, None), (2, Other(Status.SKIPPED, Cause.ABANDONED))]


class TooLate(FakeClock):
    """What hangs goes on in the moment in which it is given up, and has ended before it is left behind."""

    def __init__(self, inner: Hanging) -> None:
        super().__init__()
        self._inner = inner

    def wait(self, event: threading.Event, seconds: float) -> bool:
        if not self._inner.release.is_set():
            assert self._inner.reached.acquire(timeout=PATIENCE)
            self._inner.release.set()
            assert event.wait(PATIENCE)
        self.advance(max(seconds, SECONDS))
        return False


def test_one_that_comes_back_in_that_very_moment_is_told_once() -> None:
    """Either as done, by the thread that waited, or as come back, by the one that hung."""
    inner, returns = Hanging(during=["/a/1"]), Returns()
    storage = Abandoning(inner, SECONDS, TooLate(inner))
    removal = removal_of(records("/a/1"), came_back=returns)
    storage.remove(removal)
    assert [str(outcome.status) for outcome in outcomes(removal)] == ["removed"]
    assert (returns.told, storage.hung) == ([], 0)


def test_a_question_that_hangs_lets_nothing_through(clock: FakeClock) -> None:
    """Excludes code that takes the answer of a registry whose disk hung for leave to remove what is settled by then."""
    inner = Hanging()
    storage = Abandoning(inner, SECONDS, clock)
    returns = Returns()
    answer = threading.Event()

    def still(_: int) -> bool:
        inner.reached.release()
        assert answer.wait(PATIENCE)
        return True

    sweep = hung(storage, inner, clock, "/a/1", still=still, came_back=returns)
    assert sweep.told() == [("/a/1", "failed")]
    answer.set()
    join()
    assert (inner.removed, returns.told) == ([], [(0, Other(Status.SKIPPED, Cause.ABANDONED))])


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
        assert {outcome.status for outcome in removed(storage, records(*paths))} == {Status.KEPT}
    assert len(workers()) == 2
    inner.release.set()
    join()
    assert {outcome.status for outcome in removed(storage, records(*paths))} == {Status.REMOVED}


def test_one_that_takes_long_and_says_so_is_waited_for(clock: FakeClock) -> None:
    go_on = threading.Semaphore(0)
    said = threading.Semaphore(0)

    class Slow(Hanging):
        def _hang(self, here: bool) -> None:
            for _ in range(20 if here else 0):
                assert go_on.acquire(timeout=PATIENCE)
                self.removal.signs += 1
                said.release()

    storage = Abandoning(Slow(during=["/a/1"]), SECONDS, clock)
    sweep = Sweep(lambda: removed(storage, records("/a/1", "/a/2")), storage, clock)
    for _ in range(20):
        clock.until_waiting()
        go_on.release()
        assert said.acquire(timeout=PATIENCE)
        clock.advance(SECONDS * 0.9)
    assert sweep.told() == [("/a/1", "removed"), ("/a/2", "removed")]


# -- errors and interrupts


def test_what_the_storage_raises_is_raised_after_what_it_did() -> None:
    class Raising(Hanging):
        def _hang(self, here: bool) -> None:
            if here:
                raise RuntimeError("broken")

    removal = removal_of(records("/a/1", "/a/2", "/a/3"))
    with pytest.raises(RuntimeError, match="broken"):
        Abandoning(Raising(before=["/a/2"]), SECONDS).remove(removal)
    assert [outcome.record.path for outcome in outcomes(removal)] == ["/a/1"]


def test_where_no_thread_can_start_nothing_leaks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Once each sweep lost four descriptors of the application's."""

    def refuse(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(3):
        with pytest.raises(RuntimeError, match="can't start"):
            Abandoning(Hanging(), SECONDS).remove(removal_of(records("/a/1")))
    assert len(os.listdir("/proc/self/fd")) == before


def test_a_storage_that_gives_up_is_not_asked_for_ever() -> None:
    class Idle(Hanging):
        def remove(self, removal: Removal) -> None:
            del removal

    assert removed(Abandoning(Idle(), SECONDS), records("/a/1")) == []


def test_after_one_that_hangs_it_is_enough(clock: FakeClock) -> None:
    """Or a chunk on a dead mount would cost the patience many times, and others wait for all of it."""
    inner = Hanging(during=["/a/1"])
    storage = Abandoning(inner, SECONDS, clock)
    sweep = hung(storage, inner, clock, "/a/1", "/b/2", elapsed=clock.elapsed, enough=0.05)
    assert sweep.told() == [("/a/1", "failed")]
    inner.release.set()


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
    inner, returns = Hanging(during=["/a/2"]), Returns()
    storage = Abandoning(inner, SECONDS, Interrupted(inner.reached, inner.release.set))
    removal = removal_of(records("/a/1", "/a/2", "/a/3"), came_back=returns)
    with pytest.raises(KeyboardInterrupt):
        storage.remove(removal)
    join()
    # What is under way when the interrupt comes may or may not be followed by a look at the next.
    assert inner.removed == [outcome.record.path for outcome in outcomes(removal) if outcome.status is Status.REMOVED]
    assert (inner.removed[:2], returns.told) == (["/a/1", "/a/2"], [])


def test_an_interrupt_while_a_removal_hangs_ends_the_sweep_all_the_same() -> None:
    inner, returns = Hanging(during=["/a/2"]), Returns()
    clock = Interrupted(inner.reached, lambda: None)
    storage = Abandoning(inner, SECONDS, clock)
    removal = removal_of(records("/a/1", "/a/2", "/a/3"), came_back=returns)
    raised: list[BaseException] = []

    def sweep() -> None:
        try:
            storage.remove(removal)
        except KeyboardInterrupt as error:
            raised.append(error)

    thread = threading.Thread(target=sweep)
    thread.start()
    while thread.is_alive():
        clock.advance(1)
        thread.join(0.001)
    found = [(outcome.record.path, outcome.status, outcome.cause) for outcome in outcomes(removal)]
    assert found == [("/a/1", Status.REMOVED, Cause.NONE), ("/a/2", Status.FAILED, Cause.HUNG)]
    assert (len(raised), returns.told) == (1, [])
    inner.release.set()
    join()
    assert (inner.removed, returns.told) == (["/a/1", "/a/2"], [(1, None)])


# -- threads


def test_one_worker_does_for_one_sweep_after_another() -> None:
    storage = Abandoning(Hanging(), SECONDS)
    for _ in range(20):
        assert len(removed(storage, records("/a/1", "/a/2"))) == 2
    assert len(workers()) == 1
    descriptors = len(os.listdir("/proc/self/fd")) if os.path.exists("/proc/self/fd") else 0
    del storage
    gc.collect()
    join()
    if descriptors:
        assert len(os.listdir("/proc/self/fd")) <= descriptors - 4


def test_sweeps_at_once_have_a_worker_each() -> None:
    both = threading.Barrier(2)

    def meet(_: int) -> bool:
        both.wait(PATIENCE)
        return True

    storage = Abandoning(Hanging(), SECONDS)
    with contextlib.ExitStack() as stack:
        for _ in range(2):
            thread = threading.Thread(target=lambda: removed(storage, records("/a/1"), meet))
            thread.start()
            stack.callback(thread.join, PATIENCE)
    assert len(workers()) == 2


def test_a_forked_child_has_workers_of_its_own() -> None:
    storage = Abandoning(Hanging(), SECONDS)
    removed(storage, records("/a/1"))
    assert in_child(lambda: len(removed(storage, records("/a/1", "/a/2")))) == 2
    assert len(removed(storage, records("/a/1", "/a/2"))) == 2


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


def test_a_lock_that_is_rung_twice_is_heard_once() -> None:
    bell = LockBell()
    bell.set()
    bell.set()
    assert (bell.wait(), bell.wait(0)) == (True, False)


def test_without_descriptors_a_lock_will_do(monkeypatch: pytest.MonkeyPatch) -> None:
    def none_left() -> tuple[int, int]:
        raise OSError(24, "Too many open files")

    monkeypatch.setattr(os, "pipe", none_left)
    assert type(wakeup.bell()) is LockBell


def test_a_pipe_that_is_rung_twice_is_heard_twice() -> None:
    bell = PipeBell()
    bell.set()
    bell.set()
    assert (bell.wait(0), bell.wait(0), bell.wait(0)) == (True, True, False)
    bell.close()
