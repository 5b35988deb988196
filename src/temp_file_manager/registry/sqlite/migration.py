"""Versions of the SQLite file's schema, and the way from an older one to this one."""

import sqlite3
from collections.abc import Callable
from dataclasses import dataclass

from temp_file_manager.errors import RegistryError
from temp_file_manager.registry.sqlite.sql import MIGRATIONS, load
from temp_file_manager.text import printable

APPLICATION = 0x74666D31  # "tfm1" in the file's header: whose it is


@dataclass(frozen=True, slots=True)
class Layout:
    """The tables of a kind of SQLite file, and whose they are.

    Attributes:
        application: What its header says.
        names: Returns the names of its migrations, in their order.
        load: Returns the text of one.
        example: How its path is given, for messages.
    """

    application: int
    names: Callable[[], tuple[str, ...]]
    load: Callable[[str], str]
    example: str


# Looked up at each call, as MIGRATIONS and ``load`` are where tests put others in their place.
REGISTRY = Layout(
    APPLICATION,
    lambda: MIGRATIONS,
    lambda name: load(name),  # noqa: PLW0108 - see above
    "TEMP_FILE_REGISTRY=sqlite:///var/lib/temp-file-manager/registry.db",
)


def current(layout: Layout = REGISTRY) -> int:
    """Return the schema that this version makes."""
    return len(layout.names())


def schema(connection: sqlite3.Connection, path: str, layout: Layout = REGISTRY) -> int:
    """Return how many migrations a file has seen.

    Raises:
        RegistryError: it is another program's.
    """
    # In one statement: between two, another process may have made the tables.
    application, version, tables = connection.execute(
        "SELECT application_id, user_version, (SELECT count(*) FROM sqlite_master) "
        "FROM pragma_application_id, pragma_user_version"
    ).fetchone()
    if application != layout.application and (application or version or tables):
        raise RegistryError(f"{printable(path)} is another program's database: give another path")
    return int(version)


def migrate(connection: sqlite3.Connection, path: str, layout: Layout = REGISTRY) -> None:
    """Bring a file to the schema of this version, as a whole or not at all."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        # Looked at again under the lock: two processes may open a new file together.
        for number, name in enumerate(layout.names(), 1):
            if number > schema(connection, path, layout):
                for statement in layout.load(name).split(";\n"):
                    connection.execute(statement)
                connection.execute(f"PRAGMA application_id = {layout.application}")
                connection.execute(f"PRAGMA user_version = {number}")
        connection.execute("COMMIT")
    except BaseException:
        connection.rollback()
        raise
