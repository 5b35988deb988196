"""Claims of this process, and whether it still holds them."""

import math
from collections.abc import Callable
from dataclasses import dataclass

from temp_file_manager.records import TempFile


@dataclass(slots=True)
class _Hold:
    seen: bytes
    asof: float
    records: dict[int, int]


class Held:
    """Claims by number: the records of each, and the directory that each record is in.

    Args:
        changed: Returns a value that differs from before when records may have changed under a claim.
        remaining: Given a claim and its records, returns those that are still what was claimed.
    """

    def __init__(self, changed: Callable[[], bytes], remaining: Callable[[int, list[int]], set[int]]) -> None:
        self._changed = changed
        self._remaining = remaining
        self._holds: dict[int, _Hold] = {}

    def clear(self) -> None:
        """Hold nothing any more, but for what no number stands for: a lock ends with its settlement."""
        for claim in [claim for claim in self._holds if claim > 0]:
            del self._holds[claim]

    def add(self, claim: int, directories: dict[int, int], asof: float) -> None:
        """Hold records, by id, with the id of their directory. Called before the claim is committed.

        Args:
            claim: Its number.
            directories: The records.
            asof: The moment its sweep reads ages and pins at.
        """
        self._holds[claim] = _Hold(self._changed(), asof, directories)

    def asof(self, claim: int) -> float:
        """Return the moment that a claim's sweep reads ages and pins at."""
        hold = self._holds.get(claim)
        return -math.inf if hold is None else hold.asof

    def still_claimed(self, record: TempFile) -> bool:
        """Say whether a record is still what was claimed."""
        hold = self._holds.get(record.claim)
        if hold is None:
            return False
        seen = self._changed()  # before looking: what changes from here on is seen the next time
        if seen != hold.seen:
            left = self._remaining(record.claim, list(hold.records))
            hold.records = {number: hold.records[number] for number in left}
            hold.seen = seen
        return record.generation in hold.records

    def knows(self, claim: int) -> bool:
        """Say whether the claim was made here and is not settled."""
        return claim in self._holds

    def records(self, claim: int) -> dict[int, int]:
        """Return what is held by a claim: ids, each with that of its directory."""
        hold = self._holds.get(claim)
        return {} if hold is None else hold.records

    def drop(self, claim: int) -> None:
        """Hold nothing of a claim any more."""
        self._holds.pop(claim, None)

    def release(self, claim: int, records: list[int]) -> None:
        """Hold these no longer."""
        left = self.records(claim)
        for number in records:
            left.pop(number, None)
        if not left:
            self._holds.pop(claim, None)
