"""Directories that go whole or not at all: real ones, with whatever can be in them, and whoever uses them."""

import fcntl
import os
import socket
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from mounts import mounted
from temp_file_manager import TempFileManager
from temp_file_manager.causes import Cause
from temp_file_manager.records import Kind, Status
from temp_file_manager.reports import SweepReport
from temp_file_manager.rules.rule import Rule
from temp_file_manager.settings import Settings
from temp_file_manager.storage import unit_place
from temp_file_manager.storage.kernel.statx import Listed
from temp_file_manager.testing import FakeClock
from temp_file_manager.testing.hostile.attacks import holders
from units import AGE, filled


@pytest.fixture
def clock() -> FakeClock:
    """A clock that begins now: the times of files are the machine's."""
    return FakeClock(time.time())


@pytest.fixture
def manager(tmp_path: Path, clock: FakeClock) -> Iterator[TempFileManager]:
    with closing(TempFileManager(tmp_path / "base", AGE, registry="sqlite:", clock=clock)) as manager:
        yield manager


def going(manager: TempFileManager) -> list[str]:
    folder = Path(manager.base_dir, ".temp-file-manager", "going")
    return os.listdir(folder) if folder.exists() else []


def swept(manager: TempFileManager, clock: FakeClock, after: float = 2 * AGE) -> SweepReport:
    """Return what a sweep does after some time that a dry run has foretold."""
    clock.advance(after)
    return as_foretold(manager)


def as_foretold(manager: TempFileManager) -> SweepReport:
    foretold = manager.sweep(protect_open=True, dry_run=True)
    report = manager.sweep(protect_open=True)
    told = [[(one.record.path, one.status, one.cause) for one in each.outcomes] for each in (foretold, report)]
    assert told[0] == told[1]
    return report


def stays(manager: TempFileManager, unit: Path, report: SweepReport, cause: Cause, words: str = "") -> None:
    """Check that a unit is whole, on record and kept, and why."""
    (outcome,) = report.outcomes
    assert (outcome.status, outcome.cause) == (Status.KEPT, cause), outcome
    assert words in outcome.reason
    assert (unit / "deep/er/c").read_text() == "deep/er/c"
    assert list(manager.files) == [str(unit)]
    assert going(manager) == []


# -- what goes


def test_it_goes_whole(manager: TempFileManager, clock: FakeClock) -> None:
    unit = filled(manager)
    report = swept(manager, clock)
    assert (report.removed, report.retired) == (1, 1)
    assert not unit.exists()
    assert going(manager) == []
    assert dict(manager.files) == {}
    assert manager.registry.stats().records == 0


def test_whatever_is_in_it_goes(manager: TempFileManager, clock: FakeClock, tmp_path: Path) -> None:
    """Links are not followed, other names of its files stay, names are bytes."""
    unit, outside = filled(manager), tmp_path / "outside"
    outside.mkdir()
    (outside / "kept").write_text("kept")
    (unit / "link").symlink_to(outside)
    (unit / "loop").symlink_to(unit)
    os.link(unit / "a", outside / "other name")
    os.mkfifo(unit / "pipe")
    with closing(socket.socket(socket.AF_UNIX)) as listening:
        listening.bind(str(unit / "socket"))
    os.mkdir(os.fsencode(unit) + b"/\xff\n")
    Path(os.fsdecode(os.fsencode(unit) + b"/\xff\n/\xfe")).touch()
    assert swept(manager, clock).removed == 1
    assert not unit.exists()
    assert going(manager) == []
    assert {path.name: path.read_text() for path in outside.iterdir()} == {"kept": "kept", "other name": "a"}


