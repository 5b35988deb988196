"""``sweep`` and ``check``: what they remove and mend, what they say of it, and to whom."""

import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import command_line
from command_line import Say, files
from temp_file_manager import TempFileManager
from temp_file_manager.cli import main, progress, render, sweep_output
from temp_file_manager.reports import Finding
from trees import numbered

bare, folder, say, manager = command_line.bare, command_line.folder, command_line.say, command_line.manager


@pytest.fixture
def due(folder: Path, manager: TempFileManager) -> list[str]:
    """Three files that are due, the oldest first, and a young one."""
    made = files(folder, "a", "b", "c", "young")
    manager.register_files(made)
    for age, path in zip((9000, 8000, 7000), made, strict=False):
        manager.files[path] = time.time() - age
    return made


@pytest.fixture
def stubborn(due: list[str], monkeypatch: pytest.MonkeyPatch) -> str:
    """One of the files that are due, which cannot be removed."""
    unlink = os.unlink

    def refuse(name: Any, **where: Any) -> None:
        if os.fsdecode(name) == "b":
            raise PermissionError(1, "Operation not permitted", due[1])
        unlink(name, **where)

    monkeypatch.setattr("temp_file_manager.storage.local.os.unlink", refuse)
    return due[1]


def total(line: str) -> str:
    """Return the totals without how long it took."""
    return line.partition(" in ")[0]


def test_each_outcome_is_a_line(say: Say, folder: Path, due: list[str]) -> None:
    os.rename("b", "moved")
    code, out, err = say("sweep")
    assert (code, err) == (0, "")
    *lines, totals = out.splitlines()
    assert lines == [f"removed {due[0]}", f"gone {due[1]}: already gone", f"removed {due[2]}"]
    assert total(totals) == "2 removed, 1 already gone, 0 failed"
    assert sorted(os.listdir(folder)) == ["base", "moved", "young"]


def test_a_failure_is_told_once_and_is_one(say: Say, stubborn: str) -> None:
    code, out, err = say("sweep")
    assert code == 1
    assert f"failed {stubborn}: [Errno 1] Operation not permitted: '{stubborn}'" in out.splitlines()
    assert total(out.splitlines()[-1]) == "2 removed, 1 failed"
    assert err == ""
    assert os.path.exists(stubborn)
    assert say("sweep", "--log-level", "ERROR").err.count("Failed to remove temporary file") == 1


def test_a_dry_run_changes_nothing_and_says_the_same(say: Say, folder: Path, due: list[str]) -> None:
    before = sorted(os.listdir(folder))
    code, out, _ = say("sweep", "-n")
    assert code == 0
    assert out.splitlines()[:-1] == [f"dry run: removed {path}" for path in due[:3]]
    assert total(out.splitlines()[-1]) == "Dry run: 3 removed, 0 failed"
    assert sorted(os.listdir(folder)) == before
    planned = [json.loads(line) for line in say("sweep", "--dry-run", "--json").lines]
    assert planned[-1].pop("dry_run") is True
    assert planned[-1].pop("unlisted") == 0
    done = [json.loads(line) for line in say("sweep", "--json").lines]
    assert done[-1].pop("dry_run") is False
    assert planned[-1].pop("seconds") >= 0 <= done[-1].pop("seconds")
    assert planned == done


