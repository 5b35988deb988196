"""The rules of limits: when a mark is passed, how much is to go, and what may. Pure functions."""

from collections.abc import Callable, Iterator
from enum import StrEnum
from typing import NamedTuple

from temp_file_manager.limits import Limit, Mark, Measure
from temp_file_manager.records import Kind, Order, Selection, TempFile
from temp_file_manager.registry.card import Properties
from temp_file_manager.rules import has_come, waits


class Reading(NamedTuple):
    """A look at a measure.

    Attributes:
        value: How much there is, or of room, how much is left: bytes or files.
        capacity: All there is, of which a mark may be a share; None where it is a share of nothing.
    """

    value: float
    capacity: float | None = None


class Protection(StrEnum):
    """What keeps a record from going for a limit."""

    HELD = "held"
    PINNED = "pinned"
    SESSION = "in living sessions"
    YOUNG = "too young"
    NEW = "registered meanwhile"  # and looked at next time
    DUE = "due, and left to sweeps"
    WAITING = "in use, or not to be removed"  # as the last try has found
    ELSEWHERE = "on other file systems"  # whose going would not help
    PAUSED = "sweeps are paused by a policy of the fleet"
    UNORDERED = "the order of a plug-in has failed"


def value_of(mark: Mark, reading: Reading) -> float:
    """Return a mark as a value of its measure; of a share of nothing that is known, 0."""
    return mark.value * (reading.capacity or 0.0) if mark.share else mark.value


def over(limit: Limit, reading: Reading) -> bool:
    """Say whether a limit's mark is passed."""
    return _beyond(limit, limit.mark, reading) > 0


def wanted(limit: Limit, reading: Reading) -> float:
    """Return how much is to go until removing ends: bytes or files; 0 when that is reached."""
    return max(0.0, _beyond(limit, limit.to, reading))


def room_left(limit: Limit, reading: Reading) -> float:
    """Return how much more there may come before the mark is passed: bytes or files; 0 when it is."""
    return max(0.0, -_beyond(limit, limit.mark, reading))


def _beyond(limit: Limit, mark: Mark, reading: Reading) -> float:
    difference = reading.value - value_of(mark, reading)
    return -difference if limit.measure.is_room else difference


def weight(limit: Limit, record: TempFile) -> float:
    """Return what a limit gains when a record goes, as far as is known: bytes, or one file."""
    return 1.0 if limit.measure.is_count else float(size_of(record))


def size_of(record: TempFile) -> int:
    """Return what a record's file takes on the disk in bytes, as far as is known."""
    return (record.size if record.disk is None else record.disk) or 0


def protection(record: TempFile, limit: Limit, due: Selection) -> Protection | None:  # noqa: PLR0911 - one a reason
    """Return what keeps a record from going for a limit; None when it may go.

    A session's records are due from its end on: one that is not due is in a living one.

    Args:
        record: As it is on record.
        limit: The limit that is to be kept.
        due: What the sweep before has taken: what it left has its reason. ``asof`` is the moment; when it is
            ``patient``, what could not be removed has its time to wait.
    """
    if record.held:
        return Protection.HELD
    if record.pinned_until is not None and record.pinned_until > due.asof:
        return Protection.PINNED
    if due.patient and record.retry_at is not None and waits(record.retry_at, due.asof):
        return Protection.WAITING
    if has_come(record, due):
        return Protection.DUE
    if record.session:
        return Protection.SESSION
    if record.kind is Kind.QUARANTINED:
        return None  # whoever wanted it has had its time, where it was
    age = due.asof - record.registered_at
    young = Protection.NEW if age < 0 else Protection.YOUNG
    return young if age < limit.spare or age < 0 else None


def may_go(record: TempFile, limit: Limit, due: Selection) -> bool:
    """Say whether a record may go for a limit; see ``protection``."""
    return protection(record, limit, due) is None


def place(record: TempFile, order: Order | str) -> tuple[float, int]:
    """Return where a record stands in an order: what is smaller goes before."""
    if order is Order.LARGEST:
        return -float(size_of(record)), record.generation
    used = record.used_at if order is Order.LEAST_USED else None
    return max(record.registered_at, record.registered_at if used is None else used), record.generation


def measured(record: TempFile, limit: Limit) -> bool:
    """Say whether a record is one of those that a limit measures and takes: all, or those with a tag of its."""
    return not limit.tags or not set(limit.tags).isdisjoint(record.tags)


def refusals(limits: tuple[Limit, ...], properties: Properties, kind: Callable[[], str]) -> Iterator[str]:
    """Yield what cannot be done for limits here, why, and what to do.

    Args:
        limits: Those that are set.
        properties: Of the registry that is to do it.
        kind: Tells the type of the base directory's file system.
    """
    for limit in limits:
        why = f'limit "{limit.name}": '
        if not properties.keeps_identity:
            wants = f"the order {limit.order}" if limit.order is not Order.OLDEST else ""
            wants = "bytes" if limit.measure is Measure.BYTES else wants
            if wants:
                address = properties.address
                yield f"{why}{address} keeps no sizes and no uses, which {wants} needs: set registry to sqlite:"
        if limit.measure is Measure.MEMORY and kind() != "tmpfs":
            yield (
                f"{why}the base directory is on no tmpfs, so removing files frees no memory that the kernel would not "
                "take back anyway: give a base directory on a tmpfs, or limit free or bytes"
            )
