"""What the kernel tells of files, mounts, disks and processes, and how it is read."""

import errno
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NoReturn

import pytest

from hanging_mount import hanging_mount
from patience import PATIENCE
from temp_file_manager.storage.kernel import file_flags, probe, processes, renames, statx
from temp_file_manager.storage.kernel.mounts import kind_among
from temp_file_manager.storage.kernel.space import Room, is_full
from temp_file_manager.storage.kernel.statx import (
    HERE,
    listed_by_stat,
    listed_looker,
    look_by_stat,
    looker,
    mixed,
    opened_by_stat,
    opened_looker,
    signed,
    used_by_stat,
    used_looker,
)
from temp_file_manager.storage.kernel.volumes import volume
from temp_file_manager.storage.tree import is_locked

"""Seconds after which what has not answered hangs."""


def test_a_disk_that_cannot_be_asked_is_not_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Excludes code that blames a full disk for whatever happens where nothing can be told."""
    assert not is_full(str(tmp_path / "missing"))
    assert not is_full("no path \0")
    monkeypatch.delattr(os, "statvfs")
    assert not is_full(str(tmp_path))


@pytest.mark.parametrize(
    ("room", "full"),
    [
        (Room(0, 0.0, 5), True),
        (Room(1 << 20, 0.5, 0), True),
        (Room(1 << 20, 0.5, 1), False),
        (Room(1 << 20, 0.5, None), False),  # btrfs counts none
    ],
)
def test_a_disk_is_full_without_bytes_or_without_files_to_come(room: Room, full: bool) -> None:
    assert room.is_full == full


@pytest.mark.parametrize(
    ("room", "little"),
    [
        (Room(1 << 40, 0.5, 1 << 20, 0.5), False),
        (Room(1 << 40, 0.5, 100, 0.001), True),
        (Room(1 << 40, 0.5, 100, 0.5), False),
        (Room(1 << 20, 0.001, 1 << 20, 0.5), True),
        (Room(1 << 40, 0.001, None), False),
        (Room(1 << 20, 0.5, None), False),
        (Room(0, 0.0, None), True),
    ],
)
def test_little_is_little_of_a_part_too_be_it_bytes_or_files_to_come(room: Room, little: bool) -> None:
    assert room.is_little == little


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
            for used in (used_looker(), used_by_stat):
                assert used(directory, b"file").seen.disk == room
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


@pytest.mark.parametrize("times", [(5.5, 9), (9, 5.5)])
def test_a_use_is_the_later_of_reading_and_writing(tmp_path: Path, times: tuple[float, float]) -> None:
    """Excludes code that reads the times of the kernel's answer from the places of others."""
    path = tmp_path / "file"
    path.touch()
    os.utime(path, times)
    for look in (used_looker(), used_by_stat):
        found = look(HERE, os.fsencode(path))
        assert found.used == 9_000_000_000
        assert found.seen.changed == path.stat().st_ctime_ns
    assert used_looker()(HERE, os.fsencode(path)).seen == looker()(HERE, os.fsencode(path))


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
    below = "rw" if hides else "rw,hidepid=2"
    mounts.write_text(f"none / ext4 rw 0 0\nproc /proc proc {below} 0 0\nproc /proc proc {options} 0 0\n")
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
            assert used_looker()(HERE, os.fsencode(path)) == used_by_stat(HERE, os.fsencode(path))
            assert used_looker()(file.fileno(), b"") == used_by_stat(file.fileno(), b"")
            assert opened_looker()(link) == opened_by_stat(link)
            with pytest.raises(FileNotFoundError):
                looker()(directory, b"missing")
        finally:
            os.close(directory)


def test_what_a_look_fails_with_otherwise_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Excludes code that asks once more whatever happened: a disk that fails would be asked twice, and hide why."""
    (tmp_path / "file").touch()
    forbid(monkeypatch, errno.EIO)
    for look in (looker(), listed_looker(), used_looker()):
        with pytest.raises(OSError, match=os.strerror(errno.EIO)):
            look(HERE, os.fsencode(tmp_path / "file"))
    with pytest.raises(OSError, match=os.strerror(errno.EIO)):
        opened_looker()(os.fsencode(tmp_path / "file"))


Move = Callable[[str, int], list[str]]


@pytest.fixture
def move_failing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Move]:
    """Moves something, by a call that fails with an error; returns what there is then."""
    directory = os.open(tmp_path, os.O_RDONLY)

    def move(kind: str, number: int) -> list[str]:
        path = tmp_path / "old"
        {"file": path.touch, "link": lambda: path.symlink_to("nowhere"), "directory": path.mkdir}[kind]()
        monkeypatch.setattr(renames, "renameat2", lambda: failing(number))
        renames.move(b"old", directory, b"new", directory)
        return os.listdir(tmp_path)

    yield move
    os.close(directory)


def forbid(monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    """Let ``statx`` fail, as a filter of system calls does."""
    monkeypatch.setattr(statx, "system_call", lambda _: failing(number))


def failing(number: int) -> Callable[..., int]:
    """Return a call of the C library's that fails."""
    import ctypes

    def fail(*_: object) -> int:
        ctypes.set_errno(number)
        return -1

    return fail


