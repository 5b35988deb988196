"""``doctor``: what it finds on real file systems, what on broken registries, and that it leaves nothing behind."""

import json
import os
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

import command_line
from command_line import Say
from mounts import mounted
from temp_file_manager import InvalidArgumentError, TempFileManager, jobs
from temp_file_manager.errors import RegistryError
from temp_file_manager.inspection import doctor
from temp_file_manager.inspection.doctor import Check, Level, examine
from temp_file_manager.registry.journal import last_line
from temp_file_manager.registry.sqlite.migration import APPLICATION
from temp_file_manager.registry.sqlite.sql import MIGRATIONS
from temp_file_manager.storage.kernel import mounts, probe, processes
from temp_file_manager.testing import FakeClock

bare, folder, say = command_line.bare, command_line.folder, command_line.say

ROOT = hasattr(os, "geteuid") and os.geteuid() == 0


def found(checks: tuple[Check, ...]) -> dict[str, Check]:
    named = {check.name: check for check in checks}
    assert len(named) == len(checks)
    for check in checks:
        assert check.found
        assert (check.level is Level.OK) <= (not check.advice)  # what is well needs nothing
        assert (check.level is Level.OK) or check.follows
    return named


def tree(directory: Path) -> list[tuple[str, int]]:
    return sorted((str(path), path.lstat().st_ino) for path in directory.rglob("*"))


@pytest.fixture
def used(tmp_path: Path) -> Path:
    """A base directory with a registry in it."""
    base = tmp_path / "base"
    with closing(TempFileManager(base, registry="sqlite:")) as manager:
        file = tmp_path / "file"
        file.touch()
        manager.register_file(file)
    return base


def test_nothing_was_ever_registered(tmp_path: Path) -> None:
    base = tmp_path / "a" / "b"
    checks = found(examine(base))
    assert tree(tmp_path) == []
    assert checks["base directory"].found == f"{base} is not there yet; tried in {tmp_path}"
    assert checks["registry"].found.endswith("registry.db is not there yet")
    assert "reserve" not in checks
    assert Level.PROBLEM not in {check.level for check in checks.values()}


def test_a_base_in_use(used: Path, tmp_path: Path) -> None:
    before = tree(tmp_path)
    checks = found(examine(used))
    assert tree(tmp_path) == before
    assert ": 1 record here of 1, " in checks["registry"].found
    assert f"schema {len(MIGRATIONS)}, journal wal" in checks["registry"].found
    assert checks["reserve"].level is checks["clock"].level is checks["base directory"].level is Level.OK
    assert checks["clock"].found.endswith(", as expected")


def test_while_another_has_it_open(used: Path, tmp_path: Path) -> None:
    with closing(TempFileManager(used, registry="sqlite:")) as manager:
        manager.register_file(tmp_path / "file")
        (tmp_path / "other").touch()
        manager.register_file(tmp_path / "other")
        assert ": 2 records here of 2, " in found(examine(used))["registry"].found
        manager.unpin(tmp_path / "other")  # it can still write
    shared = f"sqlite://{used}/.temp-file-manager/registry.db"
    assert ": 0 records here of 2, " in found(examine(tmp_path / "elsewhere", registry=shared))["registry"].found


def test_leases_are_tried_for_real(tmp_path: Path) -> None:
    tried = probe.probe(str(tmp_path))
    assert os.listdir(tmp_path) == []
    if tried.decides:
        assert (tried.leased, tried.refused) == (True, True)
        assert found(examine(tmp_path))["write leases"].level is Level.OK
    else:
        print("not tried: no file system here whose leases decide")


@pytest.mark.skipif(not ROOT, reason="mounts")
def test_on_tmpfs(tmp_path: Path) -> None:
    base = tmp_path / "base"
    base.mkdir()
    with mounted(base, ["mount", "-t", "tmpfs", "-o", "size=1m,mode=755", "none", str(base)]):
        checks = found(examine(base))
        assert checks["file system"].found == "tmpfs, local"
        assert "gone after a reboot" in checks["file system"].follows
        assert checks["write leases"].level is Level.OK
        assert checks["room"].level is Level.OK
        (base / "filler").write_bytes(bytes((1 << 20) - 8192))
        assert found(examine(base))["room"].level is Level.WARNING
        with (base / "more").open("wb", buffering=0) as file:
            assert file.write(bytes(1 << 20)) < 1 << 20
        full = found(examine(base))
        assert (full["room"].level, full["room"].follows) == (Level.PROBLEM, "nothing can be registered")


