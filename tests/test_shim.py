"""AIECS's import path: the same objects, the names its callers' tests patch, and its place in an installed AIECS."""

import importlib.util
import os
import subprocess
import sys
import zipfile
from pathlib import Path
from unittest import mock

import pytest

import aiecs.tools.temp_file_manager as shim
import temp_file_manager
from places import ROOT
from temp_file_manager import TempFileManager
from wheels import build


@pytest.fixture
def manager(tmp_path: Path) -> TempFileManager:
    return TempFileManager(str(tmp_path / "base"), max_age=100)


@pytest.fixture
def path(tmp_path: Path) -> str:
    (tmp_path / "file").touch()
    return str(tmp_path / "file")


@pytest.mark.parametrize("name", temp_file_manager.__all__)
def test_the_same_objects(name: str) -> None:
    assert getattr(shim, name) is getattr(temp_file_manager, name)
    assert name in shim.__all__


@pytest.mark.parametrize("name", ["aiecs", "aiecs.tools"])
def test_the_packages_above_are_namespaces(name: str) -> None:
    spec = importlib.util.find_spec(name)
    assert spec is not None
    assert spec.origin is None


def test_patching_time_time(manager: TempFileManager, path: str) -> None:
    with mock.patch("aiecs.tools.temp_file_manager.time.time", return_value=1000.0):
        manager.register_file(path)
    assert manager.files[path] == 1000.0
    with mock.patch("aiecs.tools.temp_file_manager.time.time", return_value=1100.0):
        assert manager.get_file_age(path) == 100.0
        assert manager.cleanup() == 0  # exactly max_age old is not older
    with mock.patch("aiecs.tools.temp_file_manager.time.time", return_value=1100.5):
        assert manager.cleanup() == 1


def test_patching_time_whole(manager: TempFileManager, path: str) -> None:
    with mock.patch("aiecs.tools.temp_file_manager.time") as clock:
        clock.time.return_value = 1000.0
        manager.register_file(path)
        clock.time.return_value = 1200.0
        assert manager.get_file_age(path) == 200.0
    assert shim.time.time() > 1e9
    assert manager.cleanup() == 1


def test_patching_remove(manager: TempFileManager, path: str) -> None:
    manager.register_file(path)
    with mock.patch("aiecs.tools.temp_file_manager.os.remove", side_effect=PermissionError("no")) as remove:
        assert manager.clear_all() == 0
    remove.assert_called_once_with(path)
    assert manager.is_temp_file(path)
    assert manager.clear_all() == 1
    assert not os.path.exists(path)


def test_patching_the_logger(manager: TempFileManager, path: str) -> None:
    before = shim.logger
    with mock.patch("aiecs.tools.temp_file_manager.logger") as logger:
        manager.register_file(path)
        manager.register_file(path + "-missing")
        os.remove(path)
        os.mkdir(path)
        manager.clear_all()
    logger.debug.assert_called_once_with(f"Registered temporary file: {path}")
    logger.warning.assert_called_once_with(f"Attempted to register non-existent file: {path}-missing")
    (message,) = logger.error.call_args.args
    assert message.startswith(f"Failed to remove temporary file {path}: ")
    assert shim.logger is before
    assert before.name == "aiecs.tools.temp_file_manager"


def test_the_wheel_takes_the_place_of_aiecs_module(tmp_path: Path) -> None:
    tools = tmp_path / "aiecs" / "tools"
    tools.mkdir(parents=True)
    (tmp_path / "aiecs" / "__init__.py").touch()
    (tools / "__init__.py").touch()
    (tools / "temp_file_manager.py").write_text("class TempFileManager: pass\n")
    build(ROOT, tmp_path / "dist")
    with zipfile.ZipFile(next((tmp_path / "dist").glob("*.whl"))) as wheel:
        wheel.extractall(tmp_path)
    program = "import aiecs.tools.temp_file_manager as m; print(m.__file__, m.TempFileManager.__module__)"
    # -S -E: nothing but the folder and the standard library, not the environment the tests run in.
    done = subprocess.run(
        [sys.executable, "-S", "-E", "-c", f"import sys; sys.path.insert(0, {str(tmp_path)!r}); {program}"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split() == [str(tools / "temp_file_manager" / "__init__.py"), "temp_file_manager.manager"]
