"""``mkdtemp``'s directories: gone when they are empty and due, and never with what somebody put there."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from contexts import MakeManager, jobs_of
from temp_file_manager import TempFileManager
from temp_file_manager.testing import FakeClock

both = pytest.mark.parametrize("registry", ["memory:", "sqlite:"])


def aged(folder: str, clock: FakeClock, seconds: float) -> str:
    os.utime(folder, (clock.wall() - seconds, clock.wall() - seconds))
    return folder


@both
def test_those_that_are_empty_and_due_go(make_manager: MakeManager, clock: FakeClock, registry: str) -> None:
    manager = make_manager(registry=registry)
    old, young, full = (
        aged(manager.mkdtemp(), clock, 101),
        aged(manager.mkdtemp(), clock, 99),
        manager.mkdtemp(),
    )
    Path(full, "somebody's").touch()
    aged(full, clock, 101)
    assert manager.sweep(dry_run=True).removed == 0
    assert os.path.isdir(old)
    assert manager.cleanup() == 0, "it is no file"
    assert [os.path.isdir(folder) for folder in (old, young, full)] == [False, True, True]
    os.remove(Path(full, "somebody's"))
    assert manager.cleanup() == 0
    assert os.path.isdir(full), "something has just gone from it: it is being used"
    aged(full, clock, 101)
    manager.cleanup()
    assert not os.path.isdir(full)


def test_a_scheduled_sweep_takes_them(manager: TempFileManager, clock: FakeClock) -> None:
    folder = aged(manager.mkdtemp(), clock, 101)
    manager.start()
    clock.until_waiting(jobs_of(manager))
    manager.stop()
    assert not os.path.exists(folder)


@both
def test_leaving_removes_those_that_are_empty(tmp_path: Path, registry: str) -> None:
    with TempFileManager(tmp_path / "base", registry=registry) as manager:
        empty, left, emptied = manager.mkdtemp(), manager.mkdtemp(), manager.mkdtemp()
        Path(left, "somebody's").touch()
        Path(emptied, "ours").touch()
        manager.register_file(Path(emptied, "ours"))
    assert [os.path.isdir(folder) for folder in (empty, left, emptied)] == [False, True, False]


def _another(folder: str) -> None:
    os.rename(folder, f"{folder} elsewhere")
    os.mkdir(folder)


def _link(folder: str) -> None:
    os.rename(folder, f"{folder} elsewhere")
    os.symlink(f"{folder} elsewhere", folder)


def _file(folder: str) -> None:
    os.rmdir(folder)
    Path(folder).touch()


def _old(folder: str) -> None:
    _another(folder)
    os.utime(folder, (0, 0))


@pytest.mark.parametrize(
    "put", [_another, _old, _link, _file, os.rmdir], ids=["another", "an old one", "a link", "a file", "nothing"]
)
def test_what_is_in_its_place_stays(manager: TempFileManager, put: Callable[[str], None]) -> None:
    folder = manager.mkdtemp()
    put(folder)
    before = sorted(os.listdir(manager.base_dir))
    manager.clear_all()
    manager.clear_all()
    assert sorted(os.listdir(manager.base_dir)) == before


def test_one_that_may_not_go_is_tried_again(manager: TempFileManager, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = manager.mkdtemp()

    def refused(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "rmdir", refused)
    manager.clear_all()
    monkeypatch.undo()
    assert os.path.isdir(folder)
    manager.clear_all()
    assert not os.path.exists(folder)
