"""Records of a registry, a page at a time, and which of them somebody asks for."""

from collections.abc import Callable, Iterable, Iterator

from temp_file_manager.context import Context
from temp_file_manager.records import Selection, TempFile
from temp_file_manager.storage.paths import AnyPath, as_recorded

Filter = Callable[[TempFile], bool]

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


def wanted(asof: float, *, tags: Iterable[str], under: AnyPath | None, older_than: float | None) -> Filter:
    """Return what says of a record whether it has all these tags, lies below a directory, and is older than that.

    Args:
        asof: The moment ages are read at, seconds since the epoch.
        tags: All of which it is to have.
        under: The directory; None: it lies anywhere. Of what is in quarantine, the place where it was counts.
        older_than: Seconds; None: it is of any age.
    """
    words, above = set(tags), None if under is None else as_recorded(under).rstrip("/") + "/"

    def is_wanted(record: TempFile) -> bool:
        return (
            words <= set(record.tags)
            and (above is None or (record.origin or record.path).startswith(above))
            and (older_than is None or asof - record.registered_at > older_than)
        )

    return is_wanted
