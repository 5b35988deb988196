"""A sweep: what it takes, and what it leaves to others that register, sweep or die meanwhile."""

import os
import sys
import threading
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from contexts import MakeManager, jobs_of, removing_by
from temp_file_manager import SweepFinished, TempFileManager
from temp_file_manager.causes import Cause
from temp_file_manager.records import Selection, Status
from temp_file_manager.registry import Claim, MemoryRegistry, Settlement
from temp_file_manager.settings import Settings
from temp_file_manager.storage import LocalStorage, own_files
from temp_file_manager.storage.contract import Removal
from temp_file_manager.storage.kernel.leases import InUse
from temp_file_manager.sweeping.scheduler import Scheduler
from temp_file_manager.sweeping.sweep import LEASE
from temp_file_manager.testing import NOW, FakeClock, in_child
from temp_file_manager.testing.threads import LONG
from trees import numbered


def test_a_dry_run_sees_what_dead_processes_left(make_manager: MakeManager, file: Path) -> None:
    """Once, it took their claims and holds for living ones, which a real sweep ends."""
    manager = make_manager()
    other = file.with_name("other")
    other.touch()
    manager.register_files([file, other])
    holds = []

    def held_and_claimed() -> int:
        holds.append(manager.hold(file))
        return len(manager.registry.claim(Selection(NOW, 0, force=True), now=0, lease=60, limit=9).records)

    assert in_child(held_and_claimed) == 1
    assert manager.sweep(force=True, dry_run=True).removed == 2
    assert manager.sweep(force=True).removed == 2


def test_an_age_beyond_what_sqlite_counts_to(manager: TempFileManager, file: Path) -> None:
    """Once, an int beyond SQLite's own reached the database as it was, which raised OverflowError at each cleanup."""
    manager.register_file(file)
    manager.max_age = 10**19
    assert manager.cleanup() == 0
    assert not manager.status(file).due


def test_leaving_stops_the_scheduler_although_its_sweep_fails(
    manager: TempFileManager, monkeypatch: pytest.MonkeyPatch, clock: FakeClock
) -> None:
    """Once, the error left the thread running."""

    def fails(*_: object, **__: object) -> None:
        raise RuntimeError("on purpose")

    manager.start()
    clock.until_waiting(jobs_of(manager))
    monkeypatch.setattr(manager.registry, "claim", fails)
    with pytest.raises(RuntimeError, match="on purpose"):
        manager.__exit__(None, None, None)
    assert not manager.context.scheduler.running


def test_leaving_takes_what_a_scheduled_sweep_is_at(
    manager: TempFileManager, monkeypatch: pytest.MonkeyPatch, file: Path
) -> None:
    """Once, that sweep had it claimed and then kept it, as somebody had it open: it stayed behind."""
    reached, leaving = threading.Event(), threading.Event()
    real = InUse.secured

    def slow(*args: Any) -> Any:
        reached.set()
        assert leaving.wait(LONG)
        return real(*args)

    monkeypatch.setattr(InUse, "secured", slow)
    stop = Scheduler.stop

    def stopping(*args: Any) -> bool:
        leaving.set()
        return stop(*args)

    monkeypatch.setattr(Scheduler, "stop", stopping)
    manager.register_file(file, ttl=0)
    with file.open(), manager:
        manager.start()
        assert reached.wait(LONG)
    assert not file.exists()


@pytest.mark.parametrize("leave", [TempFileManager.clear_all, lambda manager: manager.__exit__(None, None, None)])
def test_a_forced_sweep_leaves_what_is_registered_meanwhile(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, leave: Callable[[TempFileManager], object]
) -> None:
    """In the thread that sweeps: of a later chunk, and new. What it has claimed itself it is refused at once."""
    paths = numbered(tmp_path, 60)
    manager = TempFileManager(tmp_path / "base", settings=Settings(cleanup_batch_size=50))
    manager.registry.patience = 1e6
    manager.register_files(paths)
    new = tmp_path / "new"
    new.touch()
    again = [paths[55], str(new)]
    real = os.remove

    def remove(path: str) -> None:
        real(path)
        if path == paths[0]:
            refused = manager.register_files([paths[1], *again]).refused
            assert [path for path, _ in refused] == [paths[1]]

    monkeypatch.setattr(os, "remove", remove)
    leave(manager)
    assert sorted(manager.files) == sorted(again)
    assert all(os.path.exists(path) for path in again)
    assert not any(os.path.exists(path) for path in paths if path not in again)


