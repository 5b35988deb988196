"""Records as a sweep would find them once it is prepared: what a dry run goes by."""

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple, Protocol

from temp_file_manager.records import Selection, TempFile

AsSwept = Callable[[TempFile], TempFile]
"""Returns a record as a sweep would have left it."""


def as_it_is(record: TempFile) -> TempFile:
    """Return a record as it is: nothing is swept first."""
    return record


class Foreseen(Protocol):
    """What a dry run knows of what the sweep would do first."""

    def as_swept(self, records: Sequence[TempFile]) -> Sequence[TempFile]:
        """Return records that are due as they would be then, without those that would not be due."""

    def as_ruled(self, record: TempFile) -> TempFile:
        """Return a record as it would be then, but for what is no more among the newest of a rule."""

    def is_of_newest(self, record: TempFile) -> bool:
        """Say whether a record is of a rule that keeps the newest: then ``as_ruled`` may not say how it would be."""

    def others(self) -> Iterator[Sequence[TempFile]]:
        """Yield what is not due yet, and would be, as it would be then."""


class Coming(NamedTuple):
    """What would be due by the time that a sweep comes to it, beside what is: for dry runs.

    Attributes:
        selections: Of sessions whose owner has ended: all that is in them would be due.
        foreseen: How records would be then; None: as they are.
    """

    selections: tuple[Selection, ...] = ()
    foreseen: Foreseen | None = None


NO_MORE = Coming()
