"""A storage that leaves each record to the storage that does what is to be done with it."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import groupby
from typing import NamedTuple

from temp_file_manager.chunks import Other
from temp_file_manager.records import Outcome, TempFile
from temp_file_manager.storage.contract import Removal, Storage


class Route(NamedTuple):
    """The way that a record goes.

    Attributes:
        storage: What does what is to be done; None: nothing is.
        kept: What becomes of the record then.
    """

    storage: Storage | None
    kept: Other | None = None


Choose = Callable[[TempFile], Route]
"""Says which way a record goes."""


class _Run(NamedTuple):
    """Positions that follow each other and go the same way."""

    route: Route
    first: int
    last: int


class Routed:
    """Removes plain files by one storage, and does with each other record what its own storage does.

    Each storage gets what follows each other at once, so that what costs once a batch costs that here, too.

    Args:
        plain: What removes files.
        choose: Asked of records that are uncommon; see ``Chunk.uncommon``.
    """

    def __init__(self, plain: Storage, choose: Choose) -> None:
        self._plain = Route(plain)
        self._choose = choose

    def remove(self, removal: Removal) -> None:
        """Do with each record what is to be done with it, in order; see ``Storage``."""
        uncommon = removal.records.uncommon()
        if not uncommon:
            self._storage_of(self._plain).remove(removal)
            return
        for run in self._runs(removal, uncommon):
            if not self._go(removal, run):
                return

    def predict(self, records: Iterable[TempFile]) -> Iterator[Outcome]:
        """Yield what ``remove`` would make of each, as far as looking can tell."""
        for record in records:
            route = self._choose(record)
            if route.storage is None and route.kept is not None:
                yield Outcome(record, *route.kept)
            else:
                yield from self._storage_of(route).predict((record,))

    def _go(self, removal: Removal, run: _Run) -> bool:
        """Go a way with records that follow each other; say whether they have come to its end."""
        if run.route.storage is None and run.route.kept is not None:
            for at in range(run.first, run.last):
                removal.others[at] = run.route.kept
            removal.done = removal.begun = run.last
            return True
        if not removal.goes_on:
            return False
        end, removal.last = removal.last, run.last  # the same removal: whoever watches over it sees how far it has come
        try:
            self._storage_of(run.route).remove(removal)
        finally:
            removal.last = end
        return removal.done == run.last

    def _runs(self, removal: Removal, uncommon: Sequence[int]) -> Iterator[_Run]:
        """Yield the runs that are left to do."""
        left = range(removal.done, removal.last)
        ways = {at: self._choose(removal.records[at]) for at in uncommon if at in left}
        for route, positions in groupby(left, lambda at: ways.get(at, self._plain)):
            run = list(positions)
            yield _Run(route, run[0], run[-1] + 1)

    def _storage_of(self, route: Route) -> Storage:
        storage = route.storage or self._plain.storage
        assert storage is not None  # noqa: S101 - the plain way has one
        return storage
