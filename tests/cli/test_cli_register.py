"""``register`` and ``forget``, and the paths they are given: as words, as lines, as anything at all."""

import io
import json
import logging
import os
from pathlib import Path

import pytest

import command_line
from command_line import Say, files
from temp_file_manager import TempFileManager, logs
from temp_file_manager.cli import paths
from temp_file_manager.inspection import pages

bare, folder, say, manager = command_line.bare, command_line.folder, command_line.say, command_line.manager

TRICKY = [
    "with space",
    "new\nline",
    "\x1b[2J",
    "\udcff\udcfe",
    "-",
    "--ttl",
    "ünïcödé",
    "tab\there",
    "quo'te\"",
    "%s{0}",
]


def recorded(manager: TempFileManager) -> set[str]:
    return {record.path for record in pages.records(manager.context)}


def test_files_are_put_on_record(say: Say, folder: Path, manager: TempFileManager) -> None:
    one, two = files(folder, "one", "two")
    assert say("register", "one", two, "--ttl", "60", "--tag", "a", "--tag", "b") == (0, "2 files registered.\n", "")
    records = manager.registry.get([one, two])
    assert [record.tags for record in records.values()] == [("a", "b")] * 2
    assert all(record.due_at == record.registered_at + 60 for record in records.values())
    assert records[one].size == 5


def test_what_is_refused_is_told_and_the_rest_is_registered(say: Say, folder: Path, manager: TempFileManager) -> None:
    (good,) = files(folder, "good")
    (folder / "directory").mkdir()
    os.mkfifo(folder / "pipe")
    code, out, err = say("register", "directory", "good", "missing", "pipe")
    assert (code, out) == (1, "1 file registered, 3 refused.\n")
    assert err.splitlines() == [
        f"temp-file-manager: {folder}/directory: it is a directory",
        f"temp-file-manager: {folder}/missing: No such file or directory",
        f"temp-file-manager: {folder}/pipe: it is a pipe",
    ]
    assert recorded(manager) == {good}


def test_counts_as_json(say: Say, folder: Path) -> None:
    files(folder, "good")
    code, out, _ = say("register", "good", "missing", "--json", "--size-limit", "2")
    assert code == 1
    assert json.loads(out) == {"registered": 1, "refused": 1, "oversized": 1}
    assert say("register", "good", "--size-limit", "2").out == "1 file registered, 1 larger than size_limit.\n"


def test_the_log_says_all_when_it_is_asked_to(say: Say, folder: Path) -> None:
    files(folder, "good")
    err = say("register", "good", "missing", "--log-level", "DEBUG").err
    for line in (
        "INFO - Initialized",
        "WARNING - Attempted to register",
        "DEBUG - Registered",
        "missing: No such file",
    ):
        assert line in err
    assert say("register", "missing", "--log-file", "log").err.count("\n") == 1
    assert "Attempted to register non-existent file" in (folder / "log").read_text()
    assert (logs.logger.handlers, logs.logger.level) == ([], logging.NOTSET)


def test_any_name_can_be_registered_as_a_word(say: Say, folder: Path, manager: TempFileManager) -> None:
    made = files(folder, *TRICKY)
    code, out, err = say("register", "--", *(f"./{name}" for name in TRICKY))
    assert (code, out, err) == (0, f"{len(TRICKY)} files registered.\n", "")
    assert recorded(manager) == set(made)


@pytest.mark.parametrize("end", ["\n", "\0"])
def test_any_name_can_be_read(say: Say, folder: Path, manager: TempFileManager, end: str) -> None:
    names = [name for name in TRICKY if end not in name]
    made = files(folder, *names)
    text = os.fsencode(end.join(names) + end)
    assert say("register", "-", *(["--null"] if end == "\0" else []), stdin=text).code == 0
    assert recorded(manager) == set(made)


def test_the_last_line_needs_no_end_and_empty_ones_are_none(say: Say, folder: Path, manager: TempFileManager) -> None:
    files(folder, "a", "b", "word")
    assert say("register", "-", "word", stdin=b"\n\na\n\nb").out == "3 files registered.\n"
    assert say("register", "-0", "-", stdin=b"\0\0").out == "0 files registered.\n"
    assert say("register", "-") == (0, "0 files registered.\n", "")


def test_refused_names_move_no_terminal(say: Say, folder: Path) -> None:
    code, _, err = say("register", "-0", "-", stdin=b"\x1b[2J\nforged\0\xff\xfe\0")
    assert code == 1
    assert err.splitlines() == [
        rf"temp-file-manager: {folder}/\x1b[2J\nforged: No such file or directory",
        rf"temp-file-manager: {folder}/\udcff\udcfe: No such file or directory",
    ]


