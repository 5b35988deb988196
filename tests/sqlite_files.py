"""Files of the SQLite registry: where they are, and what is in them."""

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

from temp_file_manager.causes import Cause
from temp_file_manager.chunks import Other
from temp_file_manager.records import NewFile, Selection, Status
from temp_file_manager.registry import Claim, Settlement
from temp_file_manager.registry.sqlite.registry import SqliteRegistry
from temp_file_manager.registry.sqlite.rows import path_at

ALL = Selection(1e10, 0, force=True)


def new(path: str) -> NewFile:
    return (path, None, None, (), None, None)


def registry_at(path: Path, base: Path) -> SqliteRegistry:
    return SqliteRegistry(str(path), str(base))


def over(claim: Claim, status: Status = Status.REMOVED, *, at: float = 0.0, done: int | None = None) -> Settlement:
    """The end of a claim, of whose first ``done`` records the same became."""
    count = len(claim.records) if done is None else done
    others = {} if status is Status.REMOVED else dict.fromkeys(range(count), Other(status, Cause.ERROR))
    return Settlement(claim, count, others, at)


def claimed(registry: SqliteRegistry) -> list[str]:
    """The paths that somebody has claimed."""
    with registry.transactions.reading() as connection:
        found = connection.execute(registry.transactions.sql["claimed_files"], {"scope": registry.transactions.scope})
        return sorted(path_at(directory, name) for _, directory, name in found)


def own(disk: Path) -> Path:
    """Where ``sqlite:`` puts its files."""
    return disk / "base" / ".temp-file-manager"


def execute(path: Path | str, statement: str) -> Any:
    """Run a statement in a connection of its own; return the first row."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        return connection.execute(statement).fetchone()
