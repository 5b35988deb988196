"""Words that the registry's contract is written in."""
# ruff: noqa: S101 - tests assert

from collections.abc import Iterable, Mapping

from temp_file_manager.records import NewFile, Outcome, Selection, Status, TempFile
from temp_file_manager.registry import Claim, Registry
from temp_file_manager.registry.counters import REGISTERED
from temp_file_manager.testing.clock import NOW

EVERY = Selection(NOW + 1000, 100, force=True)
"""Every record that is free, whatever its age."""

HUGE = 1 << 62
"""Bytes: what a file with a hole can have. Two are more than 64 bits hold."""


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
        assert paths_of(records) == [path]
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

    def add_sized(self, *sizes: int | None, only_new: bool = False) -> None:
        """Record ``/c/0``, ``/c/1`` and so on, of these sizes, in one step."""
        files: list[NewFile] = [(f"/c/{number}", None, size, (), None) for number, size in enumerate(sizes)]
        self.registry.add(files, NOW, only_new=only_new)

    @property
    def counters(self) -> Mapping[str, float]:
        """The counters, without those that are nought."""
        return {name: value for name, value in self.registry.stats().counters.items() if value}

    @property
    def registered(self) -> float:
        """How many registrations were counted."""
        return self.counters.get(REGISTERED, 0)

    def are_bytes(self, expected: int) -> bool:
        """Say whether the sum of the sizes is as expected, or not kept."""
        return self.registry.stats().bytes in {None, expected}

    def settle_all(self, *statuses: Status) -> tuple[TempFile, ...]:
        """Claim as many records as there are statuses, whatever their age, and settle each with its own."""
        records = self.claim(EVERY, limit=len(statuses)).records
        assert len(records) == len(statuses)
        self.registry.settle([Outcome(r, status) for r, status in zip(records, statuses, strict=True)], NOW)
        return records

    def settle(self, record: TempFile, status: Status, now: float = NOW) -> None:
        """Settle one record."""
        self.registry.settle([Outcome(record, status)], now)


def paths_of(records: Iterable[TempFile]) -> list[str]:
    """Return the paths of records."""
    return [record.path for record in records]


def later(seconds: float = 0) -> Selection:
    """Return what a sweep wants that begins when all that was added is overdue, and so many seconds after that."""
    return Selection(NOW + 1000 + seconds, 100)


def overdue_since(record: TempFile, due: Selection) -> float:
    """Return when a record becomes due, or did."""
    return record.registered_at + due.max_age if record.due_at is None else record.due_at
