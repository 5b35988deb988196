"""``files`` of a registry whose records are elsewhere: the mapping that callers write to, over any ``Records``."""

import math
from collections.abc import Callable, ItemsView, Iterable, Iterator, Mapping, MutableMapping, Sequence, ValuesView
from threading import Lock
from types import MappingProxyType
from typing import Any, Protocol, Self, TypeVar
from weakref import ref

from temp_file_manager.records import NOTHING, Identity, Measured, Nature, NewFile, Order, Selection, TempFile
from temp_file_manager.registry.answers import Page, Stats, Sums
from temp_file_manager.registry.claim import Looked
from temp_file_manager.registry.contract import Identify, Records, Registry
from temp_file_manager.registry.memory.files import Details, Stamp, inherited, make_stamp, times
from temp_file_manager.registry.waiting import until_free

T = TypeVar("T")

PAGE = 1000
"""Records read at a time, at most: a walk through a million holds this many."""

_AS_ADDED = Selection(0.0, 0.0, order=Order.ADDED)

Timed = tuple[NewFile, float]
"""A file and when it was registered."""


def unidentified(path: str) -> Identity:
    """Return the identity of a file that nobody looks at."""
    del path
    return NOTHING


Change = Callable[[Callable[[], int]], int]
"""Calls what changes records, as often as it takes, and returns what that does."""


def _at_once(attempt: Callable[[], int]) -> int:
    return attempt()


