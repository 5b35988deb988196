"""What this process has claimed, and whether it still holds it."""

from collections.abc import Callable
from dataclasses import dataclass

from temp_file_manager.records import TempFile


@dataclass(slots=True)
class _Hold:
    seen: bytes
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

    def add(self, claim: int, directories: dict[int, int]) -> None:
        """Hold records, by id, with the id of their directory. Called before the claim is committed."""
        self._holds[claim] = _Hold(self._changed(), directories)

    def holds(self, record: TempFile) -> bool:
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
