"""Which directories are refused as a base: the rules as any user of any machine, then real directories."""

import errno
import os
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from temp_file_manager import TempFileManager
from temp_file_manager.cli import main
from temp_file_manager.errors import BaseDirectoryError, InvalidArgumentError
from temp_file_manager.storage import base_directory, base_rules
from temp_file_manager.storage.base_rules import CLOSED, COMMON, Entry, Facts, refuse_foreign_private, unsafe
from temp_file_manager.storage.own_files import OWN_DIRECTORY
from temp_file_manager.testing.processes import in_child

ME, OTHER, GROUP, VOLUME = 1000, 1001, 1000, 2000
"""Two users, the first one's primary group, and another of its groups, as an fsGroup is."""

ROOT_IS_RUNNING = os.geteuid() == 0


def directory(mode: int, uid: int = ME, gid: int = GROUP) -> Entry:
    return Entry(stat.S_IFDIR | mode, uid, gid)


def facts(entries: dict[str, Entry] | None = None, *, uid: int = ME, gid: int = GROUP) -> Facts:
    """A machine with a few homes, on which nothing is there but ``entries``."""
    homes = {"/home/alice": "alice", "/root": "root", "/srv/app/state/home": "app", "/nonexistent": "nobody"}
    known = entries or {}
    return Facts(uid, gid, frozenset({gid, VOLUME}), homes, frozenset(COMMON), frozenset(CLOSED), known.get)


# -- by name


@pytest.mark.parametrize("base", ["/", *COMMON, *CLOSED])
@pytest.mark.parametrize("uid", [0, ME])
def test_the_system_s_own_directories_are_refused(base: str, uid: int) -> None:
    entries = {base: directory(0o755, uid), "/": directory(0o755, uid)}
    assert "give a directory" in unsafe(base, facts(entries, uid=uid))


@pytest.mark.parametrize(
    "base",
    [
        *("/proc/self", "/sys/fs/cgroup", "/dev/mqueue", "/boot/x", "/etc/myapp/tmp", "/usr/share/x", "/usr/local/x"),
        *("/bin/x", "/sbin/x", "/lib/x", "/lib64/x", "/System/x"),
    ],
)
def test_what_lies_below_the_closed_ones_is_refused(base: str) -> None:
    assert "the system's" in unsafe(base, facts())


@pytest.mark.parametrize(
    "base",
    [
        *("/tmp/aiecs_temp", "/tmp/x/y", "/var/lib/myapp", "/var/tmp/x", "/var/cache/x", "/run/x", "/run/user/1000"),
        *("/opt/x", "/dev/shm/x", "/usr/src/app/tmp", "/srv/x", "/mnt/x", "/media/x", "/home/alice/tmp", "/root/tmp"),
        *("/var/folders/zz/zyx/T", "/Users/alice/tmp", "/data", "/work", "/etcetera", "/usr2/x", "/tmpfs", "/..data"),
    ],
)
def test_what_lies_below_the_common_ones_or_elsewhere_is_not(base: str) -> None:
    assert unsafe(base, facts()) == ""
    assert unsafe(base, facts({base: directory(0o700)})) == ""


@pytest.mark.parametrize(
    ("base", "why"),
    [
        ("/home/alice", "it is the home of alice"),
        ("/root", "it is the home of root"),
        ("/srv/app/state/home", "it is the home of app"),
        ("/srv/app/state", "it holds /srv/app/state/home, the home of app"),
        ("/srv/app", "it holds /srv/app/state/home, the home of app"),
        ("/srv/app/state/home/tmp", ""),
        ("/srv/app/state/ho", ""),
        ("/srv/app/other", ""),
        ("/home/alicelike", ""),
    ],
)
def test_a_home_and_what_holds_one_are_refused(base: str, why: str) -> None:
    reason = unsafe(base, facts({base: directory(0o700)}))
    assert reason.startswith(why)
    assert bool(reason) is bool(why)


# -- by owner and mode