@pytest.mark.skipif(not ROOT, reason="mounts")
def test_on_a_read_only_mount(used: Path) -> None:
    base = str(used)
    with mounted(used, ["mount", "--bind", base, base], ["mount", "-o", "remount,ro,bind", base]):
        checks = found(examine(used))
        assert checks["writing"].level is checks["registry"].level is Level.PROBLEM
        assert "Read-only file system" in checks["writing"].found
        assert ": 1 record here of 1, " in checks["registry"].found
        assert checks["write leases"].found == checks["birth times"].found == "could not be tried"
    assert found(examine(used))["writing"].level is Level.OK


# -- what a machine may lack


def faked(monkeypatch: pytest.MonkeyPatch, **lacks: Any) -> None:
    usual = {"leased": True, "refused": True, "decides": True, "overlay": False, "born": True}
    seen = lacks.pop("seen", processes.FileUsers((), 10, 2, False))
    held = lacks.pop("held", frozenset({"CAP_LEASE"}))
    monkeypatch.setattr(doctor, "probe", lambda _: probe.Probe(**(usual | lacks)))
    monkeypatch.setattr(processes, "census", lambda: seen)
    monkeypatch.setattr(doctor, "capabilities", lambda: held)
    monkeypatch.setattr(doctor, "hides_processes", lambda: False)


@pytest.mark.parametrize(("magic", "is_overlay"), [(mounts.OVERLAY, True), (0xEF53, False), (0x9123683E, False)])
def test_overlay_is_told_by_its_number(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, magic: int, is_overlay: bool
) -> None:
    monkeypatch.setattr(mounts, "magic", lambda _: magic)
    assert probe.probe(str(tmp_path)).overlay == is_overlay


ALL = processes.FileUsers((), 10, 0, True)


@pytest.mark.parametrize(
    ("lacks", "name", "level", "words"),
    [
        ({}, "write leases", Level.OK, "granted and refused as they should be"),
        ({"leased": None, "refused": False}, "write leases", Level.WARNING, "not to be had here"),
        ({"leased": False}, "write leases", Level.WARNING, "not to be had here"),
        ({"refused": False}, "write leases", Level.WARNING, "granted although somebody had the file open"),
        ({"decides": False}, "write leases", Level.WARNING, "not known to keep them"),
        ({"decides": False, "overlay": True}, "write leases", Level.OK, "a look at what processes have mapped"),
        ({"leased": None, "refused": False, "seen": ALL}, "write leases", Level.OK, "not to be had here"),
        ({"held": frozenset()}, "other users' files", Level.WARNING, "no CAP_LEASE"),
        ({"held": None}, "other users' files", Level.WARNING, "cannot be told"),
        ({"held": frozenset(), "seen": ALL}, "other users' files", Level.OK, "none of CAP_LEASE"),
        ({"born": False}, "birth times", Level.WARNING, "not told"),
        ({}, "processes", Level.OK, "10 can be looked into, 2 cannot"),
        ({"leased": None}, "processes", Level.WARNING, "10 can be looked into, 2 cannot"),
        ({"seen": ALL}, "processes", Level.OK, "10 can be looked into, 0 cannot"),
    ],
)
def test_what_follows_and_what_to_grant(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lacks: dict[str, Any], name: str, level: Level, words: str
) -> None:
    faked(monkeypatch, **lacks)
    check = found(examine(tmp_path))[name]
    assert check.level is level
    assert words in check.found
    assert bool(check.advice) == (level is not Level.OK)


def test_advice_names_what_to_write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    faked(monkeypatch, leased=None, held=frozenset())
    advice = " ".join(check.advice for check in examine(tmp_path))
    for word in (
        "AmbientCapabilities=CAP_LEASE",
        "--cap-add LEASE",
        "capabilities.add: [LEASE]",
        "shareProcessNamespace",
        "hostPID: true",
        "TEMP_FILE_IF_UNKNOWN",
        "CAP_SYS_PTRACE",
    ):
        assert word in advice


