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
    assert "  Passed by: 1 excluded" in out.splitlines()
    assert out.splitlines()[-1] == "2 files put on record, 10 B."
    assert say("sweep").out.startswith("0 removed")
    assert "2 removed" in say("sweep", "--all").out
    assert sorted(os.listdir(tree)) == ["b", "link", "young"]


def test_a_plan_knows_what_is_on_record(say: Say, tree: Path) -> None:
    make(tree, "a", "b")
    say("register", str(tree / "a"))
    (plan,) = map(json.loads, say("adopt", "--json", str(tree)).lines)
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
    assert (lines[0]["due"], lines[1]["outcome"], lines[-1]["removed"]) == (1, "removed", 1)
    assert os.listdir(tree) == ["a"]


def test_keep_adopting_marks_and_forget_unmarks(say: Say, folder: Path, tree: Path) -> None:
    make(tree, "a")
    assert say("adopt", str(tree), "--forget").code == 1
    assert not (folder / "base").exists()
    say("adopt", str(tree), "--keep-adopting", "--yes", "--exclude", "x", "--max-age", "60")
    make(tree, "b", "x")
    manager = TempFileManager(folder / "base", registry="sqlite:")
    (done,) = adopt_watched(timed(manager, FakeClock(wall=time.time() + 600)))
    assert (done.registered, done.skipped) == (1, {"already on record": 1, "excluded": 1})
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


class TestUnits:
    """``--units``: each directory in one goes as a whole."""

    def test_they_are_put_on_record(self, say: Say, tree: Path) -> None:
        make(tree, "profile/a", "profile/b/c", "other/d", "young/e", "file")
        special(tree / "link", "link")
        code, out, _ = say("adopt", str(tree), "--units", "--exclude", "young", "--yes")
        assert code == 0
        assert out.splitlines()[0].startswith(f"{tree}: 2 directories, ")
        assert {"  Passed by: 1 excluded", "  Passed by: 2 no directory"} <= set(out.splitlines())
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