@pytest.mark.parametrize(
    ("entry", "why"),
    [
        pytest.param(directory(0o700), "", id="as mkdtemp makes one"),
        pytest.param(directory(0o755), "", id="as a umask of 022 makes one"),
        pytest.param(directory(0o775), "", id="as a umask of 002 makes one, where each user has a group"),
        pytest.param(directory(0o2770, gid=VOLUME), "", id="0700 after Kubernetes has given it to an fsGroup"),
        pytest.param(directory(0o1777, uid=0, gid=0), "", id="the root of a tmpfs"),
        pytest.param(directory(0o1770, uid=0, gid=VOLUME), "", id="root's, sticky, a group's"),
        pytest.param(directory(0o1777), "", id="ours, sticky"),
        pytest.param(directory(0o1775, gid=9), "", id="ours, sticky, a strange group's"),
        pytest.param(directory(0o777), "all users may change", id="ours, open to all"),
        pytest.param(directory(0o707), "all users may change", id="ours, open to all but the group"),
        pytest.param(directory(0o2777, gid=VOLUME), "all users may change", id="ours, open to all, set-group-id"),
        pytest.param(directory(0o777, uid=0, gid=0), "it belongs to root", id="emptyDir"),
        pytest.param(directory(0o2777, uid=0, gid=VOLUME), "it belongs to root", id="emptyDir with an fsGroup"),
        pytest.param(directory(0o2775, uid=0, gid=VOLUME), "it belongs to root", id="a volume with an fsGroup"),
        pytest.param(directory(0o755, uid=0, gid=0), "it belongs to root", id="root's"),
        pytest.param(directory(0o775, gid=VOLUME), "group 2000 may change", id="a group of ours, by accident"),
        pytest.param(directory(0o2775, gid=9), "group 9 may change", id="a strange group's"),
        pytest.param(directory(0o700, uid=OTHER), "it belongs to user 1001", id="another user's"),
        pytest.param(directory(0o1777, uid=OTHER), "it belongs to user 1001", id="another user's, sticky"),
        pytest.param(directory(0o1777, uid=65534), "it belongs to user 65534", id="unmapped in a user namespace"),
    ],
)
def test_who_may_change_it(entry: Entry, why: str) -> None:
    reason = unsafe("/data", facts({"/data": entry}))
    assert reason.startswith(why)
    assert bool(reason) is bool(why)


def test_an_empty_dir_s_refusal_says_that_a_directory_inside_it_will_do() -> None:
    empty_dir = {"/tmp/aiecs_temp": directory(0o2777, uid=0, gid=VOLUME)}
    assert "give a directory inside it, such as /tmp/aiecs_temp/temp-files" in unsafe(
        "/tmp/aiecs_temp", facts(empty_dir)
    )
    inside = "/tmp/aiecs_temp/temp-files"
    assert unsafe(inside, facts(empty_dir)) == ""
    assert unsafe(inside, facts({**empty_dir, inside: directory(0o2700, gid=VOLUME)})) == ""


def test_of_another_user_s_directory_no_part_is_recommended() -> None:
    assert "inside" not in unsafe("/data", facts({"/data": directory(0o700, uid=OTHER)}))


def test_root_s_rules_are_no_others() -> None:
    assert "belongs to user 1000, not to root" in unsafe("/data", facts({"/data": directory(0o700)}, uid=0, gid=0))
    assert unsafe("/data", facts({"/data": directory(0o775, 0, 0)}, uid=0, gid=0)) == ""


# -- by what lies above


@pytest.mark.parametrize("above", ["/data", "/data/mine/deep"])
def test_one_inside_another_base_is_refused(above: str) -> None:
    entries = {above: directory(0o700), f"{above}/{OWN_DIRECTORY}": directory(0o700)}
    assert f"in another base directory, {above}:" in unsafe("/data/mine/deep/base", facts(entries))