def test_a_sweep_claims_as_much_as_the_card_and_the_setting_say(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The lesser of the two."""
    registry, limits = MemoryRegistry(), list[int]()
    claim = registry.claim

    def noted(*args: Any, **how: Any) -> Claim:
        limits.append(how["limit"])
        return claim(*args, **how)

    monkeypatch.setattr(registry, "claim", noted)
    for chunk, setting in ((700, 1000), (1000, 700)):
        registry.properties = registry.properties._replace(chunk=chunk)
        settings = Settings(cleanup_batch_size=setting)
        TempFileManager(tmp_path / "base", registry=registry, settings=settings).cleanup()
    assert set(limits) == {700}


def test_a_step_of_the_wall_clock_ends_no_claim(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = FakeClock()
    manager = TempFileManager(tmp_path / "base", 0, clock=clock)
    manager.register_files(numbered(tmp_path, 3))
    clock.advance(1)
    real, wall, inner = os.remove, clock.wall, []

    def remove(path: str) -> None:
        if not inner:
            inner.append(0)
            monkeypatch.setattr(clock, "wall", lambda: wall() + 61)
            inner[0] = manager.cleanup()
        real(path)

    monkeypatch.setattr(os, "remove", remove)
    assert manager.cleanup() == 3
    assert inner == [0]


def test_a_hook_that_exits_does_not_end_the_scheduler(tmp_path: Path) -> None:
    clock = FakeClock()
    seen: list[object] = []
    manager = TempFileManager(tmp_path / "base", hooks=[lambda _: sys.exit(3), seen.append], clock=clock)
    manager.sweep()
    assert [type(event) for event in seen] == [SweepFinished]


def test_a_dry_run_of_a_relative_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    numbered(tmp_path, 1)
    monkeypatch.chdir(tmp_path)
    manager = TempFileManager("base")
    manager.files["000"] = 0.0
    assert (manager.sweep(dry_run=True).removed, manager.cleanup()) == (1, 1)


def test_a_relative_name_is_the_file_that_it_was_when_it_was_written(
    manager: TempFileManager, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once, with SQLite, it was dropped as gone, and its file stayed for ever."""
    (here,), (there,) = numbered(tmp_path / "here", 1), numbered(tmp_path / "there", 1)
    monkeypatch.chdir(tmp_path / "here")
    manager.files["000"] = 0.0
    if manager.registry.properties.keeps_identity:
        monkeypatch.chdir(tmp_path / "there")
        assert manager.cleanup() == 0
        assert os.path.exists(there), "what bears the name elsewhere stays"
        monkeypatch.chdir(tmp_path / "here")
    assert manager.cleanup() == 1
    assert not os.path.exists(here)


def test_the_base_stays_where_it_was_when_the_process_goes_elsewhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once, daemons made their files below whatever directory they had changed to, or nowhere."""
    for registry in ("memory:", "sqlite:"):
        monkeypatch.chdir(tmp_path)
        with TempFileManager(f"base of {registry}", registry=registry) as manager:
            monkeypatch.chdir("/")
            fd, path = manager.mkstemp()
            os.close(fd)
            folder = manager.mkdtemp()
            with manager.open() as file:
                made = [path, folder, file.name]
            assert {os.path.dirname(one) for one in made} == {str(tmp_path / f"base of {registry}")}
            assert manager.base_dir == f"base of {registry}", "as the published class has it"


def test_a_sweep_that_is_slow_says_so_of_what_it_skips(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Excludes code that skips what is half a lease old and gives another reason, or none."""
    clock, is_own = FakeClock(), own_files.OwnPaths.__contains__
    looks: list[str] = []

    def slow(own: own_files.OwnPaths, path: str) -> bool:
        if looks.append(path) or len(looks) == 1:
            clock.advance(LEASE / 2)
        return is_own(own, path)

    with closing(TempFileManager(tmp_path / "base", clock=clock)) as manager:
        for name in ("a", "b"):
            (tmp_path / name).write_text("x")
            manager.register_file(tmp_path / name)
        monkeypatch.setattr(own_files.OwnPaths, "__contains__", slow)
        outcomes = manager.sweep(force=True).outcomes
    assert [(outcome.status, outcome.reason) for outcome in outcomes] == [
        (Status.SKIPPED, "half of its claim's time is up"),
        (Status.SKIPPED, "half of its claim's time is up"),
        (Status.REMOVED, ""),
        (Status.REMOVED, ""),
    ]


@pytest.mark.parametrize("error", [None, RuntimeError("on purpose"), KeyboardInterrupt()])
def test_once_a_chunk_is_settled_nothing_of_it_may_be_removed(
    make_manager: MakeManager, file: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException | None
) -> None:
    """Excludes code that lets a worker, which was given up while it hung, remove what has been registered again."""
    manager, removals, at_settling = make_manager(), list[Removal](), list[bool]()
    manager.register_file(file)

    class Interrupted(LocalStorage):
        def remove(self, removal: Removal) -> None:
            assert removal.goes_on
            assert removal.may_go(0)
            removals.append(removal)
            if error is not None:
                raise error
            removal.note(0, Status.KEPT, Cause.IN_USE)
            removal.done = 1

    settle = manager.registry.settle

    def settled(settlement: Settlement) -> None:
        at_settling.append(removals[0].over)
        settle(settlement)

    monkeypatch.setattr(manager.registry, "settle", settled)
    sweeping = removing_by(manager, Interrupted())
    if error is None:
        sweeping.sweep(force=True, limit=1)
    else:
        with pytest.raises(type(error)):
            sweeping.sweep(force=True)
    (removal,) = removals[:1]
    assert (at_settling[:1], removal.over, removal.goes_on, removal.may_go(0)) == ([True], True, False, False)
    assert (removal.others[0].cause, file.exists()) == (Cause.ABANDONED, True)


@pytest.mark.parametrize("bound", ["limit", "budget"])
@pytest.mark.parametrize("how", ["in use", "cannot be removed"])
def test_what_cannot_go_keeps_a_bounded_sweep_from_nothing_else(
    manager: TempFileManager, clock: FakeClock, tmp_path: Path, bound: str, how: str
) -> None:
    """As ``sweep --limit 5`` by cron does, each time anew: the oldest five stay, and the rest goes."""
    old, rest = numbered(tmp_path / "old", 5), numbered(tmp_path / "rest", 20)
    manager.register_files(old)
    clock.advance(1)
    manager.register_files(rest)
    clock.advance(200)

    class Slow(LocalStorage):
        """Takes a second for each file, of which the old ones stay."""

        def remove(self, removal: Removal) -> None:
            for at, path in removal.each(removal.records.paths()):
                clock.advance(1)
                if path not in old:
                    os.remove(path)
                elif how == "in use":
                    removal.note(at, Status.KEPT, Cause.IN_USE)
                else:
                    removal.note(at, Status.FAILED, Cause.REFUSED, "EPERM")

    sweeping = removing_by(manager, Slow())
    for _ in range(5):
        sweeping.sweep(**{bound: 5})
        clock.advance(86400)
    assert [path for path in rest if os.path.exists(path)] == []
    assert set(manager.files) == set(old)


def test_an_interrupt_before_anything_of_a_chunk_was_begun_with_forgets_nothing(
    manager: TempFileManager, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = numbered(tmp_path / "files", 3)
    manager.register_files(paths)
    claim = manager.registry.claim

    def interrupted(*words: Any, **more: Any) -> None:
        claim(*words, **more)
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(manager.registry, "claim", interrupted)
        with pytest.raises(KeyboardInterrupt):
            manager.sweep(force=True)
    assert sorted(manager.files) == sorted(paths)
    assert manager.sweep(force=True).removed == 3
