"""What there is to see at a glance, as plain data: for the page, the API and ``top``."""

import math
import os
import time
from collections.abc import Mapping

from temp_file_manager.inspection import health
from temp_file_manager.manager import TempFileManager
from temp_file_manager.records import RETIRED, Selection, Status, TempFile
from temp_file_manager.registry import Stats, counters
from temp_file_manager.rules import due_since
from temp_file_manager.sweeping.history import History
from temp_file_manager.text import json_number
from temp_file_manager.version import VERSION

SWEEPS = 20
TOP = 10

REST = 100
"""An outlook looks at every record: it is good for so many times what it took, and takes a hundredth of the time."""

BOUNDS = (0.0, 300.0, 900.0, 3600.0, 21600.0, 86400.0, 604800.0)
"""Seconds from now by which a forecast counts what will be due."""


def overview(manager: TempFileManager) -> dict[str, object]:
    """Return health, counts, disk, scheduler and the last sweeps.

    In SQLite it costs the same whatever is on record; in memory health and the oldest look at every record.

    Raises:
        RegistryError: the registry cannot be read.
    """
    scheduler, clock = manager._scheduler, manager._clock
    ended = scheduler.ended
    return {
        "at": clock.wall(),
        "version": VERSION,
        "health": health.examine(manager).described(),
        "stats": counts(manager),
        "disk": disk(manager.base_dir),
        "scheduler": {
            "interval": scheduler.interval,
            "last": ended,
            "next": None if ended is None or not scheduler.alive else ended + scheduler.interval,
        },
        "sweeps": [sweep.described() for sweep in History(manager.registry, clock).sweeps(SWEEPS)],
    }


def counts(manager: TempFileManager) -> dict[str, float | None]:
    """Return what is on record, and the totals, under the names of ``totals``; ``cleaned`` are all that were retired.

    Raises:
        RegistryError: the registry cannot be read.
    """
    return {**counted(manager.registry.stats()), "oldest": manager.registry.oldest()}


def counted(stats: Stats) -> dict[str, float | None]:
    """Return ``counts`` but for the oldest, of what a registry has told already."""
    return {
        "records": stats.records,
        "bytes": stats.bytes,
        "registered": _whole(stats.totals, counters.REGISTERED),
        "cleaned": sum(_whole(stats.totals, status) for status in RETIRED),
        **{str(status): _whole(stats.totals, status) for status in (*RETIRED, Status.FAILED)},
        counters.KEPT_IN_USE: _whole(stats.totals, counters.KEPT_IN_USE),
        counters.KEPT_UNKNOWN: _whole(stats.totals, counters.KEPT_UNKNOWN),
        counters.FREED_BYTES: _whole(stats.totals, counters.FREED_BYTES),
    }


def _whole(found: Mapping[str, float], name: str) -> int:
    return int(found.get(name, 0))


def disk(directory: str) -> dict[str, int | None]:
    """Return the bytes that are free for who is not root, and how many there are; None when it cannot be told."""
    try:
        found = os.statvfs(directory)
    except (OSError, ValueError, AttributeError):  # gone, no path, or no Unix
        return {"free": None, "size": None}
    return {"free": found.f_bavail * found.f_frsize, "size": found.f_blocks * found.f_frsize}


def outlook(manager: TempFileManager) -> dict[str, object]:
    """Return what will be due when, and the oldest and largest files. Looks at every record: a second for a million.

    Raises:
        RegistryError: the registry cannot be read.
    """
    began = time.perf_counter()
    due = Selection(manager._clock.wall(), float(manager.max_age))
    found = manager.registry.outlook(due, BOUNDS, top=TOP)
    sized = manager.registry.stats().bytes is not None
    bounds = (*BOUNDS, None)
    return {
        "asof": due.asof,
        "took": time.perf_counter() - began,
        "forecast": [
            {"until": until, "files": files, "bytes": size if sized else None}
            for until, files, size in zip(bounds, found.files, found.bytes, strict=True)
        ],
        "oldest": [_item(record, due) for record in found.oldest],
        "largest": [_item(record, due) for record in found.largest],
    }


def _item(record: TempFile, due: Selection) -> dict[str, object]:
    when = due_since(record, due)
    return {
        "path": record.path,
        "registered_at": json_number(record.registered_at),
        "due_at": None if when == math.inf else json_number(when),
        "size": record.size,
        "tags": list(record.tags),
        "failures": record.failures,
    }
