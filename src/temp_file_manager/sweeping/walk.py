"""A walk over all records, in the order in which they were put on record, a page at a time."""

from temp_file_manager.records import Order, Selection, TempFile
from temp_file_manager.registry import Registry

PAGE = 500
"""Records read at a time, and worked on between two questions whether to stop: no more than one claim takes."""


class Walk:
    """A walk over records in the order in which they were put on record; at its end it waits for more.

    Args:
        registry: Where they are.
        since: The generation that it begins behind, where the registry keeps those; 0: with the first.
        upto: The generation that it ends with; what comes later is for another walk.

    Attributes:
        last: The generation of the last record that it has come to.
        at_end: Whether it has come to its end, or to the last record that there is.
    """

    def __init__(self, registry: Registry, since: int, upto: float) -> None:
        self._registry = registry
        self._wanted = Selection(0.0, 0.0, order=Order.ADDED, since=since)
        self._numbered = registry.properties.keeps_identity
        self._cursor: object | None = None
        self._upto = upto
        self.last = since
        self.at_end = False

    def next(self, now: float) -> tuple[TempFile, ...]:
        """Return the next records; ``now`` as of ``Records.page``."""
        page = self._registry.page(self._wanted, now=now, limit=PAGE, after=self._cursor)
        records = page.records
        if self._numbered:
            # The last page has no cursor, and is read once more, for what has come to it.
            records = tuple(record for record in records if record.generation > self.last)
            self.last = records[-1].generation if records else self.last
        self._cursor = self._cursor if page.cursor is None else page.cursor
        self.at_end = page.cursor is None or self.last >= self._upto
        return records
