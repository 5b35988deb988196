"""The metrics for Prometheus: the specification's five by their names, and what else an operator needs.

Nothing is counted here. Counters and histograms come from the registry's totals, to which every process that shares it
adds: they go on over restarts, and count what a cron job's ``temp-file-manager sweep`` did. No label holds a path.

In a program of your own: ``prometheus_client.REGISTRY.register(ManagerCollector(manager))``.
"""

from collections.abc import Iterable, Iterator

from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4 as CONTENT_TYPE
from prometheus_client.registry import Collector

from temp_file_manager import health, overview
from temp_file_manager.health import Grade, Health
from temp_file_manager.manager import TempFileManager
from temp_file_manager.registry import totals
from temp_file_manager.registry.totals import Histogram
from temp_file_manager.version import VERSION

__all__ = ["CONTENT_TYPE", "ManagerCollector", "render"]

GRADES = (Grade.HEALTHY, Grade.DEGRADED, Grade.UNHEALTHY)


class ManagerCollector(Collector):
    """Gives a manager's metrics, as they are at the moment they are asked for.

    Args:
        manager: Whose.
    """

    def __init__(self, manager: TempFileManager) -> None:
        self._manager = manager

    def describe(self) -> Iterable[Metric]:
        """Say nothing beforehand: registering a collector is to ask the registry of files nothing."""
        return ()

    def collect(self) -> Iterator[Metric]:
        """Yield the metrics. What the registry knows is missing when it cannot be read, and health says why."""
        found = health.examine(self._manager)
        yield from _of_health(found)
        yield from self._of_scheduler()
        yield from _of_disk(overview.disk(self._manager.base_dir))
        if found.records is not None:
            yield from self._of_registry(found.timestamp)
        info = GaugeMetricFamily(
            "temp_file_manager_info", "Which version runs; the value is always 1", labels=["version"]
        )
        info.add_metric([VERSION], 1)
        yield info

    def _of_registry(self, now: float) -> Iterator[Metric]:
        found = overview.counts(self._manager)
        sums = self._manager.registry.stats().totals
        for name, key, about in _COUNTERS:
            yield CounterMetricFamily(name, about, found[key])
        yield _histogram("temp_file_age_seconds", "Age of temporary files when cleaned", totals.ages(sums))
        duration = totals.durations(sums)
        yield _histogram("temp_file_cleanup_duration_seconds", "Time spent on cleanup operations", duration)
        yield _gauge("temp_files_active", "Currently active temporary files", found["records"])
        yield _gauge("temp_files_bytes", "Bytes of the active files when they were registered", found["bytes"])
        age = 0.0 if found["oldest"] is None else now - found["oldest"]
        yield _gauge("temp_file_oldest_age_seconds", "Age of the file that was registered first; 0 without files", age)

    def _of_scheduler(self) -> Iterator[Metric]:
        scheduler = self._manager._scheduler
        yield _gauge("temp_file_cleanup_interval_seconds", "Seconds between scheduled sweeps", scheduler.interval)
        yield CounterMetricFamily(
            "temp_file_sweep_errors", "Scheduled sweeps of this process that ended in an error", scheduler.failures
        )
        yield _gauge(
            "temp_file_scheduler_heartbeat_timestamp_seconds",
            "When this process's scheduler last showed that it works; absent before it has",
            scheduler.beat,
        )


_COUNTERS = (
    ("temp_files_registered", totals.REGISTERED, "Total registered temporary files"),
    ("temp_files_cleaned", "cleaned", "Total cleaned temporary files: removed, found gone, or found replaced"),
    ("temp_files_failed", "failed", "Removals that failed"),
    ("temp_files_replaced", "replaced", "Files that were no longer the one registered, and were left alone"),
    ("temp_files_kept_in_use", totals.KEPT_IN_USE, "Times a due file was kept because somebody has it open"),
    ("temp_files_kept_unknown", totals.KEPT_UNKNOWN, "Times a due file was kept because nothing tells if it is open"),
    ("temp_files_freed_bytes", totals.FREED_BYTES, "Bytes that the removed files had when they were registered"),
)


def _of_health(found: Health) -> Iterator[Metric]:
    about = "How well it is: 0 healthy, 1 degraded, 2 unhealthy"
    yield _gauge("temp_file_health", about, GRADES.index(found.status))
    yield _gauge("temp_files_limit", "With more active files than this it is degraded", found.max_files)
    yield _gauge("temp_file_overdue_seconds", "Since when the longest overdue file should be gone", found.overdue)
    paused = float(not found.clock_trusted)
    yield _gauge("temp_file_sweeps_paused", "Whether sweeps wait because the clock is not trusted", paused)


def _of_disk(found: dict[str, int | None]) -> Iterator[Metric]:
    yield _gauge("temp_file_disk_free_bytes", "Bytes free on the base directory's disk", found["free"])
    yield _gauge("temp_file_disk_size_bytes", "Bytes there are on the base directory's disk", found["size"])


def _gauge(name: str, about: str, value: float | None) -> GaugeMetricFamily:
    """Return a gauge; one that has no value is described, and absent."""
    gauge = GaugeMetricFamily(name, about)
    if value is not None:
        gauge.add_metric([], value)
    return gauge


def _histogram(name: str, about: str, found: Histogram) -> HistogramMetricFamily:
    bounds = [*map(str, found.bounds), "+Inf"]
    return HistogramMetricFamily(name, about, list(zip(bounds, found.counts, strict=True)), found.sum)


def render(manager: TempFileManager) -> bytes:
    """Return a manager's metrics and those of this process, in Prometheus's text format."""
    registry = CollectorRegistry()
    registry.register(ManagerCollector(manager))
    ProcessCollector(registry=registry)
    return generate_latest(registry)
