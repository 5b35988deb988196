"""The storage contract: what a sweep asks of whatever removes files."""

from collections.abc import Callable, Iterable, Iterator
from typing import Protocol

from temp_file_manager.records import Outcome, Status, TempFile

Gate = Callable[[TempFile], str]
"""Says why a record's file must stay after all; nothing when it may go."""


class Storage(Protocol):
    """Removes files, and foretells it. ``LocalStorage``'s docstrings are the contract; wrappers keep it."""

    def remove(self, records: Iterable[TempFile], gate: Gate) -> Iterator[Outcome]:
        """Remove one file a record."""

    def predict(self, records: Iterable[TempFile]) -> Iterator[Outcome]:
        """Yield what ``remove`` would."""


class NotThatFile(Exception):  # noqa: N818 - no error: an answer that ends the removal of one file
    """What is there now is not, or cannot be told to be, the file that was registered."""

    def __init__(self, status: Status, reason: str) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason
