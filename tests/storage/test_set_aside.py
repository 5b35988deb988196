"""``paranoid``: nobody who renames in the file's own directory has another file removed."""

import errno
import json
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from mounts import mounted
from removing import removed
from temp_file_manager import Settings, SettingsError, TempFileManager
from temp_file_manager.inspection.check import check
from temp_file_manager.records import Outcome, Status
from temp_file_manager.storage import LocalStorage
from temp_file_manager.storage.kernel import renames
from temp_file_manager.storage.wrappers import set_aside
from temp_file_manager.storage.wrappers.put_back import stranded
from temp_file_manager.testing import swapper

ROOT = hasattr(os, "geteuid") and os.geteuid() == 0


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[TempFileManager]:
    manager = TempFileManager(tmp_path / "base", registry="sqlite:", settings=Settings(paranoid=True))
    yield manager
    manager.close()


@pytest.fixture
def file(tmp_path: Path, manager: TempFileManager) -> Path:
    path = tmp_path / "file"
    path.write_text("what was registered")
    manager.register_file(path)
    return path


def aside(manager: TempFileManager) -> Path:
    return Path(manager.base_dir) / ".temp-file-manager" / "aside"


def swapped_in_the_window(manager: TempFileManager, file: Path, folder: str | None) -> tuple[Outcome, Path]:
    """Remove, with another file put in the place of ours after the last comparison; return what became of it."""
    other = file.with_name("other")
    other.write_text("somebody else's")

    def still(_: int) -> bool:
        file.rename(file.with_name("ours"))
        other.rename(file)
        return True

    record = manager.status(file).record
    assert record is not None
    (outcome,) = removed(LocalStorage(aside=folder), [record], still)
    return outcome, file


def left_aside(manager: TempFileManager) -> list[Path]:
    return sorted(path for path in aside(manager).rglob("*") if path.is_file() and path.name != "origins")


def killed(manager: TempFileManager, monkeypatch: pytest.MonkeyPatch) -> None:
    """Sweep in a process that dies when the file has been moved aside."""
    pid = os.fork()
    if pid == 0:
        monkeypatch.setattr(set_aside, "same_file", lambda *_: os._exit(9))
        TempFileManager(manager.base_dir, registry="sqlite:", settings=Settings(paranoid=True)).clear_all()
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 9


def test_a_registered_file_goes_and_nothing_is_left(manager: TempFileManager, file: Path) -> None:
    link = file.with_name("link")
    link.symlink_to("elsewhere-" + file.name)
    (file.parent / ("elsewhere-" + file.name)).write_text("stays")
    manager.register_file(link)
    assert manager.sweep(force=True, protect_open=True).removed == 2
    assert [path.name for path in file.parent.iterdir() if path.is_file()] == ["elsewhere-file"]
    assert list(aside(manager).iterdir()) == []
    assert aside(manager).stat().st_mode & 0o777 == 0o700
    assert check(manager.context) == ()


def test_what_is_put_in_its_place_in_the_last_moment_is_put_back(manager: TempFileManager, file: Path) -> None:
    outcome, path = swapped_in_the_window(manager, file, str(aside(manager)))
    assert (outcome.status, path.read_text()) == (Status.REPLACED, "somebody else's")
    assert list(aside(manager).iterdir()) == []


def test_without_it_the_window_is_there(manager: TempFileManager, file: Path) -> None:
    """Or the test above tries nothing."""
    outcome, path = swapped_in_the_window(manager, file, None)
    assert (outcome.status, path.exists()) == (Status.REMOVED, False)


@pytest.mark.parametrize("by_call", [True, False])
def test_what_cannot_be_put_back_is_kept_and_shown_until_it_can(
    manager: TempFileManager, file: Path, monkeypatch: pytest.MonkeyPatch, by_call: bool
) -> None:
    if not by_call:
        monkeypatch.setattr(renames, "renameat2", lambda: None)
    same = set_aside.same_file

    def taken_meanwhile(*arguments: Any) -> bool | None:
        file.write_text("a third one")
        return same(*arguments)

    monkeypatch.setattr(set_aside, "same_file", taken_meanwhile)
    outcome, path = swapped_in_the_window(manager, file, str(aside(manager)))
    (kept,) = left_aside(manager)
    assert outcome.status is Status.REPLACED
    assert outcome.reason.endswith(f"and is {kept}")
    assert (kept.read_text(), path.read_text()) == ("somebody else's", "a third one")
    for fix in (False, True):
        found = {finding.subject: finding for finding in check(manager.context, fix=fix)}[str(kept)]
        assert (found.kind, found.fixed) == ("file set aside", False)
        assert f"it was {file}" in found.explanation
    assert "another file is in its place: look, and move it back" in found.explanation
    monkeypatch.setattr(set_aside, "same_file", same)
    file.rename(file.with_name("third"))
    manager.register_file(file.with_name("third"))
    assert manager.sweep(force=True).removed == 1
    assert file.read_text() == "somebody else's"
    assert list(aside(manager).iterdir()) == []


