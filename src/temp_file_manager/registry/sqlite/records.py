"""Records in the SQLite registry, and what can be counted of them."""

import math
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from json import loads
from sqlite3 import Connection
from threading import get_ident
from types import MappingProxyType

from temp_file_manager.records import Measured, Nature, NewFile, Order, Selection, TempFile
from temp_file_manager.registry.answers import Forecast, Page, Stats, Sums
from temp_file_manager.registry.claim import Looked
from temp_file_manager.registry.contract import Records
from temp_file_manager.registry.counters import REGISTERED
from temp_file_manager.registry.files import Timed
from temp_file_manager.registry.groups import Group
from temp_file_manager.registry.measures import is_news
from temp_file_manager.registry.natures import nature_of
from temp_file_manager.registry.sqlite.claimed import Claimed
from temp_file_manager.registry.sqlite.claims import SqliteClaims
from temp_file_manager.registry.sqlite.inserts import next_number, records_at, take_numbers
from temp_file_manager.registry.sqlite.measures import note
from temp_file_manager.registry.sqlite.orders import in_order, tagged
from temp_file_manager.registry.sqlite.rows import (
    DIRECTORY,
    DIRECTORY_PATH,
    ID,
    NAME,
    RELATIVE,
    Row,
    path_at,
    place_of,
    record_of,
    room_of,
)
from temp_file_manager.registry.sqlite.transaction import Transactions

# Not with the other statements, as it has no fixed length. What is kept is few: it is taken from where it was counted,
# and counted where its keep ends, as to look for a keep of each file took twice as long.
_FORECAST = """
WITH kept AS (
    SELECT coalesce(disk, size) AS room, coalesce(due_at, registered_at + :max_age) AS due_at, max(until) AS until
    FROM keeps JOIN files ON files.directory = keeps.directory AND files.name = keeps.name
    WHERE files.scope = :scope GROUP BY files.id
)
SELECT until, sum(files), total(room) FROM (
    SELECT files, room, CASE {} ELSE :count END AS until
    FROM (
        SELECT 1 AS files, coalesce(disk, size) AS room, coalesce(due_at, registered_at + :max_age) AS due_at
        FROM files WHERE scope = :scope
        UNION ALL SELECT -1, -room, due_at FROM kept
        UNION ALL SELECT 1, room, max(due_at, until) FROM kept
    )
) GROUP BY until
"""


