"""``paranoid``: nobody who renames in the file's own directory has another file removed."""

import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from removing import removed
from temp_file_manager import Settings, SettingsError, TempFileManager
from temp_file_manager.inspection.check import check
from temp_file_manager.records import Outcome, Status
from temp_file_manager.storage import LocalStorage
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


def test_what_cannot_be_put_back_is_kept_and_shown(
    manager: TempFileManager, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.link

    def taken_meanwhile(*arguments: object, **named: object) -> None:
        file.write_text("a third one")
        real(*arguments, **named)  # type: ignore[arg-type]  # passed on as they come

    monkeypatch.setattr(os, "link", taken_meanwhile)
    outcome, path = swapped_in_the_window(manager, file, str(aside(manager)))
    (kept,) = aside(manager).iterdir()
    assert outcome.status is Status.REPLACED
    assert outcome.reason.endswith(f"and is {kept}")
    assert (kept.read_text(), path.read_text()) == ("somebody else's", "a third one")
    assert [(finding.kind, finding.subject) for finding in check(manager.context)][-1] == ("file set aside", str(kept))


@pytest.mark.parametrize("again", [True, False])
def test_killed_in_between_the_next_sweep_finishes(
    manager: TempFileManager, file: Path, again: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    pid = os.fork()
    if pid == 0:
        monkeypatch.setattr(os, "unlink", lambda *_, **__: os._exit(9))
        TempFileManager(manager.base_dir, registry="sqlite:", settings=Settings(paranoid=True)).clear_all()
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 9
    assert not file.exists()
    (left,) = aside(manager).iterdir()
    assert {finding.subject for finding in check(manager.context)} >= {str(left)}
    if again:  # another file of that name is another file
        file.write_text("somebody else's")
    report = manager.sweep(force=True)
    assert (report.removed, report.replaced) == ((0, 1) if again else (1, 0))
    assert file.exists() is again


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
        assert "another file system" in outcome.reason
        assert (planned.status, planned.reason) == (outcome.status, outcome.reason)
        assert path.exists()
    finally:
        subprocess.run(["umount", "-l", str(place)], check=True)


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


def test_against_who_swaps_two_names_of_one_directory(manager: TempFileManager, tmp_path: Path) -> None:
    directory = tmp_path / "swapped"
    directory.mkdir()
    assert hit(manager, directory, lambda: manager.sweep(force=True)) == 0


def test_it_is_one_or_the_other() -> None:
    with pytest.raises(SettingsError, match="cannot both be on"):
        Settings(paranoid=True, secure_delete=True)
