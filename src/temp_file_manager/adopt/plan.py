"""Adoption: files that nobody registered are put on record, in a named directory; planned first, then done.

For who comes from ``find -mtime +1 -delete``, tmpreaper or systemd-tmpfiles. What can be adopted ``survey`` says.
"""

import functools
from collections.abc import Callable, Iterable, Mapping
from contextlib import closing
from dataclasses import dataclass, replace

from temp_file_manager import logs
from temp_file_manager.adopt.survey import TAG, Chosen, Known, Survey, Wanted, wanted
from temp_file_manager.adopt.units import UnitSurvey
from temp_file_manager.arguments import seconds
from temp_file_manager.context import Context
from temp_file_manager.errors import InvalidArgumentError
from temp_file_manager.records import Kind, Nature, NewFile
from temp_file_manager.registering.on_record import on_record
from temp_file_manager.storage.paths import AnyPath

BATCH = 1000
"""Files in memory at a time."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What adopting would do.

    Attributes:
        wanted: What was asked for.
        asof: The moment that ages are read at, seconds since the epoch.
        max_age: Seconds; what is older is due.
        files: How many would go on record.
        size: Their bytes.
        again: How many of them are on record, and were touched since they were adopted.
        oldest: The path of the oldest, empty when there is none.
        oldest_age: Seconds.
        due: How many would be due at once.
        due_size: Their bytes.
        skipped: How many were passed by, by reason.
    """

    wanted: Wanted
    asof: float
    max_age: float
    files: int
    size: int
    again: int
    oldest: str
    oldest_age: float
    due: int
    due_size: int
    skipped: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Adoption:
    """What adopting did: ``again`` of the ``registered`` files were on record and have been touched since."""

    directory: str
    registered: int
    size: int
    again: int
    skipped: Mapping[str, int]
    stopped: bool = False


def plan(
    directory: AnyPath | Wanted,
    *,
    exclude: Iterable[str] = (),
    now: float,
    max_age: float,
    known: Known = lambda _: {},
    renew: bool = True,
) -> Plan:
    """Look at a directory and say what adopting it would do. Changes nothing.

    Args:
        directory: Where; or what ``wanted`` returned, and ``exclude`` is not looked at.
        exclude: See ``Wanted``.
        now: Seconds since the epoch.
        max_age: Seconds; counts as due what is older.
        known: Says what is on record.
        renew: Whether what was adopted before and touched since is planned again.

    Raises:
        BaseDirectoryError: the directory cannot be read, or should not be cleaned up by anybody.
        InvalidArgumentError: a pattern can match nothing, or ``max_age`` means nothing.
    """
    what = directory if isinstance(directory, Wanted) else wanted(directory, exclude)
    limit = seconds("max_age", max_age) if what.ttl is None else what.ttl
    survey = UnitSurvey(what, known, now, renew=renew) if what.units else Survey(what, known, now, renew=renew)
    files = size = again = due = due_size = 0
    oldest, since = "", now
    for batch in survey.batches(BATCH):
        for file in batch:
            files += 1
            size += file.size
            again += file.again
            if file.due(now, limit):
                due += 1
                due_size += file.size
            if not oldest or file.registered_at < since:
                oldest, since = file.path, file.registered_at
    return Plan(what, now, limit, files, size, again, oldest, now - since, due, due_size, survey.skipped)


def adopt(context: Context, planned: Plan, *, stop: Callable[[], bool] = lambda: False) -> Adoption:
    """Put on record what was planned, and what has come to be there since: the directory is walked through anew.

    Args:
        context: Whose registry is to know the files.
        planned: What ``plan`` returned.
        stop: Asked between batches whether to leave it at that.

    Raises:
        BaseDirectoryError: the directory cannot be read any more.
        InvalidArgumentError: the registry keeps no identities.
        RegistryError: the registry cannot be written.
    """
    return adopt_wanted(context, planned.wanted, planned.asof, stop=stop)


def adopt_wanted(
    context: Context, what: Wanted, now: float, *, recent: float = 0.0, stop: Callable[[], bool]
) -> Adoption:
    """Do ``adopt`` without a plan, for what has not been touched for ``recent`` seconds."""
    if not context.registry.properties.keeps_identity:
        # By its path alone, what nobody registered must not be removed.
        raise InvalidArgumentError("records in memory do not say which file is meant: adopt into a durable registry")
    context.clock_guard.wall()  # the line comes down before records carry an earlier time
    what = replace(what, spared=(*what.spared, *context.registry.properties.files))
    known = functools.partial(on_record, context.registry)
    survey = UnitSurvey(what, known, now) if what.units else Survey(what, known, now, recent=recent)
    registered = size = again = 0
    stopped = False
    with closing(survey.batches(BATCH)) as batches:
        for batch in batches:
            _record(context, batch, what)
            registered += len(batch)
            size += sum(file.size for file in batch)
            again += sum(file.again for file in batch)
            stopped = stop()
            if stopped:
                break
    return Adoption(what.directory, registered, size, again, survey.skipped, stopped)


def _record(context: Context, batch: list[Chosen], what: Wanted) -> None:
    by_time: dict[tuple[float, bool], list[NewFile]] = {}
    natures = {file.path: Nature(kind=Kind.UNIT) for file in batch} if what.units else {}
    for path, since, size, identity, again, disk in batch:
        due_at = None if what.ttl is None else since + what.ttl
        row = (path, due_at, None if what.units else size, (TAG,), identity, disk)
        by_time.setdefault((since, again), []).append(row)
    for (since, again), rows in by_time.items():
        # What its application has registered since it was looked at is the application's.
        if what.units:  # of which no rule is asked
            context.registry.add(rows, since, only_new=not again, natures=natures)
        else:
            context.registrar.put(rows, since, only_new=not again)
    logs.registered_all(file.path for file in batch)


# -- directories to be looked through at every sweep
