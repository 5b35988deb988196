"""The reason why a file stays or goes: the rule that decides, each kind of sweep's answer, the file's users."""

import math
import os
import stat
from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import StrEnum

from temp_file_manager.context import Context
from temp_file_manager.errors import InvalidArgumentError, LargeSweepError
from temp_file_manager.records import Cause, Identity, Outcome, Selection, Status, TempFile
from temp_file_manager.rules import due_at, verdict
from temp_file_manager.storage.contract import Storage
from temp_file_manager.storage.identity import same_directory, same_file
from temp_file_manager.storage.kernel.file_flags import obstacle
from temp_file_manager.storage.kernel.processes import FileUsers, file_users
from temp_file_manager.storage.kernel.statx import HERE, Seen, looker
from temp_file_manager.storage.paths import AnyPath, absolute

_PAGE = 1000
_PAGES = 20
"""Of what is due, so much is looked through for records that another sweep is at."""


class Rule(StrEnum):
    """What decides about a file."""

    NOT_REGISTERED = "not registered"
    HOLD = "hold"
    PIN = "pin"
    BACK_OFF = "back-off"
    TTL = "ttl"
    MAX_AGE = "max_age"
    CLOCK = "clock"
    LARGE_SWEEP = "large sweep"
    CLAIM = "another sweep"
    IN_USE = "in use"
    UNKNOWN = "nothing can tell whether it is in use"
    REPLACED = "replaced"
    DIRECTORY_REPLACED = "directory replaced"
    DOUBT = "nothing can tell whether it is the file"
    GONE = "gone"
    OBSTACLE = "cannot be removed"


@dataclass(frozen=True, slots=True)
class Forecast:
    """What one kind of sweep would do with the file now.

    Attributes:
        status: What would become of the record; None: the sweep would leave it alone.
        rule: What decides.
        reason: Why, in words.
        at: From when on such a sweep would take it up, seconds since the epoch: the past when it would now, infinity
            when it never would; None when it is no matter of time.
    """

    status: Status | None
    rule: Rule
    reason: str
    at: float | None = None


@dataclass(frozen=True, slots=True)
class Explanation:
    """All there is to say about one path. Nothing of it outlasts the moment: look again.

    Attributes:
        path: Absolute.
        asof: The moment, by the wall clock.
        record: None when it is not registered.
        max_age: Seconds; what decides about records without their own ttl.
        due_at: When its age or its ttl makes it due, seconds since the epoch; None when it is not registered.
        cleanup: What a bare ``cleanup()`` would do, which asks nobody whether the file is open.
        command_line: What ``temp-file-manager sweep`` would do; it protects open files if the settings say so.
        scheduled: What a scheduled sweep would do; it backs off, too, and does not trust the wall clock.
        kind: What is there now: ``a regular file``, ``a link``, … ``nothing``.
        size: Its bytes now; None when it cannot be looked at.
        found: What identifies it now, to be compared with ``record.identity``.
        same_file: Whether it is the file that was registered; None when nothing can tell.
        same_directory: Whether it lies in the directory it was registered in; None when nothing can tell.
        users: Which processes have it open, as far as they can be seen.
        last: What the last sweep that took it up made of it, as far as the registry keeps it: not the words.
    """

    path: str
    asof: float
    record: TempFile | None
    max_age: float
    due_at: float | None
    cleanup: Forecast
    command_line: Forecast
    scheduled: Forecast
    kind: str
    size: int | None
    found: Identity | None
    same_file: bool | None
    same_directory: bool | None
    users: FileUsers
    last: str

    @property
    def rule(self) -> Rule:
        """What decides for scheduled sweeps, which heed every rule."""
        return self.scheduled.rule


