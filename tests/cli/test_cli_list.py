"""``list``, ``status`` and ``stats``: what is on record, as people and programs read it."""

import json
import math
import os
import time
from pathlib import Path

import pytest

import command_line
from command_line import Say, files
from temp_file_manager import TempFileManager
from temp_file_manager.cli import render
from temp_file_manager.inspection import describe, pages
from temp_file_manager.records import Selection, TempFile
from temp_file_manager.registry import THIS_PROCESS
from temp_file_manager.text import human_size, timestamp

bare, folder, say, manager = command_line.bare, command_line.folder, command_line.say, command_line.manager

HOUR = 3600


@pytest.fixture
def records(folder: Path, manager: TempFileManager, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Four files: due for two hours, due by its ttl, young, and one whose removal failed."""
    (folder / "below").mkdir()
    made = files(folder, "old", "brief", "below/young", "stuck")
    old, brief, young, stuck = made

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(1, "Operation not permitted", stuck)

    manager.register_file(stuck)
    manager.files[stuck] = time.time() - 2 * HOUR
    with monkeypatch.context() as patch:
        patch.setattr("temp_file_manager.storage.local.os.unlink", refuse)
        assert manager.sweep().failed == 1
    manager.register_file(old, tags=["report", "daily"])
    manager.files[old] = time.time() - 3 * HOUR
    manager.register_file(brief, ttl=0, tags=["report"])
    manager.register_file(young)
    return dict(zip(("old", "brief", "young", "stuck"), made, strict=True))


def names(out: str) -> list[str]:
    return [os.path.basename(line.split(" ", 3)[3]) for line in out.splitlines()]


def test_the_oldest_comes_first(say: Say, records: dict[str, str]) -> None:
    code, out, err = say("list")
    assert (code, err) == (0, "")
    assert names(out) == ["old", "stuck", "young", "brief"]
    lines = [line.split(" ", 3) for line in out.splitlines()]
    assert [line[1] for line in lines if line[3] != records["young"]] == ["now"] * 3
    assert abs(int(lines[0][0]) - 3 * HOUR) < 60
    assert abs(int(lines[2][1]) - HOUR) < 60
    assert all(line[2] == "5" for line in lines)
    assert lines[0][3] == records["old"]


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        (["--due"], ["old", "brief", "stuck"]),  # what was tried in vain waits anew
        (["--due", "--max-age", "9000"], ["old", "brief"]),
        (["--tag", "report"], ["old", "brief"]),
        (["--tag", "report", "--tag", "daily"], ["old"]),
        (["--tag", "repor"], []),
        (["--under", "below"], ["young"]),
        (["--under", "belo"], []),
        (["--under", "/"], ["old", "stuck", "young", "brief"]),
        (["--older-than", "3000"], ["old", "stuck"]),
        (["--failed"], ["stuck"]),
        (["--limit", "2"], ["old", "stuck"]),
        (["--limit", "0"], []),
        (["--limit", "1", "--tag", "report", "--due", "--under", "."], ["old"]),
    ],
)
def test_filters(say: Say, records: dict[str, str], flags: list[str], expected: list[str]) -> None:
    assert names(say("list", *flags).out) == expected


def test_json_is_an_object_a_line(say: Say, records: dict[str, str]) -> None:
    told = [json.loads(line) for line in say("list", "--json").lines]
    assert [one["path"] for one in told] == [records[name] for name in ("old", "stuck", "young", "brief")]
    old, stuck, young, _ = told
    assert old["tags"] == ["report", "daily"]
    assert (old["due"], old["failures"], stuck["failures"], young["due"]) == (True, 0, 1, False)
    assert old["reason"].startswith("3 h 0 min old, more than max_age")
    assert stuck["retry_at"] > time.time()
    assert 0 < young["due_in"] <= HOUR
    assert set(old["identity"]) == {"inode", "born", "changed", "parent_inode", "parent_born", "volume"}


def test_pages_join(say: Say, folder: Path, manager: TempFileManager, monkeypatch: pytest.MonkeyPatch) -> None:
    made = files(folder, *(f"file{number}" for number in range(7)))
    manager.register_files(made)
    for page in (1, 2, 7, 8):
        monkeypatch.setattr(pages, "PAGE", page)
        assert [json.loads(line)["path"] for line in say("list", "--json").lines] == made
        assert [json.loads(line)["path"] for line in say("export").lines] == made


def test_what_is_kept_is_listed_too(say: Say, records: dict[str, str], manager: TempFileManager) -> None:
    manager.registry.keep([records["old"]], time.time() + HOUR)
    manager.registry.keep([records["brief"]], math.inf, THIS_PROCESS)
    due = {line.split(" ", 3)[3]: line.split(" ", 3)[1] for line in say("list").lines}
    assert (due[records["old"]], due[records["brief"]]) == ("pinned", "held")
    assert names(say("list", "--due").out) == ["stuck"]
    assert say("stats").out.count("\ndue now           1\n") == 1
    told = [json.loads(line) for line in say("list", "--json", "--tag", "report").lines]
    assert [(one["due"], one["held"], one["pinned_until"] is None) for one in told] == [
        (False, False, False),
        (False, True, True),
    ]
    assert "due            held: " in say("status", "brief").out


def test_a_terminal_gets_a_table(say: Say, records: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(render, "on_terminal", lambda: True)
    header, *lines = say("list").lines
    assert header.split() == ["age", "due", "size", "path"]
    column = header.index("path")
    assert [line[column:] for line in lines] == [records[name] for name in ("old", "stuck", "young", "brief")]
    assert lines[0].split()[:7] == ["3", "h", "0", "min", "now", "5", "B"]
    assert " in 59 min " in lines[2] or " in 1 h 0 min " in lines[2]


def test_names_stay_in_their_line(say: Say, folder: Path, manager: TempFileManager) -> None:
    (path,) = files(folder, "\x1b[2J\n\udcff\t")
    manager.register_file(path)
    (line,) = say("list").lines
    assert line.endswith(r"/\x1b[2J\n\udcff\t")
    assert json.loads(say("list", "--json").out)["path"] == path


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("list", "--limit", "-1"), "argument --limit: '-1' is no whole number, 0 or more"),
        (("list", "--limit", "1.5"), "argument --limit: '1.5' is no whole number, 0 or more"),
        (("list", "--limit", "²"), "argument --limit: '²' is no whole number, 0 or more"),
        (("list", "--limit", "9" * 5000), "is no whole number, 0 or more"),
        (("list", "--older-than", "yesterday"), "argument --older-than: 'yesterday' is no time: give seconds"),
        (("list", "--tag"), "argument --tag: expected one argument"),
        (("list", "extra"), "list does not take extra"),
        (("stats", "extra"), "stats does not take extra"),
        (("status",), "the following arguments are required: PATH"),
    ],
)
def test_bad_usage(say: Say, words: tuple[str, ...], expected: str) -> None:
    code, out, err = say(*words)
    assert (code, out) == (2, "")
    assert expected in err


# -- status ------------------------------------------------------------------------------------------------


def test_status_explains(say: Say, records: dict[str, str]) -> None:
    code, out, err = say("status", "old", "brief", "below/young", "stuck")
    assert (code, err) == (0, "")
    old, brief, young, stuck = (
        dict(line.strip().split("  ", 1) if "  " in line.strip() else (line, "") for line in part.splitlines())
        for part in out.replace(f"\n{os.sep}", f"\n\n{os.sep}").split("\n\n")
    )
    assert records["old"] in old
    assert old["registered"].strip().startswith("3 h 0 min ago, 2")
    assert old["due"].strip() == "now: 3 h 0 min old, more than max_age 1 h 0 min"
    assert old["tags"].strip() == "report, daily"
    assert brief["ttl"].strip() == "its own, 0 s"
    assert brief["due"].strip().startswith("now: its ttl ended")
    assert young["due"].strip().startswith("in ")
    assert young["ttl"].strip() == "max_age, 1 h 0 min"
    assert young["identity"].strip().startswith("inode ")
    assert stuck["failures"].strip().startswith("1; scheduled sweeps leave it alone for ")


def test_status_says_what_a_sweep_would_find(say: Say, records: dict[str, str]) -> None:
    os.rename(records["old"], records["old"] + ".before")
    os.rename(records["brief"], records["brief"] + ".before")
    Path(records["old"]).touch()
    told = {one["path"]: one for one in map(json.loads, say("status", "old", "brief", "stuck", "--json").lines)}
    assert told[records["old"]]["if_swept_now"].startswith("replaced: ")
    assert told[records["brief"]]["if_swept_now"] == "gone: already gone"
    assert told[records["stuck"]]["if_swept_now"] == "removed"
    with open(records["stuck"]):
        assert json.loads(say("status", "stuck", "--json").out)["if_swept_now"].startswith("kept: ")
        assert "if swept now   removed" in say("status", "stuck", "--protect-open", "false").out


def test_status_of_what_is_not_registered(say: Say, records: dict[str, str], folder: Path) -> None:
    code, out, _ = say("status", "-", "old", stdin=b"nobody\x1b's\n")
    assert code == 1
    assert out.splitlines()[0] == rf"{folder}/nobody\x1b's: not registered"
    assert out.splitlines()[1] == records["old"]
    assert json.loads(say("status", "x", "--json").out) == {"path": f"{folder}/x", "registered": False}


# -- stats -------------------------------------------------------------------------------------------------


def test_stats_count(say: Say, records: dict[str, str], folder: Path) -> None:
    told = json.loads(say("stats", "--json").out)
    assert told.pop("oldest")["path"] == records["old"]
    assert told == {
        "registry": "sqlite:",
        "base_dir": str(folder / "base"),
        "records": 4,
        "due": 3,
        "failed": 1,
        "by_age": {"under 1 minute": 2, "under 1 hour": 0, "under 1 day": 2, "under 1 week": 0, "older": 0},
        "bytes": sum(512 * os.stat(path).st_blocks for path in records.values()),
        "files_of_known_size": 4,
        "quarantined": {"files": 0, "bytes": 0},
        "compressed": {"files": 0, "bytes": 0},
        "measured_age": None,
    }
    lines = [line.rsplit("  ", 1) for line in say("stats").lines]
    assert {name.strip(): value for name, value in lines}["due now"] == "3"
    assert lines[-1][1].endswith(f", {records['old']}")


def test_stats_say_how_old_their_knowledge_of_sizes_is(
    say: Say, records: dict[str, str], manager: TempFileManager
) -> None:
    assert "measured" not in say("stats").out
    with open(records["young"], "ab") as file:
        file.write(b"x" * 100_000)
    manager.context.measuring.slice(lambda: False)
    told = json.loads(say("stats", "--json").out)
    assert told["bytes"] == sum(512 * os.stat(path).st_blocks for path in records.values())
    assert 0 <= told["measured_age"] < 600
    rows = {name.strip(): value for name, value in (line.rsplit("  ", 1) for line in say("stats").lines)}
    assert rows["measured"].endswith(" ago")


def test_stats_of_nothing(say: Say) -> None:
    told = json.loads(say("stats", "--json", "--registry", "memory:").out)
    assert (told["registry"], told["records"], told["oldest"]) == ("memory:", 0, None)
    assert say("stats").lines[-1].split() == ["oldest", "-"]


# -- facts -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("count", "expected"),
    [
        (None, "-"),
        (0, "0 B"),
        (1023, "1023 B"),
        (1024, "1.0 KiB"),
        (1536, "1.5 KiB"),
        (1 << 20, "1.0 MiB"),
        (5 << 40, "5.0 TiB"),
        (1 << 70, "1048576.0 PiB"),
    ],
)
def test_sizes(count: int | None, expected: str) -> None:
    assert human_size(count) == expected


def test_times_that_no_calendar_has() -> None:
    assert timestamp(0) == "1970-01-01 00:00:00Z"
    assert timestamp(1e300) == "1e+300"
    assert timestamp(float("inf")) == "inf"
    record = TempFile("/x", 0.0, float("inf"))
    assert describe.when_due(record, Selection(1.0, 60.0)) == "never"
    described = describe.described(record, Selection(1.0, 60.0))
    assert (described["due_at"], described["due_in"]) == ("inf", "inf")
    json.dumps(described, allow_nan=False)


def test_identities_in_words() -> None:
    assert describe.identity(None) == "unknown: whatever has this path is removed"


def test_no_row_of_stats_is_a_heading(say: Say, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    said = say("stats")
    assert said.lines[0].startswith("registry ")
    assert "\x1b" not in said.out
