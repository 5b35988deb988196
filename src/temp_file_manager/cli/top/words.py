"""Words and figures of ``top``, without a place on the screen: ``view`` and ``plain`` give them one."""

import math
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any, NamedTuple

from temp_file_manager.inspection import describe
from temp_file_manager.limits import Measure
from temp_file_manager.records import Selection, TempFile
from temp_file_manager.rules import due_at
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
        took: How long that one took, in words.
        counts: By the names of ``COUNTS``.
        remarks: What else there is to say of it.
        reasons: Why files were not simply removed: how many, what became of them and why; and the path of one.
    """

    at: float
    took: str
    counts: Mapping[str, int]
    remarks: tuple[str, ...]
    reasons: tuple[tuple[str, str], ...]


class Limited(NamedTuple):
    """A row of the table of limits.

    Attributes:
        name: The limit's.
        measure: What it looks at.
        now: How much there is.
        bound: How much there may be.
        state: That it is passed, and why it is not met, in words; empty when all is well.
    """

    name: str
    measure: str
    now: str
    bound: str
    state: str


def brief(seconds: float) -> str:
    """Return a length of time in one unit: ``7 s``, ``3 h``."""
    if not math.isfinite(seconds):
        return NOTHING
    return span(seconds, units=1) if seconds >= _MINUTE else f"{max(seconds, 0):.0f} s"


def ago(at: float | str | None, now: float) -> str:
    """Return how long ago a moment was; numbers that JSON lacks come as strings."""
    return NOTHING if at is None else brief(now - float(at))


def took(seconds: float) -> str:
    """Return how long something took."""
    return f"{seconds * 1000:.0f} ms" if seconds < 1 else f"{seconds:.1f} s" if seconds < _MINUTE else brief(seconds)


def count(number: float | None) -> str:
    """Return a whole number as people write it: ``12,345``."""
    return NOTHING if number is None else f"{number:,.0f}"


def inside(path: str, base: str) -> str:
    """Return a path without the base directory that it may lie in."""
    return path.removeprefix(f"{base.rstrip('/')}/")


def figures(overview: Mapping[str, Any], outlook: Mapping[str, Any] | None) -> dict[str, str]:
    """Return how it is now, and what was ever done by every process that shares the registry."""
    makers = {} if outlook is None else outlook["makers"]
    stats, (left, whole) = overview["stats"], (overview["disk"]["free"], overview["disk"]["size"])
    age = None if stats["oldest"] is None else overview["at"] - stats["oldest"]
    rare = {
        "kept unknown": stats["kept_unknown"],
        "evicted": stats["evicted"],
        "sessions": overview["sessions"]["count"],
        "in quarantine": makers.get("quarantined", {}).get("files", 0),
        "compressed": makers.get("compressed", {}).get("files", 0),
    }
    return {
        "oldest": NOTHING if age is None else brief(age) if age < _MINUTE else span(age),
        "disk free": f"{human_size(left)} ({left / whole:.0%})" if left is not None and whole else NOTHING,
        "max_age": span(overview["health"]["max_age"]),
        "registered": count(stats["registered"]),
        "cleaned": count(stats["cleaned"]),
        "failed": count(stats["failed"]),
        "kept in use": count(stats["kept_in_use"]),
        "freed": human_size(int(stats["freed_bytes"] or 0)),
        **{name.replace("_", " "): count(value) for name, value in rare.items() if value},
    }


def limits(overview: Mapping[str, Any]) -> Iterator[Limited]:
    """Yield how it is about each limit."""
    for limit in overview["limits"]["limits"]:
        measure, value, mark = Measure(limit["measure"]), limit["value"], limit["mark"]
        now = NOTHING if value is None else measure.words(value)
        bound = NOTHING if mark is None else f"{'at least' if measure.is_room else 'at most'} {measure.words(mark)}"
        state = f"not met: {limit['unmet']}" if limit["unmet"] else "passed" if limit["over"] else ""
        yield Limited(limit["name"], str(measure), now, bound, state)


def forecast(outlook: Mapping[str, Any]) -> Iterator[tuple[str, int, str]]:
    """Yield within how long so many files, and bytes, will be due, each counted where they are due first."""
    for part in outlook["forecast"]:
        until = part["until"]
        label = "now" if until == 0 else "later" if until is None else brief(until)
        yield label, part["files"], human_size(part["bytes"])


def file(item: Mapping[str, Any], now: float) -> dict[str, str]:
    """Return a file's age, size, and when it is due; when removing it has failed, how often."""
    left = math.inf if item["due_at"] is None else float(item["due_at"]) - now
    due = "never" if left == math.inf else "now" if left <= 0 else f"in {brief(left)}"
    due = item["state"] if item["state"] in ("held", "pinned") else due
    return {
        "age": ago(item["registered_at"], now),
        "due": f"failed {item['failures']}x" if item["failures"] else due,
        "size": human_size(item["size"]),
    }


def due(record: TempFile, asked: Selection) -> str:
    """Return when a file is due; when removing it has failed, how often."""
    if record.failures:
        return f"failed {record.failures}x"
    left = due_at(record.registered_at, record.due_at, asked.max_age) - asked.asof
    return describe.state(record, asked) or ("never" if left == math.inf else f"in {brief(left)}")


def place(item: Mapping[str, Any]) -> str:
    """Return the path by which people know a file: of one in quarantine, where it was."""
    return str(item["origin"] if item["kind"] == "quarantined" else item["path"])


def schedule(overview: Mapping[str, Any]) -> str:
    """Say who sweeps, and when next: this process does not, but others have left their traces."""
    times = [sweep for sweep in overview["sweeps"] if sweep["scheduled"]]
    if not times:
        return "none on a schedule so far: temp-file-manager run does that"
    # Tried and rejected: the median of what lay between them, which a service that is started again and again shortens.
    interval = float(overview["scheduler"]["interval"])
    last, now = times[0]["at"], overview["at"]
    every = f"by others every {span(interval, zero=False)}"
    if now > last + 2 * interval + _LATE:
        return f"{every}, but none for {brief(now - last)}: does anything run?"
    coming = last + interval - now
    return f"{every}, last {brief(now - last)} ago, next {f'in {brief(coming)}' if coming > 0 else 'now'}"


def swept(sweeps: Sequence[Mapping[str, Any]]) -> Iterator[Swept]:
    """Yield the rows of the table of sweeps, the newest first."""
    for idle, group in groupby(sweeps, key=_is_idle):
        several = list(group)
        if idle:
            found = "nothing to do" if len(several) == 1 else f"{len(several)} sweeps with nothing to do"
            yield _row(several[0])._replace(remarks=(found,))
        else:
            yield from map(_row, several)


def _is_idle(sweep: Mapping[str, Any]) -> bool:
    return (
        sweep["scheduled"]
        and not sweep["stopped"]
        and not sum(sweep[name] for name in (*COUNTS, "skipped", "quarantined", "compressed"))
    )


def _row(sweep: Mapping[str, Any]) -> Swept:
    remarks = ("asked for",) * (not sweep["scheduled"])
    remarks += (f"ended by {sweep['stopped']}",) * bool(sweep["stopped"])
    reasons = tuple((f"{count(r['files'])} {r['status']}, {r['reason']}", r["example"]) for r in sweep["reasons"])
    return Swept(sweep["at"], took(sweep["duration"]), {name: sweep[name] for name in COUNTS}, remarks, reasons)
