"""Prospects of files: the rule that decides about each, from when, and what each kind of sweep would do now."""

import math
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import NamedTuple

from temp_file_manager.causes import Cause
from temp_file_manager.context import Context
from temp_file_manager.errors import InvalidArgumentError, LargeSweepError
from temp_file_manager.inspection.patience import Patience
from temp_file_manager.inspection.quarantine import had_back
from temp_file_manager.inspection.sessions import ends
from temp_file_manager.records import Outcome, Selection, Status, TempFile
from temp_file_manager.registering.on_record import on_record, reached
from temp_file_manager.registry import Registry
from temp_file_manager.rules import LAST_RETRY, due_at, verdict, waits
from temp_file_manager.storage.contract import Storage
from temp_file_manager.storage.kernel.file_flags import obstacle
from temp_file_manager.storage.paths import AnyPath, as_recorded
from temp_file_manager.sweeping.decisions import as_beyond
from temp_file_manager.sweeping.sessions import as_swept

NOT_REGISTERED = "not registered"


class Rule(StrEnum):
    """What decides about a file."""

    NOT_REGISTERED = "not registered"
    HOLD = "hold"
    PIN = "pin"
    SESSION = "session"
    BACK_OFF = "back-off"
    TTL = "ttl"
    RULE = "rule"
    MAX_AGE = "max_age"
    CLOCK = "clock"
    LARGE_SWEEP = "large sweep"
    PAUSE = "pause"
    CLAIM = "another sweep"
    NOT_COMPRESSED = "not compressed"
    IN_USE = "in use"
    UNKNOWN = "nothing can tell whether it is in use"
    REPLACED = "replaced"
    REWRITTEN = "rewritten"
    DIRECTORY_REPLACED = "directory replaced"
    DIRECTORY_ABSENT = "directory absent"
    DOUBT = "nothing can tell whether it is the file"
    GONE = "gone"
    OBSTACLE = "cannot be removed"
    WITHIN = "something in it"


@dataclass(frozen=True, slots=True)
class Forecast:
    """What one kind of sweep would do with the file now.

    Attributes:
        status: What would become of the record; None: the sweep would leave it alone.
        rule: What decides.
        reason: Why, in words.
        at: From when on such a sweep would take it up, seconds since the epoch: the past when it would now, infinity
            when it never would; None when it is no matter of time.
        caveat: What a removal would not achieve, in words: that nothing guarantees that the content is overwritten.
    """

    status: Status | None
    rule: Rule
    reason: str
    at: float | None = None
    caveat: str = ""


@dataclass(frozen=True, slots=True)
class Prospects:
    """Prospects of one path: what each kind of sweep would do. Nothing of it outlasts the moment: look again.

    Attributes:
        path: Absolute.
        asof: The moment, by the wall clock.
        record: None when it is not registered.
        max_age: Seconds; what decides about records without their own ttl.
        capped_by: The target of the fleet policy that caps it; empty: none does.
        due_at: When its age or its ttl makes it due, seconds since the epoch; None when it is not registered.
        cleanup: What a bare ``cleanup()`` would do, which asks nobody whether the file is open.
        command_line: What ``temp-file-manager sweep`` would do; it protects open files if the settings say so.
        scheduled: What a scheduled sweep would do; it backs off, too, and does not trust the wall clock.
    """

    path: str
    asof: float
    record: TempFile | None
    max_age: float
    capped_by: str
    due_at: float | None
    cleanup: Forecast
    command_line: Forecast
    scheduled: Forecast

    @property
    def rule(self) -> Rule:
        """What decides for scheduled sweeps, which heed every rule."""
        return self.scheduled.rule


class Looks(NamedTuple):
    """Patience with the files that are asked about, and with the processes that may have them open."""

    files: Patience
    processes: Patience


def prospects(context: Context, names: Sequence[str], looks: Looks | None = None) -> list[Prospects]:
    """Return what each kind of sweep would do with each of some paths; the guards are asked once for all.

    Args:
        context: Whose records and settings count.
        names: As ``named`` returns them.
        looks: With what patience, for all of them together; None: with all there is.

    Raises:
        RegistryError: the registry cannot be read.
    """
    known = records_of(context.registry, names, looks.files) if looks else on_record(context.registry, names)
    asof, max_age, by = context.clock.wall(), context.max_age, context.policies.capped_by
    known = as_beyond(context.registry, context.settings.rules, known, asof)
    forecasts = dict(zip(known, _forecasts(context, known, asof, looks), strict=True))
    due = {name: _due_at(record, max_age) for name, record in known.items()}
    nobody = (Forecast(None, Rule.NOT_REGISTERED, NOT_REGISTERED),) * 3
    for name, words in had_back(context, [name for name in names if name not in known], asof).items():
        forecasts[name] = (Forecast(None, Rule.NOT_REGISTERED, words),) * 3
    return [
        Prospects(name, asof, known.get(name), max_age, by, due.get(name), *forecasts.get(name, nobody))
        for name in names
    ]