def test_it_may_be_thousands_of_directories_deep(manager: TempFileManager, clock: FakeClock) -> None:
    unit = filled(manager)
    here = os.open(unit, os.O_RDONLY)
    for number in range(3000):
        os.mkdir("d", dir_fd=here)
        os.close(os.open(f"{number}", os.O_CREAT, dir_fd=here))
        below = os.open("d", os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = below
    os.close(here)
    try:
        assert swept(manager, clock).removed == 1
        assert not unit.exists()
        assert going(manager) == []
    finally:
        subprocess.run(["rm", "-rf", manager.base_dir], check=True)  # what clears up after tests goes less deep


def test_more_directories_beside_each_other_than_are_noted_at_once(manager: TempFileManager, clock: FakeClock) -> None:
    unit = filled(manager)
    for number in range(2500):
        (unit / "deep" / str(number)).mkdir()
    assert swept(manager, clock).removed == 1
    assert going(manager) == []


AS_NOBODY = """
import os, sys
from temp_file_manager import TempFileManager

def work(base):
    manager = TempFileManager(base, 100, registry="sqlite:")
    unit = manager.mkdtemp(unit=True)
    for name, mode in (("read-only", 0o555), ("closed", 0), ("unsearchable", 0o600)):
        os.makedirs(f"{unit}/{name}/in")
        open(f"{unit}/{name}/in/file", "w").close()
        os.chmod(f"{unit}/{name}", mode)
    os.chmod(unit, int(sys.argv[2], 8))
    before = os.lstat(unit).st_ctime_ns
    manager.max_age = 0.0
    foretold = manager.sweep(dry_run=True, protect_open=sys.argv[1] == "protecting")
    assert (foretold.removed, os.lstat(unit).st_ctime_ns) == (1, before)
    report = manager.sweep(protect_open=sys.argv[1] == "protecting")
    left = os.listdir(f"{base}/.temp-file-manager/going")
    return report.removed, os.path.exists(unit), left

work(sys.argv[3])  # as root, who may read all that is imported on the way
os.setgroups([])
os.setgid(65534)
os.setuid(65534)
print(work(sys.argv[4]))
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="takes root to become another user")
@pytest.mark.parametrize("how", ["protecting", "plain"])
@pytest.mark.parametrize("mode", ["700", "555", "300", "0"])
def test_directories_that_their_owner_may_not_read_or_change(tmp_path: Path, how: str, mode: str) -> None:
    """The unit itself, and some in it; as another user than root, who may do anything. Looking changes nothing."""
    with tempfile.TemporaryDirectory(dir="/var/tmp") as above:  # pytest's own is for nobody but root
        os.chmod(above, 0o755)
        base = Path(above, "base")
        base.mkdir(mode=0o700)
        os.chown(base, 65534, 65534)
        program = [sys.executable, "-c", AS_NOBODY, how, mode, str(tmp_path / "warm"), str(base)]
        done = subprocess.run(program, capture_output=True, text=True, check=False)
    assert done.stdout == "(1, False, [])\n", done.stderr


def test_another_that_is_there_for_a_moment_lends_it_no_age(
    manager: TempFileManager, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the two looks that are taken before it is opened."""
    unit, other = filled(manager), Path(manager.base_dir, "other")
    other.mkdir()
    look = unit_place.listed_looker()

    def exchanged(directory: int, name: bytes) -> Listed:
        unit.rename(away := unit.with_name("away"))
        other.rename(unit)
        try:
            return look(directory, name)
        finally:
            unit.rename(other)
            away.rename(unit)

    with monkeypatch.context() as patched:
        patched.setattr(unit_place, "listed_looker", lambda: exchanged)
        (outcome,) = swept(manager, clock).outcomes
    assert (outcome.status, outcome.cause) == (Status.KEPT, Cause.CHANGING)
    assert manager.sweep(force=True).removed == 1


def test_files_in_it_with_records_of_their_own_are_gone(manager: TempFileManager, clock: FakeClock) -> None:
    unit = filled(manager)
    manager.register_file(unit / "a", ttl=10 * AGE)
    assert swept(manager, clock).removed == 1
    clock.advance(10 * AGE)
    report = manager.sweep()
    assert (report.gone, dict(manager.files)) == (1, {})


def test_a_device_is_left_to_itself(manager: TempFileManager, clock: FakeClock) -> None:
    unit = filled(manager)
    try:
        os.mknod(unit / "null", stat.S_IFCHR | 0o600, os.makedev(1, 3))
    except PermissionError:
        pytest.skip("takes root to make a device")
    assert swept(manager, clock).removed == 1
    assert not unit.exists()


# -- its age


def test_it_counts_from_the_latest_change_of_anything_in_it(manager: TempFileManager, clock: FakeClock) -> None:
    clock.set(wall=time.time() - 1000)
    unit = filled(manager)
    clock.set(wall=time.time())
    report = as_foretold(manager)
    assert (report.skipped, report.retired) == (1, 0)
    assert "in it was changed" in report.outcomes[0].reason
    record = manager.status(unit).record
    assert record is not None
    assert abs(record.registered_at - time.time()) < 60
    assert (record.kind, record.due_at) == (Kind.UNIT, None)
    assert swept(manager, clock).removed == 1


def test_its_own_ttl_counts_from_there_too(manager: TempFileManager, clock: FakeClock) -> None:
    clock.set(wall=time.time() - 1000)
    unit = filled(manager)
    manager.register_directory(unit, ttl=500)
    clock.set(wall=time.time())
    assert as_foretold(manager).skipped == 1
    record = manager.status(unit).record
    assert record is not None
    assert record.due_at is not None
    assert record.due_at - record.registered_at == pytest.approx(500)
    assert swept(manager, clock, 400).retired == 0
    assert swept(manager, clock, 101).removed == 1


def test_a_date_to_come_says_nothing(manager: TempFileManager, clock: FakeClock) -> None:
    unit = filled(manager)
    os.utime(unit / "a", (time.time() + 10**6,) * 2)
    assert swept(manager, clock).removed == 1


def test_force_asks_for_no_age(manager: TempFileManager) -> None:
    unit = filled(manager)
    assert manager.cleanup(force=True) == 1
    assert not unit.exists()


# -- who uses it


@pytest.mark.parametrize("how", ["open", "mapped", "flocked"])
def test_a_unit_of_which_a_file_is_open_stays_whole(manager: TempFileManager, clock: FakeClock, how: str) -> None:
    unit = filled(manager)
    with holders([unit / "deep" / "b"], how):
        stays(manager, unit, swept(manager, clock), Cause.IN_USE, "deep/b in it")
    clock.advance(AGE)
    assert manager.sweep(protect_open=True).removed == 1


def test_a_process_works_in_it(manager: TempFileManager, clock: FakeClock) -> None:
    unit = filled(manager)
    with subprocess.Popen(["cat"], cwd=unit / "deep", stdin=subprocess.PIPE) as process:
        stays(manager, unit, swept(manager, clock), Cause.IN_USE, "a process works in deep in it")
        process.communicate()


def test_somebody_has_a_directory_in_it_open(manager: TempFileManager, clock: FakeClock) -> None:
    unit = filled(manager)
    descriptor = os.open(unit / "deep/er", os.O_RDONLY)
    try:
        stays(manager, unit, swept(manager, clock), Cause.IN_USE, "deep/er in it")
    finally:
        os.close(descriptor)


@pytest.mark.parametrize("where", ["", "deep"])
def test_somebody_has_it_locked(manager: TempFileManager, clock: FakeClock, where: str) -> None:
    """As systemd-tmpfiles asks for, which leaves such a directory alone, too; also where open files do not matter."""
    unit = filled(manager)
    descriptor = os.open(unit / where, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH)
        clock.advance(2 * AGE)
        stays(manager, unit, manager.sweep(), Cause.IN_USE, "locked")
    finally:
        os.close(descriptor)
    assert manager.sweep().removed == 1


def test_something_in_it_is_pinned(manager: TempFileManager, clock: FakeClock) -> None:
    unit = filled(manager)
    manager.register_file(unit / "deep/er/c", ttl=10**6)
    manager.pin(unit / "deep/er/c")
    clock.advance(2 * AGE)
    outcome = manager.sweep().outcomes[0]
    assert (outcome.status, outcome.cause, outcome.reason) == (
        Status.KEPT,
        Cause.KEPT_WITHIN,
        "deep/er/c in it is pinned",
    )
    manager.unpin(unit / "deep/er/c")
    assert manager.sweep().removed == 1


def test_something_in_it_is_kept_by_a_rule(tmp_path: Path, clock: FakeClock) -> None:
    """As far as age goes: force asks no rule. Another rule that has no end for a file keeps nothing but that."""
    rules = (Rule("kept", match=("*/deep/b",), keep=True), Rule("newest", match=("*/a",), keep_last=1))
    settings = Settings(rules=rules)
    with closing(
        TempFileManager(tmp_path / "base", AGE, registry="sqlite:", settings=settings, clock=clock)
    ) as manager:
        unit = filled(manager)
        manager.register_files([unit / "deep/b", unit / "a"])
        (outcome,) = swept(manager, clock).outcomes
        assert (outcome.status, outcome.cause) == (Status.KEPT, Cause.KEPT_WITHIN)
        assert outcome.reason == 'deep/b in it is kept by the rule "kept"'
        assert (unit / "deep/b").exists()
        manager.registry.forget([str(unit / "deep/b")])
        assert as_foretold(manager).removed == 1
        other = filled(manager, "other")
        manager.register_file(other / "deep/b")
        assert manager.sweep(force=True).removed
        assert not other.exists()


def test_something_in_it_is_held_or_in_a_session(manager: TempFileManager, clock: FakeClock) -> None:
    unit = filled(manager)
    manager.register_file(unit / "a", ttl=10**6)
    clock.advance(2 * AGE)
    with manager.hold(unit / "a"):
        assert manager.sweep().outcomes[0].reason == "a in it is held"
    with manager.session() as session:
        session.register_file(unit / "a")
        assert manager.sweep().outcomes[0].reason == "a in it is in a session that lives"
        (unit / "a").unlink()
    assert manager.sweep(limit=1).removed == 1


def test_by_another_path_to_it(manager: TempFileManager, clock: FakeClock, tmp_path: Path) -> None:
    """What is pinned by its real path keeps a unit that was registered by a link to its directory."""
    (tmp_path / "link").symlink_to(manager.base_dir)
    real = filled(manager, "real")
    manager.registry.forget([str(real)])
    manager.register_directory(tmp_path / "link" / "real")
    manager.register_file(real / "a", ttl=10**6)
    manager.pin(real / "a")
    clock.advance(2 * AGE)
    assert manager.sweep().outcomes[0].reason == "a in it is pinned"


# -- what is never taken for it


def test_another_directory_in_its_place_stays(manager: TempFileManager, clock: FakeClock) -> None:
    unit = filled(manager)
    unit.rename(unit.with_name("moved"))
    unit.mkdir()
    (unit / "new").touch()
    report = swept(manager, clock)
    assert (report.replaced, report.removed) == (1, 0)
    assert [(path.name) for path in unit.iterdir()] == ["new"]
    assert (unit.with_name("moved") / "a").exists()


def test_a_link_in_its_place_stays(manager: TempFileManager, clock: FakeClock) -> None:
    unit = filled(manager)
    unit.rename(unit.with_name("moved"))
    unit.symlink_to(unit.with_name("moved"))
    assert swept(manager, clock).removed == 0
    assert (unit / "a").exists()


def test_a_base_directory_in_it_stays(manager: TempFileManager, clock: FakeClock) -> None:
    unit = filled(manager)
    (unit / "deep" / ".temp-file-manager").mkdir()
    stays(manager, unit, swept(manager, clock), Cause.OWN, "deep/.temp-file-manager in it")


@pytest.mark.parametrize("where", ["deep", "a", "."])
def test_something_is_mounted_in_it(manager: TempFileManager, clock: FakeClock, where: str) -> None:
    unit = filled(manager)
    place = unit / where
    kind = ["mount", "-t", "tmpfs", "none", place] if where == "deep" else ["mount", "--bind", place, place]
    with mounted(place, [str(word) for word in kind]):
        report = swept(manager, clock)
        (outcome,) = report.outcomes
        assert outcome.status is Status.KEPT
        assert outcome.cause in (Cause.OTHER_FILE_SYSTEM, Cause.IDENTITY_UNKNOWN)
        assert (unit / "a").exists()
    assert (unit / "deep/er/c").exists()


def test_it_belongs_to_somebody_else(tmp_path: Path, clock: FakeClock) -> None:
    settings = Settings(base_dir=str(tmp_path / "base"), max_age=AGE, registry="sqlite:", owner_check=True)
    with closing(TempFileManager.from_settings(settings, clock=clock)) as manager:
        unit = filled(manager)
        try:
            os.chown(unit / "deep/b", 12345, -1)
        except PermissionError:
            pytest.skip("takes root to give a file away")
        stays(manager, unit, swept(manager, clock), Cause.FOREIGN, "deep/b in it")


def test_a_file_that_cannot_be_removed_stays_in_the_folder_and_is_said(
    manager: TempFileManager, clock: FakeClock
) -> None:
    unit = filled(manager)
    done = subprocess.run(["chattr", "+i", unit / "deep/b"], check=False, capture_output=True)
    if done.returncode:
        pytest.skip("nothing can be made immutable here")
    assert manager.cleanup(force=True) == 1  # it is gone from its place
    assert not unit.exists()
    (name,) = going(manager)
    left = Path(manager.base_dir, ".temp-file-manager", "going", name)
    try:
        clock.advance(1)
        report = manager.sweep()
        (outcome,) = report.outcomes
        assert (report.failed, outcome.record.origin) == (1, str(unit))
        assert outcome.reason == "deep/b in it: Operation not permitted"
        assert sorted(path.name for path in left.rglob("*")) == ["b", "deep"]
    finally:
        subprocess.run(["chattr", "-i", left / "deep/b"], check=True)
    assert manager.sweep().removed == 1
    assert (going(manager), dict(manager.files)) == ([], {})
