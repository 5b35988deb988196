"""Rows of files in the SQLite registry: in the order in which they are due, in other orders, and as records."""

import math
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from heapq import merge
from json import loads
from sqlite3 import Connection
from typing import Any, NamedTuple

from temp_file_manager.chunks import Chunk, Place
from temp_file_manager.errors import RegistryError
from temp_file_manager.records import Identity, Order, Selection, TempFile
from temp_file_manager.rules import LAST_RETRY, waiting_since
from temp_file_manager.text import printable

Row = tuple[Any, ...]
"""id, directory's id, directory, name, registered_at, due_at, retry_at, failures, size, tags, kept for, inode, born,
changed, directory's inode, directory's born, volume, session, pinned until, held: what all statements give that
read files."""

ID, DIRECTORY, DIRECTORY_PATH, NAME, REGISTERED_AT, DUE_AT, RETRY_AT, FAILURES, SIZE = range(9)
_IDENTITY = slice(11, 17)
SESSION = 17

_START = (-math.inf, 0)

_RELATIVE = b"\0"
"""The directory of a path without any slash, which callers may write to ``files``: no real one has such a name."""


def place_of(path: str) -> tuple[bytes, bytes]:
    """Return the directory and the name by which a path is found."""
    directory, slash, name = os.fsencode(path).rpartition(b"/")
    return (directory, name) if slash else (_RELATIVE, name)


def path_at(directory: bytes, name: bytes) -> str:
    """Return the path of a place."""
    return os.fsdecode(name if directory == _RELATIVE else directory + b"/" + name)


@dataclass(frozen=True, slots=True)
class Position:
    """The place that a sweep has got to.

    Attributes:
        began: The last number taken when it began: what was tried later it leaves alone, what was recorded later
            a forced one leaves alone.
        aged: Time and id of the last record taken by age, in the order of that index.
        timed: The same of those with a ttl.
        retried: The same of those that have been tried before, which wait for another try.
        last: The number of the last record, which is all that the walk through a session needs.
        epoch: Which frees and backdatings the registry had seen; more of them, and it looks from the start again.
    """

    began: int
    aged: tuple[float, int] = _START
    timed: tuple[float, int] = _START
    retried: tuple[float, int] = _START
    last: int = 0
    epoch: int = 0

    def rewound(self, epoch: int) -> "Position":
        """Return the start of the same sweep."""
        return Position(self.began, epoch=epoch)

    @property
    def at_start(self) -> bool:
        """Whether nothing lies behind it."""
        return self.aged == self.timed == self.retried == _START

    def after(self, rows: Sequence[Row]) -> "Position":
        """Return the position behind these rows, which were read from here."""
        aged, timed, retried = self.aged, self.timed, self.retried
        for row in rows:
            if row[RETRY_AT] is not None:
                retried = row[RETRY_AT], row[ID]
            elif row[DUE_AT] is None:
                aged = row[REGISTERED_AT], row[ID]
            else:
                timed = row[DUE_AT], row[ID]
        return replace(self, aged=aged, timed=timed, retried=retried, last=rows[-1][ID] if rows else self.last)

    def past(self, rows: Sequence[Row]) -> "Position":
        """Return the same for rows of pages of everything, where it is no matter whether one has been tried."""
        aged = [(row[REGISTERED_AT], row[ID]) for row in rows if row[DUE_AT] is None]
        timed = [(row[DUE_AT], row[ID]) for row in rows if row[DUE_AT] is not None]
        return replace(self, aged=aged[-1] if aged else self.aged, timed=timed[-1] if timed else self.timed)


class Way:
    """The way of one sweep through what is due, claim by claim.

    Attributes:
        position: The place that it has got to.
    """

    def __init__(self, position: Position) -> None:
        self.position = position
        self._from = position
        self._renewed: set[int] = set()

    def go(self, start: Position, end: Position) -> None:
        """Have claimed what lies between two places."""
        self._from, self.position = start, end

    def first_time(self, number: int) -> bool:
        """Say whether it is the first time in this sweep that a record was found rewritten, and note that it was."""
        first = number not in self._renewed
        self._renewed.add(number)
        return first

    def back(self, rows: Sequence[Row]) -> None:
        """Go back behind the first rows of the last claim: the rest of it was not worked on."""
        self.position = self._from.after(rows)


def candidates(
    connection: Connection, sql: dict[str, str], due: Selection, position: Position, bound: dict[str, Any], limit: int
) -> list[Row]:
    """Return rows that are due and free, those first that wait the longest; see ``rules.waiting_since``.

    Args:
        connection: To read from.
        sql: The statements by name.
        due: Which records.
        position: Where to go on.
        bound: ``scope``, ``owner``; ``any_claim``, ``any_keep`` and ``any_twin``: whether to look for those; ``ended``
            and ``dead``: claims and holders that keep nothing, as JSON arrays.
        limit: How many at most.
    """
    bound = bound | {
        "asof": due.asof,
        "max_age": float(due.max_age),
        "force": due.force,
        "patient": due.patient and not due.force,
        "mine": due.mine,
        "session": due.session,
        "began": position.began,
        "last_retry": LAST_RETRY,
    }
    if due.session:
        return connection.execute(sql["due_by_session"], bound | {"after": position.last, "limit": limit}).fetchall()
    # The index finds by a bound that is a little too wide; the rule itself, subtracted as it says, decides.
    oldest = due.asof - due.max_age
    latest = math.inf if due.force else oldest + max(0.001, abs(oldest) * 1e-12)
    aged = _behind(connection, sql, "due_by_age", bound | {"latest": latest}, position.aged, limit)
    latest = math.inf if due.force else due.asof
    timed = _behind(connection, sql, "due_by_ttl", bound | {"latest": latest}, position.timed, limit)
    retried = _behind(connection, sql, "due_by_retry", bound, position.retried, limit)
    if not timed and not retried:
        return aged
    # Merged, not sorted: each stays in the order of its index, also where adding max_age makes times equal.
    return list(merge(aged, timed, retried, key=lambda row: _waiting_since(row, due.max_age)))[:limit]


