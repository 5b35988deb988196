"""Versions of the SQLite file's schema, and the way from an older one to this one."""

import sqlite3

from temp_file_manager.errors import RegistryError
from temp_file_manager.registry.sqlite.sql import MIGRATIONS, load
from temp_file_manager.text import printable

APPLICATION = 0x74666D31  # "tfm1" in the file's header: whose it is


def current() -> int:
    """Return the schema that this version makes."""
    return len(MIGRATIONS)


def schema(connection: sqlite3.Connection, path: str) -> int:
    """Return how many migrations a file has seen.

    Raises:
        RegistryError: it is another program's.
    """
    # In one statement: between two, another process may have made the tables.
    application, version, tables = connection.execute(
        "SELECT application_id, user_version, (SELECT count(*) FROM sqlite_master) "
        "FROM pragma_application_id, pragma_user_version"
    ).fetchone()
    if application != APPLICATION and (application or version or tables):
        raise RegistryError(f"{printable(path)} is another program's database: give another path")
    return int(version)


def migrate(connection: sqlite3.Connection, path: str) -> None:
    """Bring a file to the schema of this version, as a whole or not at all."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        # Looked at again under the lock: two processes may open a new file together.
        for number, name in enumerate(MIGRATIONS, 1):
            if number > schema(connection, path):
                for statement in load(name).split(";\n"):
                    connection.execute(statement)
                connection.execute(f"PRAGMA application_id = {APPLICATION}")
                connection.execute(f"PRAGMA user_version = {number}")
        connection.execute("COMMIT")
    except BaseException:
        connection.rollback()
        raise
