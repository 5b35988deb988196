"""A storage that leaves each record to the storage that does what is to be done with it."""

from collections.abc import Callable, Iterable, Iterator
from itertools import groupby, islice
from typing import NamedTuple, Protocol

from temp_file_manager.chunks import Other
from temp_file_manager.records import Outcome, TempFile
from temp_file_manager.storage.contract import Removal, Storage


class Route(NamedTuple):
    """The way that a record goes.

    Attributes:
        storage: What does what is to be done; None: what removes plain files, or nothing if it is ``kept``.
        kept: What becomes of the record if nothing is to be done.
        most: Records that the storage gets at once at first.
    """

    storage: Storage | None
    kept: Other | None = None
    most: int = 64


PLAIN = Route(None)
"""The way of a plain file, about which no rule says anything else."""

Choose = Callable[[TempFile], Route]
"""Says which way a record goes."""


class Choices(Protocol):
    """What chooses ways.

    Attributes:
        ruled: Whether it is to be asked about whatever a rule may be about, or of what is no plain file alone.
    """

    ruled: bool

    def begin(self, *, foretold: bool = False) -> Choose:
        """Return what chooses for records that are removed together."""


TIMES = 4
"""How many times as many records a way gets at once as it got before. A chunk has hundreds, and time for few that are
compressed: to find out again and again what is to be done with the others took half as long as to compress. What is
quick is soon given all, as each time has its price: a step of the registry, of two."""


class _Run(NamedTuple):
    """Positions that follow each other and go the same way."""

    route: Route
    first: int
    last: int


class Routed:
    """Removes plain files by one storage, and does with each other record what its own storage does.

    Each storage gets what follows each other at once, so that what costs once a batch costs that here, too. They are
    told apart by ``==``.

    Args:
        plain: What removes files.
        choices: What is asked about records that are uncommon; see ``Chunk.uncommon``.
    """

    def __init__(self, plain: Storage, choices: Choices) -> None:
        self._plain = plain
        self._choices = choices

    def remove(self, removal: Removal) -> None:
        """Do with each record what is to be done with it, in order; see ``Storage``."""
        uncommon = removal.records.uncommon(ruled=self._choices.ruled)
        if not uncommon:
            self._plain.remove(removal)
            return
        for run in self._runs(removal, set(uncommon)):
            if not removal.goes_on or not self._go(removal, run):
                return

    def predict(self, records: Iterable[TempFile]) -> Iterator[Outcome]:
        """Yield what ``remove`` would make of each, as far as looking can tell."""
        choose = self._choices.begin(foretold=True)
        for route, some in groupby(records, choose):
            if route.kept is not None:
                yield from (Outcome(record, *route.kept) for record in some)
            else:
                yield from (route.storage or self._plain).predict(some)

    def _go(self, removal: Removal, run: _Run) -> bool:
        """Go a way with records that follow each other; say whether they have come to its end."""
        if run.route.kept is not None:
            removal.others.update(dict.fromkeys(range(run.first, run.last), run.route.kept))
            removal.done = removal.begun = run.last
            return True
        end, removal.last = removal.last, run.last  # the same removal: whoever watches over it sees how far it has come
        try:
            (run.route.storage or self._plain).remove(removal)
        finally:
            removal.last = end
        return removal.done == run.last

    def _runs(self, removal: Removal, uncommon: set[int]) -> Iterator[_Run]:
        """Yield the runs that are left to do."""
        choose, records, first = self._choices.begin(), removal.records, removal.done

        def way(at: int) -> Route:
            if at not in uncommon:
                return PLAIN
            removal.begun = max(removal.begun, removal.done + 1)  # a look may hang: then this is the one that does
            return choose(records[at])

        for route, positions in groupby(range(first, removal.last), way):
            most = None if route.storage is None else route.most
            while count := sum(1 for _ in islice(positions, most)):
                yield _Run(route, first, first + count)
                first, most = first + count, None if most is None else most * TIMES
