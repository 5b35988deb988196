"""Sweeps of expiring keys on a schedule: the buckets of the setting ``expiring_objects``, one after another."""

from collections.abc import Iterable

from temp_file_manager import logs
from temp_file_manager.clock import Clock
from temp_file_manager.errors import ObjectStoreError
from temp_file_manager.objects.address import location
from temp_file_manager.objects.expiring import ExpiringKeys, ExpiringReport, Stop
from temp_file_manager.objects.stores import STORES
from temp_file_manager.registry import Registry
from temp_file_manager.registry.counters import EXPIRED_OBJECT_FAILURES, EXPIRED_OBJECTS
from temp_file_manager.text import printable

_JOURNAL = "expired objects"


def sweep_expired(urls: Iterable[str], registry: Registry, clock: Clock, stop: Stop) -> None:
    """Delete expired objects; a bucket that cannot be swept is told of, and the others are.

    Args:
        urls: Where, each ``s3://BUCKET/PREFIX``.
        registry: What counts them.
        clock: What tells the time.
        stop: Says whether to stop.
    """
    for url in urls:
        if stop():
            return
        try:
            store = STORES.of(location(url).bucket)
            report = ExpiringKeys(url, clock=clock, client=store.client).sweep(stop=stop, pace=store.pace)
        except ObjectStoreError as error:
            removed, missed = 0, 1
            not_swept(url, error)
        else:
            removed, missed = report.removed, report.failed
            swept(url, report)
        if removed or missed:
            counts = {EXPIRED_OBJECTS: float(removed), EXPIRED_OBJECT_FAILURES: float(missed)}
            registry.write(_JOURNAL, None, clock.wall(), keep=1, counters=counts)


def swept(url: str, report: ExpiringReport) -> None:
    """Say what a sweep of expiring keys has done."""
    for code, number in report.reasons:
        logs.logger.error(f"Failed to delete {number} expired objects in {printable(url)}: {printable(code)}")
    if report.removed:
        logs.logger.info(f"Deleted {report.removed} expired objects in {printable(url)}")


def not_swept(url: str, error: Exception) -> None:
    """Say that a bucket's expired objects stay for now."""
    logs.logger.error(f"Expired objects in {printable(url)} were not swept: {printable(str(error))}")


def failed(error: Exception) -> None:
    """Say that sweeping expired objects ended in an error."""
    logs.logger.error(f"Expired objects were not swept: {printable(str(error) or repr(error))}")
