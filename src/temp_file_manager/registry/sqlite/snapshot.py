"""A look at a SQLite registry from outside: nothing is made, migrated or mended, and nobody is waited for."""

import os
import sqlite3
from contextlib import closing
from typing import NamedTuple
from urllib.parse import quote

from temp_file_manager.errors import RegistryError
from temp_file_manager.registry.sqlite.migration import APPLICATION
from temp_file_manager.registry.sqlite.place import mode_to_look
from temp_file_manager.registry.sqlite.sql import MIGRATIONS
from temp_file_manager.text import count, printable

_PATIENCE = 2.0


class Look(NamedTuple):
    """Findings in the file.

    Attributes:
        schema: The version of its tables.
        size: Bytes, with what is not yet merged into it.
        records: Of this base directory.
        all_records: Of all base directories that share the file.
        journal: SQLite's mode of writing.
        clock: The last line of the journal ``"clock"``.
        adopted: That of the journal ``"adopt"``.
    """

    schema: int
    size: int
    records: int
    all_records: int
    journal: str
    clock: str | None
    adopted: str | None

    @property
    def told(self) -> str:
        """It in words."""
        here = f"{count(self.records, 'record')} here of {self.all_records}"
        return f"{here}, {self.size // 1024} KiB, schema {self.schema}, journal {self.journal}"

    @property
    def is_newer(self) -> bool:
        """Whether a newer version made it, which this one only reads."""
        return self.schema > len(MIGRATIONS)


def look_at(path: str, base_dir: str) -> Look:
    """Read an existing registry.

    Raises:
        RegistryError: it cannot be read, or is none.
    """
    address = f"file:{quote(os.fsencode(path))}?{mode_to_look(path) or 'mode=rw'}"
    try:
        with closing(sqlite3.connect(address, uri=True, timeout=_PATIENCE)) as connection:
            connection.execute("PRAGMA query_only = ON")
            return _read(connection, path, base_dir)
    except (sqlite3.Error, OSError) as error:
        raise RegistryError(f"{printable(path)} cannot be read: {error}") from error


def _read(connection: sqlite3.Connection, path: str, base_dir: str) -> Look:
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    (schema,) = connection.execute("PRAGMA user_version").fetchone()
    (journal,) = connection.execute("PRAGMA journal_mode").fetchone()
    if application != APPLICATION:
        raise RegistryError(f"{printable(path)} is no registry of this program: give another path")
    base = os.fsencode(os.path.realpath(base_dir))
    (everyone,) = connection.execute("SELECT coalesce(sum(records), 0) FROM scopes").fetchone()
    found = connection.execute("SELECT id, records FROM scopes WHERE base = ?", (base,)).fetchone()
    scope, records = found or (0, 0)
    # What the third schema reads its notes by, files of the first two have: the view has the name of their table.
    query = "SELECT name, text FROM facts WHERE scope = ? AND name IN ('clock', 'adopt')"
    facts = dict(connection.execute(query, (scope,)))
    side = (f"{path}{ending}" for ending in ("", "-wal"))
    size = sum(os.path.getsize(name) for name in side if os.path.exists(name))
    return Look(int(schema), size, int(records), int(everyone), str(journal), facts.get("clock"), facts.get("adopt"))
