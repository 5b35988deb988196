"""Adoption: files that nobody registered are put on record, in a named directory; planned first, then done.

For whoever comes from ``find -mtime +1 -delete``, tmpreaper or systemd-tmpfiles. What can be adopted ``survey`` says.
"""

import functools
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from contextlib import closing, suppress
from dataclasses import dataclass, field, replace
from heapq import heappush, heappushpop

from temp_file_manager import logs
from temp_file_manager.adopt.empty import EmptyDirectories, recorded
from temp_file_manager.adopt.survey import TAG, Chosen, Known, Passed, Survey, Wanted, wanted
from temp_file_manager.adopt.units import UnitSurvey
from temp_file_manager.arguments import seconds
from temp_file_manager.context import Context
from temp_file_manager.errors import InvalidArgumentError, RecordClaimedError
from temp_file_manager.records import Kind, Nature, NewFile
from temp_file_manager.registering.on_record import on_record
from temp_file_manager.rules import is_too_old
from temp_file_manager.storage.paths import AnyPath
from temp_file_manager.storage.tree import WHOLE, Part

BATCH = 1000
"""Files in memory at a time."""

FIRST = 20
"""Files that a plan remembers by name."""


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
        first: The oldest files, at most ``FIRST``, the oldest first.
        by_mtime_alone: How many are due, or would be, if their age counted from their last writing alone, and are not
            if it counts from their latest change.
        ruled: How many come under a rule, by its name; when those are due the rule says, and none counts as due here.
        empty: How many directories are empty, and old enough to be removed with the files; 0 where nobody asked.
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
    first: tuple[Chosen, ...] = ()
    by_mtime_alone: int = 0
    empty: int = 0
    ruled: Mapping[str, int] = field(default_factory=dict)


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
    pruning: bool = False,
    tell: Callable[[Chosen | Passed], None] = lambda _: None,
    rule: Callable[[Chosen], str] = lambda _: "",
) -> Plan:
    """Look at a directory and say what adopting it would do. Changes nothing, and costs little memory.

    Args:
        directory: Where; or what ``wanted`` returned, and ``exclude`` is not looked at.
        exclude: See ``Wanted``.
        now: Seconds since the epoch.
        max_age: Seconds; counts as due what is older.
        known: Says what is on record.
        renew: Whether what was adopted before and touched since is planned again.
        pruning: Also look for directories that are empty.
        tell: Told of each file, as it is found, and of each thing that is passed by.
        rule: Returns the name of the rule that a file will come under; nothing if there is none.

    Raises:
        BaseDirectoryError: the directory cannot be read, or should not be cleaned up by anybody.
        InvalidArgumentError: a pattern can match nothing, or ``max_age`` means nothing.
    """
    what = directory if isinstance(directory, Wanted) else wanted(directory, exclude)
    limit = seconds("max_age", max_age) if what.ttl is None else what.ttl
    empty = EmptyDirectories(now, limit, what.by)
    part = Part(enter=empty) if pruning else WHOLE
    if what.units:
        survey: Survey | UnitSurvey = UnitSurvey(what, known, now, renew=renew, tell=tell)
    else:
        survey = Survey(what, known, now, renew=renew, part=part, tell=tell)
    sums = _Sums(now, limit)
    for batch in survey.batches(BATCH):
        for file in batch:
            sums.take(file, rule(file))
            tell(file)
    first, spared = sums.first(), recorded(what.directory, known)
    oldest, age = (first[0].path, now - first[0].registered_at) if first else ("", 0.0)
    return Plan(
        *(what, now, limit, sums.files, sums.size, sums.again, oldest, age, sums.due, sums.due_size, survey.skipped),
        first=first,
        by_mtime_alone=sums.by_mtime_alone,
        empty=sum(not spared(path) for path in empty.paths),
        ruled=sums.ruled,
    )


@dataclass(slots=True)
class _Sums:
    """Sums over the files of a plan, and the oldest of them: a million files cost what twenty do."""

    now: float
    max_age: float
    files: int = 0
    size: int = 0
    again: int = 0
    due: int = 0
    due_size: int = 0
    by_mtime_alone: int = 0
    ruled: Counter[str] = field(default_factory=Counter)
    _oldest: list[tuple[float, int, Chosen]] = field(default_factory=list)
    """A heap with the youngest of them in front."""

    def take(self, file: Chosen, rule: str) -> None:
        self.files += 1
        self.size += file.size
        self.again += file.again
        if rule:
            self.ruled[rule] += 1
        else:
            self._age(file)
        # Of the same age those that were found first are the ones that stay.
        place = (-file.registered_at, -self.files, file)
        if len(self._oldest) < FIRST:
            heappush(self._oldest, place)
        elif place > self._oldest[0]:
            heappushpop(self._oldest, place)

    def _age(self, file: Chosen) -> None:
        due = file.due(self.now, self.max_age)
        if due:
            self.due += 1
            self.due_size += file.size
        if file.otherwise is not None and due != is_too_old(file.otherwise, self.now, self.max_age):
            self.by_mtime_alone += 1

    def first(self) -> tuple[Chosen, ...]:
        return tuple(sorted((file for _, _, file in self._oldest), key=lambda file: (file.registered_at, file.path)))


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
    context: Context,
    what: Wanted,
    now: float,
    *,
    recent: float = 0.0,
    part: Part = WHOLE,
    stop: Callable[[], bool],
) -> Adoption:
    """Do ``adopt`` without a plan; ``recent`` and ``part`` are as in ``Survey``."""
    if not context.registry.properties.keeps_identity:
        # By its path alone, what nobody registered must not be removed.
        raise InvalidArgumentError("records in memory do not say which file is meant: adopt into a durable registry")
    context.clock_guard.wall()  # the line comes down before records carry an earlier time
    what = replace(what, spared=(*what.spared, *context.registry.properties.files))
    known = functools.partial(on_record, context.registry)
    survey = UnitSurvey(what, known, now) if what.units else Survey(what, known, now, recent=recent, part=part)
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
    for path, since, size, identity, again, disk, fresh, _ in batch:
        if fresh:
            # The rest of the record is its application's, if that has registered it since it was looked at.
            with suppress(RecordClaimedError):  # a sweep is at it
                context.registry.amend(path, since)
            continue
        due_at = None if what.ttl is None else since + what.ttl
        row = (path, due_at, None if what.units else size, (TAG,), identity, disk)
        by_time.setdefault((since, again), []).append(row)
    for (since, again), rows in by_time.items():
        # What its application has registered since it was looked at is the application's.
        if what.units:
            context.registry.add(rows, since, only_new=not again, natures=natures)
        else:
            context.registrar.put(rows, since, only_new=not again)
    logs.registered_all(file.path for file in batch if not file.fresh)


# -- directories to be looked through at every sweep
