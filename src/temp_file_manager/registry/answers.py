"""Answers of registries: pages, counts and lines. Frozen, and nothing that acts."""

from collections.abc import Mapping
from typing import NamedTuple

from temp_file_manager.records import TempFile


class Page(NamedTuple):
    """Records to look at, and where the next page begins: None after the last.

    Any may be shorter than it was to be, and the last empty. A cursor may be used again.
    """

    records: tuple[TempFile, ...]
    cursor: object | None


class Stats(NamedTuple):
    """Counts that a registry knows without looking at its records.

    Attributes:
        records: How many.
        bytes: The sum of what they take on the disk, as far as anybody has looked, else of their lengths; None where
            sizes are not kept.
        counters: What happened since it was made, in whatever process; see ``registry.counters``. ``registered`` is
            kept by the registry: each registration counts, also of a path that is known, and each unknown path that
            comes through ``files`` or ``replace``; another time for a known one is no registration, and what is
            ``PENDING`` is none yet.
    """

    records: int
    bytes: int | None
    counters: Mapping[str, float]


class Sums(NamedTuple):
    """Counts of some records; the fields are as in ``Stats``."""

    records: int
    bytes: int | None


class Note(NamedTuple):
    """A line of a journal, and when it was written, in seconds since the epoch."""

    at: float
    text: str


class Forecast(NamedTuple):
    """Counts of what will be due when.

    Attributes:
        files: How many will be due by each bound, and not by the one before; the last count is of what comes later.
        bytes: The sums of what they take on the disk, or of their lengths, as in ``Stats``; of what is known.
    """

    files: tuple[int, ...]
    bytes: tuple[int, ...]


class KnownScope(NamedTuple):
    """A scope of a database that many share.

    Attributes:
        name: ``local:MACHINE:BASE``, or ``volume:NAME``.
        marker: What the marker of its volume says; empty if it has none.
        records: How many it has.
    """

    name: str
    marker: str
    records: int


class Spooled(NamedTuple):
    """Records that were registered while the server was out of reach, and wait for it on this machine.

    Attributes:
        records: How many.
        oldest: When the first of them was registered, seconds since the epoch; None where none waits.
    """

    records: int = 0
    oldest: float | None = None
