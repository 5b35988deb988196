"""System files: which are refused and which are not, as any user of any machine, and how often anybody is asked."""

import os
import stat
from pathlib import Path

import pytest

from temp_file_manager.storage.base_rules import CLOSED, COMMON, Entry, Facts, here
from temp_file_manager.storage.system_files import STATE, SystemFiles, judged

ME, OTHER = 1000, 1001
HOMES = {"/home/alice": "alice", "/root": "root", "/var/lib/app": "app", "/tmp": "odd", "/srv": "web"}


def facts(entries: dict[str, Entry] | None = None, *, uid: int = 0, **more: dict[str, str]) -> Facts:
    homes = more.get("homes", HOMES)
    return Facts(uid, uid, frozenset({uid}), homes, frozenset(COMMON), frozenset(CLOSED), (entries or {}).get)


def why(path: str, *, uid: int = 0, entries: dict[str, Entry] | None = None) -> str:
    """Say why a file at a path without links is refused."""
    directory, _, name = path.rpartition("/")
    verdict = judged(directory or "/", facts(entries, uid=uid))
    return verdict.every or (verdict.hidden if name.startswith(".") else "")


@pytest.mark.parametrize(
    "path",
    [
        *("/etc/passwd", "/etc/cron.d/x", "/usr/bin/env", "/usr/local/lib/x", "/bin/sh", "/sbin/init", "/lib/x.so"),
        *("/lib64/ld.so", "/boot/vmlinuz", "/dev/sda", "/proc/self/mem", "/sys/power/state", "/System/x"),
        *("/etc/tmp/x", "/usr/tmp/x"),
    ],
)
@pytest.mark.parametrize("uid", [0, ME])
def test_the_system_s_own_are_refused_as_bases_are(path: str, uid: int) -> None:
    assert why(path, uid=uid).startswith("it lies in the system's /")


def test_what_lies_in_the_root_is_refused() -> None:
    assert why("/swap.img") == "it lies in the root of the file system"
    assert why("/data/x") == ""


@pytest.mark.parametrize(
    "path",
    [
        *("/tmp/x", "/tmp/.x", "/tmp/a/.b/c", "/var/tmp/x", "/var/tmp/a/x", "/dev/shm/x", "/dev/shm/a/.x", "/run/x"),
        *(
            "/run/user/1000/x",
            "/var/cache/x",
            "/usr/src/app/x",
            "/home/alice/x",
            "/home/alice/a/.git/config",
            "/project/x",
        ),
        *("/root/x", "/root/project/.env", "/home/alice/.cache/x", "/root/.cache/pip/a/x", "/home/alice/.tmp/x"),
        *("/home/alice/.config/app/Cache/x", "/home/alice/.local/share/Trash/files/x", "/var/lib/app/tmp/x"),
        *("/opt/app/temp/x", "/var/spool/app/.cache/x", "/mnt/x", "/media/x", "/data/.hidden", "/srv/x"),
    ],
)
@pytest.mark.parametrize("uid", [0, ME])
def test_temporary_places_and_everybody_s_own_are_not(path: str, uid: int) -> None:
    assert why(path, uid=uid) == ""


@pytest.mark.parametrize(
    ("path", "whose"),
    [
        *(("/home/alice/.bashrc", "alice"), ("/root/.profile", "root"), ("/home/alice/.ssh/id_ed25519", "alice")),
        *(("/root/.ssh/authorized_keys", "root"), ("/home/alice/.config/a/b", "alice"), ("/root/.gnupg/x", "root")),
        *(("/home/alice/.cachet/x", "alice"), ("/home/alice/.local/state/x", "alice")),
    ],
)
@pytest.mark.parametrize("uid", [0, ME])
def test_what_is_hidden_in_a_home_is_refused(path: str, whose: str, uid: int) -> None:
    assert whose in why(path, uid=uid)


def test_a_home_that_begins_alike_is_another() -> None:
    assert why("/home/alicelike/.bashrc") == why("/home/.bashrc") == ""


@pytest.mark.parametrize("directory", STATE)
def test_what_services_keep_is_refused_but_for_a_service_s_own(directory: str) -> None:
    file = f"{directory}/thing/x"
    assert directory in why(f"{directory}/x")
    assert directory in why(file)
    for owner, uid, refused in ((0, 0, True), (OTHER, 0, True), (0, ME, True), (OTHER, ME, True), (ME, ME, False)):
        entries = {f"{directory}/thing": Entry(stat.S_IFDIR | 0o755, owner, owner)}
        assert bool(why(file, uid=uid, entries=entries)) is refused, (owner, uid)


