"""Connections to a PostgreSQL server: one to write and one to read a process."""

from collections.abc import Callable, Mapping, Sequence
from threading import RLock
from typing import Any, TypeVar

import psycopg
from psycopg import errors
from psycopg.conninfo import conninfo_to_dict
from psycopg.pq import TransactionStatus

from temp_file_manager.errors import RegistryBusyError, RegistryError
from temp_file_manager.forks import at_fork
from temp_file_manager.registry.postgres.clock import ServerClock
from temp_file_manager.registry.postgres.failures import in_our_words
from temp_file_manager.registry.postgres.link import LONGEST, PATIENCE, Link, Row, connect
from temp_file_manager.registry.postgres.sql import MIGRATIONS

__all__ = ["PATIENCE", "Connection", "Row", "Server"]

Parameters = Sequence[Any] | Mapping[str, Any]

T = TypeVar("T")

NO_SCHEMA = (errors.UndefinedTable, errors.InvalidSchemaName)

_LOOK = "SELECT extract(epoch FROM clock_timestamp())::float8"
_BEGIN = f"BEGIN; SET LOCAL idle_in_transaction_session_timeout = '{PATIENCE}s'"


def nothing() -> None:
    """Do nothing."""


def no_password() -> str | None:
    """Return nothing: libpq finds it, in ``PGPASSFILE`` or a service file."""
    return None


class Connection:
    """A connection that is opened when it is first needed, and again when it has been lost; one thread at a time.

    A statement that was under way when it was lost raises, and is not sent again: nobody knows whether it was done.

    Args:
        server: Which.
    """

    def __init__(self, server: "Server") -> None:
        self._server = server
        self._link: Link | None = None
        self.after_fork()

    def after_fork(self) -> None:
        """Let go of the parent's; the link itself has done so, too."""
        # A signal's handler may come back to a lock that its own thread holds, and must not wait for itself.
        self._lock = RLock()
        self._within = False
        self._link = None

    def execute(self, sql: str, parameters: Parameters = (), *, longest: float = LONGEST) -> list[Row]:
        """Return what one statement returns, which is a transaction and a round trip.

        Args:
            sql: The statement.
            parameters: What is bound in it.
            longest: Seconds it may take, as long as the server answers others.

        Raises:
            RegistryUnavailableError: the server does not answer, and nobody knows whether it was done.
            RegistryBusyError: this thread is in the middle of another one.
        """

        def work(link: Link) -> list[Row]:
            cursor = link.execute(sql, parameters, binary=True)
            return cursor.fetchall() if cursor.description else []

        return self._use(work, longest)

    def transaction(self, work: Callable[[psycopg.Connection[Row]], T], *, longest: float = LONGEST) -> T:
        """Return what ``work`` does in a transaction: all of it, or nothing. Its statements are given to ``work``.

        The server ends it by itself if this process stops in the middle.
        """

        def whole(link: Link) -> T:
            link.execute(_BEGIN)
            try:
                done = work(link)
                link.execute("COMMIT")
            except BaseException:
                if not link.closed and link.info.transaction_status != TransactionStatus.ACTIVE:
                    link.execute("ROLLBACK")
                raise
            return done

        return self._use(whole, longest)

    def _use(self, work: Callable[[Link], T], longest: float) -> T:
        # In one frame: what a signal's handler raises can come between any two calls.
        with self._lock:
            if self._within:
                raise RegistryBusyError
            self._within = True
            try:
                link = self._ready()
                link.longest = longest
                done = work(link)
                if self._server.clock.is_old:
                    self._server.look(link)
            except psycopg.Error as error:
                raise in_our_words(self._server.where, error) from error
            finally:
                self._within = False
                self._drop_unless_idle()
            return done

    def _ready(self) -> Link:
        """Return the link, in no transaction; open it if there is none."""
        self._drop_if_ended()
        self._drop_unless_idle()
        if self._link is None:
            secret = self._server.password()
            self._link = connect(self._server.conninfo, {} if secret is None else {"password": secret})
            self._server.look(self._link)
        return self._link

    def _drop_unless_idle(self) -> None:
        """Let go of a link that is lost, or that somebody was interrupted on: the server then ends what it was at."""
        link = self._link
        if link is not None and (link.closed or link.info.transaction_status != TransactionStatus.IDLE):
            self._link = None
            link.close()

    def _drop_if_ended(self) -> None:
        """Let go of a link that the server has ended while nobody used it: it has said so, or hung up."""
        if self._link is not None and self._link.has_word():
            self._link.close()

    def close(self) -> None:
        """Let go of the connection; the next use opens another.

        Called by a signal's handler in the middle of a statement of its own thread, do nothing: that goes on.
        """
        with self._lock:
            if self._link is not None and not self._within:
                self._link.close()
                self._link = None


