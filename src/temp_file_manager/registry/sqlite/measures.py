"""Measures in the SQLite registry: what looks at files have found, written within a transaction."""

from collections.abc import Sequence
from json import dumps
from sqlite3 import Connection

from temp_file_manager.records import Measured
from temp_file_manager.registry.measures import is_later
from temp_file_manager.registry.sqlite.transaction import Transactions


def note(transactions: Transactions, connection: Connection, found: Sequence[Measured]) -> None:
    """Write measures of those records that are still the same, and claimed by nobody; and what they add to the sums."""
    sql = transactions.sql
    news = {one.record.generation: one for one in found}
    any_claim, _ = connection.execute(sql["any_claim"]).fetchone()
    bound = {"scope": transactions.scope, "ids": dumps(list(news)), "any_claim": any_claim, "ended": "[]"}
    rooms, uses, more = [], [], 0
    # What is on record now: others may have measured these files since they were looked at.
    for number, disk, size in connection.execute(sql["rooms"], bound).fetchall():
        record, taken, used_at = news[number]
        if taken != disk:
            rooms.append((taken, number))
            more += taken - (size or 0 if disk is None else disk)
        if is_later(used_at, record.used_at):
            uses.append((number, used_at))
    connection.executemany(sql["measure"], rooms)
    connection.executemany(sql["use"], uses)
    if more:
        connection.execute(sql["count_records"], (0, float(more), 0, transactions.scope))
