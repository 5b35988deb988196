"""What mutation testing found that no other test would have noticed: each test names the wrong program it excludes."""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace

import pytest

from temp_file_manager import TempFileManager
from temp_file_manager.errors import BaseDirectoryError, RegistryFullError
from temp_file_manager.records import NOTHING, Identity, Outcome, Selection, Status, TempFile, sentence
from temp_file_manager.registry import MemoryRegistry
from temp_file_manager.registry.schemes import is_durable
from temp_file_manager.registry.sqlite.errors import in_our_words
from temp_file_manager.registry.sqlite.registry import SqliteRegistry
from temp_file_manager.storage import base_directory
from temp_file_manager.storage.compare import Directories
from temp_file_manager.storage.contract import NotThatFile
from temp_file_manager.storage.identity import Examiner, same_file
from temp_file_manager.storage.kernel import file_flags, probe, processes, space
from temp_file_manager.storage.kernel.leases import InUse
from temp_file_manager.storage.kernel.mounts import kind_among
from temp_file_manager.storage.kernel.space import is_full
from temp_file_manager.storage.kernel.statx import HERE, Seen, looker, signed
from temp_file_manager.storage.own_files import make_reserve
from temp_file_manager.sweeping.sweep import LEASE
from temp_file_manager.testing import NOW, FakeClock


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[SqliteRegistry]:
    with closing(SqliteRegistry(str(tmp_path / "r.db"), str(tmp_path))) as registry:
        yield registry


# -- registry/


def test_a_claim_has_lapsed_at_the_very_end_of_its_lease(registry: SqliteRegistry) -> None:
    """Excludes one that ends claims only after that moment, though its records are free at it."""
    registry.add([("/s/a", None, None, (), None)], NOW)
    assert registry.claim(Selection(NOW, 0, force=True), now=NOW, lease=60, limit=9).records
    assert registry.check(now=NOW + 59.5, fix=False) == ()
    assert [finding.kind for finding in registry.check(now=NOW + 60, fix=False)] == ["lapsed claim"]


def test_a_claim_is_held_by_an_equal_record_too() -> None:
    """Excludes one that holds a claimed record only for whoever has that very object."""
    registry = MemoryRegistry()
    registry.add_one("/s/a", NOW)
    (record,) = registry.claim(Selection(NOW, 0, force=True), now=NOW, lease=60, limit=9).records
    assert registry.still_claimed(TempFile(*record))
    assert not registry.still_claimed(record._replace(generation=record.generation + 1))


def test_a_record_in_memory_is_what_was_registered() -> None:
    """Excludes one that says of a fresh record what no registration said: a failure, an end, a claim's number."""
    registry = MemoryRegistry()
    registry.add_one("/s/a", NOW)
    assert registry.get(["/s/a"]) == {"/s/a": TempFile("/s/a", NOW)}


def test_a_sweep_s_last_chunk_finds_what_another_registry_freed_behind_it(
    registry: SqliteRegistry, tmp_path: Path
) -> None:
    """Excludes one that looks back in its first chunk only: what the other let go of would wait for a later sweep."""
    due = Selection(NOW + 9, 0, force=True)
    for second, path in enumerate(("/s/a", "/s/b", "/s/c")):
        registry.add([(path, None, None, (), None)], NOW + second)
    with closing(SqliteRegistry(str(tmp_path / "r.db"), str(tmp_path))) as other:
        (a,) = other.claim(due, now=NOW, lease=60, limit=1).records
        (b,), cursor = registry.claim(due, now=NOW, lease=60, limit=1)
        other.settle([Outcome(a, Status.SKIPPED)], NOW)
        rest = registry.claim(due, now=NOW, lease=60, limit=9, after=cursor).records
    assert (a.path, b.path, {record.path for record in rest}) == ("/s/a", "/s/b", {"/s/a", "/s/c"})