@pytest.mark.parametrize("text", [None, "", "Name:\tx\n", "CapEff:", "CapEff:\tnone\n"])
def test_where_nothing_tells_capabilities_they_are_unknown(tmp_path: Path, text: str | None) -> None:
    status = tmp_path / "status"
    if text is not None:
        status.write_text(text)
    assert probe.capabilities(str(status)) is None


def test_no_call_of_linux_is_made_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """Excludes code that calls a function of the same name that takes other arguments."""
    find = statx.system_call.__wrapped__
    monkeypatch.setattr(sys, "platform", "darwin")
    assert find("statx") is find("name_to_handle_at") is None


@pytest.mark.parametrize(
    ("error", "complete"), [(FileNotFoundError, True), (ProcessLookupError, True), (PermissionError, False)]
)
@pytest.mark.parametrize("inodes", [processes.open_inodes, processes.mapped_inodes])
def test_a_process_that_ends_while_it_is_read_hides_nothing(
    monkeypatch: pytest.MonkeyPatch, inodes: Callable[[], tuple[set[int], bool]], error: type[OSError], complete: bool
) -> None:
    """Excludes code that says it could not look at all of them whenever one has ended, and so keeps every file."""

    def ended(*_: object, **__: object) -> NoReturn:
        raise error

    monkeypatch.setattr(os, "listdir", lambda path: ["1", "self"] if path == "/proc" else ended())
    monkeypatch.setattr("builtins.open", ended)
    assert inodes() == (set(), complete)


@pytest.mark.parametrize("number", [errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP])
@pytest.mark.parametrize("kind", ["file", "link", "directory"])
def test_where_no_call_renames_without_taking_a_place_two_steps_do(move_failing: Move, kind: str, number: int) -> None:
    """Excludes code that leaves aside what it could put back, where the file system does not know the flag."""
    assert move_failing(kind, number) == ["new"]


@pytest.mark.parametrize("number", [errno.EIO, errno.EXDEV])
def test_a_rename_that_fails_otherwise_is_not_tried_in_two_steps(move_failing: Move, number: int) -> None:
    with pytest.raises(OSError, match=os.strerror(number)):
        move_failing("file", number)


def test_numbers_made_of_handles_differ_and_stay_what_they_are() -> None:
    """They are on record: excludes code that makes others of the same, or the same of most."""
    found = {mixed(kind, handle) for kind in range(50) for handle in (*range(50), 1 << 60, 1 << 120)}
    assert len(found) == 50 * 52
    assert min(found) > 0
    assert max(found) < 1 << 63
    assert mixed(1, 2) == 6528175312401379697


def test_a_link_is_looked_at_itself(tmp_path: Path) -> None:
    """Excludes code that judges what a link leads to, and removes the link for it."""
    (tmp_path / "link").symlink_to(tmp_path)
    directory = os.open(tmp_path, os.O_RDONLY)
    try:
        for look in (looker(), look_by_stat, listed_looker(), listed_by_stat):
            assert look(directory, b"link").mode == os.lstat(tmp_path / "link").st_mode
    finally:
        os.close(directory)


def test_what_has_no_handle_has_no_number_made_of_it(tmp_path: Path) -> None:
    """Excludes code that gives all of them the same, and so takes one for another."""
    assert statx.marker()(HERE, os.fsencode(tmp_path / "missing")) == 0


@pytest.mark.parametrize(
    ("mode", "us", "sticks"),
    [(0o1777, 0, False), (0o1777, 7, False), (0o1777, 8, False), (0o1777, 9, True), (0o777, 9, False)],
)
def test_a_sticky_directory_keeps_what_is_neither_ours_nor_in_ours_and_not_from_root(
    monkeypatch: pytest.MonkeyPatch, mode: int, us: int, sticks: bool
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: us)
    around: Any = SimpleNamespace(st_mode=mode, st_uid=8)
    assert bool(file_flags.sticks(around, 7)) is sticks


