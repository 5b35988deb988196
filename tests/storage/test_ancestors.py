"""Directories above a path: whether somebody else can lead it elsewhere. Root plays the others, in real directories."""

import os
import stat
import struct
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from access_lists import A_GROUP, A_USER, a_list
from mounts import mounted
from temp_file_manager.errors import BaseDirectoryError
from temp_file_manager.storage import ancestors
from temp_file_manager.storage.ancestors import Entry, Opening, Us, opening, root_outside, why_unsafe_above
from temp_file_manager.storage.base_rules import refuse_foreign_private, refuse_unsafe
from temp_file_manager.storage.kernel.access_lists import AccessList, parsed
from temp_file_manager.testing.processes import in_child

ME, OTHER, GROUP, SHARED = 1000, 1001, 1000, 2000
ROOT_IS_RUNNING = os.geteuid() == 0
US = Us(ME, GROUP, frozenset({GROUP, SHARED}), frozenset({0, ME}))


@pytest.fixture
def place() -> Iterator[Path]:
    """A directory that other users can reach, which pytest's own is not."""
    with tempfile.TemporaryDirectory(prefix="ancestors-") as name:
        os.chmod(name, 0o755)
        yield Path(os.path.realpath(name))


def made(path: Path, mode: int = 0o755, uid: int = -1, gid: int = -1) -> Path:
    path.mkdir(parents=True, exist_ok=True)
    if (uid, gid) != (-1, -1):
        os.chown(path, uid, gid)
    path.chmod(mode)
    return path


def refusal(path: str | Path) -> str:
    try:
        refuse_unsafe(os.fspath(path))
    except BaseDirectoryError as error:
        return str(error.strerror)
    return ""


def only_root() -> None:
    if not ROOT_IS_RUNNING:
        pytest.skip("only root can make other users' directories")


# -- the rule, as any user of any machine


@pytest.mark.parametrize(
    ("mode", "gid", "who"),
    [
        pytest.param(0o755, 9, "", id="nobody else"),
        pytest.param(0o777, 9, "all users", id="open to all"),
        pytest.param(0o1777, 9, "", id="sticky"),
        pytest.param(0o775, GROUP, "", id="our primary group's"),
        pytest.param(0o775, SHARED, "group 2000", id="another of our groups'"),
        pytest.param(0o2775, SHARED, "", id="another of our groups', on purpose"),
        pytest.param(0o2775, 9, "group 9", id="a strange group's"),
        pytest.param(0o775, 0, "", id="root's group's"),
    ],
)
def test_who_else_may_change_what_is_in_it_by_its_mode(mode: int, gid: int, who: str) -> None:
    found = opening(Entry(stat.S_IFDIR | mode, 0, gid), US)
    assert (found.who if found else "") == who


@pytest.mark.parametrize(
    ("listed", "who"),
    [
        pytest.param(AccessList(frozenset({OTHER}), frozenset(), owning_group=False), "user 1001", id="a user"),
        pytest.param(AccessList(frozenset({ME, 0}), frozenset(), owning_group=False), "", id="us and root"),
        pytest.param(AccessList(frozenset(), frozenset({9}), owning_group=False), "group 9", id="a group"),
        pytest.param(AccessList(frozenset(), frozenset({GROUP}), owning_group=True), "", id="our group"),
        pytest.param(AccessList(frozenset(), frozenset(), owning_group=False), "", id="nobody"),
    ],
)
def test_the_group_s_bits_are_a_mask_where_there_is_an_access_list(listed: AccessList, who: str) -> None:
    found = Entry(stat.S_IFDIR | 0o775, ME, GROUP, listed)
    assert opening(found, US) == (Opening(who, "chmod g-w") if who else None)
    assert opening(found._replace(mode=stat.S_IFDIR | 0o755), US) is None  # the mask lets nobody


def test_an_access_list_is_read_as_the_kernel_tells_it() -> None:
    assert parsed(a_list((A_USER, 7, OTHER))) == AccessList(frozenset({OTHER}), frozenset(), owning_group=False)
    assert parsed(a_list((A_GROUP, 2, 9), owning=6)) == AccessList(frozenset(), frozenset({9}), owning_group=True)
    assert parsed(a_list((A_USER, 7, OTHER), mask=5)) == AccessList(frozenset(), frozenset(), owning_group=False)
    assert parsed(a_list((A_USER, 5, OTHER))) == AccessList(frozenset(), frozenset(), owning_group=False)
    for strange in (b"", b"\2\0", struct.pack("<I", 3), a_list((A_USER, 7, OTHER))[:-1]):
        with pytest.raises(OSError, match="cannot be understood"):
            parsed(strange)


@pytest.mark.parametrize(
    ("uid_map", "trusted"),
    [
        pytest.param("0 0 4294967295", set(), id="no namespace"),
        pytest.param("0 1000 1", {65534}, id="unshare -r by a user"),
        pytest.param("1000 1000 1", {65534}, id="bubblewrap"),
        pytest.param("0 0 1", set(), id="unshare -r by root, who is known"),
        pytest.param("0 1000 1\n1 100000 65536", set(), id="rootless containers: 65534 is somebody inside"),
        pytest.param("0 1000 1\n70000 100000 65536", {65534}, id="those inside have higher numbers"),
        pytest.param("0 100000 65535", set(), id="65534 is the last one inside"),
        pytest.param("0 100000 65534", {65534}, id="65534 is the first one that is not"),
        pytest.param("", set(), id="nothing is known"),
    ],
)
def test_the_number_of_those_whom_a_user_namespace_does_not_know(uid_map: str, trusted: set[int]) -> None:
    assert root_outside(uid_map, 65534) == trusted


