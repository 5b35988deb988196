"""Whose a file is, and its mode changed when it is registered: of no other file, whatever is swapped meanwhile."""

import functools
import os
import socket
import stat
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from renamer import RENAMER
from temp_file_manager.storage import permissions
from temp_file_manager.storage.identity import Examiner
from temp_file_manager.storage.permissions import foreign, foreign_at, restrict
from temp_file_manager.testing.processes import in_child

ROOT_IS_RUNNING = os.geteuid() == 0
STRANGER = 4242
CALLS = 20_000


@pytest.fixture
def place() -> Iterator[Path]:
    """A directory that other users can reach, which pytest's own is not."""
    with tempfile.TemporaryDirectory(prefix="ownership-") as name:
        os.chmod(name, 0o755)
        yield Path(name)


@pytest.fixture(params=["a descriptor's name in /proc", "an opened file, as where there is no O_PATH", "no /proc"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Each way in which a mode is changed."""
    if request.param.startswith("an opened"):
        monkeypatch.setattr(permissions, "POINT_AT", 0)
    elif request.param == "no /proc":
        real = os.chmod

        def without_proc(path: str | Path, mode: int, **others: bool) -> None:
            real(str(path).replace("/proc/self/fd", "/no such directory"), mode, **others)

        monkeypatch.setattr(os, "chmod", without_proc)
    return str(request.param)


def made(path: Path, mode: int, owner: int = -1) -> Path:
    path.write_text("x")
    if owner != -1:
        os.chown(path, owner, owner)
    path.chmod(mode)
    return path


def mode(path: Path) -> int:
    return stat.S_IMODE(os.lstat(path).st_mode)


def as_user(uid: int, work: Callable[[], object]) -> object:
    def become() -> object:
        os.setgroups([])
        os.setresgid(uid, uid, uid)
        os.setresuid(uid, uid, uid)
        return work()

    return in_child(become)


# -- whose it is


def test_a_file_of_ours_is_not_foreign(place: Path) -> None:
    assert foreign(os.geteuid()) == ""
    assert foreign_at(str(made(place / "file", 0o600))) == ""


def test_another_user_s_is(place: Path) -> None:
    assert foreign(STRANGER) == f"it belongs to user {STRANGER}, not to user {os.geteuid()}"
    if not ROOT_IS_RUNNING:
        print("not tried: files of other users, as only root can make them")
        return
    theirs, ours = made(place / "theirs", 0o666, STRANGER), made(place / "ours", 0o666)
    for path, owner, asks in ((theirs, STRANGER, 0), (ours, 0, STRANGER)):
        # To root, too: it could remove it, and has said that it does not want to.
        said = as_user(asks, functools.partial(foreign_at, str(path)))
        assert said == f"it belongs to user {owner}, not to user {asks}"
    assert as_user(STRANGER, lambda: foreign_at(str(theirs))) == ""


def test_it_is_the_effective_user_that_counts(place: Path) -> None:
    if not ROOT_IS_RUNNING:
        print("not tried: another effective user, as only root can become one")
        return
    theirs = made(place / "theirs", 0o666, STRANGER)

    def with_two_users() -> list[str]:
        os.seteuid(STRANGER)
        return [foreign_at(str(theirs)), foreign(os.getuid())]

    assert in_child(with_two_users) == ["", f"it belongs to user 0, not to user {STRANGER}"]


def test_of_a_link_it_is_the_link_s_owner(place: Path) -> None:
    target, link = made(place / "target", 0o600), place / "link"
    link.symlink_to(target)
    assert foreign_at(str(link)) == ""
    if not ROOT_IS_RUNNING:
        print("not tried: a link of another user, as only root can make one")
        return
    os.chown(target, STRANGER, STRANGER)
    assert foreign_at(str(link)) == ""
    os.lchown(link, STRANGER, STRANGER)
    assert foreign_at(str(link)) != ""


def test_what_is_not_there_is_nobody_s(place: Path) -> None:
    (place / "file").touch()
    for missing in ("missing", "file/below"):
        assert foreign_at(str(place / missing)) == ""
    assert foreign_at(str(place / ("x" * 300))) == "File name too long"
    assert foreign_at("a\0b") == "the path holds a NUL character"


# -- its mode


@pytest.mark.parametrize("before", [0o644, 0o666, 0o600, 0o400, 0o4755])
@pytest.mark.parametrize("mask", [0o600, 0o640, 0o400])
def test_a_file_gets_the_mode(place: Path, way: str, before: int, mask: int) -> None:
    path = made(place / "file", before)
    assert restrict(str(path), mask) == ""
    assert (mode(path), path.read_text()) == (mask, "x")


def test_a_file_that_we_may_not_read_gets_it(place: Path) -> None:
    if not ROOT_IS_RUNNING:
        print("not tried: root reads everything, and others cannot be become")
        return
    path = made(place / "file", 0o200, STRANGER)
    assert as_user(STRANGER, lambda: restrict(str(path), 0o600)) == ""
    assert mode(path) == 0o600


def test_without_o_path_a_file_that_we_may_not_read_says_so(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if not ROOT_IS_RUNNING:
        print("not tried: root reads everything, and others cannot be become")
        return
    monkeypatch.setattr(permissions, "POINT_AT", 0)
    path = made(place / "file", 0o200, STRANGER)
    assert as_user(STRANGER, lambda: restrict(str(path), 0o600)) == "Permission denied"


def test_a_file_that_has_the_mode_is_not_touched(place: Path, way: str) -> None:
    path = made(place / "file", 0o600)
    before = os.lstat(path).st_ctime_ns
    assert restrict(str(path), 0o600) == ""
    assert os.lstat(path).st_ctime_ns == before


def test_the_identity_taken_afterwards_is_the_file_s(place: Path, way: str) -> None:
    path = made(place / "file", 0o644)
    assert restrict(str(path), 0o600) == ""
    found = Examiner().examine(str(path))
    assert found is not None
    assert found.identity.changed == os.lstat(path).st_ctime_ns


def test_a_link_and_its_target_are_left(place: Path, way: str) -> None:
    target, link = made(place / "target", 0o644), place / "link"
    link.symlink_to(target)
    assert "it is a link" in restrict(str(link), 0o600)
    assert mode(target) == 0o644


def test_a_file_of_several_names_is_left(place: Path, way: str) -> None:
    path = made(place / "file", 0o644)
    os.link(path, place / "other")
    assert "it has 2 names" in restrict(str(path), 0o600)
    assert mode(path) == 0o644


@pytest.mark.parametrize("kind", ["directory", "pipe", "socket"])
def test_what_is_no_regular_file_is_left(place: Path, way: str, kind: str) -> None:
    path = place / "it"
    if kind == "directory":
        path.mkdir()
    elif kind == "pipe":
        os.mkfifo(path)
    else:
        with socket.socket(socket.AF_UNIX) as listening:
            listening.bind(str(path))
    path.chmod(0o755)
    assert restrict(str(path), 0o600) == "it is no regular file"
    assert mode(path) == 0o755


@pytest.mark.parametrize("us", [0, STRANGER])
def test_another_user_s_file_is_left(place: Path, way: str, us: int) -> None:
    if not ROOT_IS_RUNNING:
        print("not tried: files of other users, as only root can make them")
        return
    path = made(place / "file", 0o666, 4343)
    assert as_user(us, lambda: restrict(str(path), 0o600)) == f"it belongs to user 4343, not to user {us}"
    assert mode(path) == 0o666


def test_what_cannot_be_done_is_said(place: Path, way: str) -> None:
    assert restrict(str(place / "missing"), 0o600) == "No such file or directory"
    assert restrict("a\0b", 0o600) == "the path holds a NUL character"


def test_an_immutable_file_is_left(place: Path, way: str) -> None:
    path = made(place / "file", 0o644)
    done = subprocess.run(["chattr", "+i", str(path)], capture_output=True, check=False)
    if done.returncode:
        print("not tried: no file can be made immutable here")
        return
    try:
        assert restrict(str(path), 0o600) == "Operation not permitted"
    finally:
        subprocess.run(["chattr", "-i", str(path)], check=True)
    assert mode(path) == 0o644


def test_no_descriptor_is_left_open(place: Path, way: str) -> None:
    path, link = made(place / "file", 0o644), place / "link"
    link.symlink_to(path)
    before = os.open(path, os.O_RDONLY)
    os.close(before)
    for name in ("file", "link", "missing"):
        restrict(str(place / name), 0o600)
    after = os.open(path, os.O_RDONLY)
    os.close(after)
    assert after == before


# -- what is swapped between the look and the change


def in_its_place(path: Path, kind: str, victim: Path) -> None:
    path.rename(path.with_name("aside"))
    if kind == "link":
        path.symlink_to(victim)
    else:
        os.link(victim, path)


@pytest.mark.parametrize("kind", ["link", "hard link"])
@pytest.mark.parametrize("look", ["lstat", "open", "fstat"])
def test_a_file_swapped_after_each_look(
    place: Path, way: str, kind: str, look: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whichever call the swap comes after, the victim keeps its mode; so does the file, or it gets the new one."""
    path, victim = made(place / "file", 0o644), made(place / "victim", 0o640)
    real = getattr(os, look)
    pending = [True]

    def then_swap(*args: object) -> object:
        seen = real(*args)
        if pending:
            pending.clear()
            in_its_place(path, kind, victim)
        return seen

    with monkeypatch.context() as patched:
        patched.setattr(os, look, then_swap)
        reason = restrict(str(path), 0o600)
    used = look != "lstat" or way != "a descriptor's name in /proc"
    assert bool(pending) is not used
    assert mode(victim) == 0o640
    original = path if pending else path.with_name("aside")
    assert mode(original) == (0o644 if reason else 0o600)


@pytest.mark.skipif(sys.platform != "linux", reason="renameat2 is Linux's")
@pytest.mark.parametrize("kind", ["link", "hard link"])
def test_a_renamer_that_swaps_it_without_a_pause_harms_nobody(place: Path, way: str, kind: str) -> None:
    """RENAME_EXCHANGE in a loop: half a million swaps a second or more, with no moment in which either is missing."""
    path, other, victim = made(place / "file", 0o644), place / "other", made(place / "victim", 0o640)
    if kind == "link":
        other.symlink_to(victim)
    else:
        os.link(victim, other)
    mine = os.lstat(path).st_ino
    renamer = subprocess.Popen([sys.executable, "-c", RENAMER, str(path), str(other)], stdout=subprocess.PIPE)
    changed = left = 0
    try:
        assert renamer.stdout is not None
        renamer.stdout.readline()
        for number in range(CALLS):
            # Every call has something to change, or its chance to err is lost.
            reason = restrict(str(path), 0o600 if number % 2 else 0o604)
            changed, left = changed + (not reason), left + bool(reason)
            assert mode(victim) == 0o640
    finally:
        renamer.kill()
        renamer.communicate()
    assert changed, "the file was never seen"
    assert left, "the other was never seen: this test tries nothing"
    (ours,) = (entry for entry in (path, other) if os.lstat(entry).st_ino == mine)
    assert mode(ours) in (0o600, 0o604)
