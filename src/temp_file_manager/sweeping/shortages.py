"""Shortages: why a limit could not be kept, in words."""

from typing import Final, NamedTuple

from temp_file_manager.limits import Limit
from temp_file_manager.sweeping.candidates import Candidates
from temp_file_manager.sweeping.limits import Protection


class Shortage(NamedTuple):
    """What keeps a limit from being kept.

    Attributes:
        reason: In words; empty when nothing does.
        passing: Whether what is too young now would do.
        failed: Whether it is that the order of a plug-in has failed.
    """

    reason: str = ""
    passing: bool = False
    failed: bool = False


NO_SHORTAGE: Final = Shortage()

PLENTY = 2.0
"""When so many times as much has gone as was wanted, and the measure has not followed, more would not help either."""


def lacking(limit: Limit, more: float, candidates: Candidates, unknown: float | None) -> Shortage:
    """Say how much is lacking, and where the rest is; nothing where what was registered meanwhile would do.

    Args:
        limit: Which.
        more: How much would still have to go.
        candidates: That have all been read.
        unknown: How much is nobody's on record; None: that is no question.
    """
    if candidates.failed:
        return Shortage(candidates.failed, failed=True)
    new, young = candidates.kept_by(Protection.NEW), candidates.kept_by(Protection.YOUNG)
    if new >= more:
        return NO_SHORTAGE
    words = limit.measure.words
    parts = [f"{words(amount.weight)} {keeps}" for keeps, amount in candidates.protected.items()]
    parts += [] if unknown is None else [f"{words(unknown)} not on record"]
    reason = f"{words(more)} more would have to go; there are {', '.join(parts) or 'no others'}"
    return Shortage(reason, passing=new + young >= more)


def unheeded(limit: Limit, gained: float, more: float) -> Shortage:
    """Say that what went has made no room: else all would go at once, and for nothing.

    A snapshot may have it still, the file system may free it later, or somebody else may have taken its place.

    Args:
        limit: Which.
        gained: How much has gone.
        more: How much would still have to go.
    """
    words = limit.measure.words
    why = "and the file system does not show it (snapshots have it, or others fill the room)"
    return Shortage(f"{words(gained)} have gone, {why}: {words(more)} more would have to go")
