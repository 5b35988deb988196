"""Rows of a spool: a file that is to be registered, and when somebody asked for it."""

import os
from json import dumps, loads
from typing import Any, NamedTuple, Self

from temp_file_manager.records import PLAIN, Identity, Kind, Nature, NewFile


class Waiting(NamedTuple):
    """A registration that is on its way to the server.

    Attributes:
        id: Its number in the spool, higher than those of all that came before.
        file: What is to be registered.
        registered_at: When it was, seconds since the epoch.
        nature: What sets it apart.
        only_new: Whether it is meant for a path that is not on record alone.
    """

    id: int
    file: NewFile
    registered_at: float
    nature: Nature = PLAIN
    only_new: bool = False

    @property
    def path(self) -> str:
        """The file's path."""
        return self.file[0]

    @classmethod
    def of_row(cls, row: tuple[Any, ...]) -> Self:
        """Return what a row of the statement ``take`` says."""
        number, path, registered_at, details, only_new = row
        due_at, size, tags, identity, disk, (rule, kind, origin) = loads(details)
        known = None if identity is None else Identity(*identity)
        file = (os.fsdecode(path), due_at, size, tuple(tags), known, disk)
        return cls(number, file, registered_at, Nature(rule, Kind(kind), origin), bool(only_new))


def parameters(file: NewFile, now: float, nature: Nature, *, only_new: bool) -> tuple[bytes, float, str, bool]:
    """Return the parameters of a new row."""
    path, due_at, size, tags, identity, disk = file
    return os.fsencode(path), float(now), dumps([due_at, size, tags, identity, disk, nature]), only_new
