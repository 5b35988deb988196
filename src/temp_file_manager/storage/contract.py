"""The storage contract: everything that a sweep asks of a remover of files."""

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Protocol, TypeVar

from temp_file_manager.causes import Cause
from temp_file_manager.chunks import Chunk, Other
from temp_file_manager.records import Outcome, Rewritten, Status, TempFile

T = TypeVar("T")


def _no_time() -> float:
    return 0.0


def _goes_on() -> bool:
    return False


def _nobody(at: int, other: Other | None) -> None:
    """Tell nobody."""


class Removal:
    """The removal of one chunk: how far it has come, what was not simply removed, and whether it may go on.

    Args:
        records: What is to be removed.
        first: Where it begins.
        elapsed: What tells the time; seconds on a clock that nobody sets.
        enough: When no more files are to be begun: the rest is for another chunk.
        deadline: When no file may be removed any more: the claim nears its end.
        stop: Says whether whoever sweeps is to stop; asked where one file takes long. It may then be left half done.
        still: Says whether a record is still what was claimed; see ``Claim``.
        came_back: Told when a removal that was given up (``Other.under_way``) comes back, by the thread that it hung
            in: its position, and what became of the file if it was not removed.

    Attributes:
        done: So many of the first have been worked on.
        last: Where it ends for now: those from there on are another storage's.
        begun: So many of the first have been begun with: some storages have several in hand.
        others: Which of the first were not simply removed, by position.
        signs: How often the storage has said that it gets on with one that takes long.
        over: Whether nobody waits for it any more.
    """

    def __init__(
        self,
        records: Chunk,
        *,
        first: int = 0,
        elapsed: Callable[[], float] = _no_time,
        enough: float = math.inf,
        deadline: float = math.inf,
        stop: Callable[[], bool] = _goes_on,
        still: Callable[[int], bool] | None = None,
        came_back: Callable[[int, Other | None], None] = _nobody,
    ) -> None:
        self.records = records
        self.done: int = first
        self.last: int = len(records)
        self.begun: int = first
        self.others: dict[int, Other] = {}
        self.signs = 0
        self.over = False
        self.came_back = came_back
        self._first = first
        self._elapsed = elapsed
        self._enough = enough
        self._deadline = deadline
        self._stop = stop
        self._still = still

    @property
    def goes_on(self) -> bool:
        """Whether more may be begun with. The first always may, or a machine that is slow would get nowhere."""
        return not self.over and (self.done == self._first or self._elapsed() < self._enough)

    def each(self, column: Sequence[T]) -> Iterator[tuple[int, T]]:
        """Yield what is to be removed: position, and the value there. Whoever asks for the next is done with one."""
        for at, value in self.begin(column):
            yield at, value
            self.done = at + 1

    def begin(self, column: Sequence[T]) -> Iterator[tuple[int, T]]:
        """Yield the same for those who have several in hand, and count in ``done`` what they have ended.

        What the first takes is not counted: a look at every process, once a chunk, costs none of them its turn.
        """
        elapsed, enough, first = self._elapsed, self._enough, self.done
        began = elapsed()
        for at in range(first, self.last):
            if self.over or (elapsed() >= enough and at != first):
                return
            self.begun = at + 1
            yield at, column[at]
            if at == first:
                enough += elapsed() - began

    def why_ended(self) -> Cause:
        """Return why no file may be removed any more; ``NONE`` as long as one may."""
        if self.over:
            return Cause.ABANDONED
        return Cause.LEASE_ENDED if self._elapsed() >= self._deadline else Cause.NONE

    def why_interrupted(self) -> Cause:
        """Return why a file that takes long is not to be worked on any more; ``NONE`` as long as it is."""
        return self.why_ended() or (Cause.SWEEP_OVER if self._stop() else Cause.NONE)

    def may_go(self, at: int) -> bool:
        """Say whether a file may be removed now. Asked when only the removal itself is left to do; notes why not."""
        # In this order: the answer of whoever keeps the records may be long in coming.
        known = self._still is None or self._still(at)
        if known and not self.over and self._elapsed() < self._deadline:  # as ``why_ended``, once a file
            return True
        self.others[at] = Other(Status.SKIPPED, self.why_ended() if known else Cause.CLAIM_ENDED)
        return False

    def note(self, at: int, status: Status, cause: Cause, detail: str = "") -> None:
        """Note what became of a file that was not simply removed."""
        self.others[at] = Other(status, cause, detail)

    def in_hand(self) -> range:
        """Return the positions of those that are begun and not ended."""
        return range(self.done, self.begun)

    def has_done(self, at: int) -> bool:
        """Say whether one has been worked on to the end."""
        return at < self.done

    def share(self, take: "Take") -> "Share":
        """Return a removal of those that ``take`` gives, one at a time until there are none, under the same claim."""
        return Share(
            self,
            take,
            elapsed=self._elapsed,
            enough=self._enough,
            deadline=self._deadline,
            stop=self._stop,
            still=self._still,
        )

    def part(self, first: int, last: int) -> "Removal":
        """Return a removal of some of the records, under the same claim; positions stay what they are."""
        return Removal(
            self.records.part(0, last),
            first=first,
            elapsed=self._elapsed,
            enough=self._enough,
            deadline=self._deadline,
            stop=self._stop,
            still=self._still,
            came_back=self.came_back,
        )


