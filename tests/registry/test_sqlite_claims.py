"""Claims and records in the SQLite file: when they end, and what is left of them."""

import itertools
import math
import random
import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from small_disk import fill_pages
from sqlite_files import claimed, execute, new, over, registry_at
from temp_file_manager.causes import Cause
from temp_file_manager.chunks import Other
from temp_file_manager.errors import RecordClaimedError, RegistryFullError
from temp_file_manager.records import Identity, Rewritten, Selection, Status
from temp_file_manager.registry import THIS_PROCESS, Claim, Settlement
from temp_file_manager.registry.schemes import open_registry
from temp_file_manager.registry.sqlite import migration
from temp_file_manager.registry.sqlite.database import Database
from temp_file_manager.registry.sqlite.registry import SqliteRegistry
from temp_file_manager.registry.sqlite.sql import load_statements
from temp_file_manager.testing import NOW

ALL = Selection(NOW + 99, 0, force=True)
HUNG = Other(Status.FAILED, Cause.HUNG)


def test_a_claim_has_lapsed_at_the_very_end_of_its_lease(fresh: SqliteRegistry) -> None:
    """Excludes code that ends claims only after that moment, though its records are free at it."""
    fresh.add([("/s/a", None, None, (), None, None)], NOW)
    assert fresh.claim(Selection(NOW, 0, force=True), now=NOW, lease=60, limit=9).records
    assert fresh.check(now=NOW + 59.5, fix=False) == ()
    assert [finding.kind for finding in fresh.check(now=NOW + 60, fix=False)] == ["lapsed claim"]


def test_a_sweep_s_last_chunk_finds_what_another_registry_freed_behind_it(
    fresh: SqliteRegistry, tmp_path: Path
) -> None:
    """Excludes code that looks back in its first chunk only: what the other let go of would wait for a later sweep."""
    due = Selection(NOW + 9, 0, force=True)
    for second, path in enumerate(("/s/a", "/s/b", "/s/c")):
        fresh.add([(path, None, None, (), None, None)], NOW + second)
    with closing(SqliteRegistry(str(tmp_path / "r.db"), str(tmp_path))) as other:
        theirs = other.claim(due, now=NOW, lease=60, limit=1)
        ours = fresh.claim(due, now=NOW, lease=60, limit=1)
        other.settle(over(theirs, Status.SKIPPED))
        rest = fresh.claim(due, now=NOW, lease=60, limit=9, after=ours.cursor)
    assert [list(claim.records.paths()) for claim in (theirs, ours)] == [["/s/a"], ["/s/b"]]
    assert set(rest.records.paths()) == {"/s/a", "/s/c"}


@pytest.mark.parametrize("how", ["forget", "replace", "settle"])
def test_no_record_has_the_number_of_one_before(fresh: SqliteRegistry, how: str) -> None:
    """Whoever has the old one in hand would take the new one for it."""
    fresh.add([("/s/a", None, None, (), None, None)], NOW)
    old = fresh.get(["/s/a"])["/s/a"]
    if how == "forget":
        fresh.forget([old])
    elif how == "replace":
        fresh.replace([])
    else:
        fresh.settle(over(fresh.claim(Selection(NOW, 0, force=True), now=0, lease=60, limit=9)))
    assert list(fresh.files) == []
    fresh.add([("/s/a", None, None, (), None, None)], NOW)
    assert fresh.forget([old]) == 0
    assert list(fresh.files) == ["/s/a"]


def test_a_directory_is_forgotten_with_its_last_file(fresh: SqliteRegistry) -> None:
    """Excludes code whose file grows by each directory that ever held a file."""
    fresh.add([("/s/a", None, None, (), None, None), ("/t/a", None, None, (), None, None)], NOW)
    fresh.forget(["/s/a"])
    with fresh.transactions.reading() as connection:
        assert connection.execute("SELECT path FROM directories").fetchall() == [(b"/t",)]


def ranges(registry: SqliteRegistry) -> list[tuple[int, int]]:
    with registry.transactions.reading() as connection:
        return connection.execute("SELECT first, last FROM claimed ORDER BY first").fetchall()


def add(registry: SqliteRegistry, *names: object) -> None:
    for second, name in enumerate(names):
        registry.add([new(f"/s/{name}")], NOW + second)


