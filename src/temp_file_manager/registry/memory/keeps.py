"""Pins and holds in memory, changed under the registry's lock."""

from temp_file_manager.registry.contract import Holder
from temp_file_manager.registry.memory.queue import DueQueue


def keep(queue: DueQueue, paths: tuple[str, ...], until: float, holder: Holder | None) -> tuple[str, ...]:
    """See ``Keeps.keep``."""
    known = tuple(path for path in paths if path in queue.files)
    for path in known:
        if holder is None:
            queue.pins[path] = until
            queue.free(path)  # it may end before a former pin would have
        else:
            queue.held[path] = queue.held.get(path, 0) + 1
    return known


def release(queue: DueQueue, paths: tuple[str, ...], holder: Holder | None) -> tuple[str, ...]:
    """See ``Keeps.release``. What is held may have been forgotten meanwhile."""
    known = tuple(path for path in paths if path in queue.files)
    if holder is None:
        for path in known:
            queue.pins.pop(path, None)
            queue.free(path)
        return known
    for path in paths:
        left = queue.held.pop(path, 0) - 1
        if left > 0:
            queue.held[path] = left
        else:
            queue.free(path)
    return known
