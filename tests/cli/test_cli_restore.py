"""``restore``, and what other commands say of files in quarantine, as they are typed."""

import json
import time
from pathlib import Path

import pytest

import command_line
from command_line import Say, files
from temp_file_manager import TempFileManager

bare, folder, say, manager = command_line.bare, command_line.folder, command_line.say, command_line.manager

RULES = """
[[rule]]
name = "undo"
age = "1 h"
quarantine = "1 d"
"""


@pytest.fixture
def away(folder: Path, manager: TempFileManager, say: Say, monkeypatch: pytest.MonkeyPatch) -> str:
    """The place of a file that is in quarantine."""
    (folder / "rules.toml").write_text(RULES)
    monkeypatch.setenv("TEMP_FILE_RULES", str(folder / "rules.toml"))
    (path,) = files(folder, "text")
    Path(path).write_text("text")
    manager.register_file(path, tags=["report"])
    manager.files[path] = time.time() - 7200
    assert say("sweep").lines[0] == f"quarantined {path}"
    assert not Path(path).exists()
    return path


def test_a_sweep_says_how_many(say: Say, away: str, manager: TempFileManager, folder: Path) -> None:
    for name in ("b", "c"):
        (path,) = files(folder, name)
        manager.register_file(path)
        manager.files[path] = time.time() - 7200
    assert say("sweep", "--dry-run").lines[-1].startswith("Dry run: 0 removed, 2 quarantined, 0 failed")
    assert say("sweep", "--quiet").out.startswith("0 removed, 2 quarantined, 0 failed in ")
    report = json.loads(say("sweep", "--json").lines[-1])
    assert (report["quarantined"], report["removed"]) == (0, 0)


def test_it_comes_back(say: Say, away: str) -> None:
    assert say("restore", away) == (0, f"restored {away}\n", "")
    assert Path(away).read_text() == "text"
    assert say("status", away).code == 0
    code, out, error = say("restore", away)
    assert (code, out) == (1, "")
    assert "nothing that was at" in error


def test_to_another_place_and_as_json(say: Say, away: str, folder: Path) -> None:
    assert say("restore", "--to", "other", "a", "b").code == 2
    answer = json.loads(say("restore", "--json", "--to", "other", "text").out)
    assert answer == {"path": away, "restored_to": str(folder / "other")}
    assert (folder / "other").read_text() == "text"


def test_what_is_in_its_place_is_not_overwritten(say: Say, away: str) -> None:
    Path(away).write_text("new")
    code, _, error = say("restore", away)
    assert (code, Path(away).read_text()) == (1, "new")
    assert "something is in its place" in error


def test_it_is_listed_with_where_it_was(say: Say, away: str, folder: Path) -> None:
    until, size, path = say("list", "--quarantined").out.strip().rsplit(" ", 2)
    assert (size, path) == ("4", away)
    assert until
    listed = json.loads(say("list", "--quarantined", "--json").out)
    assert (listed["path"], listed["tags"], listed["size"]) == (away, ["report"], 4)
    assert say("list", "--quarantined", "--tag", "other").out == ""
    assert say("list", "--quarantined", "--limit", "0").out == ""
    assert say("list", "--quarantined", "--under", str(folder)).out != ""


def test_status_and_why_say_how_to_have_it_back(say: Say, away: str) -> None:
    for command in ("status", "why"):
        code, out, _ = say(command, away)
        assert code == 1
        assert f"{away}: in quarantine until " in out
        assert "tfm restore brings it back" in out
        assert "Nobody registered it" not in out
    assert "not registered" in say("why", away + "x").out


def test_check_knows_what_is_in_the_folder(say: Say, away: str, folder: Path) -> None:
    assert say("check").code == 0
    stray = folder / "base" / ".temp-file-manager" / "quarantine" / "stray"
    stray.touch()
    code, out, _ = say("check")
    assert code == 1
    assert (str(stray) in out, "stray in quarantine" in out) == (True, True)
    assert stray.exists()


def test_check_finds_what_is_missing_from_the_folder(say: Say, away: str, folder: Path) -> None:
    for path in (folder / "base" / ".temp-file-manager" / "quarantine").iterdir():
        path.unlink()
    assert "record without a file" in say("check").out
    say("check", "--fix")
    assert say("list", "--quarantined").out == ""


def test_a_directory_that_is_gone_is_named_with_what_to_do(say: Say, away: str) -> None:
    code, out, error = say("restore", "--to", "gone/text", away)
    assert (code, out) == (1, "")
    assert "gone': make the directory, or name another place by --to" in error
