"""Successors: records of where the content of a file will be, which are put on record before it is moved there."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from temp_file_manager.records import Identity, Nature, NewFile, TempFile
from temp_file_manager.storage.kernel.statx import Seen

Row = tuple[NewFile, Nature]
"""A successor: its record, and what sets that apart."""

Succeed = Callable[[Sequence[Row]], None]
"""Puts successors on record in one step; RegistryFullError if there is no room for them.

Killed after that, a sweep leaves records of files that are not there, which are found gone when they are due. Killed
after the move, it leaves the records before, which are found gone by the next sweep. No content is ever in two places,
or in none, or in one of which no record tells.
"""

Withdraw = Callable[[Sequence[str]], None]
"""Forgets, by their paths, successors whose files did not come; at most they are left to be found gone."""


class Succession(NamedTuple):
    """What keeps successors on record."""

    succeed: Succeed
    withdraw: Withdraw


def successor(
    record: TempFile,
    path: str,
    seen: Seen,
    parent: tuple[int, int, int],
    nature: Nature,
    due_at: float | None = None,
) -> Row:
    """Return the successor of a record whose file is to be renamed, which keeps its number and its birth.

    Args:
        record: The record before.
        path: Where the file will be, absolute.
        seen: What a look at it has found.
        parent: What identities say of the directory that it will be in; see ``parent_of``.
        nature: What sets the successor apart.
        due_at: When that is due, seconds since the epoch.
    """
    identity = Identity(seen.inode, seen.born, seen.changed, *parent)
    return (path, due_at, record.size, record.tags, identity, record.disk), nature
