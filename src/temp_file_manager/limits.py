"""Limits: marks that files, a file system or memory are not to pass. Frozen, and nothing that acts."""

from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from temp_file_manager.records import Order


class Measure(StrEnum):
    """What a limit looks at. Of the first two there may be too much, of the others too little is left."""

    BYTES = "bytes"  # that registered files take on the disk
    FILES = "files"  # on record
    FREE = "free"  # bytes of the file system that the base directory is on
    FREE_INODES = "free_inodes"  # of the same
    MEMORY = "memory"  # that this machine or container uses, where the base directory is in it

    @property
    def is_room(self) -> bool:
        """Whether it is what is left, of which there may be too little."""
        return self in (Measure.FREE, Measure.FREE_INODES)


class Mark(NamedTuple):
    """A value of a measure: a number, or a share of all there is.

    Attributes:
        value: Bytes or files; of a share, a part from 0 to 1.
        share: Which of the two it is.
    """

    value: float
    share: bool = False


@dataclass(frozen=True, slots=True)
class Limit:
    """A mark, and what goes when it is passed.

    Attributes:
        name: What the log, ``why`` and the metrics call it.
        measure: What is looked at.
        mark: Where removing begins: more than this, or of room, less.
        to: Where it ends.
        order: What goes first of what is not due: ``OLDEST``, ``LEAST_USED`` or ``LARGEST``.
        first: What has one of these tags goes before all other.
        tags: Files with one of these tags are measured, and go, alone; empty: all.
        spare: Seconds since its registration in which a file does not go.
        after: Seconds for which the mark is to be passed before anything goes.
        refuse: Whether no new files are made while the mark is passed.
    """

    name: str
    measure: Measure
    mark: Mark
    to: Mark
    order: Order = Order.OLDEST
    first: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    spare: float = 60.0
    after: float = 0.0
    refuse: bool = False
