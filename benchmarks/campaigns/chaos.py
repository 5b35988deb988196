"""Chaos: a storm of hosts on one PostgreSQL server, which is restarted, cut off, slow, and has a transaction held open.

Each process is a host with a clock of its own, some hours off. Some are stopped for longer than their claims last. The
judge is the storm's: what was acknowledged is on record, what was not due is there, and nothing is removed twice.
"""

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from random import Random
from typing import Any

import psycopg
from tests.postgres_server import PostgresServer

from benchmarks.campaigns import actors, roamer
from benchmarks.campaigns.actors import Place
from benchmarks.campaigns.campaign import Campaign
from benchmarks.campaigns.proxy import Proxy
from benchmarks.campaigns.storm import storm
from benchmarks.campaigns.world import World
from temp_file_manager.records import Selection
from temp_file_manager.registry import Claim
from temp_file_manager.registry.postgres.registry import PostgresRegistry
from temp_file_manager.sweeping import sweep

LEASE = 1.5
"""Seconds that a claim lasts: a process may be stopped for longer."""
STOPPED = 2 * LEASE
SKEWED = 3 * 3600.0
"""Seconds that a host's clock is off, at most."""
DELAYED = 0.3
"""Seconds that an answer is late, at most."""
STALLED = 0.1
"""Seconds between a claim and the first removal, at most."""
SLOW = 0.0005
"""Seconds that a removal takes."""
PROCESSES: tuple[Callable[[Place], None], ...] = (
    *[roamer.roam] * 4,
    *[actors.renew] * 2,
    *[actors.sweep] * 2,
    actors.hear,
)
LEFT = frozenset({"hold of a dead process"})
_OWNERS_ARE_DEAD = "UPDATE tfm.owners SET seen_at = 0"


class Weather:
    """What happens to a server that processes reach through a proxy."""

    def __init__(self, server: PostgresServer, proxy: Proxy, database: str) -> None:
        self._server, self._proxy, self._database = server, proxy, database
        self._held: psycopg.Connection[tuple[object, ...]] | None = None

    def disturb(self, random: Random) -> str:
        """Make something happen, and return what it is called."""
        kind = random.random()
        if kind < 0.1:
            self._let_go()
            self._server.stop("immediate")
            self._server.start()
            return "server restarts"
        if kind < 0.5:
            self._proxy.cut()
            return "times all connections were cut"
        if kind < 0.8:
            self._proxy.delay(random.choice((0.0, random.random() * DELAYED)))
            return "changes of delay"
        self._let_go()
        self._held = psycopg.connect(self._server.conninfo(self._database))
        self._held.execute("SELECT count(*), pg_current_xact_id() FROM tfm.files")
        return "transactions held open"

    def _let_go(self) -> None:
        if self._held is not None:
            self._held.close()
            self._held = None

    def rest(self) -> None:
        """Return when what the dead had claimed is free, and what they held is nobody's."""
        self._let_go()
        self._proxy.delay(0)
        time.sleep(LEASE)
        with psycopg.connect(self._server.conninfo(self._database)) as connection:
            connection.execute(_OWNERS_ARE_DEAD)


def far(random: Random) -> None:
    """Have this process's clock be off, each removal take a while, and what it has claimed wait for it a while."""
    now, by, unlink, claim = time.time, random.uniform(-SKEWED, SKEWED), os.unlink, PostgresRegistry.claim

    def slow(path: Any, **others: Any) -> None:
        unlink(path, **others)
        time.sleep(SLOW)  # behind it: what comes between the look and the removal is not ours to make longer

    def stalled(self: PostgresRegistry, due: Selection, **how: Any) -> Claim:
        made = claim(self, due, **how)
        time.sleep(random.random() * STALLED if made.records else 0)
        return made

    PostgresRegistry.claim = stalled  # type: ignore[method-assign]
    time.time = lambda: now() + by  # type: ignore[assignment]
    os.unlink = os.remove = slow  # type: ignore[assignment]


@contextmanager
def leases(seconds: float) -> Iterator[None]:
    """Have claims last so many seconds."""
    before, sweep.LEASE = sweep.LEASE, seconds
    try:
        yield
    finally:
        sweep.LEASE = before


def chaos(
    operations: int,
    directory: str | None,
    seed: int,
    told: Callable[[str], None],
    roles: tuple[Callable[[Place], None], ...] = PROCESSES,
    enter: Callable[[Random], None] = far,
    *,
    calm: bool = False,
) -> Campaign:
    """Let a storm rage; see ``storm``.

    Args:
        operations: As there.
        directory: As there.
        seed: As there, and of what happens to the server.
        told: As there.
        roles: As there.
        enter: Called in each process first.
        calm: Whether nothing happens to the server.
    """
    server = PostgresServer()
    try:
        database = server.new_database()
        with Proxy(f"{server.place}/proxy/.s.PGSQL.5432", f"{server.place}/.s.PGSQL.5432") as proxy, leases(LEASE):
            weather = Weather(server, proxy, database)
            address = f"postgresql://postgres@/{database}?host={server.place}/proxy"
            world = World(address, None if calm else weather.disturb, weather.rest, enter, STOPPED, LEFT)
            return storm(operations, directory, seed, told, roles, world)
    finally:
        server.remove()
