"""Health: facts gathered at small cost, and one judgement of them: healthy, degraded or unhealthy.

Unhealthy is what keeps sweeps from doing their work at all, and somebody should step in at once. Degraded is what they
work on through, and somebody should look at: restarting helps none of it, and a full disk is when a sweep that goes on
is needed most.

========================================  =========  =====================================================
what                                      is         because
========================================  =========  =====================================================
the base directory is gone, or read-only  unhealthy  nothing can be made or removed there
the registry cannot be read or changed    unhealthy  nothing can be registered or swept
the scheduler's thread has ended          unhealthy  nothing sweeps any more, and nothing says so
more records than ``max_files``           degraded   the specification says so; each is still swept in time
a file is due for long, and still there   degraded   its removal fails, nothing proves that it may be removed,
                                                     or nobody sweeps; others may go well
sweeps are paused by a fleet's policy      degraded   somebody wants that, and may have forgotten it
settings were read again and refused       degraded   the former are in force, and somebody thinks otherwise
a shared volume is not mounted            degraded   nothing on it is removed, registered or forgotten
registrations wait for the server         degraded   no sweep knows of them before it can be reached
a limit cannot be kept                    degraded   what fills it is in use, protected or not on record
the clock is not trusted                  degraded   sweeps go on by elapsed time, and take some files late
the disk is full, or nearly               degraded   registering fails, sweeps do not
========================================  =========  =====================================================
"""

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum

from temp_file_manager.causes import Cause, sentence
from temp_file_manager.context import Context
from temp_file_manager.errors import RegistryError
from temp_file_manager.inspection.limits import unmet
from temp_file_manager.records import Order, Selection, TempFile
from temp_file_manager.registry import Registry
from temp_file_manager.registry.answers import Spooled
from temp_file_manager.rules import verdict, waiting_since
from temp_file_manager.settings import Settings
from temp_file_manager.storage.kernel.space import Room, room
from temp_file_manager.sweeping.rule_notes import held
from temp_file_manager.sweeping.watermark import Reading
from temp_file_manager.text import printable, span

FAR_OVERDUE = 3600.0
"""Seconds a file may be overdue at least; three intervals between sweeps, where those are more."""

_INTERVALS = 3
_FAILING = 100
"""Of what could not be removed, so many of those with the most failures are looked at: some may not be due."""


class Grade(StrEnum):
    """How well it is, from well to worst."""

    HEALTHY = "healthy"
    DEGRADED = "degraded"
    UNHEALTHY = "unhealthy"


@dataclass(frozen=True, slots=True)
class Facts:
    """What is judged.

    Attributes:
        base_dir: The base directory.
        max_age: Seconds a file without its own ttl may live.
        timestamp: When this was looked at, seconds since the epoch.
        registry: Where records live, as it may be shown.
        base_there: Whether the base directory is a directory.
        base_writable: Whether this process may make and remove files in it.
        room: What is free there; None when it cannot be told.
        registry_trouble: Why the registry cannot be used, in words; empty when it can.
        records: How many; None when that cannot be told.
        overdue: Seconds for which the longest overdue record should have been gone; 0 when none is due. What a sweep
            looked at and kept, as somebody has it open, counts from when it is to be looked at again; what every sweep
            keeps does not.
        late: That record.
        clock_doubt: Why the clock is not trusted; empty when it is.
        scheduler_alive: None when this process runs none.
        unmet: The limits that cannot be kept, by their names, and why.
        rules_held: Why rules that are new are not in force; empty when they are.
        settings_refused: Why settings that were read again are not in force; empty when they are.
        paused: The policy of the fleet that lets nothing be swept, in words; empty: none does.
        volume_absent: Why the shared volume is not there, and what to do; empty when it is, or there is none.
        spooled: What waits on this machine for the registry's server.
    """

    base_dir: str
    max_age: float
    timestamp: float
    registry: str
    base_there: bool = True
    base_writable: bool = True
    room: Room | None = None
    registry_trouble: str = ""
    records: int | None = 0
    overdue: float = 0.0
    late: TempFile | None = None
    clock_doubt: str = ""
    scheduler_alive: bool | None = None
    unmet: Mapping[str, str] = field(default_factory=dict)
    rules_held: str = ""
    settings_refused: str = ""
    paused: str = ""
    volume_absent: str = ""
    spooled: Spooled = Spooled()  # noqa: RUF009 - as frozen as its values


