"""Writing rows of files: in bulk, counted, each with a number of its own."""

import os
from collections.abc import Iterable, Sequence
from json import dumps
from sqlite3 import Connection

from temp_file_manager.records import Identity, NewFile
from temp_file_manager.storage.identity import NOTHING

Timed = tuple[NewFile, float]
"""A file and when it was registered."""


def take_numbers(connection: Connection, sql: dict[str, str], count: int) -> int:
    """Take ``count`` numbers that nobody ever gets again; return the first."""
    connection.execute(sql["take_numbers"], {"count": count})
    (last,) = connection.execute(sql["number"]).fetchone()
    return int(last) - count + 1


def add_files(connection: Connection, sql: dict[str, str], scope: int, owner: int, files: Sequence[Timed]) -> bool:
    """Write rows within a transaction; a path that is known gets a new row in place of the old.

    Returns:
        Whether any was known.
    """
    places = [os.fsencode(file[0]).rpartition(b"/") for file, _ in files]
    directories = _directories(connection, sql, scope, {
        directory: file[4] or NOTHING for (directory, _, _), (file, _) in zip(places, files, strict=True)
    })  # fmt: skip
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
            *(identity or NOTHING)[:3],
            owner,
        )
        for number, (directory, _, name), ((_, due_at, size, tags, identity), registered_at) in zip(
            range(first, first + len(files)), places, files, strict=True
        )
    ]
    before = connection.total_changes
    connection.executemany(sql["add_new_file"], rows)
    new = connection.total_changes - before
    if new < len(rows):  # now all are there, and replacing them changes no count; the last of two alike wins
        connection.executemany(sql["replace_file"], rows)
    connection.execute(sql["count_records"], {"scope": scope, "more": new})
    return new < len(rows)


def _directories(
    connection: Connection, sql: dict[str, str], scope: int, wanted: dict[bytes, Identity]
) -> dict[bytes, int]:
    """Return the ids of directories, adding those that are new and noting the identity of those made anew."""
    ids = {}
    for path, (*_, inode, born) in wanted.items():
        bound = {"scope": scope, "path": path, "inode": inode, "born": born}
        known = connection.execute(sql["directory"], {"scope": scope, "path": path}).fetchone()
        if known is None:
            ids[path] = connection.execute(sql["add_directory"], bound).lastrowid or 0
            continue
        ids[path] = known[0]
        if inode and known[1:] != (inode, born):
            connection.execute(sql["identify_directory"], {"id": known[0], "inode": inode, "born": born})
    return ids


def drop_empty(connection: Connection, sql: dict[str, str], directories: Iterable[int]) -> None:
    """Forget those of ``directories`` in which no file is on record any more."""
    for number in set(directories):
        connection.execute(sql["drop_empty_directory"], {"id": number})
