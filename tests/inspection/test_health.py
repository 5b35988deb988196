"""What is healthy, degraded and unhealthy: the table of facts, and each reason with the real thing."""

import os
import re
import shutil
import sqlite3
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import small_disk
from contexts import jobs_of, timed
from patience import PATIENCE
from small_disk import fill
from temp_file_manager import Settings, TempFileManager
from temp_file_manager.adopt import watched
from temp_file_manager.causes import Cause
from temp_file_manager.chunks import Other
from temp_file_manager.errors import RegistryError
from temp_file_manager.inspection.health import Facts, Grade, Health, Room, examine, judge
from temp_file_manager.records import Selection, Status, TempFile
from temp_file_manager.registry import Settlement
from temp_file_manager.registry.journal import last_line
from temp_file_manager.sweeping.clock_guard import NAME
from temp_file_manager.sweeping.scheduler import SWEEP
from temp_file_manager.testing import FakeClock, in_child
from temp_file_manager.testing.clock import NOW

disk = small_disk.disk

ROOT = os.geteuid() == 0
HOUR = 3600.0
WELL = Facts("/base", 3600.0, NOW, "memory:", records=10_000, room=Room(1 << 40, 0.5, 1 << 20, 0.5))
LATE = TempFile("/tmp/la\nte", NOW, failures=3)

TABLE: list[tuple[dict[str, Any], Grade, str]] = [
    ({}, Grade.HEALTHY, ""),
    ({"scheduler_alive": True}, Grade.HEALTHY, ""),
    ({"records": None, "room": None}, Grade.HEALTHY, ""),
    ({"late": LATE, "overdue": HOUR}, Grade.HEALTHY, ""),
    ({"room": Room(1 << 40, 0.001, 1 << 20, 0.5)}, Grade.HEALTHY, ""),  # a small part of a large disk
    ({"room": Room(1 << 20, 0.5, 100, 0.5)}, Grade.HEALTHY, ""),  # a large part of a small one
    ({"records": 10_001}, Grade.DEGRADED, r"^10001 files are registered, more than MAX_TEMP_FILES \(10000\): "),
    ({"late": LATE, "overdue": HOUR + 1}, Grade.DEGRADED, r"^/tmp/la\\nte should have been gone for 1 h .*failed 3 ti"),
    (
        {"late": LATE._replace(failures=0), "overdue": HOUR + 1},
        Grade.DEGRADED,
        "no sweep has taken it: start the scheduler",
    ),
    (
        {"late": LATE._replace(failures=0, kept_for="absent directory"), "overdue": HOUR + 1},
        Grade.DEGRADED,
        "every sweep keeps it .what its directory lies on is not mounted here now.: ask",
    ),
    ({"clock_doubt": "it went back by 3 s"}, Grade.DEGRADED, "^the clock is not trusted: it went back by 3 s$"),
    ({"room": Room(0, 0.0, 1 << 20, 0.5)}, Grade.DEGRADED, "is full or nearly so: 0 KiB and .* make room"),
    ({"room": Room(1 << 40, 0.5, 0, 0.0)}, Grade.DEGRADED, "and 0 more files are free"),
    ({"base_there": False, "base_writable": False}, Grade.UNHEALTHY, "^the base directory /base is not there: make it"),
    ({"base_writable": False}, Grade.UNHEALTHY, "^the base directory /base cannot be written: let this user"),
    ({"registry_trouble": "gone"}, Grade.UNHEALTHY, "^the registry cannot be used: gone$"),
    ({"scheduler_alive": False}, Grade.UNHEALTHY, r"has ended: call start\(\) again"),
]


@pytest.mark.parametrize(("differs", "status", "reason"), TABLE)
def test_the_table(differs: dict[str, Any], status: Grade, reason: str) -> None:
    found = judge(replace(WELL, **differs), Settings())
    assert found.status is status
    only(found, reason)
    assert (found.error, found.warning) == (
        found.reasons[0] if status is Grade.UNHEALTHY else None,
        found.reasons[0] if status is Grade.DEGRADED else None,
    )


