"""The command ``limits``, and what ``why``, ``sweep`` and ``config`` say of limits."""

import json
import os
from pathlib import Path

import pytest

import command_line
from command_line import Say
from limited import BLOCK
from temp_file_manager import TempFileManager
from temp_file_manager.inspection import limits as inspected

bare, folder, say, manager = command_line.bare, command_line.folder, command_line.say, command_line.manager


@pytest.fixture
def config(folder: Path) -> str:
    """Five files of a block; there may be four, and two are then left."""
    file = folder / "limits.toml"
    file.write_text(
        '[[limit]]\nname = "few"\nfiles = 4\nto = 2\nspare = 0\n'
        '[[limit]]\nname = "small"\nbytes = "1 MiB"\norder = "size"\n'
    )
    return str(file)


@pytest.fixture
def paths(manager: TempFileManager, folder: Path) -> list[str]:
    made = []
    for number in range(5):
        path = folder / f"{number}"
        path.write_bytes(bytes(BLOCK))
        manager.register_file(path)
        made.append(str(path))
    return made


def test_without_limits(say: Say, manager: TempFileManager) -> None:
    said = say("limits")
    assert (said.code, said.out) == (0, "There are no limits: set max_bytes or min_free, or write tables [[limit]].\n")
    assert json.loads(say("limits", "--json").out) == []


def test_it_tells_measure_marks_order_and_what_goes_next(
    say: Say, manager: TempFileManager, config: str, paths: list[str]
) -> None:
    manager.pin(paths[0])
    said = say("limits", "--config", config)
    assert said.code == 0
    assert said.out == (
        "few: passed: 5 files\n"
        "  limit     files over 4 files, to 2 files, oldest first\n"
        f"  goes next {paths[1]}\n"
        f"            {paths[2]}\n"
        f"            {paths[3]}\n"
        "  may go    4 files\n"
        "  stays     1 file: pinned\n"
        "  sizes     as registered, nobody has measured since\n"
        "small: kept: 20.0 KiB\n"
        "  limit     bytes over 1.0 MiB, to 921.6 KiB, largest first, spares files for 1 min 0 s\n"
        "  may go    0 files\n"
        "  stays     1 file, 4.0 KiB: pinned\n"
        "  stays     4 files, 16.0 KiB: too young\n"
        "  sizes     as registered, nobody has measured since\n"
    )
    few, small = json.loads(say("limits", "--config", config, "--json").out)
    assert (few["name"], few["value"], few["mark_value"], few["over"], few["next"]) == ("few", 5, 4, True, paths[1:4])
    assert small["protected"]["too young"] == {"files": 4, "amount": 4 * BLOCK}


def test_a_dry_run_foretells_what_would_be_evicted(say: Say, config: str, paths: list[str]) -> None:
    said = say("sweep", "--dry-run", "--config", config)
    assert said.lines[:3] == [f"dry run: removed {path}" for path in paths[:3]]
    assert said.lines[3].startswith("Dry run: 3 removed (3 for limits), 0 failed in ")
    assert all(map(os.path.exists, paths))
    said = say("sweep", "--config", config, "--json")
    assert [json.loads(line).get("path") for line in said.lines[:3]] == paths[:3]
    assert json.loads(said.lines[3])["evicted"] == 3
    assert [os.path.exists(path) for path in paths] == [False] * 3 + [True] * 2


def test_what_could_not_be_kept_is_an_exit_code(
    say: Say, manager: TempFileManager, config: str, paths: list[str]
) -> None:
    for path in paths:
        manager.pin(path)
    assert say("sweep", "--config", config).code == 0
    said = say("limits", "--config", config)
    assert said.code == 1
    assert said.out.startswith("few: not met: 5 files\n")
    assert "  unmet     3 files more would have to go; there are 5 files pinned\n" in said.out
    said = say("health", "--config", config)
    assert 'limit "few" is not met: 3 files more would have to go' in said.out


def test_why_tells_the_place_in_the_order(
    say: Say, manager: TempFileManager, config: str, paths: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def rows(path: str) -> list[str]:
        return [line.strip() for line in say("why", path, "--config", config).lines if line.startswith("  limit ")]

    assert [row.split(None, 1)[1] for row in rows(paths[1])] == [
        'for limit "few" it is the 2nd of 5 to go, which is now',
        'for limit "small" it does not go: too young',
    ]
    assert next(row.split(None, 1)[1] for row in rows(paths[4])) == (
        'for limit "few" it is the 5th of 5 to go; that would be when 2 more files are registered'
    )
    story = json.loads(say("why", paths[4], "--config", config, "--json").out)
    assert story["limits"][0] == {
        "limit": "few",
        "place": 5,
        "of": 5,
        "complete": True,
        "more": 2,
        "kept": None,
    }
    monkeypatch.setattr(inspected, "MOST", 2)
    monkeypatch.setattr("temp_file_manager.sweeping.candidates.PAGE", 2)
    assert next(row.split(None, 1)[1] for row in rows(paths[4])) == 'for limit "few" it is beyond the first 2'


def test_why_says_first_that_a_limit_is_about_to_take_a_file(say: Say, config: str, paths: list[str]) -> None:
    """Once it began with when the file would be due, and said that no sweep would take it."""
    place = 'for limit "few" it is the 2nd of 5 to go, which is now'
    said = say("why", paths[1], "--config", config)
    assert said.lines[0] == f"{paths[1]}: may go with the next sweep, before it is due: {place}"
    assert '  decided by     limit "few"' in said.lines
    for sweep in ("cleanup()", "sweep", "run"):
        assert f'  {sweep:<15}may remove it for limit "few", else would leave it alone: ' in said.out
    with open(paths[1], "rb"):
        assert say("why", paths[1], "--config", config).lines[0].startswith(f"{paths[1]}: stays at least until ")
    assert say("why", paths[4], "--config", config).lines[0].startswith(f"{paths[4]}: stays at least until ")


def test_of_what_is_due_limits_say_nothing(say: Say, config: str, manager: TempFileManager, folder: Path) -> None:
    (path,) = command_line.files(folder, "file")
    manager.register_file(path, ttl=0)
    assert json.loads(say("why", path, "--config", config, "--json").out)["limits"] == []


def test_a_new_limit_that_takes_much_is_allowed_once(
    say: Say, manager: TempFileManager, config: str, folder: Path
) -> None:
    paths = [folder / f"x{number}" for number in range(1101)]
    for path in paths:
        path.touch()
    manager.register_files(paths)
    said = say("sweep", "--config", config)
    assert (said.code, len(manager.files)) == (1, 1101)
    assert 'more than 1000 of 1101 registered files would be removed only because limit "few"' in said.err
    assert say("sweep", "--config", config, "--allow-large", "1101", "--quiet").code == 0
    assert len(manager.files) == 2
