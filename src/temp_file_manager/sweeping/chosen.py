"""A chunk that is chosen for a limit, as a sweep gets it, and what came of it."""

from collections.abc import Sequence
from dataclasses import replace

from temp_file_manager.records import RETIRED, Selection
from temp_file_manager.reports import SweepReport
from temp_file_manager.sweeping.candidates import Candidate
from temp_file_manager.sweeping.sweep import Bounds, Stop


def chosen(due: Selection, chunk: Sequence[Candidate]) -> Selection:
    """Return a selection of a chunk alone, whatever is due."""
    return replace(due, force=True, patient=False, only=tuple(one.record for one in chunk))


def all_of(chunk: Sequence[Candidate], stop: Stop) -> Bounds:
    """Return bounds that a chunk fits in."""
    # No further claim when all have been handled: there is nothing else to be found.
    return Bounds(limit=len(chunk), stop=stop)


def evicted(part: SweepReport) -> SweepReport:
    """Return the report of a chunk as one of what went for a limit."""
    return replace(part, evicted=part.retired, stopped="" if part.stopped == "limit" else part.stopped)


def those_gone(chunk: Sequence[Candidate], part: SweepReport) -> list[Candidate]:
    """Return those of a chunk that a sweep has retired."""
    retired = {outcome.record.path for outcome in part.outcomes if outcome.status in RETIRED}
    return [one for one in chunk if one.record.path in retired]
