"""Registrations of one file that several threads ask the SQLite registry for at once: one transaction, many answers."""

import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from patience import PATIENCE
from sqlite_files import new, registry_at
from temp_file_manager.errors import RecordClaimedError
from temp_file_manager.records import Identity, NewFile, Selection
from temp_file_manager.registry import Looked
from temp_file_manager.registry.sqlite.registry import SqliteRegistry
from temp_file_manager.testing import NOW, in_child

ALL = Selection(1e10, 0, force=True)
EIGHT = [f"/s/{number}" for number in range(8)]


class Turnstile:
    """A registry's lock at which threads gather until so many wait."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting = threading.Semaphore(0)

    def __enter__(self) -> None:
        self._waiting.release()
        self._lock.acquire()

    def __exit__(self, *_: object) -> None:
        self._lock.release()

    def acquire(self, *, blocking: bool) -> bool:
        """As a lock, past the turnstile: whoever closes asks so."""
        return self._lock.acquire(blocking)

    def release(self) -> None:
        """As a lock."""
        self._lock.release()

    @contextmanager
    def shut(self) -> Iterator[None]:
        """Keep it shut."""
        with self._lock:
            yield

    def gathered(self, count: int) -> None:
        """Return when so many have come."""
        for _ in range(count):
            assert self._waiting.acquire(timeout=PATIENCE)


class Asked:
    """Threads that each ask for one registration, all at once, and what they were told."""

    def __init__(self, registry: SqliteRegistry, works: dict[str, Callable[[], object]]) -> None:
        self.told: dict[str, BaseException | None] = {}
        turnstile = Turnstile()
        registry.lock = turnstile  # type: ignore[assignment]  # what it does of a lock is all that is used here
        threads = [threading.Thread(target=self._ask, args=one) for one in works.items()]
        with turnstile.shut():
            for thread in threads:
                thread.start()
            turnstile.gathered(len(threads))
        for thread in threads:
            thread.join()

    def _ask(self, name: str, work: Callable[[], object]) -> None:
        try:
            work()
        except BaseException as error:
            self.told[name] = error
        else:
            self.told[name] = None


class Counting(sqlite3.Connection):
    """A connection that counts commits, and before one of them does what it is told to."""

    commits = 0
    before: Callable[[], None] | None = None

    def execute(self, statement: str, *bound: Any) -> sqlite3.Cursor:
        if statement == "COMMIT":
            Counting.commits += 1
            before, Counting.before = Counting.before, None
            if before is not None:
                before()
        return super().execute(statement, *bound)


@pytest.fixture
def counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SqliteRegistry]:
    """A registry of ``/s/0`` and ``/s/1``, whose commits are counted from now on."""
    real = sqlite3.connect
    monkeypatch.setattr(sqlite3, "connect", lambda *words, **more: real(*words, factory=Counting, **more))
    with closing(registry_at(tmp_path / "r.db", tmp_path)) as registry:
        registry.add([new("/s/0"), new("/s/1")], 1.0)
        monkeypatch.setattr(Counting, "commits", 0)
        monkeypatch.setattr(Counting, "before", None)
        yield registry


def adding(registry: SqliteRegistry, paths: list[str]) -> dict[str, Callable[[], object]]:
    return {path: lambda path=path: registry.add([new(path)], 2.0) for path in paths}  # type: ignore[misc]


def test_eight_threads_share_a_transaction(counted: SqliteRegistry) -> None:
    assert Asked(counted, adding(counted, EIGHT)).told == dict.fromkeys(EIGHT)
    assert Counting.commits == 1
    assert counted.files == dict.fromkeys(EIGHT, 2.0)
    assert (counted.stats().records, counted.stats().counters["registered"]) == (8, 10)
    assert len({record.generation for record in counted.get(EIGHT).values()}) == 8
    assert counted.check(now=0, fix=False) == ()


def test_one_path_by_eight_threads_is_eight_registrations(counted: SqliteRegistry) -> None:
    works = {
        str(number): lambda number=number: counted.add([("/s/0", None, number, (), None, None)], 2.0)
        for number in range(8)
    }
    assert set(Asked(counted, works).told.values()) == {None}  # type: ignore[arg-type]
    assert (counted.stats().records, counted.stats().counters["registered"]) == (2, 10)
    assert counted.check(now=0, fix=False) == ()


def test_a_claimed_path_neither_spoils_nor_delays_the_others(counted: SqliteRegistry, tmp_path: Path) -> None:
    counted.patience = 0.0
    with closing(registry_at(tmp_path / "r.db", tmp_path)) as other:
        other.claim(ALL, now=0, lease=60, limit=1)
        Counting.commits = 0
        told = Asked(counted, adding(counted, EIGHT)).told
    assert isinstance(told.pop("/s/0"), RecordClaimedError)
    assert told == dict.fromkeys(EIGHT[1:])
    assert Counting.commits == 1
    assert counted.files == {"/s/0": 1.0} | dict.fromkeys(EIGHT[1:], 2.0)


def test_what_is_wrong_with_one_is_told_to_that_one_alone(counted: SqliteRegistry) -> None:
    """A size that SQLite has no room for, a look that fails, one that finds nothing any more."""

    def again(_: object) -> list[NewFile]:
        raise OSError("no more looks")

    works = adding(counted, EIGHT[:5])
    works["huge"] = lambda: counted.add([("/s/huge", None, 2**70, (), None, None)], 2.0)
    works["fails"] = lambda: counted.add([new("/s/fails")], 2.0, looked=Looked(-1, again))
    works["gone"] = lambda: counted.add([new("/s/gone")], 2.0, looked=Looked(-1, lambda _: []))
    told = Asked(counted, works).told
    assert isinstance(told.pop("huge"), OverflowError)
    assert isinstance(told.pop("fails"), OSError)
    assert set(told.values()) == {None}
    assert Counting.commits == 1
    assert counted.files == dict.fromkeys(EIGHT[:5], 2.0)
    assert counted.stats().counters["registered"] == 7
    assert counted.check(now=0, fix=False) == ()


@pytest.mark.parametrize("error", [KeyboardInterrupt, sqlite3.OperationalError("disk I/O error")])
def test_who_writes_for_all_and_fails_takes_nobody_along(
    counted: SqliteRegistry, error: BaseException | type[BaseException]
) -> None:
    """Each of the others is written by somebody else; and what was interrupted is not written later."""

    def fail() -> None:
        raise error

    Counting.before = fail
    told = Asked(counted, adding(counted, EIGHT)).told
    failed = [path for path, said in told.items() if said is not None]
    assert len(failed) == (error is KeyboardInterrupt), "alone it is tried once more: it may have been another's fault"
    counted.add([new("/s/last")], 3.0)
    assert set(counted.files) == {"/s/0", "/s/1", "/s/last", *EIGHT} - (set(failed) - {"/s/0", "/s/1"})
    assert counted.check(now=0, fix=False) == ()


def test_a_forked_child_writes_nothing_of_its_parent_s_threads(counted: SqliteRegistry) -> None:
    """One of them waits for the lock, which another has."""
    turnstile = Turnstile()
    counted.lock = turnstile  # type: ignore[assignment]  # see Asked
    thread = threading.Thread(target=counted.add, args=([new("/s/parent")], 2.0))

    def child() -> list[str]:
        counted.add([new("/s/child")], 3.0)
        return sorted(counted.files)

    with turnstile.shut():
        thread.start()
        turnstile.gathered(1)
        assert in_child(child) == ["/s/0", "/s/1", "/s/child"]
    thread.join()
    assert sorted(counted.files) == ["/s/0", "/s/1", "/s/child", "/s/parent"]


def test_a_file_under_two_names_of_its_directory_waits_for_the_later(fresh: SqliteRegistry) -> None:
    """Also when it was registered with others in one step."""
    one, *others = (Identity(number, 2, 3, 4, 5) for number in (1, 6, 7))
    fresh.add([("/s/a", None, None, (), one, None), ("/s/b", None, None, (), others[0], None)], NOW)
    fresh.add([("/t/a", NOW + 500, None, (), one, None), ("/t/c", None, None, (), others[1], None)], NOW)
    claim = fresh.claim(Selection(NOW + 200, 100), now=0, lease=60, limit=9)
    assert sorted(claim.records.paths()) == ["/s/b", "/t/c"]


def test_tags_that_nothing_has_any_more_are_kept_nowhere(tmp_path: Path) -> None:
    """Whoever registers a path over and over, each time with another tag, fills nothing."""
    with closing(registry_at(tmp_path / "r.db", tmp_path)) as registry:
        for number in range(5):
            registry.add([("/s/a", None, 1, (f"run {number}",), None, None)], NOW)
        with closing(sqlite3.connect(tmp_path / "r.db")) as connection:
            assert connection.execute("SELECT tags, records FROM tagged").fetchall() == [('["run 4"]', 1)]