def test_who_does_not_protect_open_files_is_not_warned_about_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    faked(monkeypatch, leased=None, held=frozenset())
    assert {check.level for check in examine(tmp_path, protect_open=False)} == {Level.OK}


@pytest.mark.parametrize(
    ("kind", "level", "words"),
    [
        ("nfs4", Level.PROBLEM, "a network's"),
        ("cifs", Level.PROBLEM, "a network's"),
        ("fuse.something", Level.PROBLEM, "which may be a network's"),
        ("fuse.bindfs", Level.WARNING, "a program's"),
        ("fuseblk", Level.WARNING, "a program's"),
        ("ocfs2", Level.PROBLEM, "a network's"),
        ("", Level.WARNING, "cannot be told"),
        ("xfs", Level.OK, "xfs, local"),
    ],
)
def test_file_systems(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, level: Level, words: str) -> None:
    monkeypatch.setattr(mounts, "kind", lambda _: kind)
    check = found(examine(tmp_path))["file system"]
    assert check.level is level
    assert words in check.found


def test_a_pid_namespace_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "sees_all_processes", lambda: False)
    assert "a pid namespace of its own" in found(examine(tmp_path))["processes"].found


def test_hidden_processes(tmp_path: Path) -> None:
    mounts = tmp_path / "mounts"
    for options, hidden in (("rw,hidepid=2", True), ("rw,hidepid=invisible", True), ("rw,hidepid=0", False)):
        mounts.write_text(f"/dev/x / ext4 rw 0 0\nproc /proc proc {options} 0 0\n")
        assert probe.hides_processes(str(mounts)) is hidden
    assert not probe.hides_processes(str(tmp_path / "none"))


# -- base directories


@pytest.mark.parametrize("base", ["/", "/etc", "/usr/lib/x", "/tmp"])
def test_unsafe_bases_are_problems_and_nothing_is_tried_there(base: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "probe", lambda _: pytest.fail("a file was made there"))
    check = found(examine(base))["base directory"]
    assert check.level is Level.PROBLEM
    assert check.found.startswith(f"{base}: not to be used as a base directory")


