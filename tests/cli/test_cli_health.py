"""``health`` as it is typed: its lines, its JSON, its exit codes, and that it makes nothing."""

import json
import os
import subprocess
import time
from pathlib import Path

import pytest

import command_line
import small_disk
from command_line import Say, files, tfm
from temp_file_manager import TempFileManager

bare, folder, say, manager = command_line.bare, command_line.folder, command_line.say, command_line.manager

ROOT = os.geteuid() == 0
ITS = {"status", "active_files", "base_dir", "max_age", "timestamp"}  # the specification's
OURS = {"reasons", "records", "max_files", "overdue", "free_share", "clock_trusted", "scheduler_alive", "registry"}


def test_healthy(say: Say, folder: Path, manager: TempFileManager) -> None:
    manager.register_files(files(folder, "a", "b"))
    assert say("health") == (0, f"healthy: 2 records in {folder / 'base'}\n", "")
    said = say("health", "--json")
    found = json.loads(said.out)
    assert (said.code, said.err) == (0, "")
    assert found.keys() == ITS | OURS
    assert found["timestamp"] == pytest.approx(time.time(), abs=60)
    assert (found["status"], found["active_files"], found["records"], found["reasons"]) == ("healthy", 2, 2, [])
    assert (found["registry"], found["scheduler_alive"]) == ("sqlite:", None)


def test_degraded(say: Say, folder: Path, manager: TempFileManager) -> None:
    old, new = files(folder, "ol\x1b[2Jd", "new")
    manager.register_files([old, new])
    manager.files[old] = time.time() - 3 * 3600
    said = say("health", "--max-files", "1")
    assert (said.code, said.err) == (1, "")
    many, overdue = said.lines
    assert many.startswith("degraded: 2 files are registered, more than MAX_TEMP_FILES (1): ")
    assert overdue.startswith(f"degraded: {folder}/ol\\x1b[2Jd should have been gone for 2 h 0 min, and no sweep")
    said = say("health", "--max-files", "1", "--json")
    found = json.loads(said.out)
    assert said.code == 1
    assert found.keys() == ITS | OURS | {"warning"}
    assert found["warning"] == found["reasons"][0] == many.removeprefix("degraded: ")
    assert found["overdue"] == pytest.approx(7200, abs=60)
    assert say("sweep").code == 0
    assert say("health").code == 0


def test_nothing_is_made(say: Say, folder: Path) -> None:
    """A base directory that is there is fit for use; one that is not is what the specification calls unhealthy."""
    said = say("health")
    assert said == (
        2,
        f"unhealthy: the base directory {folder / 'base'} is not there: {said.out.split(': ', 2)[2]}",
        "",
    )
    assert list(folder.iterdir()) == []
    (folder / "base").mkdir(mode=0o700)
    assert say("health") == (0, f"healthy: 0 records in {folder / 'base'}\n", "")
    assert say("health", "--registry", f"sqlite://{folder}/else/where.db").code == 0
    assert say("health", "--registry", "memory:").code == 0
    assert [path.name for path in folder.rglob("*")] == ["base"]


def test_the_base_directory_went_with_its_registry_elsewhere(say: Say, folder: Path) -> None:
    there = f"sqlite://{folder}/registry.db"
    assert say("register", *files(folder, "a"), "--registry", there).code == 0
    for path in (folder / "base").iterdir():
        path.rmdir()
    (folder / "base").rmdir()
    said = say("health", "--registry", there, "--json")
    assert (said.code, json.loads(said.out)["active_files"]) == (2, None)
    assert not (folder / "base").exists()


def test_what_cannot_be_opened(say: Say, folder: Path, manager: TempFileManager) -> None:
    manager.close()
    (folder / "base" / ".temp-file-manager" / "registry.db").write_bytes(b"no database" * 1000)
    said = say("health")
    assert (said.code, said.err) == (2, "")
    assert said.out.startswith("unhealthy: the registry cannot be used: ")
    found = json.loads(say("health", "--json").out)
    assert found["error"] == found["reasons"][0] == said.out.strip().removeprefix("unhealthy: ")
    assert found["records"] is None


def test_a_base_directory_that_no_command_would_take(say: Say) -> None:
    said = say("health", "--base-dir", "/etc")
    assert said.code == 2
    assert "unhealthy: the registry cannot be used: /etc: not to be used as a base directory" in said.out


def test_settings_that_cannot_be_used(say: Say) -> None:
    said = say("health", "--max-files", "0")
    assert (said.code, said.out) == (2, "")
    assert "--max-files is '0'" in said.err


@pytest.mark.skipif(not ROOT, reason="mounts")
def test_a_read_only_base_directory(say: Say, folder: Path, manager: TempFileManager) -> None:
    manager.close()
    base = str(folder / "base")
    if not small_disk.mount("--bind", base, base):
        pytest.skip("cannot mount")
    try:
        assert small_disk.mount("-o", "remount,ro,bind", base)
        said = say("health")
    finally:
        subprocess.run(["umount", "-l", base], check=True)
    assert said.code == 2
    assert said.lines[0].startswith(f"unhealthy: the base directory {base} cannot be written: ")
    assert say("health").code == 0


@pytest.mark.skipif(not ROOT, reason="mounts")
def test_a_registry_that_cannot_be_made(say: Say, folder: Path) -> None:
    (folder / "base").mkdir(mode=0o700)
    with small_disk.mounted(folder / "elsewhere", "size=1m,ro") as done:
        if not done:
            pytest.skip("cannot mount")
        said = say("health", "--registry", f"sqlite://{folder}/elsewhere/registry.db")
    assert said.code == 2
    assert f"is not there and cannot be made: let this user write in {folder}/elsewhere" in said.out


def test_as_a_containers_health_check(folder: Path, manager: TempFileManager) -> None:
    manager.register_files(files(folder, "a", "b"))
    base = str(folder / "base")
    assert tfm("health", TEMP_FILE_BASE_DIR=base).returncode == 0
    assert tfm("health", TEMP_FILE_BASE_DIR=base, MAX_TEMP_FILES="1").returncode == 1
