"""Removals on a shared volume alone: nothing happens while it is not there, and nothing outside it."""

import os
from collections.abc import Iterable, Iterator
from itertools import groupby

from temp_file_manager.causes import Cause
from temp_file_manager.chunks import Other
from temp_file_manager.records import Outcome, Status, TempFile
from temp_file_manager.storage.contract import Removal, Storage
from temp_file_manager.storage.shared_volume import SharedVolume

_FORGOTTEN = frozenset({Status.GONE, Status.REPLACED})


class Marked:
    """A storage that reads a volume's marker before each chunk.

    Without it nothing is removed, and no record forgotten. It is read again if anything was not found, or found to be
    another: the volume may have been taken away meanwhile. What a record says lies outside is left alone; a registry
    that many write to may say anything.

    Args:
        storage: What removes.
        volume: What it removes from.
    """

    def __init__(self, storage: Storage, volume: SharedVolume) -> None:
        self._storage = storage
        self._volume = volume

    def remove(self, removal: Removal) -> None:
        """Remove what lies on the volume, while it is there; see ``Storage``."""
        first, last = removal.done, removal.last
        removal.begun = max(removal.begun, first + 1)  # to read it may hang: then this is the one that does
        if absent := self._absent():
            _keep(removal, first, last, absent)
            return
        try:
            self._remove(removal, first, last)
        finally:
            self._doubt(removal, first)

    def _remove(self, removal: Removal, first: int, last: int) -> None:
        outside = _Outside(self._volume)
        paths = removal.records.paths()
        for why, positions in groupby(range(first, last), lambda at: outside.why(paths[at])):
            end = first + sum(1 for _ in positions)
            if not removal.goes_on:
                return
            if why:
                _keep(removal, first, end, Other(Status.KEPT, Cause.OUTSIDE, why))
            else:
                whole, removal.last = removal.last, end
                try:
                    self._storage.remove(removal)
                finally:
                    removal.last = whole
                if removal.done < end:
                    return
            first = end

    def _doubt(self, removal: Removal, first: int) -> None:
        """Keep what seems to be gone, or another file, if the volume is away by now."""
        doubtful = [at for at, other in removal.others.copy().items() if first <= at and other.status in _FORGOTTEN]
        if doubtful and (absent := self._absent()):
            removal.others.update(dict.fromkeys(doubtful, absent))

    def _absent(self) -> Other | None:
        why = self._volume.why_absent()
        return Other(Status.KEPT, Cause.ABSENT_VOLUME, why) if why else None

    def predict(self, records: Iterable[TempFile]) -> Iterator[Outcome]:
        """Yield what ``remove`` would; see ``Storage``."""
        outside, absent = _Outside(self._volume), self._absent()
        if absent:
            yield from (Outcome(record, *absent) for record in records)
            return
        for why, some in groupby(records, lambda record: outside.why(record.path)):
            if why:
                yield from (Outcome(record, Status.KEPT, Cause.OUTSIDE, why) for record in some)
            else:
                yield from self._storage.predict(some)


class _Outside:
    """Says of one path after another why it is none of the volume's; each directory is looked at once."""

    def __init__(self, volume: SharedVolume) -> None:
        self._volume = volume
        self._known: dict[str, str] = {}

    def why(self, path: str) -> str:
        directory, name = os.path.split(path)
        if name in ("", ".", ".."):
            return self._volume.why_not_below("")
        known = self._known.get(directory)
        if known is None:
            known = self._known[directory] = self._volume.why_not_below(path)
        return known


def _keep(removal: Removal, first: int, last: int, kept: Other) -> None:
    removal.others.update(dict.fromkeys(range(first, last), kept))
    removal.done = removal.begun = last