def test_a_file_is_no_base(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    check = found(examine(tmp_path / "file"))["base directory"]
    assert (check.level, check.found) == (
        Level.PROBLEM,
        f"{tmp_path}/file: the base directory is a file: choose another",
    )


@pytest.mark.skipif(not ROOT, reason="gives a directory away")
def test_a_strangers_folder_of_ours_is_a_problem(used: Path) -> None:
    os.chown(used / ".temp-file-manager", 65534, 65534)
    check = found(examine(used))["base directory"]
    assert check.level is Level.PROBLEM
    assert "it belongs to user 65534" in check.found


@pytest.mark.parametrize("path", ["/tmp/a\0b", "a\nb", b"\xff\xfe", "\x1b[2J", "x" * 5000])
def test_any_path(path: Any) -> None:
    found(examine(path))


def test_what_is_no_path() -> None:
    with pytest.raises(InvalidArgumentError):
        examine("")
    for path in (None, 5, ["x"]):
        with pytest.raises(TypeError):
            examine(path)  # type: ignore[arg-type]


# -- registries


def registry(base: Path) -> Path:
    return base / ".temp-file-manager" / "registry.db"


def test_a_registry_that_is_none(used: Path, tmp_path: Path) -> None:
    registry(used).write_bytes(b"no database" * 1000)
    before = registry(used).read_bytes()
    check = found(examine(used))["registry"]
    assert check.level is Level.PROBLEM
    assert "cannot be read: file is not a database" in check.found
    assert registry(used).read_bytes() == before


def test_another_programs_database(used: Path) -> None:
    registry(used).unlink()
    with closing(sqlite3.connect(registry(used))) as connection:
        connection.execute("CREATE TABLE t (x)")
        connection.commit()
    assert "is no registry of this program" in found(examine(used))["registry"].found


def test_a_directory_in_its_place(used: Path) -> None:
    registry(used).rename(used / "aside")
    registry(used).mkdir()
    assert found(examine(used))["registry"].level is Level.PROBLEM


def test_a_registry_without_its_tables(used: Path) -> None:
    registry(used).unlink()
    with closing(sqlite3.connect(registry(used))) as connection:
        connection.execute(f"PRAGMA application_id = {APPLICATION}")
        connection.execute("CREATE TABLE t (x)")
        connection.commit()
    assert "cannot be read: no such table" in found(examine(used))["registry"].found


def test_a_newer_versions(used: Path) -> None:
    with closing(sqlite3.connect(registry(used))) as connection:
        connection.execute("PRAGMA user_version = 99")
    check = found(examine(used))["registry"]
    assert (check.level, check.advice) == (Level.PROBLEM, "install that version")


def test_one_that_another_holds_is_read_all_the_same(used: Path) -> None:
    with closing(sqlite3.connect(registry(used), isolation_level=None)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        assert found(examine(used))["registry"].level is Level.OK


def test_without_a_reserve(used: Path) -> None:
    for reserve in registry(used).parent.glob("registry.db-reserve*"):
        reserve.unlink()
    assert found(examine(used))["reserve"].level is Level.WARNING
    assert not list(registry(used).parent.glob("registry.db-reserve*"))


def test_in_memory_and_names_with_passwords(tmp_path: Path) -> None:
    assert found(examine(tmp_path, registry=None))["registry"].found == "memory:"
    with pytest.raises(RegistryError, match="no registry is called 'mysql'") as raised:
        examine(tmp_path, registry="mysql://me:secret@host/db")
    assert "secret" not in str(raised.value)


def test_the_clock(tmp_path: Path) -> None:
    clock = FakeClock(1e9)
    with closing(TempFileManager(tmp_path / "base", registry="sqlite:", clock=clock)) as manager:
        jobs.sweep(manager.context, lambda: False)
        mark = last_line(manager.registry, "clock")
        assert found(examine(manager.base_dir, clock=clock))["clock"].found == "2001-09-09 01:46:40Z, as expected"
        clock.set(wall=1e9 + 5000)
        check = found(examine(manager.base_dir, clock=clock))["clock"]
        assert (check.level, "1 h 23 min ahead" in check.found) == (Level.WARNING, True)
        for garbage in ("", "{", "[]", '{"line": null}'):
            manager.registry.write("clock", garbage, 0.0, keep=1)
            assert "cannot be read" in found(examine(manager.base_dir, clock=clock))["clock"].found
        assert mark is not None


# -- the command


def test_the_command_says_what_follows(say: Say, folder: Path) -> None:
    code, out, err = say("doctor")
    assert (code, err) == (0, "")
    assert out.splitlines()[-1].endswith(" warnings, 0 problems.") or out.splitlines()[-1] == "1 warning, 0 problems."
    assert out.splitlines()[0].startswith("ok       user: ")
    assert tree(folder) == []


def test_a_problem_is_exit_code_1(say: Say, folder: Path) -> None:
    code, out, _ = say("doctor", "/etc")
    assert code == 1
    assert "problem  base directory: /etc: not to be used" in out
    code, out, _ = say("doctor", "/etc", "--json")
    told = json.loads(out)
    assert (code, told["directory"], told["worst"]) == (1, "/etc", "problem")
    assert set(told["checks"][0]) == {"name", "level", "found", "follows", "advice"}


def test_it_works_when_the_registry_cannot_be_opened(say: Say, folder: Path) -> None:
    registry(folder / "base").parent.mkdir(parents=True)
    registry(folder / "base").write_bytes(b"no database" * 1000)
    code, out, err = say("doctor")
    assert (code, err) == (1, "")
    assert "problem  registry: " in out


def test_names_move_no_terminal(say: Say, folder: Path) -> None:
    (folder / "\x1b[2J\nforged").mkdir()
    out = say("doctor", "\x1b[2J\nforged").out
    assert rf"{folder}/\x1b[2J\nforged" in out
    assert "\x1b" not in out


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("doctor", ""), "an empty path names no directory"),
        (("doctor", "a", "b"), "doctor does not take b"),
        (("doctor", "--max-age", "old"), "--max-age is 'old'"),
    ],
)
def test_bad_usage(say: Say, words: tuple[str, ...], expected: str) -> None:
    code, out, err = say(*words)
    assert (code, out) == (2, "")
    assert expected in err
