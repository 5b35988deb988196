"""The storage contract: everything that a sweep asks of a remover of files."""

from collections.abc import Callable, Iterable, Iterator
from typing import Protocol

from temp_file_manager.records import Cause, Outcome, Status, TempFile

Gate = Callable[[TempFile], Cause | None]
"""Says why a record's file must stay after all; None when it may go."""


class Storage(Protocol):
    """Removes files, and foretells it. ``LocalStorage``'s docstrings are the contract; wrappers keep it."""

    def remove(self, records: Iterable[TempFile], gate: Gate) -> Iterator[Outcome]:
        """Remove one file a record, and yield what became of it before the next one is looked at.

        Args:
            records: What to remove.
            gate: Asked about each at the last moment, when only the removal itself is left to do.
        """

    def predict(self, records: Iterable[TempFile]) -> Iterator[Outcome]:
        """Yield what ``remove`` would, as far as looking can tell."""


class NotThatFile(Exception):  # noqa: N818 - no error: an answer that ends the removal of one file
    """The file there is not, or cannot be told to be, the registered one, or is not to be removed."""

    def __init__(self, status: Status, cause: Cause, detail: str = "") -> None:
        super().__init__(detail or cause)
        self.status = status
        self.cause = cause
        self.detail = detail

    def outcome(self, record: TempFile) -> Outcome:
        """Return what becomes of the record."""
        return Outcome(record, self.status, self.cause, self.detail)
