"""Journals and counters of the registry in memory."""

import itertools
from collections import defaultdict, deque
from collections.abc import Mapping

from temp_file_manager.registry.journal import Note


class Notes:
    """Lines by the names of their journals, and counters. Changed and read under the registry's lock.

    Attributes:
        counters: What happened, by name.
    """

    def __init__(self) -> None:
        self.counters: defaultdict[str, float] = defaultdict(float)
        self._journals: dict[str, deque[Note]] = {}

    def count(self, more: Mapping[str, float]) -> None:
        """Add to the counters."""
        for name, value in more.items():  # for so few what Counter.update does takes twice as long
            self.counters[name] += value

    def write(self, journal: str, line: str, at: float, keep: int) -> None:
        """Write a line, and keep so many of the journal's last ones."""
        kept = self._journals.setdefault(journal, deque(maxlen=keep))
        if kept.maxlen != keep:
            kept = self._journals[journal] = deque(kept, maxlen=keep)
        kept.append(Note(at, line))

    def read(self, journal: str, since: float, limit: int) -> list[Note]:
        """Return the last lines of a journal, the newest first."""
        found = (note for note in reversed(self._journals.get(journal, ())) if note.at >= since)
        return list(itertools.islice(found, limit))
