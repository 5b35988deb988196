"""Pages of the registry in memory: records in an order, as far as somebody has asked for them."""

import math
from collections.abc import Callable, Collection, Iterable, Iterator
from heapq import heapify, heappop
from itertools import islice
from threading import Lock
from typing import NamedTuple

from temp_file_manager.records import Kind, Order, Selection, TempFile
from temp_file_manager.registry.answers import Page
from temp_file_manager.registry.memory.files import Stamp
from temp_file_manager.registry.memory.out import Out
from temp_file_manager.registry.memory.queue import DueQueue

_TAGGED = (Order.OLDEST, Order.LEAST_USED, Order.LARGEST)


class Place(NamedTuple):
    """The cursor: a walk, and how many of its records came before."""

    walk: "Walk"
    first: int


class Walk:
    """Stamps in an order. What was drawn is kept, so that any page may be asked for again.

    Args:
        stamps: Drawn from as they are asked for, in one thread at a time.
        record: Makes the record of a stamp.
    """

    def __init__(self, stamps: Iterable[Stamp], record: Callable[[Stamp], TempFile]) -> None:
        self._left = iter(stamps)
        self._record = record
        self._drawn: list[Stamp] = []
        self._lock = Lock()

    def page(self, first: int, limit: int) -> Page:
        """Return the records that follow the ``first`` ones."""
        end = first + limit
        with self._lock:
            self._drawn += islice(self._left, max(end - len(self._drawn), 0))
            found = self._drawn[first:end]
        return Page(tuple(map(self._record, found)), Place(self, end) if len(found) == limit else None)


def due(queue: DueQueue, selection: Selection, batch: int) -> Iterator[Stamp]:
    """Yield what sweeps would take, what waits the longest first.

    Args:
        queue: A copy, which this uses up.
        selection: What they want.
        batch: So many are looked for at a time.
    """
    sweep, out = queue.begin(selection), Out(queue.files, [], math.inf)
    queue.claims.append(out)
    while stamps := queue.take(selection, sweep, batch):
        out.paths.update(stamp.path for stamp in stamps)
        yield from stamps


def in_order(stamps: list[Stamp], selection: Selection | None) -> Iterable[Stamp]:
    """Return stamps in one of the orders that do not ask what is due, also in that of ``page`` without a selection."""
    order = None if selection is None else selection.order
    if selection is not None and selection.tags and order in _TAGGED:
        stamps = tagged(stamps, selection.tags)
    if order is Order.OLDEST or order is Order.LEAST_USED:
        return _rising(stamps)
    if order is Order.LARGEST:
        return sorted((stamp for stamp in stamps if _size(stamp) >= 0), key=_size, reverse=True)
    if order is Order.FAILING:
        return sorted((stamp for stamp in stamps if stamp.details and stamp.details.failures), key=_retry, reverse=True)
    if selection is not None and selection.kind is not None:
        return [stamp for stamp in stamps if _kind(stamp) is selection.kind]
    return stamps if order is Order.ADDED else sorted(stamps, key=_in_the_order_of_a_list)


def tagged(stamps: Iterable[Stamp], tags: Collection[str]) -> list[Stamp]:
    """Return those stamps that have one of these tags."""
    return [stamp for stamp in stamps if stamp.details and not set(tags).isdisjoint(stamp.details.tags)]


def _kind(stamp: Stamp) -> Kind:
    return Kind.FILE if stamp.details is None else stamp.details.nature.kind


def _rising(stamps: list[Stamp]) -> Iterator[Stamp]:
    """Yield the least first: who wants but one, of a million, does not wait for a sort."""
    heapify(stamps)
    while stamps:
        yield heappop(stamps)


def _retry(stamp: Stamp) -> float:
    return 0.0 if stamp.details is None or stamp.details.retry_at is None else stamp.details.retry_at


def _size(stamp: Stamp) -> int:
    return -1 if stamp.details is None or stamp.details.size is None else stamp.details.size


def _in_the_order_of_a_list(stamp: Stamp) -> tuple[bool, float]:
    timed = stamp.details is not None and stamp.details.due_at is not None
    return timed, stamp.details.due_at if timed else stamp  # type: ignore[union-attr,return-value]  # timed has both
