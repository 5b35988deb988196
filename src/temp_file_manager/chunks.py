"""Chunks: records that a sweep works on together, in columns, and what became of them.

What was simply removed costs no record and no outcome: either is made for whoever asks for one.
"""

import errno
import os
from abc import abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple, Self, overload

from temp_file_manager.causes import LASTING, Cause
from temp_file_manager.records import Identity, Outcome, Rewritten, Status, TempFile

Place = tuple[bytes, bytes, Identity | None, int | None]
"""A directory, a name in it, and which file of what size was registered there: what a removal that compares needs of a
record. The directory is empty for the root, and a point for a name alone.

Without an identity a path is only a path: the name is the whole of it, and the directory is empty.
"""


class Other(NamedTuple):
    """What became of a record whose file was not simply removed; the fields are those of ``Outcome``."""

    status: Status
    cause: Cause
    detail: str = ""
    found: Rewritten | None = None
    due_at: float | None = None
    rule: str = ""
    saved: int = 0

    @property
    def lasting(self) -> str:
        """The cause for which every other sweep will keep the file, too; empty if none is known to."""
        return str(self.cause) if self.status is Status.KEPT and self.cause in LASTING else ""

    @property
    def under_way(self) -> bool:
        """Whether the removal was given up while it hangs: it may yet go through, and the record stays claimed."""
        return self.status is Status.FAILED and self.cause is Cause.HUNG


def failed(error: Exception) -> Other:
    """Return what became of a file whose removal raised."""
    if isinstance(error, OSError) and error.filename is not None:
        name = errno.errorcode.get(error.errno or 0)
        if name is not None and error.strerror == os.strerror(error.errno or 0):
            return Other(Status.FAILED, Cause.REFUSED, name)
    return Other(Status.FAILED, Cause.ERROR, str(error) or repr(error))


_REMOVED = Other(Status.REMOVED, Cause.NONE)


class Chunk(Sequence[TempFile]):
    """Records as their source holds them. A sequence: each record is made when it is first asked for, and kept.

    Args:
        rows: What the source holds of each.
    """

    __slots__ = ("_made", "rows")

    def __init__(self, rows: Sequence[Any]) -> None:
        self.rows: Sequence[Any] = rows
        self._made: dict[int, TempFile] = {}

    @abstractmethod
    def record(self, row: Any) -> TempFile:
        """Make the record of a row."""

    def paths(self) -> Sequence[str]:
        """Return the path of each."""
        return [record.path for record in self]

    def places(self) -> Sequence[Place] | None:
        """Return the place of each; None when a path is all that is known of these files."""
        return None

    def uncommon(self, *, ruled: bool) -> Sequence[int]:
        """Return the positions of those that are no plain files or under a rule, in order; ``ruled``: or may be.

        Those are all whose end is not their own: without a ttl a rule may be about them that was made since.
        """
        if not ruled:
            return [at for at, record in enumerate(self) if record.kind or record.rule]
        return [at for at, record in enumerate(self) if is_uncommon(record.kind, record.due_at, record.rule)]

    def part(self, first: int, last: int) -> Self:
        """Return some of them, as a chunk."""
        return type(self)(self.rows[first:last])

    def __len__(self) -> int:
        return len(self.rows)

    @overload
    def __getitem__(self, index: int) -> TempFile: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[TempFile]: ...
    def __getitem__(self, index: int | slice) -> TempFile | Sequence[TempFile]:
        if isinstance(index, slice):
            return [self[at] for at in range(*index.indices(len(self.rows)))]
        found = self._made.get(index)
        if found is None:
            found = self._made[index] = self.record(self.rows[index])
        return found


def is_uncommon(kind: str | None, due_at: float | None, rule: str | None) -> bool:
    """Say whether a record is of no plain file, or may be under a rule."""
    return bool(kind or rule) or due_at is None


class Made(Chunk):
    """Records that are made already."""

    __slots__ = ()

    def record(self, row: TempFile) -> TempFile:  # noqa: D102 - see Chunk
        return row

    def places(self) -> Sequence[Place] | None:  # noqa: D102 - see Chunk
        if all(record.identity is None for record in self.rows):
            return None
        return [place_of(record) for record in self.rows]


def place_of(record: TempFile) -> Place:
    """Return the place of a record.

    Raises:
        TypeError, ValueError: its path is none; callers may have put anything into ``files``.
    """
    if record.identity is None:
        return place_at(record.path)
    directory, slash, name = os.fsencode(record.path).rpartition(b"/")
    return directory if slash else b".", name, record.identity, record.size


def place_at(where: Place | str) -> Place:
    """Return the place that is given, or that of a path."""
    return where if isinstance(where, tuple) else (b"", os.fsencode(where), None, None)


class Outcomes(Sequence[Outcome]):
    """What became of the first ``done`` records of a chunk: all were removed but ``others``, which are by position."""

    __slots__ = ("done", "others", "records")

    def __init__(self, records: Sequence[TempFile], done: int, others: Mapping[int, Other]) -> None:
        self.records: Sequence[TempFile] = records
        self.done: int = done
        self.others: dict[int, Other] = {at: other for at, other in others.items() if at < done}

    def __len__(self) -> int:
        return self.done

    @overload
    def __getitem__(self, index: int) -> Outcome: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Outcome]: ...
    def __getitem__(self, index: int | slice) -> Outcome | Sequence[Outcome]:
        if isinstance(index, slice):
            return [self[at] for at in range(*index.indices(self.done))]
        at = range(self.done)[index]
        return Outcome(self.records[at], *self.others.get(at, _REMOVED))

    def told(self) -> Iterable[Outcome]:
        """Yield those of the others, in order."""
        return (self[at] for at in sorted(self.others))
