"""What a PostgreSQL server takes of a fleet beyond what ``postgres`` compares: many records, many sweepers, an outage.

Each figure beside its own peer, in one run on one server. Processor time is that of clients and server together.
"""

import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from functools import partial
from itertools import pairwise
from multiprocessing import get_context
from multiprocessing.process import BaseProcess
from queue import SimpleQueue
from time import perf_counter
from typing import Any

import psycopg
from tests.postgres_server import PostgresServer

from benchmarks import peers
from benchmarks.measures import RM, Plan, timed
from benchmarks.postgres import CHUNK, Meter, added, files, opened, swept
from benchmarks.tables import Table, compared, quantile, unmeasured
from benchmarks.trees import Tree
from temp_file_manager import TempFileManager
from temp_file_manager.registry.postgres.registry import PostgresRegistry
from temp_file_manager.registry.postgres.rows import stored_identity
from temp_file_manager.settings import Settings

SINGLES, SINGLES_BY_POOL = "registering one by one, 32 threads, µs CPU", "INSERT one by one, a pool of 8, µs CPU"
THREADS, POOL, ONE_BY_ONE = 32, 8, 4000
HELD, FREE = "claim and settle beside an open transaction, µs CPU", "the same without, µs CPU"
WHOLE, WHOLE_RM = "a whole sweep, files and all, µs CPU", f"{RM}, µs CPU"
ONE, FOUR = "one sweeper, 100 µs a removal, µs", "four, µs"
SPOOLED = "registering while the server is away, p99, ms"
DISK, WAL = "bytes on the disk of a record", "bytes of WAL in its life"
REMOVAL = 1e-4
"""Seconds."""

_FILL = """
INSERT INTO tfm.files (scope, owner, path, registered_at, size, disk, identity)
SELECT (SELECT max(id) FROM tfm.scopes), 0, convert_to('/fill/job-' || n %% 997 || '/part-' || n, 'UTF8'), 1e8 + n,
    4096, 4096, decode(lpad(to_hex(n), 96, '0'), 'hex')
FROM generate_series(%s::bigint, %s::bigint) AS n
"""
_INSERT = """
INSERT INTO peer (scope, owner, path, registered_at, size, identity, disk) VALUES (1, 1, %s, 1000, %s, %s, 4096)
ON CONFLICT DO NOTHING
"""
_PEER = "CREATE TABLE IF NOT EXISTS peer (LIKE tfm.files INCLUDING ALL); TRUNCATE peer"


def at_name(what: str, records: int) -> str:
    """Return the row of a step with so many records beside."""
    return f"{what}, {records:,} records, µs CPU"


def scales(plan: Plan) -> tuple[int, int]:
    """Return how many records there are beside, in the smaller and in the larger case."""
    return plan.stored // 10, plan.stored


def trees(plan: Plan) -> list[tuple[str, int, int]]:
    """Return the trees that this measure wants."""
    return [(name, turn, plan.files) for name in (WHOLE, WHOLE_RM) for turn in range(plan.rounds)]


