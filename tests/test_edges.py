"""Edges found by review: each of these once went wrong."""

import math
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from temp_file_manager import MemoryRegistry, Settings, SettingsError, SweepFinished, TempFileManager
from temp_file_manager.cli import main
from temp_file_manager.records import Outcome, Selection, Status
from temp_file_manager.testing import FakeClock


def make_files(folder: Path, count: int) -> list[str]:
    paths = [folder / f"{number:03}" for number in range(count)]
    for path in paths:
        path.touch()
    return [str(path) for path in paths]


@pytest.mark.parametrize("leave", [TempFileManager.clear_all, lambda manager: manager.__exit__(None, None, None)])
def test_a_forced_sweep_leaves_what_is_registered_meanwhile(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, leave: Callable[[TempFileManager], object]
) -> None:
    """Of its own chunk, of a later one, and new."""
    paths = make_files(tmp_path, 60)
    manager = TempFileManager(tmp_path / "base")
    manager.register_files(paths)
    new = tmp_path / "new"
    new.touch()
    again = [paths[1], paths[55], str(new)]
    real = os.remove

    def remove(path: str) -> None:
        real(path)
        if path == paths[0]:
            for other in again:
                manager.register_file(other)

    monkeypatch.setattr(os, "remove", remove)
    leave(manager)
    assert sorted(manager.files) == sorted(again)
    assert all(os.path.exists(path) for path in again)
    assert not any(os.path.exists(path) for path in paths if path not in again)


def test_max_age_comes_from_the_settings_unless_it_is_given(tmp_path: Path) -> None:
    settings = Settings(max_age=86400)
    assert TempFileManager(tmp_path, settings=settings).max_age == 86400
    given = int("3600")
    assert TempFileManager(tmp_path, given, settings=settings).max_age == 3600


def test_settings_made_by_hand_are_checked() -> None:
    with pytest.raises(SettingsError, match="cleanup_batch_size is 0: give a whole number") as caught:
        Settings(cleanup_batch_size=0, max_age=math.nan)
    assert len(caught.value.problems) == 2


def test_settings_made_by_hand_are_read_like_any_other() -> None:
    settings = Settings(log_level="debug", permission_mask="0600", secure_delete="no", size_limit="5")  # type: ignore[arg-type]  # on purpose
    assert (settings.log_level, settings.permission_mask) == ("DEBUG", 0o600)
    assert (settings.secure_delete, settings.size_limit) == (False, 5)


def test_a_time_of_hundreds_of_digits(tmp_path: Path) -> None:
    (path,) = make_files(tmp_path, 1)
    manager = TempFileManager(tmp_path / "base")
    manager.register_file(path, ttl=60)
    before = manager.files[path]
    with pytest.raises(ValueError, match="too large"):
        manager.files[path] = int(HUGE)
    assert manager.files == {path: before}


def test_a_stale_settlement_after_replacing_all_files_ends_no_new_claim() -> None:
    registry = MemoryRegistry()
    registry.add_one("/p", 0.0)
    due = Selection(1000.0, 100.0)
    (first,) = registry.claim(due, now=0, lease=60, limit=1).records
    registry.replace(list(registry.files.items()))
    (second,) = registry.claim(due, now=0, lease=60, limit=1).records
    registry.settle([Outcome(first, Status.SKIPPED)], 0)
    assert registry.still_claimed(second)
    registry.settle([Outcome(second, Status.SKIPPED)], 0)
    assert len(registry.claim(due, now=0, lease=60, limit=1).records) == 1


def test_a_ttl_outlives_filtering_and_assigning_files(tmp_path: Path) -> None:
    """The specification's own recipe in 8.3."""
    short, long = make_files(tmp_path, 2)
    clock = FakeClock()
    manager = TempFileManager(tmp_path / "base", clock=clock)
    manager.register_file(short, ttl=60)
    manager.register_file(long, ttl=86400)
    manager.files = {path: when for path, when in manager.files.items() if os.path.exists(path)}
    clock.advance(4000)
    assert manager.cleanup() == 1
    assert list(manager.files) == [long]


def test_infinite_times_on_a_file_with_a_ttl(tmp_path: Path) -> None:
    (path,) = make_files(tmp_path, 1)
    manager = TempFileManager(tmp_path / "base")
    manager.register_file(path, ttl=60)
    manager.files[path] = math.inf
    assert not manager.status(path).due
    manager.files[path] = time.time() - 7200
    assert manager.status(path).due
    assert manager.cleanup() == 1


def test_a_step_of_the_wall_clock_ends_no_claim(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = FakeClock()
    manager = TempFileManager(tmp_path / "base", 0, clock=clock)
    manager.register_files(make_files(tmp_path, 3))
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
    make_files(tmp_path, 1)
    monkeypatch.chdir(tmp_path)
    manager = TempFileManager("base")
    manager.files["000"] = 0.0
    assert (manager.sweep(dry_run=True).removed, manager.cleanup()) == (1, 1)


HUGE = "1" + "0" * 400


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("[manger]\nmax_age = 86400\n", "has no table [manager]"),
        (f"[manager]\nmax_age = {HUGE}\n", "give seconds"),
        (f"[manager]\nmax_age = {'1' * 5000}\n", "is no TOML"),
        ("[manager]\nx = " + "[" * 5000 + "]" * 5000, "is no TOML"),
    ],
)
def test_a_file_that_means_harm(tmp_path: Path, capsys: pytest.CaptureFixture[str], content: str, message: str) -> None:
    file = tmp_path / "settings.toml"
    file.write_text(content)
    assert main(["config", "--config", str(file)]) == 2
    assert message in capsys.readouterr().err


def test_an_age_of_hundreds_of_digits(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["config", "--max-age", HUGE]) == 2
    assert "give seconds" in capsys.readouterr().err
    with pytest.raises(ValueError, match="max_age"):
        TempFileManager(tmp_path, int(HUGE))


@pytest.mark.parametrize("registry", ["memory:", "sqlite:"])
def test_the_packages_own_files_are_never_registered(tmp_path: Path, registry: str) -> None:
    TempFileManager(tmp_path, registry="sqlite:").close()
    own = tmp_path / ".temp-file-manager" / "registry.db"
    assert own.is_file()
    manager = TempFileManager(tmp_path, registry=registry)
    manager.register_file(own)
    report = manager.register_files([own])
    assert report.refused == ((str(own), "it is one of this package's own files"),)
    assert len(manager.files) == 0
    manager.close()