def test_what_is_asked_of_a_directory_leaves_nothing_open_and_no_file(tmp_path: Path) -> None:
    look, before = listed_looker(), len(os.listdir("/dev/fd"))
    assert volume(look, HERE, os.fsencode(tmp_path)) != 0
    probe.probe(str(tmp_path))
    assert len(os.listdir("/dev/fd")) <= before
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize(
    ("flags", "way"),
    [
        (os.O_RDONLY, "open for reading"),
        (os.O_WRONLY, "open for writing"),
        (os.O_RDWR | os.O_APPEND, "open for reading and writing"),
    ],
)
def test_who_has_a_file_is_told_with_how_and_of_a_link_nothing(tmp_path: Path, flags: int, way: str) -> None:
    path, link = tmp_path / "file", tmp_path / "link"
    path.touch()
    link.symlink_to(path)
    descriptor = os.open(path, flags)
    try:
        assert [user[::2] for user in processes.file_users(str(path)).processes] == [(os.getpid(), (way,))]
        assert processes.file_users(str(link)).processes == ()
    finally:
        os.close(descriptor)


def test_who_has_a_file_is_told_with_its_command(tmp_path: Path) -> None:
    """Excludes code that takes a short command for one that was cut off, and masks its last word as a password."""
    path = tmp_path / "file"
    path.touch()
    with (
        path.open() as file,
        subprocess.Popen(["sleep", "1000"], stdin=file, stdout=subprocess.DEVNULL) as process,
    ):
        try:
            users = {user.pid: user.command for user in processes.file_users(str(path)).processes}
            assert users[process.pid] == "sleep 1000"
        finally:
            process.kill()


def test_what_lies_in_no_directory_is_no_open_file(tmp_path: Path) -> None:
    """Once a unit was kept because a pipe had the number of a directory in it."""
    reader, writer = os.pipe()
    pair = socket.socketpair()
    (tmp_path / "file").touch()
    os.mkfifo(tmp_path / "fifo")
    opened = [os.open(tmp_path / name, os.O_RDWR) for name in ("file", "fifo")]
    try:
        found, _ = processes.open_inodes()
        assert {os.fstat(one).st_ino for one in opened} <= found
        assert found.isdisjoint(os.fstat(one).st_ino for one in (reader, writer, *(one.fileno() for one in pair)))
    finally:
        for one in (reader, writer, *opened):
            os.close(one)
        for end in pair:
            end.close()


def test_nobody_has_what_is_no_path() -> None:
    assert processes.file_users("no path \0") == processes.FileUsers()
    assert file_flags.obstacle("no path \0") == ""


def test_what_is_never_to_be_changed_is_an_obstacle(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.touch()
    assert file_flags.obstacle(str(path)) == ""
    if subprocess.run(["chattr", "+i", str(path)], check=False, capture_output=True).returncode:
        print("not tried: chattr +i, which takes root and a file system that knows it")
        return
    try:
        assert "chattr -i" in file_flags.obstacle(str(path))
    finally:
        subprocess.run(["chattr", "-i", str(path)], check=True)


@pytest.mark.parametrize(("major", "minor"), [(8, 1), (8, 300), (259, 70000)])
def test_a_volume_is_not_told_by_the_number_of_its_device(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, major: int, minor: int
) -> None:
    """Excludes code that forgets all records of a disk which is another device after a restart."""
    # As the kernel packs it into 32 bits: new_encode_dev in linux/kdev_t.h.
    packed = (minor & 0xFF) | (major << 8) | ((minor & ~0xFF) << 12)
    numbers = []
    for device, file_system in ((os.makedev(major, minor), packed), (os.makedev(7, 7), 7 << 8 | 7)):
        with monkeypatch.context() as patched:
            facts = SimpleNamespace(st_dev=device)
            patched.setattr(os, "fstat", lambda _, facts=facts: facts)
            patched.setattr(os, "fstatvfs", lambda _, number=file_system: SimpleNamespace(f_fsid=number))
            numbers.append(volume(listed_looker(), HERE, os.fsencode(tmp_path)))
    assert numbers[0] == numbers[1]


def test_where_python_has_no_such_module_nothing_is_locked_or_marked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "fcntl", None)
    descriptor = os.open(tmp_path, os.O_RDONLY)
    try:
        assert not is_locked(descriptor)
        assert file_flags.flags(str(tmp_path)) == 0
    finally:
        os.close(descriptor)
