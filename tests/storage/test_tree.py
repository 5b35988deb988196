"""A walk through a tree, and removal of what it left empty: where they go, and what they leave open."""

import fcntl
import os
from pathlib import Path

import pytest

from mounts import mounted
from temp_file_manager.storage.kernel.statx import Listed, ListedLook, listed_looker
from temp_file_manager.storage.prune import prune
from temp_file_manager.storage.tree import Skip, Tree
from trees import make, snapshot


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    tree = tmp_path / "tree"
    tree.mkdir()
    return tree


def test_a_walk_does_not_hold_what_it_has_passed(tree: Path) -> None:
    make(tree, *map(str, range(100)))
    with Tree(str(tree), lambda _: None, lambda *_: None) as walked:
        entries = walked.entries()
        next(entries)
        for path in tree.iterdir():
            path.unlink()
        assert len(list(entries)) < 100, "what was not looked at yet is gone, and is not told of"
        entries.close()


def test_a_walk_that_is_ended_halfway_holds_nothing(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make(tree, "sub/inner/file")
    real, before = os.open, os.listdir("/proc/self/fd")
    inner = list[int]()

    def opening(path: str, flags: int, **where: int) -> int:
        opened = real(path, flags, **where)
        inner.extend([opened] if path == "inner" else [])
        return opened

    def looker() -> ListedLook:
        look = listed_looker()

        def looking(directory: int, name: bytes) -> Listed:
            if directory in inner:
                raise KeyboardInterrupt
            return look(directory, name)

        return looking

    monkeypatch.setattr("temp_file_manager.storage.tree.listed_looker", looker)
    monkeypatch.setattr("temp_file_manager.storage.tree.os.open", opening)
    with Tree(str(tree), lambda _: None, lambda *_: None) as walked:
        with pytest.raises(KeyboardInterrupt):
            list(walked.entries())
        with pytest.raises(OSError, match="Bad file descriptor"):
            os.fstat(inner[0])
    assert os.listdir("/proc/self/fd") == before


@pytest.mark.parametrize("kind", ["link", "nothing", "file"])
def test_a_directory_swapped_after_it_was_seen_leads_nowhere(
    tree: Path, tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    make(tmp_path, "victims/secret", "tree/sub/mine")
    skipped = []

    def seen(path: str, reason: Skip) -> None:
        skipped.append((path, reason))

    real = os.open

    def opening(path: str, flags: int, **where: int) -> int:
        if path == "sub":
            (tree / "sub").rename(tmp_path / "moved")
            if kind == "link":
                (tree / "sub").symlink_to(tmp_path / "victims")
            elif kind == "file":
                (tree / "sub").write_text("x")
        return real(path, flags, **where)

    with Tree(str(tree), lambda _: None, seen) as walked, monkeypatch.context() as patched:
        patched.setattr("temp_file_manager.storage.tree.os.open", opening)
        assert list(walked.entries()) == []
    assert skipped == [("sub", Skip.VANISHED)]


@pytest.mark.parametrize("case", ["ours", "link", "file", "gone", "full", "outside", "private"])
def test_only_empty_directories_of_ours_are_pruned(tree: Path, tmp_path: Path, case: str) -> None:
    path = {"outside": "../outside", "private": "sub/.temp-file-manager"}.get(case, "sub")
    (tmp_path / "outside").mkdir()
    (tree / "sub").mkdir()
    if case == "link":
        (tree / "sub").rmdir()
        (tree / "sub").symlink_to(tmp_path / "outside")
    elif case == "file":
        (tree / "sub").rmdir()
        (tree / "sub").write_text("x")
    elif case == "gone":
        (tree / "sub").rmdir()
    elif case == "full":
        (tree / "sub" / "x").mkdir()
    elif case == "private":
        (tree / path).mkdir()
    before = snapshot(tree)
    with Tree(str(tree), lambda _: None, lambda *_: None) as open_tree:
        pruned = prune(open_tree, [path])
    assert pruned == (case == "ours")
    assert (tmp_path / "outside").is_dir()
    assert pruned or snapshot(tree) == before


def test_a_directory_that_was_mounted_over_meanwhile_is_closed_again(tree: Path) -> None:
    point = tree / "point"
    point.mkdir()
    with (
        Tree(str(tree), lambda _: None, lambda *_: None) as walked,
        mounted(point, ["mount", "-t", "tmpfs", "tmpfs", str(point)]),
    ):
        before = len(os.listdir("/dev/fd"))
        with pytest.raises(OSError, match="cross-device"):
            walked.open("point")
        assert len(os.listdir("/dev/fd")) <= before


def test_what_somebody_has_locked_is_passed_by_and_nothing_is_left_open(tree: Path) -> None:
    make(tree, "locked/file", "a/file", "b/c/file")
    before, skipped = len(os.listdir("/dev/fd")), []
    for path, found in (("", []), ("locked", ["a/file", "b/c/file"])):
        descriptor = os.open(tree / path, os.O_RDONLY)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            with Tree(str(tree), lambda _: None, lambda *what: skipped.append(what)) as walked:
                assert sorted(entry.path for entry in walked.entries()) == found
                assert walked.place[0] == tree.stat().st_ino
        finally:
            os.close(descriptor)
    assert skipped == [("", Skip.LOCKED), ("locked", Skip.LOCKED)]
    assert len(os.listdir("/dev/fd")) <= before


def test_of_names_near_our_own_directory_s_only_ours_is_passed_by(tree: Path) -> None:
    """Excludes code that goes by the order of names."""
    make(tree, ".temp-file-manager/file", ".temp-file-manage/file", ".temp-file-manager2/file", "+/file", "~/file")
    skipped: list[object] = []
    with Tree(str(tree), lambda _: None, lambda *what: skipped.append(what)) as walked:
        found = sorted(entry.path for entry in walked.entries())
    assert found == ["+/file", ".temp-file-manage/file", ".temp-file-manager2/file", "~/file"]
    assert skipped == [(".temp-file-manager", Skip.OURS)]


def test_only_directories_of_our_user_s_are_pruned(tree: Path) -> None:
    if os.geteuid():
        print("not tried: another user's directory, which takes root to make one")
        return
    for name in ("ours", "theirs"):
        (tree / name).mkdir()
    os.chown(tree / "theirs", 12345, 12345)
    with Tree(str(tree), lambda _: None, lambda *_: None) as walked:
        assert prune(walked, ["ours", "theirs"]) == 1
    assert os.listdir(tree) == ["theirs"]


def test_a_walk_ends_at_a_depth(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("temp_file_manager.storage.tree.DEEPEST", 2)
    make(tree, "a/b/file", "a/b/c/file")
    skipped: list[tuple[str, Skip]] = []
    with Tree(str(tree), lambda _: None, lambda *what: skipped.append(what)) as walked:
        assert [entry.path for entry in walked.entries()] == ["a/b/file"]
    assert skipped == [("a/b/c", Skip.DEEP)]