def test_one_that_holds_another_or_its_own_folder_is_not() -> None:
    entries = {
        "/data": directory(0o700),
        f"/data/{OWN_DIRECTORY}": directory(0o700),
        "/data/below": directory(0o700),
        f"/data/below/{OWN_DIRECTORY}": directory(0o700),
    }
    assert unsafe("/data", facts(entries)) == ""
    assert unsafe("/data/below", facts(entries)) != ""


@pytest.mark.parametrize("base", [f"/data/{OWN_DIRECTORY}", f"/data/{OWN_DIRECTORY}/quarantine"])
def test_the_package_s_own_folder_is_refused(base: str) -> None:
    assert "this package's own" in unsafe(base, facts({base: directory(0o700)}))


@pytest.mark.parametrize(
    ("above", "folder", "counts"),
    [
        pytest.param(directory(0o700, OTHER), directory(0o700, OTHER), True, id="another user works there"),
        pytest.param(directory(0o1777, 0), directory(0o700), True, id="we do, in a sticky one"),
        pytest.param(directory(0o1777, 0), directory(0o700, 0), True, id="root does, in a sticky one"),
        pytest.param(directory(0o1777, 0), directory(0o700, OTHER), False, id="a stranger's, in a sticky one"),
        pytest.param(directory(0o777, 0), directory(0o700), False, id="from before such a one was refused"),
        pytest.param(directory(0o700), Entry(stat.S_IFREG | 0o600, ME, GROUP), False, id="a file of that name"),
        pytest.param(directory(0o700), Entry(stat.S_IFLNK | 0o777, ME, GROUP), False, id="a link of that name"),
    ],
)
def test_what_counts_as_another_base(above: Entry, folder: Entry, counts: bool) -> None:
    entries = {"/data": above, f"/data/{OWN_DIRECTORY}": folder}
    assert bool(unsafe("/data/base", facts(entries))) is counts


@pytest.mark.parametrize("above", ["/tmp", "/home/alice", "/"])
def test_a_folder_where_no_base_can_be_keeps_nobody_from_working_below(above: str) -> None:
    """Anybody may make one in /tmp."""
    own = os.path.join(above, OWN_DIRECTORY)
    entries = {above: directory(0o1777, 0), own: directory(0o700, 0)}
    assert unsafe(os.path.join(above, "base"), facts(entries)) == ""


# -- what is said


def test_names_of_strangers_are_escaped() -> None:
    home = "/srv/\x1b[2Jhome"
    plain = facts()
    told = Facts(ME, GROUP, plain.groups, {home: "eve\n"}, plain.common, plain.closed, plain.look)
    for base in (home, "/srv/\x1b[2Jhome"[:-1], os.path.dirname(home)):
        assert unsafe(base, told).isprintable()


def test_a_refusal_is_an_error_that_says_which_and_what_to_do() -> None:
    with pytest.raises(
        BaseDirectoryError, match=r"many programs use .*: give a directory inside it, such as "
    ) as caught:
        base_rules.refuse_unsafe("/tmp")
    assert (caught.value.errno, caught.value.filename) == (errno.EPERM, "/tmp")


# -- real directories


@pytest.fixture
def place() -> Iterator[Path]:
    """A directory that other users can reach, which pytest's own is not."""
    with tempfile.TemporaryDirectory(prefix="base-guard-") as name:
        os.chmod(name, 0o755)
        yield Path(os.path.realpath(name))


def made(path: Path, mode: int, uid: int = -1, gid: int = -1) -> Path:
    path.mkdir(parents=True, exist_ok=True)
    if (uid, gid) != (-1, -1):
        os.chown(path, uid, gid)
    path.chmod(mode)
    return path


def refusal(base: str | Path) -> str:
    try:
        base_rules.refuse_unsafe(os.fspath(base))
    except BaseDirectoryError as error:
        return str(error.strerror)
    return ""


