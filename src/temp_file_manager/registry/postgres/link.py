"""One link to a server, on which no wait is without an end."""

import os
import select
import time
from collections.abc import Callable, Generator, Mapping
from typing import Any

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from temp_file_manager.forks import at_fork

Row = tuple[Any, ...]

PATIENCE = 5
"""Seconds after which a server that does not answer is out of reach."""

LONGEST = 60.0
"""Seconds that a statement may take without a word from the server, while that answers others."""

SILENCE = 2.0
"""Seconds without a word after which the server is asked on another link whether it is there."""

ANSWER = 1.0
"""Seconds it has for that. With the two that the driver gives a connection at least, that makes ``PATIENCE``."""

USUAL: dict[str, str | int] = {
    "application_name": "temp-file-manager",
    # A connection is over that the server's host, or the way to it, has not confirmed for so long.
    "keepalives": 1,
    "keepalives_idle": 2,
    "keepalives_interval": 1,
    "keepalives_count": 3,
    "tcp_user_timeout": PATIENCE * 1000,
}


class Link(psycopg.Connection[Row]):
    """A connection whose waits have an end, and which a forked child lets go of without a word to the server.

    Attributes:
        longest: Seconds that a statement may take; with more than ``LONGEST`` it waits for locks, too.
        silence: Seconds without a word after which it asks.
        asks: What tells whether the server is there, which raises if it is not, and what this link's process there
            waits for.
    """

    longest = LONGEST
    silence = SILENCE
    asks: Callable[[int], str] | None = None

    def __init__(self, *arguments: Any, **how: Any) -> None:
        super().__init__(*arguments, **how)
        at_fork(self, Link.leave)

    def __del__(self, *_: object) -> None:
        # An interrupt may come before anybody holds a new connection: no more than that, so no warning.
        if hasattr(self, "pgconn"):
            self.close()

    def wait(self, gen: Any, *arguments: Any, **how: Any) -> Any:
        """Wait as the driver does; not for ever."""
        return super().wait(self._bounded(gen), *arguments, **how)

    def _bounded(self, gen: Generator[Any, Any, Any]) -> Generator[Any, Any, Any]:
        # The driver resumes what it waits for ten times a second, also when nothing has come.
        wanted, began = next_of(gen), time.monotonic()
        heard = began
        while not isinstance(wanted, Done):
            ready = yield wanted
            now = time.monotonic()
            if ready:
                heard = now
            elif now - heard >= self.silence:
                self._ask(now - began)
                heard = time.monotonic()
            wanted = next_of(gen, ready)
        return wanted.value

    def _ask(self, taken: float) -> None:
        """Raise if there is no use in waiting on."""
        waits = self.asks(self.info.backend_pid) if self.asks else "nothing came back"
        if taken >= self.longest or (waits and self.longest <= LONGEST and taken >= PATIENCE - ANSWER):
            self.close()  # whatever it does yet, nobody waits for
            raise psycopg.OperationalError(waits or f"a statement has taken {taken:.0f} s")

    def has_word(self) -> bool:
        """Say whether the server has sent something, or hung up. Without a statement under way that is its end."""
        if self.closed:
            return False
        look = select.poll()  # not select.select, which takes no descriptor above 1,023
        look.register(self.fileno(), select.POLLIN)
        return bool(look.poll(0))

    def leave(self) -> None:
        """Let go of a parent's connection, without a word to the server, which would end it for the parent, too."""
        if not self.closed:
            nowhere = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
            os.dup2(nowhere, self.fileno(), inheritable=False)
            os.close(nowhere)
            self.close()


class Done:
    """The end of a generator, and what it returned."""

    def __init__(self, value: Any) -> None:
        self.value = value


def next_of(gen: Generator[Any, Any, Any], sent: Any = None) -> Any:
    """Return what a generator yields next, or ``Done``."""
    try:
        return gen.send(sent)
    except StopIteration as end:
        return Done(end.value)


def connect(conninfo: str, secret: Mapping[str, str]) -> Link:
    """Return a new link, within ``PATIENCE`` seconds; of more than two hosts each has two.

    Args:
        conninfo: As libpq reads it.
        secret: The password, where it is not libpq that finds it.
    """
    link = _connect(conninfo, secret, PATIENCE)
    link.asks = lambda pid: _asked(conninfo, secret, pid)
    return link


def _connect(conninfo: str, secret: Mapping[str, str], seconds: int) -> Link:
    given = conninfo_to_dict(conninfo)
    hosts = 1 + str(given.get("host") or given.get("hostaddr") or "").count(",")
    usual: dict[str, str | int] = {name: value for name, value in USUAL.items() if name not in given}
    bounded = make_conninfo(conninfo, connect_timeout=max(2, seconds // hosts), **usual, **secret)
    # No prepared statements: they belong to a session, and a pooler hands those around.
    return Link.connect(bounded, autocommit=True, prepare_threshold=None)


def _asked(conninfo: str, secret: Mapping[str, str], pid: int) -> str:
    """Ask a server on a new link whether it is there, and what another link's process waits for."""
    link = _connect(conninfo, secret, 2)
    try:
        link.longest, link.silence = 0.0, ANSWER
        found = link.execute("SELECT unnest(pg_blocking_pids(%s))", (pid,)).fetchall()
    finally:
        link.close()
    others = ", ".join(str(other) for (other,) in found)
    return f"what it needs is locked by its process {others}: SELECT pg_terminate_backend({others})" if found else ""
