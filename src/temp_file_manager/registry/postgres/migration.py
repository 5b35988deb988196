"""The schema of a database: made and brought up to date when somebody asks, never by itself."""

import math

import psycopg

from temp_file_manager.errors import RegistryError
from temp_file_manager.registry.postgres.server import Row, Server
from temp_file_manager.registry.postgres.sql import MIGRATIONS, load

_LOCK = 0x74666D
"""The advisory lock of whoever migrates: ``tfm`` in letters."""

ROLES = ("tfm_owner", "tfm_register", "tfm_sweep", "tfm_view")
"""Whoever migrates, registers, sweeps, or only looks. They belong to the whole server, not to one database."""


def schema_of(server: Server) -> int:
    """Return how many migrations a database has seen."""
    (there,) = server.reader.execute("SELECT to_regclass('tfm.version') IS NOT NULL")[0]
    return int(server.reader.execute("SELECT schema FROM tfm.version")[0][0]) if there else 0


def migrate(server: Server) -> tuple[int, int]:
    """Make the schema, or bring it up to date, and grant the roles that there are what is theirs.

    All in one transaction. Of two that migrate at once the second waits, and finds nothing left to do.

    Returns:
        How many migrations the database had seen before, and has now.

    Raises:
        RegistryError: a newer version of this package has been there, or this role may not.
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
        if before < len(MIGRATIONS):
            connection.execute("UPDATE tfm.version SET schema = %s", (len(MIGRATIONS),))
        connection.execute(load("roles.sql"))
        return before

    done = server.writer.transaction(work, longest=math.inf), len(MIGRATIONS)
    server.schema = None  # to be looked at again
    return done


def missing_roles(server: Server) -> tuple[str, ...]:
    """Return those of the roles that the server does not have, as whoever migrated may make none."""
    found = server.reader.execute("SELECT rolname::text FROM pg_roles WHERE rolname = ANY(%s)", (list(ROLES),))
    return tuple(role for role in ROLES if (role,) not in found)
