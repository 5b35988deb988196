"""Claims in the SQLite file as locks between processes: killed, stopped and hung sweepers, and who waits for them."""

import math
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from patience import PATIENCE
from sqlite_files import claimed, new, over, registry_at
from temp_file_manager.causes import Cause
from temp_file_manager.chunks import Other
from temp_file_manager.errors import RecordClaimedError
from temp_file_manager.records import NewFile, Selection, Status
from temp_file_manager.registry import Looked, Settlement, waiting
from temp_file_manager.registry.sqlite.registry import SqliteRegistry

ALL = Selection(1e10, 0, force=True)
HUNG = Other(Status.FAILED, Cause.HUNG)
LONG = PATIENCE
"""Seconds; bounds a hang."""

SWEEPER = """
import sys
from temp_file_manager.chunks import Other
from temp_file_manager.causes import Cause
from temp_file_manager.records import Selection, Status
from temp_file_manager.registry import Settlement
from temp_file_manager.registry.sqlite.registry import SqliteRegistry
path, base, hangs = sys.argv[1:]
registry = SqliteRegistry(path, base)
claim = registry.claim(Selection(1e10, 0, force=True), now=0, lease=60, limit=2)
if hangs:
    registry.settle(Settlement(claim, 2, {at: Other(Status.FAILED, Cause.HUNG) for at in (0, 1)}, 0))
print(*claim.records.paths(), flush=True)
sys.stdin.readline()
registry.settle(Settlement(claim, 1, {}, 0))
print("settled", flush=True)
sys.stdin.readline()
"""


