"""``files`` of a durable registry: the mapping that callers read and write, over records that are elsewhere."""

from collections.abc import Iterator, MutableMapping
from typing import Protocol

from temp_file_manager.records import TempFile
from temp_file_manager.registry.memory.files import Details, Stamp, make_stamp

PAGE = 1000
"""Paths read at a time, at most: a walk through a million records holds this many."""


class Store(Protocol):
    """What the mapping asks of its registry."""

    def get_one(self, path: str) -> TempFile | None:
        """Return a record."""

    def put_one(self, path: str, when: float) -> None:
        """Record ``path`` as registered at ``when``; a known one keeps the rest."""

    def drop_one(self, path: str) -> bool:
        """Drop a record; return whether there was one."""

    def count(self) -> int:
        """Return how many there are."""

    def paths_after(self, number: int, limit: int) -> list[tuple[int, str]]:
        """Return numbers and paths of the records that follow ``number``, in the order of their registration."""


class StoredFiles(MutableMapping[str, float]):
    """Path → time of registration. Iteration reads in pages, and sees what is written meanwhile or not.

    Detached, when the registry's records are replaced as a whole, it goes on as a dict of what it was.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._detached: dict[str, float] | None = None

    def detach(self, files: dict[str, float]) -> None:
        """Be these from now on, whatever becomes of the registry."""
        self._detached = files

    def __getitem__(self, path: str) -> float:
        if self._detached is not None:
            return self._detached[path]
        record = self._store.get_one(path) if isinstance(path, str) else None
        if record is None:
            raise KeyError(path)
        return stamp_of(record)

    def __setitem__(self, path: str, when: float) -> None:
        stamp = make_stamp(path, when)  # refuses what is no time
        if self._detached is not None:
            self._detached[path] = stamp
        else:
            self._store.put_one(path, float(stamp))

    def __delitem__(self, path: str) -> None:
        if self._detached is not None:
            del self._detached[path]
        elif not isinstance(path, str) or not self._store.drop_one(path):
            raise KeyError(path)

    def __len__(self) -> int:
        return self._store.count() if self._detached is None else len(self._detached)

    def __iter__(self) -> Iterator[str]:
        if self._detached is not None:
            yield from self._detached
            return
        number = 0
        while page := self._store.paths_after(number, PAGE):
            for number, path in page:  # noqa: B007 - the last one is where the next page begins
                yield path

    def __eq__(self, other: object) -> bool:
        return dict(self) == other

    __hash__ = None  # type: ignore[assignment]  # as a dict

    def __repr__(self) -> str:
        return f"<{len(self)} registered files>"


def stamp_of(record: TempFile) -> Stamp:
    """Return a record's time, which also knows its ttl and tags, so that assigning what was read loses neither."""
    details = None
    if record.due_at is not None or record.tags:
        details = Details(due_at=record.due_at, size=record.size, tags=record.tags)
    return make_stamp(record.path, record.registered_at, details)
