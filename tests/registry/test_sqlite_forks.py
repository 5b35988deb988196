"""Forking with a SQLite registry open: nothing is lost on either side, and neither takes anything from the other."""

import fcntl
import json
import multiprocessing
import os
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from patience import PATIENCE
from sqlite_files import claimed, over, registry_at
from temp_file_manager import TempFileManager
from temp_file_manager.inspection.check import check
from temp_file_manager.records import Selection, Status
from temp_file_manager.testing import in_child

ALL = Selection(1e10, 0, force=True)
FORKS = 15
ROUNDS = 60


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[TempFileManager]:
    manager = TempFileManager(tmp_path / "base", registry="sqlite:")
    yield manager
    manager.close()


@pytest.fixture
def own(tmp_path: Path) -> Path:
    return tmp_path / "base" / ".temp-file-manager"


def make(directory: Path, prefix: str, count: int) -> list[str]:
    directory.mkdir(exist_ok=True)
    paths = [str(directory / f"{prefix}{number:03}") for number in range(count)]
    for path in paths:
        open(path, "w").close()
    return paths


def verdict(own: Path) -> str:
    """Return what SQLite says of the file, from a process that has never had it open."""
    program = "import sqlite3, sys; print(*sqlite3.connect(sys.argv[1]).execute('PRAGMA integrity_check').fetchone())"
    command = [sys.executable, "-c", program, str(own / "registry.db")]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def run(program: str, *arguments: object) -> Any:
    """Return what a program of its own prints as JSON; it must end as programs do."""
    command = [sys.executable, "-W", "ignore::DeprecationWarning", "-c", program, *map(str, arguments)]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=PATIENCE)
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    return json.loads(done.stdout)


def test_forking_while_threads_register_and_sweep(tmp_path: Path, manager: TempFileManager, own: Path) -> None:
    """What has come to the end of its ttl is removed once, by either side, and everything else stays, on record."""
    directory = tmp_path / "files"
    directory.mkdir()
    errors: list[BaseException] = []
    removed: list[int] = []
    kept: list[str] = []
    rounds = threading.Barrier(5)

    def register(name: str) -> None:
        for number in range(ROUNDS):
            for what, ttl in (("short", 0), ("long", None)):
                path = directory / f"{name}-{what}-{number}"
                path.touch()
                manager.register_file(path, ttl=ttl)
                if ttl is None:
                    kept.append(str(path))

    def sweep(_: str) -> None:
        removed.extend(manager.sweep().removed for _ in range(ROUNDS))

    def thread(work: Callable[[str], None], name: str) -> threading.Thread:
        def guarded() -> None:
            rounds.wait()
            try:
                work(name)
            except BaseException as error:
                errors.append(error)

        return threading.Thread(target=guarded)

    threads = [thread(register, "a"), thread(register, "b"), thread(sweep, "c"), thread(sweep, "d")]
    for one in threads:
        one.start()
    rounds.wait()

    def child(number: int) -> list[Any]:
        before = manager.registry.get(kept)
        mine = make(directory, f"child-{number}-", 3)
        manager.register_files(mine)
        manager.register_file(mine[0], ttl=0)
        return [len(before), mine[1:], manager.sweep().removed]

    for number in range(FORKS):
        known = len(kept)
        found, mine, count = in_child(lambda number=number: child(number))
        assert found >= known, "what was on record before the fork is there in the child"
        kept += mine
        removed.append(count)
    for one in threads:
        one.join()
    assert errors == []
    removed.append(manager.sweep().removed)
    assert sum(removed) == 2 * ROUNDS + FORKS
    assert sorted(manager.files) == sorted(kept) == sorted(str(path) for path in directory.iterdir())
    assert len(kept) == 2 * ROUNDS + 2 * FORKS
    assert verdict(own) == "ok"
    assert check(manager.context, fix=True) == () or check(manager.context) == ()


def test_a_child_of_a_thread_that_holds_the_locks(tmp_path: Path, manager: TempFileManager) -> None:
    """The child has locks of its own, which nobody holds."""
    (first, second) = make(tmp_path / "files", "f", 2)
    with manager.lock:
        assert in_child(lambda: [manager.register_file(first), len(manager.files)]) == [None, 1]
    manager.register_file(second)
    assert sorted(manager.files) == [first, second]


