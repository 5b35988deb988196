"""Records on a PostgreSQL server: they outlive the process, and the processes of many hosts share them."""

import math
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from threading import Lock
from types import MappingProxyType

from temp_file_manager.records import PLAIN, Nature, NewFile, Ruled, Selection, TempFile
from temp_file_manager.registry.answers import Forecast, KnownScope, Note
from temp_file_manager.registry.card import Properties, SharedBy
from temp_file_manager.registry.claim import Claim, Looked, Settlement
from temp_file_manager.registry.contract import Holder, Identify
from temp_file_manager.registry.files import StoredRegistry, unidentified
from temp_file_manager.registry.groups import Group
from temp_file_manager.registry.postgres.claimed import Claimed
from temp_file_manager.registry.postgres.claims import PostgresClaims
from temp_file_manager.registry.postgres.exclusive import Exclusive
from temp_file_manager.registry.postgres.integrity import inspect
from temp_file_manager.registry.postgres.journal import PostgresJournal
from temp_file_manager.registry.postgres.keeps import PostgresKeeps
from temp_file_manager.registry.postgres.natures import PostgresNatures
from temp_file_manager.registry.postgres.owners import Owners
from temp_file_manager.registry.postgres.paths import Paths
from temp_file_manager.registry.postgres.records import PostgresRecords
from temp_file_manager.registry.postgres.scope import Scope
from temp_file_manager.registry.postgres.server import Server, no_password
from temp_file_manager.registry.postgres.sessions import PostgresSessions
from temp_file_manager.registry.postgres.singles import Single, Singles
from temp_file_manager.registry.waiting import until_free
from temp_file_manager.reports import Finding
from temp_file_manager.sessions import Owner, Session

CHUNK = 1000
"""Records that a sweep claims at a time: with fewer, round trips are most of what it costs."""

_LONGEST_PATH = 2600
"""Bytes: what an index takes at most is 2,704 of them, and a path may be one that cannot be made smaller."""


class PostgresRegistry(StoredRegistry):
    """Records of one scope on a PostgreSQL server.

    Args:
        conninfo: How libpq reaches the server.
        scope: ``local:MACHINE:BASE``, or ``volume:NAME`` of a volume that hosts share.
        root: Where the volume is mounted here: paths are stored below it. Empty: they are stored as they are.
        identify: Tells which file is at an unknown path that is written to ``files``.
        password: See ``Server``.

    Attributes:
        server: How the server is reached.
        scope: Whose records these are.
        owners: This process, as others know whether it lives.

    Raises:
        RegistryError: the server cannot be used, and why.
    """

    def __init__(
        self,
        conninfo: str,
        scope: str,
        *,
        root: str = "",
        identify: Identify = unidentified,
        password: Callable[[], str | None] = no_password,
    ) -> None:
        self.server = Server(conninfo, self._in_child, password)
        self.clock = self.server.clock
        self.scope = Scope(self.server, scope)
        self._paths = paths = Paths(root)
        self.owners = Owners(self.scope)
        self._claimed = Claimed(self.scope, paths, self.owners)
        self._claims = claims = PostgresClaims(self.scope, paths, self._claimed)
        self._stored = PostgresRecords(self.scope, paths, self._claimed, claims)
        self._singles = Singles(self._stored, claims)
        self._keeps = PostgresKeeps(self.scope, self.owners, paths.known, claims.rewind)
        self._journal = PostgresJournal(self.scope)
        self._sessions = PostgresSessions(self.scope, self.owners, claims.rewind)
        self._natures = PostgresNatures(self.scope, paths, claims.rewind)
        self._exclusive = Exclusive(self.scope, self.owners)
        super().__init__(self._stored, identify)
        self.properties = Properties(
            self.server.where,
            outlives_process=True,
            keeps_identity=True,
            shared_by=SharedBy.HOSTS if scope.startswith("volume:") else SharedBy.HOST,
            chunk=CHUNK,
            longest_path=_LONGEST_PATH,
        )

    def _in_child(self) -> None:
        self.lock = Lock()
        self.scope.after_fork()
        self.owners.after_fork()
        self._claimed.after_fork()
        self._claims.after_fork()
        self._singles.after_fork()
        self._keeps.after_fork()
        self._sessions.after_fork()

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.server.where!r}, {self.scope.name!r})"

    @property
    def read_only(self) -> str:
        """See ``Registry.read_only``."""
        return self.server.read_only

    @property
    def number(self) -> str:
        """See ``Registry.number``."""
        if not self.scope.registry:
            ((self.scope.registry,),) = self.scope.look("registry")
        return self.scope.registry

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

    def add_late(
        self, files: Iterable[tuple[NewFile, float]], natures: Mapping[str, Nature] = MappingProxyType({})
    ) -> None:
        """See ``Records.add_late``."""
        rows = list(files)
        self.changed(lambda: self._stored.add_late(rows, natures))

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
        return self._exclusive.within(name)

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
        """See ``Claims.claim``. Takes no lock of ``files``: whoever holds that may wait for the claim's end."""
        self.release_pending()
        if after is None:
            self.owners.fold()
        return self._claims.claim(due, now, lease, limit, after, settling, [] if into is None else into)

    def settle(self, settlement: Settlement) -> None:
        """See ``Claims.settle``, and ``claim`` about locks."""
        self._claims.settle(settlement)

    def keep(self, paths: Iterable[str], until: float, holder: Holder | None = None) -> tuple[str, ...]:
        """See ``Keeps.keep``."""
        wanted = list(paths)  # before the lock: it may be read from this very registry
        self.release_pending()
        return self.changed(lambda: self._claimed.changed(lambda: self._keeps.keep(wanted, until, holder)))

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
        """See ``Sessions.let_go``: none has heirs here."""

    def end(self, numbers: Iterable[int], now: float, *, over: bool = False) -> int:
        """See ``Sessions.end``. Takes no lock of ``files``: a sweep may begin with it."""
        return self._sessions.end(list(numbers), now, over=over)

    def sessions(self, ended: bool = False) -> tuple[Session, ...]:
        """See ``Sessions.sessions``."""
        return self._sessions.sessions(ended=ended)

    def marker(self) -> str:
        """See ``Registry.marker``."""
        return "".join(marker for (marker,) in self.scope.look("marker"))

    def mark(self, marker: str) -> str:
        """See ``Registry.mark``."""
        if self.properties.shared_by is not SharedBy.HOSTS:
            return super().mark(marker)
        ((known,),) = self.scope.change("mark", marker=marker)
        return str(known)

    def scopes(self) -> tuple[KnownScope, ...]:
        """See ``Registry.scopes``."""
        return tuple(KnownScope(*row) for row in self.scope.look("scopes"))

    def check(self, *, now: float, fix: bool) -> tuple[Finding, ...]:
        """See ``Registry.check``."""
        with self.lock:
            found = self._claims.faults(now, fix=fix)
            return tuple(found) + tuple(inspect(self.scope, fix=fix, shown=self._paths.shown))

    def close(self) -> None:
        """See ``Registry.close``. The next use connects again."""
        self.owners.close()
        self.server.close()
