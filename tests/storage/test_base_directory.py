"""The base directory: made again when another cleaner has taken it, and held against those who ask."""

import gc
import os
import shutil
import subprocess
from collections.abc import Callable
from fcntl import LOCK_EX, LOCK_NB, flock
from pathlib import Path
from typing import IO, Any

import pytest

from contexts import MakeManager
from temp_file_manager import TempFileManager
from temp_file_manager.errors import BaseDirectoryError, InvalidArgumentError, RegistryGoneError
from temp_file_manager.testing import in_child

WAYS: list[Callable[[TempFileManager], str]] = [
    lambda manager: opened(*manager.mkstemp()),
    lambda manager: closed(manager.open()),
    lambda manager: manager.mkdtemp(),
]


def closed(file: IO[Any]) -> str:
    file.close()
    return str(file.name)


def opened(descriptor: int, path: str) -> str:
    os.close(descriptor)
    return path


def is_locked(directory: str) -> bool:
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        flock(descriptor, LOCK_EX | LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


@pytest.mark.parametrize("make", WAYS, ids=["mkstemp", "open", "mkdtemp"])
@pytest.mark.parametrize("registry", ["memory:", "sqlite:///elsewhere"])
def test_a_base_that_is_gone_is_made_again(
    make_manager: MakeManager, tmp_path: Path, registry: str, make: Callable[[TempFileManager], str]
) -> None:
    manager = make_manager("above/base", registry=registry.replace("/elsewhere", f"{tmp_path}/registry.db"))
    for _ in range(2):
        shutil.rmtree(tmp_path / "above")
        assert os.path.exists(make(manager))
    if registry != "memory:":
        assert (tmp_path / "above" / "base").stat().st_mode & 0o777 == 0o700
        assert is_locked(manager.base_dir)


def test_a_registry_that_went_with_it_is_not_made_again(make_manager: MakeManager) -> None:
    """What was on record there was lost: nothing more is acknowledged until somebody has seen it."""
    manager = make_manager()
    shutil.rmtree(manager.base_dir)
    with pytest.raises(RegistryGoneError, match="start this process again"):
        manager.mkstemp()
    assert os.listdir(manager.base_dir) == []


def test_what_is_missing_in_a_base_that_is_there_is_no_reason_to_make_it(make_manager: MakeManager) -> None:
    manager = make_manager(registry="memory:")
    tried = []

    def act() -> None:
        tried.append(os.stat(manager.base_dir).st_ino)
        os.stat(f"{manager.base_dir}/missing")

    with pytest.raises(FileNotFoundError):
        manager.context.directory.within(act)
    assert tried == [os.stat(manager.base_dir).st_ino]


def test_it_is_made_again_only_where_it_may_be(make_manager: MakeManager, tmp_path: Path) -> None:
    manager = make_manager("above/base", registry=f"sqlite://{tmp_path}/registry.db")
    shutil.rmtree(manager.base_dir)
    (tmp_path / "above").chmod(0o777)
    with pytest.raises(BaseDirectoryError, match="all users may change what is in"):
        manager.mkstemp()
    assert not os.path.exists(manager.base_dir)


def test_managers_hold_it_together_until_the_last_is_closed(make_manager: MakeManager) -> None:
    first, second = make_manager(), make_manager()
    assert is_locked(first.base_dir)
    first.close()
    assert is_locked(first.base_dir)
    second.close()
    assert not is_locked(first.base_dir)


def test_a_manager_in_memory_holds_nothing(make_manager: MakeManager) -> None:
    """As the published class: there may be thousands of them."""
    assert not is_locked(make_manager(registry="memory:").base_dir)


def test_one_that_nobody_closes_lets_go_at_its_end(tmp_path: Path) -> None:
    manager = TempFileManager(tmp_path / "base", registry="sqlite:")
    assert is_locked(manager.base_dir)
    del manager
    gc.collect()
    assert not is_locked(str(tmp_path / "base"))


def test_a_child_that_closes_leaves_its_parent_s_lock(make_manager: MakeManager) -> None:
    manager = make_manager()
    in_child(manager.close)
    assert is_locked(manager.base_dir)


def test_who_has_it_for_their_own_keeps_nobody_from_working(make_manager: MakeManager, tmp_path: Path) -> None:
    (tmp_path / "base").mkdir(mode=0o700)
    theirs = os.open(tmp_path / "base", os.O_RDONLY)
    flock(theirs, LOCK_EX)
    manager = make_manager()
    assert os.path.exists(manager.mkdtemp())
    before = len(os.listdir("/proc/self/fd"))
    os.close(theirs)
    assert len(os.listdir("/proc/self/fd")) == before - 1
    assert not is_locked(manager.base_dir)
    assert os.path.exists(manager.mkdtemp())
    assert is_locked(manager.base_dir)


def test_systemd_s_cleaner_leaves_the_registry_of_a_running_process(make_manager: MakeManager, tmp_path: Path) -> None:
    if not shutil.which("systemd-tmpfiles"):
        pytest.skip("systemd-tmpfiles is not here")
    top = tmp_path / "top"
    manager = make_manager("top/base")
    registry = Path(manager.base_dir) / ".temp-file-manager" / "registry.db"
    (top / "old").touch()
    (tmp_path / "tmp.conf").write_text(f"d {top} 0755 - - am:1us\n")
    for closed in (False, True):
        if closed:
            manager.close()
        subprocess.run(["systemd-tmpfiles", "--clean", tmp_path / "tmp.conf"], check=True, capture_output=True)
        assert registry.exists() is not closed
        assert not (top / "old").exists()  # or it has tried nothing


@pytest.mark.parametrize(
    ("base", "error", "why"),
    [
        ("file", BaseDirectoryError, "is a file: choose another"),
        ("file/base", BaseDirectoryError, "cannot create the base directory"),
        ("a\0b", InvalidArgumentError, "holds a NUL character"),
    ],
)
def test_one_that_cannot_be_made_is_refused_with_the_reason(
    tmp_path: Path, base: str, error: type[Exception], why: str
) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(error, match=why):
        TempFileManager(tmp_path / base, registry="memory:")