def test_both_sides_go_on(tmp_path: Path, manager: TempFileManager, own: Path) -> None:
    """Turn and turn about, each sees what the other has written."""
    paths = make(tmp_path / "files", "f", 40)
    to_child, from_parent = os.pipe()
    to_parent, from_child = os.pipe()
    manager.register_file(paths[0])
    pid = os.fork()
    if pid == 0:
        try:
            for number in range(2, 40, 2):
                assert os.read(to_child, 1)
                assert len(manager.files) == number
                manager.register_file(paths[number])
                os.write(from_child, b"x")
            manager.close()
        except BaseException as error:
            os.write(from_child, repr(error).encode())
        finally:
            os._exit(0)
    for number in range(1, 39, 2):
        manager.register_file(paths[number])
        os.write(from_parent, b"x")
        assert os.read(to_parent, 1000) == b"x"
        assert len(manager.files) == number + 2
    os.waitpid(pid, 0)
    for descriptor in (to_child, from_parent, to_parent, from_child):
        os.close(descriptor)
    manager.register_file(paths[39])
    assert sorted(manager.files) == paths
    assert verdict(own) == "ok"


def test_what_a_child_writes_after_its_parent_has_closed_is_there(tmp_path: Path, manager: TempFileManager) -> None:
    """Had it taken the parent's connection over, it would write to a WAL that went with the parent's close."""
    paths = make(tmp_path / "files", "f", 3)
    manager.register_file(paths[0])
    wait, go = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.read(wait, 1)
            manager.register_files(paths[1:])
        finally:
            os._exit(0)
    manager.close()
    os.write(go, b"x")
    os.waitpid(pid, 0)
    os.close(wait)
    os.close(go)
    assert sorted(manager.files) == paths


EXITING = """
import json, os, sys
from temp_file_manager import TempFileManager
from temp_file_manager.records import Selection
from temp_file_manager.registry import Settlement
base, uses = sys.argv[1:]
manager = TempFileManager(base, registry="sqlite:")
paths = [manager.mkstemp()[1] for _ in range(3)]
registry = manager.registry
claim = registry.claim(Selection(1e10, 0, force=True), now=0, lease=60, limit=2)
own = f"{base}/.temp-file-manager"
locks = os.listdir(f"{own}/registry.db-claimers")
pid = os.fork()
if pid == 0:
    if uses == "leaves":
        manager.__exit__(None, None, None)
    elif uses != "nothing":
        taken = registry.claim(Selection(1e10, 0, force=True), now=0, lease=60, limit=9)
        assert taken.records.paths() == paths[2:], taken
        if uses == "settles":
            for one in (taken, claim):
                registry.settle(Settlement(one, 0, {}, 0))
    sys.exit(3)
_, code = os.waitpid(pid, 0)
print(json.dumps({
    "code": os.waitstatus_to_exitcode(code),
    "locks": set(locks) == set(os.listdir(f"{own}/registry.db-claimers")) and len(locks),
    "files": sorted(manager.files) == sorted(paths) and all(map(os.path.exists, paths)),
    "free": len(registry.claim(Selection(1e10, 0, force=True), now=0, lease=60, limit=9).records),
    "left": registry.settle(Settlement(claim, 2, {}, 0)) or len(manager.files),
}))
"""


@pytest.mark.parametrize("uses", ["nothing", "claims", "settles", "leaves"])
def test_a_child_that_exits_as_programs_do_takes_nothing_with_it(tmp_path: Path, own: Path, uses: str) -> None:
    """Its parent's lock file, claims and records stay; its own go."""
    assert run(EXITING, tmp_path / "base", uses) == {
        "code": 3,
        "locks": 1,
        "files": True,
        "free": 1,
        "left": 1,
    }
    assert os.listdir(own / "registry.db-claimers") == [], "the parent's goes with the parent"
    assert verdict(own) == "ok"