def why(context: Context, path: AnyPath) -> Explanation:
    """Explain one path: registered or not, there or not. Changes nothing.

    Args:
        context: Whose records and settings count.
        path: Made absolute, links not followed.

    Raises:
        TypeError: ``path`` is no path.
        InvalidArgumentError: it is empty, or no file can have such a name.
        RegistryError: the registry cannot be read.
    """
    name = _named(path)
    record = context.registry.get((name,)).get(name)
    asof = context.clock.wall()
    seen, found = _looked_at(name)
    if record is None:
        none = Forecast(None, Rule.NOT_REGISTERED, "not registered")
        bare = command_line = scheduled = none
    else:
        bare, command_line, scheduled = _Looking(context, record, asof).forecasts()
    known = None if record is None else record.identity
    return Explanation(
        path=name,
        asof=asof,
        record=record,
        max_age=context.max_age,
        due_at=None if record is None else due_at(record.registered_at, record.due_at, context.max_age),
        cleanup=bare,
        command_line=command_line,
        scheduled=scheduled,
        kind=_kind(seen),
        size=None if seen is None else seen.size,
        found=found,
        same_file=None if known is None or seen is None else same_file(known, seen),
        same_directory=None if known is None or found is None else _same_directory(known, found),
        users=file_users(name),
        last=_last(record),
    )


def _named(path: AnyPath) -> str:
    name = os.fsdecode(path)
    if not name:
        raise InvalidArgumentError("an empty path names no file")
    name = absolute(name)
    try:
        os.fsencode(name)
    except UnicodeEncodeError as error:
        raise InvalidArgumentError(f"no file can be called {name!r}") from error
    return name


class _Looking:
    """At one record, as the three kinds of sweep would."""

    def __init__(self, context: Context, record: TempFile, asof: float) -> None:
        self._context = context
        self._record = record
        self._due = Selection(asof, context.max_age)

    def forecasts(self) -> tuple[Forecast, Forecast, Forecast]:
        """Return what a bare cleanup, the command line and a scheduled sweep would do."""
        bare = self._predicted(self._context.storage)
        protects = self._context.settings.protect_open
        protecting = self._predicted(self._context.protecting) if protects else bare
        claimed = self._claimed()
        command, scheduled = (self._unattended(protecting, claimed, patient=patient) for patient in (False, True))
        return self._forecast(self._due, bare, claimed), command, scheduled

    def _predicted(self, storage: Storage) -> Outcome:
        record = self._record
        if "\0" in record.path and storage is self._context.storage:
            return Outcome(record, Status.FAILED, Cause.OBSTACLE, "the path holds a NUL character")
        (outcome,) = storage.predict((record,))
        why_not = obstacle(record.path) if outcome.status in (Status.REMOVED, Status.FAILED) else ""
        return Outcome(record, Status.FAILED, Cause.OBSTACLE, why_not) if why_not else outcome

    def _unattended(self, outcome: Outcome, claimed: bool, *, patient: bool) -> Forecast:
        """Return what a sweep would do that distrusts the clock and asks; a held-up scheduled one goes on as before."""
        reading = self._context.clock_guard.peek(records=True)
        due = replace(self._due, asof=reading.asof, patient=patient)
        former = self._held_up(due)
        forecast = self._forecast(former or due, outcome, claimed)
        if former is not None and not patient:
            return Forecast(None, Rule.LARGE_SWEEP, "a change of settings holds it up: it would remove nothing")
        if forecast.status is None and forecast.rule in (Rule.TTL, Rule.MAX_AGE):
            if former is not None and verdict(self._record, due).due:
                reason = "a change of settings would remove unusually many files at once: see sweep --dry-run"
                return Forecast(None, Rule.LARGE_SWEEP, reason)
            if not reading.trusted and verdict(self._record, self._due).due:
                return Forecast(None, Rule.CLOCK, f"the wall clock is not trusted: {reading.reason}")
        return forecast

    def _held_up(self, due: Selection) -> Selection | None:
        try:
            self._context.large_sweep_guard.check(due, now=self._context.clock.elapsed())
        except LargeSweepError as error:
            return replace(due, max_age=error.former["max_age"])
        return None

    def _forecast(self, due: Selection, outcome: Outcome, claimed: bool) -> Forecast:
        record = self._record
        found = verdict(record, due)
        rule = _time_rule(record, due)
        if not found.due:
            return Forecast(None, rule, found.reason, None if rule is Rule.HOLD else _at(record, due))
        if claimed:
            return Forecast(None, Rule.CLAIM, "another sweep is at it just now")
        if outcome.status is Status.REMOVED:
            return Forecast(Status.REMOVED, rule, found.reason, _at(record, due))
        return Forecast(outcome.status, _other_rule(outcome), outcome.reason)

    def _claimed(self) -> bool:
        """Say whether another sweep has the record: then it is missing at its place among what is due."""
        if not verdict(self._record, self._due).due:
            return False
        place = due_at(self._record.registered_at, self._record.due_at, self._due.max_age)
        cursor: object | None = None
        for _ in range(_PAGES):
            page = self._context.registry.page(self._due, now=self._context.clock.elapsed(), limit=_PAGE, after=cursor)
            for other in page.records:
                if other.path == self._record.path:
                    return False
                if due_at(other.registered_at, other.due_at, self._due.max_age) > place:
                    return True
            cursor = page.cursor
            if cursor is None:
                return True
        return False