def only(found: Health, reason: str) -> None:
    """The one reason is this, or with none there is none."""
    assert len(found.reasons) == bool(reason), found.reasons
    assert all(re.search(reason, told) for told in found.reasons), found.reasons


def test_the_worst_comes_first_and_every_reason_is_told() -> None:
    facts = replace(WELL, records=20_000, scheduler_alive=False, clock_doubt="it jumped")
    found = judge(facts, Settings())
    assert found.status is Grade.UNHEALTHY
    assert [text.split()[0] + text.split()[1] for text in found.reasons] == ["thescheduler's", "20000files", "theclock"]
    assert found.error == found.reasons[0]
    assert found.warning is None


def test_far_overdue_is_three_intervals_where_those_are_longer() -> None:
    facts = replace(WELL, late=LATE, overdue=2.9 * HOUR)
    assert judge(facts, Settings(cleanup_interval=HOUR)).status is Grade.HEALTHY
    assert judge(replace(facts, overdue=3.1 * HOUR), Settings(cleanup_interval=HOUR)).status is Grade.DEGRADED


def test_the_specifications_names() -> None:
    """Its example returns these, and the error or the warning instead of nothing."""
    healthy = judge(WELL, Settings()).described()
    its = {"status": "healthy", "active_files": 10_000, "base_dir": "/base", "max_age": 3600.0, "timestamp": NOW}
    assert healthy.items() >= its.items()
    assert not {"error", "warning"} & healthy.keys()
    warned = judge(replace(WELL, records=10_001), Settings()).described()
    assert warned["status"] == "degraded"
    assert str(warned["warning"]).startswith("10001 files")
    wrong = judge(replace(WELL, base_there=False), Settings()).described()
    assert wrong["status"] == "unhealthy"
    assert "base directory" in str(wrong["error"])


# -- the real thing


@pytest.fixture
def base(tmp_path: Path) -> Path:
    return tmp_path / "base"


Opener = Callable[..., TempFileManager]


@pytest.fixture(params=["memory:", "sqlite:"])
def opened(request: pytest.FixtureRequest, base: Path, clock: FakeClock) -> Iterator[Opener]:
    """Open a manager with these settings on either registry."""
    managers = []

    def opener(**settings: Any) -> TempFileManager:
        managers.append(
            TempFileManager(base, registry=request.param, settings=Settings(**settings), clock=clock),
        )
        return managers[-1]

    yield opener
    for manager in managers:
        manager.close()


@pytest.fixture
def manager(base: Path, clock: FakeClock) -> Iterator[TempFileManager]:
    """A manager on SQLite."""
    with closing(TempFileManager(base, registry="sqlite:", clock=clock)) as manager:
        yield manager


def register(manager: TempFileManager, folder: Path, count: int = 1) -> list[str]:
    paths = [folder / f"{number}" for number in range(count)]
    for path in paths:
        path.touch()
    assert manager.register_files(paths).registered == count
    return list(map(str, paths))


def expect(manager: TempFileManager, status: Grade, reason: str = "") -> Health:
    found = examine(manager.context)
    assert found.status is status, found
    only(found, reason)
    return found


def test_all_is_well(opened: Opener, tmp_path: Path) -> None:
    manager = opened(max_files=3)
    register(manager, tmp_path, 3)
    found = expect(manager, Grade.HEALTHY)
    assert (found.records, found.active_files, found.max_files, found.overdue) == (3, 3, 3, 0.0)
    assert (found.base_dir, found.max_age, found.timestamp) == (manager.base_dir, 3600, NOW)
    assert found.clock_trusted
    assert found.scheduler_alive is None
    assert 0 < (found.free_share or 0) <= 1
    assert found.registry == manager.registry.properties.address


def test_too_many_files(opened: Opener, tmp_path: Path) -> None:
    manager = opened(max_files=2)
    register(manager, tmp_path, 3)
    expect(manager, Grade.DEGRADED, "^3 files are registered, more than MAX_TEMP_FILES")
    manager.clear_all()
    expect(manager, Grade.HEALTHY)