class StoredFiles(MutableMapping[str, float]):
    """Path → time of registration, as a dict in all that a caller can tell but for two things.

    Iteration reads in pages, and sees what is written meanwhile or not. A path that is written again moves to the end.
    Detached, when the registry's records are replaced as a whole, it goes on as a dict of what it was.

    Args:
        records: What it is a mapping of. None of the methods used here may take the registry's ``lock``, which callers
            hold.
        identify: Tells which file is at an unknown path that is written to it.
        change: Calls what changes records, again while they are claimed if ``records`` does not wait by itself.
    """

    def __init__(self, records: Records, identify: Identify, change: Change = _at_once) -> None:
        self._records = records
        self._identify = identify
        self._change = change
        self._detached: dict[str, float] | None = None

    def detach(self, files: dict[str, float]) -> None:
        """Be these from now on, whatever becomes of the registry."""
        self._detached = files

    def __getitem__(self, path: str) -> float:
        if self._detached is not None:
            return self._detached[path]
        record = self._records.get((path,)).get(path) if isinstance(path, str) else None
        if record is None:
            raise KeyError(path)
        return stamp_of(record)

    def __setitem__(self, path: str, when: float) -> None:
        stamp = make_stamp(path, when)  # refuses what is no time
        if self._detached is not None:
            self._detached[path] = stamp
        elif not self._change(lambda: self._records.amend(path, float(stamp))):
            self._add(path, stamp)

    def _add(self, path: str, stamp: Stamp) -> None:
        """Record a path that is unknown. If somebody else has registered it since, that came after this, and stays."""
        self._records.add(((path, None, None, (), self._identify(path), None),), float(stamp), only_new=True)

    def __delitem__(self, path: str) -> None:
        if self._detached is not None:
            del self._detached[path]
        elif not isinstance(path, str) or not self._forgotten((path,)):
            raise KeyError(path)

    def _forgotten(self, paths: Sequence[str]) -> int:
        return self._change(lambda: self._records.forget(paths, keeps=True))

    def __len__(self) -> int:
        return self._records.stats().records if self._detached is None else len(self._detached)

    def __iter__(self) -> Iterator[str]:
        if self._detached is not None:
            return iter(self._detached)
        return (record.path for page in self._pages() for record in page)

    def __reversed__(self) -> Iterator[str]:
        return reversed(list(self))

    def stamps(self) -> Iterator[tuple[str, float]]:
        """Yield paths and times, a page at a time instead of one by one."""
        if self._detached is not None:
            yield from self._detached.items()
            return
        for page in self._pages():
            for record in page:
                yield record.path, stamp_of(record)

    def _pages(self) -> Iterator[tuple[TempFile, ...]]:
        after = None
        while True:
            page = self._records.page(_AS_ADDED, now=0.0, limit=PAGE, after=after)
            yield page.records
            after = page.cursor
            if after is None:
                return

    # -- what a dict does otherwise than a mutable mapping

    def items(self) -> ItemsView[str, float]:
        """Return a live view, as a dict's."""
        return _Items(self)

    def values(self) -> ValuesView[float]:
        """Return a live view, as a dict's."""
        return _Values(self)

    def setdefault(self, path: str, when: float = math.nan, /) -> float:
        """Return the time of ``path``, recording it first if it is unknown."""
        try:
            return self[path]
        except KeyError:
            stamp = make_stamp(path, when)
            if self._detached is not None:
                return self._detached.setdefault(path, stamp)
            self._add(path, stamp)
            return self.get(path, stamp)

    def pop(self, path: str, /, *default: Any) -> Any:
        """Remove ``path`` and return its time, also when another process is faster: then what was given instead."""
        try:
            when = self[path]
            del self[path]
        except KeyError:
            if not default:
                raise
            return default[0]
        return when

    def popitem(self) -> tuple[str, float]:
        """Remove and return the last item. Reads all paths: a registry is no stack."""
        path = next(reversed(self), None)
        if path is None:
            raise KeyError("popitem(): dictionary is empty")
        return path, self.pop(path)

    def clear(self) -> None:
        """Remove all items, many in a step."""
        if self._detached is not None:
            self._detached.clear()
            return
        for page in self._pages():
            self._forgotten([record.path for record in page])

    def update(self, *others: Any, **named: float) -> None:
        """Record what ``dict.update`` would store: nothing, if one of the times is none."""
        for path, when in times(*others, **named).items():
            self[path] = when

    def copy(self) -> dict[str, float]:
        """Return a plain dict: a copy is nobody's registry."""
        return dict(self.stamps())

    def __or__(self, other: object) -> dict[str, float]:
        return self.copy() | dict(other) if isinstance(other, Mapping) else NotImplemented

    def __ror__(self, other: object) -> dict[str, float]:
        return dict(other) | self.copy() if isinstance(other, Mapping) else NotImplemented

    def __ior__(self, other: Any) -> Self:  # type: ignore[misc]  # takes more than ``|``, as a dict does
        self.update(other)
        return self

    def __eq__(self, other: object) -> bool:
        return self.copy() == other

    __hash__ = None  # type: ignore[assignment]  # as a dict

    def __reduce__(self) -> tuple[type[dict[str, float]], tuple[dict[str, float]]]:
        """Copy and pickle as a plain dict."""
        return dict, (self.copy(),)

    def __repr__(self) -> str:
        return f"<{len(self)} registered files>"


class _Items(ItemsView[str, float]):
    """Items that are read a page at a time."""

    def __init__(self, files: StoredFiles) -> None:
        super().__init__(files)
        self._files = files

    def __iter__(self) -> Iterator[tuple[str, float]]:
        return self._files.stamps()


class _Values(ValuesView[float]):
    """Values that are read a page at a time."""

    def __init__(self, files: StoredFiles) -> None:
        super().__init__(files)
        self._files = files

    def __iter__(self) -> Iterator[float]:
        return (when for _, when in self._files.stamps())


def stamp_of(record: TempFile) -> Stamp:
    """Return a record's time, which also knows its ttl and tags, so that assigning what was read loses neither."""
    details = None
    if record.due_at is not None or record.tags:
        details = Details(due_at=record.due_at, size=record.size, tags=record.tags)
    return make_stamp(record.path, record.registered_at, details)


class Store(Records, Protocol):
    """Records that take no lock and wait for no claim, and can be replaced as a whole.

    What is claimed is refused by ``waiting.StillClaimedError``, or by ``RecordClaimedError`` if no wait would help.
    """

    def replace(self, files: Sequence[Timed]) -> None:
        """Forget every record and record these instead, in one step: all or nothing.

        What was known stays whose it was, and is no registration. Pins stay.
        """


