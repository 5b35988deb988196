"""Records of a registry, a page at a time."""

from collections.abc import Iterator

from temp_file_manager.context import Context
from temp_file_manager.records import Selection, TempFile

PAGE = 1000
"""Records in memory at a time, at most."""


def records(context: Context, selection: Selection | None = None) -> Iterator[TempFile]:
    """Yield what a cleanup would take, what waits the longest first; not what another sweep is at just now.

    Args:
        context: Whose registry.
        selection: Which; None: every record, by age those that ``max_age`` decides about, then by its end those with a
            ttl.
    """
    cursor = None
    while True:
        page = context.registry.page(selection, now=context.clock.elapsed(), limit=PAGE, after=cursor)
        yield from page.records
        cursor = page.cursor
        if cursor is None:
            return
