"""Running totals: what was registered and what sweeps did, by every process that shares a registry, since it was made.

A registry keeps them beside its records, under these names, and adds to them in the step that changes the records: so
they are right after ``kill -9`` of whoever did the work, and of whoever tells them. Histograms are a count a bucket.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence
from itertools import accumulate, pairwise
from typing import NamedTuple

from temp_file_manager.records import RETIRED, Outcome, Status
from temp_file_manager.storage.in_use import IN_USE, UNKNOWN

REGISTERED = "registered"
FREED_BYTES = "freed_bytes"
KEPT_IN_USE = "kept_in_use"
KEPT_UNKNOWN = "kept_unknown"

AGES = (60.0, 300.0, 900.0, 1800.0, 3600.0, 7200.0, 21600.0, 86400.0, 604800.0, 2592000.0)
"""Upper bounds, in seconds, of the ages at which records were retired."""

DURATIONS = (0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0, 30.0, 60.0, 300.0)
"""Upper bounds, in seconds, of how long sweeps took."""

_AGE, _DURATION = "age", "duration"


class Histogram(NamedTuple):
    """How often a value was at most each bound; the last count, whose bound is infinity, is of all of them."""

    bounds: tuple[float, ...]
    counts: tuple[float, ...]
    sum: float


def of_settled(outcomes: Sequence[Outcome], now: float) -> dict[str, float]:
    """Return what the settlement of a chunk adds to the totals.

    Args:
        outcomes: Those that count: of records that were still claimed.
        now: Seconds since the epoch.
    """
    statuses = [outcome.status for outcome in outcomes]
    more: dict[str, float] = {str(status): statuses.count(status) for status in Status if status is not Status.SKIPPED}
    if more[Status.KEPT]:
        reasons = [outcome.reason for outcome in outcomes if outcome.status is Status.KEPT]
        more |= {KEPT_IN_USE: reasons.count(IN_USE), KEPT_UNKNOWN: reasons.count(UNKNOWN)}
    ages = sorted([now - outcome.record.registered_at for outcome in outcomes if outcome.status in RETIRED])
    more |= _buckets(_AGE, AGES, ages)
    more[FREED_BYTES] = sum([o.record.size or 0 for o in outcomes if o.status is Status.REMOVED])
    return {name: value for name, value in more.items() if value}


def of_sweep(duration: float) -> dict[str, float]:
    """Return what a sweep that took so many seconds adds to the totals."""
    return _buckets(_DURATION, DURATIONS, [duration])


def ages(totals: Mapping[str, float]) -> Histogram:
    """Return at what age records were retired."""
    return _histogram(totals, _AGE, AGES)


def durations(totals: Mapping[str, float]) -> Histogram:
    """Return how long sweeps took."""
    return _histogram(totals, _DURATION, DURATIONS)


def _buckets(name: str, bounds: tuple[float, ...], values: Sequence[float]) -> dict[str, float]:
    """Count sorted values by bucket. A chunk's ages are much alike: most often all are in one."""
    if not values:
        return {}
    first, last = bisect_left(bounds, values[0]), bisect_left(bounds, values[-1])
    edges = [0, *(bisect_right(values, bound) for bound in bounds[first:last]), len(values)]
    counts = (below - above for above, below in pairwise(edges))
    names = (_bucket(name, bounds, index) for index in range(first, last + 1))
    return {f"{name}_sum": sum(values), **dict(zip(names, counts, strict=True))}


def _bucket(name: str, bounds: tuple[float, ...], index: int) -> str:
    return f"{name}_{bounds[index]:g}" if index < len(bounds) else f"{name}_inf"


def _histogram(totals: Mapping[str, float], name: str, bounds: tuple[float, ...]) -> Histogram:
    counts = accumulate(totals.get(_bucket(name, bounds, index), 0) for index in range(len(bounds) + 1))
    return Histogram(bounds, tuple(counts), totals.get(f"{name}_sum", 0.0))
