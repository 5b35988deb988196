"""Natures in the SQLite registry: what rules decide about records, and which records stand for others."""

import os
from collections.abc import Collection, Iterable, Sequence
from json import dumps
from sqlite3 import Connection

from temp_file_manager.records import Ruled, TempFile
from temp_file_manager.registry.natures import Natures
from temp_file_manager.registry.sqlite.rows import record_of
from temp_file_manager.registry.sqlite.transaction import Transactions


class SqliteNatures(Natures):
    """See ``Natures``. Takes no lock of the registry's: paths and times of registration stay as they are."""

    def __init__(self, transactions: Transactions) -> None:
        self._transactions = transactions

    def ruled(self, found: Iterable[Ruled]) -> None:
        """See ``Natures.ruled``."""
        wanted = list(found)
        if not wanted:
            return
        transactions = self._transactions
        if transactions.write(lambda connection: _rule(transactions, connection, wanted)):
            transactions.rewind()

    def rules(self) -> dict[str, int]:
        """See ``Natures.rules``."""
        with self._transactions.reading(long=True) as connection:
            rows = connection.execute(self._transactions.sql["rules"], {"scope": self._transactions.scope})
            return dict(rows.fetchall())

    def beyond(self, rule: str, count: int, limit: int) -> tuple[TempFile, ...]:
        """See ``Natures.beyond``."""
        with self._transactions.reading() as connection:
            bound = {"scope": self._transactions.scope, "rule": rule, "count": count, "limit": limit}
            return tuple(map(record_of, connection.execute(self._transactions.sql["beyond"], bound).fetchall()))

    def successors(self, origins: Iterable[str]) -> dict[str, tuple[TempFile, ...]]:
        """See ``Natures.successors``."""
        sql, wanted = self._transactions.sql["successors"], list(origins)
        with self._transactions.reading() as connection:
            scope = self._transactions.scope
            found = {path: connection.execute(sql, (scope, os.fsencode(path))).fetchall() for path in wanted}
            return {path: tuple(map(record_of, rows)) for path, rows in found.items() if rows}

    def kept_below(self, directory: str, asof: float, rules: Collection[str] = ()) -> TempFile | None:
        """See ``Natures.kept_below``."""
        transactions, path = self._transactions, os.fsencode(directory.rstrip("/"))
        with transactions.reading() as connection:
            holders = connection.execute(transactions.sql["holders"]).fetchall()
            dead = dumps([holder for (holder,) in holders if not transactions.owners.alive(holder)])
            # All that begins with a slash more: a zero is what comes after that.
            bound = {"scope": transactions.scope, "path": path, "first": path + b"/", "behind": path + b"0"}
            bound |= {"asof": asof, "dead": dead, "rules": dumps(list(rules))}
            row = connection.execute(transactions.sql["kept_below"], bound).fetchone()
        return None if row is None else record_of(row)


def _rule(transactions: Transactions, connection: Connection, found: Sequence[Ruled]) -> int:
    """Write what rules decide about those records that are still the same, and claimed by nobody; return how many."""
    sql = transactions.sql
    news = {one.record.generation: one for one in found}
    any_claim, _ = connection.execute(sql["any_claim"]).fetchone()
    bound = {"scope": transactions.scope, "ids": dumps(list(news)), "any_claim": any_claim, "ended": "[]"}
    free = [news[number] for (number,) in connection.execute(sql["rulable"], bound).fetchall()]
    connection.executemany(sql["rule"], [(one.rule or None, one.due_at, one.record.generation) for one in free])
    return len(free)
