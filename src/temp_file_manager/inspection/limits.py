"""Limits as they are now: how much there is of what each looks at, and what stands in its way."""

import math
from dataclasses import dataclass

from temp_file_manager.context import Context
from temp_file_manager.limits import Limit


@dataclass(frozen=True, slots=True)
class LimitStatus:
    """How it is about one limit.

    Attributes:
        limit: Which.
        mark: Its mark in bytes or files; None when nothing tells how much there is in all.
        to: The same of where removing ends.
        value: How much there is; None when it cannot be told.
        over: Whether the mark is passed.
        unmet: Why it cannot be met, in words; empty when it can.
    """

    limit: Limit
    mark: float | None
    to: float | None
    value: float | None
    over: bool
    unmet: str = ""


def limits(context: Context) -> tuple[LimitStatus, ...]:
    """Return how it is about each limit of the settings."""
    del context
    return ()


def measured_age(context: Context) -> float | None:
    """Return how old the knowledge of sizes is, in seconds; None: there is none."""
    del context
    return None


def ratio(found: LimitStatus) -> float | None:
    """Return how far it is to a limit's mark, where it is 1; beyond it is more. None when it cannot be told."""
    value, mark = found.value, found.mark
    if value is None or mark is None:
        return None
    part, whole = (mark, value) if found.limit.measure.is_room else (value, mark)
    return part / whole if whole else math.inf