# -- real directories


def test_this_machine_s_usual_ones(tmp_path: Path, place: Path) -> None:
    for path in (tmp_path / "missing" / "deep", place / "x", "/tmp/x", "/var/tmp/x", "/", "/tmp"):
        assert why_unsafe_above(os.fspath(path)) == ""


def test_a_directory_below_another_user_s(place: Path) -> None:
    only_root()
    home = made(place / "alice", 0o755, 4242, 4242)
    mine = made(home / "cache", 0o700)
    for path in (mine, mine / "deep", home / "missing"):
        reason = refusal(path)
        assert f"{home} above it belongs to user 4242, who can put another directory in its place" in reason
        assert "give a directory elsewhere, such as /var/tmp/temp-files, or run this as that user" in reason


def test_a_sticky_one_of_another_user_s_is_the_other_user_s_all_the_same(place: Path) -> None:
    only_root()
    assert "belongs to user 4242" in refusal(made(made(place / "shared", 0o1777, 4242, 4242) / "mine", 0o700))


def test_a_directory_below_one_that_all_may_change(place: Path) -> None:
    mine = made(place / "open" / "mine", 0o700)
    made(place / "open", 0o777)
    assert f"take that right away (chmod o-w {place / 'open'})" in refusal(mine)
    assert "all users may change what is in" in refusal(mine / "deep" / "missing")
    made(place / "open", 0o1777)
    assert refusal(mine) == ""


def test_what_a_link_leads_through_is_judged_and_so_is_what_it_lies_in(place: Path) -> None:
    only_root()
    home = made(place / "alice", 0o755, 4242, 4242)
    safe, mine = made(place / "safe"), made(home / "mine", 0o700)
    (place / "in").symlink_to("alice/../alice/mine")
    (home / "out").symlink_to(safe)
    (place / "twice").symlink_to("in")
    for path in (place / "in", place / "in" / "deep", home / "out", home / "out" / "deep", place / "twice"):
        assert f"{home} above it belongs to user 4242" in refusal(path), path
    (place / "fine").symlink_to(f"{place}/./safe/../safe")
    assert refusal(place / "fine") == ""
    assert refusal(mine) != ""


def test_a_link_that_leads_back_to_itself(place: Path) -> None:
    (place / "loop").symlink_to("loop")
    with pytest.raises(OSError, match="symbolic links"):
        why_unsafe_above(os.fspath(place / "loop" / "x"))


def test_a_base_opened_to_another_user_by_an_access_list(place: Path) -> None:
    base = made(place / "base", 0o700)
    try:
        os.setxattr(base, "system.posix_acl_access", a_list((A_USER, 7, 4242)))
    except OSError as error:
        pytest.skip(f"no access lists here: {error.strerror}")
    assert base.stat().st_mode & 0o770 == 0o770  # to who looks at the mode alone it is our group's
    assert "user 4242 may change what is in it: take that right away (chmod g-w)" in refusal(base)
    assert f"user 4242 may change what is in {base} above it" in refusal(made(base / "deep", 0o700))
    with pytest.raises(BaseDirectoryError, match="others may write to it"):
        refuse_foreign_private(os.fspath(base))
    subprocess.run(["chmod", "g-w", base], check=True)  # what the message says helps
    assert refusal(base) == ""
    assert refusal(base / "deep") == ""


def test_an_access_list_that_cannot_be_read_is_no_permission(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(_: int) -> None:
        raise OSError(5, "Input/output error")

    made(place / "above", 0o775)
    monkeypatch.setattr(ancestors, "access_list", fails)
    assert "cannot be looked at (Input/output error)" in refusal(place / "above" / "base")


def test_a_volume_open_to_all_is_its_container_s(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Kubernetes' emptyDir. On a machine, or to root, it is as open as any other."""
    only_root()
    volume = made(place / "volume")

    def as_a_user(path: Path) -> str:
        def ask() -> str:
            os.setgroups([])
            os.setresgid(4242, 4242, 4242)
            os.setresuid(4242, 4242, 4242)
            return why_unsafe_above(os.fspath(path))

        return str(in_child(ask))

    with mounted(volume, ["mount", "-t", "tmpfs", "-o", "mode=0777", "tmpfs", str(volume)]):
        for in_a_container in (True, False):
            monkeypatch.setattr(ancestors, "sees_all_processes", lambda told=not in_a_container: told)
            assert bool(as_a_user(volume / "base")) is not in_a_container
            assert f"chmod o-w {volume}" in why_unsafe_above(os.fspath(volume / "base"))
        monkeypatch.setattr(ancestors, "sees_all_processes", lambda: False)
        made(volume / "below", 0o777)
        assert "below above it" in as_a_user(volume / "below" / "base")  # a directory of the volume is no volume


def test_no_descriptor_is_left_open(place: Path) -> None:
    made(place / "open", 0o777)
    (place / "link").symlink_to("/tmp")
    before = os.listdir("/proc/self/fd")
    for path in (place / "open" / "x", place / "link" / "x", place / "missing" / "x", "/"):
        why_unsafe_above(os.fspath(path))
    assert os.listdir("/proc/self/fd") == before