def _time_rule(record: TempFile, due: Selection) -> Rule:
    """Say which part of ``rules.verdict`` decides, in its order."""
    if record.held:
        return Rule.HOLD
    if record.pinned_until is not None and record.pinned_until > due.asof:
        return Rule.PIN
    if due.patient and record.retry_at is not None and record.retry_at > due.asof:
        return Rule.BACK_OFF
    return Rule.MAX_AGE if record.due_at is None else Rule.TTL


_RULES = {
    Cause.GONE: Rule.GONE,
    Cause.REPLACED: Rule.REPLACED,
    Cause.IN_USE: Rule.IN_USE,
    Cause.USE_UNKNOWN: Rule.UNKNOWN,
    Cause.OTHER_DIRECTORY: Rule.DIRECTORY_REPLACED,
}


def _other_rule(outcome: Outcome) -> Rule:
    """Say what keeps, or spares, a file that is due."""
    return _RULES.get(outcome.cause, Rule.OBSTACLE if outcome.status is Status.FAILED else Rule.DOUBT)


def _at(record: TempFile, due: Selection) -> float:
    pinned = -math.inf if record.pinned_until is None else record.pinned_until
    retry = record.retry_at if due.patient and record.retry_at is not None else -math.inf
    return max(due_at(record.registered_at, record.due_at, due.max_age), pinned, retry)


def _last(record: TempFile | None) -> str:
    if record is None or record.retry_at is None:
        return ""
    times = "once" if record.failures == 1 else f"{record.failures} times"
    return f"its removal has failed {times}" if record.failures else "the last sweep that took it up kept it"


# -- what is there


def _looked_at(path: str) -> tuple[Seen | None, Identity | None]:
    if "\0" in path:  # C would take what stands before it for the name
        return None, None
    look, name = looker(), os.fsencode(path)
    try:
        seen = look(HERE, name)
        around = look(HERE, name.rpartition(b"/")[0] + b"/.")
    except OSError:
        return None, None
    return seen, Identity(seen.inode, seen.born, seen.changed, around.inode, around.born)


def _same_directory(known: Identity, found: Identity) -> bool:
    return same_directory(known, Seen(0, found.parent_inode, 0, found.parent_born, 0))


def _kind(seen: Seen | None) -> str:
    if seen is None:
        return "nothing"
    kinds: tuple[tuple[Callable[[int], bool], str], ...] = (
        (stat.S_ISREG, "a regular file"),
        (stat.S_ISLNK, "a link"),
        (stat.S_ISDIR, "a directory"),
        (stat.S_ISFIFO, "a pipe"),
        (stat.S_ISSOCK, "a socket"),
    )
    return next((name for test, name in kinds if test(seen.mode)), "a device")
