"""Rows of files in the PostgreSQL registry: as records, as chunks, and the place that a sweep has got to in them."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from json import loads
from struct import Struct
from typing import Any

from temp_file_manager.chunks import Chunk, Place, is_uncommon
from temp_file_manager.errors import RegistryError
from temp_file_manager.records import NOTHING, Identity, TempFile
from temp_file_manager.registry.natures import nature_of
from temp_file_manager.registry.postgres.paths import Paths
from temp_file_manager.text import printable

Row = tuple[Any, ...]
"""id, path, registered_at, due_at, retry_at, failures, size, tags, kept for, identity, disk, session, rule, kind and
origin.

Where a record is shown also: pinned until, held, used at."""

ID, PATH, REGISTERED_AT, DUE_AT, RETRY_AT, FAILURES, SIZE = range(7)
_IDENTITY, _DISK, _RULE, _KIND = 9, 10, 12, 13

_NUMBERS = Struct("!6q")

_START = (-math.inf, 0)


def stored_identity(identity: Identity | None) -> bytes | None:
    """Return an identity as it is stored."""
    return None if identity is None or identity == NOTHING else _NUMBERS.pack(*identity)


def identity_of(stored: bytes | None) -> Identity:
    """Return a stored identity; of what has none, that of nothing, for which no file is taken."""
    return NOTHING if stored is None else _new(Identity, _NUMBERS.unpack(stored))


@dataclass(frozen=True, slots=True)
class Position:
    """The place that a sweep has got to.

    Attributes:
        began: The last number taken when it began: what was tried later it leaves alone, what was recorded later
            a forced one leaves alone; None: it begins.
        aged: Time and id of the last record taken by age, in the order of that index.
        timed: The same of those with a ttl.
        retried: The same of those that have been tried before, which wait for another try.
        last: The number of the last record, which is all that the walk through a session needs.
        epoch: Which frees and backdatings the registry had seen; more of them, and it looks from the start again.
    """

    began: int | None = None
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
        return self.aged == self.timed == self.retried == _START and not self.last

    @property
    def bound(self) -> dict[str, Any]:
        """The parameters that say where it is."""
        return {
            "began": self.began,
            "aged": self.aged[0],
            "aged_id": self.aged[1],
            "timed": self.timed[0],
            "timed_id": self.timed[1],
            "retried": self.retried[0],
            "retried_id": self.retried[1],
            "last": self.last,
        }

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
            *nature_of(rule, kind, None if origin is None else paths.here(origin)),
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
