"""The part of the registry's contract that is about journals: what is noted, whatever becomes of the records."""

import math
from abc import abstractmethod
from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple, Protocol


class Note(NamedTuple):
    """A line of a journal, and when it was written, in seconds since the epoch."""

    at: float
    text: str


class Journal(Protocol):
    """Lines by the names of their journals, and the counters. They stay whatever becomes of the records."""

    @abstractmethod
    def write(
        self,
        journal: str,
        line: str | None,
        at: float,
        *,
        keep: int,
        counters: Mapping[str, float] = MappingProxyType({}),
    ) -> None:
        """Write a line, and add to the counters in the same step; what is registered and settled adds itself.

        Args:
            journal: Its name.
            line: The text; None for only the counters.
            at: When, seconds since the epoch.
            keep: So many of the journal's last lines stay. A fact that is remembered is a journal of one line.
            counters: What to add to each.
        """

    @abstractmethod
    def read(self, journal: str, *, since: float = -math.inf, limit: int) -> list[Note]:
        """Return the last lines of a journal, the newest first: those not older than ``since``, ``limit`` at most."""


def last_line(journal: Journal, name: str) -> str | None:
    """Return what was last written into the journal of that name; None when nothing was."""
    found = journal.read(name, limit=1)
    return found[0].text if found else None
