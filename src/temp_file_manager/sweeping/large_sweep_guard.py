"""The guard of large sweeps: a wrong setting does not empty the disk.

What completed sweeps were made with is kept in the registry. What is due by settings that have been in force lately
has become so by the passing of time, and is nobody's mistake. Of two programs that share a registry, each with settings
of its own, neither is asked because of the other.
"""

import math
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace

from temp_file_manager.errors import LargeSweepError, RegistryFullError
from temp_file_manager.limits import Limit
from temp_file_manager.records import Selection
from temp_file_manager.registry import Registry
from temp_file_manager.reports import SweepReport
from temp_file_manager.rules import verdict

FILES = 1000
SHARE = 0.5

NAME = "swept_with"

LIMITS = "evicted_with"
"""The journal of limits that were kept."""

IN_FORCE = 7 * 86400.0
"""Seconds for which settings count as no change after a sweep by them, whatever others have swept by since."""

KEPT = 16
"""So many programs with settings of their own may share a registry."""

_RENEWED = 86400.0
_PAGE = 1000


class LargeSweepGuard:
    """Asks before a sweep that a change of settings has made large.

    Args:
        registry: Whose records are to be swept; where the settings are kept, under ``"swept_with"``.
        files: So many files more than by the former settings may always go.
        share: So large a part of all records, too.
    """

    def __init__(self, registry: Registry, *, files: int = FILES, share: float = SHARE) -> None:
        self._registry = registry
        self._files = files
        self._share = share
        self._latest: dict[str, float] = {}  # when a sweep by each settings was noted last
        self._kept: dict[str, float] = {}  # and when each limit was

    def bound(self, records: int, allow: int = 0) -> int:
        """Return how many of so many records may always go, or may as somebody has said so."""
        return max(self._files, int(records * self._share), allow)

    def check(self, due: Selection, *, now: float, allow: int = 0, stop: Callable[[], bool] = lambda: False) -> None:
        """Return if the sweep may begin.

        A forced sweep always may: whoever asks for everything has said so. So may the first sweep of all, as there is
        nothing that could have changed.

        Args:
            due: What the sweep wants.
            now: As in ``Claims.claim``.
            allow: So many files may go because of the change, whatever their share.
            stop: Asked while it counts, which takes a look at every record: True ends it, and the sweep must not begin.

        Raises:
            LargeSweepError: with the numbers and what to do.
        """
        if due.force:
            return
        notes = self._registry.read(NAME, limit=KEPT)
        self._latest = {note.text: note.at for note in reversed(notes)}
        text = _text(_settings(due))
        lately = due.asof - self._latest.get(text, -math.inf) < IN_FORCE
        if not notes or notes[0].text == text or lately:
            return
        former = _former(notes[0].text)
        records = self._registry.stats().records
        bound = self.bound(records, allow)
        if self._exceeds(bound, records, due, replace(due, max_age=former["max_age"]), now, stop):
            raise LargeSweepError(_message(bound, records, former, _settings(due)), former)

    def completed(self, due: Selection, report: SweepReport) -> None:
        """Keep what this sweep was made with, if it has handled all that was due."""
        if due.force or report.dry_run or report.stopped:
            return
        text = _text(_settings(due))
        if not abs(due.asof - self._latest.get(text, -math.inf)) < _RENEWED:
            with suppress(RegistryFullError):  # the next sweep may count again; this one has made room
                self._registry.write(NAME, text, due.asof, keep=KEPT)

    def check_limit(self, limit: Limit, records: int, asof: float, count: Callable[[int], int], allow: int) -> None:
        """Return if files may go for a limit.

        They may where it, or one that is as strict, has been kept lately: what there is now has come since.

        Args:
            limit: Which.
            records: How many it is about.
            asof: Seconds since the epoch.
            count: Says how many would go, and counts no further than it is told.
            allow: So many may go, whatever their share.

        Raises:
            LargeSweepError: with the numbers and what to do.
        """
        notes = self._registry.read(LIMITS, limit=KEPT)
        if any(asof - note.at < IN_FORCE and _is_as_strict(note.text, limit) for note in notes):
            return
        bound = self.bound(records, allow)
        if count(bound + 1) > bound:
            raise LargeSweepError(_limit_message(bound, records, limit), {})

    def in_force(self, limit: Limit, asof: float) -> None:
        """Keep that a limit is kept."""
        from json import dumps  # noqa: PLC0415 - as below

        text = dumps(_limit(limit), sort_keys=True)
        if not abs(asof - self._kept.get(text, -math.inf)) < _RENEWED:
            with suppress(RegistryFullError):
                self._registry.write(LIMITS, text, asof, keep=KEPT)
                self._kept[text] = asof

    def _exceeds(
        self, bound: int, records: int, due: Selection, former: Selection, now: float, stop: Callable[[], bool]
    ) -> bool:
        """Say whether more than ``bound`` records are due that would not have been; count no further than needed."""
        more, left = 0, records
        cursor: object | None = None
        while more + left > bound and not stop():
            page = self._registry.page(due, now=now, limit=_PAGE, after=cursor)
            more += sum(not verdict(record, former).due for record in page.records)
            left -= len(page.records)
            cursor = page.cursor
            if more > bound:
                return True
            if cursor is None:
                break
        return False


def _limit(limit: Limit) -> dict[str, object]:
    kind = {"measure": str(limit.measure), "share": limit.mark.share, "tags": sorted(limit.tags)}
    return kind | {"mark": limit.mark.value, "to": limit.to.value}


def _is_as_strict(text: str, limit: Limit) -> bool:
    from json import loads  # noqa: PLC0415 - as below

    wanted, sign = _limit(limit), 1 if limit.measure.is_room else -1
    try:
        found = loads(text)
        alike = all(found[name] == wanted[name] for name in ("measure", "share", "tags"))
        return alike and all(
            sign * (found[name] - value) >= 0 for name, value in (("mark", limit.mark.value), ("to", limit.to.value))
        )
    except (ValueError, TypeError, KeyError):  # a newer version's
        return False


def _limit_message(bound: int, records: int, limit: Limit) -> str:
    return (
        f'more than {bound} of {records} registered files would be removed only because limit "{limit.name}" '
        f"({limit.words()}) is new, or stricter than before. Nothing was removed for it. Undo the change; or look with "
        f"--dry-run, and sweep once with --allow-large N, N being how many files at most ({records} for all)"
    )


def _settings(due: Selection) -> dict[str, float]:
    # What decides whether records that are there already are due, by the names of ``Selection``. A dict others join.
    return {"max_age": float(due.max_age)}


def _text(settings: Mapping[str, float]) -> str:
    from json import dumps  # noqa: PLC0415 - slow to import, and few sweep on a schedule

    return dumps(settings, sort_keys=True)


def _former(text: str) -> dict[str, float]:
    from json import loads  # noqa: PLC0415 - as above

    try:
        max_age = float(loads(text)["max_age"])
    except (ValueError, TypeError, KeyError, OverflowError):
        max_age = math.nan
    # What cannot be read is taken for settings by which nothing was due: asked too often, not too seldom.
    return {"max_age": math.inf if math.isnan(max_age) else max_age}


def _message(bound: int, records: int, former: Mapping[str, float], settings: Mapping[str, float]) -> str:
    changes = ", ".join(f"{name} was {former[name]:.12g} and is {value:.12g}" for name, value in settings.items())
    return (
        f"more than {bound} of {records} registered files would be removed only because of a change since the last "
        f"sweep: {changes}. Nothing was removed. Undo the change; or look with --dry-run, and sweep once with "
        f"--allow-large N, N being how many files at most ({records} for all)"
    )
