"""Records in the PostgreSQL registry, and what can be counted of them."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from json import loads
from types import MappingProxyType

from temp_file_manager.errors import RegistryError
from temp_file_manager.records import Measured, Nature, NewFile, Order, Selection, TempFile
from temp_file_manager.registry.answers import Forecast, Page, Stats, Sums
from temp_file_manager.registry.claim import Looked
from temp_file_manager.registry.contract import Records
from temp_file_manager.registry.counters import REGISTERED
from temp_file_manager.registry.files import Timed
from temp_file_manager.registry.groups import Group
from temp_file_manager.registry.natures import nature_of
from temp_file_manager.registry.postgres import arrays
from temp_file_manager.registry.postgres.claimed import Claimed
from temp_file_manager.registry.postgres.claims import PostgresClaims
from temp_file_manager.registry.postgres.inserts import Whose, columns
from temp_file_manager.registry.postgres.measures import note
from temp_file_manager.registry.postgres.orders import in_order, sets_with
from temp_file_manager.registry.postgres.paths import Paths
from temp_file_manager.registry.postgres.refusals import NO_SESSION, ClaimsEndedError, code_of
from temp_file_manager.registry.postgres.rows import PATH, record_of
from temp_file_manager.registry.postgres.scope import Scope
from temp_file_manager.registry.postgres.steps import Connection, execute, transaction
from temp_file_manager.registry.sessions import no_such_session

_RECORDS, _BYTES = "records", "bytes"


class PostgresRecords(Records):
    """Records of one scope, read and written without the registry's lock. Waits for nobody: what is claimed is refused.

    Args:
        scope: Where they are.
        paths: How paths are stored.
        claimed: What is claimed.
        claims: Gives pages of what is due.
    """

    def __init__(self, scope: Scope, paths: Paths, claimed: Claimed, claims: PostgresClaims) -> None:
        self._scope = scope
        self._paths = paths
        self._claimed = claimed
        self._claims = claims

    @property
    def settlements(self) -> int:
        """See ``Records.settlements``."""
        return self._claims.settlements

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
        wanted: Sequence[NewFile] = list(files)
        if not wanted:
            return
        put = partial(self.put, only_new=only_new, session=session, natures=natures)
        rows = [(file, now) for file in wanted]
        if looked is None:
            self._claims.counted(put(rows, None))
        elif looked.settlements < self._claims.settlements:
            wanted = self._add_looking(wanted, now, looked, put, only_new=only_new)
        else:
            try:
                self._claims.counted(put(rows, looked.settlements))
            except ClaimsEndedError as error:
                self._claims.counted(error.settlements)
                wanted = self._add_looking(wanted, now, looked, put, only_new=only_new)
        self._claims.added(now, wanted)
        if session:
            self._claims.rewind()  # its end may have passed

    def add_late(self, files: Iterable[Timed], natures: Mapping[str, Nature] = MappingProxyType({})) -> None:
        """See ``Records.add_late``."""
        rows = list(files)
        if rows:
            self._claims.counted(self.put(rows, None, only_new=True, natures=natures))
            self._claims.added(min(now for _, now in rows), [file for file, _ in rows])

    def put(
        self,
        files: Sequence[Timed],
        looked: int | None,
        connection: Connection | None = None,
        *,
        only_new: bool = False,
        session: int = 0,
        natures: Mapping[str, Nature] = MappingProxyType({}),
    ) -> int:
        """Write files, in one round trip; return how many claims have ended.

        Args:
            files: Which, and when they were registered.
            looked: How many had ended when somebody looked at them; None: nobody has.
            connection: In a transaction; None: it is one of its own.
            only_new: Leave known paths as they are.
            session: As in ``Records.add``.
            natures: As in ``Records.add``.

        Raises:
            ClaimsEndedError: it is another number by now; nothing was written.
        """
        bound = columns(files, self._paths, only_new=only_new, natures=natures)
        bound |= {"session": session, "looked": looked}
        try:
            if connection is None:
                ((ended,),) = self._claimed.change("add", **bound)
            else:
                ((ended,),) = execute(self._scope, connection, "add", **bound)
        except RegistryError as error:
            raise no_such_session(session) if code_of(error) == NO_SESSION else error from None
        return int(ended)

    def _add_looking(
        self, wanted: Sequence[NewFile], now: float, looked: Looked, put: Callable[..., int], *, only_new: bool
    ) -> Sequence[NewFile]:
        """Write files that are looked at again first, where nobody can claim anything; return those written."""
        paths = None if only_new else arrays.names({self._paths.stored(file[0]): None for file in wanted})

        def work(connection: Connection) -> tuple[int, Sequence[NewFile]]:
            ((ended,),) = execute(self._scope, connection, "look", paths=paths)
            found = wanted if ended == looked.settlements else looked.again(wanted)
            if found:  # what is known and left as it is may have been retired since, and be new
                put([(file, now) for file in found], ended if only_new else None, connection)
            return ended, found

        while True:
            try:
                settlements, written = self._claimed.changed(lambda: transaction(self._scope, work))
            except ClaimsEndedError:
                continue
            self._claims.counted(settlements)
            return written

    def replace(self, files: Sequence[Timed]) -> None:
        """See ``Store.replace``."""
        names = arrays.names({self._paths.stored(file[0]): None for file, _ in files})

        def work(connection: Connection) -> None:
            rows = execute(self._scope, connection, "replaced", paths=names)
            known = {self._paths.shown(row[0]): Whose.unruled(row[1:], self._paths) for row in rows}
            if files:
                bound = columns(files, self._paths, known=known)
                execute(self._scope, connection, "add", **bound, session=0, looked=None)

        self._claimed.changed(lambda: transaction(self._scope, work))
        self._claims.rewind()

    def get(self, paths: Iterable[str]) -> dict[str, TempFile]:
        """See ``Records.get``."""
        wanted = {self._paths.known(path): path for path in paths}
        wanted.pop(None, None)
        if not wanted:
            return {}
        rows = {row[PATH]: row for row in self._scope.look("get", paths=arrays.names(wanted))}
        return {path: record_of(rows[name], self._paths) for name, path in wanted.items() if name in rows}

    def claimed(self, paths: Iterable[str], *, now: float) -> set[str]:
        """See ``Records.claimed``."""
        wanted = {self._paths.known(path): path for path in paths}
        wanted.pop(None, None)
        rows = self._scope.look("claimed", paths=arrays.names(wanted), now=now) if wanted else []
        return {wanted[path] for path, number, claimer in rows if not self._claimed.is_nobodys(number, claimer)}

    def page(self, selection: Selection | None, *, now: float, limit: int, after: object | None = None) -> Page:
        """See ``Records.page``."""
        if selection is None or selection.order is Order.OVERDUE:
            return self._claims.page(selection, now, limit, after)
        return in_order(self._scope, self._paths, selection, after, limit)

    def amend(self, path: str, registered_at: float) -> bool:
        """See ``Records.amend``."""
        ((done,),) = self._claimed.change("amend", path=self._paths.stored(path), at=float(registered_at))
        if done:
            self._claims.rewind()
        return bool(done)

    def forget(self, what: Iterable[str | TempFile], *, keeps: bool = False) -> int:
        """See ``Records.forget``."""
        meant: dict[tuple[bytes, int | None], None] = {}
        for one in what:
            path, number = (one, None) if isinstance(one, str) else (one.path, one.generation)
            name = self._paths.known(path)
            if name is not None:
                meant[name, number] = None
        if not meant:
            return 0
        paths, numbers = arrays.names(name for name, _ in meant), arrays.numbers(number for _, number in meant)
        ((count,),) = self._claimed.change("forget", paths=paths, numbers=numbers, leave_pins=keeps)
        return int(count)

    def measured(self, found: Iterable[Measured]) -> None:
        """See ``Records.measured``."""
        note(self._claimed, list(found))

    def stats(self) -> Stats:
        """See ``Records.stats``."""
        counted: dict[str, float] = dict(self._scope.look("stats"))
        records, size = counted.pop(_RECORDS, 0), counted.pop(_BYTES, 0)
        return Stats(int(records), int(size), {REGISTERED: 0} | counted)

    def sums(self, tags: Sequence[str]) -> Sums:
        """See ``Records.sums``."""
        sets = sets_with(self._scope, tags).values()
        return Sums(int(sum(records for records, _ in sets)), int(sum(size for _, size in sets)))

    def forecast(self, selection: Selection, bounds: Sequence[float]) -> Forecast:
        """See ``Registry.forecast``."""
        bound = {"asof": selection.asof, "max_age": float(selection.max_age)}
        rows = self._scope.look("forecast", **bound, bounds=arrays.moments(map(float, bounds)))
        found = {row[0]: row[1:] for row in rows}
        counts = [found.get(number, (0, 0)) for number in range(len(bounds) + 1)]
        return Forecast(tuple(count for count, _ in counts), tuple(int(size or 0) for _, size in counts))

    def groups(self, limit: int) -> tuple[Group, ...]:
        """See ``Groups.groups``."""
        return tuple(
            Group(
                self._paths.shown(directory).rstrip("/"),
                tuple(loads(tags)) if tags else (),
                session,
                nature_of(None, kind, None).kind,
                records,
                size,
            )
            for directory, tags, session, kind, records, size in self._scope.look("groups", limit=limit)
        )