def paths(claim: Claim) -> list[str]:
    return list(claim.records.paths())


class TestRanges:
    def test_what_was_registered_together_is_one(self, fresh: SqliteRegistry) -> None:
        fresh.add([new(f"/s/{number:03}") for number in range(700)], NOW)
        claim = fresh.claim(ALL, now=0, lease=60, limit=500)
        assert [last - first + 1 for first, last in ranges(fresh)] == [500]
        assert claimed(fresh) == paths(claim)
        fresh.settle(over(claim))
        assert (ranges(fresh), len(fresh.files)) == ([], 200)

    def test_what_is_left_of_one_stays_claimed(self, fresh: SqliteRegistry) -> None:
        """In as many ranges as it takes; ids that have gone are in none."""
        fresh.add([new(f"/s/{number}") for number in range(9)], NOW)
        claim = fresh.claim(ALL, now=0, lease=60, limit=9)
        for number in (3, 4, 8):
            fresh.settle(Settlement(claim.only(number), 1, {}, NOW))
        first = claim.records[0].generation
        assert ranges(fresh) == [(first, first + 2), (first + 5, first + 7)]
        assert claimed(fresh) == [f"/s/{number}" for number in (0, 1, 2, 5, 6, 7)]
        fresh.settle(Settlement(claim, 7, {0: HUNG, 6: HUNG, 7: HUNG}, NOW))
        assert claimed(fresh) == ["/s/0", "/s/6"]
        assert sorted(fresh.files) == ["/s/0", "/s/6", "/s/7"]

    def test_claims_settlements_and_changes_beside_a_plain_model(self, fresh: SqliteRegistry, tmp_path: Path) -> None:
        """Of two objects, in any order: nothing claimed is ever changed, and what is settled is what was claimed."""
        dice, numbers = random.Random(5), itertools.count()
        there: set[str] = set()
        taken: dict[str, int] = {}
        claims: dict[int, tuple[SqliteRegistry, Claim]] = {}
        with closing(registry_at(tmp_path / "r.db", tmp_path)) as other:
            for turn in range(400):
                registry = dice.choice((fresh, other))
                registry.patience = 0.0
                what = dice.choice(("add", "add", "again", "forget", "claim", "claim", "settle", "settle"))
                if what == "add":
                    some = [f"/s/{next(numbers)}" for _ in range(dice.randrange(1, 9))]
                    registry.add(map(new, some), NOW + dice.randrange(3))
                    there |= set(some)
                elif what in {"again", "forget"} and there:
                    some = dice.sample(sorted(there), min(len(there), dice.randrange(1, 4)))
                    if taken.keys() & set(some):
                        with pytest.raises(RecordClaimedError) as refused:
                            registry.add(map(new, some), NOW) if what == "again" else registry.forget(some)
                        assert set(refused.value.paths) == taken.keys() & set(some)
                    elif what == "again":
                        registry.add(map(new, some), NOW + dice.randrange(3))
                    else:
                        there -= set(some)
                        assert registry.forget(some) == len(some)
                elif what == "claim":
                    claim = registry.claim(ALL, now=0, lease=60, limit=dice.randrange(1, 9))
                    assert not taken.keys() & set(paths(claim))
                    taken |= dict.fromkeys(paths(claim), turn)
                    claims[turn] = registry, claim
                elif claims:
                    number = dice.choice(list(claims))
                    registry, claim = claims.pop(number)
                    done = dice.randrange(len(claim.records) + 1)
                    skipped = {at: Other(Status.SKIPPED, Cause.SWEEP_OVER) for at in range(done) if dice.random() < 0.3}
                    registry.settle(Settlement(claim, done, skipped, NOW))
                    there -= {path for at, path in enumerate(paths(claim)[:done]) if at not in skipped}
                    taken = {path: turn for path, turn in taken.items() if turn != number}
                assert claimed(fresh) == sorted(taken)
            assert set(other.files) == there
            assert fresh.check(now=0, fix=False) == ()


