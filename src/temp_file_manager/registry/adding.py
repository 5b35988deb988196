"""Writing rows of files: in bulk, counted, each with a number of its own."""

import os
from collections.abc import Iterable, Mapping, Sequence
from json import dumps
from sqlite3 import Connection
from typing import Any

from temp_file_manager.records import NewFile
from temp_file_manager.storage.identity import NOTHING

Timed = tuple[NewFile, float]
"""A file and when it was registered."""


def take_numbers(connection: Connection, sql: dict[str, str], count: int) -> int:
    """Take ``count`` numbers that nobody ever gets again; return the first."""
    connection.execute(sql["take_numbers"], {"count": count})
    (last,) = connection.execute(sql["number"]).fetchone()
    return int(last) - count + 1


def add_files(
    connection: Connection,
    sql: dict[str, str],
    scope: int,
    owner: int,
    files: Sequence[Timed],
    *,
    owners: Mapping[str, int],
    only_new: bool,
) -> bool:
    """Write rows within a transaction; a path that is known gets a new row in place of the old.

    Args:
        connection: In a transaction.
        sql: The statements by name.
        scope: Whose records they are.
        owner: Who adds them.
        files: Which; of two alike the last wins.
        owners: Whose they are all the same, by path.
        only_new: Leave known paths as they are.

    Returns:
        Whether any was known.
    """
    places = [os.fsencode(file[0]).rpartition(b"/") for file, _ in files]
    directories = {path: _directory(connection, sql, scope, path) for path in {path for path, _, _ in places}}
    first = take_numbers(connection, sql, len(files))
    rows = [
        (
            number,
            scope,
            directories[directory],
            name,
            registered_at,
            due_at,
            size,
            dumps(tags) if tags else None,
            *(identity or NOTHING),
            owners.get(path, owner) if owners else owner,
        )
        for number, (directory, _, name), ((path, due_at, size, tags, identity), registered_at) in zip(
            range(first, first + len(files)), places, files, strict=True
        )
    ]
    before = connection.total_changes
    connection.executemany(sql["add_new_file"], rows)
    new = connection.total_changes - before
    registered, more = len(rows) - len(owners), sum(file[2] or 0 for file, _ in files)
    if new < len(rows):
        (more,) = connection.execute(sql["size_since"], {"first": first}).fetchone()
        if only_new:
            registered = new
        else:  # now all are there, and replacing them changes no count
            more += _replaced(connection, sql, rows)
    counted = {"scope": scope, "more": new, "bytes": more, "registered": registered}
    connection.execute(sql["count_records"], counted)
    return new < len(rows)


def _replaced(connection: Connection, sql: dict[str, str], rows: list[tuple[Any, ...]]) -> int:
    """Replace rows that are there; return how many bytes more they are now."""
    places = {(row[2], row[3]) for row in rows}

    def size() -> int:
        return sum(connection.execute(sql["size_of"], place).fetchone()[0] for place in places)

    before = size()
    connection.executemany(sql["replace_file"], rows)
    return size() - before


def _directory(connection: Connection, sql: dict[str, str], scope: int, path: bytes) -> int:
    bound = {"scope": scope, "path": path}
    known = connection.execute(sql["directory"], bound).fetchone()
    return int(known[0]) if known else connection.execute(sql["add_directory"], bound).lastrowid or 0


def drop_empty(connection: Connection, sql: dict[str, str], directories: Iterable[int]) -> None:
    """Forget those of ``directories`` in which no file is on record any more."""
    for number in set(directories):
        connection.execute(sql["drop_empty_directory"], {"id": number})
