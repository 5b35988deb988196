"""Sessions that a sweep ends before it begins: those whose owner has ended, and those whose time is up."""

import logging
import os
import subprocess
import sys
from pathlib import Path

import pytest

from contexts import MakeManager
from temp_file_manager import TempFileManager, jobs
from temp_file_manager.registry.sqlite.registry import SqliteRegistry
from temp_file_manager.sessions import HEIRS, THIS_PROCESS, Owner, ProcessIdentity
from temp_file_manager.storage.kernel.process_identity import identity_of
from temp_file_manager.sweeping.sessions import OWNER, TIME, over
from temp_file_manager.testing import NOW, FakeClock
from temp_file_manager.testing.contract.words import paths_of


def put(manager: TempFileManager, owner: Owner, *, ends_at: float = float("inf"), name: str = "s") -> str:
    """Make a file in a session of its own, and return its path."""
    session = manager.registry.begin(name, now=NOW, ends_at=ends_at, owner=owner)
    descriptor, path = manager.mkstemp()
    os.close(descriptor)
    manager.context.registrar.one(path, None, (), session.number)
    return path


@pytest.fixture
def ended() -> ProcessIdentity:
    """A process that has ended."""
    with subprocess.Popen(["sleep", "60"]) as process:
        identity = identity_of(process.pid)
        process.kill()
    return identity


def test_a_sweep_ends_those_that_are_over(
    manager: TempFileManager, ended: ProcessIdentity, clock: FakeClock, caplog: pytest.LogCaptureFixture
) -> None:
    living = identity_of(os.getpid())
    unknown = ended._replace(namespace=ended.namespace + 1)
    gone = put(manager, ended, name="gone"), put(manager, unknown, ends_at=NOW + 5, name="late")
    stays = [put(manager, THIS_PROCESS), put(manager, living), put(manager, unknown), put(manager, None, ends_at=1e9)]
    clock.advance(5)
    assert [(one.name, why) for one, why in over(manager.registry, clock.wall()).items()] == [
        ("gone", OWNER),
        ("late", TIME),
    ]
    planned = manager.sweep(dry_run=True)
    assert paths_of(outcome.record for outcome in planned.outcomes) == [gone[1], gone[0]]
    assert len(manager.registry.sessions()) == 6
    with caplog.at_level(logging.INFO):
        assert manager.sweep().retired == 2
    told = [record.message.partition(" (")[2] for record in caplog.records if record.message.startswith("Session ")]
    assert told == [f"'gone') has ended: {OWNER}", f"'late') has ended: {TIME}"]
    assert not [path for path in gone if os.path.exists(path)]
    assert all(map(os.path.exists, stays))
    clock.advance(1e10)
    assert manager.sweep().retired == 1, "all but that without an owner live on"


def test_one_that_is_renewed_as_a_sweep_looks_lives_on(
    manager: TempFileManager, clock: FakeClock, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever renewed it was told that it does."""
    stays = put(manager, None, ends_at=NOW + 5)
    clock.advance(5)
    registry = manager.registry
    (late,) = found = registry.sessions()
    assert registry.renew(late.number, NOW + 50)
    look, looks = registry.sessions, [found]
    monkeypatch.setattr(registry, "sessions", lambda: looks.pop() if looks else look())
    with caplog.at_level(logging.INFO):
        assert manager.sweep().retired == 0
    assert os.path.exists(stays)
    assert [one.ends_at for one in registry.sessions()] == [NOW + 50]
    assert "has ended" not in caplog.text


def test_so_does_a_scheduled_one(manager: TempFileManager, ended: ProcessIdentity) -> None:
    gone, stays = put(manager, ended), put(manager, THIS_PROCESS)
    jobs.sweep(manager.context, lambda: False)
    assert (os.path.exists(gone), os.path.exists(stays)) == (False, True)


def test_a_jump_of_the_clock_ends_none(make_manager: MakeManager, clock: FakeClock) -> None:
    """Where sweeps do not trust it."""
    manager = make_manager()
    stays = put(manager, None, ends_at=NOW + 1000)
    jobs.sweep(manager.context, lambda: False)
    clock.set(wall=NOW + 1e8)
    jobs.sweep(manager.context, lambda: False)
    manager.sweep(trust_clock=False)
    assert os.path.exists(stays)
    assert len(manager.registry.sessions()) == 1
    manager.sweep()
    assert not os.path.exists(stays)


def test_what_is_asked_about_a_file_is_what_a_sweep_does(manager: TempFileManager, ended: ProcessIdentity) -> None:
    gone, stays = put(manager, ended), put(manager, THIS_PROCESS)
    assert [status.due for status in manager.statuses((gone, stays)).files] == [True, False]
    forced = manager.sweep(dry_run=True, force=True)
    assert len(forced.outcomes) == 2, "each once"


def test_a_dry_run_within_bounds(manager: TempFileManager, ended: ProcessIdentity) -> None:
    for _ in range(3):
        put(manager, ended)
    assert len(manager.sweep(dry_run=True, limit=2).outcomes) == 2
    assert manager.sweep(dry_run=True, limit=2).stopped == "limit"


KEEPER = """
import os, sys
from temp_file_manager import TempFileManager
from temp_file_manager.sessions import HEIRS
import subprocess
manager = TempFileManager(sys.argv[1], registry="sqlite:")
session = manager.registry.begin("heirs", now=0.0, ends_at=float("inf"), owner=HEIRS)
descriptor, path = manager.mkstemp()
manager.context.registrar.one(path, None, (), session.number)
heir = subprocess.Popen(["sleep", "600"], pass_fds=[session.descriptor])
print(heir.pid, path, flush=True)
input()
"""


def _lives(pid: str) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def test_heirs_keep_a_session_until_the_last_has_ended(make_manager: MakeManager) -> None:
    """Killed one after the other; and a sweep that removes dead owners' lock files in between takes none of theirs."""
    manager = make_manager(clock=None)
    with subprocess.Popen(
        [sys.executable, "-c", KEEPER, manager.base_dir], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        heir, path = process.stdout.readline().split()
        process.kill()
    registry = manager.registry
    assert isinstance(registry, SqliteRegistry)
    owners = registry.transactions.owners
    assert manager.sweep().retired == 0
    (session,) = registry.sessions()
    assert owners.dead(remove=True) == [f"{owners.registry}-{session.number - 1}"], "the keeper's own"
    assert (session.owner, session.alive, session.descriptor) == (HEIRS, True, -1)
    assert manager.sweep().retired == 0
    os.kill(int(heir), 9)
    while _lives(heir):
        pass
    owners.dead(remove=True)
    assert manager.sweep().retired == 1
    assert not os.path.exists(path)


def test_those_of_another_pid_namespace_live_until_their_time(make_manager: MakeManager, clock: FakeClock) -> None:
    """What a process there says of itself, nobody here can look up."""
    manager = make_manager()
    program = (
        "import os; from temp_file_manager.storage.kernel.process_identity import *; print(*identity_of(os.getpid()))"
    )
    words = ["unshare", "--pid", "--fork", "--mount-proc", sys.executable, "-c", program]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    if done.returncode:
        print(f"not tried: another pid namespace: {done.stderr.strip()}")
        return
    pid, started, boot, namespace = done.stdout.split()
    path = put(manager, ProcessIdentity(int(pid), int(started), boot, int(namespace)), ends_at=NOW + 100)
    clock.advance(99)
    assert manager.sweep().retired == 0
    clock.advance(1)
    assert manager.sweep().retired == 1
    assert not os.path.exists(path)