def every(
    connection: Connection, sql: dict[str, str], position: Position, bound: dict[str, Any], limit: int
) -> list[Row]:
    """Return rows whatever keeps them: those without a ttl by age, and then those with one by its end."""
    rows = _behind(connection, sql, "every_by_age", bound, position.aged, limit)
    if len(rows) < limit:
        rows += _behind(connection, sql, "every_by_due", bound, position.timed, limit - len(rows))
    return rows


def _behind(
    connection: Connection, sql: dict[str, str], name: str, bound: dict[str, Any], after: tuple[float, int], limit: int
) -> list[Row]:
    """Return the rows of a walk that follow a place in it."""
    bound = bound | {"after": after[0], "after_id": after[1]}
    rows = connection.execute(sql[f"{name}_alike"], bound | {"limit": limit}).fetchall()
    if len(rows) < limit:
        rows += connection.execute(sql[name], bound | {"limit": limit - len(rows)}).fetchall()
    return rows


class Following(NamedTuple):
    """The place where a page in another order goes on: behind this value, and behind this id among its equals."""

    value: float
    number: int


class _Sorted(NamedTuple):
    """An order: its statement, the column that it is by, and what comes before the first."""

    statement: str
    column: int
    start: Following


_SORTED = {
    Order.OLDEST: _Sorted("every_oldest", REGISTERED_AT, Following(-math.inf, 0)),
    Order.LARGEST: _Sorted("every_largest", SIZE, Following(math.inf, 0)),
    Order.FAILING: _Sorted("every_failing", RETRY_AT, Following(math.inf, 1 << 62)),
    Order.ADDED: _Sorted("every_added", ID, Following(0, 0)),
}


def in_order(
    connection: Connection, sql: dict[str, str], order: Order, after: object | None, bound: dict[str, Any], limit: int
) -> tuple[list[Row], Following | None]:
    """Return rows whatever keeps them, and where the next page begins.

    Args:
        connection: To read from.
        sql: The statements by name.
        order: Any but ``OVERDUE``.
        after: Where to go on.
        bound: ``scope``.
        limit: How many at most.
    """
    by = _SORTED[order]
    value, number = after if isinstance(after, Following) else by.start
    bound = bound | {"after": value, "after_id": number, "limit": limit}
    rows = connection.execute(sql[by.statement], bound).fetchall()
    return rows, Following(rows[-1][by.column], rows[-1][ID]) if rows and len(rows) == limit else None


def _waiting_since(row: Row, max_age: float) -> float:
    return waiting_since(row[REGISTERED_AT], row[DUE_AT], row[RETRY_AT], max_age)


def record_of(row: Row) -> TempFile:
    """Return a row as others see it.

    Raises:
        TypeError, ValueError: it holds what this program does not write.
    """
    number, _, directory, name, registered_at, due_at, retry_at, failures, size, tags, kept, *rest = row
    *identity, session, pinned, held = rest
    if type(registered_at) is not float:
        raise TypeError(f"record {number} was registered at {registered_at!r}")
    words = tuple(loads(tags)) if tags else ()
    path, known = path_at(directory, name), _new(Identity, identity)
    return _new(
        TempFile,
        (
            path,
            registered_at,
            due_at,
            retry_at,
            failures,
            size,
            words,
            number,
            known,
            pinned,
            held == 1,
            kept or "",
            None,
            None,
            session,
        ),
    )


class Taken(Chunk):
    """Rows that were claimed together."""

    __slots__ = ()

    def record(self, row: Row) -> TempFile:  # noqa: D102 - see Chunk
        try:
            return record_of(row)
        except (TypeError, ValueError) as error:
            raise RegistryError(f"record {row[ID]} of the registry is damaged: {printable(str(error))}") from error

    def paths(self) -> list[str]:  # noqa: D102 - see Chunk
        return [path_at(row[DIRECTORY_PATH], row[NAME]) for row in self.rows]

    def places(self) -> list[Place]:  # noqa: D102 - see Chunk
        return [
            (
                b"." if row[DIRECTORY_PATH] == _RELATIVE else row[DIRECTORY_PATH],
                row[NAME],
                _new(Identity, row[_IDENTITY]),
                row[SIZE],
            )
            for row in self.rows
        ]


def consecutive(numbers: Iterable[int]) -> list[tuple[int, int]]:
    """Return the ranges that numbers make, first and last of each."""
    known = set(numbers)
    firsts = sorted(number for number in known if number - 1 not in known)
    lasts = sorted(number for number in known if number + 1 not in known)
    return list(zip(firsts, lasts, strict=True))


_new = tuple.__new__
