"""Words that the registry's contract is written in."""
# ruff: noqa: S101 - tests assert

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager

from temp_file_manager.causes import Cause
from temp_file_manager.chunks import Other
from temp_file_manager.errors import RecordClaimedError
from temp_file_manager.records import NewFile, Selection, Status, TempFile
from temp_file_manager.registry import Claim, Registry, Settlement
from temp_file_manager.registry.counters import REGISTERED
from temp_file_manager.testing.clock import NOW

EVERY = Selection(NOW + 1000, 100, force=True)
"""Every record that is free, whatever its age."""

HUGE = 1 << 62
"""Bytes: what a file with a hole can have. Two are more than 64 bits hold."""

HUNG = Other(Status.FAILED, Cause.HUNG)
"""The end of a removal that may yet go through."""


class RegistryWords:
    """The registry under test, and what is said to it. Each part of the contract is a class of this kind."""

    secrets: tuple[str, ...] = ()
    """Credentials that the registry was opened with, which no text of it may show."""

    _made: Registry | None = None
    _other: Registry | None = None

    def make_registry(self) -> Registry:
        """Return a new, empty registry."""
        raise NotImplementedError

    def make_other(self) -> Registry | None:
        """Return a second object on the records of ``registry``, as another process has; None where there is none."""
        return None

    def let_lapse(self) -> None:
        """Let time pass for processes that have died, where nothing but a lapse tells of their death; for no other."""

    @property
    def registry(self) -> Registry:
        """The test's registry."""
        if self._made is None:
            self._made = self.make_registry()
        return self._made

    @property
    def objects(self) -> tuple[Registry, ...]:
        """The test's registry, and the second object on its records where there can be one."""
        if self._other is None:
            first = self.registry
            self._other = self.make_other() or first
        return (self.registry,) if self._other is self.registry else (self.registry, self._other)

    def teardown_method(self) -> None:
        """Close what the test used; pytest calls it."""
        for registry in {self._made, self._other} - {None}:
            registry.close()  # type: ignore[union-attr]  # not None, see above

    # -- words the tests are written in --------------------------------------------------------------------

    def add(self, *paths: str, at: float = NOW, due_at: float | None = None, tags: tuple[str, ...] = ()) -> None:
        """Record ``paths`` in one step."""
        self.registry.add([(path, due_at, None, tags, None, None) for path in paths], at)

    def add_one(self, path: str, at: float) -> None:
        """Record a path in the way that is cheaper, if the registry has one."""
        if not self.registry.add_one(path, at, self.registry.settlements):
            self.add(path, at=at)

    def claim(
        self,
        due: Selection,
        *,
        limit: int = 100,
        after: object | None = None,
        now: float | None = None,
        settling: Settlement | None = None,
    ) -> Claim:
        """Claim for 60 s from ``now``, or from ``due.asof``."""
        return self.registry.claim(
            due, now=due.asof if now is None else now, lease=60, limit=limit, after=after, settling=settling
        )

    def claim_one(self, path: str, due: Selection) -> Claim:
        """Claim what is due, which must be the record of ``path`` and no other."""
        claim = self.claim(due)
        assert paths_of(claim.records) == [path]
        return claim

    def settle(self, claim: Claim, *ends: Status | Other, at: float = NOW) -> None:
        """Settle the first records of a claim, each with what became of it; the rest was not worked on."""
        self.registry.settle(settlement(claim, *ends, at=at))

    def settle_all(self, *ends: Status | Other) -> None:
        """Claim as many records as there are ends, whatever their age, and settle each with its own."""
        claim = self.claim(EVERY, limit=len(ends))
        assert len(claim.records) == len(ends)
        self.settle(claim, *ends)

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

    @property
    def free(self) -> list[str]:
        """The paths that nobody has claimed and nothing keeps, in order."""
        return sorted(paths_of(self.pages(EVERY, 100)))

    def add_sized(self, *sizes: int | None, only_new: bool = False) -> None:
        """Record ``/c/0``, ``/c/1`` and so on, of these sizes, in one step."""
        files: list[NewFile] = [(f"/c/{number}", None, size, (), None, None) for number, size in enumerate(sizes)]
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

    @contextmanager
    def refused(self, *paths: str) -> Iterator[None]:
        """Expect that what is done now is refused, as these paths are claimed, and that it changes nothing."""
        before = self.pages(None, 100), self.counters
        try:
            yield
        except RecordClaimedError as error:
            claimed = set(error.paths)
        else:
            raise AssertionError("it was not refused")
        assert claimed == set(paths)
        assert (self.pages(None, 100), self.counters) == before

    def patience(self, seconds: float) -> None:
        """Have changes wait for so long."""
        for registry in self.objects:
            registry.patience = seconds


def settlement(claim: Claim, *ends: Status | Other, at: float = NOW) -> Settlement:
    """Return the end of a claim: what became of its first records."""
    told = [Other(end, Cause.NONE) if isinstance(end, Status) else end for end in ends]
    others = {n: end for n, end in enumerate(told) if end.cause or end.status is not Status.REMOVED}
    return Settlement(claim, len(told), others, at)


def new(*paths: str) -> list[NewFile]:
    """Return files to be recorded of which the path is all that is said."""
    return [(path, None, None, (), None, None) for path in paths]


def paths_of(records: Iterable[TempFile]) -> list[str]:
    """Return the paths of records."""
    return [record.path for record in records]


def later(seconds: float = 0) -> Selection:
    """Return what a sweep wants that begins when all that was added is overdue, and so many seconds after that."""
    return Selection(NOW + 1000 + seconds, 100)


def waiting_since(record: TempFile, due: Selection) -> float:
    """Return since when a record waits for a sweep, or will."""
    since = record.registered_at + due.max_age if record.due_at is None else record.due_at
    return since if record.retry_at is None else record.retry_at
