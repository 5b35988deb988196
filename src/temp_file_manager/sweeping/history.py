"""The history: the last sweeps, and samples of how much there was, kept in the registry as records are."""

import math
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, NamedTuple

from temp_file_manager import logs
from temp_file_manager.clock import Clock
from temp_file_manager.errors import RegistryError, RegistryFullError
from temp_file_manager.registry import Registry
from temp_file_manager.registry.answers import Note
from temp_file_manager.registry.counters import of_sweep
from temp_file_manager.reports import Reason, SweepReport

_SWEEPS = "sweeps"

SWEEPS = 1000
"""How many of the last sweeps are kept."""

STEPS: Mapping[int, int] = {60: 1440, 900: 2880, 86400: 3650}
"""Seconds between samples, and how many of each are kept: a day of minutes, a month of quarters, ten years of days."""


class Sweep(NamedTuple):
    """A sweep that was: see ``SweepReport``.

    Attributes:
        at: When it ended, seconds since the epoch.
        scheduled: Whether a scheduler began it; else somebody asked for it.
        duration: Seconds.
    """

    at: float
    scheduled: bool
    duration: float
    removed: int
    gone: int
    replaced: int
    kept: int
    failed: int
    skipped: int
    stopped: str
    reasons: tuple[Reason, ...]
    quarantined: int = 0
    compressed: int = 0

    def described(self) -> dict[str, object]:
        """Return it for programs."""
        return self._asdict() | {"reasons": [reason._asdict() for reason in self.reasons]}


class Sample(NamedTuple):
    """How much there was.

    Attributes:
        at: Seconds since the epoch.
        records: How many files were on record.
        bytes: The sum of their sizes; None where sizes are not kept.
    """

    at: float
    records: int
    bytes: int | None


class History:
    """Writes and reads what happened.

    Args:
        registry: Where it is kept.
        clock: What tells the time.
    """

    def __init__(self, registry: Registry, clock: Clock) -> None:
        self._registry = registry
        self._clock = clock

    def swept(self, report: SweepReport, *, scheduled: bool) -> None:
        """Keep a sweep, but for one that somebody asked for and that found nothing.

        In memory, of those that somebody asks for only the duration is kept: applications clean up so after each file,
        and have the report.
        """
        found = report.retired or report.replaced or report.kept or report.failed
        asked_in_vain = not scheduled and not found
        if report.dry_run or asked_in_vain:
            return
        if not (scheduled or self._registry.properties.outlives_process):
            self._registry.write(_SWEEPS, None, self._clock.wall(), keep=SWEEPS, counters=of_sweep(report.duration))
            return
        from json import dumps  # noqa: PLC0415 - slow to import, and most who clean up in memory never come here

        sweep = Sweep(self._clock.wall(), scheduled, report.duration, **_told(report))
        try:
            self._registry.write(_SWEEPS, dumps(sweep), sweep.at, keep=SWEEPS, counters=of_sweep(report.duration))
        except RegistryFullError:
            return  # the next one is kept again: this one may have made room
        except RegistryError as error:  # what it did is done, and its report must not be lost with this
            logs.not_noted(error)

    def sample(self) -> None:
        """Keep how much there is now, once for each step that has begun, whoever shares the registry."""
        from json import dumps  # noqa: PLC0415 - as above

        now = self._clock.wall()
        for step, keep in STEPS.items():
            at = now // step * step
            last = self._registry.read(_samples(step), limit=1)
            if not last or last[0].at != at:
                stats = self._registry.stats()
                with suppress(RegistryFullError):  # a gap in a curve
                    self._registry.write(_samples(step), dumps([stats.records, stats.bytes]), at, keep=keep)

    def sweeps(self, limit: int) -> tuple[Sweep, ...]:
        """Return the last sweeps, the newest first."""
        return tuple(map(_sweep, self._registry.read(_SWEEPS, limit=limit)))

    def samples(self, step: int, since: float = -math.inf) -> tuple[Sample, ...]:
        """Return samples, the oldest first.

        Args:
            step: One of ``STEPS``.
            since: Seconds since the epoch.
        """
        from json import loads  # noqa: PLC0415 - as above

        notes = self._registry.read(_samples(step), since=since, limit=STEPS[step])
        found = {note.at: Sample(note.at, *loads(note.text)) for note in reversed(notes)}
        return tuple(found[at] for at in sorted(found))  # a clock that goes back writes out of order


def _samples(step: int) -> str:
    return f"samples.{step}"


def _told(report: SweepReport) -> dict[str, Any]:
    names = "removed gone replaced kept failed skipped stopped reasons quarantined compressed"
    return {name: getattr(report, name) for name in names.split()}


def _sweep(note: Note) -> Sweep:
    from json import loads  # noqa: PLC0415 - as above

    told = Sweep(*loads(note.text))  # of a version that quarantined nothing: without what follows the reasons
    return told._replace(reasons=tuple(Reason(*reason) for reason in told.reasons))
