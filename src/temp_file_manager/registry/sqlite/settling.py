"""Settlements in the SQLite registry: what becomes of the records of a claim, within a transaction."""

from sqlite3 import Connection
from typing import NamedTuple

from temp_file_manager.chunks import Other
from temp_file_manager.records import RETIRED, Status
from temp_file_manager.registry.claim import Settlement
from temp_file_manager.registry.counters import of_settled
from temp_file_manager.registry.sqlite.inserts import take_numbers
from temp_file_manager.registry.sqlite.rows import DIRECTORY, FAILURES, ID, REGISTERED_AT, SIZE, Row
from temp_file_manager.registry.sqlite.transaction import Transactions
from temp_file_manager.rules import retry_at


class _Parts(NamedTuple):
    """Rows by what becomes of them: the removed, those to forget for another reason, and those that stay."""

    removed: list[Row]
    retired: list[Row]
    left: list[tuple[Row, Other]]
    others: list[Other]


def settle(transactions: Transactions, connection: Connection, settlement: Settlement, claimed: set[int]) -> set[int]:
    """Write what became of records; return those that stay claimed: their removals hang.

    Args:
        transactions: Where ``connection`` comes from.
        connection: In a transaction.
        settlement: What became of them.
        claimed: Ids of those that were still under the claim; the others are left as they are.
    """
    parts, at = _parted(settlement, claimed), settlement.at
    retired = parts.removed + parts.retired
    size = sum(row[SIZE] or 0 for row in parts.removed)
    if retired:
        directories = {row[ID]: row[DIRECTORY] for row in retired}
        transactions.unpin(connection, directories)
        transactions.retire(connection, directories, float(size + sum(row[SIZE] or 0 for row in parts.retired)))
    ages = [at - row[REGISTERED_AT] for row in retired]
    transactions.count(connection, of_settled(ages, size, parts.others))
    if parts.left:
        number = take_numbers(connection, transactions.sql, 1)
        failures = ((row, row[FAILURES] + (other.status is Status.FAILED)) for row, other in parts.left)
        bound = [(number, count, retry_at(count, at), row[ID]) for row, count in failures]
        connection.executemany(transactions.sql["put_off"], bound)
    if any(other.status is Status.SKIPPED for other in parts.others):
        transactions.rewind()
    return {row[ID] for row, other in parts.left if other.under_way}


def _parted(settlement: Settlement, claimed: set[int]) -> _Parts:
    rows, others = settlement.claim.records.rows[: settlement.done], settlement.others
    told = [(rows[at], other) for at, other in others.items() if at < len(rows) and rows[at][ID] in claimed]
    removed = [row for at, row in enumerate(rows) if at not in others and row[ID] in claimed]
    return _Parts(
        removed + [row for row, other in told if other.status is Status.REMOVED],
        [row for row, other in told if other.status in RETIRED and other.status is not Status.REMOVED],
        [(row, other) for row, other in told if other.status is Status.FAILED or other.status is Status.KEPT],
        [other for _, other in told],
    )
