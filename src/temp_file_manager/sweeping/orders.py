"""Orders of plug-ins: keys of records by which limits choose what goes first."""

from collections.abc import Callable
from typing import Any

from temp_file_manager.errors import TempFileError
from temp_file_manager.records import TempFile

Key = Callable[[TempFile], Any]
"""Returns what a record is sorted by, the smallest first: of the record alone, and each comparable with each."""

SORTED = 10_000
"""So many records are in memory at most, those that go first; for more, all are read again."""


class OrderFailedError(TempFileError):
    """A key or a comparison of keys has raised."""


class Ordered:
    """A record at its place in the order of a key.

    Raises:
        OrderFailedError: when it is made, or compared.
    """

    __slots__ = ("_key", "record")

    def __init__(self, record: TempFile, key: Key) -> None:
        self.record = record
        try:
            self._key = key(record)
        except (Exception, SystemExit) as error:  # a stranger's code
            raise OrderFailedError(repr(error)) from error

    def __lt__(self, other: "Ordered") -> bool:
        try:
            if self._key != other._key:
                return bool(self._key < other._key)
        except (Exception, SystemExit) as error:  # a stranger's code
            raise OrderFailedError(repr(error)) from error
        return self.record.generation < other.record.generation