def test_a_line_without_end_costs_little_and_is_refused(
    say: Say, folder: Path, manager: TempFileManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    (good,) = files(folder, "good")
    # It would normalise to a path that exists: what is too long must not be cut and then believed.
    huge = b"./" * (1 << 20) + b"good"
    code, out, err = say("register", "-", stdin=huge + b"\n" + b"good\n" + huge)
    assert (code, out) == (1, "1 file registered, 2 refused.\n")
    assert [line.partition("…: ")[2] for line in err.splitlines()] == ["longer than 65536 bytes"] * 2
    assert len(err) < 300
    assert recorded(manager) == {good}


def test_lines_of_all_lengths_come_out_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paths, "CHUNK", 3)
    lines = [b"x" * length for length in range(1, 9)]
    refused = []
    found = paths.pieces(io.BytesIO(b"\n".join(lines)), b"\n", 6, lambda subject, _: refused.append(subject))
    assert [line for some in found for line in some] == lines[:6]
    assert refused == ["x" * 7, "x" * 7]


def test_a_nul_in_a_line_is_refused(say: Say) -> None:
    assert say("register", "-", stdin=b"a\0b\n").err.endswith("the path holds a NUL character\n")


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ((), "the following arguments are required: PATH"),
        (("",), "an empty PATH names no file"),
        (("x", "--ttl", "soon"), "argument --ttl: 'soon' is no time: give seconds, 0 or more"),
        (("x", "--ttl", "nan"), "argument --ttl: 'nan' is no time: give seconds, 0 or more"),
        (("x", "--ttl", "inf"), "argument --ttl: 'inf' is no time: give seconds, 0 or more"),
        (("x", "--ttl", "30M"), "argument --ttl: '30M' is no time: give seconds, 0 or more, or a text such as 90s"),
        (("x", "--ttl=-1"), "argument --ttl: '-1' is no time: give seconds, 0 or more"),
        (("x", "--ttl"), "argument --ttl: expected one argument"),
        (("x", "--tll", "5"), "register does not take --tll 5"),
        (("x", "-x"), "register does not take -x"),
        (("x", "--registry", "mysql://me:secret@host/db"), "no registry is called 'mysql': give 'memory:'"),
        (("x", "--max-age", "old"), "--max-age is 'old'"),
        (("x", "--config", "nowhere.toml"), "cannot read nowhere.toml: No such file or directory"),
        (("x", "--base-dir", "/dev/null/below"), "dev"),
    ],
)
def test_bad_usage_is_told_in_a_line(say: Say, words: tuple[str, ...], expected: str) -> None:
    code, out, err = say("register", *words)
    assert (code, out) == (2, "")
    assert err.startswith("temp-file-manager: ")
    assert expected in err
    assert err.count("\n") == 1


def test_without_standard_input_it_says_so(say: Say) -> None:
    assert say("register", "-", stdin=None) == (2, "", "temp-file-manager: standard input is closed\n")


def test_forgetting_leaves_the_files(say: Say, folder: Path, manager: TempFileManager) -> None:
    one, two, three = files(folder, "one", "two", "three")
    manager.register_files([one, two, three])
    assert say("forget", "one") == (0, "1 record forgotten; no file was touched.\n", "")
    code, out, err = say("forget", "-0", "-", "one", stdin=b"two\0two\0")
    assert (code, out) == (0, "1 record forgotten; no file was touched.\n")
    assert err == f"temp-file-manager: {one}: not registered\n"
    assert recorded(manager) == {three}
    assert sorted(os.listdir(folder)) == ["base", "one", "three", "two"]


def test_forgetting_nothing_failed(say: Say, folder: Path) -> None:
    code, out, _ = say("forget", "never", "seen", "--json")
    assert code == 1
    assert json.loads(out) == {"forgotten": 0, "not_registered": 2}
    assert say("forget", "-").code == 0


@pytest.mark.parametrize(
    ("text", "lives"), [("90", 90), ("90s", 90), ("30min", 1800), ("6h", 21600), ("1 d", 86400), ("1 h 30 min", 5400)]
)
def test_a_time_is_seconds_or_a_text(say: Say, folder: Path, manager: TempFileManager, text: str, lives: float) -> None:
    (path,) = files(folder, "file")
    say("register", path, "--ttl", text)
    record = manager.registry.get([path])[path]
    assert record.due_at == record.registered_at + lives


def test_directories_are_put_on_record_as_a_whole(say: Say, folder: Path, manager: TempFileManager) -> None:
    base = Path(manager.base_dir)
    for name in ("one", "two"):
        (base / name).mkdir()
        (base / name / "file").touch()
    code, out, err = say("register", "--unit", str(base / "one"), str(base / "two"), str(folder))
    assert (code, out) == (1, "2 directories registered, 1 refused.\n")
    assert "lies outside" in err or "holds, the base directory" in err
    kinds = {record.kind for record in manager.registry.get([str(base / "one"), str(base / "two")]).values()}
    assert kinds == {"unit"}
    assert "2 removed" in say("sweep", "--all").out
    assert not (base / "one").exists()
