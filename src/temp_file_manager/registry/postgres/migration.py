"""The schema of a database: made and brought up to date when somebody asks, never by itself."""

import psycopg

from temp_file_manager.errors import RegistryError
from temp_file_manager.registry.postgres.server import Row, Server
from temp_file_manager.registry.postgres.sql import MIGRATIONS, load

_LOCK = 0x74666D
"""The advisory lock of whoever migrates: ``tfm`` in letters."""


def schema_of(server: Server) -> int:
    """Return how many migrations a database has seen."""
    (there,) = server.reader.execute("SELECT to_regclass('tfm.version') IS NOT NULL")[0]
    return int(server.reader.execute("SELECT schema FROM tfm.version")[0][0]) if there else 0


def migrate(server: Server) -> tuple[int, int]:
    """Make the schema, or bring it up to date; return the former and the present one.

    Raises:
        RegistryError: a newer version of this package has been there.
    """

    def work(connection: psycopg.Connection[Row]) -> int:
        connection.execute("SELECT pg_advisory_xact_lock(%s)", (_LOCK,))
        before = schema_of(server)  # by the other connection: what was committed when the lock was had
        if before > len(MIGRATIONS):
            raise RegistryError(
                f"{server.where} has schema {before}, of a newer version: this one knows {len(MIGRATIONS)}"
            )
        for name in MIGRATIONS[before:]:
            connection.execute(load(name))
        connection.execute("UPDATE tfm.version SET schema = %s", (len(MIGRATIONS),))
        return before

    return server.writer.transaction(work), len(MIGRATIONS)
