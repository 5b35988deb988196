"""Metrics for Prometheus: the specification's five by their names, and the others that an operator needs.

Nothing is counted here. Counters and histograms come from the registry's totals, to which every process that shares it
adds: they go on over restarts, and count what a cron job's ``temp-file-manager sweep`` did. No label holds a file's
path: one holds the base directory, one the name of a limit, one that of a rule.

In a program of your own: ``prometheus_client.REGISTRY.register(ManagerCollector(manager.context))``. No metric says
whose it is, so that registry refuses a second manager's with a ``ValueError``: give each a ``CollectorRegistry`` of its
own.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from typing import NamedTuple

from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4 as CONTENT_TYPE
from prometheus_client.registry import Collector

from temp_file_manager.context import Context
from temp_file_manager.errors import RegistryError
from temp_file_manager.inspection import health, overview
from temp_file_manager.inspection.health import Grade, Health
from temp_file_manager.inspection.limits import LimitReading, readings
from temp_file_manager.inspection.rules import Counts
from temp_file_manager.objects.stores import STORES
from temp_file_manager.registry import Stats, counters
from temp_file_manager.registry.answers import Spooled
from temp_file_manager.registry.counters import Histogram
from temp_file_manager.sweeping.scheduler import SWEEP, JobState
from temp_file_manager.text import printable
from temp_file_manager.version import VERSION

__all__ = ["CONTENT_TYPE", "ManagerCollector", "render"]

GRADES = tuple(Grade)


class _Seen(NamedTuple):
    """What one scrape has found; ``stats`` is None, and ``counted`` empty, when the registry cannot be read."""

    health: Health
    interval: float
    sweeps: JobState
    disk: Mapping[str, int | None]
    watched: int
    unwatched: int
    stats: Stats | None = None
    counted: Mapping[str, float | None] = {}
    oldest: float | None = None
    limits: tuple[LimitReading, ...] = ()
    sessions: int | None = None
    measured_age: float | None = None
    rules: Mapping[str, int] = {}
    volume_absent: str | None = None
    spooled: Spooled | None = None
    policy_paused: bool = False
    settings_refused: bool = False

    def present(self) -> float | None:
        """Return whether the shared volume is there; None without one, or where health could not ask."""
        return None if self.volume_absent is None else self.known(not self.volume_absent)

    def known(self, value: float) -> float | None:
        """Return what health says of the registry, if it could ask."""
        return None if self.health.records is None else value

    def spooled_age(self) -> float | None:
        """Return for how long the first registration has waited for the server; 0 where none waits."""
        if self.spooled is None:
            return None
        return 0.0 if self.spooled.oldest is None else max(0.0, self.health.timestamp - self.spooled.oldest)

    def oldest_age(self) -> float | None:
        """Return the age of the oldest record; 0 without any, or when it was registered in the future."""
        if self.stats is None:
            return None
        return 0.0 if self.oldest is None else max(0.0, self.health.timestamp - self.oldest)


class ManagerCollector(Collector):
    """Gives a manager's metrics, as they are at the moment they are asked for.

    Args:
        context: Of the manager whose metrics they are.
    """

    def __init__(self, context: Context) -> None:
        self._context = context
        self._rules = Counts(context)

    def describe(self) -> Iterable[Metric]:
        """Yield the metrics without their values: registering a collector asks nothing and nobody."""
        return _metrics(None)

    def collect(self) -> Iterator[Metric]:
        """Yield the metrics. What the registry knows has no value when it cannot be read, and health says why."""
        yield from _metrics(self._look())

    def _look(self) -> _Seen:
        context = self._context
        interval, sweeps = context.settings.cleanup_interval, context.scheduler.state(SWEEP)
        disk, changes = overview.disk(context.base_dir), context.changes
        seen = _Seen(health.examine(context), interval, sweeps, disk, changes.directories, changes.unwatched)
        paused, refused = context.policies.pausing is not None, bool(context.applied.refused)
        seen = seen._replace(policy_paused=paused, settings_refused=refused)
        if context.volume is not None:
            seen = seen._replace(volume_absent=context.volume.why_absent())
        with suppress(RegistryError):  # which the metrics' absence tells, and health
            seen = seen._replace(spooled=context.registry.spooled())
        if seen.health.records is None:
            return seen
        try:
            # Once for all counters and histograms, which then are of the same moment.
            stats, oldest = context.registry.stats(), overview.oldest(context.registry)
            return seen._replace(
                stats=stats,
                counted=overview.counted(stats),
                oldest=oldest,
                limits=readings(context),
                sessions=len(context.registry.sessions()),
                measured_age=context.measuring.age(),
                rules=self._rules.read(),
            )
        except RegistryError:  # it has broken since its health was looked at, which the next scrape tells
            return seen


_COUNTERS = (
    ("temp_files_registered", counters.REGISTERED, "Total registered temporary files"),
    ("temp_files_cleaned", "cleaned", "Total cleaned temporary files: removed, or found gone"),
    ("temp_files_failed", "failed", "Removals that failed"),
    ("temp_files_replaced", "replaced", "Files that were no longer the one registered, and were left alone"),
    ("temp_files_kept_in_use", counters.KEPT_IN_USE, "Times a due file was kept because somebody has it open"),
    ("temp_files_kept_unknown", counters.KEPT_UNKNOWN, "Times a due file was kept because nothing tells if it is open"),
    (
        "temp_files_kept_unproven",
        counters.KEPT_UNPROVEN,
        "Times a due file was kept because nothing proves that it is the registered one, or gone",
    ),
    (
        "temp_files_freed_bytes",
        counters.FREED_BYTES,
        "Bytes that the removed files took on the disk, when last looked at",
    ),
    ("temp_files_compressed", "compressed", "Files that were compressed"),
    ("temp_files_compressed_saved_bytes", counters.COMPRESSED_SAVED_BYTES, "Bytes of the disk that this has freed"),
    ("temp_files_evicted", counters.EVICTED, "Files that were removed before their time because of a limit"),
    ("temp_files_quarantined", "quarantined", "Files that were due, and were moved to where they can be had back"),
    ("temp_files_restored", counters.RESTORED, "Files that were had back from quarantine"),
)

_RARE = (
    (
        "temp_file_order_failures",
        counters.ORDER_FAILURES,
        "Times a limit did nothing because the order of a plug-in failed",
    ),
    ("temp_file_expired_objects", counters.EXPIRED_OBJECTS, "Objects deleted in buckets as their keys had expired"),
    (
        "temp_file_expired_object_failures",
        counters.EXPIRED_OBJECT_FAILURES,
        "Expired objects that a bucket has not deleted, and sweeps of a bucket that failed",
    ),
)
"""Counters that metrics alone tell of."""

_HISTOGRAMS: tuple[tuple[str, Callable[[Mapping[str, float]], Histogram], str], ...] = (
    ("temp_file_age_seconds", counters.ages, "Age of temporary files when cleaned"),
    ("temp_file_cleanup_duration_seconds", counters.durations, "Time spent on cleanup operations"),
)

_GAUGES: tuple[tuple[str, Callable[[_Seen], float | None], str], ...] = (
    ("temp_files_active", lambda seen: seen.counted.get("records"), "Currently active temporary files"),
    (
        "temp_files_bytes",
        lambda seen: seen.counted.get("bytes"),
        "Bytes that the active files take on the disk, when last looked at",
    ),
    (
        "temp_files_measured_age_seconds",
        lambda seen: seen.measured_age,
        "How old what is known of a file's size may be; absent before all files have been looked at",
    ),
    ("temp_file_sessions", lambda seen: seen.sessions, "Living sessions"),
    ("temp_file_oldest_age_seconds", _Seen.oldest_age, "Age of the file that was registered first; 0 without files"),
    (
        "temp_file_health",
        lambda seen: GRADES.index(seen.health.status),
        "How well it is: 0 healthy, 1 degraded, 2 unhealthy",
    ),
    (
        "temp_file_registry_up",
        lambda seen: seen.stats is not None,
        "Whether the registry has answered what it was last asked",
    ),
    (
        "temp_file_settings_refused",
        lambda seen: seen.settings_refused,
        "Whether settings were read again that cannot be used: the former are in force",
    ),
    ("temp_files_limit", lambda seen: seen.health.max_files, "With more active files than this it is degraded"),
    (
        "temp_file_overdue_seconds",
        lambda seen: seen.known(seen.health.overdue),
        "For how long the longest overdue file should have been gone",
    ),
    (
        "temp_file_sweeps_paused",
        lambda seen: seen.known(not seen.health.clock_trusted),
        "Whether sweeps wait because the clock is not trusted",
    ),
    ("temp_file_policy_paused", lambda seen: seen.policy_paused, "Whether a policy of the fleet has paused sweeps"),
    ("temp_file_cleanup_interval_seconds", lambda seen: seen.interval, "Seconds between scheduled sweeps"),
    (
        "temp_file_scheduler_heartbeat_timestamp_seconds",
        lambda seen: seen.sweeps.beat,
        "When this process's scheduler last showed that it works; absent before it has",
    ),
    (
        "temp_file_volume_present",
        _Seen.present,
        "Whether the shared volume is mounted; absent without one",
    ),
    (
        "temp_file_watched_directories",
        lambda seen: seen.watched,
        "Directories in which this process is told of new files; by watchdog, which takes whole trees, how many trees",
    ),
    (
        "temp_file_unwatched_directories",
        lambda seen: seen.unwatched,
        "Directories that were to be watched, and could not be: new files there wait for a sweep",
    ),
    (
        "temp_file_spooled_records",
        lambda seen: seen.spooled and seen.spooled.records,
        "Registrations that wait on this machine for the registry's server",
    ),
    ("temp_file_spooled_age_seconds", _Seen.spooled_age, "For how long the first of them has waited; 0 without any"),
    ("temp_file_disk_free_bytes", lambda seen: seen.disk["free"], "Bytes free on the base directory's disk"),
    ("temp_file_disk_size_bytes", lambda seen: seen.disk["size"], "Bytes there are on the base directory's disk"),
)

_OF_LIMITS: tuple[tuple[str, Callable[[LimitReading], float | None], str], ...] = (
    ("temp_file_limit_ratio", lambda found: found.ratio, "How near a limit's mark is: 1 is at it, more is beyond"),
    (
        "temp_file_limit_unmet",
        lambda found: bool(found.unmet),
        "Whether a limit is passed and nothing is left that may go",
    ),
)


def _metrics(seen: _Seen | None) -> Iterator[Metric]:
    """Yield each metric; one that has no value is described, and absent."""
    for name, key, about in _COUNTERS:
        yield CounterMetricFamily(name, about, seen and seen.counted.get(key))
    for name, read, about in _HISTOGRAMS:
        yield _histogram(name, about, None if seen is None or seen.stats is None else read(seen.stats.counters))
    for name, look, about in _GAUGES:
        yield GaugeMetricFamily(name, about, seen and look(seen))
    for name, tell, about in _OF_LIMITS:
        yield _of_limits(name, tell, about, () if seen is None else seen.limits)
    ruled = GaugeMetricFamily("temp_file_rule_records", "Files that a rule decides about", labels=["rule"])
    for rule, records in () if seen is None else seen.rules.items():
        ruled.add_metric([rule], records)
    yield ruled
    about = "Scheduled sweeps of this process that ended in an error"
    yield CounterMetricFamily("temp_file_sweep_errors", about, seen and seen.sweeps.failures)
    for name, key, about in _RARE:
        yield CounterMetricFamily(name, about, seen and seen.stats and seen.stats.counters.get(key, 0.0))
    about = "Requests that buckets have put off in this process"
    yield CounterMetricFamily("temp_file_object_requests_throttled", about, seen and float(STORES.throttled))
    about = "Which version runs, and for which base directory; the value is always 1"
    info = GaugeMetricFamily("temp_file_manager_info", about, labels=["version", "base"])
    if seen is not None:
        info.add_metric([VERSION, printable(seen.health.base_dir)], 1)
    yield info


def _of_limits(
    name: str, tell: Callable[[LimitReading], float | None], about: str, found: Iterable[LimitReading]
) -> GaugeMetricFamily:
    family = GaugeMetricFamily(name, about, labels=["limit"])
    for each in found:
        value = tell(each)
        if value is not None:
            family.add_metric([each.limit.name], value)
    return family


def _histogram(name: str, about: str, found: Histogram | None) -> HistogramMetricFamily:
    if found is None:
        return HistogramMetricFamily(name, about)
    bounds = [*map(str, found.bounds), "+Inf"]
    return HistogramMetricFamily(name, about, list(zip(bounds, found.counts, strict=True)), found.sum)


def render(collector: ManagerCollector) -> bytes:
    """Return a manager's metrics and those of this process, in Prometheus's text format."""
    registry = CollectorRegistry()
    registry.register(collector)
    ProcessCollector(registry=registry)
    return generate_latest(registry)