class StoredRegistry(Registry):
    """A registry over records that are elsewhere: the lock, the mapping, ``replace``, and the wait for claims.

    Args:
        records: Where they are.
        identify: Tells which file is at an unknown path that comes through ``files`` or ``replace``.
    """

    def __init__(self, records: Store, identify: Identify) -> None:
        super().__init__()
        self.lock = Lock()
        self._records = records
        self._identify = identify
        self._mapping: ref[StoredFiles] | None = None

    def _until_free(self, attempt: Callable[[], T]) -> T:
        return until_free(attempt, self.patience)

    def changed(self, attempt: Callable[[], T]) -> T:
        """Return what a change of records returns. The lock is taken for each attempt, and let go while it waits."""

        def locked() -> T:
            with self.lock:
                return attempt()

        return until_free(locked, self.patience)

    @property
    def files(self) -> StoredFiles:
        """The live mapping, the same object for as long as somebody holds it."""
        mapping = self._mapping() if self._mapping else None
        if mapping is None:
            mapping = StoredFiles(self._records, self._identify, self._until_free)
            self._mapping = ref(mapping)
        return mapping

    def replace(self, files: Iterable[tuple[str, float]]) -> None:
        """See ``Registry.replace``. What is known keeps its identity, and its size. Takes no lock: callers hold it."""
        stamps = {path: make_stamp(path, when, inherited(path, when)) for path, when in files}
        known = self._records.get(stamps)
        rows = [(self._anew(stamp, known.get(path)), float(stamp)) for path, stamp in stamps.items()]
        mapping = self._mapping() if self._mapping else None
        before = None if mapping is None else mapping.copy()
        self._until_free(lambda: self._records.replace(rows))
        if mapping is not None and before is not None:
            mapping.detach(before)
            self._mapping = None

    def _anew(self, stamp: Stamp, known: TempFile | None) -> NewFile:
        path, details = stamp.path, stamp.details
        due_at, tags = (details.due_at, details.tags) if details else (None, ())
        if known is None:
            return path, due_at, None, tags, self._identify(path), None
        return path, due_at, known.size, tags, known.identity, known.disk

    @property
    def settlements(self) -> int:
        """See ``Records.settlements``."""
        return self._records.settlements

    def add(
        self,
        files: Iterable[NewFile],
        now: float,
        *,
        only_new: bool = False,
        looked: Looked | None = None,
        session: int = 0,
        natures: Mapping[str, Nature] = MappingProxyType({}),
    ) -> None:
        """See ``Records.add``."""
        rows = list(files)  # before the lock: it may be read from this very registry
        add, more = self._records.add, natures
        self.changed(lambda: add(rows, now, only_new=only_new, looked=looked, session=session, natures=more))

    def get(self, paths: Iterable[str]) -> dict[str, TempFile]:
        """See ``Records.get``."""
        return self._records.get(paths)

    def claimed(self, paths: Iterable[str], *, now: float) -> set[str]:
        """See ``Records.claimed``."""
        return self._records.claimed(paths, now=now)

    def page(self, selection: Selection | None, *, now: float, limit: int, after: object | None = None) -> Page:
        """See ``Records.page``."""
        return self._records.page(selection, now=now, limit=limit, after=after)

    def amend(self, path: str, registered_at: float) -> bool:
        """See ``Records.amend``."""
        return self.changed(lambda: self._records.amend(path, registered_at))

    def forget(self, what: Iterable[str | TempFile], *, keeps: bool = False) -> int:
        """See ``Records.forget``."""
        dropped = list(what)
        return self.changed(lambda: self._records.forget(dropped, keeps=keeps))

    def measured(self, found: Iterable[Measured]) -> None:
        """See ``Records.measured``. Takes no lock: ``files`` stay as they are."""
        self._records.measured(found)

    def stats(self) -> Stats:
        """See ``Records.stats``."""
        return self._records.stats()

    def sums(self, tags: Sequence[str]) -> Sums:
        """See ``Records.sums``."""
        return self._records.sums(tags)