def test_a_child_that_exits_leaves_the_wal_to_its_parent(tmp_path: Path, manager: TempFileManager, own: Path) -> None:
    """SQLite removes it with the last process that has the file open, which the child is not."""
    paths = make(tmp_path / "files", "f", 2)

    def child() -> list[int]:
        reader, writer = os.pipe()
        pid = os.fork()
        if pid == 0:
            os.read(reader, 1)  # until the process that forked it has the file open again
            manager.register_file(paths[1])
            manager.close()
            os._exit(0)
        manager.register_file(paths[0])
        before = (own / "registry.db-wal").stat().st_ino
        os.write(writer, b"x")
        os.waitpid(pid, 0)
        return [before, (own / "registry.db-wal").stat().st_ino, len(manager.files)]

    before, after, count = in_child(child)
    assert (before, count) == (after, 2)
    assert sorted(manager.files) == paths


POOL = """
import json, multiprocessing, os, sys
from temp_file_manager import TempFileManager
base = sys.argv[1]
manager = TempFileManager(base, registry="sqlite:")
manager.mkstemp()
def register(number):
    path = f"{base}/{number:03}"
    open(path, "w").close()
    manager.register_file(path)
    return os.getpid(), path in manager.files
with multiprocessing.get_context("fork").Pool(4) as pool:
    found = pool.map(register, range(200), chunksize=5)
    pool.close()
    pool.join()
print(json.dumps([len({pid for pid, _ in found} | {os.getpid()}) > 1, all(there for _, there in found),
                  len(manager.files), manager.clear_all(), os.listdir(base)]))
"""


def test_a_pool_of_forked_processes(tmp_path: Path, own: Path) -> None:
    assert run(POOL, tmp_path / "base") == [True, True, 201, 201, [".temp-file-manager"]]
    assert verdict(own) == "ok"


