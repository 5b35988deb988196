"""The registry's protocol for groups: which directories, tags, sessions and kinds the records are of."""

from abc import abstractmethod
from collections.abc import Iterable
from typing import NamedTuple, Protocol

from temp_file_manager.records import Kind, Selection, TempFile
from temp_file_manager.registry.answers import Page

_PART = 1000
_LOOKED_AT = 10_000


class Group(NamedTuple):
    """How many records are alike in where they are and whose they are.

    Attributes:
        directory: In which they lie; of objects, what comes before the last slash of their names.
        tags: Theirs, all of them.
        session: The number of the session they were registered in; 0: none.
        kind: What they stand for.
        records: How many.
        bytes: The sum of what they take on the disk, or of their lengths, as far as it is known.
    """

    directory: str
    tags: tuple[str, ...]
    session: int
    kind: Kind
    records: int
    bytes: int


class Groups(Protocol):
    """Records in groups, for whoever asks who makes all the files."""

    @abstractmethod
    def page(self, selection: Selection | None, *, now: float, limit: int, after: object | None = None) -> Page:
        """See ``Records.page``."""

    def groups(self, limit: int) -> tuple[Group, ...]:
        """Return the groups that take the most bytes, and of those alike that have the most records.

        May look at every record, and makes nobody wait. Where a registry does not say more it looks at some records
        alone: what it has looked at is the sum of ``Group.records``.

        Args:
            limit: How many groups at most.
        """
        found: list[TempFile] = []
        after: object | None = None
        while len(found) < _LOOKED_AT:
            records, after = self.page(None, now=0.0, limit=_PART, after=after)
            found += records
            if after is None:
                break
        return grouped(((one.path, one.tags, one.session, one.kind, one.room or 0) for one in found), limit)


def grouped(found: Iterable[tuple[str, tuple[str, ...], int, Kind, int]], limit: int) -> tuple[Group, ...]:
    """Return groups of records, of each of which is given the path, the tags, the session, the kind and the bytes."""
    sums: dict[tuple[str, tuple[str, ...], int, Kind], list[int]] = {}
    for path, tags, session, kind, size in found:
        counted = sums.setdefault((path.rpartition("/")[0], tags, session, kind), [0, 0])
        counted[0] += 1
        counted[1] += size
    groups = (Group(*alike, records, size) for alike, (records, size) in sums.items())
    return tuple(sorted(groups, key=lambda group: (-group.bytes, -group.records, group[:4]))[:limit])
