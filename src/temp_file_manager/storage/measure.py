"""Looks at registered files: what they take on the disk, when they were used, and which are not there any more."""

import os
from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import Final, Literal

from temp_file_manager.records import Identity, Kind, Measured, Status, TempFile
from temp_file_manager.storage.below import WITHIN, Below
from temp_file_manager.storage.contract import NotThatFile
from temp_file_manager.storage.identity import same_directory, same_file
from temp_file_manager.storage.kernel.statx import HERE, Used, UsedLook, used_looker

GONE: Final = Status.GONE
"""There is no such file in the directory, which is the one that it was registered in."""

REPLACED: Final = Status.REPLACED
"""Another file is in its place, by what a number and a birth say."""

Gone = Literal[Status.GONE, Status.REPLACED]
"""One of the two: the registered file is not in its place."""


_NOT_THERE = (Kind.GOING, Kind.OBJECT)


def measure(records: Iterable[TempFile], asof: float) -> Iterator[Measured | Gone | None]:
    """Look at files by their paths, and yield what each record is to know of its own; None where nothing can be told.

    A look is one system call, and moves no time of the file; at a unit it is one for each thing in it. Of a registered
    link, the link itself is looked at. Each directory is looked at once: where it is absent, or another one than when
    the file was registered, nothing can be told. ``GONE`` and ``REPLACED`` are no more than what one look said: what
    changes the record for it looks again, with all the care that a removal takes.

    Args:
        records: Which.
        asof: Now, seconds since the epoch; a file that was used later than that was used now.
    """
    look, known = used_looker(), dict[tuple[bytes, int, int], bool]()
    for record in records:
        if record.identity is None or record.kind in _NOT_THERE:  # what is going may be about to come there
            yield None
            continue
        path = os.fsencode(record.path)
        directory = path[: path.rfind(b"/")] if b"/" in path else b"."
        _, _, _, parent_inode, parent_born, _ = identity = record.identity
        place = directory, parent_inode, parent_born
        same = known.get(place)
        if same is None:
            same = known[place] = _is_there(look, directory, identity)
        if not same:
            yield None
            continue
        try:
            found = look(HERE, path)
            yield _as_a_whole(record, found, asof) if record.kind is Kind.UNIT else measured(record, found, asof)
        except (FileNotFoundError, NotADirectoryError):
            yield GONE
        except OSError:  # it may not be looked at, or its disk does not answer
            yield None


def measured(record: TempFile, found: Used, asof: float) -> Measured | Literal[Status.REPLACED] | None:
    """Return what a look says of the file of a record, if it was at that file; arguments as of ``measure``."""
    if record.identity is None:
        return None
    same = same_file(record.identity, found.seen, record.size)
    if not same:
        return REPLACED if same is False else None
    used_at = min(found.used / 1e9, asof)
    return Measured(record, found.seen.disk, used_at if used_at > record.registered_at else None)


def _as_a_whole(record: TempFile, found: Used, asof: float) -> Measured | Literal[Status.REPLACED] | None:
    """Return what a look at all that is in a unit says, of which only the changes count as uses."""
    seen = measured(record, found, asof)
    if not isinstance(seen, Measured):
        return seen
    root = os.open(record.path, WITHIN)
    try:
        totals = Below(root, lambda *_: None, heed_locks=False).totals(asof)
    except NotThatFile:  # it changes meanwhile: another time
        return None
    finally:
        os.close(root)
    used_at = min(totals.newest / 1e9, asof)
    return Measured(record, totals.disk, used_at if used_at > record.registered_at else None)


def use(descriptor: int, now: float) -> int:
    """Have an open file say that it was read now, as far as it may be changed; return what it takes on the disk.

    Most mounts note that once a day, or never. A file without a birth is let be: its time of change is what tells it
    from another.
    """
    seen = used_looker()(descriptor, b"").seen
    if seen.born:
        with suppress(OSError):  # another's, or a mount that is read-only
            os.utime(descriptor, ns=(int(now * 1e9), os.fstat(descriptor).st_mtime_ns))
    return seen.disk


def _is_there(look: UsedLook, directory: bytes, identity: Identity) -> bool:
    """Say whether a directory is there, and the one that a file was registered in."""
    try:
        return same_directory(identity, look(HERE, directory + b"/.").seen)  # what a link leads to, not the link
    except OSError:
        return False
