"""The package's own files: never registered, never removed, and made only where there is room."""

import os
from pathlib import Path
from types import SimpleNamespace

import pytest

from contexts import MakeManager
from temp_file_manager import TempFileManager
from temp_file_manager.storage.own_files import make_reserve


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