class TestSettlingAndClaiming:
    def test_they_are_one_transaction(self, fresh: SqliteRegistry, monkeypatch: pytest.MonkeyPatch) -> None:
        add(fresh, *range(6))
        cursor, settling, removed = None, None, []
        database, begun = fresh.transactions.database, list[int]()
        write = database.write
        monkeypatch.setattr(database, "write", lambda *words, **more: begun.append(1) or write(*words, **more))
        while True:
            claim = fresh.claim(ALL, now=0, lease=60, limit=2, after=cursor, settling=settling)
            if not claim.records:
                break
            removed += paths(claim)
            cursor, settling = claim.cursor, over(claim)
        assert removed == [f"/s/{number}" for number in range(6)]
        assert (len(begun), len(fresh.files), claimed(fresh)) == (4, 0, [])

    def test_a_sweep_that_finds_nothing_due_writes_nothing(self, fresh: SqliteRegistry, tmp_path: Path) -> None:
        """And waits for nobody who does: here, somebody with the file's lock."""
        add(fresh, "a")
        with closing(sqlite3.connect(tmp_path / "r.db", isolation_level=None)) as somebody:
            somebody.execute("BEGIN IMMEDIATE")
            assert not fresh.claim(Selection(NOW, 60), now=0, lease=60, limit=9).records

    @pytest.mark.parametrize("together", [True, False])
    def test_what_was_not_worked_on_is_taken_next(self, fresh: SqliteRegistry, *, together: bool) -> None:
        """The sweep goes back to it, and not to what it has kept: in the order in which it is due."""
        add(fresh, *range(9))
        claim = fresh.claim(ALL, now=0, lease=60, limit=6)
        settling = Settlement(claim, 4, {1: Other(Status.KEPT, Cause.IN_USE)}, NOW)
        if not together:
            fresh.settle(settling)
        following = fresh.claim(
            ALL, now=0, lease=60, limit=3, after=claim.cursor, settling=settling if together else None
        )
        assert paths(following) == ["/s/4", "/s/5", "/s/6"]
        last = fresh.claim(ALL, now=0, lease=60, limit=9, after=following.cursor, settling=over(following))
        assert paths(last) == ["/s/7", "/s/8"]

    def test_a_settlement_again_changes_nothing(self, fresh: SqliteRegistry) -> None:
        """As after an interrupt, when nobody knows whether it was written; also beside a claim of the same records."""
        add(fresh, "a", "b")
        claim = fresh.claim(ALL, now=0, lease=60, limit=9)
        fresh.settle(Settlement(claim, 0, {}, NOW))
        again = fresh.claim(ALL, now=0, lease=60, limit=9)
        counted = fresh.stats()
        fresh.settle(over(claim))
        assert (paths(again), fresh.stats(), claimed(fresh)) == (["/s/a", "/s/b"], counted, ["/s/a", "/s/b"])


class Failing(sqlite3.Connection):
    """A connection that fails at statements, so many times, before it does them or after."""

    at, times, after = "", 0, False
    error: BaseException = KeyboardInterrupt()

    def execute(self, statement: str, *bound: Any) -> sqlite3.Cursor:
        fails = Failing.times > 0 and Failing.at in statement
        Failing.times -= fails
        if fails and not Failing.after:
            raise Failing.error
        cursor = super().execute(statement, *bound)
        if fails:
            raise Failing.error
        return cursor

    def executemany(self, statement: str, rows: Any) -> sqlite3.Cursor:
        if Failing.times > 0 and Failing.at in statement:
            Failing.times -= 1
            raise Failing.error
        return super().executemany(statement, rows)


@pytest.fixture
def failing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SqliteRegistry]:
    """A registry of nine files whose connection can be made to fail, and which waits for nobody."""
    real = sqlite3.connect
    monkeypatch.setattr(sqlite3, "connect", lambda *words, **more: real(*words, factory=Failing, **more))
    for name, value in (("at", ""), ("times", 0), ("after", False), ("error", KeyboardInterrupt())):
        monkeypatch.setattr(Failing, name, value)
    with closing(registry_at(tmp_path / "r.db", tmp_path)) as registry:
        add(registry, *range(9))
        registry.patience = 0.0
        yield registry


