"""What ``top`` says, in words and figures; where they go is for ``view`` and ``plain``."""

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby, pairwise
from statistics import median
from typing import Any, NamedTuple

from temp_file_manager.text import human_size, span

NOTHING = "-"

COUNTS = ("removed", "gone", "replaced", "kept", "failed")

_LATE = 60.0
"""Seconds a sweep may come late at least: the one before it may have taken long."""

_MINUTE = 60


class Swept(NamedTuple):
    """A row of the table of sweeps: one sweep, or several in a row that found nothing to do.

    Attributes:
        at: When the last of them ended, seconds since the epoch.
        sweeps: How many.
        took: How long one took, in words.
        counts: By the names of ``COUNTS``.
        remarks: What else there is to say of it.
        reasons: Why files were not simply removed: how many and what became of them, why, and the path of one.
    """

    at: float
    sweeps: int
    took: str
    counts: Mapping[str, int]
    remarks: tuple[str, ...]
    reasons: tuple[tuple[str, str, str], ...]


def brief(seconds: float) -> str:
    """Return a length of time in one unit: ``7 s``, ``3 h``."""
    if not math.isfinite(seconds):
        return NOTHING
    if seconds < _MINUTE:
        return f"{max(seconds, 0):.0f} s"
    return " ".join(span(seconds).split()[:2])


def ago(at: float | str | None, now: float) -> str:
    """Return how long ago a moment was; numbers that JSON lacks come as strings."""
    return NOTHING if at is None else brief(now - float(at))


def oldest(overview: Mapping[str, Any]) -> str:
    """Return the age of the oldest file."""
    found = overview["stats"]["oldest"]
    age = 0.0 if found is None else overview["at"] - found
    return NOTHING if found is None else brief(age) if age < _MINUTE else span(age)


def took(seconds: float) -> str:
    """Return how long something took."""
    return f"{seconds * 1000:.0f} ms" if seconds < 1 else f"{seconds:.1f} s" if seconds < _MINUTE else brief(seconds)


def count(number: float | None) -> str:
    """Return a whole number as people write it: ``12,345``."""
    return NOTHING if number is None else f"{number:,.0f}"


def free(disk: Mapping[str, int | None]) -> str:
    """Return how much of a disk is free."""
    left, whole = disk["free"], disk["size"]
    return f"{human_size(left)} ({left / whole:.0%})" if left is not None and whole else NOTHING


def inside(path: str, base: str) -> str:
    """Return a path without the base directory that it may lie in."""
    return path.removeprefix(f"{base.rstrip('/')}/")


def totals(stats: Mapping[str, float | None]) -> tuple[tuple[str, str], ...]:
    """Return what was ever done, by every process that shares the registry: names and figures."""
    return (
        ("registered", count(stats["registered"])),
        ("cleaned", count(stats["cleaned"])),
        ("failed", count(stats["failed"])),
        ("kept in use", count(stats["kept_in_use"])),
        ("freed", human_size(int(stats["freed_bytes"] or 0))),
        *((("kept unknown", count(unknown)),) if (unknown := stats["kept_unknown"]) else ()),
    )


def forecast(outlook: Mapping[str, Any]) -> Iterator[tuple[str, int, int | None]]:
    """Yield within how long so many files, and bytes, will be due, each counted where they are due first."""
    bounds = [part["until"] for part in outlook["forecast"]]
    for until, part in zip(bounds, outlook["forecast"], strict=True):
        label = "now" if until == 0 else "later" if until is None else brief(until)
        yield label, part["files"], part["bytes"]


def due(item: Mapping[str, Any], now: float) -> str:
    """Return when a file is due; when removing it has failed, how often."""
    if item["failures"]:
        return f"failed {item['failures']}x"
    if item["due_at"] is None:
        return "never"
    left = float(item["due_at"]) - now
    return "now" if left <= 0 else f"in {brief(left)}"


def schedule(overview: Mapping[str, Any]) -> str:
    """Say who sweeps, and when next: this process does not, but others have left their traces."""
    times = [sweep for sweep in overview["sweeps"] if sweep["scheduled"]]
    if not times:
        return "none on a schedule so far: temp-file-manager run does that"
    # As it was, not as it is set for this process; one gap alone may be the time when nothing ran.
    gaps = [max(later["at"] - later["duration"] - former["at"], 0.0) for later, former in pairwise(times)]
    interval = median(gaps) if gaps else float(overview["scheduler"]["interval"])
    last, now = times[0]["at"], overview["at"]
    every = re.sub(r" 0 \w+$", "", span(float(f"{interval:.3g}")))
    if now > last + 2 * interval + _LATE:
        return f"by others every {every}, but none for {brief(now - last)}: does anything run?"
    coming = last + interval - now
    return (
        f"by others every {every}, last {brief(now - last)} ago, next {f'in {brief(coming)}' if coming > 0 else 'now'}"
    )


def swept(sweeps: Sequence[Mapping[str, Any]]) -> list[Swept]:
    """Return the rows of the table of sweeps, the newest first."""
    rows = []
    for idle, group in groupby(sweeps, key=_is_idle):
        several = list(group)
        rows += [_idle(several)] if idle else [_one(sweep) for sweep in several]
    return rows


def _is_idle(sweep: Mapping[str, Any]) -> bool:
    return sweep["scheduled"] and not sweep["stopped"] and not sum(sweep[name] for name in (*COUNTS, "skipped"))


def _idle(sweeps: Sequence[Mapping[str, Any]]) -> Swept:
    found = "nothing to do" if len(sweeps) == 1 else f"{len(sweeps)} sweeps with nothing to do"
    return Swept(sweeps[0]["at"], len(sweeps), took(sweeps[0]["duration"]), dict.fromkeys(COUNTS, 0), (found,), ())


def _one(sweep: Mapping[str, Any]) -> Swept:
    remarks: tuple[str, ...] = ("asked for",) if not sweep["scheduled"] else ()
    remarks += (f"ended by {sweep['stopped']}",) if sweep["stopped"] else ()
    reasons = tuple(
        (f"{count(reason['files'])} {reason['status']}", _plainly(reason["reason"]), reason["example"])
        for reason in sweep["reasons"]
    )
    counts = {name: sweep[name] for name in COUNTS}
    return Swept(sweep["at"], 1, took(sweep["duration"]), counts, remarks, reasons)


def _plainly(reason: str) -> str:
    return re.sub(r"^\[Errno \d+\] ", "", reason)