class _Bench:
    """A server with a database, and what measures on it."""

    def __init__(self, plan: Plan, server: PostgresServer) -> None:
        self.plan, self.server, self.meter = plan, server, Meter(server)
        self.place = server.conninfo(server.new_database())
        self.samples = unmeasured((), 0)

    def add(self, name: str, value: float) -> None:
        """Keep a figure of one round."""
        self.samples.setdefault(name, []).append(value)

    def used(self, work: Callable[[], object]) -> float:
        """Return the processor seconds that something takes, of programs that it starts, too."""
        before, children = self.meter.read(), os.times()
        work()
        after = os.times()
        of_children = after.children_user + after.children_system - children.children_user - children.children_system
        return self.meter.read() - before + of_children

    # -- one by one

    def one_by_one(self) -> None:
        """Register from many threads, each file by itself."""
        with opened(self.place) as registry, ThreadPoolExecutor(THREADS) as threads:
            rows = files(min(ONE_BY_ONE, self.plan.files), 1000.0)
            took = self.used(lambda: list(threads.map(lambda row: registry.add([row], 1000.0), rows)))
        self.add(SINGLES, took / len(rows) * 1e6)
        with closing(psycopg.connect(self.place, autocommit=True)) as connection:
            connection.execute(_PEER)
        pool = SimpleQueue[Any]()
        for _ in range(POOL):
            pool.put(psycopg.connect(self.place, autocommit=True))

        def insert(row: Any) -> None:
            connection = pool.get()
            connection.execute(_INSERT, (os.fsencode(row[0]), row[2], stored_identity(row[4])), prepare=True)
            pool.put(connection)

        with ThreadPoolExecutor(THREADS) as threads:
            took = self.used(lambda: list(threads.map(insert, rows)))
        self.add(SINGLES_BY_POOL, took / len(rows) * 1e6)
        for _ in range(POOL):
            pool.get().close()

    # -- beside many records

    def among(self, records: int) -> None:
        """Add, claim and settle beside so many records."""
        count = min(self.plan.files, 20_000)
        with opened(self.place) as registry:
            with closing(psycopg.connect(self.place, autocommit=True)) as connection:
                connection.execute(_FILL, (1, records))
                connection.execute("VACUUM ANALYZE tfm.files")
            for _ in range(self.plan.rounds):
                self.add(at_name("add", records), self.used(lambda: added(registry, count)) / count * 1e6)
                took = self.used(lambda: swept(registry, count // CHUNK))
                self.add(at_name("claim and settle", records), took / count * 1e6)
        with closing(psycopg.connect(self.place, autocommit=True)) as connection:
            connection.execute("TRUNCATE tfm.files")

    def beside_a_transaction(self) -> None:
        """Claim and settle, without and with a transaction that is held open; the first chunk of each counts not."""
        count = min(self.plan.files, 20_000)
        for name in (FREE, HELD):
            with opened(self.place) as registry, closing(psycopg.connect(self.place)) as held:
                if name is HELD:
                    held.execute("SELECT count(*), pg_current_xact_id() FROM tfm.scopes")
                added(registry, count + CHUNK)
                swept(registry, 1)
                self.add(name, self.used(partial(swept, registry)) / count * 1e6)

    # -- with files

    def whole(self, turn: int) -> None:
        """Sweep a tree of files, and remove another by ``rm -rf``."""
        tree, other = (self.plan.forest.tree(name, turn) for name in (WHOLE, WHOLE_RM))
        registry = PostgresRegistry(self.place, f"volume:whole-{turn}")
        base = os.path.join(self.plan.scratch, f"whole-{turn}")
        with closing(TempFileManager(base, registry=registry)) as manager:
            manager.register_files(tree.paths())
            os.sync()
            self.add(WHOLE, self.used(lambda: manager.sweep(force=True)) / tree.count * 1e6)
        assert not tree.left()
        self.add(WHOLE_RM, self.used(lambda: _rm(other)) / other.count * 1e6)

    def sweepers(self) -> None:
        """Retire records whose removal takes a while, by one process and by four."""
        count = min(self.plan.files, 20_000)
        for name, processes in ((ONE, 1), (FOUR, 4)):
            with opened(self.place) as registry:
                added(registry, count)
                scope = registry.scope.name
                spawned = get_context("spawn")
                ready = spawned.Barrier(processes + 1)
                workers = [spawned.Process(target=_sweeper, args=(self.place, scope, ready)) for _ in range(processes)]
                for worker in workers:
                    worker.start()
                ready.wait()
                self.add(name, timed(_join, workers) / count * 1e6)
                if left := registry.stats().records:
                    raise RuntimeError(f"{left} records are left")

    # -- what it costs beside time

    def bytes(self) -> None:
        """Weigh records on the disk, and what is written ahead in their life."""
        count = self.plan.files
        with opened(self.place) as registry, closing(psycopg.connect(self.place, autocommit=True)) as connection:

            def asked(sql: str) -> int:
                ((found,),) = connection.execute(sql.encode()).fetchall()
                return int(found)

            connection.execute("TRUNCATE tfm.files")
            size, ahead = "SELECT pg_total_relation_size('tfm.files')", "SELECT pg_current_wal_lsn() - '0/0'::pg_lsn"
            empty = asked(size)
            connection.execute("CHECKPOINT")
            before = asked(ahead)
            added(registry, count)
            self.add(DISK, (asked(size) - empty) / count)
            swept(registry)
            self.add(WAL, (asked(ahead) - before) / count)

    def outage(self) -> None:
        """Register while the server is away, in the spool."""
        base = os.path.join(self.plan.scratch, "outage")
        url = self.server.url(self.place.split("dbname=")[1].split()[0])
        settings = Settings(base_dir=base, registry=url, spool=True, spool_file=f"{base}.spool")
        with closing(TempFileManager.from_settings(settings)) as manager:
            paths = [os.path.join(base, f"{number}") for number in range(2000)]
            for path in paths:
                with open(path, "w"):
                    pass
            manager.register_file(paths[0])
            self.server.stop()
            manager.register_file(paths[1])  # finds out that it is away
            moments = [perf_counter()]  # not ``timed``, which collects garbage first: for 2,000 files half a minute
            for path in paths[2:]:
                manager.register_file(path)
                moments.append(perf_counter())
            self.server.start()
        took = sorted(after - before for before, after in pairwise(moments))
        self.add(SPOOLED, quantile(took, 0.99) * 1e3)


def _join(workers: Iterable[BaseProcess]) -> None:
    for worker in workers:
        worker.join()


def _rm(tree: Tree) -> None:
    peers.rm(tree)


def _sweeper(place: str, scope: str, ready: Any) -> None:
    with closing(PostgresRegistry(place, scope)) as registry:
        registry.stats()
        ready.wait()
        swept(registry, removal=REMOVAL)


def server(plan: Plan) -> Table:
    """Measure it all."""
    running = PostgresServer()
    try:
        bench = _Bench(plan, running)
        bench.bytes()
        for turn in range(plan.rounds):
            bench.one_by_one()
            bench.beside_a_transaction()
            bench.sweepers()
            bench.whole(turn)
        for records in scales(plan):
            bench.among(records)
        bench.outage()
    finally:
        running.remove()
    table = compared("server", "A fleet's PostgreSQL server", "figure", bench.samples, {}, ours=WHOLE)
    columns = {field: heading for field, heading in table.columns.items() if field in ("name", "median", "spread")}
    return replace(table, columns=columns, remarks=("What is to be compared is so among the goals.",))
