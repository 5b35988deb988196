"""Connections to a PostgreSQL server: one to write and one to read a process, and errors in our words."""

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from threading import RLock
from typing import Any, TypeVar

import psycopg
from psycopg import errors
from psycopg.conninfo import conninfo_to_dict

from temp_file_manager.errors import RegistryError, RegistryFullError, RegistryUnavailableError
from temp_file_manager.forks import at_fork

Row = tuple[Any, ...]
Parameters = Sequence[Any] | Mapping[str, Any]

T = TypeVar("T")

PATIENCE = 5
"""Seconds after which a server that does not answer is out of reach."""


def nothing() -> None:
    """Do nothing."""


class Connection:
    """A connection that is opened when it is first needed, and again when it has been lost; one thread at a time."""

    def __init__(self, conninfo: str) -> None:
        self._conninfo = conninfo
        self._lock = RLock()
        self._open: psycopg.Connection[Row] | None = None

    def after_fork(self) -> None:
        """Let go of the parent's, without a word to the server, which would end it for the parent, too."""
        self._lock = RLock()
        if self._open is not None and not self._open.closed:
            nowhere = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
            os.dup2(nowhere, self._open.fileno(), inheritable=False)
            os.close(nowhere)
        self._open = None

    @contextmanager
    def _connected(self) -> Iterator[psycopg.Connection[Row]]:
        with self._lock, translated():
            if self._open is None or self._open.closed:
                self._open = psycopg.connect(
                    self._conninfo, autocommit=True, prepare_threshold=None, connect_timeout=PATIENCE
                )
            yield self._open

    def execute(self, sql: str, parameters: Parameters = ()) -> list[Row]:
        """Return what one statement returns, which is a transaction and a round trip."""
        with self._connected() as connection:
            cursor = connection.execute(sql, parameters, binary=True)
            return cursor.fetchall() if cursor.description else []

    def transaction(self, work: Callable[[psycopg.Connection[Row]], T]) -> T:
        """Return what ``work`` does in a transaction: all of it, or nothing."""
        with self._connected() as connection, connection.transaction():
            return work(connection)

    def close(self) -> None:
        """Let go of the connection; the next use opens another."""
        with self._lock:
            if self._open is not None:
                self._open.close()
                self._open = None


class Server:
    """A PostgreSQL server, as one registry object reaches it.

    Args:
        conninfo: As libpq reads it.
        after_fork: Called in a forked child, when its copies of the connections have been let go of.

    Attributes:
        writer: For what changes anything. Threads wait for each other.
        reader: For what only looks, beside it.
        where: The server and the database, as they may be shown.
    """

    def __init__(self, conninfo: str, after_fork: Callable[[], None] = nothing) -> None:
        self.writer = Connection(conninfo)
        self.reader = Connection(conninfo)
        self.where = shown(conninfo)
        self._after_fork = after_fork
        at_fork(self, Server._in_child)

    def _in_child(self) -> None:
        self.writer.after_fork()
        self.reader.after_fork()
        self._after_fork()

    def close(self) -> None:
        """Let go of both connections; the next use opens others."""
        self.writer.close()
        self.reader.close()


def shown(conninfo: str) -> str:
    """Return a server's address as it may be shown: without user and password."""
    parts = conninfo_to_dict(conninfo)
    port = f":{parts['port']}" if "port" in parts else ""
    return f"postgresql://{parts.get('host', '')}{port}/{parts.get('dbname', '')}"


@contextmanager
def translated() -> Iterator[None]:
    """Raise the driver's errors as this package's."""
    try:
        yield
    except (errors.DiskFull, errors.OutOfMemory, errors.ConfigurationLimitExceeded) as error:
        raise RegistryFullError(f"the registry's server has no room: {error}") from error
    except psycopg.OperationalError as error:
        raise RegistryUnavailableError(f"the registry's server does not answer: {error}") from error
    except psycopg.Error as error:
        raise RegistryError(f"the registry's server refuses: {error}") from error
