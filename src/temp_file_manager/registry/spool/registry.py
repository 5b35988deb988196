"""A registry on a server that takes registrations while the server is out of reach."""

import math
from collections.abc import Collection, Iterable, Mapping, MutableMapping, Sequence
from contextlib import AbstractContextManager
from threading import Lock
from types import MappingProxyType

from temp_file_manager.clock import Clock, SharedClock, SystemClock
from temp_file_manager.errors import RegistryUnavailableError
from temp_file_manager.records import PENDING, Measured, Nature, NewFile, Ruled, Selection, TempFile
from temp_file_manager.registry.answers import Forecast, KnownScope, Note, Page, Spooled, Stats, Sums
from temp_file_manager.registry.claim import Claim, Looked, Settlement
from temp_file_manager.registry.contract import Holder, Registry
from temp_file_manager.registry.groups import Group
from temp_file_manager.registry.spool.drain import Drain
from temp_file_manager.registry.spool.file import SpoolFile
from temp_file_manager.reports import Finding
from temp_file_manager.sessions import Owner, Session


class SpooledRegistry(Registry):
    """A registry that answers ``add`` from a spool while its server is out of reach, and hands on all else.

    The first registration that finds no server waits for it as always; those after it go to the spool at once, until
    the drain has found that the server answers. What needs the server raises RegistryUnavailableError: sessions, pins,
    holds, sweeps, whatever reads, ``files``, and records of files that are yet to be made.

    Args:
        target: Where records belong.
        spool: Where they wait.
        clock: This machine's.

    Attributes:
        drain: What sends them.
    """

    def __init__(self, target: Registry, spool: SpoolFile, clock: Clock | None = None) -> None:
        self._target = target
        self._spool = spool
        self.properties = target.properties._replace(files=(*target.properties.files, spool.path))
        self.drain = Drain(target, spool, clock or SystemClock())

    @property
    def lock(self) -> Lock:  # type: ignore[override]  # the target may exchange it
        """See ``Registry``."""
        return self._target.lock

    @property
    def clock(self) -> SharedClock | None:  # type: ignore[override]
        """See ``Registry``."""
        return self._target.clock

    @property
    def patience(self) -> float:
        """See ``Registry``."""
        return self._target.patience

    @patience.setter
    def patience(self, seconds: float) -> None:
        self._target.patience = seconds

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._target!r}, {self._spool.path!r})"

    # -- what the spool takes part in

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
        """See ``Records.add``. In an outage files are looked at as they are put into the spool."""
        rows = list(files)
        waits = not session and not any(row[4] is PENDING or row[4] == PENDING for row in rows)
        if not (waits and self.drain.down):
            try:
                self._target.add(rows, now, only_new=only_new, looked=looked, session=session, natures=natures)
            except RegistryUnavailableError:
                self.drain.lost()
                if not waits:
                    raise
            else:
                return
        # A sweep elsewhere may still reach the server: what it has removed since is not registered.
        found = rows if looked is None else looked.again(rows)
        self._spool.add(found, now, natures, only_new=only_new)
        self.drain.start()

    def add_one(self, path: str, now: float, settlements: int) -> bool:
        """See ``Records.add_one``."""
        return not self.drain.down and self._target.add_one(path, now, settlements)

    def add_late(
        self, files: Iterable[tuple[NewFile, float]], natures: Mapping[str, Nature] = MappingProxyType({})
    ) -> None:
        """See ``Records.add_late``."""
        self._target.add_late(files, natures)

    def forget(self, what: Iterable[str | TempFile], *, keeps: bool = False) -> int:
        """See ``Records.forget``. What waits of it goes from the spool and counts; what might be sent again goes, too.

        The server first: killed in between, a record comes back that nobody was told is forgotten. Without the server
        what waits goes, and RegistryUnavailableError says that of the rest nothing is known.
        """
        meant = list(what)
        if self._spool.is_empty():
            return self._target.forget(meant, keeps=keeps)
        with self._spool.sending():
            try:
                known = self._target.get([self._path(one) for one in meant])
                count = self._target.forget(meant, keeps=keeps)
            except RegistryUnavailableError:
                self._spool.drop(meant)  # or what could not be made in an outage would fill it
                raise
            self._spool.drop([one for one in meant if self._path(one) in known])
            return count + self._spool.drop([one for one in meant if self._path(one) not in known])

    @staticmethod
    def _path(one: str | TempFile) -> str:
        return one if isinstance(one, str) else one.path

    def spooled(self) -> Spooled:
        """See ``Registry.spooled``."""
        return self._spool.spooled()

    def close(self) -> None:
        """See ``Registry.close``. What waits stays in the spool, for the next use or the next process."""
        self.drain.stop()
        self._spool.close()
        self._target.close()

    # -- what the server alone does

    @property
    def settlements(self) -> int:
        """See ``Records.settlements``."""
        return self._target.settlements

    @property
    def read_only(self) -> str:
        """See ``Registry.read_only``."""
        return self._target.read_only

    @property
    def number(self) -> str:
        """See ``Registry.number``."""
        return self._target.number

    @property
    def files(self) -> MutableMapping[str, float]:
        """See ``Registry.files``."""
        return self._target.files

    def get(self, paths: Iterable[str]) -> dict[str, TempFile]:
        """See ``Records.get``."""
        return self._target.get(paths)

    def has_all(self, paths: Iterable[str]) -> bool:
        """See ``Records.has_all``."""
        return self._target.has_all(paths)

    def claimed(self, paths: Iterable[str], *, now: float) -> set[str]:
        """See ``Records.claimed``."""
        return self._target.claimed(paths, now=now)

    def page(self, selection: Selection | None, *, now: float, limit: int, after: object | None = None) -> Page:
        """See ``Records.page``."""
        return self._target.page(selection, now=now, limit=limit, after=after)

    def amend(self, path: str, registered_at: float) -> bool:
        """See ``Records.amend``."""
        return self._target.amend(path, registered_at)

    def measured(self, found: Iterable[Measured]) -> None:
        """See ``Records.measured``."""
        self._target.measured(found)

    def stats(self) -> Stats:
        """See ``Records.stats``."""
        return self._target.stats()

    def sums(self, tags: Sequence[str]) -> Sums:
        """See ``Records.sums``."""
        return self._target.sums(tags)

    def replace(self, files: Iterable[tuple[str, float]]) -> None:
        """See ``Registry.replace``."""
        self._target.replace(files)

    def forecast(self, selection: Selection, bounds: Sequence[float]) -> Forecast:
        """See ``Registry.forecast``."""
        return self._target.forecast(selection, bounds)

    def groups(self, limit: int) -> tuple[Group, ...]:
        """See ``Groups.groups``."""
        return self._target.groups(limit)

    def exclusive(self, name: str) -> AbstractContextManager[bool]:
        """See ``Registry.exclusive``."""
        return self._target.exclusive(name)

    def spellings(self, inode: int, born: int) -> tuple[str, ...]:
        """See ``Registry.spellings``."""
        return self._target.spellings(inode, born)

    def release_later(self, path: str) -> None:
        """See ``Keeps.release_later``."""
        self._target.release_later(path)

    def release_pending(self) -> None:
        """See ``Registry.release_pending``."""
        self._target.release_pending()

    def check(self, *, now: float, fix: bool) -> tuple[Finding, ...]:
        """See ``Registry.check``."""
        return self._target.check(now=now, fix=fix)

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
        """See ``Claims.claim``.

        What waits here goes first: a file that was registered again in an outage would go by its old age.
        """
        if self.spooled().records:
            self.drain.once()
        return self._target.claim(due, now=now, lease=lease, limit=limit, after=after, settling=settling, into=into)

    def settle(self, settlement: Settlement) -> None:
        """See ``Claims.settle``."""
        self._target.settle(settlement)

    def keep(self, paths: Iterable[str], until: float, holder: Holder | None = None) -> tuple[str, ...]:
        """See ``Keeps.keep``."""
        return self._target.keep(paths, until, holder)

    def release(self, paths: Iterable[str], holder: Holder | None = None) -> tuple[str, ...]:
        """See ``Keeps.release``."""
        return self._target.release(paths, holder)

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
        self._target.write(journal, line, at, keep=keep, counters=counters)

    def read(self, journal: str, *, since: float = -math.inf, limit: int) -> list[Note]:
        """See ``Journal.read``."""
        return self._target.read(journal, since=since, limit=limit)

    def begin(self, name: str, *, now: float, ends_at: float, owner: Owner) -> Session:
        """See ``Sessions.begin``."""
        return self._target.begin(name, now=now, ends_at=ends_at, owner=owner)

    def renew(self, number: int, ends_at: float) -> bool:
        """See ``Sessions.renew``."""
        return self._target.renew(number, ends_at)

    def let_go(self, number: int) -> None:
        """See ``Sessions.let_go``."""
        self._target.let_go(number)

    def end(self, numbers: Iterable[int], now: float, *, over: bool = False) -> int:
        """See ``Sessions.end``."""
        return self._target.end(numbers, now, over=over)

    def sessions(self, ended: bool = False) -> tuple[Session, ...]:
        """See ``Sessions.sessions``."""
        return self._target.sessions(ended=ended)

    def ruled(self, found: Iterable[Ruled]) -> None:
        """See ``Natures.ruled``."""
        self._target.ruled(found)

    def rules(self) -> dict[str, int]:
        """See ``Natures.rules``."""
        return self._target.rules()

    def beyond(self, rule: str, count: int, limit: int) -> tuple[TempFile, ...]:
        """See ``Natures.beyond``."""
        return self._target.beyond(rule, count, limit)

    def successors(self, origins: Iterable[str]) -> dict[str, tuple[TempFile, ...]]:
        """See ``Natures.successors``."""
        return self._target.successors(origins)

    def kept_below(self, directory: str, asof: float, rules: Collection[str] = ()) -> TempFile | None:
        """See ``Natures.kept_below``."""
        return self._target.kept_below(directory, asof, rules)

    def marker(self) -> str:
        """See ``Registry.marker``."""
        return self._target.marker()

    def mark(self, marker: str) -> str:
        """See ``Registry.mark``."""
        return self._target.mark(marker)

    def scopes(self) -> tuple[KnownScope, ...]:
        """See ``Registry.scopes``."""
        return self._target.scopes()