def test_the_base_directory_is_gone(opened: Opener, base: Path, tmp_path: Path) -> None:
    manager = opened()
    register(manager, tmp_path)
    shutil.rmtree(base)
    found = expect(manager, Grade.UNHEALTHY, "is not there")
    assert found.records == (None if manager.registry.properties.outlives_process else 1)
    assert found.free_share is None
    manager.close()
    expect(manager, Grade.UNHEALTHY, "is not there")
    assert not base.exists()
    base.touch()
    assert examine(manager.context).status is Grade.UNHEALTHY


def test_the_base_directory_is_read_only(manager: TempFileManager, base: Path, tmp_path: Path) -> None:
    register(manager, tmp_path)
    with read_only(base) as done:
        if not done:
            pytest.skip("root, and cannot mount")
        found = examine(manager.context)
        assert found.status is Grade.UNHEALTHY
        assert "cannot be written" in (found.error or "")
        assert found.records is None
    expect(manager, Grade.HEALTHY)


@contextmanager
def read_only(base: Path) -> Iterator[bool]:
    """For root by a mount; for others by the mode."""
    if not ROOT:
        base.chmod(0o500)
        try:
            yield True
        finally:
            base.chmod(0o700)
        return
    done = small_disk.mount("--bind", str(base), str(base))
    try:
        yield done and small_disk.mount("-o", "remount,ro,bind", str(base))
    finally:
        if done:
            subprocess.run(["umount", "-l", str(base)], check=True)


def test_a_damaged_registry(manager: TempFileManager, base: Path, tmp_path: Path) -> None:
    register(manager, tmp_path)
    manager.close()
    file = base / ".temp-file-manager" / "registry.db"
    file.write_bytes(b"no database" * 1000)
    found = expect(manager, Grade.UNHEALTHY, "^the registry cannot be used: .*move it away and start anew")
    assert found.records is None


def test_a_registry_of_a_newer_version(manager: TempFileManager, base: Path, tmp_path: Path) -> None:
    register(manager, tmp_path)
    manager.close()
    with closing(sqlite3.connect(base / ".temp-file-manager" / "registry.db")) as connection:
        connection.execute("PRAGMA user_version = 99")
    for _ in range(2):
        found = expect(manager, Grade.UNHEALTHY, "made by a newer version.*install that version")
        assert found.records is None


def test_a_registry_that_was_removed_under_its_connections(
    manager: TempFileManager, base: Path, tmp_path: Path
) -> None:
    register(manager, tmp_path)
    shutil.rmtree(base / ".temp-file-manager")
    expect(manager, Grade.UNHEALTHY, "registry.db is not there any more: put it back, or start this process again")
    assert not (base / ".temp-file-manager").exists()


