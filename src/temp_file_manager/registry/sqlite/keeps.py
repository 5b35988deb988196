"""Pins and holds in the SQLite registry: one table, where a hold has an owner."""

from collections.abc import Iterable, Sequence
from sqlite3 import Connection
from threading import get_ident

from temp_file_manager.registry.contract import Holder
from temp_file_manager.registry.sqlite.claimed import Claimed
from temp_file_manager.registry.sqlite.rows import DIRECTORY, ID, NAME, Row
from temp_file_manager.registry.sqlite.transaction import Transactions


class SqliteKeeps:
    """Pins and holds of one scope.

    A lock file tells other processes whether a holder's process lives, as it does for claims.
    """

    def __init__(self, transactions: Transactions, claimed: Claimed) -> None:
        self._transactions = transactions
        self._claimed = claimed
        self.after_fork()

    @property
    def holding(self) -> bool:
        """Whether anything is held by this process."""
        return bool(self._holds)

    def after_fork(self) -> None:
        """Hold nothing: what there is here is the parent's."""
        # One for each: never fewer than there are, as who closes would take the process for one that holds nothing.
        # A list, as what makes it longer or shorter is one step, which neither a thread nor an interrupt divides.
        self._holds: list[None] = []

    def keep(self, paths: Sequence[str], until: float, holder: Holder | None) -> tuple[str, ...]:
        """See ``Keeps.keep``. Waits for nobody: what is claimed is refused."""
        if holder is not None:
            self._holds.extend([None] * len(paths))
        try:
            kept = self._kept(paths, until, holder)
        except Exception:  # nothing was written; an interrupt may come when it was
            self._end(0 if holder is None else len(paths))
            raise
        self._end(0 if holder is None else len(paths) - len(kept))
        return kept

    def _end(self, holds: int) -> None:
        del self._holds[:holds]

    def _kept(self, paths: Sequence[str], until: float, holder: Holder | None) -> tuple[str, ...]:
        transactions = self._transactions

        def work(connection: Connection) -> tuple[str, ...]:
            rows = {path: transactions.row(connection, path) for path in paths}
            known = {path: row for path, row in rows.items() if row is not None}
            self._claimed.refuse(connection, {row[ID]: path for path, row in known.items()}, get_ident())
            owner = None if holder is None else transactions.owner
            if known and owner is not None:
                transactions.owners.enter(owner)
            kept = tuple(path for path in paths if path in known)
            for path in kept:
                self._keep(connection, known[path], until, owner)
            return kept

        kept = transactions.write(work)
        transactions.rewind()
        return kept

    def _keep(self, connection: Connection, row: Row, until: float, owner: int | None) -> None:
        transactions = self._transactions
        bound = {"scope": transactions.scope, "directory": row[DIRECTORY], "name": row[NAME]}
        if owner is None:
            connection.execute(transactions.sql["unpin"], bound)
        connection.execute(transactions.sql["keep"], bound | {"until": until, "holder": owner})

    def release(self, paths: Iterable[str], holder: Holder | None) -> tuple[str, ...]:
        """See ``Keeps.release``. What is held may have been forgotten meanwhile."""
        transactions = self._transactions

        def work(connection: Connection) -> tuple[tuple[str, ...], int]:
            known, ended = [], 0
            for path in paths:
                row = transactions.row(connection, path)
                if row is not None:
                    known.append(path)
                if holder is not None:
                    bound = transactions.place(path) | {"holder": transactions.owner}
                    ended += connection.execute(transactions.sql["release"], bound).rowcount
                elif row is not None:
                    bound = {"directory": row[DIRECTORY], "name": row[NAME]}
                    connection.execute(transactions.sql["unpin"], bound)
            return tuple(known), ended

        known, ended = transactions.write(work)
        self._end(ended)
        transactions.rewind()
        return known