class Sweeper:
    """A process that has claimed ``/s/a`` and ``/s/b``; it removes the first and lets the second go when told to."""

    def __init__(self, place: Path, *, hangs: bool = False) -> None:
        command = [sys.executable, "-c", SWEEPER, str(place / "r.db"), str(place), "yes" if hangs else ""]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self._says() == "/s/a /s/b"

    def _says(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()

    def settle(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        assert self._says() == "settled"

    def stop(self) -> None:
        self.process.send_signal(signal.SIGSTOP)
        os.waitid(os.P_PID, self.process.pid, os.WSTOPPED | os.WNOWAIT)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def end(self) -> None:
        self.process.kill()
        self.process.communicate()


@pytest.fixture
def shared(fresh: SqliteRegistry) -> SqliteRegistry:
    """A registry of ``/s/a``, ``/s/b`` and ``/s/c``, which waits for nobody."""
    fresh.add([new(f"/s/{name}") for name in "abc"], 1.0)
    fresh.patience = 0.0
    return fresh


@contextmanager
def sweeping(place: Path, *, hangs: bool = False) -> Iterator[Sweeper]:
    sweeper = Sweeper(place, hangs=hangs)
    try:
        yield sweeper
    finally:
        sweeper.end()


CHANGES: dict[str, Callable[[SqliteRegistry, str], object]] = {
    "add": lambda registry, path: registry.add([new(path)], 2.0),
    "add many": lambda registry, path: registry.add([new("/s/more"), new(path)], 2.0),
    "amend": lambda registry, path: registry.amend(path, 2.0),
    "forget": lambda registry, path: registry.forget([path]),
    "keep": lambda registry, path: registry.keep([path], math.inf),
    "write": lambda registry, path: registry.files.__setitem__(path, 2.0),
    "delete": lambda registry, path: registry.files.__delitem__(path),
    "replace": lambda registry, path: registry.replace([(path, 2.0)]),
}


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("hangs", [False, True])
def test_what_a_killed_sweeper_had_claimed_is_free_at_once(
    shared: SqliteRegistry, tmp_path: Path, change: str, hangs: bool
) -> None:
    """The lock of its file is let go of by the kernel; before, its claim excludes."""
    with sweeping(tmp_path, hangs=hangs) as sweeper:
        with pytest.raises(RecordClaimedError) as refused:
            CHANGES[change](shared, "/s/a")
        assert refused.value.paths in {("/s/a",), ("/s/a", "/s/b")}
        assert "/s/more" not in shared.files, "a change that is refused changes nothing"
        sweeper.kill()
        CHANGES[change](shared, "/s/a")
    assert claimed(shared) == []


def test_what_a_killed_sweeper_had_claimed_is_claimed_anew(shared: SqliteRegistry, tmp_path: Path) -> None:
    with sweeping(tmp_path) as sweeper:
        others = shared.claim(ALL, now=0, lease=60, limit=9)
        assert others.records.paths() == ["/s/c"]
        sweeper.kill()
        assert shared.claim(ALL, now=0, lease=60, limit=9).records.paths() == ["/s/a", "/s/b"]
        (own,) = (tmp_path / "r.db-claimers").iterdir()
        assert own.name.endswith(f"-{shared.transactions.owner}"), "the lock file of the dead is gone"


def test_what_a_killed_sweeper_may_have_removed_is_looked_at_again(shared: SqliteRegistry, tmp_path: Path) -> None:
    """Between its removal and its settlement it may have died: no registration acknowledges what is not there."""
    seen: list[list[str]] = []

    def again(files: object) -> list[NewFile]:
        assert isinstance(files, (list, tuple))
        seen.append([file[0] for file in files])
        return []

    with sweeping(tmp_path) as sweeper:
        settlements = shared.settlements
        sweeper.kill()
        shared.add([new("/s/a")], 2.0, looked=Looked(settlements, again))
        settlements = shared.settlements
        shared.add([new("/s/b"), new("/s/c")], 2.0, looked=Looked(settlements, again))
    assert seen == [["/s/a"]]
    assert shared.files == {"/s/a": 1.0, "/s/b": 2.0, "/s/c": 2.0}


def test_a_stopped_sweeper_keeps_nobody_waiting_for_long(shared: SqliteRegistry, tmp_path: Path) -> None:
    """What it has claimed is refused, with the reason; the rest goes on; and when it goes on, so does all."""
    with sweeping(tmp_path) as sweeper:
        sweeper.stop()
        shared.patience = 0.05
        for path in ("/s/a", "/s/b"):
            with pytest.raises(RecordClaimedError, match=f"a sweep is at work on '{path}', or was stopped at it"):
                shared.add([new(path)], 2.0)
        shared.patience = 0.0  # what follows does not wait
        shared.add([new("/s/c"), new("/s/d")], 2.0)
        shared.add([new("/s/e")], 2.0)
        shared.add([new("/s/a"), new("/s/f")], 2.0, only_new=True)
        shared.files["/s/c"] = 3.0
        assert shared.keep(["/s/d"], math.inf) == ("/s/d",)
        assert dict(shared.files) == {"/s/a": 1.0, "/s/b": 1.0, "/s/c": 3.0, "/s/d": 2.0, "/s/e": 2.0, "/s/f": 2.0}
        free = shared.claim(ALL, now=0, lease=60, limit=9)
        assert free.records.paths() == ["/s/e", "/s/f", "/s/c"]
        shared.settle(over(free, Status.SKIPPED))
        assert len(shared.page(None, now=0, limit=9).records) == 6
        sweeper.process.send_signal(signal.SIGCONT)
        shared.patience = LONG
        adding = threading.Thread(target=shared.add, args=([new("/s/a")], 4.0))
        adding.start()
        sweeper.settle()
        adding.join()
        shared.add([new("/s/b")], 4.0)
    assert (shared.files["/s/a"], shared.files["/s/b"]) == (4.0, 4.0)


def test_a_claim_that_has_lapsed_ends_with_the_next(shared: SqliteRegistry, tmp_path: Path) -> None:
    """A registration is not told the time, and does not end what a living sweeper has."""
    with sweeping(tmp_path) as sweeper:
        assert shared.page(ALL, now=60, limit=9).records[0].path == "/s/a"
        with pytest.raises(RecordClaimedError):
            shared.add([new("/s/a")], 2.0)
        assert shared.claim(ALL, now=59.9, lease=60, limit=9).records.paths() == ["/s/c"]
        late = shared.claim(ALL, now=60, lease=60, limit=9)
        assert late.records.paths() == ["/s/a", "/s/b"]
        sweeper.settle()
        assert claimed(shared) == ["/s/a", "/s/b", "/s/c"], "it has no say in them any more"
        shared.settle(over(late, Status.SKIPPED))
        shared.add([new("/s/a")], 2.0)


class TestAHungRemoval:
    """Other.under_way: its record stays claimed, for however long, until it comes back or its process dies."""

    def test_it_keeps_its_record_alone(self, shared: SqliteRegistry, tmp_path: Path) -> None:
        claim = shared.claim(ALL, now=0, lease=60, limit=3)
        shared.settle(Settlement(claim, 3, {1: HUNG}, 5.0))
        assert list(shared.files) == claimed(shared) == ["/s/b"]
        with closing(registry_at(tmp_path / "r.db", tmp_path)) as other:
            other.patience = 0.0
            for name, change in CHANGES.items():
                if name != "add many":
                    with pytest.raises(RecordClaimedError):
                        change(other, "/s/b")
            assert len(other.claim(ALL, now=1e9, lease=60, limit=9).records) == 0
            assert other.page(ALL, now=1e9, limit=9).records == ()
            other.add([new("/s/a")], 2.0)
            assert other.get(["/s/b"])["/s/b"].failures == 1

            back = threading.Thread(target=shared.settle, args=(Settlement(claim.only(1), 1, {}, 6.0),))
            back.start()
            back.join()
            assert list(other.files) == ["/s/a"]
            other.add([new("/s/b")], 2.0)
        assert shared.check(now=0, fix=False) == ()

    def test_it_comes_back_before_the_rest_is_settled(self, shared: SqliteRegistry) -> None:
        claim = shared.claim(ALL, now=0, lease=60, limit=3)
        shared.settle(Settlement(claim.only(1), 1, {}, 6.0))
        assert claimed(shared) == ["/s/a", "/s/c"]
        shared.settle(Settlement(claim, 2, {1: HUNG}, 6.0))
        assert (claimed(shared), list(shared.files)) == ([], ["/s/c"])
        assert shared.stats().counters["removed"] == 2

    def test_it_comes_back_without_having_removed_anything(self, shared: SqliteRegistry) -> None:
        claim = shared.claim(ALL, now=0, lease=60, limit=3)
        shared.settle(Settlement(claim, 3, {1: HUNG}, 5.0))
        shared.settle(Settlement(claim.only(1), 1, {0: HUNG._replace(status=Status.SKIPPED)}, 6.0))
        assert (claimed(shared), list(shared.files)) == ([], ["/s/b"])


class TestTheThreadThatSweeps:
    """A hook, or a signal's handler in it, would wait for itself."""

    @pytest.fixture(autouse=True)
    def _no_wait(self, monkeypatch: pytest.MonkeyPatch, shared: SqliteRegistry) -> None:
        def sleep(_: float) -> None:
            raise AssertionError("it waits")

        monkeypatch.setattr(waiting.time, "sleep", sleep)
        shared.patience = LONG

    @pytest.mark.parametrize("change", CHANGES)
    @pytest.mark.parametrize("by", ["the same object", "another"])
    def test_it_is_refused_at_once(self, shared: SqliteRegistry, tmp_path: Path, change: str, by: str) -> None:
        claim = shared.claim(ALL, now=0, lease=60, limit=2)
        with closing(registry_at(tmp_path / "r.db", tmp_path)) as other:
            registry = shared if by == "the same object" else other
            registry.patience = LONG
            with pytest.raises(RecordClaimedError):
                CHANGES[change](registry, "/s/a")
            shared.settle(over(claim, Status.SKIPPED))
            CHANGES[change](registry, "/s/a")

    def test_also_what_hangs(self, shared: SqliteRegistry) -> None:
        claim = shared.claim(ALL, now=0, lease=60, limit=2)
        shared.settle(Settlement(claim, 2, {0: HUNG}, 0))
        with pytest.raises(RecordClaimedError):
            shared.add([new("/s/a")], 2.0)

    def test_a_forked_child_is_not_that_thread(self, shared: SqliteRegistry) -> None:
        """Whose threads have its parent's names: it waits, as its parent may go on."""
        shared.claim(ALL, now=0, lease=60, limit=2)
        reader, writer = os.pipe()
        child = os.fork()
        if child == 0:
            try:
                shared.add([new("/s/a")], 2.0)
            except BaseException as error:
                os.write(writer, repr(error).encode())
            finally:
                os._exit(0)
        os.waitpid(child, 0)
        os.close(writer)
        with open(reader) as said:
            assert said.read() == "AssertionError('it waits')"


class Waits:
    """What tells that a thread has begun to wait for a claim."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.begun = threading.Event()
        real = time.sleep

        def sleep(seconds: float) -> None:
            self.begun.set()
            real(seconds)

        monkeypatch.setattr(waiting.time, "sleep", sleep)

    def during(self, work: Callable[[], object]) -> threading.Thread:
        thread = threading.Thread(target=work)
        thread.start()
        assert self.begun.wait(LONG)
        return thread


@pytest.mark.parametrize("change", CHANGES)
def test_who_waits_holds_no_lock(shared: SqliteRegistry, monkeypatch: pytest.MonkeyPatch, change: str) -> None:
    """Neither the registry's nor the file's: all that touches no claimed record goes on meanwhile."""
    claim = shared.claim(ALL, now=0, lease=60, limit=2)
    shared.patience = LONG
    thread = Waits(monkeypatch).during(lambda: CHANGES[change](shared, "/s/a"))
    shared.patience = 0.0
    with shared.lock:
        assert len(shared.files) == 3
    shared.add([new("/s/c")], 3.0)
    shared.files["/s/c"] = 4.0
    assert thread.is_alive()
    shared.settle(over(claim, Status.SKIPPED))
    thread.join()


def test_who_holds_the_registry_s_lock_may_wait_for_a_sweep(
    shared: SqliteRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Callers hold it while they write to ``files``: neither settling nor claiming takes it."""
    claim = shared.claim(ALL, now=0, lease=60, limit=2)
    shared.keep(["/s/c"], math.inf, "this process")
    shared.patience = LONG

    def write() -> None:
        with shared.lock:
            shared.files["/s/a"] = 2.0

    thread = Waits(monkeypatch).during(write)
    shared.release_later("/s/c")
    assert len(shared.files) == 3
    following = shared.claim(ALL, now=0, lease=60, limit=2, after=claim.cursor, settling=over(claim))
    assert following.records.paths() == ["/s/c"]
    thread.join()
    assert shared.files == {"/s/a": 2.0, "/s/c": 1.0}


def test_an_interrupted_wait_leaves_nothing_behind(shared: SqliteRegistry, monkeypatch: pytest.MonkeyPatch) -> None:
    def sleep(_: float) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        claims = []
        sweep = threading.Thread(target=lambda: claims.append(shared.claim(ALL, now=0, lease=60, limit=2)))
        sweep.start()
        sweep.join()
        patched.setattr(waiting.time, "sleep", sleep)
        shared.patience = LONG
        for change in CHANGES.values():
            with pytest.raises(KeyboardInterrupt):
                change(shared, "/s/a")
    assert not shared.lock.locked()
    shared.settle(over(claims[0], Status.SKIPPED))
    shared.add([new("/s/c")], 5.0)
    assert shared.files == {"/s/a": 1.0, "/s/b": 1.0, "/s/c": 5.0}


def test_a_batch_that_was_looked_at_again_leaves_nothing_to_the_next(fresh: SqliteRegistry, tmp_path: Path) -> None:
    seen: list[int] = []

    def again(files: Sequence[NewFile]) -> Sequence[NewFile]:
        seen.append(len(files))
        return files

    fresh.add([new("/s/a")], 1.0)
    before = fresh.settlements
    with closing(registry_at(tmp_path / "r.db", tmp_path)) as other:
        other.settle(over(other.claim(ALL, now=0, lease=60, limit=9)))
    fresh.add([new("/s/b"), new("/s/c")], 2.0, looked=Looked(before, again))
    fresh.add([new("/s/d"), new("/s/e"), new("/s/f")], 2.0, looked=Looked(fresh.settlements, again))
    assert seen == [2]
