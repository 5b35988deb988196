"""``sweep --plan`` and ``apply``: the file between them, what is printed, and the exit codes."""

import json
import os
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

import command_line
from command_line import MODULE, Say, environment, files, tfm
from temp_file_manager import TempFileManager, cli
from temp_file_manager.cli import render
from temp_file_manager.testing import FakeClock

bare, folder, say, manager = command_line.bare, command_line.folder, command_line.say, command_line.manager


@pytest.fixture
def due(folder: Path, manager: TempFileManager) -> list[str]:
    """Three files that are due, and a young one."""
    made = files(folder, "a", "b", "c", "young")
    manager.register_files(made[:3], ttl=0)
    manager.register_file(made[3])
    return made


def test_a_plan_is_written_and_applied(say: Say, folder: Path, due: list[str], manager: TempFileManager) -> None:
    code, out, err = say("sweep", "--plan", "plan")
    assert (code, err) == (0, "")
    assert [line.partition(" in ")[0] for line in out.splitlines()] == [
        "Dry run: 3 removed, 0 failed",
        "Written to plan: temp-file-manager apply plan does that, and nothing else.",
    ]
    assert Path("plan").stat().st_mode & 0o777 == 0o600, "it tells of everybody's files"
    assert sorted(os.listdir(folder)) == ["a", "b", "base", "c", "plan", "young"]
    (late,) = files(folder, "late")
    manager.register_file(late, ttl=0)
    manager.pin(due[1])
    code, out, err = say("apply", "plan")
    assert (code, err) == (0, "")
    *outcomes, totals = out.splitlines()
    assert sorted(outcomes) == [
        f"removed {due[0]}",
        f"removed {due[2]}",
        f"skipped {due[1]}: pinned for another endless time",
    ]
    assert totals.startswith("2 removed, 1 skipped, 0 failed in ")
    assert sorted(os.listdir(folder)) == ["b", "base", "late", "plan", "young"]


def test_what_is_skipped_is_told_on_a_terminal_too(
    say: Say, due: list[str], manager: TempFileManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    say("sweep", "--plan", "plan")
    manager.pin(due[1])
    monkeypatch.setattr(render, "on_terminal", lambda: True)
    assert say("apply", "plan").lines[0] == f"skipped {due[1]}: pinned for another endless time"
    assert say("apply", "plan", "--quiet").lines[0].startswith("0 removed, 3 skipped, 0 failed")


def test_json(say: Say, due: list[str]) -> None:
    (totals,) = map(json.loads, say("sweep", "--plan", "plan", "--json").lines)
    assert (totals["removed"], totals["dry_run"]) == (3, True)
    os.rename(due[0], "moved")
    *outcomes, totals = map(json.loads, say("apply", "plan", "--json").lines)
    assert {line["outcome"] for line in outcomes} == {"removed", "skipped"}
    assert (totals["removed"], totals["skipped"], totals["dry_run"]) == (2, 1, False)


def test_a_plan_goes_through_a_pipe(say: Say, due: list[str]) -> None:
    """And with it nothing else."""
    base = ("--base-dir", os.path.abspath("base"))
    plan = tfm("sweep", "--plan", "-", *base)
    assert (plan.returncode, plan.stderr) == (0, "")
    assert "digest" in plan.stdout.splitlines()[-1]

    done = subprocess.run(
        [*MODULE, "apply", "-", *base],
        env=environment(),
        input=plan.stdout,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[-1].startswith("3 removed, 0 failed")
    assert "standard input is closed" in say("apply", "-", stdin=None).err


def test_a_plan_is_of_what_the_sweep_was_asked(say: Say, folder: Path, due: list[str]) -> None:
    with open("a"):
        assert say("sweep", "--plan", "kept").lines[0].startswith("Dry run: 2 removed, 1 kept")
        assert say("sweep", "--plan", "all", "--all", "--even-if-open").lines[0].startswith("Dry run: 4 removed")
        assert say("sweep", "--plan", "one", "--limit", "1", "--even-if-open").lines[0].startswith("Dry run: 1 removed")
        assert say("apply", "one").lines[-1].startswith("1 removed, 0 failed")
        assert say("apply", "all").lines[-1].startswith("3 removed, 1 skipped")
    assert sorted(os.listdir(folder)) == ["all", "base", "kept", "one"]


def test_nothing_is_overwritten(say: Say, due: list[str]) -> None:
    Path("plan").write_text("precious")
    os.symlink("nowhere", "link")
    for path in ("plan", "link", due[0]):
        said = say("sweep", "--plan", path)
        assert (said.code, said.out) == (2, "")
        assert f"{path} is there already: name a file that is not, or move it away" in said.err
    assert Path("plan").read_text() == "precious"
    assert "cannot write no/plan: No such file or directory" in say("sweep", "--plan", "no/plan").err


def test_a_failure_is_the_exit_code(say: Say, due: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    say("sweep", "--plan", "plan")
    unlink = os.unlink

    def refuse(name: Any, **where: Any) -> None:
        if os.fsdecode(name) == "b":
            raise PermissionError(1, "Operation not permitted", due[1])
        unlink(name, **where)

    monkeypatch.setattr("temp_file_manager.storage.local.os.unlink", refuse)
    code, out, err = say("apply", "plan")
    assert (code, err) == (1, "")
    assert f"failed {due[1]}: [Errno 1] Operation not permitted: '{due[1]}'" in out.splitlines()


def test_what_is_refused_is_bad_usage(say: Say, folder: Path, due: list[str]) -> None:
    assert say("sweep", "--plan", "plan").code == 0
    whole = Path("plan").read_bytes()
    Path("cut").write_bytes(whole[: len(whole) // 2])
    for words, why in (
        (("apply", "cut"), "the plan was cut off or edited since it was made: make it again with: temp-file-manager "),
        (("apply", "nowhere"), "cannot read nowhere: No such file or directory"),
        (("apply", "."), "cannot read .: Is a directory"),
        (("apply", "plan", "--base-dir", "other"), "apply it with the plan's --base-dir and --registry"),
        (("apply", "plan", "--registry", "memory:"), "memory: does not keep which file a record is of"),
        (("sweep", "--plan", "new", "--registry", "memory:"), "a plan could mean another one: set registry to sqlite:"),
    ):
        said = say(*words)
        assert (said.code, said.out) == (2, ""), words
        assert why in said.err
        assert said.err.count("\n") == 1
    assert not os.path.exists("new")
    assert all(map(os.path.exists, due))


@pytest.mark.parametrize("accept", [False, True])
def test_a_day_is_one_of_a_clock_that_is_trusted(
    folder: Path, due: list[str], capsys: pytest.CaptureFixture[str], accept: bool
) -> None:
    base, clock = ["--base-dir", "base"], FakeClock(time.time() + 1)
    assert cli.main(["sweep", "--plan", "plan", *base], clock=clock) == 0
    clock.set(wall=clock.wall() + 10 * 86_400)  # it jumps, and nothing is a day older by that
    code = cli.main(["apply", "plan", *(["--accept-clock"] if accept else []), *base], clock=clock)
    assert code == (2 if accept else 0)
    assert ("the plan is 10 d 0 h old" in capsys.readouterr().err) is accept
    assert os.path.exists("a") is accept
