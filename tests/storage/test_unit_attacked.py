"""Units while others act: kills at each step, and renamers, openers, mounts, sweeps and cleaners in between."""

import fcntl
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path

import pytest

from mounts import mounted
from temp_file_manager import TempFileManager
from temp_file_manager.causes import Cause
from temp_file_manager.errors import RegistryFullError
from temp_file_manager.records import Kind, Order, Selection, Status
from temp_file_manager.registry import Registry
from temp_file_manager.storage import below, clearance, unit, unit_folder
from temp_file_manager.storage.kernel import renames
from temp_file_manager.testing import FakeClock
from temp_file_manager.testing.hostile.attacks import openers, swapper
from units import AGE, filled

WHOLE = ("a", "deep", "deep/b", "deep/er", "deep/er/c")


@pytest.fixture
def clock() -> FakeClock:
    """A clock that begins now: the times of files are the machine's."""
    return FakeClock(time.time())


@pytest.fixture
def manager(tmp_path: Path, clock: FakeClock) -> Iterator[TempFileManager]:
    with closing(TempFileManager(tmp_path / "base", AGE, registry="sqlite:", clock=clock)) as manager:
        yield manager


def contents(directory: Path) -> tuple[str, ...]:
    return tuple(sorted(str(path.relative_to(directory)) for path in directory.rglob("*")))


def folder(manager: TempFileManager) -> Path:
    return Path(manager.base_dir, ".temp-file-manager", "going")


def going(manager: TempFileManager) -> list[str]:
    return os.listdir(folder(manager)) if folder(manager).exists() else []


def before_move(monkeypatch: pytest.MonkeyPatch, act: Callable[[], object]) -> None:
    """Have something done between the last look at a unit and its move, once."""
    moved, left = renames.move, [act]

    def move(name: bytes, source: int, new_name: bytes, target: int) -> None:
        if left:
            left.pop()()
        moved(name, source, new_name, target)

    monkeypatch.setattr(unit_folder.renames, "move", move)


def after_move(monkeypatch: pytest.MonkeyPatch, act: Callable[[], object]) -> None:
    """Have something done right after the move, once."""
    moved, left = renames.move, [act]

    def move(name: bytes, source: int, new_name: bytes, target: int) -> None:
        moved(name, source, new_name, target)
        if left:
            left.pop()()

    monkeypatch.setattr(unit_folder.renames, "move", move)


# -- killed

STEPS = (
    "before succeed", "after succeed", "before move", "after move", "before unlink", "after unlink", "before rmdir",
    "after rmdir", "before drop", "after drop", "before withdraw", "after withdraw",
)  # fmt: skip

KILLED = """
import os, signal, sys
from temp_file_manager import TempFileManager
from temp_file_manager.storage import unit_folder
from temp_file_manager.storage.kernel import renames
base, when, what = sys.argv[1], *sys.argv[2].split()
manager = TempFileManager(base, 0.0, registry="sqlite:")

def dying(function):
    def call(*args, **how):
        if when == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        result = function(*args, **how)
        os.kill(os.getpid(), signal.SIGKILL)
        return result
    return call

registry = type(manager.registry)
owner, name = {"succeed": (registry, "add"), "withdraw": (registry, "forget"), "move": (renames, "move"),
               "unlink": (os, "unlink"), "rmdir": (os, "rmdir"), "drop": (unit_folder.Folder, "drop")}[what]
setattr(owner, name, dying(getattr(owner, name)))
manager.sweep(protect_open=True)
print("not killed")
"""


@pytest.mark.parametrize("step", STEPS)
def test_killed_at_each_step(manager: TempFileManager, clock: FakeClock, step: str) -> None:
    """It is whole in its place, or not there at all; and the next sweep goes on."""
    made = filled(manager)
    command = [sys.executable, "-c", KILLED, manager.base_dir, step]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (-9, ""), done
    assert not made.exists() or contents(made) == WHOLE
    clock.advance(2 * AGE)
    for _ in range(2):  # what has been put on record in between is the second's
        manager.sweep(protect_open=True)
        clock.advance(2 * AGE)
    assert not made.exists()
    assert (going(manager), dict(manager.files)) == ([], {})


