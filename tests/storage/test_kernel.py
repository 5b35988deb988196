"""What the kernel tells of files, mounts, disks and processes, and how it is read."""

import errno
import os
import threading
from pathlib import Path
from typing import Any

import pytest

from hanging_mount import hanging_mount
from temp_file_manager.storage.kernel import file_flags, probe, processes, statx
from temp_file_manager.storage.kernel.mounts import kind_among
from temp_file_manager.storage.kernel.space import is_full
from temp_file_manager.storage.kernel.statx import (
    HERE,
    listed_by_stat,
    listed_looker,
    look_by_stat,
    looker,
    opened_by_stat,
    opened_looker,
    signed,
)

PATIENCE = 60.0
"""Seconds after which what has not answered hangs."""


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


def test_the_room_that_a_file_takes_is_shared_by_its_names(tmp_path: Path) -> None:
    """Excludes code that takes a file's length for its room: of a file with holes, and of one with several names."""
    path, directory = tmp_path / "file", os.open(tmp_path, os.O_RDONLY)
    try:
        with path.open("wb") as file:
            file.write(b"x" * (1 << 16))
            file.truncate(1 << 30)
            os.fsync(file.fileno())
        for names in (1, 2, 3):
            if names > 1:
                os.link(path, tmp_path / f"name {names}")
            room = 512 * os.stat(path).st_blocks // names
            assert 0 < room < 1 << 20
            for look in (looker(), look_by_stat):
                assert look(directory, b"file").disk == room
            for listed in (listed_looker(), listed_by_stat):
                assert listed(directory, b"file").disk == room
    finally:
        os.close(directory)


def test_what_is_open_without_a_name_takes_all_its_room(tmp_path: Path) -> None:
    """Excludes code that divides by the number of names where that is none."""
    path = tmp_path / "file"
    with path.open("wb") as file:
        file.write(b"x" * 5000)
        file.flush()
        os.fsync(file.fileno())
        path.unlink()
        for look in (looker(), look_by_stat):
            assert look(file.fileno(), b"").disk == 512 * os.fstat(file.fileno()).st_blocks


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


def test_a_mount_that_does_not_answer_makes_no_look_at_processes_wait(tmp_path: Path) -> None:
    """Excludes code that asks a dead server about what somebody has open there, whosever file it is looking for."""
    here = tmp_path / "here"
    here.touch()
    with hanging_mount(tmp_path / "mount", ["there"]) as mount:
        if mount is None:
            pytest.skip("takes the right to mount")
        there = os.open(mount.place / "there", os.O_RDONLY)
        told: list[Any] = []

        def look() -> None:
            told.extend([processes.file_users(str(here)), processes.open_inodes()[0]])

        try:
            with here.open():
                mount.deaf = True
                thread = threading.Thread(target=look, daemon=True)
                thread.start()
                thread.join(PATIENCE)
                assert not thread.is_alive(), "it waits for the mount"
        finally:
            mount.deaf = False
            os.close(there)
        users, inodes = told
        assert [user.pid for user in users.processes] == [os.getpid()]
        assert {here.stat().st_ino, 2} <= inodes, "what is open there is seen all the same"


@pytest.mark.parametrize("number", [errno.EPERM, errno.ENOSYS])
def test_where_statx_is_forbidden_stat_is_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    """Excludes code that takes every file for none, since a filter of system calls does not know the newer one."""
    path = tmp_path / "file"
    path.touch()
    forbid(monkeypatch, number)
    directory = os.open(tmp_path, os.O_RDONLY)
    with path.open() as file:
        link = b"/proc/self/fd/%d" % file.fileno()
        try:
            assert looker()(HERE, os.fsencode(path)) == look_by_stat(HERE, os.fsencode(path))
            assert looker()(file.fileno(), b"") == look_by_stat(file.fileno(), b"")
            assert listed_looker()(directory, b"file") == listed_by_stat(directory, b"file")
            assert opened_looker()(link) == opened_by_stat(link)
            with pytest.raises(FileNotFoundError):
                looker()(directory, b"missing")
        finally:
            os.close(directory)


def test_what_a_look_fails_with_otherwise_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Excludes code that asks once more whatever happened: a disk that fails would be asked twice, and hide why."""
    (tmp_path / "file").touch()
    forbid(monkeypatch, errno.EIO)
    for look in (looker(), listed_looker()):
        with pytest.raises(OSError, match=os.strerror(errno.EIO)):
            look(HERE, os.fsencode(tmp_path / "file"))
    with pytest.raises(OSError, match=os.strerror(errno.EIO)):
        opened_looker()(os.fsencode(tmp_path / "file"))


def forbid(monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    """Let ``statx`` fail, as a filter of system calls does."""
    import ctypes

    def fail(*_: object) -> int:
        ctypes.set_errno(number)
        return -1

    monkeypatch.setattr(statx, "system_call", lambda _: fail)