class TestFailures:
    def test_an_interrupt_just_after_a_claim_was_written(
        self, failing: SqliteRegistry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with closing(registry_at(tmp_path / "r.db", tmp_path)) as other:
            other.claim(ALL, now=0, lease=60, limit=1)

            def interrupted(*, remove: bool) -> list[str]:
                assert remove
                raise KeyboardInterrupt

            monkeypatch.setattr(failing.transactions.owners, "dead", interrupted)
            with pytest.raises(KeyboardInterrupt):
                failing.claim(ALL, now=60, lease=60, limit=3)
            assert claimed(failing) == ["/s/0", "/s/1", "/s/2"]
            failing.add([new("/s/0")], NOW + 50)

    @pytest.mark.parametrize("after", [True, False])
    @pytest.mark.parametrize("at", ["BEGIN IMMEDIATE", "INSERT INTO claimed", "INSERT INTO claims", "COMMIT"])
    def test_an_interrupted_claim_is_nobody_s(self, failing: SqliteRegistry, at: str, *, after: bool) -> None:
        """Also when it was written already: it is ended on the spot by whoever it would keep waiting."""
        Failing.at, Failing.times, Failing.after = at, 1, after
        with pytest.raises(KeyboardInterrupt):
            failing.claim(ALL, now=0, lease=60, limit=3)
        assert Failing.times == 0
        failing.add([new("/s/0")], NOW + 50)
        assert failing.files["/s/0"] == NOW + 50
        assert len(failing.claim(ALL, now=0, lease=60, limit=9).records) == 9

    @pytest.mark.parametrize("after", [True, False])
    @pytest.mark.parametrize("at", ["DELETE FROM files", "DELETE FROM claims", "INSERT INTO claims", "COMMIT"])
    def test_an_interrupt_between_two_claims(self, failing: SqliteRegistry, at: str, *, after: bool) -> None:
        """The sweep settles the first, again if need be, and leaves nothing claimed."""
        claim = failing.claim(ALL, now=0, lease=60, limit=3)
        Failing.at, Failing.times, Failing.after = at, 1, after
        with pytest.raises(KeyboardInterrupt):
            failing.claim(ALL, now=0, lease=60, limit=3, after=claim.cursor, settling=over(claim))
        assert Failing.times == 0
        failing.settle(over(claim))
        assert len(failing.files) == 6
        assert failing.stats().counters["removed"] == 3
        failing.add(map(new, failing.files), NOW + 50)
        assert claimed(failing) == []
        assert failing.check(now=0, fix=False) == ()

    def test_a_full_disk_between_two_claims(self, failing: SqliteRegistry) -> None:
        """What cannot be settled is owed, and what cannot be claimed is locked: the sweep goes on."""
        full = sqlite3.OperationalError("database or disk is full")
        full.sqlite_errorname = "SQLITE_FULL"
        first = failing.claim(ALL, now=0, lease=60, limit=3)
        Failing.at, Failing.times, Failing.error = "DELETE FROM files", 1, full
        settling = Settlement(first, 2, {}, NOW)
        second = failing.claim(ALL, now=0, lease=60, limit=3, after=first.cursor, settling=settling)
        assert (second.number < 0, paths(second)) == (True, ["/s/2", "/s/3", "/s/4"])
        Failing.times = 1
        third = failing.claim(ALL, now=0, lease=60, limit=3, after=second.cursor, settling=over(second))
        assert (third.number < 0, paths(third)) == (True, ["/s/5", "/s/6", "/s/7"])
        last = failing.claim(ALL, now=0, lease=60, limit=3, after=third.cursor, settling=over(third))
        assert (last.number > 0, paths(last), claimed(failing)) == (True, ["/s/8"], ["/s/8"])
        failing.settle(over(last))
        assert sorted(failing.files) == []
        assert failing.stats().counters["removed"] == 9
        assert failing.check(now=0, fix=False) == ()


class TestLostLocks:
    """Claims that were a lock, which was lost with the transaction when the disk took no settlement either."""

    @pytest.fixture
    def lost(self, failing: SqliteRegistry) -> SqliteRegistry:
        """A registry that owes a settlement: three were removed, one has failed and one was kept."""
        others = {3: Other(Status.FAILED, Cause.ERROR), 4: Other(Status.KEPT, Cause.IN_USE)}
        self.lose(failing, others, limit=5)
        return failing

    def lose(self, registry: SqliteRegistry, others: dict[int, Other], limit: int) -> None:
        full = sqlite3.OperationalError("database or disk is full")
        full.sqlite_errorname = "SQLITE_FULL"
        Failing.at, Failing.times, Failing.error = "INSERT INTO claims", 1, full
        claim = registry.claim(ALL, now=0, lease=60, limit=limit)
        assert claim.number < 0
        Failing.at, Failing.times = "INSERT INTO totals", 1
        registry.settle(Settlement(claim, len(claim.records), others, NOW))
        assert Failing.times == 0
        assert registry.stats().records == 9

    def settle(self, registry: SqliteRegistry) -> None:
        """Find nothing else due, and so settle what is owed."""
        assert not registry.claim(Selection(NOW, 1e9), now=0, lease=60, limit=1).records

    def counters(self, registry: SqliteRegistry) -> list[float]:
        return [registry.stats().counters.get(name, 0) for name in ("removed", "gone", "failed", "kept")]

    def test_all_is_counted_as_what_it_was(self, lost: SqliteRegistry, caplog: pytest.LogCaptureFixture) -> None:
        (said,) = caplog.get_records("setup")
        assert "Removed 3 temporary files that a later sweep will forget, and tried 2 more: the" in said.getMessage()
        self.settle(lost)
        assert self.counters(lost) == [3, 0, 1, 1]
        assert set(lost.files) == {f"/s/{number}" for number in range(3, 9)}
        assert lost.get(["/s/3"])["/s/3"].failures == 1
        assert lost.check(now=0, fix=False) == ()

    def test_while_it_is_owed_only_what_is_left_is_tried_again(self, lost: SqliteRegistry) -> None:
        """What has failed may go now; what is gone would be found gone, and be counted once more."""
        Failing.at, Failing.times = "INSERT INTO claims", 1
        found = [lost.claim(ALL, now=0, lease=60, limit=1)]
        assert (found[0].number < 0, paths(found[0])) == (True, ["/s/3"])
        lost.settle(over(found[0]))
        assert self.counters(lost) == [4, 0, 1, 1]
        assert set(lost.files) == {f"/s/{number}" for number in range(4, 9)}
        assert lost.check(now=0, fix=False) == ()

    def test_two_that_are_owed_may_be_of_one_record(self, lost: SqliteRegistry) -> None:
        self.lose(lost, {1: Other(Status.FAILED, Cause.ERROR)}, limit=5)
        self.settle(lost)
        assert self.counters(lost) == [4, 0, 2, 1]
        assert set(lost.files) == {f"/s/{number}" for number in range(4, 9)}
        assert lost.check(now=0, fix=False) == ()

    def test_what_was_registered_again_stays(self, lost: SqliteRegistry) -> None:
        lost.add([new("/s/0")], NOW + 50)
        self.settle(lost)
        assert "/s/0" in lost.files
        assert self.counters(lost) == [2, 0, 1, 1]
        assert lost.check(now=0, fix=False) == ()

    def test_what_another_sweep_has_claimed_meanwhile_is_its(self, lost: SqliteRegistry, tmp_path: Path) -> None:
        with closing(registry_at(tmp_path / "r.db", tmp_path)) as other:
            theirs = other.claim(ALL, now=0, lease=60, limit=1)
            self.settle(lost)
            assert self.counters(lost) == [2, 0, 1, 1]
            other.settle(over(theirs, Status.GONE))
            assert self.counters(lost) == [2, 1, 1, 1]
            assert "/s/0" not in lost.files
            assert lost.check(now=0, fix=False) == ()

    def test_what_another_sweep_has_found_rewritten_stays(self, lost: SqliteRegistry, tmp_path: Path) -> None:
        found = Rewritten(Identity(1, 2, 3, 4, 5, 6), NOW, 5)
        with closing(registry_at(tmp_path / "r.db", tmp_path)) as other:
            theirs = other.claim(ALL, now=0, lease=60, limit=1)
            other.settle(Settlement(theirs, 1, {0: Other(Status.SKIPPED, Cause.NONE, found=found)}, NOW))
        self.settle(lost)
        assert lost.get(["/s/0"])["/s/0"].identity == found.identity
        assert lost.check(now=0, fix=False) == ()


class TestTwins:
    """Records of one file, by two paths of its directory, of which a sweep has claimed the first."""

    IN = Identity(1, 2, 3, 40, 50)

    @pytest.fixture
    def claimed(self, fresh: SqliteRegistry) -> Claim:
        fresh.patience = 0.0
        for path in ("/real/f", "/link/f", "/link/g"):
            fresh.add([(path, None, 1, (), self.IN, 0)], NOW)
        found = fresh.claim(ALL, now=0, lease=60, limit=1)
        assert paths(found) == ["/real/f"]
        return found

    @pytest.mark.parametrize("how", ["add", "add many", "pin", "hold", "forget", "amend"])
    def test_whoever_changes_the_second_waits(
        self, fresh: SqliteRegistry, tmp_path: Path, claimed: Claim, how: str
    ) -> None:
        def change(registry: SqliteRegistry, path: str) -> object:
            file = (path, None, 1, (), self.IN, 0)
            return {
                "add": lambda: registry.add([file], NOW),
                "add many": lambda: registry.add([file, new("/elsewhere/x")], NOW),
                "pin": lambda: registry.keep([path], math.inf),
                "hold": lambda: registry.keep([path], math.inf, THIS_PROCESS),
                "forget": lambda: registry.forget([path]),
                "amend": lambda: registry.amend(path, NOW - 1),
            }[how]()

        with closing(registry_at(tmp_path / "r.db", tmp_path)) as other:
            other.patience = 0.0
            with pytest.raises(RecordClaimedError) as caught:
                change(other, "/link/f")
            assert caught.value.paths == ("/link/f",)
            change(other, "/link/g")
            fresh.settle(over(claimed))
            change(other, "/link/f")
            other.release(["/link/f", "/link/g"], THIS_PROCESS)
        assert fresh.check(now=0, fix=False) == ()


def test_what_hangs_on_a_full_disk_stays_claimed(tmp_path: Path) -> None:
    """The lock that was its claim cannot go on for as long; when it comes back, it is settled as what it was."""
    with closing(registry_at(tmp_path / "r.db", tmp_path)) as registry:
        fill_pages(registry, [new(f"/s/{number:04}") for number in range(6000)])
        claim = registry.claim(ALL, now=0, lease=60, limit=2000)
        assert claim.number < 0
        registry.settle(Settlement(claim, 2000, {7: HUNG}, NOW))
        assert claimed(registry) == ["/s/0014"]
        registry.settle(Settlement(claim.only(7), 1, {}, NOW))
        assert (claimed(registry), registry.stats().records) == ([], 1000)
        assert registry.check(now=0, fix=False) == ()


@pytest.mark.parametrize("lives", [True, False])
def test_claims_of_an_earlier_version_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, lives: bool) -> None:
    """Its sweep goes on with what it has; it cannot settle it, and its lease ends, or its process."""
    path = tmp_path / "r.db"
    with monkeypatch.context() as patch:
        patch.setattr(migration, "MIGRATIONS", migration.MIGRATIONS[:3])
        Database(str(path), "NORMAL", lambda: None).close()
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("INSERT INTO scopes (id, base) VALUES (1, ?)", (bytes(tmp_path),))
        connection.execute("INSERT INTO directories (id, scope, path) VALUES (1, 1, '/s')")
        rows = [(number, f"{number}".encode(), NOW) for number in range(1, 6)]
        columns = "id, scope, directory, name, registered_at, inode, born, changed, parent_inode, parent_born, owner"
        connection.executemany(f"INSERT INTO files ({columns}) VALUES (?, 1, 1, ?, ?, 0, 0, 0, 0, 0, 6)", rows)
        connection.execute("UPDATE directories SET path = CAST(path AS BLOB)")
        connection.executemany("INSERT INTO claims VALUES (?, 1, 6, 60, ?)", [(7, "[1, 2, 4]"), (8, "[4, 5]")])
        connection.execute("UPDATE numbers SET last = 8")
    with closing(registry_at(path, tmp_path)) as registry:
        if lives:
            registry.stats()
            registry.transactions.owners.enter(6)
        found = registry.claim(ALL, now=0, lease=60, limit=9)
        assert paths(found) == (["/s/3"] if lives else [f"/s/{number}" for number in range(1, 6)])
        if lives:
            assert paths(registry.claim(ALL, now=60, lease=60, limit=9)) == [
                f"/s/{number}" for number in (1, 2, 3, 4, 5)
            ]
    assert execute(path, "SELECT count(*) FROM claims WHERE id < 9") == (0,)