def test_a_long_dry_run_says_how_much_it_does_not_list(
    say: Say, due: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("temp_file_manager.sweeping.tally.OUTCOMES_IN_A_REPORT", 1)
    assert say("sweep", "-n").lines[:-1] == [
        f"dry run: removed {due[0]}",
        "dry run: and 2 more, which are not listed",
    ]
    outcome, totals = (json.loads(line) for line in say("sweep", "-n", "--json").lines)
    assert (outcome["path"], totals["removed"], totals["unlisted"]) == (due[0], 3, 2)
    assert total(say("sweep", "-n", "--quiet").out.rstrip()) == "Dry run: 3 removed, 0 failed"
    assert len(say("sweep").lines) == 4


def test_bounds(say: Say, due: list[str]) -> None:
    assert say("sweep", "--limit", "0").lines[-1].endswith("; stopped by its limit, more may be due.")
    out = say("sweep", "--limit", "1").lines
    assert out[0] == f"removed {due[0]}"
    assert total(out[1]) == "1 removed, 0 failed"
    assert "stopped by its budget" in say("sweep", "--budget", "0").out
    assert json.loads(say("sweep", "--budget", "0", "--json").out)["stopped"] == "budget"
    assert all(os.path.exists(path) for path in due[1:])


def test_all_means_all(say: Say, folder: Path, due: list[str], manager: TempFileManager) -> None:
    assert len(say("sweep", "--all").lines) == 5
    assert os.listdir(folder) == ["base"]
    assert manager.registry.stats().records == 0


def test_quiet_prints_the_totals_alone(say: Say, due: list[str], stubborn: str) -> None:
    code, out, err = say("sweep", "--quiet")
    assert (code, err) == (1, "")
    (line,) = out.splitlines()
    assert total(line) == "2 removed, 1 failed"
    assert json.loads(say("sweep", "--quiet", "--json").out)["failed"] == 1


def test_a_file_replaced_since_stays_and_is_told(say: Say, due: list[str]) -> None:
    os.rename("a", "before")
    Path("a").write_text("another")
    out = say("sweep").lines
    assert out[0].startswith(f"replaced {due[0]}: ")
    assert total(out[-1]) == "2 removed, 1 replaced, 0 failed"
    assert Path("a").read_text() == "another"


def test_a_file_in_use_is_kept_and_told(say: Say, due: list[str]) -> None:
    with open("a"):
        assert say("sweep", "-n").lines[0].startswith(f"dry run: kept {due[0]}: ")
        out = say("sweep").lines
        assert out[0].startswith(f"kept {due[0]}: ")
        assert total(out[-1]) == "2 removed, 1 kept, 0 failed"
        assert say("sweep", "--protect-open", "false").lines[0] == f"removed {due[0]}"


def test_a_terminal_gets_what_is_noteworthy(
    say: Say, due: list[str], stubborn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(render, "on_terminal", lambda: True)
    assert [line.split()[0] for line in say("sweep", "-n").lines] == ["dry", "dry", "dry", "Dry"]
    assert [line.split()[0] for line in say("sweep").lines] == ["failed", "2"]


def test_names_stay_in_their_line(say: Say, folder: Path, manager: TempFileManager) -> None:
    (path,) = files(folder, "\x1b[2J\nremoved hosts")
    manager.register_file(path, ttl=0)
    assert say("sweep").lines[0] == rf"removed {folder}/\x1b[2J\nremoved hosts"


def test_a_sweep_is_finished_when_nobody_reads(say: Say, due: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("temp_file_manager.sweeping.sweep.CHUNK", 1)
    told = []

    def line(text: str = "") -> None:
        told.append(text)
        raise BrokenPipeError

    monkeypatch.setattr(sweep_output.render, "line", line)
    assert say("sweep") == (1, "", "")
    assert told == [f"removed {due[0]}"]
    assert not any(map(os.path.exists, due[:3]))


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("--limit", "many"), "argument --limit: 'many' is no whole number, 0 or more"),
        (("--limit", "9223372036854775808"), "is no whole number, 0 or more"),
        (("--budget", "-1"), "argument --budget: '-1' is no time: give seconds, 0 or more"),
        (("--force",), "sweep does not take --force"),
        (("everything",), "sweep does not take everything"),
    ],
)
def test_bad_usage_removes_nothing(say: Say, due: list[str], words: tuple[str, ...], expected: str) -> None:
    code, out, err = say("sweep", *words)
    assert (code, out) == (2, "")
    assert expected in err
    assert all(map(os.path.exists, due))


# -- the bar -----------------------------------------------------------------------------------------------


class Drawn:
    """What stands for rich: it notes what is asked of it."""

    def __init__(self, **options: object) -> None:
        self.options = options
        self.said: list[str] = []
        self.task_ids: list[int] = []

    def add_task(self, _: str, **__: object) -> None:
        self.task_ids.append(7)

    def start(self) -> None:
        self.said.append("start")

    def update(self, task: int, *, counts: str, completed: int, total: int) -> None:
        assert task == 7
        self.said.append(counts.rpartition(", ")[0])
        self.reached = completed, total

    def stop(self) -> None:
        self.said.append("stop")


@pytest.fixture
def rich(monkeypatch: pytest.MonkeyPatch) -> Callable[[], list[Drawn]]:
    """Put a stand-in for rich in its place, as if both outputs were on a terminal."""
    drawn: list[Drawn] = []

    def make(*_: object, **options: object) -> Drawn:
        drawn.append(Drawn(**options))
        return drawn[-1]

    parts = SimpleNamespace(Progress=make, BarColumn=str, TextColumn=str, TimeRemainingColumn=str)
    modules: dict[str, Any] = {
        "rich.console": SimpleNamespace(Console=lambda **options: options),
        "rich.progress": parts,
    }
    monkeypatch.setattr(progress, "import_module", modules.__getitem__)
    monkeypatch.setattr(progress, "PATIENCE", 0)
    monkeypatch.setattr(progress, "render", SimpleNamespace(on_terminal=lambda: True))
    monkeypatch.setattr(progress, "sys", SimpleNamespace(stderr=SimpleNamespace(isatty=lambda: True)))
    return lambda: drawn


def test_a_bar_is_drawn_on_a_terminal_and_goes(say: Say, stubborn: str, rich: Callable[[], list[Drawn]]) -> None:
    assert say("sweep", "--cleanup-batch-size", "2").lines[0].startswith("removed ")
    (drawn,) = rich()
    assert drawn.said == ["start", "2 of 3 files, 4.0 KiB freed", "3 of 3 files, 8.0 KiB freed", "stop"]
    assert drawn.reached == (3, 3)
    assert drawn.options == {"console": {"stderr": True}, "transient": True}


