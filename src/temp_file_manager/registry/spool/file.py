"""The file of a spool: SQLite on a local disk, shared by the processes of one user."""

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from hashlib import sha256
from sqlite3 import Connection
from threading import RLock

from temp_file_manager.errors import RegistryError, RegistryFullError
from temp_file_manager.forks import at_fork
from temp_file_manager.records import PLAIN, Nature, NewFile, TempFile
from temp_file_manager.registry.answers import Spooled
from temp_file_manager.registry.spool.rows import Waiting, parameters
from temp_file_manager.registry.spool.sql import load
from temp_file_manager.registry.sqlite.database import Database, nothing
from temp_file_manager.registry.sqlite.errors import translated
from temp_file_manager.registry.sqlite.migration import Layout
from temp_file_manager.storage.own_files import create_private_file
from temp_file_manager.text import count, printable

MOST = 100_000
"""Records that may wait."""

SPOOL = Layout(
    0x74666D73,  # "tfms": a registry is not taken for a spool, nor a spool for a registry
    lambda: ("001_spool.sql",),
    load,
    "TEMP_FILE_SPOOL_FILE=/var/lib/temp-file-manager/spool.db",
)

_SENDING = "-sending"


def usual_path(whose: str) -> str:
    """Return where the spool of a registry and a scope lies when nothing else is said: in this user's state."""
    state = os.environ.get("XDG_STATE_HOME", "")
    home = state if os.path.isabs(state) else os.path.expanduser("~/.local/state")
    return os.path.join(home, "temp-file-manager", f"spool-{sha256(os.fsencode(whose)).hexdigest()[:16]}.db")