def test_a_walk_goes_on_behind_its_last_record_and_not_at_the_first_of_the_same_time(tmp_path: Path) -> None:
    """Excludes walks that take a look at all that was registered together once more for each chunk of it."""
    path = tmp_path / "r.db"
    open_registry(f"sqlite://{path}", str(tmp_path)).close()
    walks = {name: text for name, text in load_statements().items() if f"{name}_alike" in load_statements()}
    assert set(walks) == {"due_by_age", "due_by_ttl", "due_by_retry", "every_by_age", "every_by_due"}
    with closing(sqlite3.connect(path)) as connection:
        for name in walks:
            text = load_statements()[f"{name}_alike"]
            bound = dict.fromkeys(re.findall(r":(\w+)", text), 0)
            plan = [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {text}", bound)]
            assert re.match(r"SEARCH files USING INDEX \w+ \(scope=\? AND \w+=\? AND rowid>\?\)$", plan[0]), plan
            assert not any("TEMP B-TREE" in step for step in plan), plan


@pytest.mark.parametrize("next_step", ["a sweep that finds nothing due", "the next claim", "another settlement"])
def test_what_a_full_disk_left_owed_is_settled_with_the_next(
    fresh: SqliteRegistry, monkeypatch: pytest.MonkeyPatch, next_step: str
) -> None:
    """Excludes code that forgets it: a later sweep would find the file gone, and count it as somebody else's."""
    for at, path in enumerate(("/s/a", "/s/b", "/s/c")):
        fresh.add([new(path)], NOW + at)
    first = fresh.claim(ALL, now=0, lease=60, limit=1)
    second = fresh.claim(ALL, now=0, lease=60, limit=1)

    def full(*_: object, **__: object) -> Any:
        raise RegistryFullError("on purpose")

    with monkeypatch.context() as patch:
        patch.setattr(fresh.transactions, "write", full)
        fresh.settle(Settlement(first, 1, {}, NOW))
    assert set(fresh.files) == {"/s/a", "/s/b", "/s/c"}
    if next_step == "another settlement":
        fresh.settle(Settlement(second, 1, {0: Other(Status.KEPT, Cause.IN_USE)}, NOW))
    elif next_step == "the next claim":
        assert len(fresh.claim(ALL, now=0, lease=60, limit=1).records) == 1
    else:
        assert not fresh.claim(Selection(NOW, 1e9), now=0, lease=60, limit=1).records
    assert set(fresh.files) == {"/s/b", "/s/c"}
    assert fresh.stats().counters["removed"] == 1


def test_what_is_under_a_lock_that_was_lost_is_free(failing: SqliteRegistry, tmp_path: Path) -> None:
    """Excludes code that settles it as if the lock were still there, and takes from another sweep what that has."""
    full = sqlite3.OperationalError("database or disk is full")
    full.sqlite_errorname = "SQLITE_FULL"
    Failing.at, Failing.times, Failing.error = "UPDATE numbers", 2, full  # the first change of a process
    with closing(registry_at(tmp_path / "r.db", tmp_path)) as late:
        claim = late.claim(ALL, now=0, lease=60, limit=3)
        late.settle(over(claim))
        assert (claim.number < 0, Failing.times) == (True, 0)
        theirs = failing.claim(ALL, now=0, lease=60, limit=3)
        assert paths(theirs) == paths(claim)
        late.settle(over(claim))
        assert claimed(failing) == paths(theirs)
        assert len(failing.files) == 9


def test_what_was_registered_one_by_one_is_one_range(fresh: SqliteRegistry) -> None:
    """Excludes code that leaves numbers out, which makes a range of each record."""
    for number in range(50):
        fresh.add([new(f"/s/{number}")], NOW)
    fresh.claim(ALL, now=0, lease=60, limit=50)
    assert len(ranges(fresh)) == 1