@pytest.mark.parametrize(
    ("seconds", "told"),
    [
        (10.0, "1,000 of 2,500 files, 4.0 MiB freed, 100 a second"),
        (0.0, "1,000 of 2,500 files, 4.0 MiB freed, 0 a second"),
    ],
)
def test_a_bar_tells_of_how_many_how_much_and_how_fast(seconds: float, told: str) -> None:
    assert progress.words(1000, 2500, 1 << 22, seconds) == told


def test_one_file_is_one_file() -> None:
    assert progress.words(1, 1, 0, 1.0) == "1 of 1 file, 0 B freed, 1 a second"


@pytest.mark.parametrize("flag", ["--quiet", "--json", "--dry-run"])
def test_no_bar_where_none_is_wanted(say: Say, due: list[str], rich: Callable[[], list[Drawn]], flag: str) -> None:
    assert say("sweep", flag).code == 0
    assert rich() == []


def test_no_bar_for_what_is_quick(
    say: Say, due: list[str], rich: Callable[[], list[Drawn]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress, "PATIENCE", 1e9)
    assert say("sweep").code == 0
    assert rich() == []


def test_no_bar_without_rich(
    say: Say, due: list[str], rich: Callable[[], list[Drawn]], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def missing(name: str) -> None:
        asked.append(name)
        raise ModuleNotFoundError(name)

    monkeypatch.setattr(progress, "import_module", missing)
    monkeypatch.setattr("temp_file_manager.sweeping.sweep.CHUNK", 1)
    code, out, err = say("sweep")
    assert (code, len(out.splitlines()), err) == (0, 4, "")
    assert asked == ["rich.console"]


# -- check -------------------------------------------------------------------------------------------------


def test_nothing_to_find(say: Say, due: list[str]) -> None:
    assert say("check") == (0, "Nothing found.\n", "")
    assert json.loads(say("check", "--json", "--fix").out) == {"findings": []}


def test_a_record_without_a_file_is_found_and_fixed(say: Say, due: list[str], manager: TempFileManager) -> None:
    os.rename("a", "moved")
    code, out, _ = say("check")
    assert code == 1
    assert out.splitlines()[0] == f"record without a file: {due[0]}"
    assert out.splitlines()[1].startswith("  already gone; ")
    assert out.splitlines()[2] == "1 finding, 0 fixed."
    assert say("check").code == 1
    code, out, _ = say("check", "--fix")
    assert code == 0
    assert out.splitlines()[1].startswith("  fixed: already gone; ")
    assert say("check").out == "Nothing found.\n"
    assert not manager.is_temp_file(due[0])
    assert os.path.exists("moved")


def test_what_cannot_be_fixed_failed(say: Say, monkeypatch: pytest.MonkeyPatch) -> None:
    findings = (Finding("damage", "/x\x1b\n", "it is broken", True), Finding("damage", "/y", "it is, too", False))
    monkeypatch.setattr("temp_file_manager.cli.commands.check.check", lambda *_, **__: findings)
    code, out, _ = say("check", "--fix")
    assert (code, out.splitlines()[0], out.splitlines()[-1]) == (1, r"damage: /x\x1b\n", "2 findings, 1 fixed.")
    code, out, _ = say("check", "--fix", "--json")
    assert code == 1
    assert json.loads(out)["findings"][0] == {
        "kind": "damage",
        "subject": "/x\x1b\n",
        "explanation": "it is broken",
        "fixed": True,
    }


def test_a_registry_that_is_none_is_told_in_a_line(say: Say, folder: Path) -> None:
    (folder / "base" / ".temp-file-manager").mkdir(parents=True)
    (folder / "base" / ".temp-file-manager" / "registry.db").write_bytes(b"no database" * 1000)
    for command in ("check", "list", "sweep", "stats", "export"):
        code, out, err = say(command)
        assert (code, out) == (2, ""), command
        assert err.startswith("temp-file-manager: ")
        assert err.count("\n") == 1


def test_the_command_line_asks_before_a_large_sweep(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    numbered(tmp_path / "files", 1200)
    base = ["--base-dir", str(tmp_path / "base")]
    assert main(["register", *numbered(tmp_path / "files", 1200), *base]) == 0
    assert main(["sweep", "--quiet", *base]) == 0
    capsys.readouterr()
    assert main(["sweep", "--quiet", "--max-age", "0", *base]) == 1
    assert "--allow-large" in capsys.readouterr().err
    assert len(os.listdir(tmp_path / "files")) == 1200
    assert main(["sweep", "--quiet", "--max-age", "0", "--allow-large", "1200", *base]) == 0
    assert os.listdir(tmp_path / "files") == []
