"""Sessions in the SQLite registry: lock files that tell whether an owner lives, and an index of records."""

import math
import os
import re
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from sqlite_files import new, registry_at
from temp_file_manager.errors import RegistryError
from temp_file_manager.records import Identity, Selection
from temp_file_manager.registry.sqlite.registry import SqliteRegistry
from temp_file_manager.registry.sqlite.sql import load_statements
from temp_file_manager.sessions import ANOTHER_PROCESS, HEIRS, THIS_PROCESS
from temp_file_manager.testing import in_child


def lock_files(registry: SqliteRegistry) -> list[str]:
    """Return the names of the lock files that there are."""
    directory = f"{registry.transactions.database.path}-claimers"
    return sorted(os.listdir(directory)) if os.path.isdir(directory) else []


def begin(registry: SqliteRegistry, owner: str) -> int:
    return registry.begin("", now=0.0, ends_at=math.inf, owner=owner).number  # type: ignore[arg-type]  # one of two


def test_a_session_of_this_process_outlives_its_registry(tmp_path: Path) -> None:
    """Nobody may have that any more: the process lives, and what it needs has to stay."""
    path = tmp_path / "r.db"
    begin(registry_at(path, tmp_path), THIS_PROCESS)
    with closing(registry_at(path, tmp_path)) as other:
        (session,) = other.sessions()
        assert (session.owner, session.alive) == (ANOTHER_PROCESS, True)


def test_lock_files_go_with_sessions(fresh: SqliteRegistry) -> None:
    own, heirs = begin(fresh, THIS_PROCESS), begin(fresh, HEIRS)
    assert len(lock_files(fresh)) == 2
    fresh.end((heirs, own), 1.0)
    assert len(lock_files(fresh)) == 1, "this object's, which goes when it is closed"
    fresh.close()
    assert lock_files(fresh) == []


def test_so_do_those_of_processes_that_were_killed(tmp_path: Path, fresh: SqliteRegistry) -> None:
    program = (
        "import os, sys; from temp_file_manager.registry.sqlite.registry import SqliteRegistry\n"
        "registry = SqliteRegistry(*sys.argv[1:])\n"
        "for owner in ('this process', 'heirs'): registry.begin('', now=0, ends_at=float('inf'), owner=owner)\n"
        "os.kill(os.getpid(), 9)"
    )
    subprocess.run([sys.executable, "-c", program, str(tmp_path / "r.db"), str(tmp_path)], check=False)
    found = fresh.sessions()
    assert [(one.owner, one.alive) for one in found] == [(ANOTHER_PROCESS, False), (HEIRS, False)]
    assert len(lock_files(fresh)) == 2
    fresh.end([one.number for one in found], 1.0)
    assert lock_files(fresh) == []


def test_a_session_that_could_not_be_written_leaves_no_lock_file(
    registry: SqliteRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    begin(registry, THIS_PROCESS)
    before = lock_files(registry)
    monkeypatch.setitem(registry.transactions.sql, "begin_session", "INSERT INTO no_table VALUES (:id)")
    for owner in (THIS_PROCESS, HEIRS):
        with pytest.raises(RegistryError, match="no such table"):
            begin(registry, owner)
    assert lock_files(registry) == before
    assert len(registry.sessions()) == 1


def test_a_forked_child_is_an_heir(fresh: SqliteRegistry) -> None:
    """It has the descriptor; it has no hand in it beyond that, and its end takes no lock file away."""
    number = begin(fresh, HEIRS)

    def child() -> list[object]:
        (session,) = fresh.sessions()
        fresh.let_go(number)
        return [session.alive, session.descriptor, len(lock_files(fresh))]

    assert in_child(child) == [True, -1, 1]
    assert fresh.sessions()[0].alive is True
    fresh.end((number,), 1.0)
    assert lock_files(fresh) == []


def test_what_is_in_a_session_is_found_by_its_index(tmp_path: Path, fresh: SqliteRegistry) -> None:
    """For sweeps and for its end, however many records there are beside it."""
    statements = load_statements()
    with closing(sqlite3.connect(tmp_path / "r.db")) as connection:
        for name in ("due_by_session", "due_with_session", "drop_sessions", "sessions"):
            statement = statements[name]
            bound = dict.fromkeys(re.findall(r":(\w+)", statement), 1)
            plan = [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {statement}", bound)]
            assert any("files_by_session" in line for line in plan), plan
            assert not [line for line in plan if line.startswith("SCAN files")]


def test_what_another_path_of_the_directory_has_stays(tmp_path: Path, fresh: SqliteRegistry) -> None:
    """A sweep of a session alone takes no file that is on record outside of it, by whatever path."""
    folder = tmp_path / "folder"
    folder.mkdir()
    number = begin(fresh, THIS_PROCESS)
    inode, born = os.stat(folder).st_ino, 7
    rows = [
        (f"{place}/file", None, None, (), (1, 2, 3, inode, born, 0)) for place in (str(folder), str(tmp_path / "other"))
    ]
    mine, other = ((*row[:4], Identity(*row[4])) for row in rows)
    fresh.add([mine], 0.0, session=number)
    fresh.add([other], 0.0)
    due = Selection(10.0, 0.0, force=True, session=number)
    assert fresh.page(due, now=0.0, limit=9).records == ()
    fresh.add([other], 0.0, session=number)
    assert len(fresh.page(due, now=0.0, limit=9).records) == 2


def test_a_file_of_before_has_no_session(tmp_path: Path, fresh: SqliteRegistry) -> None:
    fresh.add([new("/p/a")], 1.0)
    assert fresh.get(["/p/a"])["/p/a"].session == 0