class SpoolFile:
    """Records that wait for a server, and those that were sent a short while ago.

    Threads, processes and forked children share it as they share a SQLite registry: what ``add`` has returned from
    outlives every process. Like there, the last moments before a power cut may be lost.

    Args:
        path: Absolute, on a local disk. Made, with mode 0600, if missing.
        whose: The registry and the scope that its records are for.
        most: Records that may wait.

    Raises:
        RegistryError: it cannot be used, or it is the spool of another registry.
    """

    def __init__(self, path: str, whose: str, most: int = MOST) -> None:
        self._database = Database(path, "NORMAL", nothing, SPOOL)
        self.path = self._database.path
        self._most = most
        self._renew()
        at_fork(self, SpoolFile._renew)
        try:
            self.name = self._database.write(lambda connection: self._claimed(connection, whose))
        except BaseException:
            self.close()
            raise

    def _renew(self) -> None:
        self._sending = RLock()
        self._depth = 0

    def _claimed(self, connection: Connection, whose: str) -> str:
        connection.execute("UPDATE spool SET whose = ? WHERE whose = ''", (whose,))
        name, other = connection.execute("SELECT name, whose FROM spool").fetchone()
        if other != whose:
            raise RegistryError(
                f"{printable(self.path)} is the spool of {printable(other)}: give each registry and scope its own "
                "spool_file, or none"
            )
        return str(name)

    def add(
        self, files: Iterable[NewFile], now: float, natures: Mapping[str, Nature], *, only_new: bool = False
    ) -> None:
        """Have files wait that were registered at ``now``, all or none; a path that waits already starts anew.

        Raises:
            RegistryFullError: as many wait as may; or the disk is full.
        """
        rows = [parameters(file, now, natures.get(file[0], PLAIN), only_new=only_new) for file in files]

        def work(connection: Connection) -> None:
            for row in rows:
                # What was sent may have been swept since, and so be new.
                spared = " AND batch IS NOT NULL" if only_new else ""
                connection.execute(f"DELETE FROM records WHERE path = ?{spared}", row[:1])  # noqa: S608 - no value in it
                connection.execute(
                    "INSERT INTO records (path, registered_at, details, only_new) VALUES (?, ?, ?, ?) "
                    "ON CONFLICT DO NOTHING",
                    row,
                )
            if connection.execute("SELECT waiting FROM spool").fetchone()[0] > self._most:
                raise RegistryFullError(
                    f"the registry's server is out of reach, and {count(self._most, 'record')} wait for it in "
                    f"{printable(self.path)}, as many as may: nothing of this call was recorded; mend what keeps the "
                    "server away, and register again"
                )

        self._database.write(work)

    def spooled(self) -> Spooled:
        """Return how many records wait, and when the first of them was put in."""
        statement = (
            "SELECT waiting, (SELECT registered_at FROM records WHERE batch IS NULL ORDER BY id LIMIT 1) FROM spool"
        )
        with self._database.reading() as connection:
            return Spooled(*connection.execute(statement).fetchone())

    def is_empty(self) -> bool:
        """Say whether nothing waits, and nothing was sent that may have to be sent again."""
        with self._database.reading() as connection:
            return connection.execute("SELECT 1 FROM records LIMIT 1").fetchone() is None

    # -- on the way to the server

    @contextmanager
    def sending(self) -> Iterator[None]:
        """Let one thread, of all processes, send or drop what waits."""
        from fcntl import LOCK_EX, lockf  # noqa: PLC0415 - only Unix has it

        with self._sending:
            # POSIX's kind, as no forked child inherits it. It goes with the first descriptor that is closed: hence
            # one descriptor at a time, by the lock above, and none for who comes back to it.
            if self._depth:
                yield
                return
            beside = self.path + _SENDING
            with translated(self.path):
                create_private_file(beside)
                descriptor = os.open(beside, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
            try:
                with translated(self.path):
                    lockf(descriptor, LOCK_EX)
                self._depth += 1
                try:
                    yield
                finally:
                    self._depth -= 1
            finally:
                os.close(descriptor)

    def take(self, limit: int) -> tuple[int, list[Waiting]]:
        """Return a number for a batch, which no other has had, and what has waited for the longest."""

        def work(connection: Connection) -> tuple[int, list[Waiting]]:
            rows = connection.execute(
                "SELECT id, path, registered_at, details, only_new FROM records WHERE batch IS NULL "
                "ORDER BY id LIMIT ?",
                (limit,),
            ).fetchall()
            if rows:
                connection.execute("UPDATE spool SET batch = batch + 1")
            return connection.execute("SELECT batch FROM spool").fetchone()[0], [Waiting.of_row(row) for row in rows]

        return self._database.write(work)

    def sent(self, rows: Sequence[Waiting], batch: int, now: float) -> None:
        """Note that the server has taken rows in a batch; what has been registered again since waits on.

        Args:
            rows: Which.
            batch: Their batch's number.
            now: On the clock that nobody can set.
        """
        bound = [(batch, now, row.id) for row in rows]
        statement = "UPDATE records SET batch = ?, sent_at = ? WHERE id = ?"
        self._database.write(lambda connection: connection.executemany(statement, bound))

    def send_again(self, after: int) -> int:
        """Have wait again what was sent in later batches than ``after``; return how many records that is."""
        again = "UPDATE records SET batch = NULL WHERE batch > ?"
        return self._database.write(lambda connection: connection.execute(again, (after,)).rowcount)

    def is_sent(self) -> bool:
        """Say whether anything was sent that may have to be sent again."""
        with self._database.reading() as connection:
            return connection.execute("SELECT 1 FROM records WHERE batch > 0 LIMIT 1").fetchone() is not None

    def expire(self, now: float, kept: float) -> None:
        """Drop what was sent more than ``kept`` seconds before ``now``, or before this boot."""
        old = "DELETE FROM records WHERE batch IS NOT NULL AND (sent_at <= ? OR sent_at > ?)"
        self._database.write(lambda connection: connection.execute(old, (now - kept, now)))

    def drop(self, what: Iterable[str | TempFile]) -> int:
        """Drop what was forgotten; return how many of it waited.

        Args:
            what: Of a path all there is; of a record what was not registered later than that.
        """
        meant = [(one, None) if isinstance(one, str) else (one.path, one.registered_at) for one in what]

        def work(connection: Connection) -> int:
            waited = 0
            for path, until in meant:
                bound = (os.fsencode(path), until, until)
                which = "FROM records WHERE path = ? AND (? IS NULL OR registered_at <= ?)"
                waited += connection.execute(f"SELECT count(*) {which} AND batch IS NULL", bound).fetchone()[0]
                connection.execute(f"DELETE {which}", bound)
            return waited

        return self._database.write(work)

    def close(self) -> None:
        """Let go of the file; the next use opens it again."""
        self._database.close()
