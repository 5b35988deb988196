"""Successors: records of where the content of a file will be, which are put on record before it is moved there."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from temp_file_manager.records import Identity, Nature, NewFile, TempFile
from temp_file_manager.storage.identity import parent_of
from temp_file_manager.storage.kernel.statx import Look, Seen

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


Parent = tuple[int, int, int]
"""What identities say of a directory: its number, birth and volume."""


def directory_of(look: Look, directory: bytes) -> Parent:
    """Return what identities are to say of a directory that files are to be moved to.

    Raises:
        OSError: it cannot be looked at.
    """
    return parent_of(look, directory)


def successor(
    record: TempFile, path: str, seen: Seen, parent: Parent, nature: Nature, due_at: float | None = None
) -> Row | None:
    """Return the successor of a record whose file is to be renamed; None where nothing could tell the file again.

    A rename keeps a file's number and its birth. It moves its change time, which is all that tells one from another
    where there are no births.

    Args:
        record: The record before.
        path: Where the file will be, absolute.
        seen: What a look at it has found.
        parent: What identities say of the directory that it will be in.
        nature: What sets the successor apart.
        due_at: When that is due, seconds since the epoch.
    """
    if not seen.born:
        return None
    identity = Identity(seen.inode, seen.born, seen.changed, *parent)
    return (path, due_at, record.size, record.tags, identity, record.disk), nature
