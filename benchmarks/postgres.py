"""The registry on PostgreSQL against the server's own ways: processor time of client and server together.

The server is one of its own, as the tests have it. Wall time would be that of its disk.
"""

import itertools
import os
import resource
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from glob import glob

import psycopg
from tests.postgres_server import PostgresServer

from benchmarks.measures import Plan
from benchmarks.tables import Table, compared, interleaved, unmeasured
from temp_file_manager.chunks import Other
from temp_file_manager.records import Identity, NewFile, Selection
from temp_file_manager.registry import Claim, Settlement
from temp_file_manager.registry.postgres.registry import PostgresRegistry
from temp_file_manager.registry.postgres.rows import stored_identity

CHUNK = 1000
COPIED = 10_000

ADD, COPY = "ours, add of 1,000", "binary COPY of 10,000"
SWEEP, BY_KEY, MARKS = "ours, claim and settle of 1,000", "DELETE of 1,000 by key", "SKIP LOCKED marks, 1,000"

_numbers = itertools.count()


class Meter:
    """Processor seconds of this process and of a server's, as the kernel counts them."""

    def __init__(self, server: PostgresServer) -> None:
        with open(f"{server.place}/data/postmaster.pid") as file:
            self._postmaster = int(file.readline())
        self._seen: dict[int, float] = {}

    def read(self) -> float:
        """Return what has been used so far; of those that have ended, until it was last asked."""
        used = resource.getrusage(resource.RUSAGE_SELF)
        self._seen |= {process: _used_by(process) or self._seen.get(process, 0.0) for process in self._processes()}
        return used.ru_utime + used.ru_stime + sum(self._seen.values())

    def _processes(self) -> Iterator[int]:
        for path in glob(f"/proc/{self._postmaster}/task/*/children"):
            with open(path) as file:
                yield from map(int, file.read().split())


def _used_by(process: int) -> float:
    try:
        with open(f"/proc/{process}/schedstat") as file:
            return int(file.read().split()[0]) / 1e9
    except (FileNotFoundError, ProcessLookupError):  # it has just ended
        return 0.0


def files(count: int, at: float) -> list[NewFile]:
    """Return files that are nowhere, each with a path of its own."""
    made = next(_numbers)
    return [
        (
            f"/srv/spool/{made % 97:02}/job-{made}/part-{number:07}.tmp",
            None,
            4096 + number,
            (),
            Identity(made * 1_000_000 + number, int(at * 1e9) + number, int(at * 1e9), made, 7, 12),
            4096,
        )
        for number in range(count)
    ]


@contextmanager
def opened(place: str) -> Iterator[PostgresRegistry]:
    """Give a registry of a scope of its own, which has registered and retired something."""
    with closing(PostgresRegistry(place, f"volume:{next(_numbers)}")) as registry:
        registry.add(files(1, 0.0), 0.0)
        registry.settle(Settlement(_claim(registry), 1, {}, 1.0))
        yield registry


def _claim(registry: PostgresRegistry, after: object | None = None, settling: Settlement | None = None) -> Claim:
    due = Selection(1e9, 0.0)
    return registry.claim(due, now=0.0, lease=60.0, limit=CHUNK, after=after, settling=settling)


def added(registry: PostgresRegistry, count: int) -> None:
    """Put so many files on record, a chunk at a time."""
    for first in range(0, count, CHUNK):
        registry.add(files(min(CHUNK, count - first), 1000.0), 1000.0 + first)


def swept(registry: PostgresRegistry, chunks: int | None = None, *, removal: float = 0.0) -> None:
    """Claim and settle what is due, so many chunks of it, as if each removal took so many seconds."""
    others = dict[int, Other]()
    settling, cursor, done = None, None, 0
    while done != chunks and (claim := _claim(registry, after=cursor, settling=settling)).records:
        claim.records.places()
        time.sleep(removal * len(claim.records))
        cursor, settling, done = claim.cursor, Settlement(claim, len(claim.records), others, 2e9), done + 1
    if settling is not None and done == chunks:
        registry.settle(settling)


_PEER = """
CREATE TABLE IF NOT EXISTS peer (LIKE tfm.files INCLUDING ALL) WITH (autovacuum_enabled = off); TRUNCATE peer
"""
_COPY = """
COPY peer (scope, owner, path, registered_at, size, identity, disk) FROM STDIN (FORMAT BINARY)
"""
_DUE = (
    "SELECT id, path, identity, size FROM peer WHERE scope = 1 AND due_at IS NULL ORDER BY registered_at, id LIMIT 1000"
)
_MARK = """
UPDATE peer SET tried = 1 WHERE id IN (
    SELECT id FROM peer WHERE scope = 1 AND due_at IS NULL AND tried = 0 ORDER BY registered_at, id LIMIT 1000
    FOR UPDATE SKIP LOCKED
) RETURNING id, path, identity, size
"""
_DELETE = "DELETE FROM peer WHERE id = ANY (%b)"


def _copied(connection: psycopg.Connection, count: int) -> None:
    for first in range(0, count, COPIED):
        with connection.cursor() as cursor, cursor.copy(_COPY) as copy:
            copy.set_types(["int4", "int8", "bytea", "float8", "int8", "bytea", "int8"])
            for path, _, size, _, identity, disk in files(min(COPIED, count - first), 1000.0):
                row = (1, 1, os.fsencode(path), 1000.0 + first, size, stored_identity(identity), disk)
                copy.write_row(row)


def _deleted(connection: psycopg.Connection, choose: str) -> None:
    while rows := connection.execute(choose, binary=True).fetchall():
        connection.execute(_DELETE, ([row[0] for row in rows],))


def _contestants(place: str, meter: Meter, count: int) -> dict[str, Callable[[], float]]:
    """Return what measures the processor seconds of each, by name."""

    def used(work: Callable[[], None]) -> float:
        before = meter.read()
        work()
        return meter.read() - before

    def ours(*, sweep: bool) -> float:
        with opened(place) as registry:
            adding = used(lambda: added(registry, count))
            return used(lambda: swept(registry)) if sweep else adding

    def theirs(choose: str = "") -> float:
        with closing(psycopg.connect(place, autocommit=True)) as connection:
            connection.execute(_PEER)
            copying = used(lambda: _copied(connection, count))
            return used(lambda: _deleted(connection, choose)) if choose else copying

    return {
        ADD: lambda: ours(sweep=False),
        COPY: theirs,
        SWEEP: lambda: ours(sweep=True),
        BY_KEY: lambda: theirs(_DUE),
        MARKS: lambda: theirs(_MARK),
    }


def postgres(plan: Plan) -> Table:
    """Register files on PostgreSQL in bulk; claim and settle their records, without files."""
    samples = unmeasured((ADD, COPY, SWEEP, BY_KEY, MARKS), plan.rounds)
    server = PostgresServer()
    try:
        able = _contestants(server.conninfo(server.new_database()), Meter(server), plan.files)
        for turn, name in interleaved(list(able), plan.rounds):
            samples[name][turn] = able[name]() / plan.files * 1e6
    finally:
        server.remove()
    title, unit = f"Registering and retiring {plan.files:,} files on PostgreSQL", "µs of processor time a file"
    adding, sweeping = (
        compared("postgres", title, unit, {name: samples[name] for name in names}, {}, ours=names[0])
        for names in ((ADD, COPY), (SWEEP, BY_KEY, MARKS))
    )
    return replace(
        adding, rows=adding.rows + sweeping.rows, remarks=("Each of ours is compared with what follows it.",)
    )
