"""Pages of the PostgreSQL registry in orders of their own: by an index, or by scans that many pages are cut from."""

import math
from array import array
from collections.abc import Collection
from json import loads
from typing import Any, NamedTuple

from temp_file_manager.records import Order, Selection
from temp_file_manager.registry.answers import Page
from temp_file_manager.registry.postgres import arrays
from temp_file_manager.registry.postgres.paths import Paths
from temp_file_manager.registry.postgres.rows import ID, REGISTERED_AT, RETRY_AT, record_of
from temp_file_manager.registry.postgres.scope import Scope

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


class _Scan(NamedTuple):
    """An order that no index has: its statement, and what comes before the first."""

    statement: str
    start: Following


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

# An index by room, or by the last use, would make every registration dearer.
_LEAST = Following(-(1 << 63), 0)  # rooms are compared as the integers that they are
_SCANS = {Order.LARGEST: _Scan("scan_largest", _LEAST), Order.LEAST_USED: _Scan("scan_least_used", _START)}
_TAGGED = {Order.OLDEST: _Scan("scan_oldest_tagged", _START)} | {
    order: scan._replace(statement=f"{scan.statement}_tagged") for order, scan in _SCANS.items()
}


def in_order(scope: Scope, paths: Paths, selection: Selection, after: object | None, limit: int) -> Page:
    """Return a page of records whatever keeps them.

    Args:
        scope: Where they are.
        paths: How paths are stored.
        selection: Its order is any but ``OVERDUE``.
        after: Where to go on.
        limit: How many at most.
    """
    scans = _TAGGED if selection.tags else _SCANS
    if selection.order in scans:
        return _scanned(scope, paths, scans[selection.order], selection, after, limit)
    by = _INDEXED[selection.order] if selection.kind is None else _OF_A_KIND
    start = by.start._replace(number=selection.since) if selection.order is Order.ADDED else by.start
    place = after if isinstance(after, Following) else start
    bound: dict[str, Any] = {"after": float(place.value), "after_id": place.number, "limit": limit}
    if selection.kind is not None:
        bound["kind"] = str(selection.kind)
    rows = scope.look(by.statement, **bound)
    more = rows and len(rows) == limit
    found = tuple(record_of(row, paths) for row in rows)
    return Page(found, Following(rows[-1][by.column], rows[-1][ID]) if more else None)


def _scanned(scope: Scope, paths: Paths, scan: _Scan, selection: Selection, after: object | None, limit: int) -> Page:
    """Return the next records of a scan; those of them that have gone since are left out."""
    place = after if isinstance(after, Scanned) else Scanned(array("q"), 0, scan.start)
    if place.first >= len(place.ids):
        place = _scan(scope, scan.statement, selection, place.behind or scan.start, limit)
    end = place.first + limit
    ids = list(place.ids[place.first : end])
    rows = {row[ID]: row for row in scope.look("files", ids=arrays.numbers(ids))} if ids else {}
    more = limit and (end < len(place.ids) or place.behind)
    found = tuple(record_of(rows[number], paths) for number in ids if number in rows)
    return Page(found, place._replace(first=end) if more else None)


def sets_with(scope: Scope, tags: Collection[str]) -> dict[str, tuple[float, float]]:
    """Return how many records there are, and of how many bytes, by those sets of tags that have one of ``tags``.

    The sets are as they are on record. Not found by the server: a tag may hold what no text of a database can.
    """
    wanted = set(tags)
    rows = scope.look("tagged") if wanted else []
    return {words: (records, size) for words, records, size in rows if not wanted.isdisjoint(loads(words))}


def _scan(scope: Scope, scan: str, selection: Selection, behind: Following, limit: int) -> Scanned:
    most = _PAGES * limit
    sets = arrays.texts(sets_with(scope, selection.tags)) if selection.tags else None
    bound = {"after": behind.value, "after_id": behind.number, "limit": most}
    rows = scope.look(scan, **bound, **({} if sets is None else {"tags": sets}))
    ids = array("q", [row[0] for row in rows])
    return Scanned(ids, 0, Following(rows[-1][1], rows[-1][0]) if ids and len(ids) == most else None)
