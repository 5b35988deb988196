"""Walking through the records of a registry, a page at a time."""

from collections.abc import Iterator

from temp_file_manager.clock import SystemClock
from temp_file_manager.manager import TempFileManager
from temp_file_manager.records import Selection, TempFile

PAGE = 1000
"""Records in memory at a time, at most."""


def moment(manager: TempFileManager) -> Selection:
    """Return what a cleanup now would look for."""
    return Selection(SystemClock().wall(), manager.max_age)


def due_ones(manager: TempFileManager, due: Selection) -> Iterator[TempFile]:
    """Yield what a cleanup would take, the longest overdue first; not what another sweep is at just now."""
    return _walk(manager, due)


def every(manager: TempFileManager) -> Iterator[TempFile]:
    """Yield every record: by age those that ``max_age`` decides about, then by its end those with a ttl."""
    return _walk(manager, None)


def _walk(manager: TempFileManager, due: Selection | None) -> Iterator[TempFile]:
    cursor = None
    while True:
        page = manager.registry.page(due, now=SystemClock.elapsed(), limit=PAGE, after=cursor)
        yield from page.records
        cursor = page.cursor
        if cursor is None:
            return