def records_of(registry: Registry, names: Iterable[str], patience: Patience) -> dict[str, TempFile]:
    """Return ``on_record``, as far as directories answer."""
    return on_record(registry, names, lambda directory: patience.ask(lambda: reached(directory), None))


def named(path: AnyPath) -> str:
    """Return a path made absolute, links not followed.

    Raises:
        TypeError: it is no path.
        InvalidArgumentError: it is empty, or no file can have such a name.
    """
    name = os.fsdecode(path)
    if not name:
        raise InvalidArgumentError("an empty path names no file")
    name = as_recorded(name)
    try:
        os.fsencode(name)
    except UnicodeEncodeError as error:
        raise InvalidArgumentError(f"no file can be called {name!r}") from error
    return name


Forecasts = tuple[Forecast, Forecast, Forecast]
"""What a bare cleanup, the command line and a scheduled sweep would do with one record."""


def _forecasts(
    context: Context, known: Mapping[str, TempFile], asof: float, looks: Looks | None
) -> Iterator[Forecasts]:
    if not known:
        return
    due, records = Selection(asof, context.max_age), list(known.values())
    bare = protecting = _predicted(context, context.storages.bare, records, looks and looks.files)
    if context.settings.protect_open and not (looks and looks.files.lost):
        protecting = _predicted(context, context.storages.protecting, records, looks and looks.processes)
    claimed = context.registry.claimed([record.path for record in records], now=context.clock.elapsed())
    command_line, scheduled = (_Unattended(context, due, patient=patient) for patient in (False, True))
    ended = ends(context, records)
    swept = [as_swept(context.registry, known, when).values() for when in (asof, command_line.asof, scheduled.asof)]
    for *found, unasked, asked in zip(*swept, bare, protecting, strict=True):
        taken = found[0].path in claimed
        three = (
            _forecast(found[0], due, unasked, taken),
            command_line.forecast(found[1], asked, taken),
            scheduled.forecast(found[2], asked, taken),
        )
        yield _in_words(three, ended.get(found[0].session))


def _in_words(three: Forecasts, end: str | None) -> Forecasts:
    """Let forecasts say of which session it is the end that decides."""
    if end is None:
        return three
    first, second, third = (replace(one, reason=end) if one.rule is Rule.SESSION else one for one in three)
    return first, second, third


def _predicted(context: Context, storage: Storage, records: list[TempFile], patience: Patience | None) -> list[Outcome]:
    """Return what a storage foretells, and what it cannot see: obstacles."""
    if patience is None:
        return _foretold(context, storage, records)
    silent = [Outcome(record, Status.FAILED, Cause.HUNG, "it does not answer") for record in records]
    return patience.ask(lambda: _foretold(context, storage, records), silent)


def _foretold(context: Context, storage: Storage, records: list[TempFile]) -> list[Outcome]:
    by_name = storage is context.storages.bare
    odd = [by_name and "\0" in record.path for record in records]
    told = iter(list(storage.predict(record for record, is_odd in zip(records, odd, strict=True) if not is_odd)))
    return [
        Outcome(record, Status.FAILED, Cause.OBSTACLE, "the path holds a NUL character")
        if is_odd
        else _hindered(next(told))
        for record, is_odd in zip(records, odd, strict=True)
    ]


_ACTS = (Status.REMOVED, Status.QUARANTINED, Status.COMPRESSED)
"""What takes a file from its place."""


def _hindered(outcome: Outcome) -> Outcome:
    record = outcome.record
    why_not = obstacle(record.path) if outcome.status in (*_ACTS, Status.FAILED) else ""
    return Outcome(record, Status.FAILED, Cause.OBSTACLE, why_not) if why_not else outcome