@dataclass(frozen=True, slots=True)
class Health:
    """The judgement; the specification's 7.4 gave ``status``, ``error``, ``warning`` and the like their names.

    Attributes:
        status: The worst that was found.
        reasons: What is wrong and what to do, the worst first; empty when all is well.
        base_dir: The base directory.
        max_age: Seconds a file without its own ttl may live.
        timestamp: When this was looked at, seconds since the epoch.
        records: How many; None when that cannot be told.
        max_files: With more it is degraded.
        overdue: Seconds for which the longest overdue record should have been gone; 0 when none is due.
        free_share: What part of the base directory's disk is free, 0 to 1; None when it cannot be told.
        clock_trusted: Whether scheduled sweeps trust the wall clock.
        scheduler_alive: None when this process runs none.
        registry: Where records live, as it may be shown.
    """

    status: Grade
    reasons: tuple[str, ...]
    base_dir: str
    max_age: float
    timestamp: float
    records: int | None
    max_files: int
    overdue: float
    free_share: float | None
    clock_trusted: bool
    scheduler_alive: bool | None
    registry: str

    @property
    def active_files(self) -> int | None:
        """``records``, as the specification calls them."""
        return self.records

    @property
    def error(self) -> str | None:
        """The first reason why it is unhealthy; None when it is not."""
        return self.reasons[0] if self.status is Grade.UNHEALTHY else None

    @property
    def warning(self) -> str | None:
        """The first reason why it is degraded; None when it is better or worse."""
        return self.reasons[0] if self.status is Grade.DEGRADED else None

    def described(self) -> dict[str, object]:
        """Return it for programs: what the specification's health check returns, under its names, and the rest."""
        told = {"error": self.error, "warning": self.warning}
        return {
            "status": str(self.status),
            **{name: text for name, text in told.items() if text is not None},
            "reasons": list(self.reasons),
            "active_files": self.active_files,
            "base_dir": self.base_dir,
            "max_age": self.max_age,
            "timestamp": self.timestamp,
            "records": self.records,
            "max_files": self.max_files,
            "overdue": self.overdue,
            "free_share": self.free_share,
            "clock_trusted": self.clock_trusted,
            "scheduler_alive": self.scheduler_alive,
            "registry": self.registry,
        }


# -- judging


def judge(facts: Facts, settings: Settings) -> Health:
    """Judge facts by the table above; asks nothing and nobody.

    Args:
        facts: What was found.
        settings: Whose ``max_files`` and ``cleanup_interval`` count.
    """
    unhealthy, degraded = tuple(_unhealthy(facts)), tuple(_degraded(facts, settings))
    return Health(
        status=Grade.UNHEALTHY if unhealthy else Grade.DEGRADED if degraded else Grade.HEALTHY,
        reasons=unhealthy + degraded,
        base_dir=facts.base_dir,
        max_age=facts.max_age,
        timestamp=facts.timestamp,
        records=facts.records,
        max_files=settings.max_files,
        overdue=facts.overdue,
        free_share=None if facts.room is None else facts.room.share,
        clock_trusted=not facts.clock_doubt,
        scheduler_alive=facts.scheduler_alive,
        registry=facts.registry,
    )


def _unhealthy(facts: Facts) -> Iterator[str]:
    base = printable(facts.base_dir)
    if not facts.base_there and not facts.volume_absent:
        yield f"the base directory {base} is not there: make it again, or start what works in it, which makes it"
    elif not facts.base_writable and not facts.volume_absent:
        yield f"the base directory {base} cannot be written: let this user write there, or mount it for writing"
    if facts.registry_trouble:
        yield f"the registry cannot be used: {facts.registry_trouble}"
    if facts.scheduler_alive is False:
        yield "the scheduler's thread has ended: call start() again, and look in the log for what ended it"


def _degraded(facts: Facts, settings: Settings) -> Iterator[str]:
    if facts.records is not None and facts.records > settings.max_files:
        yield (
            f"{facts.records} files are registered, more than MAX_TEMP_FILES ({settings.max_files}): shorten their "
            "ages, sweep more often, or allow more"
        )
    if facts.late is not None and facts.overdue > max(FAR_OVERDUE, _INTERVALS * settings.cleanup_interval):
        yield _overdue(facts.late, facts.overdue)
    for name, why in facts.unmet.items():
        yield f'limit "{printable(name)}" is not met: {printable(why)}; ask temp-file-manager limits'
    if facts.volume_absent:
        yield f"the shared volume is not there: {printable(facts.volume_absent)}"
    if facts.spooled.oldest is not None:
        since = span(max(0.0, facts.timestamp - facts.spooled.oldest))
        yield (
            f"{facts.spooled.records} registrations wait on this machine for the registry's server, the first for "
            f"{since}: no sweep knows of them yet; see that the server can be reached"
        )
    if facts.rules_held:
        yield f"new rules are not in force: {printable(facts.rules_held)}"
    if facts.settings_refused:
        yield f"settings were read again and refused, the former are in force: {printable(facts.settings_refused)}"
    if facts.paused:
        yield f"sweeps are paused by fleet policy {printable(facts.paused)}"
    if facts.clock_doubt:
        yield f"the clock is not trusted: {facts.clock_doubt}"
    room = facts.room
    if room is not None and room.is_little:
        yield (
            f"the disk of {printable(facts.base_dir)} is full or nearly so: {room.bytes // 1024} KiB"
            f"{'' if room.inodes is None else f' and {room.inodes} more files'} are free; "
            "make room, to which a sweep may help, and works on a full disk"
        )


