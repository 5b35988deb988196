"""Rows of files in the SQLite registry: in the order in which they are due, in other orders, and as records."""

import math
import os
from collections.abc import Iterable
from heapq import merge
from json import dumps, loads
from sqlite3 import Connection
from typing import Any, NamedTuple

from temp_file_manager.chunks import Chunk, Place, is_uncommon
from temp_file_manager.errors import RegistryError
from temp_file_manager.records import Identity, Selection, TempFile
from temp_file_manager.registry.natures import nature_of
from temp_file_manager.registry.position import Columns, Position
from temp_file_manager.rules import LAST_RETRY, waiting_since
from temp_file_manager.text import printable

Row = tuple[Any, ...]
"""id, directory's id, directory, name, registered_at, due_at, retry_at, failures, size, tags, kept for, inode, born,
changed, directory's inode, directory's born, volume, disk, session, rule, kind, origin, pinned until, held, used at:
what all statements that read files give."""

ID, DIRECTORY, DIRECTORY_PATH, NAME, REGISTERED_AT, DUE_AT, RETRY_AT, FAILURES, SIZE = range(9)
COLUMNS = Columns(ID, REGISTERED_AT, DUE_AT, RETRY_AT)
_IDENTITY = slice(11, 17)
_DISK, _SESSION, _RULE, _KIND = 17, 18, 19, 20

RELATIVE = b"\0"
"""The directory of a path without any slash, which callers may write to ``files``: no real one has such a name."""


def place_of(path: str) -> tuple[bytes, bytes]:
    """Return the directory and the name by which a path is found."""
    directory, slash, name = os.fsencode(path).rpartition(b"/")
    return (directory, name) if slash else (RELATIVE, name)


def path_at(directory: bytes, name: bytes) -> str:
    """Return the path of a place."""
    return os.fsdecode(name if directory == RELATIVE else directory + b"/" + name)


def room_of(row: Row) -> int:
    """Return what a row's file takes on the disk in bytes, or its length, as far as either is known."""
    return row[_DISK] if row[_DISK] is not None else row[SIZE] or 0


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
        "chosen": due.only is not None,  # also by force, which then leaves alone what a living session has
        "began": position.began,
        "last_retry": LAST_RETRY,
    }
    if due.session and due.only is None:
        return connection.execute(sql["due_by_session"], bound | {"after": position.last, "limit": limit}).fetchall()
    if due.only is not None:
        among = _among(connection, sql, due.only, position, bound)
        walks = _Walks(*([row for row in rows if due.session in {0, row[_SESSION]}] for rows in among))
    else:
        walks = _walks(connection, sql, due, position, bound, limit)
    aged, timed, retried = walks
    if not timed and not retried:
        return aged[:limit]
    # Merged, not sorted: each stays in the order of its index, also where adding max_age makes times equal.
    return list(merge(aged, timed, retried, key=lambda row: _waiting_since(row, due.max_age)))[:limit]


class _Walks(NamedTuple):
    """Rows without a ttl by age, those with one by its end, and those that have been tried by their next try."""

    aged: list[Row]
    timed: list[Row]
    retried: list[Row]


def _walks(
    connection: Connection, sql: dict[str, str], due: Selection, position: Position, bound: dict[str, Any], limit: int
) -> _Walks:
    """Return the first rows behind a position, by the indexes."""
    # The index finds by a bound that is a little too wide; the rule itself, subtracted as it says, decides.
    oldest = due.asof - due.max_age
    latest = math.inf if due.force else oldest + max(0.001, abs(oldest) * 1e-12)
    aged = _behind(connection, sql, "due_by_age", bound | {"latest": latest}, position.aged, limit)
    latest = math.inf if due.force else due.asof
    timed = _behind(connection, sql, "due_by_ttl", bound | {"latest": latest}, position.timed, limit)
    retried = _behind(connection, sql, "due_by_retry", bound, position.retried, limit)
    return _Walks(aged, timed, retried)


def _among(
    connection: Connection,
    sql: dict[str, str],
    records: Iterable[TempFile],
    position: Position,
    bound: dict[str, Any],
) -> _Walks:
    """Return the rows of these records behind a position."""
    bound = bound | {"ids": dumps(list({record.generation: None for record in records}))}
    walks = _Walks([], [], [])
    for row in connection.execute(sql["due_among"], bound):
        if row[RETRY_AT] is not None:
            walks.retried.append(row)
        elif row[DUE_AT] is None:
            walks.aged.append(row)
        else:
            walks.timed.append(row)
    return _Walks(
        _sorted(walks.aged, REGISTERED_AT, position.aged),
        _sorted(walks.timed, DUE_AT, position.timed),
        _sorted(walks.retried, RETRY_AT, position.retried),
    )


def _sorted(rows: Iterable[Row], column: int, after: tuple[float, int]) -> list[Row]:
    """Return the rows of a walk that follow a place in it, as ``_behind`` does."""
    behind = (row for row in rows if (row[column], row[ID]) > after)
    return sorted(behind, key=lambda row: (row[column], row[ID]))


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


def _waiting_since(row: Row, max_age: float) -> float:
    return waiting_since(row[REGISTERED_AT], row[DUE_AT], row[RETRY_AT], max_age)


def record_of(row: Row) -> TempFile:
    """Return a row as others see it.

    Raises:
        TypeError, ValueError: it holds what this program does not write.
    """
    number, _, directory, name, registered_at, due_at, retry_at, failures, size, tags, kept, *rest = row
    *identity, disk, session, rule, kind, origin, pinned, held, used_at = rest
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
            disk,
            used_at,
            session,
            *nature_of(rule, kind, origin),
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

    def uncommon(self, *, ruled: bool) -> list[int]:  # noqa: D102 - see Chunk
        if not ruled:
            return [at for at, row in enumerate(self.rows) if row[_KIND] or row[_RULE]]
        return [at for at, row in enumerate(self.rows) if is_uncommon(row[_KIND], row[DUE_AT], row[_RULE])]

    def paths(self) -> list[str]:  # noqa: D102 - see Chunk
        return [path_at(row[DIRECTORY_PATH], row[NAME]) for row in self.rows]

    def places(self) -> list[Place]:  # noqa: D102 - see Chunk
        return [
            (
                b"." if row[DIRECTORY_PATH] == RELATIVE else row[DIRECTORY_PATH],
                row[NAME],
                _new(Identity, row[_IDENTITY]),
                row[SIZE],
            )
            for row in self.rows
        ]


def file_of(row: Row) -> Row:
    """Return what a row says of its file: what stays when its removal is put off."""
    return (row[REGISTERED_AT], row[DUE_AT], row[SIZE], *row[_IDENTITY])


def consecutive(numbers: Iterable[int]) -> list[tuple[int, int]]:
    """Return the ranges that numbers make, first and last of each."""
    known = set(numbers)
    firsts = sorted(number for number in known if number - 1 not in known)
    lasts = sorted(number for number in known if number + 1 not in known)
    return list(zip(firsts, lasts, strict=True))


_new = tuple.__new__
