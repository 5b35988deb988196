"""The guards as users meet them: through the manager, its settings and the command line."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from contexts import JOBS
from temp_file_manager import BaseDirectoryError, LargeSweepError, Settings, TempFileManager
from temp_file_manager.cli import main
from temp_file_manager.testing import FakeClock

ROOT = hasattr(os, "geteuid") and os.geteuid() == 0
NOBODY = 65534


@pytest.fixture(params=["memory:", "sqlite:"])
def registry(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


def swept_on_schedule(manager: TempFileManager, clock: FakeClock) -> None:
    manager.start()
    clock.until_waiting(JOBS)
    manager.stop()


def make(folder: Path, count: int) -> list[str]:
    folder.mkdir(exist_ok=True)
    paths = [folder / str(number) for number in range(count)]
    for path in paths:
        path.touch()
    return [str(path) for path in paths]


# -- whose, and with which mode


@pytest.mark.skipif(not ROOT, reason="gives files away")
def test_another_users_file_is_refused_and_kept(
    tmp_path: Path, registry: str, caplog: pytest.LogCaptureFixture
) -> None:
    manager = TempFileManager(tmp_path / "base", registry=registry, settings=Settings(owner_check=True))
    theirs, ours = make(tmp_path / "files", 2)
    os.chown(theirs, NOBODY, NOBODY)
    report = manager.register_files([theirs, ours])
    assert (report.registered, report.refused[0]) == (1, (theirs, f"it belongs to user {NOBODY}, not to user 0"))
    assert f"{theirs} (it belongs to user" in caplog.text
    manager.register_file(theirs)
    assert list(manager.files) == [ours]
    os.chown(ours, NOBODY, NOBODY)
    for dry_run in (True, False):
        assert manager.sweep(force=True, dry_run=dry_run).kept == 1
    assert os.path.exists(ours)
    os.chown(ours, 0, 0)
    assert manager.clear_all() == 1
    manager.close()


def test_a_registered_file_gets_its_mode_and_is_still_that_file(tmp_path: Path, registry: str) -> None:
    manager = TempFileManager(tmp_path / "base", registry=registry, settings=Settings(permission_mask=0o600))
    one, other = make(tmp_path / "files", 2)
    for path in (one, other):
        os.chmod(path, 0o644)
    manager.register_file(one)
    assert manager.register_files([other]).registered == 1
    assert {stat.S_IMODE(os.stat(path).st_mode) for path in (one, other)} == {0o600}
    assert manager.sweep(force=True).removed == 2
    manager.close()


def test_a_link_is_registered_and_no_mode_changed(
    tmp_path: Path, registry: str, caplog: pytest.LogCaptureFixture
) -> None:
    manager = TempFileManager(tmp_path / "base", registry=registry, settings=Settings(permission_mask=0o600))
    (target,) = make(tmp_path / "files", 1)
    os.chmod(target, 0o644)
    link = tmp_path / "link"
    link.symlink_to(target)
    manager.register_file(link)
    assert stat.S_IMODE(os.stat(target).st_mode) == 0o644
    assert "was not set to 0600: it is a link" in caplog.text
    assert manager.is_temp_file(link)
    manager.close()


# -- where


@pytest.mark.parametrize("base", ["/", "/etc", "/usr/lib", os.path.expanduser("~"), "/proc/self", "/tmp"])
def test_a_base_that_is_not_ours_is_refused_with_exit_code_2(base: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(BaseDirectoryError, match="not to be used as a base directory"):
        TempFileManager(base, registry="sqlite:")
    assert main(["list", "--base-dir", base]) == 2
    assert "not to be used as a base directory" in capsys.readouterr().err
    assert not os.path.exists(os.path.join(base, ".temp-file-manager"))


def test_a_private_folder_that_is_a_link_is_refused(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir(mode=0o700)
    (tmp_path / "base").mkdir(mode=0o700)
    (tmp_path / "base" / ".temp-file-manager").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(BaseDirectoryError):
        TempFileManager(tmp_path / "base", registry="sqlite:")
    assert list((tmp_path / "elsewhere").iterdir()) == []


def test_a_base_that_a_durable_registry_makes_is_private(tmp_path: Path) -> None:
    former = os.umask(0)
    try:
        TempFileManager(tmp_path / "durable", registry="sqlite:").close()
        TempFileManager(tmp_path / "plain")
    finally:
        os.umask(former)
    modes = [stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ("durable", "plain")]
    assert modes == [0o700, 0o777]


# -- when


def test_a_scheduled_sweep_trusts_no_jump_and_a_bare_cleanup_does(
    tmp_path: Path, registry: str, clock: FakeClock, caplog: pytest.LogCaptureFixture
) -> None:
    manager = TempFileManager(tmp_path / "base", 3600, registry=registry, clock=clock)
    (path,) = make(tmp_path / "files", 1)
    manager.register_file(path)
    swept_on_schedule(manager, clock)
    clock.set(wall=clock.wall() + 86400)
    swept_on_schedule(manager, clock)
    assert os.path.exists(path)
    assert "The wall clock is not trusted" in caplog.text
    assert manager.sweep(trust_clock=False).removed == 0
    clock.advance(3601)
    swept_on_schedule(manager, clock)
    assert not os.path.exists(path), "it goes on by elapsed time"
    (path,) = make(tmp_path / "files", 1)
    manager.register_file(path)
    clock.set(wall=clock.wall() + 86400)
    assert manager.cleanup() == 1
    manager.close()


# -- how much


@pytest.fixture
def many(tmp_path: Path, registry: str, clock: FakeClock) -> Iterator[TempFileManager]:
    """1,200 files of 100 s, kept for an hour each by the sweeps so far."""
    manager = TempFileManager(tmp_path / "base", 3600, registry=registry, clock=clock)
    manager.register_files(make(tmp_path / "files", 1200))
    clock.advance(100)
    swept_on_schedule(manager, clock)
    yield manager
    manager.close()


def test_a_changed_setting_makes_no_large_sweep_unasked(
    many: TempFileManager, clock: FakeClock, caplog: pytest.LogCaptureFixture
) -> None:
    many.max_age = 60
    swept_on_schedule(many, clock)
    assert len(many.files) == 1200
    assert "only because of a change since the last sweep: max_age was 3600 and is 60" in caplog.text
    with pytest.raises(LargeSweepError, match="--allow-large N"):
        many.sweep(allow_large=0)
    assert many.sweep(dry_run=True, allow_large=0).removed == 1200
    assert many.sweep(allow_large=1200).removed == 1200


def test_a_person_who_cleans_up_is_not_asked(many: TempFileManager) -> None:
    many.max_age = 60
    assert many.cleanup() == 1200


def test_ordinary_expiry_is_never_held_up(many: TempFileManager, clock: FakeClock) -> None:
    clock.advance(3600)
    swept_on_schedule(many, clock)
    assert len(many.files) == 0


def test_the_command_line_asks_before_a_large_sweep(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make(tmp_path / "files", 1200)
    base = ["--base-dir", str(tmp_path / "base")]
    assert main(["register", *make(tmp_path / "files", 1200), *base]) == 0
    assert main(["sweep", "--quiet", *base]) == 0
    capsys.readouterr()
    assert main(["sweep", "--quiet", "--max-age", "0", *base]) == 1
    assert "--allow-large" in capsys.readouterr().err
    assert len(os.listdir(tmp_path / "files")) == 1200
    assert main(["sweep", "--quiet", "--max-age", "0", "--allow-large", "1200", *base]) == 0
    assert os.listdir(tmp_path / "files") == []
