"""Pages of the SQLite registry in orders of their own: by an index, or by scans that many pages are cut from."""

import math
from array import array
from collections.abc import Collection
from json import dumps, loads
from sqlite3 import Connection
from typing import Any, NamedTuple

from temp_file_manager.records import Order, Selection
from temp_file_manager.registry.answers import Page
from temp_file_manager.registry.sqlite.rows import ID, REGISTERED_AT, RETRY_AT, record_of
from temp_file_manager.registry.sqlite.transaction import Transactions

_PAGES = 256
"""Pages of which one scan finds the records: it costs by all that there are."""


class Following(NamedTuple):
    """The place where a page goes on: behind this value, and behind this id among its equals."""

    value: float
    number: int


class Scanned(NamedTuple):
    """The place where a page goes on that is cut from a scan.

    Attributes:
        ids: What the scan found, in its order.
        first: So many of them came before.
        behind: Where the next scan goes on; None when there is nothing more.
    """

    ids: "array[int]"
    first: int
    behind: Following | None


class _Indexed(NamedTuple):
    """An order that an index has: its statement, the column that it is by, and what comes before the first."""

    statement: str
    column: int
    start: Following


_START = Following(-math.inf, 0)

_INDEXED = {
    Order.OLDEST: _Indexed("every_oldest", REGISTERED_AT, _START),
    Order.FAILING: _Indexed("every_failing", RETRY_AT, Following(math.inf, 1 << 62)),
    Order.ADDED: _Indexed("every_added", ID, Following(0, 0)),
}

_OF_A_KIND = _Indexed("every_of_a_kind", ID, Following(0, 0))

# An index by room, or by the last use, would make every registration dearer by half, and by a seventh.
_SCANS = {Order.LARGEST: "scan_largest", Order.LEAST_USED: "scan_least_used"}
_TAGGED = {Order.OLDEST: "scan_oldest_tagged"} | {order: f"{scan}_tagged" for order, scan in _SCANS.items()}


def in_order(transactions: Transactions, selection: Selection, after: object | None, limit: int) -> Page:
    """Return a page of records whatever keeps them.

    Args:
        transactions: Where they are read.
        selection: Its order is any but ``OVERDUE``.
        after: Where to go on.
        limit: How many at most.
    """
    scans = _TAGGED if selection.tags else _SCANS
    if selection.order in scans:
        return _scanned(transactions, scans[selection.order], selection, after, limit)
    by = _INDEXED[selection.order] if selection.kind is None else _OF_A_KIND
    start = by.start._replace(number=selection.since) if selection.order is Order.ADDED else by.start
    place = after if isinstance(after, Following) else start
    with transactions.reading() as connection:
        bound: dict[str, Any] = {"scope": transactions.scope, "after": place.value, "after_id": place.number}
        bound |= {"limit": limit, "kind": selection.kind}
        rows = connection.execute(transactions.sql[by.statement], bound).fetchall()
        more = rows and len(rows) == limit
        return Page(tuple(map(record_of, rows)), Following(rows[-1][by.column], rows[-1][ID]) if more else None)


def _scanned(transactions: Transactions, scan: str, selection: Selection, after: object | None, limit: int) -> Page:
    """Return the next records of a scan; those of them that have gone since are left out."""
    place = after if isinstance(after, Scanned) else Scanned(array("q"), 0, _START)
    if place.first >= len(place.ids):
        with transactions.reading(long=True) as connection:
            place = _scan(connection, transactions, scan, selection, place.behind or _START, limit)
    end = place.first + limit
    ids = list(place.ids[place.first : end])
    with transactions.reading() as connection:
        bound: dict[str, Any] = {"scope": transactions.scope, "ids": dumps(ids)}
        rows = {row[ID]: row for row in connection.execute(transactions.sql["files"], bound)}
        more = limit and (end < len(place.ids) or place.behind)
        found = tuple(record_of(rows[number]) for number in ids if number in rows)
        return Page(found, place._replace(first=end) if more else None)


def tagged(transactions: Transactions, connection: Connection, tags: Collection[str]) -> dict[str, tuple[int, float]]:
    """Return how many records there are, and of how many bytes, by those sets of tags that have one of ``tags``.

    The sets are as they are on record. Not found by SQLite, whose words end at a NUL.
    """
    wanted = set(tags)
    rows = connection.execute(transactions.sql["tagged"], {"scope": transactions.scope})
    return {text: (records, size) for text, records, size in rows if not wanted.isdisjoint(loads(text))}


def _scan(
    connection: Connection, transactions: Transactions, scan: str, selection: Selection, behind: Following, limit: int
) -> Scanned:
    most, ids, last = _PAGES * limit, array("q"), (behind.number, behind.value)
    sets = dumps(list(tagged(transactions, connection, selection.tags))) if selection.tags else ""
    bound = {"scope": transactions.scope, "after": behind.value, "after_id": behind.number, "limit": most}
    for last in connection.execute(transactions.sql[scan], bound | {"tags": sets}):
        ids.append(last[0])
    return Scanned(ids, 0, Following(last[1], last[0]) if ids and len(ids) == most else None)