def as_user(uid: int, gid: int, groups: list[int], base: Path) -> str:
    def ask() -> str:
        os.setgroups(groups)
        os.setresgid(gid, gid, gid)
        os.setresuid(uid, uid, uid)
        os.environ["HOME"] = "/"
        return refusal(base)

    return str(in_child(ask))


@pytest.mark.parametrize(
    "base", ["/", "/etc", "/etc/x", "/usr/share/x", "/proc/self/fd", "/home", "//", "//tmp", "/tmp/.."]
)
def test_this_machine_s_are_refused(base: str) -> None:
    assert "not to be used as a base directory" in refusal(base)


def test_this_user_s_home_is_refused(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = made(place / "holds" / "home", 0o700)
    (place / "link").symlink_to(home)
    monkeypatch.setenv("HOME", str(place / "link"))
    assert "it is the home of this user" in refusal(home)
    assert "it is the home of this user" in refusal(place / "link")
    assert "the home of this user" in refusal(home.parent)
    assert refusal(home / "tmp") == ""
    assert refusal(os.path.expanduser(f"~{'root' if ROOT_IS_RUNNING else ''}")) != ""


@pytest.mark.parametrize("home", ["", "/", "not absolute", "//"])
def test_a_home_that_is_none_covers_nothing(place: Path, monkeypatch: pytest.MonkeyPatch, home: str) -> None:
    monkeypatch.setenv("HOME", home)
    assert refusal(made(place / "base", 0o700)) == ""


def test_the_usual_ones_are_not(tmp_path: Path, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert refusal(tmp_path) == ""
    assert refusal(tmp_path / "missing" / "deep") == ""
    assert refusal(tempfile.mkdtemp(dir=place)) == ""
    assert refusal("/tmp/aiecs_temp that is not there") == ""
    monkeypatch.chdir(made(place / "here", 0o700))
    assert (refusal("."), refusal("base")) == ("", "")


def test_shared_memory_s_below_is_not() -> None:
    if not os.path.isdir("/dev/shm"):
        print("not tried: there is no /dev/shm")
        return
    with tempfile.TemporaryDirectory(dir="/dev/shm") as name:
        assert refusal(name) == ""
        assert refusal(os.path.join(name, "missing")) == ""


def test_a_link_is_judged_by_where_it_leads(place: Path) -> None:
    made(place / "target", 0o700)
    for name, target in {"root": "/", "etc": "/etc", "tmp": "/tmp", "fine": "target"}.items():
        (place / name).symlink_to(target)
    assert "(it leads to /): it is the root" in refusal(place / "root")
    assert "(it leads to /etc)" in refusal(place / "etc")
    assert "the system's /etc" in refusal(place / "etc" / "x")
    assert "many programs use /tmp" in refusal(place / "tmp")
    assert refusal(place / "fine") == ""
    assert "(it leads to /):" in refusal("/proc/self/root")


def test_links_that_lead_nowhere_and_names_that_are_none(place: Path) -> None:
    (place / "loop").symlink_to("loop")
    (place / "file").touch()
    assert refusal(place / "loop") != ""
    assert refusal(place / "file") == "the base directory is a file: choose another"
    assert refusal(place / "file" / "below") == ""  # making it will say so
    assert "cannot be looked at (File name too long)" in refusal(place / ("x" * 300))
    with pytest.raises(InvalidArgumentError, match="NUL"):
        base_rules.refuse_unsafe("a\0b")


def test_real_modes(place: Path) -> None:
    base = made(place / "base", 0o777)
    assert "all users may change what is in it" in refusal(base)
    assert "all users may change what is in" in refusal(base / "temp-files")
    assert "all users may change what is in" in refusal(made(base / "temp-files", 0o700))
    for mode in (0o1777, 0o755, 0o700):
        assert refusal(made(base, mode)) == ""
        assert refusal(base / "temp-files") == ""


def test_real_other_users(place: Path) -> None:
    if not ROOT_IS_RUNNING:
        print("not tried: other users, as only root can become them")
        return
    base, inside = place / "base", place / "base" / "inside"
    made(base, 0o700, 4242, 4242)
    assert "it belongs to user 4242, not to root" in refusal(base)
    assert as_user(4242, 4242, [], base) == ""
    made(base, 0o2770, 4242, 4343)
    assert as_user(4242, 4242, [4343], base) == ""
    assert "group 4343 may change" in as_user(4242, 4242, [], base)
    made(base, 0o2777, 0, 4343)  # an emptyDir with an fsGroup
    assert "it belongs to root, not to user 4242: give a directory inside it" in as_user(4242, 4242, [4343], base)
    assert "all users may change what is in" in as_user(4242, 4242, [4343], inside)  # it is no volume's top
    made(base, 0o2775, 0, 4343)  # a volume with an fsGroup
    assert as_user(4242, 4242, [4343], inside) == ""
    made(inside, 0o2700, 4242, 4343)
    assert as_user(4242, 4242, [4343], inside) == ""
    made(base, 0o1777, 0, 0)
    assert as_user(4242, 4242, [], base) == ""


def test_a_base_that_cannot_be_looked_at(place: Path) -> None:
    if not ROOT_IS_RUNNING:
        print("not tried: a directory closed to this user, as root closes none to itself")
        return
    made(place / "closed", 0o700)
    assert "cannot be looked at (Permission denied)" in as_user(4242, 4242, [], place / "closed" / "base")


def test_a_link_that_a_stranger_left_in_a_sticky_directory(place: Path) -> None:
    """/tmp/aiecs_temp is a name that anybody can make before we do, to have us work where he likes."""
    target, shared = made(place / "target", 0o700), made(place / "shared", 0o1777)
    link = shared / "aiecs_temp"
    link.symlink_to(target)
    assert refusal(link) == ""
    if not ROOT_IS_RUNNING:
        print("not tried: a stranger's link, as only root can make one")
        return
    os.lchown(link, 4242, 4242)
    assert "is a link that user 4242 made" in refusal(link)
    assert "is a link that user 4242 made" in refusal(link / "below")
    made(shared, 0o755)
    assert refusal(link) == ""
    made(shared, 0o1777, 4242, 4242)  # the kernel follows it, as the directory is the link's owner's
    assert "belongs to user 4242, who can put another directory in its place" in refusal(link)


def test_real_nesting(place: Path) -> None:
    outer = made(place / "outer", 0o700)
    made(outer / OWN_DIRECTORY, 0o700)
    (place / "link").symlink_to(outer)
    assert refusal(outer) == ""
    for inner in (outer / "inner", outer / "missing" / "inner", place / "link" / "inner"):
        assert f"in another base directory, {outer}" in refusal(inner)
    assert "this package's own" in refusal(outer / OWN_DIRECTORY)


# -- the package's own folder


def refused_private(path: Path) -> str:
    try:
        refuse_foreign_private(str(path))
    except BaseDirectoryError as error:
        return str(error.strerror) if error.filename == str(path) else repr(error)
    return ""


def test_the_own_folder_is_a_directory_of_ours_for_nobody_else(place: Path) -> None:
    own = place / OWN_DIRECTORY
    assert refused_private(own) == ""
    own.symlink_to(made(place / "target", 0o700))
    assert "it is a link" in refused_private(own)
    own.unlink()
    own.touch()
    assert "it is no directory" in refused_private(own)
    own.unlink()
    for mode in (0o700, 0o755, 0o500):
        assert refused_private(made(own, mode)) == ""
    for mode in (0o777, 0o1777, 0o702):
        assert "others may write to it" in refused_private(made(own, mode))


def test_the_own_folder_is_not_another_user_s(place: Path) -> None:
    if not ROOT_IS_RUNNING:
        print("not tried: other users' folders, as only root can make them")
        return
    own = place / OWN_DIRECTORY
    assert "it belongs to user 4242, not to root" in refused_private(made(own, 0o700, 4242, 4242))
    assert "others may write to it" in refused_private(made(own, 0o770, 0, 4343))
    with_group = made(own, 0o2770, 0, 4343)  # what Kubernetes makes of 0700 when the pod starts again

    def in_the_group() -> str:
        os.setgroups([4343])
        return refused_private(with_group)

    assert in_child(in_the_group) == ""


# -- what is read of the machine


def test_the_facts_of_this_machine() -> None:
    here = base_rules.here()
    assert (here.uid, here.gid) == (os.geteuid(), os.getegid())
    assert {os.path.realpath("/tmp"), os.path.realpath("/var/run")} <= here.common
    assert os.path.realpath("/bin") in here.closed
    assert not {"/", ""} & ({*here.homes} | here.common | here.closed)
    assert here.homes["/root"] == "root" or ROOT_IS_RUNNING


def test_a_system_directory_that_leads_to_the_root_does_not_cover_everything(place: Path) -> None:
    """As /usr does on the Hurd."""
    (place / "usr").symlink_to("/")
    assert base_rules.resolved([str(place / "usr"), str(place)]) == {str(place)}


def test_without_a_user_database_only_our_own_homes_are_known(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a container that has neither a file of users nor a name for this one."""
    monkeypatch.setitem(sys.modules, "pwd", None)
    monkeypatch.setenv("HOME", "/somewhere")

    def missing(*_: object, **__: object) -> object:
        raise FileNotFoundError

    monkeypatch.setattr(base_rules, "open", missing, raising=False)
    assert base_rules.here().homes == {"/root": "root", "/somewhere": "this user"}


def test_what_only_unix_has_is_imported_when_it_is_needed() -> None:
    program = (
        "import sys; import temp_file_manager.storage.base_rules, temp_file_manager.storage.permissions; "
        "sys.exit('pwd' in sys.modules)"
    )
    subprocess.run([sys.executable, "-I", "-c", program], check=True)


def test_a_refused_base_directory_is_not_made_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Excludes code that makes directories below /etc and then says that it must not."""

    def refuse(path: str) -> None:
        raise BaseDirectoryError(0, "refused", path)

    monkeypatch.setattr(base_directory, "refuse_unsafe", refuse)
    with pytest.raises(BaseDirectoryError, match="refused"):
        base_directory.BaseDirectory(str(tmp_path / "base"), durable=True).make()
    assert not (tmp_path / "base").exists()


@pytest.mark.parametrize("base", ["/", "/etc", "/usr/lib", os.path.expanduser("~"), "/proc/self", "/tmp"])
def test_a_base_that_is_not_ours_is_refused_with_exit_code_2(base: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(BaseDirectoryError, match="not to be used as a base directory"):
        TempFileManager(base, registry="sqlite:")
    assert main(["list", "--base-dir", base]) == 2
    assert "not to be used as a base directory" in capsys.readouterr().err
    assert not os.path.exists(os.path.join(base, ".temp-file-manager"))


def test_a_private_folder_that_is_a_link_is_refused(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir(mode=0o700)
    (tmp_path / "base").mkdir(mode=0o700)
    (tmp_path / "base" / ".temp-file-manager").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(BaseDirectoryError):
        TempFileManager(tmp_path / "base", registry="sqlite:")
    assert list((tmp_path / "elsewhere").iterdir()) == []


def test_a_base_that_a_durable_registry_makes_is_private(tmp_path: Path) -> None:
    former = os.umask(0)
    try:
        TempFileManager(tmp_path / "durable", registry="sqlite:").close()
        TempFileManager(tmp_path / "plain")
    finally:
        os.umask(former)
    modes = [stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ("durable", "plain")]
    assert modes == [0o700, 0o777]


@pytest.mark.parametrize(("base", "why"), [("/etc", "it is the system's /etc"), ("/etc/x", "it lies in the system's")])
def test_one_that_is_the_system_s_is_told_from_one_that_lies_in_such(base: str, why: str) -> None:
    assert unsafe(base, facts()).startswith(why)
