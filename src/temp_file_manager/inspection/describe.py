"""Descriptions of records and explanations: words for people, plain data for programs."""

import math
from collections.abc import Sequence

from temp_file_manager.inspection.limits import LimitReading
from temp_file_manager.inspection.prospects import Forecast
from temp_file_manager.inspection.sessions import SessionStatus
from temp_file_manager.inspection.why import Explanation
from temp_file_manager.records import Identity, Kind, Selection, TempFile
from temp_file_manager.rules import due_at, verdict
from temp_file_manager.text import json_number, span, timestamp


def state(record: TempFile, due: Selection) -> str:
    """Return ``held``, ``pinned`` or ``now``, or nothing for what becomes due later."""
    if record.held:
        return "held"
    if record.pinned_until is not None and record.pinned_until > due.asof:
        return "pinned"
    return "now" if verdict(record, due).due else ""


def age(record: TempFile, due: Selection) -> str:
    """Return a record's age in words."""
    return span(due.asof - record.registered_at)


def when_due(record: TempFile, due: Selection) -> str:
    """Return ``state``, or ``in 5 min 3 s`` or ``never``."""
    left = due_at(record.registered_at, record.due_at, due.max_age) - due.asof
    return state(record, due) or ("never" if left == math.inf else f"in {span(max(left, 0))}")


def shown(record: TempFile) -> str:
    """Return the path by which people know a file: of one in quarantine, where it was, marked as such."""
    return f"{record.origin} (quarantined)" if record.kind is Kind.QUARANTINED else record.path


def stored(record: TempFile) -> dict[str, object]:
    """Return what the registry holds of a record, for JSON."""
    return {
        "path": record.path,
        "registered_at": json_number(record.registered_at),
        "due_at": json_number(record.due_at),
        "size": record.size,
        "tags": list(record.tags),
        "failures": record.failures,
        "retry_at": json_number(record.retry_at),
        "pinned_until": json_number(record.pinned_until),
        "identity": None if record.identity is None else record.identity._asdict(),
    }


def described(record: TempFile, due: Selection) -> dict[str, object]:
    """Return ``stored`` and what follows from it at that moment, for JSON."""
    found = verdict(record, due)
    return stored(record) | {
        "age": json_number(due.asof - record.registered_at),
        "due": found.due,
        "due_in": json_number(due_at(record.registered_at, record.due_at, due.max_age) - due.asof),
        "reason": found.reason,
        "held": record.held,
        **nature(record),
    }


def nature(record: TempFile) -> dict[str, object]:
    """Return which rule has set a record's end, what it stands for, and where that was, for JSON."""
    return {"rule": record.rule or None, "kind": str(record.kind) or "file", "origin": record.origin or None}


def max_age(value: float, capped_by: str) -> str:
    """Return ``max_age`` in words, and which policy of the fleet caps it, if any does."""
    return f"max_age, {span(value)}" + (f", capped by fleet policy {capped_by}" if capped_by else "")


def identity(known: Identity | None) -> str:
    """Return an identity in words."""
    if known is None:
        return "unknown: whatever has this path is removed"
    if not any(known):
        return "none: there was no such file when it was registered"
    born = f"born {timestamp(known.born / 1e9)}, " if known.born > 0 else ""
    return f"inode {known.inode}, {born}changed {timestamp(known.changed / 1e9)}"


def explanation(story: Explanation) -> dict[str, object]:
    """Return all that ``why`` has found, for JSON."""
    record = story.record
    known = {} if record is None else stored(record) | {"held": record.held}
    return {
        "path": story.path,
        "registered": record is not None,
        "rule": story.rule,
        "asof": json_number(story.asof),
        **known,
        "nature": None if record is None else nature(record),
        "ruling": None if story.ruling is None else story.ruling.described(),
        "successors": [
            {"path": one.path, "kind": str(one.kind), "due_at": json_number(one.due_at)} for one in story.successors
        ],
        "session": (record and record.session) or None,
        "max_age": json_number(story.max_age),
        "capped_by": story.capped_by or None,
        "becomes_due_at": json_number(story.due_at),
        "becomes_due_in": None if story.due_at is None else json_number(story.due_at - story.asof),
        "cleanup": _forecast(story.cleanup),
        "sweep": _forecast(story.command_line),
        "run": _forecast(story.scheduled),
        "kind": story.kind,
        "size_now": story.size,
        "identity_now": None if story.found is None else story.found._asdict(),
        "same_file": story.same_file,
        "same_directory": story.same_directory,
        "open_in": [holder._asdict() for holder in story.users.processes],
        "processes": {"read": story.users.read, "unread": story.users.unread, "all": story.users.complete},
        "limits": [place.described() for place in story.limits],
        "last": story.last,
        "unanswered": list(story.unanswered),
    }


def session(found: SessionStatus) -> dict[str, object]:
    """Return how it is about a session, for JSON."""
    return {
        "number": found.number,
        "name": found.name,
        "began_at": json_number(found.began_at),
        "ends_at": None if found.ends_at == math.inf else found.ends_at,
        "owner": found.owner,
        "alive": found.alive,
        "records": found.records,
    }


def _forecast(forecast: Forecast) -> dict[str, object]:
    return {
        "outcome": forecast.status,
        "rule": forecast.rule,
        "reason": forecast.reason,
        "at": json_number(forecast.at),
    }


def limits(found: Sequence[LimitReading], measured_age: float | None) -> dict[str, object]:
    """Return how it is about all limits, and how old the knowledge of sizes is, for JSON."""
    return {"measured_age": measured_age, "limits": [_limit(each) for each in found]}


def _limit(found: LimitReading) -> dict[str, object]:
    limit = found.limit
    return {
        "name": limit.name,
        "measure": str(limit.measure),
        "tags": list(limit.tags),
        "order": str(limit.order),
        "mark": found.mark,
        "to": found.to,
        "value": found.value,
        "over": found.over,
        "unmet": found.unmet,
        "refuse": limit.refuse,
    }
