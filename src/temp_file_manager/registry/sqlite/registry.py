"""Records in a SQLite file: they outlive the process, and the processes of one machine share them."""

import math
import os
from collections.abc import Iterable, Mapping, Sequence
from contextlib import nullcontext
from threading import Lock
from types import MappingProxyType

from temp_file_manager.records import Outcome, Selection, TempFile
from temp_file_manager.registry.contract import Claim, Forecast, Holder, Identify, Note, Properties, SharedBy
from temp_file_manager.registry.files import StoredRegistry, unidentified
from temp_file_manager.registry.sqlite.claims import SqliteClaims
from temp_file_manager.registry.sqlite.integrity import inspect
from temp_file_manager.registry.sqlite.journal import SqliteJournal
from temp_file_manager.registry.sqlite.keeps import SqliteKeeps
from temp_file_manager.registry.sqlite.records import SqliteRecords
from temp_file_manager.registry.sqlite.transaction import Transactions
from temp_file_manager.reports import Finding
from temp_file_manager.storage.own_files import why_not_writable
from temp_file_manager.text import printable


class SqliteRegistry(StoredRegistry):
    """Records of one base directory in a SQLite file, which may hold those of others, too.

    Args:
        path: The file; made if missing.
        base_dir: Whose records these are: the scope.
        synchronous: ``NORMAL``: what was acknowledged survives the death of any process; ``FULL``: and a power cut.
        identify: Tells which file is at an unknown path that is written to ``files``.

    Attributes:
        transactions: How the file is reached.

    Raises:
        RegistryError: the file cannot be used, and why.
    """

    def __init__(
        self, path: str, base_dir: str, *, synchronous: str = "NORMAL", identify: Identify = unidentified
    ) -> None:
        self.transactions = Transactions(path, base_dir, synchronous, self._in_child)
        self._claims = SqliteClaims(self.transactions)
        self._keeps = SqliteKeeps(self.transactions)
        self._journal = SqliteJournal(self.transactions)
        self._stored = SqliteRecords(self.transactions, self._claims)
        super().__init__(self._stored, identify)
        self.properties = Properties(
            f"sqlite://{printable(path)}",
            outlives_process=True,
            keeps_identity=True,
            shared_by=SharedBy.HOST,
            files=(path,),
        )

    def _in_child(self) -> None:
        self.lock = Lock()
        self._claims.after_fork()
        self._keeps.after_fork()

    def __repr__(self) -> str:
        return f"{type(self).__name__}({printable(self.transactions.database.path)!r})"

    @property
    def read_only(self) -> str:
        """See ``Registry.read_only``."""
        database = self.transactions.database
        why = why_not_writable(database.path) if os.path.exists(database.path) else ""
        cannot = why and f"{printable(database.path)} cannot be written: {why}"
        return database.file.trouble() or database.read_only or cannot

    def forecast(self, selection: Selection, bounds: Sequence[float]) -> Forecast:
        """See ``Registry.forecast``."""
        return self._stored.forecast(selection, bounds)

    def claim(self, due: Selection, *, now: float, lease: float, limit: int, after: object | None = None) -> Claim:
        """See ``Claims.claim``."""
        self.release_pending()
        return self._claims.claim(due, now, lease, limit, after)

    def settle(self, outcomes: Iterable[Outcome], now: float) -> None:
        """See ``Claims.settle``."""
        outcomes = list(outcomes)
        # On a full disk the write lock is taken already, and whoever adds takes it after this lock.
        locked = any(outcome.record.claim < 0 for outcome in outcomes)
        with nullcontext() if locked else self.lock:
            self._claims.settle(outcomes, now)

    def still_claimed(self, record: TempFile) -> bool:
        """See ``Claims.still_claimed``."""
        return self._claims.still_claimed(record)

    def moment(self) -> bytes:
        """See ``Claims.moment``."""
        return self.transactions.changes.both()

    def keep(self, paths: Iterable[str], until: float, holder: Holder | None = None) -> tuple[str, ...]:
        """See ``Keeps.keep``."""
        wanted = list(paths)  # before the lock: it may be read from this very registry
        self.release_pending()
        with self.lock:
            return self._keeps.keep(wanted, until, holder)

    def release(self, paths: Iterable[str], holder: Holder | None = None) -> tuple[str, ...]:
        """See ``Keeps.release``."""
        wanted = list(paths)
        with self.lock:
            return self._keeps.release(wanted, holder)

    def write(
        self,
        journal: str,
        line: str | None,
        at: float,
        *,
        keep: int,
        counters: Mapping[str, float] = MappingProxyType({}),
    ) -> None:
        """See ``Journal.write``."""
        self._journal.write(journal, line, at, keep, counters)

    def read(self, journal: str, *, since: float = -math.inf, limit: int) -> list[Note]:
        """See ``Journal.read``."""
        return self._journal.read(journal, since, limit)

    def check(self, *, now: float, fix: bool) -> tuple[Finding, ...]:
        """See ``Registry.check``."""
        with self.lock:
            return tuple(self._claims.ended(now, fix=fix)) + tuple(inspect(self.transactions, fix=fix))

    def close(self) -> None:
        """See ``Registry.close``. The next use opens the file again."""
        self._claims.let_go()
        # What is held stays so for as long as this process lives: closing says nothing about it.
        self.transactions.close(busy=self._keeps.holding)
