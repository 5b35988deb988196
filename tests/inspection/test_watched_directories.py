"""What ``doctor`` and the metrics say of watched directories."""

import errno
import json
import os
from dataclasses import replace
from pathlib import Path

import pytest

import command_line
from command_line import Say
from temp_file_manager import TempFileManager
from temp_file_manager.inspection.doctor import Level
from temp_file_manager.inspection.metrics import ManagerCollector, render
from temp_file_manager.inspection.watched_directories import watching
from temp_file_manager.storage.changes import probe as probing
from temp_file_manager.storage.changes.changes import Changes
from temp_file_manager.storage.changes.contract import Source
from temp_file_manager.storage.changes.hints import Hints
from temp_file_manager.storage.changes.inotify_source import InotifySource
from temp_file_manager.storage.changes.probe import probe
from temp_file_manager.storage.kernel import mounts
from temp_file_manager.storage.tree import Part, Tree

bare, folder, say = command_line.bare, command_line.folder, command_line.say


def test_doctor_says_how_many_are_watched_and_by_what(say: Say, folder: Path, tmp_path: Path) -> None:
    for name in ("first", "second", "third"):
        (tmp_path / name).mkdir()
    assert "watched directories" not in say("doctor").out
    say("adopt", str(tmp_path / "third"), "--keep-adopting", "--yes")
    assert "watched directories" not in say("doctor").out
    for name in ("first", "second"):
        say("adopt", str(tmp_path / name), "--keep-adopting", "--watch", "--yes")
    before = sorted(os.listdir(folder / "base"))
    told = say("doctor", "--json")
    (check,) = [check for check in json.loads(told.out)["checks"] if check["name"] == "watched directories"]
    assert check["level"] == "ok"
    assert check["found"].startswith(f"2 ({tmp_path}/first, {tmp_path}/second); inotify tells of ")
    assert sorted(os.listdir(folder / "base")) == before


def test_doctor_goes_on_when_the_registry_cannot_be_read(say: Say, folder: Path) -> None:
    own = folder / "base" / ".temp-file-manager"
    own.mkdir(parents=True, mode=0o700)
    (own / "registry.db").write_text("no registry")
    assert say("doctor").code == 1


def failing(number: int) -> type[InotifySource]:
    class Failing(InotifySource):
        def enter(self, *_: object) -> None:
            raise OSError(number, os.strerror(number))

    return Failing


class Silent(InotifySource):
    """Hears nothing, as on a file system of which no events come."""

    def enter(self, root: str, path: str, directory: int) -> None:
        """Do nothing."""


@pytest.mark.parametrize(
    ("source", "found", "advice"),
    [
        (failing(errno.ENOSPC), "No space left on device", "max_user_watches"),
        (failing(errno.EACCES), "Permission denied", "see the log of run"),
        (Silent, "inotify tells of nothing here", "see the log of run"),
    ],
)
def test_doctor_says_why_nothing_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: type[Source], found: str, advice: str
) -> None:
    monkeypatch.setattr(probing, "SOURCES", (source,))
    monkeypatch.setattr(probing, "PATIENCE", 0.01)
    (check,) = watching(["/a"], str(tmp_path / "missing"))
    assert (check.level, check.found) == (Level.WARNING, f"1 (/a); {found}")
    assert advice in check.advice
    assert os.listdir(tmp_path) == []


def test_doctor_says_where_others_changes_are_not_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mounts, "kind", lambda path: "nfs4" if path == "/far" else "ext4")
    first, second = watching(["/near", "/far"], str(tmp_path))
    assert (first.level, second.level) == (Level.OK, Level.WARNING)
    assert second.found == "/far is on nfs4, which tells of this machine's changes alone"


def test_a_probe_leaves_nothing_behind(tmp_path: Path) -> None:
    probe(str(tmp_path))
    before = len(os.listdir("/proc/self/fd"))
    assert probe(str(tmp_path)).source == "inotify"
    assert probe(str(tmp_path / "missing")).reason == "No such file or directory"
    assert (os.listdir(tmp_path), len(os.listdir("/proc/self/fd"))) == ([], before)


def test_metrics_count_what_is_watched_and_what_could_not_be(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "tree" / "a").mkdir(parents=True)
    top = str(tmp_path / "tree")

    class Half(InotifySource):
        def enter(self, root: str, path: str, directory: int) -> None:
            if path:
                raise OSError(errno.ENOSPC, "no more")
            super().enter(root, path, directory)

    def half(hints: Hints) -> Source:
        return Half(hints)

    with TempFileManager(tmp_path / "base", registry="sqlite:") as manager:
        changes = Changes(lambda: None, (half,))
        changes.begin()
        with changes.walk(top, watch=True) as walk, Tree(top, lambda _: None, lambda _, __: None) as tree:
            assert list(tree.entries(Part(enter=walk.enter))) == []
            walk.complete = True
        text = render(ManagerCollector(replace(manager.context, changes=changes))).decode()
        changes.close()
    assert "\ntemp_file_watched_directories 1.0\n" in text
    assert "\ntemp_file_unwatched_directories 1.0\n" in text
