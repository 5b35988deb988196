"""Removals by several threads: each file once, all told, and one that hangs holds none of the others."""

import _thread
import gc
import math
import os
import signal
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from patience import PATIENCE
from temp_file_manager import TempFileManager
from temp_file_manager.causes import Cause
from temp_file_manager.chunks import Made, Other, Outcomes
from temp_file_manager.inspection.check import check
from temp_file_manager.records import Outcome, Status, TempFile
from temp_file_manager.settings import Settings
from temp_file_manager.storage.contract import Removal
from temp_file_manager.storage.wrappers.threads import Threaded
from temp_file_manager.testing import FakeClock


class Counting:
    """A storage that does to each path what it is told, and counts."""

    def __init__(self, act: Callable[[str], None] = lambda _: None) -> None:
        self.act = act
        self.removed: Counter[str] = Counter()
        self.threads: set[int] = set()

    def remove(self, removal: Removal) -> None:
        for at, path in removal.each(removal.records.paths()):
            self.threads.add(threading.get_ident())
            if path.endswith("kept"):
                removal.note(at, Status.KEPT, Cause.IN_USE)
            elif removal.may_go(at):
                self.act(path)
                self.removed[path] += 1

    def predict(self, records: Iterable[TempFile]) -> Iterator[Outcome]:
        return (Outcome(record, Status.REMOVED) for record in records)


@pytest.fixture(autouse=True)
def no_thread_is_left() -> Iterator[None]:
    yield
    gc.collect()
    for thread in threading.enumerate():
        if thread.name == "temp-file-removal":
            thread.join(PATIENCE)
            assert not thread.is_alive(), "a worker outlives its storage"


def chunk(*paths: str) -> Made:
    return Made([TempFile(path, 0.0) for path in paths])


def told(removal: Removal) -> list[tuple[str, str]]:
    return [(one.record.path, str(one.status)) for one in Outcomes(removal.records, removal.done, removal.others)]


def test_each_is_removed_once_and_told_in_order() -> None:
    meeting = threading.Barrier(8)
    first = threading.local()

    def meet(_: str) -> None:
        if not hasattr(first, "met"):  # so that all eight take part, however few processors there are
            first.met = True
            meeting.wait(PATIENCE)

    storage = Counting(meet)
    paths = [f"/d/{number:03}{'kept' if number % 7 == 0 else ''}" for number in range(301)]
    removal = Removal(chunk(*paths))
    Threaded(storage, 8, PATIENCE).remove(removal)
    assert told(removal) == [(path, "kept" if path.endswith("kept") else "removed") for path in paths]
    assert set(storage.removed.values()) == {1}
    assert len(storage.removed) == sum(not path.endswith("kept") for path in paths)
    assert len(storage.threads) == 8


def test_after_the_deadline_nothing_goes() -> None:
    clock = FakeClock()
    gone: list[str] = []

    def act(path: str) -> None:
        gone.append(path)
        if len(gone) == 10:
            clock.advance(100)

    removal = Removal(
        chunk(*(f"/d/{number}" for number in range(200))), elapsed=clock.elapsed, deadline=clock.elapsed() + 50
    )
    Threaded(Counting(act), 4, PATIENCE, clock).remove(removal)
    statuses = Counter(status for _, status in told(removal))
    assert removal.done == 200
    # Those that were in hand when the time was up had been allowed to go.
    assert 10 <= statuses["removed"] <= 13
    assert statuses["skipped"] == 200 - statuses["removed"]
    assert {path for path, status in told(removal) if status == "removed"} == set(gone)


def test_when_it_is_enough_no_more_are_begun_and_there_are_no_gaps() -> None:
    clock = FakeClock()
    removed: list[str] = []

    def act(path: str) -> None:
        removed.append(path)
        if len(removed) == 50:
            clock.advance(10)

    removal = Removal(
        chunk(*(f"/d/{number:03}" for number in range(400))), elapsed=clock.elapsed, enough=clock.elapsed() + 5
    )
    Threaded(Counting(act), 4, PATIENCE, clock).remove(removal)
    assert 50 <= removal.done <= 60
    assert sorted(removed) == [path for path, _ in told(removal)]


def test_one_that_hangs_holds_none_of_the_others() -> None:
    clock, release, reached = FakeClock(), threading.Event(), threading.Event()

    def act(path: str) -> None:
        if path == "/slow/0":
            reached.set()
            assert release.wait(PATIENCE)

    storage, returned = Counting(act), list[tuple[int, Other | None]]()
    paths = ["/slow/0", *(f"/d/{number}" for number in range(50)), "/slow/1"]
    removal = Removal(chunk(*paths), elapsed=clock.elapsed, came_back=lambda *one: returned.append(one))
    threaded = Threaded(storage, 4, 10, clock)
    sweep = threading.Thread(target=threaded.remove, args=(removal,))
    sweep.start()
    assert reached.wait(PATIENCE)
    while sweep.is_alive():
        clock.advance(1)
        sweep.join(0.001)
    outcomes = dict(told(removal))
    assert outcomes.pop("/slow/0") == "failed"
    assert removal.others[0].under_way
    outcomes.pop("/slow/1")  # removed before the first was given up
    assert set(outcomes.values()) == {"removed"}
    assert threaded.hung == 1
    again = Removal(chunk("/slow/2", "/d/99"), elapsed=clock.elapsed)
    threaded.remove(again)
    assert told(again) == [("/slow/2", "kept"), ("/d/99", "removed")]
    release.set()
    while threaded.hung:
        gc.collect()
    assert returned == [(0, None)]  # it went through after all
    assert storage.removed["/slow/0"] == 1


