"""Registering: whose files are taken, with which mode, and what else it changes."""

import os
import stat
from pathlib import Path

import pytest

from contexts import MakeManager
from temp_file_manager import Settings, TempFileManager
from temp_file_manager.records import Status
from trees import numbered

ROOT = hasattr(os, "geteuid") and os.geteuid() == 0
NOBODY = 65534


def test_registering_in_a_new_directory_says_nothing_of_older_records(
    make_manager: MakeManager, tmp_path: Path, file: Path
) -> None:
    """Once, a directory's new identity was taken for that of all its records: a stranger's file passed for replaced."""
    manager = make_manager()
    manager.register_file(file)
    file.parent.rename(tmp_path / "away")
    file.parent.mkdir()
    file.touch()
    new = file.with_name("new")
    new.touch()
    manager.register_file(new)
    report = manager.sweep(force=True)
    assert {outcome.record.path: outcome.status for outcome in report.outcomes} == {
        str(file): Status.KEPT,
        str(new): Status.REMOVED,
    }
    assert str(file) in manager.files


@pytest.fixture(params=["memory:", "sqlite:"])
def registry(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.mark.skipif(not ROOT, reason="gives files away")
def test_another_users_file_is_refused_and_kept(
    tmp_path: Path, registry: str, caplog: pytest.LogCaptureFixture
) -> None:
    manager = TempFileManager(tmp_path / "base", registry=registry, settings=Settings(owner_check=True))
    theirs, ours = numbered(tmp_path / "files", 2)
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
    one, other = numbered(tmp_path / "files", 2)
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
    (target,) = numbered(tmp_path / "files", 1)
    os.chmod(target, 0o644)
    link = tmp_path / "link"
    link.symlink_to(target)
    manager.register_file(link)
    assert stat.S_IMODE(os.stat(target).st_mode) == 0o644
    assert "was not set to 0600: it is a link" in caplog.text
    assert manager.is_temp_file(link)
    manager.close()