class Server:
    """A PostgreSQL server, as one registry object reaches it.

    Args:
        conninfo: As libpq reads it; without a password.
        after_fork: Called in a forked child, when its copies of the connections have been let go of.
        password: Tells the password; asked before each connection is made, as it may change.

    Attributes:
        conninfo: The same.
        password: The same.
        writer: For what changes anything. Threads wait for each other.
        reader: For what only looks, beside it.
        where: The server and the database, as they may be shown.
        clock: Its clock, as it was seen when a connection was made, or a minute ago at most while one is used.
        schema: How many migrations the database has seen, as it was seen then; None before.
    """

    def __init__(
        self,
        conninfo: str,
        after_fork: Callable[[], None] = nothing,
        password: Callable[[], str | None] = no_password,
    ) -> None:
        self.conninfo = conninfo
        self.password = password
        self.where = shown(conninfo)
        self.clock = ServerClock(self.meet)
        self.schema: int | None = None
        self.writer = Connection(self)
        self.reader = Connection(self)
        self._after_fork = after_fork
        at_fork(self, Server._in_child)

    def _in_child(self) -> None:
        self.writer.after_fork()
        self.reader.after_fork()
        self._after_fork()

    def look(self, link: Link) -> None:
        """Read the server's clock, and the schema of the database, by a link."""
        before = self.clock.own()
        try:
            ((moment, schema),) = link.execute(f"{_LOOK}, schema FROM tfm.version", binary=True)
        except NO_SCHEMA:
            before = self.clock.own()
            ((moment, schema),) = link.execute(f"{_LOOK}, 0", binary=True)
        self.clock.see(before, moment, self.clock.own())
        self.schema = schema

    def meet(self) -> None:
        """Have looked at the server once.

        Raises:
            RegistryUnavailableError: it does not answer.
        """
        if self.schema is None:
            self.reader.execute("SELECT")

    @property
    def read_only(self) -> str:
        """Why nothing is changed in it, and what to do; empty when it can be. Waits for nobody."""
        if (self.schema or 0) <= len(MIGRATIONS):
            return ""
        return (
            f"{self.where} was migrated by a newer version (schema {self.schema}, this one knows {len(MIGRATIONS)}): "
            "it is open for reading only; install that version to change it"
        )

    def refuse_older(self) -> None:
        """Raise if the schema is not there, or lacks what this version needs.

        Raises:
            RegistryError: what to run.
            RegistryUnavailableError: it does not answer.
        """
        self.meet()
        if (self.schema or 0) < len(MIGRATIONS):
            has = f"has schema {self.schema}, and this version needs {len(MIGRATIONS)}" if self.schema else "is empty"
            self.schema = None  # so that it is looked at again
            raise RegistryError(
                f"{self.where} {has}: run tfm registry migrate, as a role that may make tables there; "
                "what runs an older version goes on"
            )

    def refuse_changes(self) -> None:
        """Raise if this version must change nothing there.

        Raises:
            RegistryError: why, and what to do.
            RegistryUnavailableError: it does not answer.
        """
        self.refuse_older()
        if self.read_only:
            raise RegistryError(self.read_only)

    def close(self) -> None:
        """Let go of both connections; the next use opens others."""
        self.writer.close()
        self.reader.close()


def shown(conninfo: str) -> str:
    """Return a server's address as it may be shown: without user and password."""
    parts = conninfo_to_dict(conninfo)
    if "service" in parts:
        return f"postgresql:///?service={parts['service']}"
    port = f":{parts['port']}" if "port" in parts else ""
    return f"postgresql://{parts.get('host', '')}{port}/{parts.get('dbname', '')}"
