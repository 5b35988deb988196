"""Counters of what was registered and what sweeps did, by every process that shares a registry, since it was made.

A registry keeps them beside its records, under these names, and adds to them in the step that changes the records: so
they are right after ``kill -9`` of whoever did the work, and of whoever tells them. Histograms are a count a bucket.
"""

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from itertools import accumulate, pairwise
from typing import NamedTuple

from temp_file_manager.causes import Cause
from temp_file_manager.chunks import Other
from temp_file_manager.records import Status

REGISTERED = "registered"
RESTORED = "restored"
FREED_BYTES = "freed_bytes"
COMPRESSED_SAVED_BYTES = "compressed_saved_bytes"
EVICTED = "evicted"
EVICTED_BYTES = "evicted_bytes"
ORDER_FAILURES = "order_failures"
EXPIRED_OBJECTS = "expired_objects"
EXPIRED_OBJECT_FAILURES = "expired_object_failures"
KEPT_IN_USE = "kept_in_use"
KEPT_UNKNOWN = "kept_unknown"
KEPT_UNPROVEN = "kept_unproven"

AGES = (60.0, 300.0, 900.0, 1800.0, 3600.0, 7200.0, 21600.0, 86400.0, 604800.0, 2592000.0)
"""Upper bounds, in seconds, of the ages at which files were cleaned up."""

DURATIONS = (0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0, 30.0, 60.0, 300.0)
"""Upper bounds, in seconds, of how long sweeps took."""

_AGE, _DURATION = "age", "duration"

_OLDEST = 1e10
"""Seconds; no clock has been set to what lies so far back."""

_UNPROVEN = (
    *(Cause.IDENTITY_UNKNOWN, Cause.PENDING, Cause.OTHER_DIRECTORY, Cause.ABSENT_DIRECTORY),
    *(Cause.ABSENT_VOLUME, Cause.OUTSIDE),
)
_KEPT = {
    Cause.IN_USE: KEPT_IN_USE,
    Cause.USE_UNKNOWN: KEPT_UNKNOWN,
    **dict.fromkeys(_UNPROVEN, KEPT_UNPROVEN),
}


class Histogram(NamedTuple):
    """Counts of how often a value was at most each bound; the last, whose bound is infinity, is of all of them."""

    bounds: tuple[float, ...]
    counts: tuple[float, ...]
    sum: float


def of_settled(ages: Sequence[float], freed: float, others: Iterable[Other]) -> dict[str, float]:
    """Return what the settlement of a chunk adds to the totals; of records that were still claimed.

    Args:
        ages: Seconds, of all whose files were removed, moved away or are gone, in any order.
        freed: Bytes of the files that were removed.
        others: What became of those that were not simply removed.
    """
    more: defaultdict[str, float] = defaultdict(float)
    more[str(Status.REMOVED)] = len(ages)
    for other in others:
        status, cause = other.status, other.cause
        if status in (Status.GONE, Status.QUARANTINED):
            more[str(Status.REMOVED)] -= 1
        if status is not Status.SKIPPED and status is not Status.REMOVED:
            more[str(status)] += 1
        more[COMPRESSED_SAVED_BYTES] += other.saved
        if status is Status.KEPT and cause in _KEPT:
            more[_KEPT[cause]] += 1
    more[FREED_BYTES] = float(freed)
    more |= _buckets(_AGE, AGES, _sane(sorted(ages)))
    return {name: value for name, value in more.items() if value}


def _sane(ages: list[float]) -> list[float]:
    """Return sorted ages with those that no file can have cut short.

    The clock went back, or a caller wrote infinity to ``files``: sums would go down, or never be a number again.
    """
    if ages and (ages[0] < 0 or ages[-1] > _OLDEST):
        return [min(max(age, 0.0), _OLDEST) for age in ages]
    return ages


def of_sweep(duration: float) -> dict[str, float]:
    """Return what a sweep that took so many seconds adds to the totals."""
    return _buckets(_DURATION, DURATIONS, [duration])


def ages(totals: Mapping[str, float]) -> Histogram:
    """Return at what age files were cleaned up."""
    return _histogram(totals, _AGE, AGES)


def durations(totals: Mapping[str, float]) -> Histogram:
    """Return how long sweeps took."""
    return _histogram(totals, _DURATION, DURATIONS)


def _buckets(name: str, bounds: tuple[float, ...], values: Sequence[float]) -> dict[str, float]:
    """Count sorted values by bucket. A chunk's ages are much alike: most often all are in one."""
    if not values:
        return {}
    first, last = bisect_left(bounds, values[0]), bisect_left(bounds, values[-1])
    if first == last:
        return {f"{name}_sum": sum(values), _bucket(name, bounds, first): len(values)}
    edges = [0, *(bisect_right(values, bound) for bound in bounds[first:last]), len(values)]
    counts = (below - above for above, below in pairwise(edges))
    names = (_bucket(name, bounds, index) for index in range(first, last + 1))
    return {f"{name}_sum": sum(values), **dict(zip(names, counts, strict=True))}


def _bucket(name: str, bounds: tuple[float, ...], index: int) -> str:
    return f"{name}_{bounds[index]:g}" if index < len(bounds) else f"{name}_inf"


def _histogram(totals: Mapping[str, float], name: str, bounds: tuple[float, ...]) -> Histogram:
    counts = accumulate(totals.get(_bucket(name, bounds, index), 0) for index in range(len(bounds) + 1))
    return Histogram(bounds, tuple(counts), totals.get(f"{name}_sum", 0.0))