@pytest.mark.parametrize("paranoid", [True, False])
@pytest.mark.parametrize("again", [True, False])
def test_killed_in_between_the_next_sweep_of_whatever_kind_finishes(
    manager: TempFileManager, file: Path, again: bool, paranoid: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    killed(manager, monkeypatch)
    assert not file.exists()
    (left,) = left_aside(manager)
    if again:  # another file of that name is another file
        file.write_text("somebody else's")
    with TempFileManager(manager.base_dir, registry="sqlite:", settings=Settings(paranoid=paranoid)) as other:
        report = other.sweep(force=True)
        assert (report.removed, report.replaced) == ((0, 1) if again else (1, 0))
        assert file.exists() is again
        assert left_aside(manager) == ([left] if again else [])


def test_killed_in_between_check_puts_the_file_back_and_forgets_no_record(
    manager: TempFileManager, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    killed(manager, monkeypatch)
    (left,) = left_aside(manager)
    found = {finding.subject: finding for finding in check(manager.context)}
    assert set(found) >= {str(left), str(file)}
    assert not file.exists()
    found = {finding.subject: finding for finding in check(manager.context, fix=True)}
    assert str(file) not in found
    assert found[str(left)].fixed
    assert file.read_text() == "what was registered"
    assert manager.is_temp_file(file)
    assert check(manager.context) == ()


def test_nothing_is_put_back_into_another_directory(
    manager: TempFileManager, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever swaps directories could have root put a file of theirs where root alone may."""
    directory, elsewhere = tmp_path / "directory", tmp_path / "elsewhere"
    for one in (directory, elsewhere):
        one.mkdir()
    (directory / "file").write_text("what was registered")
    manager.register_file(directory / "file")
    killed(manager, monkeypatch)
    directory.rename(tmp_path / "moved")
    directory.symlink_to(elsewhere)
    (found,) = [one for one in check(manager.context, fix=True) if one.kind == "file set aside"]
    assert (found.fixed, list(elsewhere.iterdir())) == (False, [])
    assert "another directory is where its own was" in found.explanation


def test_what_lies_aside_is_nobody_s_to_overwrite(manager: TempFileManager, file: Path) -> None:
    """Two registries of one base directory use the same numbers."""
    aside(manager).mkdir(mode=0o700)
    record = manager.status(file).record
    assert record is not None
    strange = [aside(manager) / name for name in (str(record.generation), "0", "1")]
    for path in strange:
        path.write_text("somebody else's only copy")
    assert manager.sweep(force=True).removed == 1
    assert {path.read_text() for path in strange} == {"somebody else's only copy"}
    found = check(manager.context, fix=True)
    assert {(one.subject, one.fixed) for one in found} == {(str(path), False) for path in strange}


def test_what_a_living_sweep_has_aside_is_left_to_it(
    manager: TempFileManager, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    same, seen = set_aside.same_file, []

    def looked_at_meanwhile(*arguments: Any) -> bool | None:
        seen.append((stranded(str(aside(manager)), put_back=True), file.exists()))
        return same(*arguments)

    monkeypatch.setattr(set_aside, "same_file", looked_at_meanwhile)
    assert manager.sweep(force=True).removed == 1
    assert seen == [([], False)]


def test_looking_for_what_killed_sweeps_have_set_aside_leaves_nothing_open(
    manager: TempFileManager, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    killed(manager, monkeypatch)
    before = os.listdir("/proc/self/fd")
    assert len(stranded(str(aside(manager)), put_back=False)) == 1
    assert os.listdir("/proc/self/fd") == before


def test_on_a_full_disk_it_goes_on(manager: TempFileManager, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> str:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(set_aside, "origins_of", full)
    assert manager.sweep(force=True).removed == 1
    assert not file.exists()
    assert list(aside(manager).iterdir()) == []


def test_a_disk_that_fails_in_the_end_takes_nothing_back(
    manager: TempFileManager, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(*_: object, **__: object) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    with monkeypatch.context() as patched:
        patched.setattr(os, "rmdir", failing)
        assert manager.sweep(force=True).removed == 1
    assert not file.exists()
    assert len(list(aside(manager).iterdir())) == 1, "whoever comes next tries again"


@pytest.mark.parametrize("registry", ["memory:", "sqlite:///elsewhere"])
@pytest.mark.parametrize("what", ["own", "aside", "batch"])
def test_what_a_stranger_has_put_aside_is_put_nowhere(open_to_all: Path, registry: str, what: str) -> None:
    """In a base directory that is sticky anybody can make the folder: root would move a file of theirs anywhere."""
    if not ROOT:
        pytest.skip("only root can make another user's directory")
    base, private = open_to_all / "base", open_to_all / "private"
    private.mkdir(mode=0o700)
    base.mkdir()
    base.chmod(0o1777)
    batch = base / ".temp-file-manager" / "aside" / "batch"
    batch.mkdir(parents=True, mode=0o700)
    for directory in (batch, batch.parent, batch.parent.parent):
        directory.chmod(0o700)
    there = os.stat(private)
    (batch / "origins").write_text(json.dumps([[str(private / "evil"), there.st_ino, 0]]))
    (batch / "0").write_text("evil")
    theirs = {"own": batch.parent.parent, "aside": batch.parent, "batch": batch}[what]
    os.chown(theirs, 4242, 4242)
    file = open_to_all / "file"
    manager = TempFileManager(base, registry=registry.replace("/elsewhere", f"{private}/registry.db"))
    file.touch()
    manager.register_file(file)
    assert manager.clear_all() == 1
    manager.close()
    assert not (private / "evil").exists()
    os.chown(theirs, 0, 0)  # or it has tried nothing
    assert [one.trouble for one in stranded(str(batch.parent), put_back=True)] == [""]
    assert (private / "evil").exists()


def test_a_folder_that_a_stranger_has_made_is_not_used(manager: TempFileManager, file: Path) -> None:
    """In a base directory that is sticky anybody may make one."""
    aside(manager).mkdir()
    aside(manager).chmod(0o777)
    report = manager.sweep(force=True)
    assert (report.failed, file.exists()) == (1, True)


def test_on_another_file_system_a_file_is_kept(manager: TempFileManager, tmp_path: Path) -> None:
    place = tmp_path / "mounted"
    place.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=1m", "none", str(place)]
    if not ROOT or subprocess.run(command, capture_output=True, check=False).returncode:
        print("not tried: a tmpfs could not be mounted here")
        assert not (ROOT and os.environ.get("CI")), "root in CI can mount"
        return
    try:
        path = place / "file"
        path.touch()
        manager.register_file(path)
        (planned,) = manager.sweep(force=True, dry_run=True).outcomes
        (outcome,) = manager.sweep(force=True).outcomes
        assert outcome.status is Status.KEPT
        assert "another file system or mount" in outcome.reason
        assert (planned.status, planned.reason) == (outcome.status, outcome.reason)
        assert path.exists()
    finally:
        subprocess.run(["umount", "-l", str(place)], check=True)


def test_on_another_mount_of_its_file_system_a_file_is_kept_as_its_dry_run_says(
    manager: TempFileManager, tmp_path: Path
) -> None:
    place = tmp_path / "bound"
    place.mkdir()
    with mounted(place, ["mount", "--bind", str(place), str(place)]):
        (place / "file").touch()
        manager.register_file(place / "file")
        (planned,) = manager.sweep(force=True, dry_run=True).outcomes
        (outcome,) = manager.sweep(force=True).outcomes
        assert outcome.status is Status.KEPT
        assert (planned.status, planned.reason) == (outcome.status, outcome.reason)


def hit(manager: TempFileManager, directory: Path, sweep: Callable[[], object]) -> int:
    """Sweep ours over and over while it is swapped with a victim of the same directory; return how often that went."""
    ours, victim = directory / "ours", directory / "victim"
    hits = 0
    victim.write_text("victim")
    for _ in range(60):
        ours.write_text("ours")
        manager.register_file(ours)
        with swapper(ours, victim):
            for _ in range(5):
                sweep()
        contents = [path.read_text() for path in (ours, victim) if path.exists()]
        if "victim" not in contents:
            hits += 1
        for path in (ours, victim):
            path.unlink(missing_ok=True)
        victim.write_text("victim")
        manager.registry.forget(list(manager.files))
    return hits


def test_a_folder_to_be_made_behind_a_link_is_where_that_leads(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    here = os.open(tmp_path, os.O_RDONLY)
    set_aside.foretell(str(tmp_path / "link" / "folder"), here)
    os.close(here)
    assert list((tmp_path / "real").iterdir()) == []


def test_against_who_swaps_two_names_of_one_directory(manager: TempFileManager, tmp_path: Path) -> None:
    directory = tmp_path / "swapped"
    directory.mkdir()
    assert hit(manager, directory, lambda: manager.sweep(force=True)) == 0


def test_it_is_one_or_the_other() -> None:
    with pytest.raises(SettingsError, match="cannot both be on"):
        Settings(paranoid=True, secure_delete=True)