# -- real directories


@pytest.fixture
def machine(tmp_path: Path) -> Facts:
    """A machine whose /etc and whose only home lie in ``tmp_path``."""
    for name in ("etc", "home/.ssh", "project", "base"):
        (tmp_path / name).mkdir(parents=True)
    homes = {str(tmp_path / "home"): "alice"}
    return Facts(0, 0, frozenset({0}), homes, frozenset({"/tmp"}), frozenset({str(tmp_path / "etc")}), {}.get)


def test_links_are_resolved_first(tmp_path: Path, machine: Facts) -> None:
    (tmp_path / "project" / "link").symlink_to(tmp_path / "etc")
    (tmp_path / "etc" / "out").symlink_to(tmp_path / "project")
    (tmp_path / "project" / "file").symlink_to(tmp_path / "etc" / "passwd")
    judge = SystemFiles("", lambda: machine)
    assert "the system's" in judge(f"{tmp_path}/project/link/passwd", None)
    assert "the system's" in judge(f"{tmp_path}/project/../etc/passwd", None)
    assert judge(f"{tmp_path}/etc/out/x", None) == ""
    assert judge(f"{tmp_path}/project/file", None) == "", "of a link only the link is ever removed"


def test_the_reason_says_what_to_do(tmp_path: Path, machine: Facts) -> None:
    reason = SystemFiles("", lambda: machine)(f"{tmp_path}/home/.bashrc", None)
    assert reason.endswith("say so with --allow-system, or allow_system=True")


def test_a_directory_is_judged_once_until_another_is_in_its_place(tmp_path: Path, machine: Facts) -> None:
    asked = []
    judge = SystemFiles("", lambda: asked.append(1) or machine)  # type: ignore[func-returns-value]
    link = tmp_path / "project" / "link"
    link.symlink_to(tmp_path / "base")
    seen = [judge(f"{link}/{number}", None) for number in range(100)]
    assert (set(seen), asked) == ({""}, [1])
    link.unlink()
    link.symlink_to(tmp_path / "etc")
    assert "the system's" in judge(f"{link}/0", None)


def test_a_batch_looks_at_a_directory_once(tmp_path: Path, machine: Facts, monkeypatch: pytest.MonkeyPatch) -> None:
    judge = SystemFiles("", lambda: machine).batch()
    looked, real = [], os.stat
    monkeypatch.setattr(os, "stat", lambda path, **how: looked.append(path) or real(path, **how))  # type: ignore[func-returns-value]
    assert {judge(f"{tmp_path}/project/{number}", None) for number in range(100)} == {""}
    assert all("the system's" in judge(f"{tmp_path}/etc/{number}", None) for number in range(100))
    assert "alice" in judge(f"{tmp_path}/home/.x", None)
    assert judge(f"{tmp_path}/home/x", None) == ""
    assert looked == [f"{tmp_path}/{name}" for name in ("project", "etc", "home")]


def test_the_base_is_never_system_but_where_it_can_be_none(tmp_path: Path, machine: Facts) -> None:
    base = tmp_path / "home" / ".local" / "state"
    base.mkdir(parents=True)
    assert SystemFiles(str(base), lambda: machine)(f"{base}/x", None) == ""
    assert SystemFiles("", lambda: machine)(f"{base}/x", None) != ""
    assert SystemFiles(str(tmp_path / "home"), lambda: machine)(f"{tmp_path}/home/.ssh/x", None) != ""
    assert SystemFiles(str(tmp_path / "etc"), lambda: machine)(f"{tmp_path}/etc/x", None) != ""


@pytest.mark.parametrize("path", ["/nowhere/at/all", "/nul\0/x", "/\udcff/x"])
def test_what_is_not_there_is_for_others_to_refuse(path: str) -> None:
    assert SystemFiles("")(path, None) == ""


def test_this_machine_s_homes_are_known_by_their_real_paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "home").symlink_to(tmp_path / "real")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert str(tmp_path / "real") in here().homes
    assert "settings" in SystemFiles("")(f"{tmp_path}/home/.bashrc", None)


def test_it_remembers_no_more_than_it_may(tmp_path: Path, machine: Facts) -> None:
    judge = SystemFiles("", lambda: machine)
    for number in range(1100):
        os.mkdir(tmp_path / "project" / str(number))
        assert judge(f"{tmp_path}/project/{number}/x", None) == ""
    assert "the system's" in judge(f"{tmp_path}/etc/x", None)