class SqliteRecords(Records):
    """Records of one scope, read and written without the registry's lock. Waits for nobody: what is claimed is refused.

    Args:
        transactions: Where they are made.
        claimed: What is claimed.
        claims: Gives pages of what is due.
    """

    def __init__(self, transactions: Transactions, claimed: Claimed, claims: SqliteClaims) -> None:
        self._transactions = transactions
        self._claimed = claimed
        self._claims = claims

    @property
    def settlements(self) -> int:
        """See ``Records.settlements``."""
        return self._transactions.settlements

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
        transactions = self._transactions
        wanted: Sequence[NewFile] = list(files)
        if not wanted:
            return

        def put(connection: Connection, found: Sequence[NewFile]) -> None:
            rows = [(file, now) for file in found]
            transactions.add(connection, rows, only_new=only_new, session=session, natures=natures)

        settlements, wanted = transactions.write(
            lambda connection: self._add(connection, wanted, put, only_new=only_new, looked=looked)
        )
        transactions.settlements = settlements
        transactions.added(now, wanted)
        if session:
            transactions.rewind()  # its end may have passed

    def _add(
        self,
        connection: Connection,
        wanted: Sequence[NewFile],
        put: Callable[[Connection, Sequence[NewFile]], None],
        *,
        only_new: bool,
        looked: Looked | None,
    ) -> tuple[int, Sequence[NewFile]]:
        transactions = self._transactions
        if not only_new and self._claimed.any(connection):
            self._claimed.refuse(connection, self._claimed_at(connection, wanted), get_ident())
        settlements = transactions.count_settlements(connection)
        if looked is not None and looked.settlements != settlements:
            wanted = looked.again(wanted)
        if wanted:
            put(connection, wanted)
        return settlements, wanted

    def _claimed_at(self, connection: Connection, files: Sequence[NewFile]) -> dict[int, str]:
        """Return the records that files would replace and that may be claimed: ids with their paths."""
        transactions, places = self._transactions, {place_of(path): path for path, *_ in files}
        found = records_at(connection, transactions.sql, transactions.scope, places)
        others = self._claimed.by_other_paths(connection, files)
        return others | {number: places[place] for place, number in found.items()}

    def replace(self, files: Sequence[Timed]) -> None:
        """See ``Store.replace``."""
        transactions = self._transactions

        def work(connection: Connection) -> None:
            rows = connection.execute(transactions.sql["claimed_files"], {"scope": transactions.scope})
            claimed = {number: path_at(directory, name) for number, directory, name in rows}
            self._claimed.refuse(connection, claimed, get_ident())
            take_numbers(connection, transactions.sql, 0)
            paths = (file[0] for file, _ in files)
            known = {path: whose.unruled for path, whose in transactions.whose(connection, paths).items()}
            for statement in ("forget_all_uses", "forget_all", "forget_tagged", "forget_all_directories", "recount"):
                connection.execute(transactions.sql[statement], {"scope": transactions.scope})
            transactions.add(connection, list(files), known=known)

        transactions.write(work)
        transactions.rewind()

    def get(self, paths: Iterable[str]) -> dict[str, TempFile]:
        """See ``Records.get``."""
        wanted = list(paths)  # it may be read from this very registry
        with self._transactions.reading() as connection:
            rows = {path: self._transactions.row(connection, path) for path in wanted}
            return {path: record_of(row) for path, row in rows.items() if row is not None}

    def has_all(self, paths: Iterable[str]) -> bool:
        """See ``Records.has_all``."""
        places = set(map(place_of, paths))
        with self._transactions.reading() as connection:
            found = records_at(connection, self._transactions.sql, self._transactions.scope, places)
        return len(found) == len(places)

    def claimed(self, paths: Iterable[str], *, now: float) -> set[str]:
        """See ``Records.claimed``."""
        wanted = list(paths)
        with self._transactions.reading() as connection:
            if not self._claimed.any(connection):
                return set()
            rows = {path: self._transactions.row(connection, path) for path in wanted}
            known = {row[ID]: path for path, row in rows.items() if row is not None}
            taken = self._claimed.taken(connection, known, now)
        return {known[number] for number in taken}

    def page(self, selection: Selection | None, *, now: float, limit: int, after: object | None = None) -> Page:
        """See ``Records.page``."""
        if selection is None or selection.order is Order.OVERDUE:
            return self._claims.page(selection, now, limit, after)
        return in_order(self._transactions, selection, after, limit)

    def amend(self, path: str, registered_at: float) -> bool:
        """See ``Records.amend``."""
        transactions = self._transactions

        def work(connection: Connection) -> bool:
            row = transactions.row(connection, path)
            if row is None:
                return False
            self._claimed.refuse(connection, {row[ID]: path}, get_ident())
            old = record_of(row)
            due_at = None if old.due_at is None else old.due_at + (registered_at - old.registered_at)
            if due_at is not None and math.isnan(due_at):  # infinity less infinity
                due_at = registered_at
            file = (path, due_at, old.size, old.tags, old.identity, old.disk)
            number = next_number(connection, transactions.sql)
            transactions.add(connection, [(file, registered_at)], known=transactions.whose(connection, (path,)))
            if old.used_at is not None and old.used_at > registered_at:
                connection.execute(transactions.sql["use"], (number, old.used_at))
            return True

        if not transactions.write(work):
            return False
        transactions.rewind()
        return True

    def forget(self, what: Iterable[str | TempFile], *, keeps: bool = False) -> int:
        """See ``Records.forget``."""
        transactions = self._transactions

        def work(connection: Connection) -> int:
            found = self._meant(connection, what)
            paths = {number: path_at(row[DIRECTORY_PATH], row[NAME]) for number, row in found.items()}
            self._claimed.refuse(connection, paths, get_ident())
            if not keeps:
                transactions.unpin(connection, found)
            directories = {number: row[DIRECTORY] for number, row in found.items()}
            transactions.retire(connection, directories, float(sum(map(room_of, found.values()))))
            return len(found)

        return transactions.write(work)

    def _meant(self, connection: Connection, what: Iterable[str | TempFile]) -> dict[int, Row]:
        found = {}
        for one in what:
            row = self._transactions.row(connection, one if isinstance(one, str) else one.path)
            if row is not None and (isinstance(one, str) or row[ID] == one.generation):
                found[row[ID]] = row
        return found

    def spellings(self, inode: int, born: int) -> tuple[str, ...]:
        """See ``Registry.spellings``."""
        transactions = self._transactions
        with transactions.reading() as connection:
            bound = {"scope": transactions.scope, "inode": inode, "born": born}
            return tuple(os.fsdecode(path) for (path,) in connection.execute(transactions.sql["spellings"], bound))

    def measured(self, found: Iterable[Measured]) -> None:
        """See ``Records.measured``."""
        news = [one for one in found if is_news(one)]
        if news:
            self._transactions.write(lambda connection: note(self._transactions, connection, news))

    def stats(self) -> Stats:
        """See ``Records.stats``."""
        transactions = self._transactions
        with transactions.reading() as connection:
            rows = connection.execute(transactions.sql["stats"], {"scope": transactions.scope}).fetchall()
            records, size, registered = rows[0][:3] if rows else (0, 0, 0)
            counted = {name: value for *_, name, value in rows if name is not None}
            return Stats(records, int(size), {REGISTERED: registered, **counted})

    def sums(self, tags: Sequence[str]) -> Sums:
        """See ``Records.sums``."""
        with self._transactions.reading() as connection:
            sets = tagged(self._transactions, connection, tags).values()
            return Sums(sum(records for records, _ in sets), int(sum(size for _, size in sets)))

    def forecast(self, selection: Selection, bounds: Sequence[float]) -> Forecast:
        """See ``Registry.forecast``."""
        cases = " ".join(f"WHEN due_at <= :asof + :b{number} THEN {number}" for number in range(len(bounds)))
        asked = {f"b{number}": bound for number, bound in enumerate(bounds)}
        asked |= {"asof": selection.asof, "max_age": selection.max_age, "count": len(bounds)}
        with self._transactions.reading(long=True) as connection:
            asked["scope"] = self._transactions.scope
            found = {row[0]: row[1:] for row in connection.execute(_FORECAST.format(cases), asked)}
            counts = [found.get(number, (0, 0)) for number in range(len(bounds) + 1)]
            return Forecast(tuple(count for count, _ in counts), tuple(int(size) for _, size in counts))

    def groups(self, limit: int) -> tuple[Group, ...]:
        """See ``Groups.groups``."""
        with self._transactions.reading(long=True) as connection:
            bound = {"scope": self._transactions.scope, "limit": limit}
            rows = connection.execute(self._transactions.sql["groups"], bound).fetchall()
        return tuple(
            Group(
                "" if path == RELATIVE else os.fsdecode(path),
                tuple(loads(tags)) if tags else (),
                session,
                nature_of(None, kind, None).kind,
                records,
                int(size),
            )
            for path, tags, session, kind, records, size in rows
        )
