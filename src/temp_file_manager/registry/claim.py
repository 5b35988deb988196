"""Claims, their ends, and the looks that claims may have come after."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from temp_file_manager.chunks import Chunk, Other, Outcomes
from temp_file_manager.records import NewFile


class Claim(NamedTuple):
    """Records taken for removal, and where this sweep's next claim goes on.

    Attributes:
        records: What was taken; none when there is no more.
        cursor: For the next claim of the same sweep.
        number: The registry's own name for the claim.
        still: Says of a record, by its position, whether it is still what was taken; to be asked just before its
            removal. None where nobody can change it: only callers who write to a ``files`` in memory ask no claim.
    """

    records: Chunk
    cursor: object
    number: Any = None
    still: Callable[[int], bool] | None = None

    def only(self, at: int) -> "Claim":
        """Return the claim as far as it is on one record, which may be settled before the rest is, or after."""
        return self._replace(records=self.records.part(at, at + 1), still=None)


class Settlement(NamedTuple):
    """The end of a claim.

    Attributes:
        claim: Which.
        done: So many of its first records were worked on; the rest is free again, as if never taken.
        others: Which of those were not simply removed, by position; what is noted beyond ``done`` means nothing.
        at: Seconds since the epoch.
    """

    claim: Claim
    done: int
    others: Mapping[int, Other]
    at: float

    @property
    def outcomes(self) -> Outcomes:
        """What became of each record that was worked on."""
        return Outcomes(self.claim.records, self.done, self.others)


class Looked(NamedTuple):
    """A look at files that are to be put on record, which sweeps may have come after.

    Attributes:
        settlements: What ``Records.settlements`` said before it.
        again: Looks at files again, for all of those given; returns what is to be put on record of them now. Called
            by ``add`` under its lock, where no sweep comes in between.
    """

    settlements: int
    again: Callable[[Sequence[NewFile]], Sequence[NewFile]]
