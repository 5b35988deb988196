"""What this process has claimed, and whether it still holds it."""

from collections.abc import Callable
from threading import Lock

from temp_file_manager.records import TempFile


class Held:
    """Claims by number: the records of each, and the directory that each record is in.

    Args:
        changed: Returns a value that differs from before when records may have changed under a claim.
        remaining: Given ids and claims, returns those of them that are still there.
    """

    def __init__(
        self,
        changed: Callable[[], bytes],
        remaining: Callable[[list[int], list[int]], tuple[set[int], set[int]]],
    ) -> None:
        self._changed = changed
        self._remaining = remaining
        self._claims: dict[int, dict[int, int]] = {}
        self._seen = changed()
        self._lock = Lock()

    def add(self, claim: int, directories: dict[int, int]) -> None:
        """Hold records, by id, with the id of their directory."""
        self._claims[claim] = directories

    def holds(self, record: TempFile) -> bool:
        """Say whether a record is still what was claimed."""
        if self._changed() != self._seen:
            self._look_again()
        records = self._claims.get(record.claim)
        return records is not None and record.generation in records

    def records(self, claim: int) -> dict[int, int]:
        """Return what is held by a claim: ids, each with that of its directory."""
        return self._claims.get(claim, {})

    def release(self, claim: int, records: list[int]) -> list[int]:
        """Hold these no longer; return what the claim still holds."""
        left = self._claims.get(claim, {})
        for number in records:
            left.pop(number, None)
        if not left:
            self._claims.pop(claim, None)
        return list(left)

    def _look_again(self) -> None:
        with self._lock:
            seen = self._changed()  # before looking: what changes from here on is seen the next time
            claims = {claim: list(records) for claim, records in list(self._claims.items())}
            ids, known = self._remaining([i for records in claims.values() for i in records], list(claims))
            for claim, records in claims.items():
                self.release(claim, records if claim not in known else [i for i in records if i not in ids])
            self._seen = seen
