"""One SQLite file: opening it safely, transactions, versions of its schema, and SQLite's errors in our words."""

import itertools
import os
import pkgutil
import re
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Lock

from temp_file_manager import logs
from temp_file_manager.at_fork import at_fork
from temp_file_manager.errors import RegistryError, RegistryFullError
from temp_file_manager.storage import file_system, local
from temp_file_manager.text import printable

APPLICATION = 0x74666D31  # "tfm1" in the file's header: whose it is
PATIENCE = 60.0
"""Seconds to wait for other processes' transactions, each of which takes milliseconds."""

RESERVE = 256 * 1024
"""Bytes kept for the day when the disk is full."""

_PAUSE = 0.01
_PACKAGE = "temp_file_manager.registry"
_MIGRATIONS = ("001_files.sql",)


def _sql(name: str) -> str:
    data = pkgutil.get_data(_PACKAGE, f"sql/{name}")
    assert data is not None, name  # noqa: S101 - it is in the package
    return data.decode()


def load_statements() -> dict[str, str]:
    """Return the statements of ``sql/statements.sql`` by name."""
    parts = re.split(r"^-- name: (\w+)\n", _sql("statements.sql"), flags=re.MULTILINE)
    return {name: text.strip() for name, text in zip(parts[1::2], parts[2::2], strict=True)}


def _switch_to_wal(connection: sqlite3.Connection) -> None:
    """Change the journal, which SQLite refuses at once, without waiting, while anybody else has the file open."""
    for attempt in itertools.count():
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorname != "SQLITE_BUSY" or attempt * _PAUSE >= PATIENCE:
                raise
            time.sleep(_PAUSE)
        else:
            return


