"""Arrays in the server's binary form, made by hand: psycopg takes ten times as long, element by element."""

from collections.abc import Iterable, Sequence
from itertools import chain, repeat
from struct import Struct
from typing import ClassVar

import psycopg
from psycopg.abc import Buffer
from psycopg.adapt import Dumper
from psycopg.pq import Format

_HEADER = Struct("!5i")  # dimensions, whether any is NULL, the elements' type, how many, the first one's number
_EMPTY = Struct("!3i")
_LENGTH = Struct("!i").pack
_NULL = _LENGTH(-1)


class Array(bytes):
    """An array as the server reads it. Of each type of elements there is a class."""

    oid: ClassVar[int]
    element: ClassVar[int]


class Numbers(Array):
    """Integers of eight bytes."""

    oid, element = 1016, 20


class Moments(Array):
    """Floating-point numbers."""

    oid, element = 1022, 701


class Texts(Array):
    """Words."""

    oid, element = 1009, 25


class Names(Array):
    """Bytes."""

    oid, element = 1001, 17


class Counts(Array):
    """Integers of four bytes."""

    oid, element = 1007, 23


class Flags(Array):
    """Booleans."""

    oid, element = 1000, 16


class _ArrayDumper(Dumper):
    """Gives an array as it is."""

    format = Format.BINARY

    def dump(self, obj: Array) -> Buffer:
        return obj


for _kind in (Numbers, Moments, Texts, Names, Counts, Flags):
    psycopg.adapters.register_dumper(_kind, type(f"{_kind.__name__}Dumper", (_ArrayDumper,), {"oid": _kind.oid}))


def _made(kind: type[Array], count: int, body: bytes, *, nulls: bool) -> Array:
    if not count:
        return kind(_EMPTY.pack(0, 0, kind.element))
    return kind(_HEADER.pack(1, nulls, kind.element, count, 1) + body)


def _fixed(kind: type[Array], code: str, size: int, values: Sequence[float | None]) -> Array:
    """Return an array of elements of one size."""
    if None in values:
        pack, length = Struct(f"!{code}").pack, _LENGTH(size)
        parts = [_NULL if value is None else length + pack(value) for value in values]
        return _made(kind, len(values), b"".join(parts), nulls=True)
    body = Struct("!" + f"i{code}" * len(values)).pack(*chain.from_iterable(zip(repeat(size), values)))
    return _made(kind, len(values), body, nulls=False)


def _sized(kind: type[Array], values: Sequence[bytes | None]) -> Array:
    """Return an array of elements that each have a size of their own."""
    parts = [_NULL if value is None else _LENGTH(len(value)) + value for value in values]
    return _made(kind, len(values), b"".join(parts), nulls=None in values)


def numbers(values: Iterable[int | None]) -> Array:
    """Return an array of integers."""
    return _fixed(Numbers, "q", 8, list(values))


def moments(values: Iterable[float | None]) -> Array:
    """Return an array of floating-point numbers."""
    return _fixed(Moments, "d", 8, list(values))


def counts(values: Iterable[int]) -> Array:
    """Return an array of small integers."""
    return _fixed(Counts, "i", 4, list(values))


def flags(values: Iterable[bool]) -> Array:
    """Return an array of booleans."""
    return _fixed(Flags, "?", 1, list(values))


def texts(values: Iterable[str | None]) -> Array:
    """Return an array of words."""
    return _sized(Texts, [None if value is None else value.encode() for value in values])


def names(values: Iterable[bytes | None]) -> Array:
    """Return an array of bytes."""
    return _sized(Names, list(values))
