"""Journals and counters in the SQLite registry."""

from collections.abc import Mapping
from sqlite3 import Connection

from temp_file_manager.registry.journal import Note
from temp_file_manager.registry.sqlite.transaction import Transactions


class SqliteJournal:
    """Journals and counters of one scope."""

    def __init__(self, transactions: Transactions) -> None:
        self._transactions = transactions

    def write(self, journal: str, line: str | None, at: float, keep: int, counters: Mapping[str, float]) -> None:
        """See ``Journal.write``."""
        transactions = self._transactions

        def work(connection: Connection) -> None:
            if line is not None:
                bound = {"scope": transactions.scope, "journal": journal, "at": at, "text": line, "keep": keep}
                connection.execute(transactions.sql["add_note"], bound)
                connection.execute(transactions.sql["drop_notes"], bound)
            transactions.count(connection, counters)

        transactions.write(work)

    def read(self, journal: str, since: float, limit: int) -> list[Note]:
        """See ``Journal.read``."""
        transactions = self._transactions
        with transactions.reading() as connection:
            bound = {"scope": transactions.scope, "journal": journal, "since": since, "limit": limit}
            return [Note(*row) for row in connection.execute(transactions.sql["notes"], bound)]
