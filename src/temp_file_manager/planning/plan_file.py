"""Plan files: a header, a line for each record, and a last line with counts and a digest of all before. Each is JSON.

So a file that was cut off has no last line, and one that was edited has another digest.
"""

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from json import dumps, loads
from typing import IO, Any, NamedTuple

from temp_file_manager.errors import PlanError
from temp_file_manager.records import Identity, Outcome, Status

FORMAT = 1
"""The newest that is known here."""

NOTHING_DONE = (Status.KEPT, Status.FAILED, Status.SKIPPED)
"""What a plan says of records that stay as they are: only the other lines are done."""

_LONGEST = 1 << 20
"""Bytes of a line, at most: a path has 4,096, each of which may take six."""

AGAIN = "make it again with: temp-file-manager sweep --plan FILE"


class Asked(NamedTuple):
    """What a sweep was asked; the fields are as in ``TempFileManager.sweep``, and as many seconds as ``max_age``."""

    max_age: float
    force: bool = False
    protect_open: bool = False
    limit: int | None = None
    budget: float | None = None


class Header(NamedTuple):
    """What a plan is of.

    Attributes:
        registry: The number of the registry, or its address if it has none.
        address: Its address, for people.
        base_dir: Whose records these are.
        asof: When it was made, seconds since the epoch, by the guarded clock.
        asked: What it was asked.
    """

    registry: str
    address: str
    base_dir: str
    asof: float
    asked: Asked


class Line(NamedTuple):
    """What would become of one record.

    Attributes:
        path: As on record.
        generation: As on record.
        identity: As on record; of what was rewritten, as it will be.
        status: What would become of it, a ``Status``.
        reason: Why, in words, if it is not simply that.
        bytes: What the file takes on the disk, as far as is known.
        limit: The name of the limit that it goes for; empty: it is due.
    """

    path: str
    generation: int
    identity: Identity | None
    status: str
    reason: str = ""
    bytes: int | None = None
    limit: str = ""


class Writer:
    """Writes a plan, a line at a time; without ``end`` it is cut off."""

    def __init__(self, file: IO[bytes], header: Header) -> None:
        self._file = file
        self._digest = hashlib.sha256()
        self._counts: Counter[str] = Counter()
        self._write({"plan": FORMAT, **header._asdict(), "asked": header.asked._asdict()})

    def tell(self, outcomes: Iterable[Outcome], limit: str) -> None:
        """Write what would become of records, for a limit or as they are due."""
        for one in outcomes:
            record = one.record
            line = Line(record.path, record.generation, record.identity, one.status, one.reason, record.room, limit)
            self._write(line._asdict())
            self._counts[str(one.status)] += 1

    def end(self) -> None:
        """Write the last line."""
        self._file.write(_last(self._digest, self._counts))
        self._file.flush()

    def _write(self, value: Mapping[str, object]) -> None:
        line = dumps(value).encode() + b"\n"
        self._digest.update(line)
        self._file.write(line)


def checked(file: IO[bytes]) -> tuple[Header, int]:
    """Return the header of a plan that is whole, of a format that is known here, and how many lines follow it.

    The file is read to its end.

    Raises:
        PlanError: it is none of that.
    """
    first = file.readline(_LONGEST)
    header = _object(first)
    version = header.get("plan")
    if not isinstance(version, int) or isinstance(version, bool) or version < 1:
        raise PlanError(f"this is no plan: {AGAIN}")
    if version > FORMAT:
        raise PlanError(
            f"the plan has format {version}, and this version knows {FORMAT} at most: apply it with the version that "
            f"made it, or {AGAIN}"
        )
    count = _counted(file, first)
    asked = Asked(**header.pop("asked"))
    del header["plan"]
    return Header(**{**header, "asked": asked}), count


def _counted(file: IO[bytes], first: bytes) -> int:
    """Return how many lines there are between the first and the last, which has their digest."""
    digest, last, count = hashlib.sha256(), first, -1
    while line := file.readline(_LONGEST):
        digest.update(last)
        last, count = line, count + 1
    if last != _last(digest, _object(last).get("counts")):
        raise PlanError(f"the plan was cut off or edited since it was made: {AGAIN}")
    return count


def _last(digest: "hashlib._Hash", counts: object) -> bytes:
    """Return the last line, which counts are part of; nothing is added to the digest after that."""
    digest.update(dumps(counts).encode())
    return dumps({"counts": counts, "digest": digest.hexdigest()}).encode() + b"\n"


def lines(file: IO[bytes]) -> Iterator[Line]:
    """Yield the lines of a plan that was ``checked``, from its beginning."""
    file.seek(0)
    file.readline(_LONGEST)
    while "path" in (line := _object(file.readline(_LONGEST))):
        identity = line.pop("identity")
        yield Line(**line, identity=None if identity is None else Identity(*identity))


def _object(line: bytes) -> dict[str, Any]:
    """Return what a line says; nothing if it is no JSON object."""
    try:
        found = loads(line)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}
