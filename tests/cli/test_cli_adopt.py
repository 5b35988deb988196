"""``adopt``: a plan that changes nothing, and what ``--yes`` does; beside it, what is asked for in vain."""

import json
import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

import command_line
from command_line import Say
from contexts import timed
from temp_file_manager import TempFileManager
from temp_file_manager.adopt.survey import Wanted
from temp_file_manager.adopt.watched import adopt_watched, watched
from temp_file_manager.testing import FakeClock
from trees import LATER, make, snapshot, special

bare, folder, say = command_line.bare, command_line.folder, command_line.say


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    tree = tmp_path / "tree"
    tree.mkdir()
    return tree


@pytest.fixture
def later(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Let the wall clock be days ahead from now on."""
    real = time.time
    return lambda: monkeypatch.setattr(time, "time", lambda: real() + LATER)


def test_without_yes_nothing_changes_at_all(say: Say, folder: Path, tree: Path) -> None:
    make(tree, "a", "b/c")
    before = snapshot(folder)
    code, out, err = say("adopt", str(tree), "--keep-adopting")
    assert (code, err) == (0, "")
    assert out.splitlines()[0] == f"{tree}: 2 files, 10 B, can be adopted."
    assert out.splitlines()[-1].startswith("Nothing was done.")
    for flags in (["--once"], ["--once", "--prune"], ["--json"], ["--exclude", "a"], ["--max-age", "0"]):
        assert say("adopt", str(tree), *flags).code == 0
    assert snapshot(folder) == before


def test_yes_puts_files_on_record_and_a_sweep_removes_them(say: Say, tree: Path) -> None:
    make(tree, "a", "b/c", "young")
    special(tree / "link", "link")
    code, out, _ = say("adopt", "--yes", str(tree), "--exclude", "young")
    assert code == 0
    assert "  Passed by: 1 a link" in out.splitlines()
    assert "  Passed by: 1 excluded by young" in out.splitlines()
    assert out.splitlines()[-1] == "2 files put on record, 10 B."
    assert say("sweep").out.startswith("0 removed")
    assert "2 removed" in say("sweep", "--all").out
    assert sorted(os.listdir(tree)) == ["b", "link", "young"]


def test_a_plan_knows_what_is_on_record(say: Say, tree: Path) -> None:
    make(tree, "a", "b")
    say("register", str(tree / "a"))
    known, file, plan = sorted(map(json.loads, say("adopt", "--json", str(tree)).lines), key=len)
    assert known == {"path": str(tree / "a"), "passed_by": "already on record"}
    assert (file["path"], file["bytes"], file["due"]) == (str(tree / "b"), 5, False)
    assert (plan["files"], plan["skipped"], plan["planned_only"]) == (1, {"already on record": 1}, True)


def test_once_removes_what_is_due_and_makes_no_registry(
    say: Say, folder: Path, tree: Path, later: Callable[[], None]
) -> None:
    make(tree, "a/b", "c")
    assert say("adopt", str(tree), "--once", "--yes", "--max-age", "3600").code == 0
    assert (tree / "c").exists()
    later()
    code, out, err = say("adopt", str(tree), "--once", "--yes", "--prune")
    assert (code, err) == (0, "")
    assert f"removed {tree / 'c'}" in out.splitlines()
    assert out.splitlines()[-1] == "1 empty directory removed."
    assert (os.listdir(tree), sorted(os.listdir(folder))) == ([], ["tree"])


def test_once_leaves_what_is_on_record(say: Say, tree: Path, later: Callable[[], None]) -> None:
    make(tree, "a", "b")
    say("register", str(tree / "a"))
    later()
    lines = [json.loads(line) for line in say("adopt", str(tree), "--once", "--yes", "--json").lines]
    assert sorted(line["path"] for line in lines[:2]) == [str(tree / "a"), str(tree / "b")]
    assert (lines[2]["due"], lines[3]["outcome"], lines[-1]["removed"]) == (1, "removed", 1)
    assert os.listdir(tree) == ["a"]


def test_keep_adopting_marks_and_forget_unmarks(say: Say, folder: Path, tree: Path) -> None:
    make(tree, "a")
    assert say("adopt", str(tree), "--forget").code == 1
    assert not (folder / "base").exists()
    say("adopt", str(tree), "--keep-adopting", "--yes", "--exclude", "x", "--max-age", "60")
    make(tree, "b", "x")
    manager = TempFileManager(folder / "base", registry="sqlite:")
    (done,) = adopt_watched(timed(manager, FakeClock(wall=time.time() + 600)))
    assert (done.registered, done.skipped) == (1, {"already on record": 1, "excluded by x": 1})
    assert say("adopt", str(tree), "--forget").code == 0
    assert adopt_watched(manager.context) == ()
    assert len(manager.files) == 2
    manager.close()


def test_watching_is_remembered_with_the_mark(say: Say, folder: Path, tree: Path) -> None:
    make(tree, "a")
    planned = say("adopt", str(tree), "--keep-adopting", "--watch")
    assert "and from then on run adopts what is new there as soon as it is there." in planned.out
    told = say("adopt", str(tree), "--keep-adopting", "--watch", "--yes")
    assert f"From now on run adopts what is new there, as soon as it is there, until adopt --forget {tree}" in told.out
    assert [mark.watch for mark in marks(folder)] == [True]
    lines = say("adopt", str(tree), "--keep-adopting", "--yes", "--json").lines
    assert json.loads(lines[-1])["watch"] is False
    assert [mark.watch for mark in marks(folder)] == [False]


def marks(folder: Path) -> tuple[Wanted, ...]:
    with TempFileManager(folder / "base", registry="sqlite:") as manager:
        return watched(manager.context)


def test_the_registry_in_the_directory_is_not_adopted(say: Say, tree: Path) -> None:
    make(tree, "file")
    address = f"sqlite://{tree}/records.db"
    for _ in range(2):
        assert say("adopt", str(tree), "--yes", "--registry", address, "--log-file", str(tree / "log")).code == 0
    assert "1 removed" in say("sweep", "--all", "--registry", address).out


@pytest.mark.parametrize(
    "flags",
    [
        ["--once", "--keep-adopting"],
        ["--once", "--forget"],
        ["--keep-adopting", "--forget"],
        ["--watch"],
        ["--watch", "--once"],
        ["--watch", "--forget"],
        ["--prune"],
        ["--by", "atime"],
        ["--by", "mtime", "--units"],
        ["--by", "mtime", "--forget"],
        ["--forget", "--yes"],
        ["--exclude", ""],
        ["--exclude", "/abs"],
        ["--exclude"],
        ["--max-age", "soon"],
        ["--max-age", "-1"],
        ["--max-age", "nan"],
        ["--registry", "memory:"],
        ["--yess"],
        ["another"],
    ],
)
def test_flags_that_mean_nothing_are_refused(say: Say, folder: Path, tree: Path, flags: list[str]) -> None:
    make(tree, "file")
    before = snapshot(folder)
    code, out, err = say("adopt", str(tree), *flags)
    assert (code, out) == (2, "")
    assert err
    assert snapshot(folder) == before


@pytest.mark.parametrize("directory", ["/", "/etc", "/usr", "missing", "", "nul\0"])
def test_directories_that_cannot_be_are_refused_before_anything_is_made(say: Say, folder: Path, directory: str) -> None:
    for flags in ([], ["--yes"], ["--yes", "--once", "--max-age", "0"]):
        assert say("adopt", *flags, directory).code == 2
    assert os.listdir(folder) == []


# -- what the plan says


def test_a_plan_names_twenty_files_the_oldest_first_and_says_how_many_more(say: Say, tree: Path) -> None:
    for number, file in enumerate(make(tree, *(f"f{number:02}" for number in range(25)))):
        os.utime(file, (number + 1, number + 1))
    lines = say("adopt", str(tree), "--once", "--by", "mtime").lines
    named = [line.split() for line in lines if str(tree / "f") in line]
    assert [words[-1] for words in named] == [str(tree / f"f{number:02}") for number in range(20)]
    assert all("due" in words for words in named)
    assert "  … and 5 more: --json names each." in lines


def test_a_plan_says_why_nothing_is_due(say: Say, tree: Path) -> None:
    (old,) = make(tree, "old")
    os.utime(old, (1, 1))
    out = say("adopt", str(tree), "--once", "--max-age", "1 d").out
    assert "Nothing is due: the oldest is " in out
    assert " old, and may live 1 d 0 h." in out
    assert "1 file not due, though last written longer ago" in out
    assert "so does --by mtime" in out


@pytest.mark.parametrize(
    ("names", "why"), [(["x.lock"], "all that is there is passed by"), ([], "there is no file in it")]
)
def test_a_plan_without_files_says_why(say: Say, tree: Path, names: list[str], why: str) -> None:
    make(tree, *names)
    assert f"  Nothing can be adopted: {why}." in say("adopt", str(tree), "--exclude", "*.lock").lines


def test_a_plan_says_which_rule_decides(say: Say, folder: Path, tree: Path, later: Callable[[], None]) -> None:
    make(tree, "a.log", "b.log", "c")
    later()
    rules = folder / "rules.toml"
    rules.write_text(f'[[rule]]\nname = "logs"\nmatch = ["{tree}/*.log"]\nkeep = true\n')
    out = say("adopt", str(tree), "--rules", str(rules)).out
    assert "  By the rule logs, which says when they are due: 2 files." in out.splitlines()
    assert "and due now: 1, 5 B." in out
    *named, plan = map(json.loads, say("adopt", str(tree), "--rules", str(rules), "--json").lines)
    assert sorted((one["path"][-5:], one.get("rule"), one.get("due")) for one in named) == [
        ("/a.log"[-5:], "logs", None),
        ("/b.log"[-5:], "logs", None),
        ("ree/c", None, True),
    ]
    assert (plan["rules"], plan["due"]) == ({"logs": 2}, 1)
    for flags in (["--once"], ["--max-age", "60"]):
        assert json.loads(say("adopt", str(tree), "--rules", str(rules), "--json", *flags).lines[-1])["due"] == 3


def test_by_mtime_warns_and_goes_by_the_date(say: Say, tree: Path) -> None:
    (old, _) = make(tree, "old", "new")
    os.utime(old, (1, 1))
    code, out, err = say("adopt", str(tree), "--once", "--by", "mtime", "--max-age", "1 d", "--yes")
    assert (code, os.listdir(tree)) == (0, ["new"])
    assert "counts as old as the date that it carries; 1 of those that are due were changed later" in err
    assert f"removed {old}" in out
    assert say("adopt", str(tree), "--once").err == ""


def test_prune_says_how_many_directories_are_empty_already(say: Say, tree: Path, later: Callable[[], None]) -> None:
    (tree / "empty").mkdir()
    assert "  Empty already, and as old: 0 directories." in say("adopt", str(tree), "--once", "--prune").lines
    later()
    lines = say("adopt", str(tree), "--once", "--prune", "--yes").lines
    assert "  Empty already, and as old: 1 directory." in lines
    assert (lines[-1], os.listdir(tree)) == ("1 empty directory removed.", [])


class TestUnits:
    """``--units``: each directory in one goes as a whole."""

    def test_they_are_put_on_record(self, say: Say, tree: Path) -> None:
        make(tree, "profile/a", "profile/b/c", "other/d", "young/e", "file")
        special(tree / "link", "link")
        code, out, _ = say("adopt", str(tree), "--units", "--exclude", "young", "--yes")
        assert code == 0
        assert out.splitlines()[0].startswith(f"{tree}: 2 directories, ")
        assert {"  Passed by: 1 excluded by young", "  Passed by: 2 no directory"} <= set(out.splitlines())
        assert out.splitlines()[-1].startswith("2 directories put on record, ")
        assert "Passed by: 2 already on record" in say("adopt", str(tree), "--units", "--exclude", "young").out
        assert "2 removed" in say("sweep", "--all").out
        assert sorted(os.listdir(tree)) == ["file", "link", "young"]

    def test_a_plan_changes_nothing(self, say: Say, folder: Path, tree: Path) -> None:
        make(tree, "profile/a")
        before = snapshot(folder)
        out = say("adopt", str(tree), "--units").out
        assert "With --yes these directories are put on record." in out
        assert snapshot(folder) == before

    @pytest.mark.parametrize("flag", ["--once", "--keep-adopting", "--forget"])
    def test_not_with(self, say: Say, tree: Path, flag: str) -> None:
        assert say("adopt", str(tree), "--units", flag).code == 2
