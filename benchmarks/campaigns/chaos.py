"""Chaos: a storm of hosts on one PostgreSQL server, to which much happens.

It is restarted, cut off, slow, has a transaction held open, and is lost: then its synchronous standby takes over.

Each process is a host with a clock of its own, some hours off. Some are stopped for longer than their claims last. One
registers by way of a spool, which is full now and then, and what is left in that is sent at the end of a round. The
judge is the storm's: what was acknowledged is on record, what was not due is there, and nothing is removed twice.
"""

import os
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import replace
from random import Random
from typing import Any, NamedTuple
from unittest.mock import patch

import psycopg
from tests.postgres_server import PostgresServer

from benchmarks.campaigns import actors, roamer
from benchmarks.campaigns.actors import Place
from benchmarks.campaigns.campaign import Campaign
from benchmarks.campaigns.proxy import Proxy
from benchmarks.campaigns.storm import storm
from benchmarks.campaigns.world import UNANSWERED, World
from temp_file_manager.errors import RegistryFullError
from temp_file_manager.records import Selection
from temp_file_manager.registry import Claim, Registry
from temp_file_manager.registry.postgres.registry import PostgresRegistry
from temp_file_manager.registry.schemes import open_registry
from temp_file_manager.registry.spool.file import SpoolFile
from temp_file_manager.registry.spool.registry import SpooledRegistry
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
SPOOLED = 40
"""Records that may wait in the spool: it is soon full."""


def spool(place: Place) -> None:
    """Register files once each, by way of a spool."""
    registry = _spooled(place.world.registry, place.base)
    registry.drain.start(at_once=True)  # what others left
    owner = actors.Owner(replace(place, world=replace(place.world, registry=registry)))
    place.ready()
    while True:
        names = owner.new(owner.random.choice((1, 5, 20)))
        try:
            owner.register(names, owner.random.choice((actors.DUE, actors.LATER)))
        except RegistryFullError:
            owner.refused(names)
            owner.manager.context.clock.wait(actors.NEVER, owner.random.random() * actors.WHILE)
        else:
            place.ready()


def _spooled(registry: Registry | str, base: str) -> SpooledRegistry:
    """Return a registry behind the spool that all share who have one, as soon as it answers."""
    while True:
        with suppress(*UNANSWERED):
            return SpooledRegistry(open_registry(registry, base), SpoolFile(f"{base}.spool", "chaos", SPOOLED))


PROCESSES: tuple[Callable[[Place], None], ...] = (
    *[roamer.roam] * 4,
    *[actors.renew] * 2,
    *[actors.sweep] * 2,
    actors.hear,
    spool,
)
LEFT = frozenset({"hold of a dead process"})
_END_ALL = """
SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'
"""
_OWNERS_ARE_DEAD = "UPDATE tfm.owners SET seen_at = 0"


class Pair:
    """A server and its synchronous standby: what one has acknowledged the other has, too.

    Attributes:
        primary: The one that is written to.
    """

    def __init__(self) -> None:
        self.primary = PostgresServer()
        self._standby = PostgresServer(primary=self.primary)
        self.primary.database("ALTER SYSTEM SET synchronous_standby_names = '*'")
        self.primary.database("SELECT pg_reload_conf()")

    def fail_over(self) -> None:
        """Lose the primary, and have the standby take over, with a new one beside it."""
        self.primary.remove()
        self.primary = self._standby
        self.primary.database("ALTER SYSTEM SET synchronous_standby_names = '*'")
        self.primary.promote()
        self._standby = PostgresServer(primary=self.primary)

    def remove(self) -> None:
        """Leave nothing of either."""
        self.primary.remove()
        self._standby.remove()


def _socket(server: PostgresServer) -> str:
    return f"{server.place}/.s.PGSQL.5432"


class Weather:
    """What happens to servers that processes reach through a proxy."""

    def __init__(self, pair: Pair, proxy: Proxy, database: str, address: str) -> None:
        self._pair, self._proxy, self._database, self._address = pair, proxy, database, address
        self._held: psycopg.Connection[tuple[object, ...]] | None = None
        self._to_come: list[_Kind] | None = None

    def disturb(self, random: Random) -> str:
        """Make something happen, each kind once before any is chosen again, and return what it is called."""
        if self._to_come is None:
            self._to_come = random.sample(_KINDS, len(_KINDS))
        kind = self._to_come.pop() if self._to_come else random.choices(_KINDS, [one.share for one in _KINDS])[0]
        kind.happen(self, random)
        return kind.name

    def restart(self, _: Random) -> None:
        """Kill the server, and start it again."""
        self._let_go()
        self._pair.primary.stop("immediate")
        self._pair.primary.start()

    def fail_over(self, _: Random) -> None:
        """Lose the server, and have its standby take over."""
        self._let_go()
        self._pair.fail_over()
        self._proxy.lead(_socket(self._pair.primary))

    def cut(self, _: Random) -> None:
        """End all connections."""
        self._proxy.cut()

    def delay(self, random: Random) -> None:
        """Have answers be late from now on, or not any more."""
        self._proxy.delay(random.choice((0.0, random.random() * DELAYED)))

    def hold(self, _: Random) -> None:
        """Hold a transaction open, until the next is or the server ends."""
        self._let_go()
        self._held = psycopg.connect(self._pair.primary.conninfo(self._database))
        self._held.execute("SELECT count(*), pg_current_xact_id() FROM tfm.files")

    def _let_go(self) -> None:
        if self._held is not None:
            self._held.close()
            self._held = None

    def rest(self, base: str) -> None:
        """Return when what the dead had claimed is free, what they held is nobody's, and what waited is on record."""
        self._let_go()
        self._proxy.delay(0)
        time.sleep(LEASE)
        self._proxy.cut()
        with psycopg.connect(self._pair.primary.conninfo(self._database)) as connection:
            connection.execute(
                _END_ALL
            )  # what the dead have sent may still wait for the standby, and be done after this
            connection.commit()
            connection.execute(_OWNERS_ARE_DEAD)
        if os.path.exists(f"{base}.spool"):
            with closing(_spooled(self._address, base)) as registry:
                registry.drain.once()


class _Kind(NamedTuple):
    """A kind of weather: what it is called, what makes it, and its share."""

    name: str
    happen: Callable[[Weather, Random], None]
    share: float


_KINDS = (
    _Kind("server restarts", Weather.restart, 0.1),
    _Kind("failovers to a synchronous standby", Weather.fail_over, 0.05),
    _Kind("times all connections were cut", Weather.cut, 0.4),
    _Kind("changes of delay", Weather.delay, 0.3),
    _Kind("transactions held open", Weather.hold, 0.15),
)


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

    # For good: this process is killed with them in their place.
    for owner, name, instead in (
        (PostgresRegistry, "claim", stalled),
        (time, "time", lambda: now() + by),
        (os, "unlink", slow),
        (os, "remove", slow),
    ):
        patch.object(owner, name, instead).start()


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
    pair = Pair()
    try:
        database = pair.primary.new_database()
        with (
            tempfile.TemporaryDirectory(prefix="tfm-proxy-") as place,
            Proxy(f"{place}/.s.PGSQL.5432", _socket(pair.primary)) as proxy,
            leases(LEASE),
        ):
            address = f"postgresql://postgres@/{database}?host={place}"
            weather = Weather(pair, proxy, database, address)
            world = World(address, None if calm else weather.disturb, weather.rest, enter, STOPPED, LEFT)
            return storm(operations, directory, seed, told, roles, world)
    finally:
        pair.remove()
