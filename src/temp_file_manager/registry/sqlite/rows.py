"""What is due in the SQLite registry: two indexes read side by side, from where a sweep has got to."""

import math
import os
from dataclasses import dataclass, replace
from heapq import merge
from json import loads
from sqlite3 import Connection
from typing import Any

from temp_file_manager.records import Identity, Selection, TempFile
from temp_file_manager.rules import due_at

Row = tuple[Any, ...]
"""id, directory's id, directory, name, registered_at, due_at, retry_at, failures, size, tags, inode, born, changed,
directory's inode, directory's born, pinned until, held: the columns of all statements that read files."""

ID, DIRECTORY, NAME, REGISTERED_AT, DUE_AT, SIZE = 0, 1, 3, 4, 5, 8

_START = (-math.inf, 0)


@dataclass(frozen=True, slots=True)
class Position:
    """Where a sweep has got to.

    Attributes:
        began: The last number taken when it began: what was tried later it leaves alone, what was recorded later
            a forced one leaves alone.
        aged: Time and id of the last record taken by age, in the order of that index.
        timed: The same of those with a ttl.
        epoch: Which frees and backdatings the registry had seen; more of them, and it looks from the start again.
    """

    began: int
    aged: tuple[float, int] = _START
    timed: tuple[float, int] = _START
    epoch: int = 0

    def rewound(self, epoch: int) -> "Position":
        """Return the start of the same sweep."""
        return Position(self.began, epoch=epoch)

    @property
    def at_start(self) -> bool:
        """Whether nothing lies behind it."""
        return self.aged == _START and self.timed == _START

    def after(self, rows: list[Row]) -> "Position":
        """Return the position behind these rows, which were read from here."""
        aged = [(row[REGISTERED_AT], row[ID]) for row in rows if row[DUE_AT] is None]
        timed = [(row[DUE_AT], row[ID]) for row in rows if row[DUE_AT] is not None]
        return replace(self, aged=aged[-1] if aged else self.aged, timed=timed[-1] if timed else self.timed)


def candidates(
    connection: Connection, sql: dict[str, str], due: Selection, position: Position, bound: dict[str, Any], limit: int
) -> list[Row]:
    """Return rows that are due and free, the longest overdue first.

    Args:
        connection: To read from.
        sql: The statements by name.
        due: Which records.
        position: Where to go on.
        bound: ``scope``, ``owner`` and ``now``.
        limit: How many at most.
    """
    bound = bound | {
        "asof": due.asof,
        "max_age": float(due.max_age),
        "force": due.force,
        "patient": due.patient and not due.force,
        "mine": due.mine,
        "began": position.began,
        "limit": limit,
    }
    # The index finds by a bound that is a little too wide; the rule itself, subtracted as it says, decides.
    oldest = due.asof - due.max_age
    latest = math.inf if due.force else oldest + max(0.001, abs(oldest) * 1e-12)
    after, after_id = position.aged
    aged = connection.execute(
        sql["due_by_age"], bound | {"latest": latest, "after": after, "after_id": after_id}
    ).fetchall()
    latest = math.inf if due.force else due.asof
    after, after_id = position.timed
    timed = connection.execute(
        sql["due_by_ttl"], bound | {"latest": latest, "after": after, "after_id": after_id}
    ).fetchall()
    if not timed:
        return aged
    # Merged, not sorted: each stays in the order of its index, also where adding max_age makes times equal.
    return list(merge(aged, timed, key=lambda row: _overdue_since(row, due.max_age)))[:limit]


def every(
    connection: Connection, sql: dict[str, str], position: Position, bound: dict[str, Any], limit: int
) -> list[Row]:
    """Return rows whatever keeps them: those without a ttl by age, and then those with one by its end."""
    after, after_id = position.aged
    rows = connection.execute(
        sql["every_by_age"], bound | {"after": after, "after_id": after_id, "limit": limit}
    ).fetchall()
    if len(rows) < limit:
        after, after_id = position.timed
        bound = bound | {"after": after, "after_id": after_id, "limit": limit - len(rows)}
        rows += connection.execute(sql["every_by_due"], bound).fetchall()
    return rows


def _overdue_since(row: Row, max_age: float) -> float:
    return due_at(row[REGISTERED_AT], row[DUE_AT], max_age)


def record_of(row: Row, claim: int = 0) -> TempFile:
    """Return a row as others see it."""
    number, _, directory, name, registered_at, due_at, retry_at, failures, size, tags, *identity, pinned, held = row
    words = tuple(loads(tags)) if tags else ()
    path = os.fsdecode(directory + b"/" + name)
    known = _new(Identity, identity)
    return _new(
        TempFile,
        (path, registered_at, due_at, retry_at, failures, size, words, number, known, claim, pinned, held == 1),
    )


_new = tuple.__new__
