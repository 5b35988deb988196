"""Limits: marks that files, a file system or memory are not to pass. Frozen, and nothing that acts."""

from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from temp_file_manager.records import Order
from temp_file_manager.text import human_size, span


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

    @property
    def is_count(self) -> bool:
        """Whether it is of files; else of bytes."""
        return self in (Measure.FILES, Measure.FREE_INODES)

    def words(self, value: float) -> str:
        """Return a value of it as people write it: ``1.5 GiB``, ``5,000 files``."""
        if not self.is_count:
            return human_size(round(value))
        what = "inode" if self is Measure.FREE_INODES else "file"
        return f"{value:,.0f} {what}{'' if round(value) == 1 else 's'}"


class Mark(NamedTuple):
    """A value of a measure: a number, or a share of all there is.

    Attributes:
        value: Bytes or files; of a share, a part from 0 to 1.
        share: Which of the two it is.
    """

    value: float
    share: bool = False

    def words(self, measure: Measure) -> str:
        """Return it as people write it: ``10 %``, ``20.0 GiB``."""
        return f"{self.value * 100:.12g} %" if self.share else measure.words(self.value)

    def described(self) -> object:
        """Return it for programs: a number, or a share as text."""
        return f"{self.value * 100:.12g} %" if self.share else self.value


@dataclass(frozen=True, slots=True)
class Limit:
    """A mark, and what goes when it is passed.

    Attributes:
        name: What the log, ``why`` and the metrics call it.
        measure: What is looked at.
        mark: Where removing begins: more than this, or of room, less.
        to: Where it ends.
        order: What goes first of what is not due: ``OLDEST``, ``LEAST_USED`` or ``LARGEST``, or the name of an order
            that a plug-in brings.
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
    order: Order | str = Order.OLDEST
    first: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    spare: float = 60.0
    after: float = 0.0
    refuse: bool = False

    def words(self) -> str:
        """Return it in words: ``bytes over 20.0 GiB, to 18.0 GiB, oldest first``."""
        measure = self.measure
        told = [f"{measure} {'under' if measure.is_room else 'over'} {self.mark.words(measure)}"]
        in_order = f"{self.order} first" if isinstance(self.order, Order) else f"in the order {self.order}"
        told += [f"to {self.to.words(measure)}", in_order]
        told += [f"those with a tag of {', '.join(self.first)} before all"] if self.first else []
        told += [f"of files with a tag of {', '.join(self.tags)}"] if self.tags else []
        told += [f"spares files for {span(self.spare)}"] if self.spare else []
        told += [f"after {span(self.after)}"] if self.after else []
        return ", ".join([*told, "refuses new files"] if self.refuse else told)

    def described(self) -> dict[str, object]:
        """Return it for programs."""
        return {
            "name": self.name,
            "measure": str(self.measure),
            "mark": self.mark.described(),
            "to": self.to.described(),
            "order": str(self.order),
            "first": list(self.first),
            "tags": list(self.tags),
            "spare": self.spare,
            "after": self.after,
            "refuse": self.refuse,
        }
