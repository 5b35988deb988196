"""Looks at registered files: what they take on the disk, when they were used, and which are gone."""

import os
from collections.abc import Iterable, Iterator
from typing import Final, Literal

from temp_file_manager.records import Measured, Status, TempFile
from temp_file_manager.storage.identity import same_directory, same_file
from temp_file_manager.storage.kernel.statx import HERE, Seen, Used, UsedLook, used_looker

Gone = Literal[Status.GONE]

GONE: Final = Status.GONE
"""The file is not in its directory, which is the one that it was registered in."""


def measure(records: Iterable[TempFile], asof: float) -> Iterator[Measured | Gone | None]:
    """Look at files by their paths, and yield what each record is to know of its own; None where nothing can be told.

    A look is one system call, and moves no time of the file. Of a registered link, the link itself is looked at. Each
    directory is looked at once: where it is absent, or another one than when the file was registered, nothing can be
    told, nor of another file in the place of the registered one. ``GONE`` is no more than what one look said: what
    forgets the record looks again, with all the care that a removal takes.

    Args:
        records: Which.
        asof: Now, seconds since the epoch; a file that was used later than that was used now.
    """
    look, directories = used_looker(), dict[bytes, Seen | None]()
    for record in records:
        if record.identity is None:
            yield None
            continue
        path = os.fsencode(record.path)
        directory = path.rpartition(b"/")[0] if b"/" in path else b"."
        if directory not in directories:
            directories[directory] = _directory(look, directory)
        parent = directories[directory]
        if parent is None or not same_directory(record.identity, parent):
            yield None
            continue
        try:
            yield measured(record, look(HERE, path), asof)
        except (FileNotFoundError, NotADirectoryError):
            yield GONE
        except OSError:  # it may not be looked at, or its disk does not answer
            yield None


def measured(record: TempFile, found: Used, asof: float) -> Measured | None:
    """Return what a look says of the file of a record; None if nothing tells that it was at that file.

    Args:
        record: With an identity.
        found: The look.
        asof: As of ``measure``.
    """
    if record.identity is None or not same_file(record.identity, found.seen, record.size):
        return None
    used_at = min(found.used / 1e9, asof)
    return Measured(record, found.seen.disk, used_at if used_at > record.registered_at else None)


def _directory(look: UsedLook, directory: bytes) -> Seen | None:
    try:
        return look(HERE, directory + b"/.").seen  # what a link leads to, not the link
    except OSError:
        return None