class Database:
    """Two connections to one file, one that writes and one that reads, so that readers wait for nobody.

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
        self.read_only = False
        self._synchronous = synchronous
        self._after_fork = after_fork
        self._writer: sqlite3.Connection | None = None
        self._reader: sqlite3.Connection | None = None
        self._renew_locks()
        at_fork(self, Database._in_child, before=Database._before_fork, after=Database._release)
        with self._write_lock:
            self._connection_to_write()

    def _renew_locks(self) -> None:
        self._write_lock = Lock()
        self._read_lock = Lock()

    def _before_fork(self) -> None:
        self._write_lock.acquire()
        self._read_lock.acquire()
        self._disconnect()

    def _release(self) -> None:
        self._read_lock.release()
        self._write_lock.release()

    def _in_child(self) -> None:
        self._renew_locks()
        self._after_fork()

    def close(self) -> None:
        """Let go of the file; the next use opens it again."""
        with self._write_lock, self._read_lock:
            self._disconnect()

    def _disconnect(self) -> None:
        for connection in (self._reader, self._writer):
            if connection is not None:
                connection.close()
        self._reader = self._writer = None

    # -- transactions

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """Give a transaction that writes: all of what is done in it, or nothing."""
        with self._write_lock, self._translated():
            connection = self._begin()
            with self._ended(connection):
                yield connection

    def hold(self) -> sqlite3.Connection:
        """Begin a transaction that ``finishing`` or ``let_go`` ends; until then nobody else can write."""
        self._write_lock.acquire()
        try:
            with self._translated():
                return self._begin()
        except BaseException:
            self._write_lock.release()
            raise

    @contextmanager
    def finishing(self) -> Iterator[sqlite3.Connection]:
        """Give the transaction that ``hold`` began, and end it."""
        try:
            with self._translated():
                connection = self._connection_to_write()
                with self._ended(connection):
                    yield connection
        finally:
            self._write_lock.release()

    def let_go(self) -> None:
        """End the transaction that ``hold`` began; nothing was written."""
        with self.finishing():
            return

    @contextmanager
    def _ended(self, connection: sqlite3.Connection) -> Iterator[None]:
        try:
            yield
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise

    def _begin(self) -> sqlite3.Connection:
        connection = self._connection_to_write()
        if self.read_only:
            raise RegistryError(self._newer)
        # Immediately: a transaction that reads first and then wants to write can find that it is too late.
        connection.execute("BEGIN IMMEDIATE")
        return connection

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """Give a connection to read from; each statement sees the latest commit."""
        with self._read_lock, self._translated():
            if self._reader is None:
                self._reader = self._connect()
                self._reader.execute("PRAGMA query_only = ON")
            yield self._reader

    # -- opening

    def _connection_to_write(self) -> sqlite3.Connection:
        if self._writer is None:
            reserve = f"{self.path}-reserve"
            try:
                self._writer = self._opened()
            except RegistryFullError:
                # To open the file SQLite needs a little room beside it. This is what the reserve is for: a full
                # disk is when a sweep is needed most.
                local.remove_own(reserve)
                self._writer = self._opened()
            else:
                local.make_reserve(reserve, RESERVE)
        return self._writer

    def _opened(self) -> sqlite3.Connection:
        with self._translated():
            connection = self._connect()
            try:
                self._prepare(connection)
            except BaseException:
                connection.close()
                raise
            return connection

    def _connect(self) -> sqlite3.Connection:
        if not os.path.exists(self.path):
            # SQLite would make it as the umask says. It gives its side files the mode of this one.
            self._refuse_network()
            local.make_private_directory(os.path.dirname(self.path), exist_ok=True)
            local.create_private_file(self.path)
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
        directory = local.nearest_existing(self.path)
        kind = file_system.kind(directory)
        if kind in file_system.NETWORK:
            raise RegistryError(
                f"{printable(self.path)} is on a network file system ({kind}), where SQLite's locks do not hold: "
                "give a path on a local disk, as in TEMP_FILE_REGISTRY=sqlite:///var/lib/temp-file-manager/registry.db"
            )

    def _prepare(self, connection: sqlite3.Connection) -> None:
        self._refuse_network()
        version = self._version(connection)
        if version > len(_MIGRATIONS):
            self._newer = (
                f"{printable(self.path)} was made by a newer version (schema {version}, this one knows "
                f"{len(_MIGRATIONS)}): it is open for reading only; install that version to change it"
            )
            if not self.read_only:
                logs.registry_read_only(self._newer)
            self.read_only = True
            return
        if version < len(_MIGRATIONS):
            _switch_to_wal(connection)
            self._migrate(connection)

    def _version(self, connection: sqlite3.Connection) -> int:
        (application,) = connection.execute("PRAGMA application_id").fetchone()
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        (tables,) = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
        if application != APPLICATION and (application or version or tables):
            raise RegistryError(f"{printable(self.path)} is another program's database: give another path")
        return int(version)

    def _migrate(self, connection: sqlite3.Connection) -> None:
        connection.execute("BEGIN IMMEDIATE")
        try:
            # Looked at again under the lock: two processes may open a new file together.
            for number, name in enumerate(_MIGRATIONS, 1):
                if number > self._version(connection):
                    for statement in _sql(name).split(";\n"):
                        connection.execute(statement)
                    connection.execute(f"PRAGMA application_id = {APPLICATION}")
                    connection.execute(f"PRAGMA user_version = {number}")
            connection.execute("COMMIT")
        except BaseException:
            connection.execute("ROLLBACK")
            raise

    # -- errors

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise self._in_our_words(error) from error
        except OSError as error:
            raise RegistryError(f"{printable(self.path)} cannot be opened: {error.strerror}") from error

    def _in_our_words(self, error: sqlite3.Error) -> RegistryError:
        path, name = printable(self.path), getattr(error, "sqlite_errorname", "")
        if name.startswith(("SQLITE_FULL", "SQLITE_IOERR_SHMSIZE")):
            return RegistryFullError(
                f"the disk of {path} is full: nothing of this call was recorded, and nothing known was lost; "
                "make room (temp-file-manager sweep works on a full disk) and try again"
            )
        if name.startswith(("SQLITE_CORRUPT", "SQLITE_NOTADB")):
            return RegistryError(
                f"{path} is damaged ({error}) and was left as it is: move it away and start anew, or put a copy back; "
                "files that only it knew of stay on the disk"
            )
        if name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
            return RegistryError(
                f"{path} has been held by another process for {PATIENCE:.0f} s: find it with fuser {path}"
            )
        return RegistryError(f"{path} cannot be used: {error}")
