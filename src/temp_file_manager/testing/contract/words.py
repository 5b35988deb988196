"""The words that the registry's contract is written in."""
# ruff: noqa: S101 - tests assert

from collections.abc import Iterable

from temp_file_manager.records import Outcome, Selection, Status, TempFile
from temp_file_manager.registry import Claim, Registry
from temp_file_manager.testing.clock import NOW


class RegistryWords:
    """The registry under test, and what is said to it. Each part of the contract is a class of this kind."""

    secrets: tuple[str, ...] = ()
    """Credentials that the registry was opened with, which no text of it may show."""

    _made: Registry | None = None

    def make_registry(self) -> Registry:
        """Return a new, empty registry."""
        raise NotImplementedError

    @property
    def registry(self) -> Registry:
        """The test's registry."""
        if self._made is None:
            self._made = self.make_registry()
        return self._made

    def teardown_method(self) -> None:
        """Close what the test used; pytest calls it."""
        if self._made is not None:
            self._made.close()

    # -- words the tests are written in --------------------------------------------------------------------

    def add(self, *paths: str, at: float = NOW, due_at: float | None = None, tags: tuple[str, ...] = ()) -> None:
        """Record ``paths`` in one step."""
        self.registry.add([(path, due_at, None, tags, None) for path in paths], at)

    def claim(
        self, due: Selection, *, limit: int = 100, after: object | None = None, now: float | None = None
    ) -> Claim:
        """Claim for 60 s from ``now``, or from ``due.asof``."""
        return self.registry.claim(due, now=due.asof if now is None else now, lease=60, limit=limit, after=after)

    def claim_one(self, path: str, due: Selection) -> TempFile:
        """Claim what is due and return the record, which must be that of ``path`` and no other."""
        records = self.claim(due).records
        assert _paths(records) == [path]
        return records[0]

    def pages(self, due: Selection | None, limit: int) -> list[TempFile]:
        """Return all pages as one list."""
        found: list[TempFile] = []
        now = NOW if due is None else due.asof
        page = self.registry.page(due, now=now, limit=limit)
        found += page.records
        while page.cursor is not None:
            page = self.registry.page(due, now=now, limit=limit, after=page.cursor)
            assert len(page.records) <= limit
            found += page.records
        return found

    def record(self, path: str) -> TempFile:
        """Return the record of a known path."""
        return self.registry.get([path])[path]

    def settle(self, record: TempFile, status: Status, now: float = NOW) -> None:
        """Settle one record."""
        self.registry.settle([Outcome(record, status)], now)


def _paths(records: Iterable[TempFile]) -> list[str]:
    return [record.path for record in records]


def _later(seconds: float = 0) -> Selection:
    return Selection(NOW + 1000 + seconds, 100)


def _overdue_since(record: TempFile, due: Selection) -> float:
    return record.registered_at + due.max_age if record.due_at is None else record.due_at
