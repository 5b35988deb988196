"""Descriptors of what was opened and then cannot be looked at: each is closed again."""

import errno
import os
import shutil
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import NoReturn

import pytest

from temp_file_manager import TempFileManager
from temp_file_manager.errors import BaseDirectoryError
from temp_file_manager.settings import Settings
from temp_file_manager.storage import tree
from temp_file_manager.storage.new_files import create_exclusively, discard
from temp_file_manager.storage.tree import Tree


def failing(*_: object, **__: object) -> NoReturn:
    raise OSError(errno.EIO, os.strerror(errno.EIO))


def leading_to(path: Path | str) -> int:
    """How many descriptors of this process lead to a file or directory."""
    there = os.stat(path)
    found = 0
    for number in os.listdir("/dev/fd"):
        try:
            found += os.path.samestat(os.stat(int(number)), there)
        except OSError:  # that of the listing
            continue
    return found


def looks_at(path: Path | str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have each look at what is open fail, if that is at ``path``."""
    there, look = os.stat(path), os.fstat

    def spoilt(descriptor: int) -> os.stat_result:
        found = look(descriptor)
        return failing() if os.path.samestat(found, there) else found

    monkeypatch.setattr(os, "fstat", spoilt)


def test_the_root_above_a_base_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = leading_to("/")
    looks_at("/", monkeypatch)
    with pytest.raises(BaseDirectoryError, match="cannot be looked at"):
        TempFileManager(tmp_path / "base", registry="sqlite:")
    assert leading_to("/") == before


def test_the_directory_above_one_that_has_gone(tmp_path: Path) -> None:
    with closing(TempFileManager(tmp_path / "base", registry="sqlite:")) as manager:
        job = tmp_path / "job"
        job.mkdir()
        (job / "file").touch()
        manager.register_file(job / "file")
        shutil.rmtree(job)
        before = leading_to(tmp_path)
        assert manager.sweep(force=True).gone == 1
        assert leading_to(tmp_path) == before


def test_a_file_that_is_held(tmp_path: Path, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    manager = TempFileManager(tmp_path / "base", registry="sqlite:")
    manager.register_file(file)
    with monkeypatch.context() as patched:
        looks_at(file, patched)
        with pytest.raises(OSError, match=os.strerror(errno.EIO)):
            manager.hold(file)
    assert leading_to(file) == 0
    manager.close()


def test_a_file_that_is_overwritten(tmp_path: Path, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = replace(Settings(), secure_delete=True)
    manager = TempFileManager(tmp_path / "base", registry="sqlite:", settings=settings)
    manager.register_file(file)
    with monkeypatch.context() as patched:
        looks_at(file, patched)
        assert manager.sweep(force=True).failed == 1
    assert leading_to(file) == 0
    manager.close()


def test_a_new_file_that_is_discarded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = str(tmp_path / "new")
    descriptor = create_exclusively(path)
    with monkeypatch.context() as patched:
        looks_at(path, patched)
        with pytest.raises(OSError, match=os.strerror(errno.EIO)):
            discard(descriptor, path)
    assert leading_to(path) == 0


def test_a_directory_that_is_walked_through(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tree, "listed_looker", lambda: failing)
    with pytest.raises(OSError, match=os.strerror(errno.EIO)):
        Tree(str(tmp_path), lambda _: None, lambda _, __: None)
    assert leading_to(tmp_path) == 0


def open_now() -> int:
    return len(os.listdir("/dev/fd"))


def test_the_folder_that_units_are_moved_to(tmp_path: Path) -> None:
    with closing(TempFileManager(tmp_path / "base", registry="sqlite:")) as manager:
        counts = []
        for number in range(3):
            (job := tmp_path / f"base/job {number}").mkdir()
            (job / "file").touch()
            manager.register_directory(job)
            assert manager.sweep(force=True).removed == 1
            counts.append(open_now())
    assert counts[1] == counts[2]


def test_a_directory_of_a_batch_that_cannot_be_locked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = Settings(base_dir=str(tmp_path / "base"), paranoid=True)
    with closing(TempFileManager.from_settings(settings, registry="sqlite:")) as manager:
        counts = []
        monkeypatch.setattr("fcntl.flock", failing)
        for number in range(3):
            (tmp_path / str(number)).touch()
            manager.register_file(tmp_path / str(number))
            assert manager.sweep(force=True).removed == 0
            counts.append(open_now())
    assert counts[1] == counts[2]