class _Unattended:
    """A sweep that distrusts the clock and asks before it removes much; a held-up scheduled one goes on as before."""

    def __init__(self, context: Context, due: Selection, *, patient: bool) -> None:
        self._trusting = due
        self._reading = context.clock_guard.peek(records=True)
        self._due = replace(due, asof=self._reading.asof, patient=patient)
        self._former = _former(context, self._due)
        self._pausing = context.policies.pausing

    @property
    def asof(self) -> float:
        """The moment that it reads ages at, seconds since the epoch."""
        return self._due.asof

    def forecast(self, record: TempFile, outcome: Outcome, claimed: bool) -> Forecast:
        """Return what it would do with a record."""
        forecast = _forecast(record, self._former or self._due, outcome, claimed)
        if self._pausing is not None and forecast.status is not None:
            return Forecast(None, Rule.PAUSE, f"sweeps are paused by fleet policy {self._pausing.words()}")
        if self._former is not None and not self._due.patient:
            return Forecast(None, Rule.LARGE_SWEEP, "a change of settings holds it up: it would remove nothing")
        if forecast.status is None and forecast.rule in (Rule.SESSION, Rule.TTL, Rule.RULE, Rule.MAX_AGE):
            if self._former is not None and verdict(record, self._due).due:
                reason = "a change of settings would remove unusually many files at once: see sweep --dry-run"
                return Forecast(None, Rule.LARGE_SWEEP, reason)
            if not self._reading.trusted and verdict(record, self._trusting).due:
                return Forecast(None, Rule.CLOCK, f"the wall clock is not trusted: {self._reading.reason}")
        return forecast


def _former(context: Context, due: Selection) -> Selection | None:
    """Return the selection by the settings before, where a change of them holds this one up."""
    try:
        context.large_sweep_guard.check(due, now=context.clock.elapsed())
    except LargeSweepError as error:
        return replace(due, max_age=error.former["max_age"])
    return None


def _forecast(record: TempFile, due: Selection, outcome: Outcome, claimed: bool) -> Forecast:
    found = verdict(record, due)
    rule = _time_rule(record, due)
    if not found.due:
        return Forecast(None, rule, found.reason, None if rule is Rule.HOLD else _at(record, due))
    if claimed:
        return Forecast(None, Rule.CLAIM, "another sweep is at it just now")
    if outcome.status in _ACTS:
        return Forecast(outcome.status, rule, found.reason, _at(record, due), outcome.reason)
    return Forecast(outcome.status, _other_rule(outcome), outcome.reason, outcome.due_at)


def _due_at(record: TempFile, max_age: float) -> float:
    return due_at(record.registered_at, record.due_at, max_age)


def _time_rule(record: TempFile, due: Selection) -> Rule:
    """Say which part of ``rules.verdict`` decides, in its order."""
    if record.held:
        return Rule.HOLD
    if record.pinned_until is not None and record.pinned_until > due.asof:
        return Rule.PIN
    if due.patient and record.retry_at is not None and waits(record.retry_at, due.asof):
        return Rule.BACK_OFF
    if record.session:
        return Rule.SESSION
    return Rule.RULE if record.rule else Rule.MAX_AGE if record.due_at is None else Rule.TTL


_RULES = {
    Cause.GONE: Rule.GONE,
    Cause.REPLACED: Rule.REPLACED,
    Cause.REWRITTEN: Rule.REWRITTEN,
    Cause.NOT_COMPRESSED: Rule.NOT_COMPRESSED,
    Cause.IN_USE: Rule.IN_USE,
    Cause.RULE: Rule.RULE,
    Cause.USE_UNKNOWN: Rule.UNKNOWN,
    Cause.KEPT_WITHIN: Rule.WITHIN,
    Cause.OTHER_DIRECTORY: Rule.DIRECTORY_REPLACED,
    Cause.ABSENT_DIRECTORY: Rule.DIRECTORY_ABSENT,
    Cause.ABSENT_VOLUME: Rule.DIRECTORY_ABSENT,
}


def _other_rule(outcome: Outcome) -> Rule:
    """Say what keeps, or spares, a file that is due."""
    return _RULES.get(outcome.cause, Rule.OBSTACLE if outcome.status is Status.FAILED else Rule.DOUBT)


def _at(record: TempFile, due: Selection) -> float:
    pinned = -math.inf if record.pinned_until is None else record.pinned_until
    retry = -math.inf
    if due.patient and record.retry_at is not None and record.retry_at <= due.asof + LAST_RETRY:
        retry = record.retry_at
    return max(_due_at(record, due.max_age), pinned, retry)
