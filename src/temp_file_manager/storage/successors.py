"""Successors: records of where the content of a file will be, which are put on record before it is moved there."""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple, Protocol

from temp_file_manager.records import Identity, Nature, NewFile, TempFile
from temp_file_manager.storage.kernel.statx import Seen

Row = tuple[NewFile, Nature]
"""A successor: its record, and what sets that apart."""


class Succeed(Protocol):
    """Puts successors on record in one step; RegistryFullError if there is no room for them.

    Killed after that, a sweep leaves records of files that are not there, which are found gone when they are due.
    Killed after the move, it leaves the records before, which are found gone by the next sweep. No content is ever in
    two places, or in none, or in one of which no record tells.
    """

    def __call__(self, rows: Sequence[Row], registered_at: float | None = None, *, only_new: bool = False) -> None:
        """Put these on record.

        Args:
            rows: Which.
            registered_at: When they were registered, seconds since the epoch; None: now.
            only_new: Leave what is on record at one of these paths as it is.
        """


Withdraw = Callable[[Sequence[str | TempFile]], None]
"""Forgets, by their paths or their records, successors whose files did not come; or they are left to be found gone."""


Known = Callable[[Sequence[str]], Mapping[str, TempFile]]
"""Returns the records of those paths that have one."""

HasAll = Callable[[Sequence[str]], bool]
"""Says whether each of these paths is on record."""


class Succession(NamedTuple):
    """What keeps successors on record."""

    succeed: Succeed
    withdraw: Withdraw
    known: Known
    has_all: HasAll


def successor(
    record: TempFile,
    path: str,
    seen: Seen | Identity,
    parent: tuple[int, int, int],
    nature: Nature,
    due_at: float | None = None,
) -> Row:
    """Return the successor of a record whose file is to be renamed, which keeps its number and its birth.

    Args:
        record: The record before.
        path: Where the file will be, absolute.
        seen: What a look at it has found, or what is on record of it.
        parent: What identities say of the directory that it will be in; see ``parent_of``.
        nature: What sets the successor apart.
        due_at: When that is due, seconds since the epoch.
    """
    identity = Identity(seen.inode, seen.born, seen.changed, *parent)
    return (path, due_at, record.size, record.tags, identity, record.disk), nature