def test_whatever_a_registry_raises(opened: Opener, monkeypatch: pytest.MonkeyPatch) -> None:
    manager = opened()

    def fail(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(manager.registry, "stats", fail)
    expect(manager, Grade.UNHEALTHY, "^the registry cannot be used: ZeroDivisionError")


def test_a_scheduler_that_died(opened: Opener, clock: FakeClock, monkeypatch: pytest.MonkeyPatch) -> None:
    manager = opened()

    def die(context: object, **_: object) -> None:
        raise SystemExit  # which ends a thread without a word

    monkeypatch.setattr(threading, "excepthook", lambda _: None)  # pytest has its own, which minds
    with monkeypatch.context() as patched:
        patched.setattr(watched, "adopt_watched", die)
        before = threading.enumerate()
        manager.start()
        for thread in set(threading.enumerate()) - set(before):
            if thread.name.endswith(SWEEP):
                thread.join(PATIENCE)
        clock.until_waiting(jobs_of(manager) - 1)
    found = expect(manager, Grade.UNHEALTHY, "^the scheduler's thread has ended")
    assert found.scheduler_alive is False
    manager.start()
    assert expect(manager, Grade.HEALTHY).scheduler_alive is True
    clock.until_waiting(jobs_of(manager))
    assert in_child(lambda: examine(manager.context).scheduler_alive) is None
    manager.stop()
    assert expect(manager, Grade.HEALTHY).scheduler_alive is None


def test_a_clock_that_jumped(opened: Opener, clock: FakeClock, tmp_path: Path) -> None:
    """What is overdue is then read as scheduled sweeps read it."""
    manager = opened()
    register(manager, tmp_path)
    manager.sweep(trust_clock=False)
    clock.set(wall=NOW + 10 * HOUR)
    found = expect(manager, Grade.DEGRADED, "^the clock is not trusted: it is 10 h 0 min ahead.*--accept-clock")
    assert (found.clock_trusted, found.overdue) == (False, 0.0)
    clock.set(wall=NOW)
    assert expect(manager, Grade.HEALTHY).clock_trusted


def test_a_watermark_that_cannot_be_read(opened: Opener, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    manager = opened()
    register(manager, tmp_path)
    manager.registry.write(NAME, "{}", NOW, keep=1)
    expect(manager, Grade.DEGRADED, "^the clock is not trusted: what it was last cannot be read.*--accept-clock")
    assert last_line(manager.registry, NAME) == "{}"
    assert caplog.messages == []


def test_another_clock(opened: Opener) -> None:
    manager = opened()
    manager.sweep(trust_clock=False)
    found = examine(timed(manager, FakeClock(wall=NOW + 1000)))
    assert (found.timestamp, found.clock_trusted) == (NOW + 1000, False)


def test_nobody_sweeps(opened: Opener, clock: FakeClock, tmp_path: Path) -> None:
    manager = opened()
    oldest, _ = register(manager, tmp_path, 2)
    manager.files[oldest] -= 5
    clock.advance(2 * HOUR - 5)
    assert expect(manager, Grade.HEALTHY).overdue == HOUR
    clock.advance(1)
    assert expect(manager, Grade.DEGRADED, f"^{oldest} should .*and no sweep has taken it").overdue == HOUR + 1
    manager.cleanup()
    assert expect(manager, Grade.HEALTHY).records == 0


def test_removals_that_fail(opened: Opener, clock: FakeClock, tmp_path: Path) -> None:
    """However short ago the last one was tried. Looking does not take it from the sweeps."""
    manager = opened()
    (path,) = register(manager, tmp_path)
    fail(manager, path, clock, Status.FAILED)
    expect(manager, Grade.DEGRADED, f"^{path} should have been gone for 1 h 1 min, and its removal failed 1 times: ask")
    assert manager.cleanup() == 1
    expect(manager, Grade.HEALTHY)


def test_what_a_sweep_kept_with_good_reason(opened: Opener, clock: FakeClock, tmp_path: Path) -> None:
    """A file that is open all day is no failure; that no sweep looks at it again is."""
    manager = opened()
    (path,) = register(manager, tmp_path)
    fail(manager, path, clock, Status.KEPT)
    assert expect(manager, Grade.HEALTHY).overdue == 0.0
    clock.advance(2 * HOUR)
    expect(manager, Grade.DEGRADED, "no sweep has taken it")


def fail(manager: TempFileManager, path: str, clock: FakeClock, status: Status) -> None:
    """Let a sweep come to this, 70 minutes after the file was due."""
    clock.advance(2 * HOUR + 60)
    due = Selection(clock.wall(), manager.max_age)
    claim = manager.registry.claim(due, now=clock.elapsed(), lease=60, limit=1)
    assert [record.path for record in claim.records] == [path]
    manager.registry.settle(Settlement(claim, 1, {0: Other(status, Cause.ERROR)}, clock.wall()))


def test_pinned_files_are_not_overdue(opened: Opener, clock: FakeClock, tmp_path: Path) -> None:
    manager = opened()
    (path,) = register(manager, tmp_path)
    manager.pin(path)
    clock.advance(10 * HOUR)
    expect(manager, Grade.HEALTHY)


def test_a_full_disk(disk: Path | None) -> None:
    if disk is None:
        pytest.skip("takes the right to mount")
    with closing(TempFileManager(disk / "base", registry="sqlite:")) as manager:
        expect(manager, Grade.HEALTHY)
        fill(disk)
        assert expect(manager, Grade.DEGRADED, "is full or nearly so: 0 KiB").free_share == 0.0
        os.truncate(disk / "filler", 0)
        expect(manager, Grade.HEALTHY)


@pytest.mark.parametrize("disk", ["size=4m,nr_inodes=400"], indirect=True)
def test_no_inodes(disk: Path | None) -> None:
    if disk is None:
        pytest.skip("takes the right to mount")
    with closing(TempFileManager(disk / "base")) as manager:
        expect(manager, Grade.HEALTHY)

        def one_more() -> None:
            (disk / f"{os.statvfs(disk).f_favail}").touch()

        small_disk.until_full(OSError, one_more)
        expect(manager, Grade.DEGRADED, "and 0 more files are free")


def test_nothing_is_changed(manager: TempFileManager, clock: FakeClock, tmp_path: Path) -> None:
    """Not even the clock's watermark is written."""
    register(manager, tmp_path, 3)
    clock.advance(2 * HOUR)
    with closing(sqlite3.connect(f"{manager.base_dir}/.temp-file-manager/registry.db")) as connection:
        before = list(connection.iterdump())
        examine(manager.context)
        assert list(connection.iterdump()) == before
    assert manager.cleanup() == 3


def test_no_record_is_walked_over(opened: Opener, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first of what is due, and one page of what fails, however long the clock has been in doubt."""
    manager = opened()
    register(manager, tmp_path, 3)
    manager.sweep(trust_clock=False)
    asked = []
    page = manager.registry.page

    def counted(due: Selection | None, **keywords: Any) -> Any:
        asked.append((due, keywords["limit"]))
        return page(due, **keywords)

    monkeypatch.setattr(manager.registry, "page", counted)
    assert examine(timed(manager, FakeClock(wall=NOW + 30 * HOUR, elapsed=5 * HOUR))).status is Grade.DEGRADED
    assert [(due.order, limit <= 100) for due, limit in asked if due] == [("overdue", True), ("failing", True)]
    assert len(asked) == 2


@pytest.mark.parametrize("status", [Status.KEPT, Status.FAILED])
def test_however_many_stand_before_it_what_is_late_is_found(opened: Opener, tmp_path: Path, status: Status) -> None:
    """Excludes code that looks at so many of what is due, among which are those that others have open."""
    manager = opened()
    registry, clock = manager.registry, manager.context.clock
    registry.add(
        [(str(tmp_path / f"kept{number}"), None, None, (), None, None) for number in range(150)], NOW - 40 * HOUR
    )
    late = str(tmp_path / "late")
    registry.add([(late, None, None, (), None, None)], NOW - 30 * HOUR)
    tried = registry.claim(Selection(NOW, 0), now=clock.elapsed(), lease=60, limit=999)
    assert len(tried.records) == 151
    ends = {at: Other(Status.KEPT, Cause.IN_USE) for at in range(150)}
    ends[150] = Other(Status.FAILED, Cause.DIRECTORY) if status is Status.FAILED else Other(Status.SKIPPED, Cause.NONE)
    registry.settle(Settlement(tried, 151, ends, NOW))
    found = examine(timed(manager, FakeClock(wall=NOW + 60)))
    assert found.status is Grade.DEGRADED
    assert late in found.reasons[0]
    assert ("its removal failed 1 times" in found.reasons[0]) is (status is Status.FAILED)


def test_errors_of_ours_are_told_as_they_are(manager: TempFileManager, monkeypatch: pytest.MonkeyPatch) -> None:
    def held(*_: object, **__: object) -> None:
        raise RegistryError("it has been held by another process for 60 s")

    monkeypatch.setattr(manager.registry, "read", held)
    expect(manager, Grade.UNHEALTHY, "^the registry cannot be used: it has been held by another process for 60 s$")
