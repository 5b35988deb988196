"""One SQLite file: opening it safely, transactions, and versions of its schema."""

import os
import sqlite3
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from threading import RLock, get_ident
from typing import TypeVar
from urllib.parse import quote

from temp_file_manager import logs
from temp_file_manager.errors import RegistryError, RegistryFullError
from temp_file_manager.forks import at_fork
from temp_file_manager.registry.sqlite import write_ahead
from temp_file_manager.registry.sqlite.errors import (
    PATIENCE,
    full,
    refuse_what_is_no_database,
    translated,
)
from temp_file_manager.registry.sqlite.migration import REGISTRY, Layout, current, migrate, schema
from temp_file_manager.registry.sqlite.opened_file import OpenedFile
from temp_file_manager.registry.sqlite.place import RESERVES, located, mode_to_look, refuse_strangers
from temp_file_manager.registry.sqlite.room import give_back
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


def nothing(*_: object) -> None:
    """Do, or undo, nothing."""


class Database:
    """Connections to one file: one that writes, and two that read and so wait for nobody.

    Safe to share between threads. Connections belong to the process that opened them: they are closed before a
    fork, and opened again on their next use, on both sides. (Opening one's own in the child is not enough:
    SQLite keeps the locks a process holds in memory that the child inherits, and would believe it held them.)

    Args:
        path: Absolute. Made, with mode 0600, if missing. Of a link, what it leads to.
        synchronous: ``NORMAL`` or ``FULL``.
        after_fork: Called in a forked child.
        layout: Which tables it has.

    Raises:
        RegistryError: it cannot be used, and why.
    """

    def __init__(self, path: str, synchronous: str, after_fork: Callable[[], None], layout: Layout = REGISTRY) -> None:
        self._layout = layout
        self._given = path
        self.path = located(path)
        self.read_only = ""
        self._synchronous = synchronous
        self._after_fork = after_fork
        self._writable = True
        self.file = OpenedFile(path, self.path)
        self._connections: dict[str, sqlite3.Connection] = {}
        # Also of a registry that nobody closed: Python would complain of each connection.
        weakref.finalize(self, _disconnect, self._connections)
        self._renew_locks()
        at_fork(self, Database._in_child, before=Database._before_fork, after=Database._release)
        with self._write_lock:
            self._connection_to_write()

    def _renew_locks(self) -> None:
        # A signal's handler may come back to a lock that its own thread holds, and must not wait for itself: whether
        # it comes in the middle of a transaction, the connection tells.
        self._write_lock = RLock()
        self._read_lock = RLock()
        self._look_lock = RLock()
        self._holder = 0  # the thread that holds a transaction open

    def _before_fork(self) -> None:
        self._write_lock.acquire()
        self._read_lock.acquire()
        self._look_lock.acquire()
        self._disconnect()

    def _release(self) -> None:
        self._look_lock.release()
        self._read_lock.release()
        self._write_lock.release()

    def _in_child(self) -> None:
        self._renew_locks()
        self._after_fork()

    def close(self) -> None:
        """Let go of the file; the next use opens it again.

        Called by a signal's handler in the middle of a transaction of its own thread, do nothing: that goes on.
        """
        with self._write_lock, self._read_lock, self._look_lock:
            writer = self._connections.get(_WRITER)
            if writer is None or not writer.in_transaction:
                self._disconnect()
                self.file.forget()

    def _disconnect(self) -> None:
        _disconnect(self._connections)
        self.file.forget_beside()

    # -- transactions

    def write(
        self, work: Callable[[sqlite3.Connection], T], undo: Callable[[], None] = nothing, *, held: bool = False
    ) -> T:
        """Return what ``work`` does in a transaction that writes: all of it, or nothing.

        A function, no context manager: what a signal's handler raises can come between any two calls, also before
        the ``with`` block of a manager that has begun, and whose end nobody would then write. Here one frame holds
        all, and the first that it calls after an error is the rollback, before which no handler runs.

        Args:
            work: Is given the connection.
            undo: Called when it comes to nothing, before anybody else can begin one.
            held: It is the one that ``hold`` began.

        Raises:
            RegistryError: nothing was written, or nobody would find what was.
        """
        with translated(self.path), self._write_lock:
            connection = self._connections[_WRITER] if held else self._ready()
            ending = False
            try:
                if not held:
                    self._begin(connection)
                done = work(connection)
                ending = True
                connection.execute("COMMIT")
                self.file.refuse_to_acknowledge()
            except BaseException as error:
                written = ending and not connection.in_transaction and not isinstance(error, sqlite3.Error)
                connection.rollback()
                if not written:
                    undo()
                if getattr(error, "sqlite_errorname", "").startswith("SQLITE_READONLY"):
                    # SQLite opens for reading what it cannot open for writing, also when only a descriptor was lacking.
                    self._writable = False  # so that it is opened anew as soon as it can be
                raise
            finally:
                if held:
                    self._holder = 0
                    self._write_lock.release()
            return done

    def hold(self) -> sqlite3.Connection:
        """Begin a transaction that ``write`` with ``held`` ends, in this thread; until then nobody else can write."""
        thread = get_ident()
        with translated(self.path), self._write_lock:
            connection = self._ready()
            try:
                self._write_lock.acquire()  # first, so that whatever goes wrong here comes after it
                self._begin(connection)
                self._holder = thread
            except BaseException:
                connection.rollback()
                self._write_lock.release()
                raise
            return connection

    @property
    def held(self) -> bool:
        """Whether this thread has begun a transaction by ``hold``, and not ended it."""
        return self._holder == get_ident()

    def let_go(self) -> None:
        """End the transaction that ``hold`` began; nothing was written."""
        self.write(nothing, held=True)

    def give_back(self) -> None:
        """Give the disk back what the file does not need any more, if that is much; do nothing if it cannot be now."""
        with self._write_lock, suppress(sqlite3.Error):
            give_back(self._ready(), PATIENCE)

    def _ready(self) -> sqlite3.Connection:
        """Return the connection to write by, unless this thread is in the middle of a transaction already."""
        connection = self._connections.get(_WRITER) if self._writable else None
        if connection is None:
            connection = self._connection_to_write()
        if connection.in_transaction:  # a signal's handler, or a hook while a sweep has locked a full disk
            raise full(self.path, "it is being written to by this very thread")
        self.file.refuse_another()
        return connection

    def _begin(self, connection: sqlite3.Connection) -> None:
        if not self.read_only:
            # Immediately: a transaction that reads first and then wants to write can find that it is too late.
            connection.execute("BEGIN IMMEDIATE")
            # Each time: a newer version may have changed the schema since the file was opened.
            (version,) = connection.execute("PRAGMA user_version").fetchone()
            if version > current(self._layout):
                self._refuse_newer(version)
        if self.read_only:
            raise RegistryError(self.read_only)

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
    def _reading_by(self, name: str, lock: "RLock") -> Iterator[sqlite3.Connection]:
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
                self._disconnect()
        if _WRITER not in self._connections:
            self._connections[_WRITER] = self._with_reserve(self._opened)
            self._writable = os.access(self.path, os.W_OK)
        return self._connections[_WRITER]

    def _with_reserve(self, connect: Callable[[], sqlite3.Connection]) -> sqlite3.Connection:
        """Open the file, which takes a little room: on a full disk, when sweeps are needed most, the reserve."""
        reserve = [self.path + ending for ending in RESERVES]
        try:
            with translated(self.path):
                connection = connect()
        except RegistryFullError:
            for path in reserve:
                remove_own(path)
            with translated(self.path):
                return connect()
        if not self.read_only and not mode_to_look(self.path):
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
        folder, given = os.path.dirname(self.path), os.path.dirname(self._given)
        if os.path.basename(given) == OWN_DIRECTORY:
            base_rules.refuse_foreign_private(given)  # as it was given: a link is not followed
        refuse_strangers(self._given)
        refuse_what_is_no_database(self.path)
        if not os.path.exists(self.path):
            # SQLite would make it as the umask says. It gives its side files the mode of this one.
            self._refuse_network(mounts.kind(folder))
            make_private_directory(folder, exist_ok=True)
            refuse_strangers(self._given)
            create_private_file(self.path)
        mode = mode_to_look(self.path)
        address = f"file:{quote(os.fsencode(self.path))}?{mode}" if mode else self.path
        connection = sqlite3.connect(
            address,
            timeout=PATIENCE,
            isolation_level=None,
            check_same_thread=False,
            cached_statements=64,
            uri=bool(mode),
        )
        try:
            connection.execute(f"PRAGMA synchronous = {self._synchronous}")
            # Some systems build SQLite to overwrite what is deleted: twice the writing, and no secret is in here.
            connection.execute("PRAGMA secure_delete = OFF")
        except BaseException:
            connection.close()
            raise
        return connection

    def _refuse_network(self, kind: str) -> None:
        if mounts.is_network(kind):
            whose = "a network file system" if kind in mounts.NETWORK else "a file system that may be a network's"
            raise RegistryError(
                f"{printable(self.path)} is on {whose} ({kind}), where SQLite's locks do not hold: "
                f"give a path on a local disk, as in {self._layout.example}"
            )

    def _prepare(self, connection: sqlite3.Connection) -> None:
        folder = os.path.dirname(self.path)
        kind = mounts.kind(folder)
        self._refuse_network(kind)
        if mode_to_look(self.path):
            self._refuse_newer(schema(connection, self.path, self._layout))
            return
        mapped = write_ahead.may_be_mapped(folder, kind)
        if not mapped:
            write_ahead.map_nothing(connection)
        version = schema(connection, self.path, self._layout)
        self._refuse_newer(version)
        if not mapped:
            write_ahead.use_journal(connection)
        elif not self.read_only:
            write_ahead.use_log(connection)
        if version < current(self._layout):
            migrate(connection, self.path, self._layout)

    def _refuse_newer(self, version: int) -> None:
        if version <= current(self._layout) or self.read_only:
            return
        self.read_only = (
            f"{printable(self.path)} was made by a newer version (schema {version}, this one knows "
            f"{current(self._layout)}): it is open for reading only; install that version to change it"
        )
        logs.registry_read_only(self.read_only)


def _disconnect(connections: dict[str, sqlite3.Connection]) -> None:
    for name in (_LOOKER, _READER, _WRITER):
        if name in connections:
            connections.pop(name).close()
