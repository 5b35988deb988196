"""The standing of a server: its version, TLS, clock, and what keeps it from cleaning up after itself."""

from dataclasses import dataclass
from typing import Any

import psycopg

from temp_file_manager.registry.postgres.server import Row, Server
from temp_file_manager.registry.postgres.sql import MIGRATIONS

_OLDEST = """
SELECT pid, coalesce(usename, '?'), application_name, state,
    extract(epoch FROM clock_timestamp() - xact_start)::float8
FROM pg_stat_activity
WHERE xact_start IS NOT NULL AND pid <> pg_backend_pid() AND datname = current_database()
UNION ALL
SELECT 0, owner::text, gid, 'prepared', extract(epoch FROM clock_timestamp() - prepared)::float8
FROM pg_prepared_xacts WHERE database = current_database()
ORDER BY 5 DESC LIMIT 1
"""
_UNSEEN = """
SELECT count(*) FROM pg_stat_activity
WHERE datname = current_database()
    AND NOT pg_has_role(usesysid, 'USAGE') AND NOT pg_has_role('pg_read_all_stats', 'USAGE')
"""
_SLOTS = """
SELECT slot_name::text, active, greatest(age(xmin), age(catalog_xmin)),
    CASE WHEN pg_is_in_recovery() THEN NULL ELSE pg_wal_lsn_diff(pg_current_wal_lsn(), restart_lsn)::bigint END
FROM pg_replication_slots WHERE xmin IS NOT NULL OR catalog_xmin IS NOT NULL OR NOT active
"""


@dataclass(frozen=True, slots=True)
class Transaction:
    """A transaction of somebody's: what was deleted since it began stays on the disk.

    Attributes:
        process: The server's process that it is in; 0 of one that was prepared.
        user: Whose.
        name: What its program calls itself, or it is called.
        state: What it does.
        age: Seconds since it began.
    """

    process: int
    user: str
    name: str
    state: str
    age: float


@dataclass(frozen=True, slots=True)
class Slot:
    """A replication slot that keeps rows or logs for somebody.

    Attributes:
        name: Its name.
        active: Whether anybody reads from it.
        transactions: How many transactions back it keeps rows; None: it keeps none.
        bytes: How much of the log it keeps; None where that cannot be told.
    """

    name: str
    active: bool
    transactions: int | None
    bytes: int | None


@dataclass(frozen=True, slots=True)
class Standing:
    """What there is to know of a server.

    Attributes:
        where: Its address, as it may be shown.
        version: PostgreSQL's.
        schema: How many migrations its database has seen.
        needed: How many this version of the package knows.
        user: As whom it knows us.
        standby: Whether it only reads.
        tls: The version of TLS that is spoken; empty: none.
        verified: Whether the server has shown that it is who it is to be, or is on this machine.
        ahead: Seconds its clock is ahead of this machine's; negative: behind.
        doubt: How far off that may be, in seconds.
        oldest: The oldest transaction that can be seen.
        unseen: How many connections are others', whose transactions this role may not see.
        slots: The replication slots that keep anything.
    """

    where: str
    version: str
    schema: int
    needed: int
    user: str
    standby: bool
    tls: str
    verified: bool
    ahead: float
    doubt: float
    oldest: Transaction | None
    unseen: int
    slots: tuple[Slot, ...]


def standing(server: Server) -> Standing:
    """Ask a server.

    Raises:
        RegistryError: it does not answer, or refuses.
    """

    def work(link: psycopg.Connection[Row]) -> dict[str, Any]:
        said = "SELECT current_setting('server_version'), current_user::text, pg_is_in_recovery()"
        ((version, user, standby),) = link.execute(said).fetchall()
        oldest, slots = link.execute(_OLDEST).fetchone(), link.execute(_SLOTS).fetchall()
        parts = link.info.get_parameters()
        tls = link.pgconn.ssl_in_use
        near = link.info.host.startswith("/") or link.info.hostaddr in ("127.0.0.1", "::1")
        return {
            "version": version,
            "user": user,
            "standby": standby,
            "tls": "TLS" if tls else "",
            "verified": near or (tls and parts.get("sslmode") == "verify-full"),
            "oldest": Transaction(*oldest) if oldest else None,
            "unseen": link.execute(_UNSEEN).fetchall()[0][0],
            "slots": tuple(Slot(*row) for row in slots),
        }

    found = server.reader.transaction(work)
    offset, clock = server.clock.offset, server.clock
    assert offset is not None  # noqa: S101 - it has just answered
    return Standing(
        where=server.where,
        schema=server.schema or 0,
        needed=len(MIGRATIONS),
        ahead=clock.wall() - clock.machine.wall(),
        doubt=offset.doubt_at(clock.own()),
        **found,
    )
