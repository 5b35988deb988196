"""Settlements in the SQLite registry: what becomes of the records of a claim, within a transaction."""

from collections.abc import Iterable
from sqlite3 import Connection
from typing import NamedTuple

from temp_file_manager.chunks import Other
from temp_file_manager.records import Rewritten, Status
from temp_file_manager.registry.claim import Settlement
from temp_file_manager.registry.counters import of_settled
from temp_file_manager.registry.position import Way
from temp_file_manager.registry.sqlite.inserts import take_numbers
from temp_file_manager.registry.sqlite.rows import DIRECTORY, FAILURES, ID, REGISTERED_AT, Row, record_of, room_of
from temp_file_manager.registry.sqlite.transaction import Transactions
from temp_file_manager.rules import renewed, retry_at


class _Parts(NamedTuple):
    """Rows by what becomes of them: cleaned up, forgotten for another reason, rewritten, and those that stay."""

    removed: list[Row]
    gone: list[Row]
    replaced: list[Row]
    rewritten: list[tuple[Row, Rewritten]]
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
    cleaned = parts.removed + parts.gone
    retired = cleaned + parts.replaced
    freed = _size(parts.removed)
    if retired:
        directories = {row[ID]: row[DIRECTORY] for row in retired}
        transactions.unpin(connection, directories)
        transactions.retire(connection, directories, freed + _size(parts.gone + parts.replaced))
    ages = [at - row[REGISTERED_AT] for row in cleaned]
    transactions.count(connection, of_settled(ages, freed, parts.others))
    if parts.left:
        number = take_numbers(connection, transactions.sql, 1)
        ruled = [(row, other) for row, other in parts.left if other.due_at is not None]
        kept = [(other.rule or None, other.due_at if other.rule else None, number, row[ID]) for row, other in ruled]
        connection.executemany(transactions.sql["keep_until"], kept)
        left = [(row, other) for row, other in parts.left if other.due_at is None]
        failures = ((row, other, row[FAILURES] + (other.status is Status.FAILED)) for row, other in left)
        bound = [(number, count, retry_at(count, at), other.lasting or None, row[ID]) for row, other, count in failures]
        connection.executemany(transactions.sql["put_off"], bound)
    if parts.rewritten:
        _renew(transactions, connection, parts.rewritten, settlement)
    if any(other.status is Status.SKIPPED for other in parts.others):
        transactions.rewind()
    return {row[ID] for row, other in parts.left if other.under_way}


def _renew(
    transactions: Transactions, connection: Connection, files: list[tuple[Row, Rewritten]], settlement: Settlement
) -> None:
    """Let records stand for what their files were rewritten as.

    The same sweep takes them up again if they are due all the same, but each once: somebody may go on rewriting it.
    """
    way, number, more = settlement.claim.cursor, take_numbers(connection, transactions.sql, 1), 0
    for row, found in files:
        record = renewed(record_of(row), found, settlement.at)
        tried = 0 if isinstance(way, Way) and way.first_time(row[ID]) else number
        bound = (record.registered_at, record.due_at, record.size, *found.identity, record.disk, tried, row[ID])
        connection.execute(transactions.sql["renew"], bound)
        more += (record.room or 0) - room_of(row)
    connection.execute(transactions.sql["count_records"], (0, float(more), 0, transactions.scope))


def _size(rows: Iterable[Row]) -> float:
    return float(sum([room_of(row) for row in rows]))


def _parted(settlement: Settlement, claimed: set[int]) -> _Parts:
    rows, others = settlement.claim.records.rows[: settlement.done], settlement.others
    told = [(rows[at], other) for at, other in others.items() if at < len(rows) and rows[at][ID] in claimed]
    removed = [row for at, row in enumerate(rows) if at not in others and row[ID] in claimed]
    return _Parts(
        removed + [row for row, other in told if other.status is Status.REMOVED],
        [row for row, other in told if other.status in (Status.GONE, Status.QUARANTINED)],
        [row for row, other in told if other.status in (Status.REPLACED, Status.COMPRESSED)],
        [(row, other.found) for row, other in told if other.found is not None],
        [(row, other) for row, other in told if other.status is Status.FAILED or other.status is Status.KEPT],
        [other for _, other in told],
    )
