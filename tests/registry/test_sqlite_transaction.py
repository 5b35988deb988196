"""Transactions that are interrupted: none is left open, and nobody is kept out."""

import sqlite3
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from contexts import MakeManager
from patience import PATIENCE
from sqlite_files import new, registry_at
from temp_file_manager.errors import RecordClaimedError
from temp_file_manager.records import Selection

"""Seconds after which what has not answered waits for ever."""


class Interrupted(sqlite3.Connection):
    """A connection whose user presses Ctrl-C while another's transaction is waited for."""

    pressed = False

    def execute(self, statement: str, *bound: Any) -> sqlite3.Cursor:
        cursor = super().execute(statement, *bound)
        if self.pressed and statement.startswith("BEGIN"):
            raise KeyboardInterrupt  # Python sees to signals when SQLite has returned
        return cursor


@pytest.fixture
def connections(monkeypatch: pytest.MonkeyPatch) -> list[Interrupted]:
    """Those that are opened from now on."""
    real, opened = sqlite3.connect, []

    def connect(*words: Any, **more: Any) -> Interrupted:
        opened.append(real(*words, factory=Interrupted, **more))
        return opened[-1]

    monkeypatch.setattr(sqlite3, "connect", connect)
    return opened


def test_an_interrupt_while_a_transaction_is_waited_for_leaves_none_open(
    make_manager: MakeManager, monkeypatch: pytest.MonkeyPatch, file: Path, connections: list[Interrupted]
) -> None:
    """Once, it had begun by the time the interrupt was raised, and kept everybody out of the registry for good."""
    manager = make_manager()
    with monkeypatch.context() as patched:
        patched.setattr(Interrupted, "pressed", True)
        with pytest.raises(KeyboardInterrupt):
            manager.register_file(file)
    assert connections
    assert not any(connection.in_transaction for connection in connections)
    manager.register_file(file)
    assert list(manager.files) == [str(file)]


def test_a_lock_that_was_not_had_is_not_taken_for_one(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, connections: list[Interrupted]
) -> None:
    """Excludes code that goes on without the transaction it asked for, or that keeps everybody out after it failed."""
    with closing(registry_at(tmp_path / "r.db", tmp_path)) as registry:
        with monkeypatch.context() as patched:
            patched.setattr(Interrupted, "pressed", True)
            with pytest.raises(KeyboardInterrupt):
                registry.transactions.database.hold()
        # In another thread: this one would have what it had not given back.
        with ThreadPoolExecutor(1) as pool:
            pool.submit(registry.add, [new("/s/a")], 1.0).result()
        assert list(registry.files) == ["/s/a"]


def test_the_scope_stays_known_when_the_first_transaction_comes_to_nothing(tmp_path: Path) -> None:
    """Once, what other threads were reading at that moment was no longer found."""
    path = tmp_path / "r.db"
    with closing(registry_at(path, tmp_path)) as first, closing(registry_at(path, tmp_path)) as second:
        first.add([new("/s/a")], 0)
        first.claim(Selection(1e10, 0, force=True), now=0, lease=60, limit=1)
        second.patience = 0
        with pytest.raises(RecordClaimedError):
            second.forget(["/s/a"])
        assert second.transactions.scope == first.transactions.scope
        assert list(second.get(["/s/a"])) == ["/s/a"]


def test_a_long_look_makes_no_reader_wait(tmp_path: Path) -> None:
    with closing(registry_at(tmp_path / "r.db", tmp_path)) as registry, ThreadPoolExecutor(1) as others:
        registry.add([new("/s/a")], 1.0)
        with registry.transactions.reading(long=True):
            assert list(others.submit(registry.get, ["/s/a"]).result(PATIENCE)) == ["/s/a"]
