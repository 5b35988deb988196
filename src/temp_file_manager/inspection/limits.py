"""Limits as they are now: how much there is of what each looks at, and what stands in its way."""

import math
from dataclasses import dataclass

from temp_file_manager.context import Context
from temp_file_manager.limits import Limit


@dataclass(frozen=True, slots=True)
class LimitReading:
    """A limit, and how much there is of its measure. Amounts are bytes or files, as the measure is.

    Attributes:
        limit: Which.
        value: What its measure is; None when nothing can tell.
        capacity: All there is, of which a mark may be a share; None where that means nothing.
        mark: Where removing begins, as a value of the measure; None as above.
        to: Where it ends.
        over: Whether the mark is passed.
        unmet: Why it could not be kept at the last try; empty when it could, or nobody has tried.
    """

    limit: Limit
    value: float | None
    capacity: float | None
    mark: float | None
    to: float | None
    over: bool
    unmet: str

    @property
    def ratio(self) -> float | None:
        """How far it is to the mark, where it is 1; beyond it is more. None when it cannot be told."""
        if self.value is None or self.mark is None:
            return None
        part, whole = (self.mark, self.value) if self.limit.measure.is_room else (self.value, self.mark)
        return part / whole if whole else math.inf


def readings(context: Context) -> tuple[LimitReading, ...]:
    """Return how much there is of each limit's measure now, at a cost that does not depend on how many files there are.

    Raises:
        RegistryError: the registry cannot be read.
    """
    del context
    return ()


def measured_age(context: Context) -> float | None:
    """Return how old the knowledge of sizes is, in seconds; None: there is none."""
    del context
    return None
