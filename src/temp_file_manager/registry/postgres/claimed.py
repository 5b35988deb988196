"""Claims on the server: which of them are this process's, and which have come to their end."""

from collections.abc import Callable, Sequence
from secrets import randbits
from threading import get_ident
from typing import TypeVar

from temp_file_manager.errors import RecordClaimedError, RegistryError
from temp_file_manager.registry.postgres import arrays
from temp_file_manager.registry.postgres.owners import Owners
from temp_file_manager.registry.postgres.paths import Paths
from temp_file_manager.registry.postgres.refusals import (
    CLAIMED,
    MOVED,
    ClaimsEndedError,
    Met,
    code_of,
    is_passing,
    met_in,
    settlements_in,
)
from temp_file_manager.registry.postgres.rows import ID
from temp_file_manager.registry.postgres.scope import Scope
from temp_file_manager.registry.postgres.server import Row
from temp_file_manager.registry.waiting import StillClaimedError

T = TypeVar("T")

_PASSING = 20
"""Times that a change is tried again when the server has undone it, as two waited for each other."""

_threads: dict[int, int] = {}
"""Which thread of this process made a claim. It would wait for itself, and is refused at once."""


class Claimed:
    """Claims of everybody who shares the scope, and of which this registry object knows that they are its own.

    The number of a claim is made here: whoever has lost the server's answer knows it all the same.

    Args:
        scope: Where they are.
        paths: How paths are stored.
        owners: Tell the server that this process lives, while it has a claim.
    """

    def __init__(self, scope: Scope, paths: Paths, owners: Owners) -> None:
        self._scope = scope
        self._paths = paths
        self._owners = owners
        self._mine: dict[int, Sequence[Row] | frozenset[int]] = {}
        self._needs: dict[int, object] = {}

    def after_fork(self) -> None:
        """Know nothing: what there is here is the parent's."""
        _threads.clear()
        self._mine = {}
        self._needs = {}

    @property
    def has_any(self) -> bool:
        """Whether any claim is this object's."""
        return bool(self._mine)

    def begin(self) -> int:
        """Return the number of a claim that is about to be made: nobody is to see it and take it for nobody's."""
        number = randbits(62)
        self._mine[number] = ()
        _threads[number] = get_ident()
        self._needs[number] = self._owners.need()
        return number

    def forget(self, number: int) -> None:
        """Take a claim for ended."""
        self._mine.pop(number, None)
        _threads.pop(number, None)
        self._owners.done(self._needs.pop(number, None))

    def knows(self, number: int) -> bool:
        """Say whether a claim is this object's."""
        return number in self._mine

    def made(self, number: int, rows: Sequence[Row]) -> None:
        """Note which rows a claim is on."""
        self._mine[number] = rows

    def is_whole(self, number: int, rows: Sequence[Row]) -> bool:
        """Say whether these rows are all that a claim was made on, and all are still under it."""
        left = self._mine.get(number, ())
        return not isinstance(left, frozenset) and len(left) == len(rows)

    def left_of(self, number: int) -> frozenset[int]:
        """Return the ids of what is still under a claim, if it is this object's."""
        left = self._mine.get(number, ())
        return left if isinstance(left, frozenset) else frozenset(row[ID] for row in left)

    def reduce(self, number: int, left: frozenset[int]) -> None:
        """Leave only these under a claim. Without any it ends."""
        if left:
            self._mine[number] = left
        else:
            self.forget(number)

    def is_nobodys(self, number: int, claimer: int) -> bool:
        """Say whether a claim of this object's is in nobody's hands: it came to nothing after it was committed."""
        return claimer == self._scope.owner and not self.knows(number)

    def end(self, numbers: list[int]) -> None:
        """End claims; what was registered after a look that came before is looked at again."""
        self._scope.change("end_claims", over=arrays.numbers(numbers))

    def changed(self, attempt: Callable[[], T]) -> T:
        """Return what a change returns, which is tried again where that helps at once.

        Raises:
            StillClaimedError: records are claimed, and may soon be free.
            RecordClaimedError: records are claimed by this very thread.
            ClaimsEndedError: claims have ended since the look that came before.
        """
        for turn in range(_PASSING):
            try:
                return attempt()
            except RegistryError as error:
                if code_of(error) == MOVED:
                    raise ClaimsEndedError(settlements_in(error)) from None
                if code_of(error) == CLAIMED:
                    self._refuse(met_in(error))
                elif not is_passing(error) or turn == _PASSING - 1:
                    raise
        return attempt()

    def change(self, statement: str, **bound: object) -> list[Row]:
        """Return what a statement of this name does; see ``changed``."""
        return self.changed(lambda: self._scope.change(statement, **bound))

    def _refuse(self, met: Sequence[Met]) -> None:
        """Return if all of these are in nobody's hands any more."""
        dead = {one.claim for one in met if not one.alive or self.is_nobodys(one.claim, one.claimer)}
        if dead:
            self.end(list(dead))
        left = [one for one in met if one.claim not in dead]
        paths = [self._paths.shown(one.path) for one in left]
        if any(_threads.get(one.claim) == get_ident() for one in left):
            raise RecordClaimedError(paths) from None
        if left:
            raise StillClaimedError(paths) from None