def test_much_is_removed_over_several_sweeps(
    manager: TempFileManager, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its own record is done with at once; what is left has another, and its room counts as long as it is there."""
    made = filled(manager)
    for number in range(300):
        (made / "deep" / str(number)).touch()
    monkeypatch.setattr(unit, "MOST", -1.0)
    clock.advance(2 * AGE)
    assert manager.sweep(protect_open=True, limit=1).removed == 1
    assert not made.exists()
    page = manager.registry.page(Selection(0.0, 0.0, order=Order.ADDED, kind=Kind.GOING), now=clock.elapsed(), limit=9)
    (left,) = page.records
    assert (left.origin, Path(left.path).parent) == (str(made), folder(manager))
    clock.advance(1)
    looks = iter(range(10**6))
    stop = lambda: next(looks) > 5  # noqa: E731 - it stops while files are removed, after some
    report = manager.sweep(protect_open=True, stop=stop)
    assert report.retired == 0
    assert going(manager) == [Path(left.path).name]
    assert manager.sweep(protect_open=True).removed == 1
    assert (going(manager), dict(manager.files)) == ([], {})


# -- between the looks and the move


def test_somebody_opens_a_file_in_it_just_before_it_is_moved(
    manager: TempFileManager, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, opened = filled(manager), list[int]()
    before_move(monkeypatch, lambda: opened.append(os.open(made / "deep/b", os.O_RDONLY)))
    clock.advance(2 * AGE)
    outcome = manager.sweep(protect_open=True).outcomes[0]
    assert (outcome.status, outcome.cause) == (Status.KEPT, Cause.IN_USE)
    assert "deep/b in it" in outcome.reason
    assert contents(made) == WHOLE
    assert (going(manager), list(manager.files)) == ([], [str(made)])
    os.close(opened[0])


def test_a_process_begins_to_work_in_it_just_before_it_is_moved(
    manager: TempFileManager, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, working = filled(manager), list[subprocess.Popen[str]]()

    def begin() -> None:
        command = [sys.executable, "-c", "print(flush=True); input()"]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
        working.append(subprocess.Popen(command, cwd=made / "deep", text=True, **pipes))
        assert working[0].stdout is not None
        working[0].stdout.readline()

    before_move(monkeypatch, begin)
    clock.advance(2 * AGE)
    outcome = manager.sweep(protect_open=True).outcomes[0]
    working[0].communicate("\n")
    assert (outcome.status, outcome.cause) == (Status.KEPT, Cause.IN_USE)
    assert contents(made) == WHOLE
    assert going(manager) == []


def test_somebody_pins_something_in_it_just_before_it_is_moved(
    manager: TempFileManager, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = filled(manager)
    manager.register_file(made / "a", ttl=10**6)
    before_move(monkeypatch, lambda: manager.pin(made / "a"))
    clock.advance(2 * AGE)
    assert manager.sweep().outcomes[0].reason == "a in it is pinned"
    assert contents(made) == WHOLE


def test_something_is_mounted_in_it_just_before_it_is_moved(
    manager: TempFileManager, clock: FakeClock, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    made = filled(manager)
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "theirs").touch()
    with mounted(made / "deep", ["true"]), suppress(subprocess.CalledProcessError):
        bind = ["mount", "--bind", str(tmp_path / "other"), str(made / "deep")]
        probe = subprocess.run(bind, check=False, capture_output=True)
        if probe.returncode:
            subprocess.run(["mount", "-t", "tmpfs", "none", str(made / "deep")], check=False, capture_output=True)
            pytest.skip("cannot mount here")
        subprocess.run(["umount", str(made / "deep")], check=True)
        before_move(monkeypatch, lambda: subprocess.run(bind, check=True))
        clock.advance(2 * AGE)
        outcome = manager.sweep().outcomes[0]
        assert (outcome.status, outcome.cause) == (Status.KEPT, Cause.OTHER_FILE_SYSTEM)
        assert outcome.reason == "something is mounted at deep in it"
        assert (made / "deep" / "theirs").exists()
        assert going(manager) == []
    assert (tmp_path / "other" / "theirs").exists()


def test_another_directory_is_put_in_its_place_just_before_it_is_moved(
    manager: TempFileManager, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = filled(manager)

    def exchange() -> None:
        made.rename(made.with_name("moved"))
        made.mkdir()
        (made / "theirs").touch()

    before_move(monkeypatch, exchange)
    clock.advance(2 * AGE)
    assert manager.sweep(protect_open=True).retired == 0
    assert contents(made) == ("theirs",)
    assert contents(made.with_name("moved")) == WHOLE
    assert going(manager) == []


def test_its_place_is_taken_when_it_is_to_be_put_back(
    manager: TempFileManager, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It stays where it is, on record, and the outcome says where that is; when nobody uses it any more it goes."""
    made, opened = filled(manager), list[int]()

    def use_and_take() -> None:
        opened.append(os.open(folder(manager) / going(manager)[0] / "a", os.O_RDONLY))
        made.mkdir()

    after_move(monkeypatch, use_and_take)
    clock.advance(2 * AGE)
    outcome = manager.sweep(protect_open=True).outcomes[0]
    (name,) = going(manager)
    assert outcome.status is Status.REPLACED
    assert str(folder(manager) / name) in outcome.reason
    assert contents(made) == ()
    clock.advance(1)
    assert manager.sweep(protect_open=True).outcomes[0].cause is Cause.IN_USE
    assert contents(folder(manager) / name) == WHOLE
    os.close(opened[0])
    assert manager.sweep(protect_open=True).removed == 1
    assert (going(manager), made.exists()) == ([], True)


def test_a_directory_in_it_is_moved_away_while_it_is_walked_through(
    manager: TempFileManager, clock: FakeClock, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Going up from it would lead elsewhere."""
    made, real, left = filled(manager), below.place, [1]

    def place(directory: int) -> tuple[int, int]:
        if left and os.readlink(f"/proc/self/fd/{directory}").endswith("deep/er"):
            left.pop()
            (made / "deep/er").rename(tmp_path / "er")
        return real(directory)

    monkeypatch.setattr(below, "place", place)
    clock.advance(2 * AGE)
    outcome = manager.sweep(protect_open=True).outcomes[0]
    assert (outcome.status, outcome.cause) == (Status.KEPT, Cause.CHANGING)
    assert (tmp_path / "er" / "c").exists()
    assert (made / "a").exists()


def test_a_directory_in_it_is_moved_away_while_it_is_removed(
    manager: TempFileManager, clock: FakeClock, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """By somebody who had it open: what is outside stays, and the next sweep goes on with what is left."""
    made, real, left = filled(manager), clearance.place, [1]
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept" / "file").touch()

    def place(directory: int) -> tuple[int, int]:
        found = real(directory)
        path = os.readlink(f"/proc/self/fd/{directory}")
        if left and path.endswith("deep/er"):
            left.pop()
            os.rename(path, tmp_path / "kept" / "er")
        return found

    monkeypatch.setattr(clearance, "place", place)
    clock.advance(2 * AGE)
    assert manager.sweep(protect_open=True, limit=1).removed == 1
    assert not made.exists()
    assert (tmp_path / "kept" / "file").exists()
    clock.advance(1)
    manager.sweep(protect_open=True)
    assert (going(manager), dict(manager.files)) == ([], {})
    assert (tmp_path / "kept" / "file").exists()


def test_no_room_to_put_on_record_where_it_will_be(
    manager: TempFileManager, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = filled(manager)

    def full(self: Registry, *args: object, **how: object) -> None:
        raise RegistryFullError("the disk is full")

    monkeypatch.setattr(type(manager.registry), "add", full)
    clock.advance(2 * AGE)
    outcome = manager.sweep(protect_open=True).outcomes[0]
    assert (outcome.status, outcome.reason) == (Status.FAILED, "the disk is full")
    assert contents(made) == WHOLE


# -- all the time


def test_whoever_lists_sees_all_of_it_or_nothing(manager: TempFileManager) -> None:
    """By its path; and whoever renames beside it changes nothing."""
    seen, over = set[int](), threading.Event()
    made = Path(manager.base_dir, "unit")

    def read() -> None:
        while not over.is_set():
            with suppress(OSError):
                seen.add(len(os.listdir(made)))

    ready = made.with_name("ready")
    reader = threading.Thread(target=read)
    reader.start()
    try:
        for _ in range(5):
            ready.mkdir()
            for number in range(100):
                (ready / str(number)).touch()
            ready.rename(made)
            manager.register_directory(made)
            while made.exists():  # it is whole as long as somebody has it open
                manager.sweep(force=True, protect_open=True)
    finally:
        over.set()
        reader.join()
    assert seen <= {100}


def test_renamers_above_and_beside_it(manager: TempFileManager, tmp_path: Path) -> None:
    """Two directories change places all the time: what is in the other one stays, whichever is met."""
    (theirs := Path(manager.base_dir, "theirs") / "unit").mkdir(parents=True)
    (theirs / "kept").touch()
    for _ in range(20):
        made = filled(manager, "ours/unit")
        with swapper(made.parent, theirs.parent):
            manager.sweep(force=True, protect_open=True)
            manager.cleanup(force=True)
        manager.cleanup(force=True)
        assert [path.name for path in Path(manager.base_dir).rglob("kept")] == ["kept"]
        for left in (made.parent, theirs.parent):
            if (left / "unit" / "a").exists():
                shutil.rmtree(left / "unit")
        manager.registry.forget(list(manager.files))


def test_openers(manager: TempFileManager) -> None:
    """What somebody has open is never taken, and so nothing beside it in the unit."""
    made = filled(manager)
    with openers([made / "deep/b"]) as attack:
        for _ in range(30):
            if manager.sweep(force=True, protect_open=True).removed:
                made = filled(manager)
            assert contents(made) == WHOLE
    assert manager.sweep(force=True, protect_open=True).removed == 1
    assert attack.counts["taken"] == 0
    assert attack.counts["opened"] > 0


def test_another_sweep_leaves_what_is_being_moved(
    manager: TempFileManager, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is on record where it will be, before it is there, and while it is looked at there."""
    filled(manager)
    others = list[tuple[Status, str]]()
    other = TempFileManager(manager.base_dir, AGE, registry="sqlite:", clock=clock)

    def sweep() -> None:
        clock.advance(1)
        others.extend((one.status, one.reason) for one in other.sweep(protect_open=True).outcomes)

    with closing(other):
        before_move(monkeypatch, sweep)
        clock.advance(2 * AGE)
        assert manager.sweep(protect_open=True).removed == 1
        filled(manager)
        monkeypatch.undo()
        after_move(monkeypatch, sweep)
        clock.advance(2 * AGE)
        assert manager.sweep(protect_open=True).removed == 1
    assert others == [(Status.KEPT, "a sweep is at work on it")] * 2
    assert (going(manager), dict(manager.files)) == ([], {})


@pytest.mark.skipif(shutil.which("systemd-tmpfiles") is None, reason="there is no systemd-tmpfiles")
def test_beside_systemd_tmpfiles(manager: TempFileManager, clock: FakeClock, tmp_path: Path) -> None:
    """It leaves a unit that a session has locked, and we leave what it has locked."""
    with manager.session() as session:
        made = Path(session.mkdtemp(unit=True))
        (made / "file").touch()
        old = time.time() - 10**6
        os.utime(made / "file", (old, old))
        config = tmp_path / "clean.conf"
        config.write_text(f"e {manager.base_dir} - - - m:1s\n")
        subprocess.run(["systemd-tmpfiles", "--clean", str(config)], check=False, capture_output=True)
        assert (made / "file").exists()
    assert not made.exists()


def test_the_lock_that_a_cleaner_takes_is_heeded(manager: TempFileManager, clock: FakeClock) -> None:
    made = filled(manager)
    descriptor = os.open(made, os.O_RDONLY)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    clock.advance(2 * AGE)
    assert manager.sweep().outcomes[0].cause is Cause.IN_USE
    os.close(descriptor)
    assert manager.sweep().removed == 1
