"""Files in use: what anybody has open is kept, whether leases or /proc tell of it."""

import errno
import fcntl
import mmap
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from contexts import jobs_of
from patience import PATIENCE
from removing import removed
from temp_file_manager import TempFileManager
from temp_file_manager.causes import Cause
from temp_file_manager.records import Status, TempFile
from temp_file_manager.storage import LocalStorage, compare
from temp_file_manager.storage.contract import NotThatFile
from temp_file_manager.storage.identity import Examiner
from temp_file_manager.storage.kernel import leases, mounts, processes
from temp_file_manager.storage.kernel.leases import InUse, take_lease
from temp_file_manager.storage.kernel.statx import HERE, Seen, looker
from temp_file_manager.testing import NOW, FakeClock, in_child

ROOT = hasattr(os, "geteuid") and os.geteuid() == 0


@pytest.fixture
def file(manager: TempFileManager, tmp_path: Path) -> Path:
    path = tmp_path / "file"
    path.write_text("x" * 5000)
    manager.register_file(path)
    return path


@contextmanager
def opened(path: Path, how: str) -> Iterator[None]:
    with ExitStack() as stack:
        if how == "read":
            stack.enter_context(path.open("rb"))
        elif how == "written":
            stack.enter_context(path.open("ab"))
        elif how == "locked":
            fcntl.flock(stack.enter_context(path.open("rb")), fcntl.LOCK_SH)
        elif how == "mapped":
            with path.open("r+b") as file:
                stack.enter_context(mmap.mmap(file.fileno(), 0))
        elif how == "under another name":
            other = path.with_name("other name")
            os.link(path, other)
            stack.enter_context(other.open("rb"))
        yield


HOW = ["read", "written", "locked", "mapped", "under another name"]


