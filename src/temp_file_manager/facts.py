"""What there is to say about a record, for people and for programs."""

import math
from datetime import UTC, datetime

from temp_file_manager.records import Due, Identity, TempFile
from temp_file_manager.rules import span, verdict

_UNITS = ("KiB", "MiB", "GiB", "TiB", "PiB")
_STEP, _BITS = 1024, 10


def due_since(record: TempFile, due: Due) -> float:
    """Return when a record becomes due, or did: seconds since the epoch."""
    return record.registered_at + due.max_age if record.due_at is None else record.due_at


def state(record: TempFile, due: Due) -> str:
    """Return ``held``, ``pinned`` or ``now``, or nothing for what becomes due later."""
    if record.held:
        return "held"
    if record.pinned_until is not None and record.pinned_until > due.asof:
        return "pinned"
    return "now" if verdict(record, due).due else ""


def age(record: TempFile, due: Due) -> str:
    """Return a record's age in words."""
    return span(due.asof - record.registered_at)


def when_due(record: TempFile, due: Due) -> str:
    """Return ``state``, or ``in 5 min 3 s`` or ``never``."""
    left = due_since(record, due) - due.asof
    return state(record, due) or ("never" if left == math.inf else f"in {span(max(left, 0))}")


def size(count: int | None) -> str:
    """Return bytes as people write them: ``512 B``, ``1.5 MiB``, ``-`` when unknown."""
    if count is None:
        return "-"
    if count < _STEP:
        return f"{count} B"
    power = min((count.bit_length() - 1) // _BITS, len(_UNITS))
    return f"{count / _STEP**power:.1f} {_UNITS[power - 1]}"


def moment(seconds: float) -> str:
    """Return a time in UTC, as RFC 3339 writes it, or the bare number when no calendar has it."""
    try:
        return datetime.fromtimestamp(seconds, UTC).isoformat(sep=" ", timespec="seconds").replace("+00:00", "Z")
    except (OverflowError, ValueError, OSError):
        return f"{seconds:g}"


def number(value: float | None) -> float | str | None:
    """Return a number for JSON, which has none for infinity: that comes as a string, which ``float`` reads."""
    return value if value is None or math.isfinite(value) else str(value)


def stored(record: TempFile) -> dict[str, object]:
    """Return what the registry holds of a record, for JSON."""
    return {
        "path": record.path,
        "registered_at": number(record.registered_at),
        "due_at": number(record.due_at),
        "size": record.size,
        "tags": list(record.tags),
        "failures": record.failures,
        "retry_at": number(record.retry_at),
        "pinned_until": number(record.pinned_until),
        "identity": None if record.identity is None else record.identity._asdict(),
    }


def described(record: TempFile, due: Due) -> dict[str, object]:
    """Return ``stored`` and what follows from it at that moment, for JSON."""
    found = verdict(record, due)
    return stored(record) | {
        "age": number(due.asof - record.registered_at),
        "due": found.due,
        "due_in": number(due_since(record, due) - due.asof),
        "reason": found.reason,
        "held": record.held,
    }


def identity(known: Identity | None) -> str:
    """Return an identity in words."""
    if known is None:
        return "unknown: whatever has this path is removed"
    if not any(known):
        return "none: there was no such file when it was registered"
    born = f"born {moment(known.born / 1e9)}, " if known.born else ""
    return f"inode {known.inode}, {born}changed {moment(known.changed / 1e9)}"
