"""One SQLite file: opening it safely, transactions, and versions of its schema."""

import os
import sqlite3
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Lock, get_ident
from typing import NoReturn, TypeVar

from temp_file_manager import logs
from temp_file_manager.errors import RegistryError, RegistryFullError
from temp_file_manager.forks import at_fork
from temp_file_manager.registry.sqlite.errors import PATIENCE, full, refuse_what_is_no_database, translated
from temp_file_manager.registry.sqlite.migration import current, migrate, schema
from temp_file_manager.registry.sqlite.opened_file import OpenedFile
from temp_file_manager.storage import base_rules
from temp_file_manager.storage.kernel import mounts
from temp_file_manager.storage.own_files import (
    OWN_DIRECTORY,
    create_private_file,
    make_private_directory,
    make_reserve,
    remove_own,
)
from temp_file_manager.text import printable

T = TypeVar("T")

RESERVE = 128 * 1024
"""Bytes of each of the two files that are kept for the day when the disk is full."""

_READER, _WRITER, _LOOKER = "reader", "writer", "looker"


def _nothing() -> None:
    """Undo nothing."""


class Database:
    """Connections to one file: one that writes, and two that read and so wait for nobody.

    Safe to share between threads. Connections belong to the process that opened them: they are closed before a
    fork, and opened again on their next use, on both sides. (Opening one's own in the child is not enough:
    SQLite keeps the locks a process holds in memory that the child inherits, and would believe it held them.)

    Args:
        path: Absolute. Made, with mode 0600, if missing.
        synchronous: ``NORMAL`` or ``FULL``.
        after_fork: Called in a forked child.

    Raises:
        RegistryError: it cannot be used, and why.
    """

    def __init__(self, path: str, synchronous: str, after_fork: Callable[[], None]) -> None:
        self.path = path
        self.read_only = ""
        self._synchronous = synchronous
        self._after_fork = after_fork
        self._writable = True
        self.file = OpenedFile(path)
        self._connections: dict[str, sqlite3.Connection] = {}
        # Also of a registry that nobody closed: Python would complain of each connection.
        weakref.finalize(self, _disconnect, self._connections)
        self._renew_locks()
        at_fork(self, Database._in_child, before=Database._before_fork, after=Database._release)
        with self._write_lock:
            self._connection_to_write()

    def _renew_locks(self) -> None:
        self._write_lock = Lock()
        self._read_lock = Lock()
        self._look_lock = Lock()
        self._holder = 0  # the thread that holds a transaction open

    def _before_fork(self) -> None:
        self._write_lock.acquire()
        self._read_lock.acquire()
        self._look_lock.acquire()
        _disconnect(self._connections)

    def _release(self) -> None:
        self._look_lock.release()
        self._read_lock.release()
        self._write_lock.release()

    def _in_child(self) -> None:
        self._renew_locks()
        self._after_fork()

    def close(self) -> None:
        """Let go of the file; the next use opens it again."""
        with self._write_lock, self._read_lock, self._look_lock:
            _disconnect(self._connections)
            self.file.forget()

    # -- transactions

    @contextmanager
    def writing(self, undo: Callable[[], None] = _nothing) -> Iterator[sqlite3.Connection]:
        """Give a transaction that writes: all of what is done in it, or nothing.

        Args:
            undo: Called when it comes to nothing, before anybody else can begin one.
        """
        self._refuse_holder()
        with self._write_lock:
            try:
                connection = self._begin()
                yield connection
                connection.execute("COMMIT")
            except BaseException as error:
                self._fail(error, undo)

    def write(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Return what ``work`` does with such a transaction. It costs half of what ``writing`` does beside SQLite."""
        self._refuse_holder()
        with self._write_lock:
            try:
                connection = self._begin()
                done = work(connection)
                connection.execute("COMMIT")
            except BaseException as error:
                self._fail(error)
        return done

    def hold(self) -> sqlite3.Connection:
        """Begin a transaction that ``finishing`` or ``let_go`` ends; until then nobody else can write."""
        self._refuse_holder()
        self._write_lock.acquire()
        try:
            connection = self._begin()
        except BaseException as error:
            try:
                self._fail(error)
            finally:
                self._write_lock.release()
        self._holder = get_ident()
        return connection

    def _refuse_holder(self) -> None:
        """Return unless this thread would wait for itself, as in a signal's handler while it sweeps a full disk."""
        if self._holder == get_ident():
            raise full(self.path)

    @contextmanager
    def finishing(self, undo: Callable[[], None] = _nothing) -> Iterator[sqlite3.Connection]:
        """Give the transaction that ``hold`` began, and end it; ``undo`` as in ``writing``."""
        try:
            connection = self._connections[_WRITER]
            yield connection
            connection.execute("COMMIT")
        except BaseException as error:
            self._fail(error, undo)
        finally:
            self._holder = 0
            self._write_lock.release()

    def let_go(self) -> None:
        """End the transaction that ``hold`` began; nothing was written."""
        with self.finishing():
            return

    def _fail(self, error: BaseException, undo: Callable[[], None] = _nothing) -> NoReturn:
        """Let a transaction come to nothing, also one that is interrupted while it begins, and raise ``error``."""
        connection = self._connections.get(_WRITER)
        if connection is not None and connection.in_transaction:
            connection.execute("ROLLBACK")
        undo()
        with translated(self.path):
            raise error

    def _begin(self) -> sqlite3.Connection:
        connection = self._connections.get(_WRITER) if self._writable else None
        if connection is None:
            connection = self._connection_to_write()
        self.file.refuse_another()
        if not self.read_only:
            # Immediately: a transaction that reads first and then wants to write can find that it is too late.
            connection.execute("BEGIN IMMEDIATE")
            # Each time: a newer version may have changed the schema since the file was opened.
            (version,) = connection.execute("PRAGMA user_version").fetchone()
            if version > current():
                self._refuse_newer(version)
        if self.read_only:
            raise RegistryError(self.read_only)
        return connection

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """Give a connection to read from; each statement sees the latest commit."""
        with self._reading_by(_READER, self._read_lock) as connection:
            yield connection

    @contextmanager
    def looking(self) -> Iterator[sqlite3.Connection]:
        """Give a connection of its own to what takes long: a look at every record makes no reader wait."""
        with self._reading_by(_LOOKER, self._look_lock) as connection:
            yield connection

    @contextmanager
    def _reading_by(self, name: str, lock: Lock) -> Iterator[sqlite3.Connection]:
        if _WRITER not in self._connections:  # it knows of the reserve, and of a newer version
            with self._write_lock:
                self._connection_to_write()
        with lock, translated(self.path):
            self.file.refuse_another()
            reader = self._connections.get(name)
            if reader is None:
                reader = self._connections[name] = self._with_reserve(self._connect)
                reader.execute("PRAGMA query_only = ON")
            yield reader

    # -- opening

    def _connection_to_write(self) -> sqlite3.Connection:
        if not self._writable and os.access(self.path, os.W_OK):
            # A connection that was opened while the disk was read-only stays so when the disk does not.
            with self._read_lock, self._look_lock:
                _disconnect(self._connections)
        if _WRITER not in self._connections:
            self._connections[_WRITER] = self._with_reserve(self._opened)
            self._writable = os.access(self.path, os.W_OK)
        return self._connections[_WRITER]

    def _with_reserve(self, connect: Callable[[], sqlite3.Connection]) -> sqlite3.Connection:
        """Open the file, which takes a little room: on a full disk, when sweeps are needed most, the reserve."""
        reserve = [f"{self.path}-reserve", f"{self.path}-reserve-2"]
        try:
            with translated(self.path):
                connection = connect()
        except RegistryFullError:
            for path in reserve:
                remove_own(path)
            with translated(self.path):
                return connect()
        if not self.read_only:
            for path in reserve:
                make_reserve(path, RESERVE)
        return connection

    def _opened(self) -> sqlite3.Connection:
        connection = self._connect()
        try:
            self._prepare(connection)
            self.file.remember()
        except BaseException:
            connection.close()
            raise
        return connection

    def _connect(self) -> sqlite3.Connection:
        self.file.refuse_another()
        folder = os.path.dirname(self.path)
        if os.path.basename(folder) == OWN_DIRECTORY:
            base_rules.refuse_foreign_private(folder)
        refuse_what_is_no_database(self.path)
        if not os.path.exists(self.path):
            # SQLite would make it as the umask says. It gives its side files the mode of this one.
            self._refuse_network()
            make_private_directory(os.path.dirname(self.path), exist_ok=True)
            create_private_file(self.path)
        connection = sqlite3.connect(
            self.path, timeout=PATIENCE, isolation_level=None, check_same_thread=False, cached_statements=64
        )
        try:
            connection.execute(f"PRAGMA synchronous = {self._synchronous}")
            # Some systems build SQLite to overwrite what is deleted: twice the writing, and no secret is in here.
            connection.execute("PRAGMA secure_delete = OFF")
        except BaseException:
            connection.close()
            raise
        return connection

    def _refuse_network(self) -> None:
        kind = mounts.kind(os.path.dirname(self.path))
        if mounts.is_network(kind):
            whose = "a network file system" if kind in mounts.NETWORK else "a file system that may be a network's"
            raise RegistryError(
                f"{printable(self.path)} is on {whose} ({kind}), where SQLite's locks do not hold: "
                "give a path on a local disk, as in TEMP_FILE_REGISTRY=sqlite:///var/lib/temp-file-manager/registry.db"
            )

    def _prepare(self, connection: sqlite3.Connection) -> None:
        self._refuse_network()
        version = schema(connection, self.path)
        self._refuse_newer(version)
        if version < current():
            migrate(connection, self.path)

    def _refuse_newer(self, version: int) -> None:
        if version <= current() or self.read_only:
            return
        self.read_only = (
            f"{printable(self.path)} was made by a newer version (schema {version}, this one knows "
            f"{current()}): it is open for reading only; install that version to change it"
        )
        logs.registry_read_only(self.read_only)


def _disconnect(connections: dict[str, sqlite3.Connection]) -> None:
    for name in (_LOOKER, _READER, _WRITER):
        if name in connections:
            connections.pop(name).close()