@pytest.fixture(params=["ext4 or what tests run on", "tmpfs", "overlay"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Path]:
    """A directory on each kind of file system, mounted for real where the machine lets us."""
    if request.param.startswith("ext4"):
        yield tmp_path
        return
    directory = tmp_path / "mounted"
    layers = [tmp_path / name for name in ("lower", "upper", "work")]
    for path in (directory, *layers):
        path.mkdir()
    options = "size=1m" if request.param == "tmpfs" else "lowerdir={},upperdir={},workdir={}".format(*layers)
    mounted = (
        ROOT
        and not subprocess.run(
            ["mount", "-t", request.param, "-o", options, "none", directory], capture_output=True, check=False
        ).returncode
    )
    if not mounted:
        print(f"not tried: {request.param} could not be mounted here")
        pytest.fail("root in CI can mount") if ROOT and os.environ.get("CI") else pytest.skip("cannot mount here")
    try:
        yield directory
    finally:
        subprocess.run(["umount", "-l", directory], check=True)


@pytest.mark.parametrize("how", HOW)
@pytest.mark.parametrize("registry", ["memory:", "sqlite:"])
def test_a_file_in_use_is_kept_and_goes_afterwards(tmp_path: Path, place: Path, how: str, registry: str) -> None:
    manager = TempFileManager(tmp_path / "base", registry=registry)
    path = place / "file"
    path.write_text("x" * 5000)
    manager.register_file(path)
    with opened(path, how):
        for dry_run in (True, False):
            report = manager.sweep(force=True, protect_open=True, dry_run=dry_run)
            assert [(o.status, o.cause) for o in report.outcomes] == [(Status.KEPT, Cause.IN_USE)]
        assert path.exists()
        assert manager.status(path).record is not None
    assert manager.sweep(force=True, protect_open=True).removed == 1
    assert not path.exists()
    manager.close()


@pytest.mark.parametrize("opened_before", [False, True])
def test_a_file_of_ours_that_its_mode_lets_nobody_open(open_to_all: Path, opened_before: bool) -> None:
    """Once it was kept for ever, unless to root: nothing could tell who has it open."""

    def act() -> list[Any]:
        if not os.geteuid():
            os.setgroups([])
            os.setresgid(4242, 4242, 4242)
            os.setresuid(4242, 4242, 4242)
        path = open_to_all / "base" / "file"
        with TempFileManager(path.parent, registry="sqlite:") as manager, ExitStack() as stack:
            path.touch()
            manager.register_file(path)
            if opened_before:
                stack.enter_context(path.open())
            path.chmod(0o000)
            before = path.stat()
            planned = manager.sweep(force=True, protect_open=True, dry_run=True)
            looked = path.stat() == before
            (done,) = manager.sweep(force=True, protect_open=True).outcomes
            mode = path.stat().st_mode & 0o777 if path.exists() else None
            return [planned.removed, looked, str(done.status), str(done.cause), mode]

    open_to_all.chmod(0o1777)
    told = in_child(act)
    assert told == ([0, True, "kept", "in use", 0] if opened_before else [1, True, "removed", "", None])


def test_a_bare_cleanup_asks_nobody(manager: TempFileManager, file: Path) -> None:
    with file.open():
        assert manager.clear_all() == 1


def test_links_to_open_files_go(manager: TempFileManager, file: Path, tmp_path: Path) -> None:
    manager.registry.forget([str(file)])
    link = tmp_path / "link"
    link.symlink_to(file)
    manager.register_file(link)
    with file.open():
        assert manager.sweep(force=True, protect_open=True).removed == 1
    assert file.exists()


def test_a_scheduled_sweep_protects(manager: TempFileManager, clock: FakeClock, file: Path) -> None:
    clock.advance(1000)
    with file.open():
        manager.start()
        clock.until_waiting(jobs_of(manager))
        manager.stop()
        assert file.exists()
    clock.advance(61)
    manager.start()
    clock.until_waiting(jobs_of(manager))
    manager.stop()
    assert not file.exists()


def test_who_opens_a_file_while_it_is_looked_at_is_not_killed(tmp_path: Path) -> None:
    """The signal that a broken lease sends is SIGURG, which nobody dies of; the usual one is SIGIO, which kills."""
    path = tmp_path / "file"
    path.touch()
    descriptor = os.open(path, os.O_RDONLY)
    assert take_lease(descriptor)
    assert signal.getsignal(signal.SIGURG) in (signal.SIG_DFL, signal.SIG_IGN)
    with pytest.raises(BlockingIOError):
        os.open(path, os.O_RDWR | os.O_NONBLOCK)
    os.close(descriptor)
    os.close(os.open(path, os.O_RDWR | os.O_NONBLOCK))


@pytest.mark.skipif(not ROOT, reason="becomes another user")
def test_another_users_open_file_is_kept(open_to_all: Path) -> None:
    path = open_to_all / "file"
    path.write_text("x")
    os.chown(path, 65534, 65534)
    program = "import os, sys; os.setuid(65534); file = open(sys.argv[1]); print('open', flush=True); input()"
    holder = subprocess.Popen(
        [sys.executable, "-c", program, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert holder.stdout is not None
    assert holder.stdout.readline() == "open\n"
    manager = TempFileManager(open_to_all / "base", registry="sqlite:")
    manager.register_file(path)
    assert manager.sweep(force=True, protect_open=True).kept == 1
    holder.communicate("\n")
    assert manager.sweep(force=True, protect_open=True).removed == 1
    manager.close()


@pytest.fixture
def without_leases(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a file system that has none."""
    monkeypatch.setattr(leases, "take_lease", lambda _: None)


@pytest.mark.parametrize("how", HOW)
def test_proc_tells_where_leases_do_not(manager: TempFileManager, file: Path, how: str, without_leases: None) -> None:
    with opened(file, how):
        assert manager.sweep(force=True, protect_open=True).outcomes[0].cause is Cause.IN_USE
    assert file.exists()


def test_what_nothing_can_tell_is_kept_or_goes_at_an_age(
    file: Path, manager: TempFileManager, clock: FakeClock, without_leases: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in a container without the host's pid namespace, on a file system without leases."""
    monkeypatch.setattr(processes, "sees_all_processes", lambda: False)
    report = manager.sweep(force=True, protect_open=True)
    assert [(o.status, o.cause) for o in report.outcomes] == [(Status.KEPT, Cause.USE_UNKNOWN)]
    record = manager.status(file).record
    assert record is not None
    clock.advance(50)
    for age, expected in ((51, Status.KEPT), (49, Status.REMOVED)):
        storage = LocalStorage(lambda age=age: InUse(age, clock.wall))  # type: ignore[misc]  # mypy: default in lambda
        assert [o.status for o in removed(storage, [record])] == [expected]


def test_a_lease_tells_nothing_of_other_machines(file: Path, manager: TempFileManager, clock: FakeClock) -> None:
    record = manager.status(file).record
    assert record is not None
    clock.advance(50)
    for age, told in ((51, [(Status.KEPT, Cause.USE_UNKNOWN)]), (49, [(Status.REMOVED, Cause.NONE)])):
        storage = LocalStorage(lambda age=age: InUse(age, clock.wall, shared=True))  # type: ignore[misc]  # as above
        assert [(o.status, o.cause) for o in removed(storage, [record])] == told


def test_a_mapping_alone_is_seen_on_overlay(
    file: Path, manager: TempFileManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On some kernels a lease there does not see it: then the list of mappings decides."""
    monkeypatch.setattr(leases, "take_lease", lambda _: True)
    monkeypatch.setattr(mounts, "magic", lambda _: mounts.OVERLAY)
    with opened(file, "mapped"):
        assert manager.sweep(force=True, protect_open=True).kept == 1
    assert manager.sweep(force=True, protect_open=True).removed == 1


def test_an_answer_leaves_no_descriptor_behind(manager: TempFileManager, file: Path) -> None:
    with file.open():
        manager.sweep(force=True, protect_open=True)  # opens what the registry keeps open
        before = len(os.listdir("/proc/self/fd"))
        for _ in range(20):
            manager.sweep(force=True, protect_open=True)
        assert len(os.listdir("/proc/self/fd")) <= before  # less: others of earlier tests may be collected


# -- what the kernel tells


def test_a_file_swapped_before_its_lease_is_kept(tmp_path: Path) -> None:
    """Excludes code that takes the lease of another file than the one it compared."""
    path = os.fsencode(tmp_path / "file")
    (tmp_path / "file").write_text("x")
    seen = looker()(HERE, path)
    before = seen._replace(inode=seen.inode + 1)
    with pytest.raises(NotThatFile, match="changing") as raised:
        InUse(None, lambda: NOW).secured([TempFile(os.fsdecode(path), NOW)], 0, HERE, path, before)
    assert raised.value.other.status is Status.KEPT


def test_a_pipe_in_its_place_is_not_waited_for(tmp_path: Path) -> None:
    """Excludes code that opens what was put there after the comparison, and waits until somebody writes into it."""
    path = os.fsencode(tmp_path / "file")
    (tmp_path / "file").write_text("x")
    seen = looker()(HERE, path)
    os.rename(path, path + b".before")
    os.mkfifo(path)
    told: list[object] = []

    def ask() -> None:
        try:
            InUse(None, lambda: NOW).secured([TempFile(os.fsdecode(path), NOW)], 0, HERE, path, seen)
        except NotThatFile as other:
            told.append(other.other.cause)

    asking = threading.Thread(target=ask, daemon=True)
    asking.start()
    asking.join(PATIENCE)
    if asking.is_alive():
        os.close(os.open(path, os.O_WRONLY))
        asking.join(PATIENCE)
        pytest.fail("it waits for a writer")
    assert told == [Cause.CHANGING]


@pytest.mark.parametrize(
    ("number", "expected"),
    [(errno.EAGAIN, False), (errno.EBUSY, False), (errno.EACCES, None), (errno.EINVAL, None), (errno.ENOLCK, None)],
)
def test_what_refuses_a_lease_says_whether_somebody_has_the_file(
    monkeypatch: pytest.MonkeyPatch, number: int, expected: bool | None
) -> None:
    """Excludes code that takes a busy file for one that nothing can tell about, which may go at an age."""

    def refuse(_: int, what: int, __: int) -> int:
        if what == 2:
            raise OSError(number, os.strerror(number))
        return 0

    monkeypatch.setattr(leases, "lease_calls", lambda: (refuse, 2, 1, 0))
    assert take_lease(0) is expected


def test_what_takes_its_place_and_number_while_it_is_opened_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Excludes a second look at the number alone, which file systems give again at once; here it is made so."""
    path, look = tmp_path / "file", looker()
    path.write_text("ours")
    before = look(HERE, os.fsencode(path))
    found = Examiner().examine(str(path))
    assert found
    if not before.born:
        print("not tried: this file system tells no birth times")
        return

    class Opening(InUse):
        def secured(self, *what: Any) -> int | None:
            held = super().secured(*what)
            (tmp_path / "new").write_text("somebody else's")
            (tmp_path / "new").rename(path)
            return held

    def with_that_number(directory: int, name: bytes) -> Seen:
        seen = look(directory, name)
        return seen._replace(inode=before.inode) if name == b"file" else seen

    monkeypatch.setattr(compare, "looker", lambda: with_that_number)
    record = TempFile(str(path), NOW, identity=found.identity)
    assert [o.status for o in removed(LocalStorage(lambda: Opening(None, lambda: NOW)), [record])] == ["replaced"]
    assert path.read_text() == "somebody else's"


def test_a_proc_that_cannot_be_listed_tells_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Excludes code that takes a /proc it cannot list for one in which nobody has anything open."""

    def listdir(path: str) -> list[str]:
        raise PermissionError(path)

    monkeypatch.setattr(os, "listdir", listdir)
    assert processes.open_inodes() == (set(), False)


@pytest.mark.parametrize("blind", ["open_inodes", "mapped_inodes"])
def test_one_half_of_proc_is_not_enough(monkeypatch: pytest.MonkeyPatch, blind: str) -> None:
    """Excludes code that calls a file free when it saw who opened it or who mapped it, and not both."""
    monkeypatch.setattr(processes, "open_inodes", lambda: (set(), True))
    monkeypatch.setattr(processes, "mapped_inodes", lambda: (set(), True))
    monkeypatch.setattr(processes, "sees_all_processes", lambda: True)
    assert InUse(None, lambda: NOW).free_by_proc(1) is True
    monkeypatch.setattr(processes, blind, lambda: (set(), False))
    assert InUse(None, lambda: NOW).free_by_proc(1) is None


def test_where_the_system_has_no_leases_there_are_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(fcntl, "F_SETLEASE")
    leases.lease_calls.cache_clear()
    try:
        assert leases.lease_calls() is None
    finally:
        monkeypatch.undo()
        leases.lease_calls.cache_clear()
