"""Processes and memory where there is no ``/proc``: as the real psutil tells of them, of files that are really open."""

import mmap
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest

from contexts import MakeManager
from temp_file_manager.causes import Cause
from temp_file_manager.inspection.doctor import Level, examine
from temp_file_manager.settings import Settings
from temp_file_manager.storage.kernel import leases, processes, psutil_look
from temp_file_manager.storage.kernel.cgroup import memory

FOR_EVER = 1e9


@pytest.fixture(autouse=True)
def without_proc(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """As on macOS: no /proc, and no leases."""
    monkeypatch.setattr(processes, "PROC", str(tmp_path / "no proc"))
    monkeypatch.setattr(leases, "take_lease", lambda _: None)


@pytest.fixture
def without_psutil(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psutil", None)


@contextmanager
def opened(path: Path, *words: str) -> Iterator[int]:
    """Have another process open a file; yield its number.

    Its command line has no directory in it: wherever the tests run, it is not cut before its last word.
    """
    program = "import sys; file = open(sys.argv[1]); print('open', flush=True); input()"
    command = ["python", "-c", program, path.name, "mysql://me:hush@host", *words]
    with subprocess.Popen(
        command,
        executable=sys.executable,
        cwd=path.parent,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as holder:
        try:
            assert holder.stdout is not None
            assert holder.stdout.readline() == "open\n"
            yield holder.pid
        finally:
            holder.communicate("\n")


def test_who_has_a_file_open_is_named(file: Path) -> None:
    with opened(file) as pid:
        found = processes.file_users(str(file))
        (user,) = found.processes
        assert (user.pid, user.ways) == (pid, ("open",))
        assert f" {file.name} mysql://…@host" in user.command
        assert "hush" not in user.command
        assert found.read > 0
        assert not found.complete, "psutil leaves out what it has no path of"
    assert processes.file_users(str(file)).processes == ()


def test_a_long_command_line_is_cut_before_it_is_masked(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lengths: list[int] = []
    monkeypatch.setattr(processes, "masked", lambda text: lengths.append(len(text)) or text)
    with opened(file, *["word"] * 100, "long" * 10_000, "last"):
        (user,) = processes.file_users(str(file)).processes
    assert len(lengths) == 1
    assert 1000 < lengths[0] < 5000
    assert len(user.command) <= processes.LONGEST_COMMAND + 1


def test_a_file_that_is_open_by_its_other_name_is_found(file: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.hardlink_to(file)
    with opened(other) as pid:
        assert [user.pid for user in processes.file_users(str(file)).processes] == [pid]


def test_another_of_the_same_name_is_another(file: Path, tmp_path: Path) -> None:
    (tmp_path / file.name).touch()
    with opened(tmp_path / file.name):
        assert processes.file_users(str(file)).processes == ()


@pytest.mark.parametrize("if_unknown", [None, 0.0])
def test_an_open_file_is_kept_and_of_others_the_setting_decides(
    make_manager: MakeManager, file: Path, clock: Any, if_unknown: float | None
) -> None:
    manager = make_manager(settings=Settings(if_unknown=if_unknown))
    manager.register_file(file)
    clock.advance(10)
    with opened(file):
        (outcome,) = manager.sweep(force=True, protect_open=True).outcomes
        assert outcome.cause is Cause.IN_USE
    report = manager.sweep(force=True, protect_open=True)
    assert (report.kept, report.removed) == ((1, 0) if if_unknown is None else (0, 1))
    if if_unknown is None:
        assert report.outcomes[0].cause is Cause.USE_UNKNOWN


def test_a_mapping_is_seen_where_the_system_tells_of_them(file: Path) -> None:
    file.write_text("mapped")
    with file.open("r+b") as open_file:
        mapping = mmap.mmap(open_file.fileno(), 0)
    found, complete = processes.mapped_inodes()
    assert (file.stat().st_ino in found, complete) == (True, False)
    mapping.close()


def test_where_mappings_are_not_told_none_are_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(psutil.Process, "memory_maps")
    assert processes.mapped_inodes() == (set(), False)


def test_a_process_that_may_not_be_looked_into_is_counted(monkeypatch: pytest.MonkeyPatch, file: Path) -> None:
    def refused(process: psutil.Process) -> list[Any]:
        if process.pid == psutil.Process().pid:
            return []
        raise (psutil.NoSuchProcess if process.pid == 1 else psutil.AccessDenied)(process.pid)

    monkeypatch.setattr(psutil.Process, "open_files", refused)
    found = processes.census()
    assert found.read == 1
    assert found.unread > 0
    assert not found.complete


def test_a_list_of_processes_that_cannot_be_had_tells_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused() -> Iterator[psutil.Process]:
        raise PermissionError("/proc")

    monkeypatch.setattr(psutil, "process_iter", refused)
    assert list(psutil_look.opened()) == []
    assert processes.open_inodes() == (set(), False)


def test_without_psutil_nothing_is_known(without_psutil: None, file: Path) -> None:
    with opened(file):
        assert processes.file_users(str(file)) == processes.FileUsers()
        assert processes.open_inodes() == processes.mapped_inodes() == (set(), False)
    assert processes.told_by() == ""


def test_memory_is_told(tmp_path: Path) -> None:
    nowhere = str(tmp_path / "no proc")
    found = memory(nowhere, nowhere)
    assert found is not None
    assert found.allowed == psutil.virtual_memory().total
    assert 0 < found.left < found.allowed


def test_without_psutil_memory_is_not_told(tmp_path: Path, without_psutil: None) -> None:
    nowhere = str(tmp_path / "no proc")
    assert memory(nowhere, nowhere) is None


def test_doctor_says_what_tells(tmp_path: Path) -> None:
    check = {check.name: check for check in examine(tmp_path)}["processes"]
    assert check.level is Level.OK
    assert check.found.startswith("psutil looks into ")


def test_doctor_says_what_to_install(tmp_path: Path, without_psutil: None) -> None:
    check = {check.name: check for check in examine(tmp_path)}["processes"]
    assert check.level is Level.WARNING
    assert check.advice == "install psutil, for one by the extra temp-file-manager[monitor]"
