"""A sweep that somebody asks for: what is due goes, then what limits take, and the report says what became of each."""

import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import NamedTuple

from temp_file_manager.adopt.scratch import clear_left
from temp_file_manager.arguments import most
from temp_file_manager.context import Context
from temp_file_manager.durations import Duration
from temp_file_manager.errors import RecordClaimedError
from temp_file_manager.planning.foretell import foretell
from temp_file_manager.records import Selection, TempFile
from temp_file_manager.registry import THIS_PROCESS, Registry
from temp_file_manager.reports import SweepReport
from temp_file_manager.sweeping.preparation import prepare
from temp_file_manager.sweeping.sweep import Bounds


class Demand(NamedTuple):
    """What somebody asks for; the fields are the arguments of ``TempFileManager.sweep``."""

    force: bool
    dry_run: bool
    limit: int | None
    budget: Duration | None
    protect_open: bool
    trust_clock: bool
    allow_large: int | None
    stop: Callable[[], bool]


def clean_up(context: Context, demand: Demand) -> SweepReport:
    """Do what ``TempFileManager.sweep`` does.

    Raises:
        InvalidArgumentError: ``limit``, ``budget`` or ``allow_large`` is negative or not a number.
        LargeSweepError: the sweep is held up because of a change of settings; nothing was removed.
    """
    force, dry_run, limit, budget, protect_open, trust_clock, allow_large, stop = demand
    most("allow_large", allow_large)
    bounds = Bounds.of(limit, budget, stop)
    asof = context.clock.wall() if trust_clock else context.clock_guard.read().asof
    due = Selection(asof, context.max_age, force)
    context.closed.tell()
    if dry_run:
        return foretell(context, due, bounds, protect_open=protect_open)
    bounds = prepare(context.registry, context.ruling, due, bounds, allow=allow_large)
    if allow_large is not None:
        context.large_sweep_guard.check(due, now=context.clock.elapsed(), allow=allow_large, stop=stop)
    report = context.sweeper.run(due, bounds, context.storage_for(protect_open=protect_open, force=force))
    if allow_large is not None:
        context.large_sweep_guard.completed(due, report)
    report += context.evictor.evict(due, bounds.after(report), allow=allow_large)
    context.directories.remove(due)
    return sum(clear_left(context, stop) if limit is None else (), report)


def clean_up_own(context: Context) -> None:
    """Remove what was registered through a context's own registry object, at any age, but not what was had back."""
    context.closed.tell()
    mine = Selection(context.clock.wall(), context.max_age, force=True, mine=True)
    with _held(context.registry, context.restored):
        context.sweeper.run(mine, Bounds(), context.storages.forced)
        context.directories.remove(mine)


def take_back(context: Context, path: str) -> None:
    """Remove what was made in the base directory a moment ago, and nobody has got to know of."""
    record = context.registry.get((path,)).get(path)
    if record is None:
        context.directories.take_back(path)
        return
    made = Selection(context.clock.wall(), context.max_age, force=True, only=(record,))
    context.sweeper.run(made, Bounds(), context.storages.forced)


@contextmanager
def _held(registry: Registry, restored: Mapping[str, TempFile]) -> Iterator[None]:
    """Keep what somebody asked to have back; not what has been registered again since."""
    known = registry.get(restored) if restored else {}
    kept = list[str]()
    try:
        for path, record in known.items():
            if _registration(record) == _registration(restored[path]):
                with suppress(RecordClaimedError):  # another sweep is at it, so that this one is not
                    kept += registry.keep((path,), math.inf, THIS_PROCESS)
        yield
    finally:
        registry.release(kept, THIS_PROCESS)


def _registration(record: TempFile) -> tuple[int, float]:
    return record.generation, record.registered_at
