"""The overview: a manager at a glance, as plain data for the page, the API and ``top``."""

import math
import time
from collections.abc import Mapping

from temp_file_manager.context import Context
from temp_file_manager.inspection import describe, health
from temp_file_manager.inspection.limits import readings
from temp_file_manager.inspection.makers import makers
from temp_file_manager.inspection.sessions import statuses
from temp_file_manager.inspection.unremoved import unremoved
from temp_file_manager.records import CLEANED, RETIRED, Order, Selection, Status, TempFile
from temp_file_manager.registry import Stats, counters
from temp_file_manager.registry.contract import Records
from temp_file_manager.rules import due_at
from temp_file_manager.storage.kernel.space import room
from temp_file_manager.sweeping.scheduler import SWEEP
from temp_file_manager.text import json_number
from temp_file_manager.version import VERSION

SWEEPS = 20
SESSIONS = 20
TOP = 10

REST = 100
"""An outlook looks at every record: it is good for so many times what it took, and takes a hundredth of the time."""

BOUNDS = (0.0, 300.0, 900.0, 3600.0, 21600.0, 86400.0, 604800.0)
"""Seconds from now by which a forecast counts what will be due."""


def overview(context: Context) -> dict[str, object]:
    """Return health, counts, disk, scheduler, limits, sessions and the last sweeps.

    In SQLite it costs the same whatever is on record; in memory health and the oldest look at every record.

    Raises:
        RegistryError: the registry cannot be read.
    """
    interval, ended = context.settings.cleanup_interval, context.scheduler.state(SWEEP).ended
    living = context.registry.sessions()
    return {
        "at": context.clock.wall(),
        "version": VERSION,
        "fleet": context.settings.fleet is not None,
        "health": health.examine(context).described(),
        "stats": counts(context),
        "disk": disk(context.base_dir),
        "scheduler": {
            "interval": interval,
            "last": ended,
            "next": None if ended is None or not context.scheduler.alive else ended + interval,
        },
        "limits": describe.limits(readings(context), context.measuring.age()),
        "sessions": {
            "count": len(living),
            "sessions": [describe.session(each) for each in statuses(context, living[:SESSIONS])],
        },
        "sweeps": [sweep.described() for sweep in context.history.sweeps(SWEEPS)],
    }


def counts(context: Context) -> dict[str, float | None]:
    """Return what is on record, and the totals, under the names of ``counters``; ``cleaned`` are the removed and gone.

    Raises:
        RegistryError: the registry cannot be read.
    """
    return {**counted(context.registry.stats()), "oldest": oldest(context.registry)}


def oldest(registry: Records) -> float | None:
    """Return when the longest registered record was registered, seconds since the epoch; None without records."""
    found = _first(registry, Order.OLDEST, 1)
    return found[0].registered_at if found else None


def _first(registry: Records, order: Order, count: int) -> tuple[TempFile, ...]:
    return registry.page(Selection(0.0, 0.0, order=order), now=0.0, limit=count).records


def counted(stats: Stats) -> dict[str, float | None]:
    """Return ``counts`` but for the oldest, of what a registry has told already."""
    return {
        "records": stats.records,
        "bytes": stats.bytes,
        "registered": _whole(stats.counters, counters.REGISTERED),
        "cleaned": sum(_whole(stats.counters, status) for status in CLEANED),
        **{str(status): _whole(stats.counters, status) for status in (*RETIRED, Status.FAILED)},
        counters.KEPT_IN_USE: _whole(stats.counters, counters.KEPT_IN_USE),
        counters.KEPT_UNKNOWN: _whole(stats.counters, counters.KEPT_UNKNOWN),
        counters.KEPT_UNPROVEN: _whole(stats.counters, counters.KEPT_UNPROVEN),
        counters.FREED_BYTES: _whole(stats.counters, counters.FREED_BYTES),
        counters.COMPRESSED_SAVED_BYTES: _whole(stats.counters, counters.COMPRESSED_SAVED_BYTES),
        counters.EVICTED: _whole(stats.counters, counters.EVICTED),
        counters.RESTORED: _whole(stats.counters, counters.RESTORED),
    }


def _whole(found: Mapping[str, float], name: str) -> int:
    return int(found.get(name, 0))


def disk(directory: str) -> dict[str, int | None]:
    """Return the bytes that are free for who is not root, and how many there are; None when it cannot be told."""
    found = room(directory)
    return {"free": None, "size": None} if found is None else {"free": found.bytes, "size": found.size}


def outlook(context: Context) -> dict[str, object]:
    """Return what will be due when, which files stand out, which sweeps have left, and who makes them.

    Looks at every record twice: some seconds for a million.

    Raises:
        RegistryError: the registry cannot be read.
    """
    began = time.perf_counter()
    due = context.due()
    registry = context.registry
    found = registry.forecast(due, BOUNDS)
    sized = registry.stats().bytes is not None
    bounds = (*BOUNDS, None)
    told: dict[str, object] = {
        "forecast": [
            {"until": until, "files": files, "bytes": size if sized else None}
            for until, files, size in zip(bounds, found.files, found.bytes, strict=True)
        ],
        "oldest": [_item(record, due) for record in _first(registry, Order.OLDEST, TOP)],
        "largest": [_item(record, due) for record in _first(registry, Order.LARGEST, TOP if sized else 0)],
        "unremoved": [_item(record, due) | {"cause": cause} for record, cause in unremoved(context, due)],
        "makers": makers(context),
    }
    return {"asof": due.asof, "took": time.perf_counter() - began, **told}


def _item(record: TempFile, due: Selection) -> dict[str, object]:
    when = due_at(record.registered_at, record.due_at, due.max_age)
    return {
        "path": record.path,
        "registered_at": json_number(record.registered_at),
        "due_at": None if when == math.inf else json_number(when),
        "size": record.room,
        "tags": list(record.tags),
        "failures": record.failures,
        "state": describe.state(record, due),
        "kind": str(record.kind) or "file",
        "origin": record.origin or None,
    }
