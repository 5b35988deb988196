"""What the kernel tells of files, mounts, disks and processes, and how it is read."""

import os
from pathlib import Path

import pytest

from temp_file_manager.storage.kernel import file_flags, probe
from temp_file_manager.storage.kernel.mounts import kind_among
from temp_file_manager.storage.kernel.space import is_full
from temp_file_manager.storage.kernel.statx import HERE, looker, signed


def test_a_disk_that_cannot_be_asked_is_not_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Excludes code that blames a full disk for whatever happens where nothing can be told."""
    assert not is_full(str(tmp_path / "missing"))
    monkeypatch.delattr(os, "statvfs")
    assert not is_full(str(tmp_path))


@pytest.mark.parametrize(
    ("inode", "stored"), [(1, 1), ((1 << 63) - 1, (1 << 63) - 1), (1 << 63, -(1 << 63)), ((1 << 64) - 1, -1)]
)
def test_inode_numbers_fit_what_sql_can_hold(inode: int, stored: int) -> None:
    """Excludes code that hands SQLite the large numbers of network file systems, which it refuses."""
    assert signed(inode) == stored


def test_a_birth_is_told_in_the_unit_of_a_change(tmp_path: Path) -> None:
    """Excludes code that reads the kernel's seconds wrongly: identities on record would be nobody's after an update."""
    path = tmp_path / "file"
    path.touch()
    seen = looker()(HERE, os.fsencode(path))
    assert seen.changed == os.stat(path).st_ctime_ns
    assert not seen.born or abs(seen.changed - seen.born) < 1e9


def test_of_two_mounts_on_one_place_the_last_counts() -> None:
    """Excludes code that takes the file system that was mounted over for the one in which files are overwritten."""
    line = "{} 1 0:1 / /mnt rw - {} none rw"
    told = "\n".join([line.format(1, "btrfs"), line.format(2, "ext4")])
    assert kind_among(told, "/mnt/file") == "ext4"


@pytest.mark.parametrize(
    ("options", "hides"), [("rw", False), ("rw,nosuid,hidepid=2", True), ("rw,hidepid=invisible,gid=4", True)]
)
def test_a_proc_that_hides_others_says_so_among_its_options(tmp_path: Path, options: str, hides: bool) -> None:
    """Excludes code that reads the options as one word, and then trusts a /proc that shows half the processes."""
    mounts = tmp_path / "mounts"
    mounts.write_text(f"none / ext4 rw 0 0\nproc /proc proc {options} 0 0\n")
    assert probe.hides_processes(str(mounts)) is hides


def test_a_mark_is_looked_for_without_following_or_waiting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Excludes code that hangs at a pipe, or asks a link's target, when the file is swapped before it is opened."""
    asked: list[int] = []

    def opened(path: str, flags: int) -> int:
        asked.append(flags)
        raise FileNotFoundError(path)

    monkeypatch.setattr(os, "open", opened)
    assert not file_flags.flags(str(tmp_path))
    assert asked[0] & os.O_NONBLOCK
    assert asked[0] & os.O_NOFOLLOW