def test_a_pool_forked_by_this_process(tmp_path: Path, manager: TempFileManager, own: Path) -> None:
    """With a claim in hand, which no worker has a part in."""
    paths = make(tmp_path / "files", "f", 80)
    (held,) = make(tmp_path / "files", "held", 1)
    manager.register_file(held)
    claim = manager.registry.claim(ALL, now=0, lease=60, limit=1)
    workers = [
        multiprocessing.get_context("fork").Process(target=manager.register_files, args=(paths[first::4],))
        for first in range(4)
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
        assert worker.exitcode == 0
    assert sorted(manager.files) == sorted([*paths, held])
    assert claimed(manager.registry) == [held]
    manager.registry.settle(over(claim, Status.SKIPPED))
    assert claimed(manager.registry) == []
    assert verdict(own) == "ok"


def test_a_killed_parents_claim_is_free_while_its_child_lives(tmp_path: Path, manager: TempFileManager) -> None:
    """The lock that says that a claimer lives is shared by a fork, until the child lets go of it."""
    paths = make(tmp_path / "files", "f", 3)
    manager.register_files(paths)
    for uses in (False, True):
        reader, writer = os.pipe()
        wait, end = os.pipe()
        parent = os.fork()
        if parent == 0:
            try:
                registry = manager.registry
                assert len(registry.claim(ALL, now=0, lease=60, limit=9).records) == 3
                if os.fork() == 0:
                    os.close(end)
                    if uses:
                        assert len(manager.files) == 3
                        assert len(registry.claim(ALL, now=0, lease=60, limit=9).records) == 0
                    os.write(writer, f"{os.getpid()}\n".encode())
                    os.read(wait, 1)
                else:
                    signal.pause()
            finally:
                os._exit(0)
        os.close(writer)
        os.close(wait)
        with open(reader) as pipe:
            child = int(pipe.readline())
            try:
                assert len(manager.registry.claim(ALL, now=0, lease=60, limit=9).records) == 0
                os.kill(parent, signal.SIGKILL)
                os.waitpid(parent, 0)
                os.kill(child, 0)  # it lives
                claim = manager.registry.claim(ALL, now=0, lease=60, limit=9)
                assert claim.records.paths() == paths
                manager.registry.settle(over(claim, Status.SKIPPED))
                os.kill(child, 0)
            finally:
                os.close(end)
            assert pipe.read() == "", "the child has ended"


class TestClosing:
    def test_it_can_be_used_again(self, tmp_path: Path, manager: TempFileManager, own: Path) -> None:
        paths = make(tmp_path / "files", "f", 3)
        files = manager.files
        for number, path in enumerate(paths):
            manager.close()
            manager.close()
            manager.register_file(path)
            assert len(files) == number + 1
        assert manager.files is files
        manager.close()
        assert files[paths[0]] > 0
        manager.close()
        assert manager.sweep(force=True).removed == 3
        assert verdict(own) == "ok"

    def test_no_descriptor_of_the_database_stays_open(
        self, tmp_path: Path, manager: TempFileManager, own: Path
    ) -> None:
        manager.register_files(make(tmp_path / "files", "f", 2))
        claim = manager.registry.claim(ALL, now=0, lease=60, limit=1)

        def open_files() -> list[str]:
            links = [f"/proc/self/fd/{name}" for name in os.listdir("/proc/self/fd")]
            return [path for path in (os.readlink(link) for link in links if os.path.lexists(link)) if str(own) in path]

        if not os.path.exists("/proc/self/fd"):
            print("not tried: whether closing closes every descriptor, of which there is no list")
            return
        assert len(open_files()) >= 3
        manager.close()
        (lock,) = open_files()
        assert "registry.db-claimers" in lock, "which says that the claim goes on"
        manager.registry.settle(over(claim, Status.SKIPPED))
        manager.close()
        assert open_files() == []
        names = ["registry.db", "registry.db-claimers", "registry.db-reserve", "registry.db-reserve-2"]
        assert sorted(os.listdir(own)) == names
        assert os.listdir(own / "registry.db-claimers") == []

    def test_what_it_had_claimed_stays_claimed(self, tmp_path: Path, manager: TempFileManager, own: Path) -> None:
        """A sweep in another thread goes on with it; the lock that says so goes with the next close."""
        paths = make(tmp_path / "files", "f", 2)
        manager.register_files(paths)
        claim = manager.registry.claim(ALL, now=0, lease=60, limit=9)
        (lock,) = (own / "registry.db-claimers").iterdir()
        with open(lock, "r+b") as file, closing(TempFileManager(manager.base_dir, registry="sqlite:")) as other:
            manager.close()
            with pytest.raises(BlockingIOError):
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            assert len(other.registry.claim(ALL, now=0, lease=60, limit=9).records) == 0
            manager.registry.settle(over(claim))
            assert len(other.files) == 0
            manager.close()
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        assert not lock.exists()

    def test_in_a_child_it_closes_the_childs(self, tmp_path: Path, manager: TempFileManager) -> None:
        manager.register_files(make(tmp_path / "files", "f", 2))
        claim = manager.registry.claim(ALL, now=0, lease=60, limit=1)
        assert in_child(lambda: [manager.close(), len(manager.files), manager.close()]) == [None, 2, None]
        assert claimed(manager.registry) == claim.records.paths()
        other = TempFileManager(manager.base_dir, registry="sqlite:")
        assert len(other.registry.claim(ALL, now=0, lease=60, limit=9).records) == 1
        other.close()


def test_an_objects_fork_is_its_own(tmp_path: Path) -> None:
    """Of many registries, used and closed, and some of them gone before the fork."""
    managers = [TempFileManager(tmp_path / str(number), registry="sqlite:") for number in range(4)]
    for number, manager in enumerate(managers):
        manager.register_files(make(tmp_path / "files", f"{number}-", 5))
    managers.pop().close()
    managers[0].close()
    assert in_child(lambda: [len(manager.files) for manager in managers]) == [5, 5, 5]
    assert in_child(lambda: [manager.clear_all() for manager in managers]) == [5, 5, 5]
    assert [len(manager.files) for manager in managers] == [0, 0, 0]
    with sqlite3.connect(tmp_path / "3" / ".temp-file-manager" / "registry.db") as connection:
        assert connection.execute("SELECT records FROM scopes").fetchone() == (5,)
    connection.close()
    for manager in managers:
        manager.close()


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")  # of forking with threads, which is what is tested
def test_threads_that_fork_together(tmp_path: Path) -> None:
    """Each child starts anew with all that there is, not with what another thread's fork left over."""

    def forks() -> int:
        registries = [registry_at(tmp_path / f"{number}.db", tmp_path) for number in range(3)]
        codes: list[int] = []

        def fork() -> None:
            for _ in range(10):
                child = os.fork()
                if child == 0:
                    os._exit(len(registries[0].files))
                codes.append(os.waitpid(child, 0)[1])

        threads = [threading.Thread(target=fork) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(codes) == 40
        assert [len(registry.files) for registry in registries] == [0, 0, 0]
        return sum(map(bool, codes))

    assert in_child(forks) == 0
