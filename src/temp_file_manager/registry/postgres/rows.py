"""Rows of files in the PostgreSQL registry: as records, as chunks, and the place that a sweep has got to in them."""

from collections.abc import Sequence
from json import loads
from struct import Struct
from typing import Any

from temp_file_manager.chunks import Chunk, Place, is_uncommon
from temp_file_manager.errors import RegistryError
from temp_file_manager.records import NOTHING, Identity, TempFile
from temp_file_manager.registry.natures import nature_of
from temp_file_manager.registry.position import Columns
from temp_file_manager.registry.postgres.paths import Paths
from temp_file_manager.text import printable

Row = tuple[Any, ...]
"""id, path, registered_at, due_at, retry_at, failures, size, tags, kept for, identity, disk, session, rule, kind and
origin.

Where a record is shown also: pinned until, held, used at."""

ID, PATH, REGISTERED_AT, DUE_AT, RETRY_AT, FAILURES, SIZE = range(7)
COLUMNS = Columns(ID, REGISTERED_AT, DUE_AT, RETRY_AT)
_IDENTITY, _DISK, _RULE, _KIND = 9, 10, 12, 13

_NUMBERS = Struct("!6q")


def stored_identity(identity: Identity | None) -> bytes | None:
    """Return an identity as it is stored."""
    return None if identity is None or identity == NOTHING else _NUMBERS.pack(*identity)


def identity_of(stored: bytes | None) -> Identity:
    """Return a stored identity; of what has none, that of nothing, for which no file is taken."""
    return NOTHING if stored is None else _new(Identity, _NUMBERS.unpack(stored))


def room_of(row: Row) -> int:
    """Return what a row's file takes on the disk in bytes, or its length, as far as either is known."""
    return row[_DISK] if row[_DISK] is not None else row[SIZE] or 0


def record_of(row: Row, paths: Paths) -> TempFile:
    """Return a row as others see it.

    Raises:
        TypeError, ValueError, struct.error: it holds what this program does not write.
    """
    number, path, registered_at, due_at, retry_at, failures, size, tags, kept, identity, disk, *rest = row
    session, rule, kind, origin, *shown = rest
    pinned, held, used_at = shown or (None, False, None)
    return _new(
        TempFile,
        (
            paths.shown(path),
            registered_at,
            due_at,
            retry_at,
            failures,
            size,
            tuple(loads(tags)) if tags else (),
            number,
            identity_of(identity),
            pinned,
            held,
            kept or "",
            disk,
            used_at,
            session,
            *nature_of(rule, kind, None if origin is None else paths.origin_here(origin)),
        ),
    )


class Taken(Chunk):
    """Rows that were claimed together."""

    __slots__ = ("_paths",)

    def __init__(self, rows: Sequence[Row], paths: Paths) -> None:
        super().__init__(rows)
        self._paths = paths

    def part(self, first: int, last: int) -> "Taken":  # noqa: D102 - see Chunk
        return Taken(self.rows[first:last], self._paths)

    def record(self, row: Row) -> TempFile:  # noqa: D102 - see Chunk
        try:
            return record_of(row, self._paths)
        except (TypeError, ValueError) as error:
            raise RegistryError(f"record {row[ID]} of the registry is damaged: {printable(str(error))}") from error

    def uncommon(self, *, ruled: bool) -> list[int]:  # noqa: D102 - see Chunk
        if not ruled:
            return [at for at, row in enumerate(self.rows) if row[_KIND] or row[_RULE]]
        return [at for at, row in enumerate(self.rows) if is_uncommon(row[_KIND], row[DUE_AT], row[_RULE])]

    def paths(self) -> list[str]:  # noqa: D102 - see Chunk
        return [self._paths.shown(row[PATH]) for row in self.rows]

    def places(self) -> list[Place]:  # noqa: D102 - see Chunk
        here = self._paths.here
        split = [here(row[PATH]).rpartition(b"/") for row in self.rows]
        return [
            (directory if slash else b".", name, identity_of(row[_IDENTITY]), row[SIZE])
            for (directory, slash, name), row in zip(split, self.rows, strict=True)
        ]


_new = tuple.__new__
