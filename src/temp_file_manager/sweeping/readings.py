"""Looks at what limits measure: the registry's sums, the file system, the memory."""

from temp_file_manager.limits import Limit, Measure
from temp_file_manager.registry import Registry
from temp_file_manager.storage.kernel.cgroup import memory
from temp_file_manager.storage.kernel.space import room
from temp_file_manager.sweeping.limits import Reading


class Readings:
    """Reads measures, each at a cost that does not depend on how many files there are.

    Args:
        registry: Whose records count.
        base_dir: Whose file system counts.
    """

    def __init__(self, registry: Registry, base_dir: str) -> None:
        self._registry = registry
        self._base_dir = base_dir

    def read(self, limit: Limit) -> Reading | None:
        """Return what a limit's measure is now; None when it cannot be told.

        Raises:
            RegistryError: the registry cannot be read.
        """
        match limit.measure:
            case Measure.BYTES:
                found = self._on_record(limit)[1]
                return None if found is None else Reading(found)
            case Measure.FILES:
                return Reading(self._on_record(limit)[0])
            case Measure.MEMORY:
                used = memory()
                return None if used is None else Reading(used.used, used.allowed)
        return self._room(limit.measure)

    def unregistered(self, limit: Limit, reading: Reading) -> float | None:
        """Return how much of what is used is nobody's on record: bytes or files; None where that is no question.

        Args:
            limit: Which.
            reading: A look at its measure.
        """
        measure = limit.measure
        if measure in (Measure.BYTES, Measure.FILES):
            return None
        used = (reading.capacity or 0.0) - reading.value if measure.is_room else reading.value
        stats = self._registry.stats()
        return max(0.0, used - ((stats.records if measure.is_count else stats.bytes) or 0))

    def records(self, limit: Limit) -> int:
        """Return how many records a limit is about."""
        return self._on_record(limit)[0]

    def _on_record(self, limit: Limit) -> tuple[int, int | None]:
        if limit.tags:
            records, size = self._registry.sums(limit.tags)
            return records, size
        stats = self._registry.stats()
        return stats.records, stats.bytes

    def _room(self, measure: Measure) -> Reading | None:
        found = room(self._base_dir)
        if found is None:
            return None
        if measure is Measure.FREE:
            return Reading(found.bytes, found.size)
        return None if found.inodes is None else Reading(found.inodes, found.all_inodes)
