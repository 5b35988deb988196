"""Records in a SQLite file: they outlive the process, and the processes of one machine share them."""

import math
import os
from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from threading import Lock
from types import MappingProxyType

from temp_file_manager.records import NOTHING, PLAIN, Nature, NewFile, Ruled, Selection, TempFile
from temp_file_manager.registry.answers import Forecast, Note
from temp_file_manager.registry.card import Properties, SharedBy
from temp_file_manager.registry.claim import Claim, Looked, Settlement
from temp_file_manager.registry.contract import Holder, Identify
from temp_file_manager.registry.files import StoredRegistry, unidentified
from temp_file_manager.registry.groups import Group
from temp_file_manager.registry.sqlite.claimed import Claimed
from temp_file_manager.registry.sqlite.claims import SqliteClaims
from temp_file_manager.registry.sqlite.integrity import inspect
from temp_file_manager.registry.sqlite.journal import SqliteJournal
from temp_file_manager.registry.sqlite.keeps import SqliteKeeps
from temp_file_manager.registry.sqlite.natures import SqliteNatures
from temp_file_manager.registry.sqlite.records import SqliteRecords
from temp_file_manager.registry.sqlite.sessions import SqliteSessions
from temp_file_manager.registry.sqlite.singles import Single, Singles
from temp_file_manager.registry.sqlite.transaction import Transactions
from temp_file_manager.registry.waiting import until_free
from temp_file_manager.reports import Finding
from temp_file_manager.sessions import Owner, Session
from temp_file_manager.storage.own_files import OwnFiles, why_not_writable
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
        self._claimed = claimed = Claimed(self.transactions)
        self._claims = SqliteClaims(self.transactions, claimed)
        self._keeps = SqliteKeeps(self.transactions, claimed)
        self._journal = SqliteJournal(self.transactions)
        self._sessions = SqliteSessions(self.transactions)
        self._natures = SqliteNatures(self.transactions)
        self._stored = SqliteRecords(self.transactions, claimed, self._claims)
        self._singles = Singles(self.transactions, claimed)
        own = OwnFiles((path,))
        super().__init__(self._stored, lambda other: NOTHING if own.has(other) else identify(other))
        self.properties = Properties(
            f"sqlite://{printable(path)}",
            outlives_process=True,
            keeps_identity=True,
            shared_by=SharedBy.HOST,
            files=(path,),
            heirs=True,
        )

    def _in_child(self) -> None:
        self.lock = Lock()
        self._claimed.after_fork()
        self._singles.after_fork()
        self._claims.after_fork()
        self._keeps.after_fork()
        self._sessions.after_fork()

    def __repr__(self) -> str:
        return f"{type(self).__name__}({printable(self.transactions.database.path)!r})"

    @property
    def read_only(self) -> str:
        """See ``Registry.read_only``."""
        database = self.transactions.database
        why = why_not_writable(database.path) if os.path.exists(database.path) else ""
        cannot = why and f"{printable(database.path)} cannot be written: {why}"
        return database.file.trouble() or database.read_only or cannot

    @property
    def number(self) -> str:
        """See ``Registry.number``."""
        with self.transactions.reading():
            return self.transactions.owners.registry

    def add(
        self,
        files: Iterable[NewFile],
        now: float,
        *,
        only_new: bool = False,
        looked: Looked | None = None,
        session: int = 0,
        natures: Mapping[str, Nature] = MappingProxyType({}),
    ) -> None:
        """See ``Records.add``."""
        rows = list(files)
        if only_new or session or len(rows) != 1:
            super().add(rows, now, only_new=only_new, looked=looked, session=session, natures=natures)
        else:
            nature = natures.get(rows[0][0], PLAIN)
            until_free(lambda: self._singles.add(Single(rows[0], now, looked, nature), self.lock), self.patience)

    def ruled(self, found: Iterable[Ruled]) -> None:
        """See ``Natures.ruled``."""
        self._natures.ruled(found)

    def rules(self) -> dict[str, int]:
        """See ``Natures.rules``."""
        return self._natures.rules()

    def beyond(self, rule: str, count: int, limit: int) -> tuple[TempFile, ...]:
        """See ``Natures.beyond``."""
        return self._natures.beyond(rule, count, limit)

    def successors(self, origins: Iterable[str]) -> dict[str, tuple[TempFile, ...]]:
        """See ``Natures.successors``."""
        return self._natures.successors(origins)

    def kept_below(self, directory: str, asof: float, rules: Collection[str] = ()) -> TempFile | None:
        """See ``Natures.kept_below``."""
        return self._natures.kept_below(directory, asof, rules)

    def exclusive(self, name: str) -> AbstractContextManager[bool]:
        """See ``Registry.exclusive``."""
        return self.transactions.exclusive(name)

    def spellings(self, inode: int, born: int) -> tuple[str, ...]:
        """See ``Registry.spellings``."""
        return self._stored.spellings(inode, born)

    def has_all(self, paths: Iterable[str]) -> bool:
        """See ``Records.has_all``."""
        return self._stored.has_all(paths)

    def forecast(self, selection: Selection, bounds: Sequence[float]) -> Forecast:
        """See ``Registry.forecast``."""
        return self._stored.forecast(selection, bounds)

    def groups(self, limit: int) -> tuple[Group, ...]:
        """See ``Groups.groups``."""
        return self._stored.groups(limit)

    def claim(
        self,
        due: Selection,
        *,
        now: float,
        lease: float,
        limit: int,
        after: object | None = None,
        settling: Settlement | None = None,
        into: list[Claim] | None = None,
    ) -> Claim:
        """See ``Claims.claim``. Takes no lock but the file's: whoever holds this one may wait for the claim's end."""
        self.release_pending()
        return self._claims.claim(due, now, lease, limit, after, settling, [] if into is None else into)

    def settle(self, settlement: Settlement) -> None:
        """See ``Claims.settle``, and ``claim`` about locks."""
        self._claims.settle(settlement)

    def keep(self, paths: Iterable[str], until: float, holder: Holder | None = None) -> tuple[str, ...]:
        """See ``Keeps.keep``."""
        wanted = list(paths)  # before the lock: it may be read from this very registry
        self.release_pending()
        return self.changed(lambda: self._keeps.keep(wanted, until, holder))

    def release(self, paths: Iterable[str], holder: Holder | None = None) -> tuple[str, ...]:
        """See ``Keeps.release``; and ``claim``, which calls it, about locks."""
        return self._keeps.release(list(paths), holder)

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

    def begin(self, name: str, *, now: float, ends_at: float, owner: Owner) -> Session:
        """See ``Sessions.begin``."""
        with self.lock:
            return self._sessions.begin(name, now, ends_at, owner)

    def renew(self, number: int, ends_at: float) -> bool:
        """See ``Sessions.renew``."""
        with self.lock:
            return self._sessions.renew(number, ends_at)

    def let_go(self, number: int) -> None:
        """See ``Sessions.let_go``."""
        self.transactions.owners.let_go(number)

    def end(self, numbers: Iterable[int], now: float, *, over: bool = False) -> int:
        """See ``Sessions.end``. Takes no lock but the file's: a sweep may begin with it."""
        return self._sessions.end(list(numbers), now, over=over)

    def sessions(self, ended: bool = False) -> tuple[Session, ...]:
        """See ``Sessions.sessions``."""
        return self._sessions.sessions(ended=ended)

    def check(self, *, now: float, fix: bool) -> tuple[Finding, ...]:
        """See ``Registry.check``."""
        with self.lock:
            return tuple(self._claims.ended(now, fix=fix)) + tuple(inspect(self.transactions, fix=fix))

    def close(self) -> None:
        """See ``Registry.close``. The next use opens the file again."""
        # What is held stays so for as long as this process lives, so does its session, and a sweep in another thread
        # goes on with its chunk: closing says nothing of them. Nor does it wait: whoever has the lock may be about to
        # hold something.
        quiet = self.lock.acquire(blocking=False)
        try:
            self.transactions.close(
                busy=not quiet or self._keeps.holding or self._sessions.living or self._claims.at_work
            )
        finally:
            if quiet:
                self.lock.release()
