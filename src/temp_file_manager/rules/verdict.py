"""Rules: when a record is due, and why, as pure functions of a record and a moment.

A registry may find due records by an index, but what it finds must be what ``verdict`` says;
``testing.RegistryContract`` holds every registry to it.
"""

import math
from typing import NamedTuple

from temp_file_manager.records import Kind, Rewritten, Selection, TempFile
from temp_file_manager.reports import FileStatus
from temp_file_manager.text import span

FIRST_RETRY = 60.0
LAST_RETRY = 3600.0


class Verdict(NamedTuple):
    """Whether a record is due, and the reason in words."""

    due: bool
    reason: str


def verdict(record: TempFile, due: Selection) -> Verdict:
    """Say whether ``record`` is due at ``due.asof``, and why."""
    kept = _kept(record, due)
    if kept:
        return Verdict(False, kept)
    if due.force:
        return Verdict(True, "forced")
    if record.due_at is not None:
        return _of_own_end(record, record.due_at, due.asof)
    age = due.asof - record.registered_at
    if has_come(record, due):
        return Verdict(True, f"{span(age)} old, more than max_age {span(due.max_age)}")
    return Verdict(False, f"{span(age)} old, max_age is {span(due.max_age)}")


def has_come(record: TempFile, due: Selection) -> bool:
    """Say whether the time of a record that nothing keeps has come: what ``verdict`` says, without the words."""
    if due.force:
        return True
    if record.due_at is not None:
        return record.due_at <= due.asof
    return is_too_old(record.registered_at, due.asof, due.max_age)


def _of_own_end(record: TempFile, end: float, asof: float) -> Verdict:
    """Say so of a record with an end of its own, or one that a rule has set."""
    if record.rule:
        return _of_rule(record.rule, end, asof)
    what = "its session" if record.session else "its quarantine" if record.kind is Kind.QUARANTINED else "its ttl"
    if end <= asof:
        return Verdict(True, f"{what} ended {span(asof - end)} ago")
    lives = record.session and end == math.inf
    return Verdict(False, "its session lives" if lives else f"{what} ends in {span(end - asof)}")


def _of_rule(rule: str, end: float, asof: float) -> Verdict:
    """Say so of a record under a rule, which has the last word when a sweep looks at the file."""
    if end <= asof:
        return Verdict(True, f'rule "{rule}" made it due {span(asof - end)} ago')
    stays = end == math.inf
    return Verdict(False, f'rule "{rule}" keeps it' + ("" if stays else f" for another {span(end - asof)}, or longer"))


def _kept(record: TempFile, due: Selection) -> str:
    """Say what keeps a record whatever its age; nothing when nothing does."""
    if record.held:
        return "held: a process has asked to keep it while it works with it"
    if record.pinned_until is not None and record.pinned_until > due.asof:
        return f"pinned for another {span(record.pinned_until - due.asof)}"
    if due.patient and not due.force and record.retry_at is not None and waits(record.retry_at, due.asof):
        before = f"removal failed {record.failures} times" if record.failures else "kept by the sweep before"
        return f"{before}; next try in {span(record.retry_at - due.asof)}"
    return ""


def status(path: str, record: TempFile | None, due: Selection) -> FileStatus:
    """Return what is known about ``path`` at ``due.asof``; ``record`` is None when it is not registered."""
    if record is None:
        return FileStatus(path, None, None, False, "not registered")
    found = verdict(record, due)
    return FileStatus(path, record, due.asof - record.registered_at, found.due, found.reason)


def retry_at(failures: int, now: float) -> float:
    """Return when scheduled sweeps try again after so many failures: after 1, 2, 4 … minutes, an hour at most."""
    return now + min(FIRST_RETRY * 2.0 ** min(max(failures - 1, 0), 10), LAST_RETRY)


def waits(retry_at: float, asof: float) -> bool:
    """Say whether scheduled sweeps still leave alone what is to be tried again at ``retry_at``.

    No further ahead than the longest time there is between two tries: such a time was set by a clock that was wrong.
    """
    return asof < retry_at <= asof + LAST_RETRY


def waiting_since(registered_at: float, own: float | None, retry_at: float | None, max_age: float) -> float:
    """Return since when a record waits for a sweep: since it became due, or was to be tried again.

    Sweeps take those first that wait the longest. So what cannot be removed stands in nobody's way: each try puts it
    behind what has become due before the next.
    """
    return due_at(registered_at, own, max_age) if retry_at is None else retry_at


def due_at(registered_at: float, own: float | None, max_age: float) -> float:
    """Return when a record becomes due, or did: seconds since the epoch, infinity for never.

    Args:
        registered_at: Seconds since the epoch.
        own: When its own ttl ends; None when it has none.
        max_age: Seconds a record without its own ttl may live.
    """
    due = registered_at + max_age if own is None else own
    return math.inf if math.isnan(due) else due  # registered an infinity ago, and may live as long


def renewed(record: TempFile, found: Rewritten, now: float) -> TempFile:
    """Return a record as it stands for what its application has rewritten: its age begins anew, and its ttl with it.

    Args:
        record: As it was.
        found: What is there now; nothing was rewritten after ``now``, whatever date it carries.
        now: Seconds since the epoch.
    """
    since = min(found.since, now)
    moved = 0.0 if record.session else since - record.registered_at  # the end of a session is its own
    ends = None if record.due_at is None else record.due_at + moved
    if ends is not None and math.isnan(ends):  # infinity less infinity
        ends = since
    return TempFile(
        record.path,
        since,
        ends,
        size=None if record.size is None else found.size,
        tags=record.tags,
        generation=record.generation,
        identity=found.identity,
        pinned_until=record.pinned_until,
        held=record.held,
        session=record.session,
        disk=found.disk,
    )


def is_too_old(registered_at: float, asof: float, max_age: float) -> bool:
    """Say whether a record without its own ttl is due.

    Strictly older, and subtracted in this order: exactly what the published class computes, to the last bit.
    """
    return asof - registered_at > max_age
