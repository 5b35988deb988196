"""The first change in the SQLite file, which takes the numbers of a base directory and of an owner."""

import errno
import fcntl
import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import small_disk
from small_disk import fill, make, manager_of, register_until_full
from sqlite_files import new, over, own, registry_at
from temp_file_manager import TempFileManager
from temp_file_manager.errors import RegistryError, RegistryFullError
from temp_file_manager.records import Selection, Status
from temp_file_manager.registry.sqlite.owners import Owners
from temp_file_manager.registry.sqlite.registry import SqliteRegistry
from temp_file_manager.testing import in_child

ALL = Selection(1e10, 0, force=True)


disk = small_disk.disk


class TestAFirstChangeThatComesToNothing:
    """The numbers that it took are given to somebody else: whoever kept them had another's records."""

    def test_on_a_full_disk(self, disk: Path | None) -> None:
        if disk is None:
            return
        address = f"sqlite://{disk}/r.db"
        one = TempFileManager(disk / "one", registry=address)
        mine, others = make(disk, 2, 0)
        fill(disk)
        with pytest.raises(RegistryFullError):
            one.register_file(mine)
        (disk / "filler").unlink()
        one.register_file(mine)
        other = TempFileManager(disk / "other", registry=address)
        other.register_files([])
        other.register_file(others)
        assert list(one.files) == [mine]
        assert list(other.files) == [others]
        other.clear_all()
        assert os.path.exists(mine)

    def test_by_any_error(self, tmp_path: Path) -> None:
        one = registry_at(tmp_path / "r.db", tmp_path / "one")
        other = registry_at(tmp_path / "r.db", tmp_path / "other")
        with pytest.raises(UnicodeEncodeError):
            one.add([new("/one/\ud800")], 1.0)
        other.add([new("/other/a")], 1.0)
        assert list(one.files) == []
        assert len(one.claim(ALL, now=0, lease=60, limit=9).records) == 0

    def test_its_lock_is_let_go(self, disk: Path | None) -> None:
        """Whoever takes the same number next does not wait for it."""
        if disk is None:
            return

        def sweep(registry: SqliteRegistry) -> int:
            claim = registry.claim(ALL, now=0, lease=60, limit=50)
            registry.settle(over(claim, Status.SKIPPED))
            return len(claim.records)

        def sweeps() -> list[int]:
            manager = manager_of(disk)
            paths = make(disk, 100, 0)
            manager.register_files(paths)
            others = [registry_at(own(disk) / "registry.db", disk / "base") for _ in range(2)]
            assert [len(other.files) for other in others] == [100, 100]
            fill(disk)
            register_until_full(manager, paths)
            taken = [sweep(other) for other in others]
            return taken + [other.transactions.owner for other in others]

        assert in_child(sweeps) == [50, 50, 0, 0], "there was room after all: this test no longer tries what it says"


def test_a_reader_beside_the_very_first_registration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who found that this base has no scope yet, a moment before it had one, leaves it to the thread that made it."""
    registry = registry_at(tmp_path / "r.db", tmp_path)
    reading = registry.transactions.database.reading

    class Slow:
        """A connection that answers, about the scope, what was true before the first registration."""

        def __init__(self, connection: sqlite3.Connection) -> None:
            self.connection = connection

        def execute(self, statement: str, bound: Any = ()) -> Any:
            found = self.connection.execute(statement, bound)
            if statement == registry.transactions.sql["scope"]:
                rows = found.fetchall()
                registry.add([new("/p/first")], 1.0)
                found = SimpleNamespace(fetchone=lambda: rows[0] if rows else None)
            return found

    @contextmanager
    def slowly() -> Iterator[Slow]:
        with reading() as connection:
            yield Slow(connection)

    monkeypatch.setattr(registry.transactions.database, "reading", slowly)
    registry.stats()
    monkeypatch.undo()
    registry.add([new("/p/second")], 2.0)
    assert sorted(registry.get(["/p/first", "/p/second"])) == ["/p/first", "/p/second"]
    registry.close()
    again = registry_at(tmp_path / "r.db", tmp_path)
    assert sorted(again.get(["/p/first", "/p/second"])) == ["/p/first", "/p/second"]
    again.close()


class TestLockFiles:
    def test_an_interrupt_at_the_lock_leaves_none(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        one, flock = Owners(f"{tmp_path}/locks"), fcntl.flock

        def interrupted(descriptor: int, how: int) -> None:
            flock(descriptor, how)
            raise KeyboardInterrupt

        before = len(os.listdir("/proc/self/fd"))
        with monkeypatch.context() as patched:
            patched.setattr(fcntl, "flock", interrupted)
            with pytest.raises(KeyboardInterrupt):
                one.enter(1)
        assert len(os.listdir("/proc/self/fd")) == before
        assert os.listdir(tmp_path / "locks") == []
        assert not one.alive(1)
        one.enter(1)  # which would wait for a lock that was left
        assert one.alive(1)
        one.leave()

    def test_a_file_that_cannot_be_removed_keeps_no_lock(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        one, other = Owners(f"{tmp_path}/locks"), Owners(f"{tmp_path}/locks")
        one.registry = other.registry = "ab"

        def refused(path: str) -> None:
            raise OSError(errno.ENOSPC, "no room for a removal, as on btrfs", path)

        one.enter(1)
        with monkeypatch.context() as patched:
            patched.setattr(os, "remove", refused)
            one.leave()
        assert not other.alive(1)
        assert len(other.dead(remove=True)) == 1


def test_what_could_once_be_opened_for_reading_alone_is_opened_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SQLite does so without a word if its first try fails, as for want of a descriptor."""
    TempFileManager(tmp_path / "base", registry="sqlite:").close()
    (tmp_path / "file").touch()
    connect = sqlite3.connect

    def reading(path: str, **how: Any) -> sqlite3.Connection:
        return connect(f"file:{path}?mode=ro", **how | {"uri": True})

    with monkeypatch.context() as patched:
        patched.setattr(sqlite3, "connect", reading)
        manager = TempFileManager(tmp_path / "base", registry="sqlite:")
    with pytest.raises(RegistryError, match="readonly"):
        manager.register_file(tmp_path / "file")
    manager.register_file(tmp_path / "file")
    assert manager.is_temp_file(tmp_path / "file")
    manager.close()