def _overdue(late: TempFile, seconds: float) -> str:
    if late.kept_for:
        cause = sentence(Cause(late.kept_for)) or late.kept_for
        found = f"every sweep keeps it ({cause}): ask temp-file-manager why about it"
    elif late.failures:
        found = f"its removal failed {late.failures} times: ask temp-file-manager why about it, and clear the way"
    else:
        found = "no sweep has taken it: start the scheduler or temp-file-manager run, or ask temp-file-manager why"
    return f"{printable(late.path)} should have been gone for {span(seconds)}, and {found}"


# -- gathering


def examine(context: Context, *, trouble: str = "") -> Health:
    """Look at a manager's parts and surroundings, and judge, at a cost that does not grow with the records.

    (In memory, looking at what is due copies a list: some milliseconds for a million records.) Changes nothing, and
    raises nothing: what cannot be asked is a reason.

    Args:
        context: Its parts.
        trouble: Why the registry that is meant cannot be used, and another one is asked.
    """
    registry = context.registry
    facts = Facts(
        base_dir=context.base_dir,
        max_age=context.max_age,
        timestamp=context.clock.wall(),
        registry=registry.properties.address,
        base_there=os.path.isdir(context.base_dir),
        base_writable=os.access(context.base_dir, os.W_OK | os.X_OK),
        room=room(context.base_dir),
        scheduler_alive=context.scheduler.alive,
        registry_trouble=trouble,
        settings_refused=context.applied.refused,
    )
    if registry.properties.outlives_process and not facts.base_there and context.volume is None:
        # A registry that was closed would be opened, and its directory made again.
        return judge(replace(facts, records=None), context.settings)
    try:
        facts = replace(facts, spooled=registry.spooled())  # first: it is known without the server, too
        facts = _asked(context, facts)
    except Exception as error:  # as in the specification: whatever a registry raises is its ill health
        facts = replace(facts, records=None, registry_trouble=str(error) or repr(error))
    return judge(facts, context.settings)


def _asked(context: Context, facts: Facts) -> Facts:
    registry = context.registry
    _refuse_read_only(registry)  # before SQLite makes a file that was removed again, empty
    records = registry.stats().records
    _refuse_read_only(registry)  # which it may have found on opening the file
    reading = context.clock_guard.peek()
    late, overdue = _latest(context, reading)
    pausing = context.policies.pausing
    return replace(
        facts,
        records=records,
        overdue=overdue,
        late=late,
        clock_doubt=reading.reason if not reading.trusted else "",
        unmet=unmet(context),
        rules_held=held(registry),
        paused=pausing.words() if pausing is not None else "",
        volume_absent=context.volume.why_absent() if context.volume else "",
    )


def _refuse_read_only(registry: Registry) -> None:
    if registry.read_only:
        raise RegistryError(registry.read_only)


def _latest(context: Context, reading: Reading) -> tuple[TempFile | None, float]:
    """Return the record that should have been gone for longest, and since how many seconds.

    It is the first that sweeps would take, or one that they could not remove: those are put off each time.
    """
    due = Selection(reading.asof, context.max_age)
    now, page = context.clock.elapsed(), context.registry.page
    first = page(due, now=now, limit=1).records
    failing = page(replace(due, order=Order.FAILING), now=now, limit=_FAILING).records
    records = [*first, *(record for record in failing if verdict(record, due).due)]
    late = min(records, key=lambda record: _to_go(record, due), default=None)
    return late, 0.0 if late is None else max(0.0, due.asof - _to_go(late, due))


def _to_go(record: TempFile, due: Selection) -> float:
    # What was kept counts from when it is looked at again, unless every sweep keeps it.
    retry_at = None if record.failures or record.kept_for else record.retry_at
    return waiting_since(record.registered_at, record.due_at, retry_at, due.max_age)
