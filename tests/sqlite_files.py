"""Files of the SQLite registry: where they are, and what is in them."""

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

from temp_file_manager.records import NewFile
from temp_file_manager.registry.sqlite.registry import SqliteRegistry


def new(path: str) -> NewFile:
    return (path, None, None, (), None)


def registry_at(path: Path, base: Path) -> SqliteRegistry:
    return SqliteRegistry(str(path), str(base))


def own(disk: Path) -> Path:
    """Where ``sqlite:`` puts its files."""
    return disk / "base" / ".temp-file-manager"


def execute(path: Path, statement: str) -> Any:
    """Run a statement in a connection of its own; return the first row."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        return connection.execute(statement).fetchone()