def test_what_hangs_before_it_is_asked_stays_when_it_comes_back() -> None:
    clock, release, reached = FakeClock(), threading.Event(), threading.Event()

    class Looking(Counting):
        def remove(self, removal: Removal) -> None:
            for at, path in removal.each(removal.records.paths()):
                if path == "/a/0":
                    reached.set()
                    assert release.wait(PATIENCE)
                if removal.may_go(at):
                    self.removed[path] += 1

    storage, returned = Looking(), list[tuple[int, Other | None]]()
    removal = Removal(chunk("/a/0", "/b/1"), elapsed=clock.elapsed, came_back=lambda *one: returned.append(one))
    threaded = Threaded(storage, 2, 10, clock)
    sweep = threading.Thread(target=threaded.remove, args=(removal,))
    sweep.start()
    assert reached.wait(PATIENCE)
    while sweep.is_alive():
        clock.advance(1)
        sweep.join(0.001)
    release.set()
    while threaded.hung:
        gc.collect()
    assert [(at, other and other.cause) for at, other in returned] == [(0, Cause.ABANDONED)]
    assert set(storage.removed) == {"/b/1"}


def test_what_a_storage_raises_comes_out_and_what_is_done_is_told() -> None:
    def act(path: str) -> None:
        if path == "/d/20":
            raise MemoryError

    storage = Counting(act)
    removal = Removal(chunk(*(f"/d/{number}" for number in range(100))))
    with pytest.raises(MemoryError):
        Threaded(storage, 4, PATIENCE).remove(removal)
    assert removal.done == 20
    assert set(storage.removed) >= {path for path, _ in told(removal)}


def test_ctrl_c_ends_it_after_what_is_in_hand() -> None:
    removed: list[str] = []
    meeting = threading.Barrier(4)

    def act(path: str) -> None:
        removed.append(path)
        if len(removed) <= 4:
            meeting.wait(PATIENCE)  # all are at work, and the main thread waits
        if len(removed) == 20:
            _thread.interrupt_main()

    removal = Removal(chunk(*(f"/d/{number:05}" for number in range(20_000))))
    with pytest.raises(KeyboardInterrupt):
        Threaded(Counting(act), 4, PATIENCE).remove(removal)
    assert 20 <= removal.done <= 20_000
    assert sorted(removed) == [path for path, status in told(removal) if status == "removed"]


def test_without_more_threads_those_there_are_do_all(monkeypatch: pytest.MonkeyPatch) -> None:
    begun, start = [], threading.Thread.start

    def begin(thread: threading.Thread) -> None:
        if len(begun) == 2:
            raise RuntimeError("can't start new thread")
        begun.append(thread)
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", begin)
    storage = Counting()
    Threaded(storage, 8, PATIENCE).remove(Removal(chunk(*(f"/d/{number}" for number in range(100)))))
    assert len(storage.removed) == 100


def test_a_forked_child_has_threads_of_its_own(tmp_path: Path) -> None:
    storage = Threaded(Counting(), 4, PATIENCE)
    storage.remove(Removal(chunk("/d/1", "/d/2")))
    child = os.fork()
    if child == 0:
        removal = Removal(chunk(*(f"/d/{number}" for number in range(10))))
        storage.remove(removal)
        os._exit(0 if removal.done == 10 else 1)
    assert os.waitpid(child, 0)[1] == 0


KILLED = """
import os, sys
from temp_file_manager import TempFileManager
from temp_file_manager.settings import Settings
from temp_file_manager.storage.kernel import leases
unlink, seen = os.unlink, []
def slow(*args, **how):
    unlink(*args, **how)
    seen.append(args)
    if len(seen) == 100:
        os.kill(os.getpid(), 9)
os.unlink = slow
manager = TempFileManager(sys.argv[1], registry="sqlite:", settings=Settings(removal_threads=8, paranoid=True))
manager.sweep(force=True)
"""


def test_kill_9_in_the_middle_leaves_nothing_wrong(tmp_path: Path) -> None:
    with closing(
        TempFileManager(tmp_path / "base", registry="sqlite:", settings=Settings(removal_threads=8))
    ) as manager:
        files = [tmp_path / "base" / f"{number:03}" for number in range(400)]
        for file in files:
            file.write_bytes(b"registered")
        stranger = tmp_path / "base" / "stranger"
        stranger.write_bytes(b"")
        manager.register_files(files)
        done = subprocess.run([sys.executable, "-c", KILLED, str(manager.base_dir)], timeout=PATIENCE, check=False)
        assert done.returncode == -signal.SIGKILL
        assert len(manager.files) == 400  # a record outlives its file
        report = manager.sweep(force=True)
        assert report.removed + report.gone == 400
        assert report.gone >= 90
        assert not any(file.exists() for file in files)
        assert stranger.exists()
        assert check(manager.context) == ()
        assert math.isfinite(report.duration)
