"""The package's own files: never registered, never removed, and made only where there is room."""

import os
import stat
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from contexts import MakeManager
from temp_file_manager import Settings, TempFileManager
from temp_file_manager.storage.own_files import make_reserve
from temp_file_manager.storage.wrappers import set_aside


def own_files(manager: TempFileManager) -> set[str]:
    return set(os.listdir(Path(manager.base_dir, ".temp-file-manager")))


def test_the_packages_own_files_are_kept_when_reached_by_a_link(make_manager: MakeManager, tmp_path: Path) -> None:
    """Once, only their usual path was looked at: a sweep removed the registry it was reading."""
    manager = make_manager()
    link = tmp_path / "link"
    link.symlink_to(Path(manager.base_dir, ".temp-file-manager"))
    before = own_files(manager)
    manager.register_files([link / name for name in before])
    assert manager.clear_all() == 0
    assert own_files(manager) >= before


@pytest.mark.parametrize("registry", ["memory:", "sqlite:"])
def test_the_packages_own_files_are_kept_when_written_into_files(make_manager: MakeManager, registry: str) -> None:
    """Once, what comes through ``files`` is not looked at by ``register_file``, and was removed."""
    before = own_files(make_manager())
    manager = make_manager(registry=registry)
    manager.files[f"{manager.base_dir}/.temp-file-manager/registry.db"] = 0.0
    assert manager.cleanup() == 0
    assert own_files(manager) >= before


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


@pytest.mark.parametrize(("blocks", "made"), [(8, True), (7, False)])
def test_a_reserve_is_made_when_four_times_as_much_is_free(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, blocks: int, made: bool
) -> None:
    """Excludes code that miscounts free bytes: it would take the last of a small disk, or never make a reserve."""
    monkeypatch.setattr(
        os, "statvfs", lambda _: SimpleNamespace(f_bavail=blocks, f_frsize=512, f_blocks=100, f_files=0)
    )
    make_reserve(str(tmp_path / "reserve"), 1024)
    assert (tmp_path / "reserve").exists() is made


def test_the_packages_own_files_are_for_nobody_else_whatever_the_umask(
    make_manager: MakeManager, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Excludes code that lets others read what files there are, or run or change what is in there."""
    modes: dict[str, int] = {}
    same = set_aside.same_file

    def looked_at_meanwhile(*arguments: Any) -> bool | None:
        for directory, _, names in os.walk(Path(manager.base_dir, ".temp-file-manager")):
            for path in [directory, *(os.path.join(directory, name) for name in names)]:
                modes[path] = stat.S_IMODE(os.lstat(path).st_mode) - (0o100 if path == directory else 0)
        return same(*arguments)

    monkeypatch.setattr(set_aside, "same_file", looked_at_meanwhile)
    file.chmod(0o600)
    before = os.umask(0)
    try:
        manager = make_manager(settings=Settings(paranoid=True))
        manager.register_file(file)
        assert manager.sweep(force=True).removed == 1
    finally:
        os.umask(before)
    assert {os.path.basename(path) for path in modes} >= {"registry.db", "registry.db-reserve", "origins", "0"}
    assert set(modes.values()) == {0o600}, modes


def test_where_nothing_can_be_made_there_is_no_reserve(tmp_path: Path) -> None:
    """Excludes code that cannot open a registry for reading on a disk that takes nothing."""
    make_reserve(str(tmp_path / "missing" / "reserve"), 1024)
    assert os.listdir(tmp_path) == []
