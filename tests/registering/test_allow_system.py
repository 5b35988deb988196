"""Registering system files: refused of root, and of the command line whoever types, unless said twice."""

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

import command_line
from command_line import Say
from temp_file_manager import TempFileManager

bare, folder, say = command_line.bare, command_line.folder, command_line.say
ALLOW = {"allow_system": True}


@pytest.fixture
def rc(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A file that is hidden in the home of whoever runs this: it is safe to try with."""
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    (home / ".bashrc").touch()
    (home / ".ssh").mkdir()
    (home / ".ssh" / "id").touch()
    return str(home / ".bashrc")


@pytest.fixture(params=["memory:", "sqlite:"])
def registry(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def as_user(monkeypatch: pytest.MonkeyPatch, uid: int) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: uid)


WAYS: list[Callable[..., object]] = [
    lambda manager, path, **more: manager.register_file(path, **more),
    lambda manager, path, **more: manager.register_file(path, tags=["x"], ttl=5, **more),
    lambda manager, path, **more: manager.register_files([path], **more),
    lambda manager, path, **more: manager.register_file(path, until="exit", **more),
    lambda manager, path, **more: manager.session().register_file(path, **more),
    lambda manager, path, **more: manager.session().register_files([path], **more),
]


@pytest.mark.parametrize("way", WAYS)
def test_root_is_refused_unless_it_says_so(
    rc: str, registry: str, tmp_path: Path, way: Callable[..., object], monkeypatch: pytest.MonkeyPatch
) -> None:
    as_user(monkeypatch, 0)
    manager = TempFileManager(tmp_path / "base", registry=registry)
    way(manager, rc)
    assert dict(manager.files) == {}
    way(manager, rc, **ALLOW)
    assert list(manager.files) == [rc]
    manager.files.clear()
    manager.close()


@pytest.mark.parametrize("way", WAYS)
def test_an_application_of_an_ordinary_user_registers_any_path(
    rc: str, tmp_path: Path, way: Callable[..., object], monkeypatch: pytest.MonkeyPatch
) -> None:
    as_user(monkeypatch, 1000)
    manager = TempFileManager(tmp_path / "base")
    way(manager, rc)
    assert list(manager.files) == [rc]
    manager.files.clear()
    manager.close()


def test_root_is_told_why(
    rc: str, tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    as_user(monkeypatch, 0)
    manager = TempFileManager(tmp_path / "base")
    manager.register_file(rc)
    assert "allow_system=True" in caplog.text
    ((path, reason),) = manager.register_files([rc]).refused
    assert (path, "as settings and keys are" in reason) == (rc, True)
    manager.close()


def test_what_is_in_a_session_already_can_be_kept(rc: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    as_user(monkeypatch, 0)
    manager = TempFileManager(tmp_path / "base")
    session = manager.session()
    session.register_file(rc, allow_system=True)
    session.keep(rc)
    assert list(manager.files) == [rc]
    manager.files.clear()
    manager.close()


# -- the command line


@pytest.mark.parametrize("flags", [(), ("--ttl", "5"), ("--until-exit", str(os.getpid()))])
def test_the_command_line_refuses_system_files(say: Say, rc: str, tmp_path: Path, flags: tuple[str, ...]) -> None:
    code, _, err = say("register", *flags, rc, str(tmp_path / "home" / ".ssh" / "id"), "/etc/passwd")
    assert (code, err.count("--allow-system")) == (1, 3)
    code, _, err = say("register", *flags, "-", stdin=os.fsencode(rc))
    assert (code, err.count("--allow-system")) == (1, 1)
    assert say("register", "--allow-system", *flags, rc) == (0, "1 file registered.\n", "")
    assert say("forget", rc).code == 0


def test_the_command_line_refuses_whoever_types(say: Say, rc: str, monkeypatch: pytest.MonkeyPatch) -> None:
    as_user(monkeypatch, 1000)
    code, _, err = say("register", "--registry", "memory:", rc)
    assert (code, err.count("--allow-system")) == (1, 1)
    assert say("register", "--registry", "memory:", "--allow-system", rc).code == 0


def test_what_export_has_of_a_system_file_is_imported_only_if_said(say: Say, rc: str, tmp_path: Path) -> None:
    say("register", "--allow-system", rc)
    exported = say("export").out
    say("forget", rc)
    code, _, err = say("import", stdin=exported.encode())
    assert (code, "--allow-system" in err) == (1, True)
    assert say("import", "--allow-system", stdin=exported.encode()).code == 0
    assert say("forget", rc).code == 0


def test_adopt_leaves_system_files_unless_it_is_told(say: Say, rc: str, tmp_path: Path) -> None:
    keys = str(tmp_path / "home" / ".ssh")
    for flags in ([], ["--yes"], ["--once", "--yes"], ["--units"]):
        code, out, err = say("adopt", keys, *flags)
        assert (code, out, "--allow-system" in err) == (2, "", True)
    code, out, _ = say("adopt", keys, "--allow-system", "--json")
    assert (code, json.loads(out.splitlines()[0])["path"]) == (0, f"{keys}/id")
    assert say("adopt", "/etc", "--allow-system").code == 2, "what can be no base directory is refused all the same"
