"""New rows of files: written in bulk, counted, each with a number of its own."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import chain, repeat
from json import dumps
from sqlite3 import Connection
from typing import NamedTuple, Self

from temp_file_manager.records import NOTHING, PENDING, PLAIN, Identity, Nature, NewFile
from temp_file_manager.registry.files import Timed
from temp_file_manager.registry.natures import stored
from temp_file_manager.registry.sqlite.rows import Row, consecutive, place_of

_PLACES = 100
"""Asked about at a time; SQLite may have been built to take no more than a thousand parameters."""

_PLAIN_COLUMNS = 17

# Not with the other statements, as it has no fixed length. One by one, asking would take half as long as all the rest.
_KNOWN = """
SELECT count(*), total(coalesce(disk, size)), group_concat(files.id)
FROM (VALUES {}) AS places JOIN files ON directory = places.column1 AND name = places.column2
WHERE files.id < ?
"""

_AT = """
SELECT files.id, directory, name
FROM (VALUES {}) AS places JOIN files ON directory = places.column1 AND name = places.column2
"""


class Whose(NamedTuple):
    """What a record belongs to, and keeps whatever time it is given.

    Attributes:
        owner: Which registry object added it.
        session: Which session it is in; 0: none.
        due_at: When that session ends.
        nature: What sets it apart.
    """

    owner: int
    session: int = 0
    due_at: float | None = None
    nature: Nature = PLAIN

    @property
    def unruled(self) -> Self:
        """The same under no rule."""
        return self._replace(nature=self.nature._replace(rule="")) if self.nature.rule else self


def take_numbers(connection: Connection, sql: dict[str, str], count: int) -> int:
    """Take ``count`` numbers that nobody ever gets again; return the first.

    Also before records are deleted, whose numbers are taken by their being there.
    """
    connection.execute(sql["take_numbers"], {"count": count})
    return next_number(connection, sql) - count


def next_number(connection: Connection, sql: dict[str, str]) -> int:
    """Return the number that the next record takes."""
    (last,) = connection.execute(sql["number"]).fetchone()
    return int(last) + 1


def add_files(
    connection: Connection,
    sql: dict[str, str],
    scope: int,
    whose: Whose,
    files: Sequence[Timed],
    *,
    known: Mapping[str, Whose],
    only_new: bool,
    apart: Mapping[str, Whose],
) -> bool:
    """Write rows within a transaction; a path that is known gets a new row in place of the old.

    Args:
        connection: In a transaction.
        sql: The statements by name.
        scope: Whose records they are.
        whose: Whose they are.
        files: Which; of two alike the last wins.
        known: Whose they are all the same, by path.
        only_new: Leave known paths as they are.
        apart: Whose those of the others are that are not plain, by path.

    Returns:
        Whether any was known.
    """
    counted = _counted(files, apart)
    registered = sum(counted) - len(known)
    # In floating point: files with holes can be so large that two of them are more than an integer of SQLite holds.
    size = float(sum([(file[2] or 0) if file[5] is None else file[5] for file, _ in files]))
    first = next_number(connection, sql)
    rows = _rows(connection, sql, scope, whose, files, {**known, **apart}, first)
    new = _add_new(connection, sql, rows, only_new=only_new)
    replaces = new < len(rows)
    if replaces:
        former = 0.0
        if only_new:
            written = connection.execute(sql["written_since"], {"first": first}).fetchall()
            registered = sum(counted[number - first] for (number,) in written)
        else:
            new, former, replaced = _known(connection, rows, before=first)
            take_out(connection, sql, scope, replaced)
            connection.executemany(sql[statement("replace_file", rows)], rows)
        size = connection.execute(sql["size_since"], {"first": first}).fetchone()[0] - former
    if any(file[3] for file, _ in files):
        connection.execute(sql["add_tagged"], {"first": first})
    connection.execute(sql["count_records"], (new, size, registered, scope))
    return replaces


def _rows(
    connection: Connection,
    sql: dict[str, str],
    scope: int,
    whose: Whose,
    files: Sequence[Timed],
    known: Mapping[str, Whose],
    first: int,
) -> list[Row]:
    """Return the parameters of rows with numbers from ``first`` on; their directories are on record from now on."""
    places = [place_of(file[0]) for file, _ in files]
    parents = {place[0]: file[4] or NOTHING for place, (file, _) in zip(places, files, strict=True)}
    directories = {path: _directory(connection, sql, scope, path, parent) for path, parent in parents.items()}
    theirs = [known.get(file[0], whose) for file, _ in files] if known else repeat(whose, len(files))
    rows = [
        (
            number,
            scope,
            directories[directory],
            name,
            registered_at,
            of.due_at if of.session else due_at,
            size,
            dumps(tags) if tags else None,
            *(identity or NOTHING),
            of.owner,
            disk,
            of.session,
        )
        for number, (directory, name), ((_, due_at, size, tags, identity, disk), registered_at), of in zip(
            range(first, first + len(files)), places, files, theirs, strict=True
        )
    ]
    if {of.nature for of in known.values()} <= {PLAIN}:
        return rows
    return [(*row, *stored(of.nature)) for row, of in zip(rows, theirs, strict=True)]


def statement(name: str, rows: Sequence[Row]) -> str:
    """Return the name of the statement that writes rows: plain ones, or such that say of each what sets it apart."""
    return f"{name}_apart" if rows and len(rows[0]) > _PLAIN_COLUMNS else name


def _add_new(connection: Connection, sql: dict[str, str], rows: Sequence[Row], *, only_new: bool) -> int:
    """Write rows whose place is free; return how many. When the first is not, few are: then no more are tried."""
    name = statement("add_new_file", rows)
    new = connection.executemany(sql[name], rows[:1]).rowcount
    if only_new or new:
        new += connection.executemany(sql[name], rows[1:]).rowcount
    return new


def _counted(files: Sequence[Timed], apart: Mapping[str, Whose]) -> list[bool]:
    """Say of each whether it is a registration."""
    if not apart:
        return [file[4] is not PENDING for file, _ in files]
    natures = {path: whose.nature for path, whose in apart.items()}
    return [counts_as_new(file, natures.get(file[0], PLAIN)) for file, _ in files]


def counts_as_new(file: NewFile, nature: Nature) -> bool:
    """Say whether it is a registration that somebody has asked for, of a file that is there."""
    return file[4] is not PENDING and not nature.origin


def new_room(file: NewFile) -> int:
    """Return what a new file takes on the disk in bytes, or its length, as far as either is known."""
    *_, size, _, _, disk = file
    return size or 0 if disk is None else disk


def take_out(connection: Connection, sql: dict[str, str], scope: int, records: Iterable[int]) -> None:
    """Take records that are about to be deleted, ids of rows that are there, out of what is kept beside them."""
    uses, tagged = connection.execute(sql["any_beside"]).fetchone()
    ranges = consecutive(records) if uses or tagged else []
    if uses:
        connection.executemany(sql["forget_uses"], ranges)
    if tagged:
        connection.executemany(sql["subtract_tagged"], ranges)
        connection.execute(sql["drop_untagged"], {"scope": scope})


def _known(connection: Connection, rows: Sequence[Row], *, before: int) -> tuple[int, float, list[int]]:
    """Return how many of ``rows`` are new; of the records that they are to replace what those take, and the ids.

    Args:
        connection: In a transaction.
        rows: Some may have been written already.
        before: What is replaced has a lower number.
    """
    places = list({row[2:4]: None for row in rows})  # in their order, which is faster
    new, size, replaced = len(places), 0.0, list[int]()
    for first in range(0, len(places), _PLACES):
        some = places[first : first + _PLACES]
        statement = _KNOWN.format(", ".join(["(?, ?)"] * len(some)))
        count, found, ids = connection.execute(statement, [*chain.from_iterable(some), before]).fetchone()
        new -= count
        size += found
        replaced += map(int, ids.split(",")) if count else ()
    return new, size, replaced


def records_at(
    connection: Connection, sql: dict[str, str], scope: int, places: Iterable[tuple[bytes, bytes]]
) -> dict[tuple[bytes, bytes], int]:
    """Return the ids of what is on record at places, directories and names in them; of what is not there is none."""
    wanted = list(dict.fromkeys(places))
    ids = {at: connection.execute(sql["directory"], (scope, at)).fetchone() for at in {place[0] for place in wanted}}
    known = [(ids[directory][0], name) for directory, name in wanted if ids[directory] is not None]
    directories = {row[0]: directory for directory, row in ids.items() if row is not None}
    found: dict[tuple[bytes, bytes], int] = {}
    for first in range(0, len(known), _PLACES):
        some = known[first : first + _PLACES]
        statement = _AT.format(", ".join(["(?, ?)"] * len(some)))
        for number, directory, name in connection.execute(statement, list(chain.from_iterable(some))):
            found[directories[directory], name] = number
    return found


def _directory(connection: Connection, sql: dict[str, str], scope: int, path: bytes, file: Identity) -> int:
    known = connection.execute(sql["directory"], (scope, path)).fetchone()
    number, *before = known or (connection.execute(sql["add_directory"], (scope, path)).lastrowid or 0, 0, 0)
    know_directory(connection, sql, scope, number, before, file)
    return int(number)


def leads_elsewhere(file: Identity, before: Sequence[int]) -> bool:
    """Say whether a file lies in another directory than its path led to ``before``."""
    return bool(file.parent_inode) and [file.parent_inode, file.parent_born] != list(before)


def know_directory(
    connection: Connection, sql: dict[str, str], scope: int, number: int, before: Sequence[int], file: Identity
) -> None:
    """Note which directory a path leads to, as a file is registered in it, if that was another one ``before``."""
    if leads_elsewhere(file, before):
        bound = {"scope": scope, "id": number, "inode": file.parent_inode, "born": file.parent_born}
        connection.execute(sql["know_directory"], bound)
        connection.execute(sql["know_twins"], bound)


def drop_empty(connection: Connection, sql: dict[str, str], directories: Iterable[int]) -> None:
    """Forget those of ``directories`` in which no file is on record any more."""
    for number in set(directories):
        connection.execute(sql["drop_empty_directory"], {"id": number})