class Share(Removal):
    """A removal of what one of several threads takes of a chunk. ``done`` counts, and is no position.

    Args:
        whole: The removal of the chunk.
        take: Gives it the next.
        elapsed, enough, deadline, stop, still: As of the chunk's.

    Attributes:
        at: The position that is begun and not ended; None if there is none.
    """

    done: int

    def __init__(
        self,
        whole: Removal,
        take: "Take",
        *,
        elapsed: Callable[[], float],
        enough: float,
        deadline: float,
        stop: Callable[[], bool],
        still: Callable[[int], bool] | None,
    ) -> None:
        self._whole = whole  # first of all, as ``over`` asks it
        self._take = take
        self.at: int | None = None
        super().__init__(
            whole.records,
            elapsed=elapsed,
            enough=enough,
            deadline=deadline,
            stop=stop,
            still=still,
            came_back=whole.came_back,
        )

    @property
    def over(self) -> bool:
        """Whether nobody waits for it any more, or for the whole."""
        return self._over or self._whole.over

    @over.setter
    def over(self, value: bool) -> None:
        self._over = value

    def begin(self, column: Sequence[T]) -> Iterator[tuple[int, T]]:
        """Yield what this thread takes; see ``Removal``. What is taken is worked on, or there would be gaps."""
        elapsed, enough = self._elapsed, self._enough
        began, first = elapsed(), True
        while (first or elapsed() < enough) and self._take(self):
            assert self.at is not None  # noqa: S101 - see Take
            yield self.at, column[self.at]
            self.at = None
            if first:
                enough += elapsed() - began
                first = False

    def each(self, column: Sequence[T]) -> Iterator[tuple[int, T]]:
        """Yield the same; whoever asks for the next is done with one."""
        for at, value in self.begin(column):
            yield at, value
            self.done += 1

    def in_hand(self) -> range:
        """Return the position that is begun and not ended, if one is."""
        at = self.at
        return range(0) if at is None else range(at, at + 1)

    def has_done(self, at: int) -> bool:
        """Say whether one has been worked on to the end."""
        return self.at != at


Take = Callable[[Share], bool]
"""Gives a share the next position as ``at``, in one step with a look whether it is ``over``; else says False."""


class Storage(Protocol):
    """Removes files, and foretells it. ``LocalStorage``'s docstrings are the contract; wrappers keep it."""

    def remove(self, removal: Removal) -> None:
        """Remove one file a record, in order, until all are done or it is enough.

        Each is asked about by ``Removal.may_go``, and what was not simply removed is noted there. One bad file never
        stops it.
        """

    def predict(self, records: Iterable[TempFile]) -> Iterator[Outcome]:
        """Yield what ``remove`` would make of each, as far as looking can tell."""


class NotThatFile(Exception):  # noqa: N818 - no error: an answer that ends the removal of one file
    """The file there is not, or cannot be told to be, the registered one, or is not to be removed."""

    def __init__(self, status: Status, cause: Cause, detail: str = "", found: Rewritten | None = None) -> None:
        super().__init__(detail or cause)
        self.other = Other(status, cause, detail, found)

    def outcome(self, record: TempFile) -> Outcome:
        """Return what becomes of the record."""
        return Outcome(record, *self.other)