def test_a_lock_that_was_not_had_is_not_taken_for_one(
    registry: SqliteRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Excludes one that goes on without the transaction it asked for, or that keeps everybody out after it failed."""

    def interrupted() -> None:
        raise KeyboardInterrupt

    database = registry.transactions.database
    with monkeypatch.context() as patched:
        patched.setattr(database, "_begin", interrupted)
        with pytest.raises(KeyboardInterrupt):
            database.hold()
    registry.add_one("/s/a", NOW)
    assert list(registry.files) == ["/s/a"]


@pytest.mark.parametrize("is_full", [True, False])
def test_a_file_that_cannot_be_made_on_a_full_disk_is_told_as_that(
    monkeypatch: pytest.MonkeyPatch, is_full: bool
) -> None:
    """Excludes one that blames permissions where the disk has no inode left, or a full disk where it is not."""
    monkeypatch.setattr(space, "is_full", lambda _: is_full)
    error = sqlite3.OperationalError("unable to open database file")
    error.sqlite_errorname = "SQLITE_CANTOPEN"
    assert isinstance(in_our_words("/s/r.db", error), RegistryFullError) is is_full


def test_a_directory_is_forgotten_with_its_last_file(registry: SqliteRegistry) -> None:
    """Excludes one whose file grows by each directory that ever held a file."""
    registry.add([("/s/a", None, None, (), None), ("/t/a", None, None, (), None)], NOW)
    registry.forget(["/s/a"])
    with registry.transactions.reading() as connection:
        assert connection.execute("SELECT path FROM directories").fetchall() == [(b"/t",)]


def test_a_registry_that_has_nothing_to_check_finds_nothing() -> None:
    """Excludes one whose answer to ``check`` cannot be gone through."""
    assert MemoryRegistry().check(now=NOW, fix=True) == ()


def test_a_registry_in_memory_outlives_nothing() -> None:
    """Excludes one that calls every registry durable, unless it says otherwise."""
    assert not is_durable(MemoryRegistry(), "/base")
    assert not is_durable("memory:", "/base")


# -- storage/


def test_a_file_swapped_before_its_lease_is_kept(tmp_path: Path) -> None:
    """Excludes one that takes the lease of another file than the one it compared."""
    path = os.fsencode(tmp_path / "file")
    (tmp_path / "file").write_text("x")
    seen = looker()(HERE, path)
    before = seen._replace(inode=seen.inode + 1)
    with pytest.raises(NotThatFile, match="changing") as raised:
        InUse(None, lambda: NOW).secured(TempFile(os.fsdecode(path), NOW), HERE, path, before)
    assert raised.value.status is Status.KEPT


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"parent_inode": 1}, "its directory is another one than when it was registered"),
        ({"born": 0, "changed": 1}, "nothing can tell whether it is the file that was registered"),
    ],
)
def test_what_is_kept_says_why(tmp_path: Path, changes: dict[str, int], reason: str) -> None:
    """Excludes one that keeps a file and tells its user something else than the reason."""
    path = tmp_path / "file"
    path.write_text("x")
    found = Examiner().examine(str(path))
    assert found
    record = TempFile(str(path), NOW, identity=found.identity._replace(**changes))
    with Directories() as directories, pytest.raises(NotThatFile) as raised:
        directories.compared(record)
    assert (raised.value.status, sentence(raised.value.cause)) == (Status.KEPT, reason)


def test_a_proc_that_cannot_be_listed_tells_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Excludes one that takes a /proc it cannot list for one in which nobody has anything open."""

    def listdir(path: str) -> list[str]:
        raise PermissionError(path)

    monkeypatch.setattr(os, "listdir", listdir)
    assert processes.open_inodes() == (set(), False)


def test_a_refused_base_directory_is_not_made_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Excludes one that makes directories below /etc and then says that it must not."""

    def refuse(path: str) -> None:
        raise BaseDirectoryError(0, "refused", path)

    monkeypatch.setattr(base_directory, "refuse_unsafe", refuse)
    with pytest.raises(BaseDirectoryError, match="refused"):
        base_directory.make_base(str(tmp_path / "base"), durable=True)
    assert not (tmp_path / "base").exists()


@pytest.mark.parametrize("blind", ["open_inodes", "mapped_inodes"])
def test_one_half_of_proc_is_not_enough(monkeypatch: pytest.MonkeyPatch, blind: str) -> None:
    """Excludes one that calls a file free when it saw who opened it or who mapped it, and not both."""
    monkeypatch.setattr(processes, "open_inodes", lambda: (set(), True))
    monkeypatch.setattr(processes, "mapped_inodes", lambda: (set(), True))
    monkeypatch.setattr(processes, "sees_all_processes", lambda: True)
    assert InUse(None, lambda: NOW).free_by_proc(1) is True
    monkeypatch.setattr(processes, blind, lambda: (set(), False))
    assert InUse(None, lambda: NOW).free_by_proc(1) is None


@pytest.mark.parametrize(("blocks", "made"), [(8, True), (7, False)])
def test_a_reserve_is_made_when_four_times_as_much_is_free(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, blocks: int, made: bool
) -> None:
    """Excludes one that miscounts free bytes: it would take the last of a small disk, or never make a reserve."""
    monkeypatch.setattr(
        os, "statvfs", lambda _: SimpleNamespace(f_bavail=blocks, f_frsize=512, f_blocks=100, f_files=0)
    )
    make_reserve(str(tmp_path / "reserve"), 1024)
    assert (tmp_path / "reserve").exists() is made


def test_a_disk_that_cannot_be_asked_is_not_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Excludes one that blames a full disk for whatever happens where nothing can be told."""
    assert not is_full(str(tmp_path / "missing"))
    monkeypatch.delattr(os, "statvfs")
    assert not is_full(str(tmp_path))


def test_nothing_is_taken_for_no_file() -> None:
    """Excludes one that gives what was not there a number that a file can have: 1 is the root of a tmpfs."""
    assert Identity(0, 0, 0, 0, 0) == NOTHING
    assert same_file(NOTHING, Seen(0o100600, 1, 0, 0, 0)) is False


@pytest.mark.parametrize(
    ("inode", "stored"), [(1, 1), ((1 << 63) - 1, (1 << 63) - 1), (1 << 63, -(1 << 63)), ((1 << 64) - 1, -1)]
)
def test_inode_numbers_fit_what_sql_can_hold(inode: int, stored: int) -> None:
    """Excludes one that hands SQLite the large numbers of network file systems, which it refuses."""
    assert signed(inode) == stored


def test_a_birth_is_told_in_the_unit_of_a_change(tmp_path: Path) -> None:
    """Excludes one that reads the kernel's seconds wrongly: identities on record would be nobody's after an update."""
    path = tmp_path / "file"
    path.touch()
    seen = looker()(HERE, os.fsencode(path))
    assert seen.changed == os.stat(path).st_ctime_ns
    assert not seen.born or abs(seen.changed - seen.born) < 1e9


def test_of_two_mounts_on_one_place_the_last_counts() -> None:
    """Excludes one that takes the file system that was mounted over for the one in which files are overwritten."""
    line = "{} 1 0:1 / /mnt rw - {} none rw"
    told = "\n".join([line.format(1, "btrfs"), line.format(2, "ext4")])
    assert kind_among(told, "/mnt/file") == "ext4"


@pytest.mark.parametrize(
    ("options", "hides"), [("rw", False), ("rw,nosuid,hidepid=2", True), ("rw,hidepid=invisible,gid=4", True)]
)
def test_a_proc_that_hides_others_says_so_among_its_options(tmp_path: Path, options: str, hides: bool) -> None:
    """Excludes one that reads the options as one word, and then trusts a /proc that shows half the processes."""
    mounts = tmp_path / "mounts"
    mounts.write_text(f"none / ext4 rw 0 0\nproc /proc proc {options} 0 0\n")
    assert probe.hides_processes(str(mounts)) is hides


def test_a_mark_is_looked_for_without_following_or_waiting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Excludes one that hangs at a pipe, or asks a link's target, when the file is swapped before it is opened."""
    asked: list[int] = []

    def opened(path: str, flags: int) -> int:
        asked.append(flags)
        raise FileNotFoundError(path)

    monkeypatch.setattr(os, "open", opened)
    assert not file_flags.flags(str(tmp_path))
    assert asked[0] & os.O_NONBLOCK
    assert asked[0] & os.O_NOFOLLOW


# -- sweep.py


def test_a_sweep_that_is_slow_says_so_of_what_it_skips(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Excludes one that skips what is half a lease old and gives another reason, or none."""
    clock, remove = FakeClock(), os.remove

    def slow(path: str) -> None:
        clock.advance(LEASE / 2)
        remove(path)

    with closing(TempFileManager(tmp_path / "base", clock=clock)) as manager:
        for name in ("a", "b"):
            (tmp_path / name).write_text("x")
            manager.register_file(tmp_path / name)
        monkeypatch.setattr(os, "remove", slow)
        outcomes = manager.sweep(force=True).outcomes
    assert [(outcome.status, outcome.reason) for outcome in outcomes] == [
        (Status.REMOVED, ""),
        (Status.SKIPPED, "half of its claim's time is up"),
        (Status.REMOVED, ""),
    ]
