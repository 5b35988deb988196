"""What tests of this package, of its registries and of applications are made with.

Needs the standard library alone. The test methods are found by pytest when a class of yours joins a contract::

    import pytest

    pytest.register_assert_rewrite("temp_file_manager.testing")  # before the import: failures show their values
    from temp_file_manager.testing import RegistryContract

    class TestMyRegistry(RegistryContract):
        def make_registry(self):
            return MyRegistry()
"""
# ruff: noqa: S101, PLR2004 - tests assert, and their numbers mean nothing beyond the line they stand in

import json
import math
import os
import signal
import threading
import warnings
from collections.abc import Callable, Iterable
from random import Random
from typing import Any

from temp_file_manager.records import Due, NewFile, Outcome, Status, TempFile
from temp_file_manager.registry import Claim, Registry
from temp_file_manager.rules import FIRST_RETRY, retry_at, verdict

NOW = 1_000_000.0


def in_child(work: Callable[[], Any], *, timeout: float = 30.0) -> Any:
    """Return what ``work`` returns in a forked child: something that JSON can say.

    Args:
        work: Runs in the child, which then ends without any clean-up.
        timeout: Real seconds after which the child is killed.

    Raises:
        AssertionError: ``work`` raised, or its time was up.
    """
    reader, writer = os.pipe()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of forking with threads, which is what is tested
        pid = os.fork()
    if pid == 0:
        try:
            try:
                answer = {"answer": work()}
            except BaseException as error:
                answer = {"error": repr(error)}
            os.write(writer, json.dumps(answer).encode())
        finally:
            os._exit(0)
    os.close(writer)
    watchdog = threading.Timer(timeout, os.kill, (pid, signal.SIGKILL))
    watchdog.start()
    with open(reader, "rb") as pipe:
        text = pipe.read()
    watchdog.cancel()
    os.waitpid(pid, 0)
    assert text, f"the child died, or had not ended after {timeout} s"
    result = json.loads(text)
    assert "error" not in result, result
    return result["answer"]


class FakeClock:
    """A ``clock.Clock`` that stands still until it is told otherwise. Safe to share between threads.

    Args:
        wall: Seconds since the epoch.
        elapsed: Seconds on the clock that nobody sets.
    """

    def __init__(self, wall: float = NOW, elapsed: float = 0.0) -> None:
        self._wall = wall
        self._elapsed = elapsed
        self._deadlines: dict[object, float] = {}
        self._changed = threading.Condition()

    def wall(self) -> float:
        """Return the time that people read."""
        return self._wall

    def elapsed(self) -> float:
        """Return the time that leases and budgets are read from."""
        return self._elapsed

    def advance(self, seconds: float) -> None:
        """Let both clocks go on."""
        with self._changed:
            self._wall += seconds
            self._elapsed += seconds

    def set(self, *, wall: float | None = None, elapsed: float | None = None) -> None:
        """Put either clock to a time, as an administrator does to the first and nobody to the second."""
        with self._changed:
            self._wall = self._wall if wall is None else wall
            self._elapsed = self._elapsed if elapsed is None else elapsed

    def wait(self, event: threading.Event, seconds: float) -> bool:
        """Return True as soon as ``event`` is set, False once the clock has been advanced by ``seconds``."""
        key = object()
        with self._changed:
            deadline = self._elapsed + seconds
            self._deadlines[key] = deadline
            self._changed.notify_all()
        try:
            # One cannot wait for an event and a condition together, and replacing the event's ``set`` would
            # miss who holds the method already. So the event is waited for properly, and the hand-set clock,
            # which only tests advance, is looked at every 2 ms of real time.
            while not event.wait(0.002):
                if self._elapsed >= deadline:
                    return False
            return True
        finally:
            with self._changed:
                del self._deadlines[key]

    def until_waiting(self, threads: int = 1, *, timeout: float = 30.0) -> None:
        """Return once so many threads are in ``wait`` with their time not yet come; then advance the clock.

        Args:
            threads: At least how many.
            timeout: Real seconds.

        Raises:
            TimeoutError: they did not come.
        """
        with self._changed:
            if not self._changed.wait_for(lambda: self._waiting() >= threads, timeout):
                raise TimeoutError(f"{self._waiting()} threads wait for the clock, not {threads}")

    def _waiting(self) -> int:
        return sum(deadline > self._elapsed for deadline in self._deadlines.values())


class RegistryContract:
    """``registry.base``'s docstrings as tests. Joined by a class that says how to ``make_registry``.

    Each test makes one, empty, on first use. Nothing in a registry may depend on files: no path here exists.
    """

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

    def claim(self, due: Due, *, limit: int = 100, after: object | None = None, now: float | None = None) -> Claim:
        """Claim for 60 s from ``now``, or from ``due.asof``."""
        return self.registry.claim(due, now=due.asof if now is None else now, lease=60, limit=limit, after=after)

    def claim_one(self, path: str, due: Due) -> TempFile:
        """Claim what is due and return the record, which must be that of ``path`` and no other."""
        records = self.claim(due).records
        assert _paths(records) == [path]
        return records[0]

    def pages(self, due: Due, limit: int) -> list[TempFile]:
        """Return all pages as one list."""
        found: list[TempFile] = []
        page = self.registry.page(due, now=due.asof, limit=limit)
        found += page.records
        while page.cursor is not None:
            page = self.registry.page(due, now=due.asof, limit=limit, after=page.cursor)
            assert len(page.records) <= limit
            found += page.records
        return found

    def record(self, path: str) -> TempFile:
        """Return the record of a known path."""
        return self.registry.get([path])[path]

    # -- add, get ------------------------------------------------------------------------------------------

    def test_add_records_what_it_is_given(self) -> None:
        """The time, the ttl, the tags, and a size where the registry keeps one."""
        self.registry.add([("/c/a", NOW + 5, 7, ("x", "y"), None), ("/c/b", None, None, (), None)], NOW)
        found = self.registry.get(["/c/b", "/c/a", "/c/unknown"])
        assert set(found) == {"/c/a", "/c/b"}
        a, b = found["/c/a"], found["/c/b"]
        assert (a.path, a.registered_at, a.due_at, a.tags) == ("/c/a", NOW, NOW + 5, ("x", "y"))
        assert a.size in {None, 7}
        assert b[:7] == TempFile("/c/b", NOW)[:7]
        assert self.registry.get([]) == {}

    def test_names_are_bytes_that_strangers_chose(self) -> None:
        """Undecodable ones, quotes, line breaks, wildcards: each is its own name."""
        names = [
            "/c/\udcff",
            "/c/%",
            "/c/_",
            "/c/'\"",
            "/c/a\nb",
            "/c/ß",
            "/c/ss",
            "/c/A",
            "/c/a",
            "/c/𝄞*",
            "/c/a ",
        ]
        self.add(*names)
        assert set(self.registry.get(names)) == set(self.registry.files) == set(names)
        assert sorted(_paths(self.claim(_later()).records)) == sorted(names)
        assert self.registry.forget(["/c/%"]) == 1
        assert len(self.registry.files) == len(names) - 1

    def test_add_one_is_add_for_one(self) -> None:
        """Over a known path as well, whose ttl and tags and claim it ends."""
        self.registry.add_one("/c/a", NOW)
        assert self.record("/c/a")[:7] == TempFile("/c/a", NOW)[:7]
        self.add("/c/a", due_at=NOW + 1, tags=("old",))
        old = self.claim_one("/c/a", _later())
        self.registry.add_one("/c/a", NOW + 950)
        assert self.record("/c/a")[:7] == TempFile("/c/a", NOW + 950)[:7]
        assert not self.registry.holds(old)
        assert not self.claim(_later()).records
        self.claim_one("/c/a", _later(51))

    def test_add_starts_a_known_path_anew(self) -> None:
        """Its age, ttl, tags and failures."""
        self.add("/c/a", due_at=NOW + 1, tags=("old",))
        self.settle(self.claim_one("/c/a", _later()), Status.FAILED)
        self.add("/c/a", at=NOW + 50)
        assert self.record("/c/a")[:7] == TempFile("/c/a", NOW + 50)[:7]
        assert self.registry.stats().records == 1
        assert not self.claim(Due(NOW + 150, 100)).records
        self.claim_one("/c/a", Due(NOW + 151, 100, patient=True))

    def test_add_cancels_a_claim(self) -> None:
        """Also when the clock stands still: the generation tells, not the time."""
        self.add("/c/a")
        old = self.claim_one("/c/a", _later())
        assert self.registry.holds(old)
        self.add("/c/a")
        assert not self.registry.holds(old)
        new = self.claim_one("/c/a", _later())
        assert new.generation != old.generation
        assert self.registry.holds(new)
        assert not self.registry.holds(old)

    def test_add_is_all_or_none(self) -> None:
        """What cannot be read to its end records nothing and cancels nothing."""
        self.add("/c/a")
        held = self.claim_one("/c/a", _later())

        def breaks() -> Iterable[NewFile]:
            yield "/c/a", None, None, (), None
            yield "/c/b", None, None, (), None
            raise RuntimeError("on purpose")

        try:
            self.registry.add(breaks(), NOW + 9)
        except RuntimeError:
            pass
        else:
            raise AssertionError("the error was swallowed")
        assert dict(self.registry.files) == {"/c/a": NOW}
        assert self.registry.holds(held)

    # -- claim ---------------------------------------------------------------------------------------------

    def test_an_age_is_due_when_it_is_more_than_max_age(self) -> None:
        """Not when it is equal, and by the smallest difference there is."""
        self.add("/c/a")
        assert not self.claim(Due(NOW + 100, 100)).records
        self.claim_one("/c/a", Due(math.nextafter(NOW + 100, math.inf), 100))

    def test_a_ttl_is_due_when_it_has_ended(self) -> None:
        """At that very moment, and whatever ``max_age`` says."""
        self.add("/c/a", due_at=NOW + 5)
        assert not self.claim(Due(math.nextafter(NOW + 5, -math.inf), 0)).records
        self.claim_one("/c/a", Due(NOW + 5, 1e9))

    def test_the_longest_overdue_comes_first(self) -> None:
        """Whether it is by ttl or by age, and ``limit`` at a time."""
        for path, at, due_at in (("/c/2", 20, None), ("/c/1", 90, 115), ("/c/4", 0, 140), ("/c/3", 30, None)):
            self.add(path, at=NOW + at, due_at=None if due_at is None else NOW + due_at)
        due = Due(NOW + 500, 100)
        assert _paths(self.pages(due, 10)) == ["/c/1", "/c/2", "/c/3", "/c/4"]
        first = self.claim(due, limit=3)
        assert _paths(first.records) == ["/c/1", "/c/2", "/c/3"]
        assert _paths(self.claim(due, limit=3, after=first.cursor).records) == ["/c/4"]

    def test_max_age_is_read_at_each_claim(self) -> None:
        """It changes what is due, and what is overdue the longest."""
        self.add("/c/aged", at=NOW)
        self.add("/c/timed", at=NOW, due_at=NOW + 50)
        assert _paths(self.pages(Due(NOW + 200, 10), 10)) == ["/c/aged", "/c/timed"]
        assert _paths(self.pages(Due(NOW + 200, 100), 10)) == ["/c/timed", "/c/aged"]
        assert _paths(self.claim(Due(NOW + 200, 300)).records) == ["/c/timed"]
        assert _paths(self.claim(Due(NOW + 200, 10)).records) == ["/c/aged"]

    def test_claims_and_pages_are_what_the_rules_say(self) -> None:
        """In the same order, for records and moments on, just before and just after each other."""
        random = Random(1)  # noqa: S311 - a test's dice

        def moment() -> float:
            return math.nextafter(NOW + random.randrange(8), random.choice((-math.inf, 0.0, NOW + 4, math.inf)))

        paths = [f"/c/{number}" for number in range(60)]
        for path in paths:
            self.add(path, at=moment(), due_at=random.choice((None, moment())))
        for record in self.claim(Due(NOW, 0, force=True), limit=20).records:
            self.settle(record, Status.FAILED, moment() - FIRST_RETRY)
        for _ in range(60):
            due = Due(moment(), random.choice((0, 1, 2.5, math.inf)), not random.randrange(4), random.random() < 0.5)
            expected = [r for r in self.registry.get(paths).values() if verdict(r, due).due]
            paged = self.pages(due, 7)
            claimed = self.claim(due).records
            assert sorted(_paths(claimed)) == sorted(_paths(expected)), due
            assert _paths(paged) == _paths(claimed), due
            since = [_overdue_since(record, due) for record in claimed]
            assert since == sorted(since), due
            self.registry.settle([Outcome(record, Status.SKIPPED) for record in claimed], NOW)

    def test_no_two_claimers_hold_the_same_record(self) -> None:
        """Four threads that take three at a time take each of 200 records once."""
        paths = [f"/c/{number}" for number in range(200)]
        self.add(*paths)
        taken: list[str] = []

        def take() -> None:
            claim = self.claim(_later(), limit=3)
            while claim.records:
                taken.extend(_paths(claim.records))
                claim = self.claim(_later(), limit=3, after=claim.cursor)

        threads = [threading.Thread(target=take) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(taken) == sorted(paths)

    def test_a_claim_lapses_with_its_lease(self) -> None:
        """Then another may take the record, and what the first says of it changes nothing."""
        self.add("/c/a")
        first = self.claim_one("/c/a", _later())
        assert not self.claim(_later(59.5)).records
        second = self.claim_one("/c/a", _later(60))
        assert not self.pages(_later(119.5), 10)
        assert _paths(self.pages(_later(120), 10)) == ["/c/a"]
        second = self.claim_one("/c/a", _later(120))
        assert not self.registry.holds(first)
        for status in (Status.SKIPPED, Status.FAILED, Status.REMOVED):
            self.settle(first, status)
            assert self.registry.holds(second), status
            assert self.record("/c/a").failures == 0
        self.settle(second, Status.REMOVED)
        assert not self.registry.files

    # -- holds, settle -------------------------------------------------------------------------------------

    def settle(self, record: TempFile, status: Status, now: float = NOW) -> None:
        """Settle one record."""
        self.registry.settle([Outcome(record, status)], now)

    def test_a_claim_is_held_until_the_record_changes(self) -> None:
        """By forgetting it, or through ``files``; and a stale outcome forgets nothing that came after."""
        self.add("/c/a", "/c/b", "/c/c", "/c/d")
        held = {record.path: record for record in self.claim(_later()).records}
        assert all(map(self.registry.holds, held.values()))
        self.registry.forget(["/c/a"])
        self.registry.files["/c/b"] = NOW
        del self.registry.files["/c/c"]
        assert [path for path, record in sorted(held.items()) if self.registry.holds(record)] == ["/c/d"]
        self.add("/c/a")
        self.registry.files["/c/c"] = NOW
        self.registry.settle([Outcome(record, Status.REMOVED) for record in held.values()], NOW)
        assert set(self.registry.files) == {"/c/a", "/c/b", "/c/c"}
        assert sorted(_paths(self.claim(_later()).records)) == ["/c/a", "/c/b", "/c/c"]

    def test_retired_records_are_forgotten(self) -> None:
        """Whether their files were removed, gone or replaced."""
        self.add("/c/a", "/c/b", "/c/c", "/c/d")
        statuses = {"/c/a": Status.REMOVED, "/c/b": Status.GONE, "/c/c": Status.SKIPPED, "/c/d": Status.REPLACED}
        self.registry.settle([Outcome(record, statuses[record.path]) for record in self.claim(_later()).records], NOW)
        assert set(self.registry.files) == {"/c/c"}
        assert self.registry.stats().records == 1

    def test_skipped_records_are_free_at_once(self) -> None:
        """For the same sweep too, and with no failure."""
        self.add("/c/a")
        claim = self.claim(_later())
        self.settle(claim.records[0], Status.SKIPPED)
        assert not self.registry.holds(claim.records[0])
        assert self.record("/c/a")[:7] == TempFile("/c/a", NOW)[:7]
        assert _paths(self.claim(_later(), after=claim.cursor).records) == ["/c/a"]

    def test_failed_records_keep_their_age_and_count(self) -> None:
        """And say when scheduled sweeps try again."""
        self.add("/c/a", due_at=NOW + 5, tags=("x",))
        for failures in (1, 2):
            self.settle(self.claim_one("/c/a", _later()), Status.FAILED, NOW + 7)
            record = self.record("/c/a")
            assert (record.failures, record.retry_at) == (failures, retry_at(failures, NOW + 7))
            assert (record.registered_at, record.due_at, record.tags) == (NOW, NOW + 5, ("x",))

    def test_kept_records_wait_as_failed_ones_do_and_count_no_failure(self) -> None:
        """Their files are in use, or cannot be told from others."""
        self.add("/c/a")
        claim = self.claim(_later())
        self.settle(claim.records[0], Status.KEPT, NOW + 7)
        assert (self.record("/c/a").failures, self.record("/c/a").retry_at) == (0, NOW + 7 + FIRST_RETRY)
        assert not self.claim(_later(), after=claim.cursor).records
        assert not self.claim(Due(NOW + 7 + FIRST_RETRY - 1, 0, patient=True)).records
        self.claim_one("/c/a", Due(NOW + 7 + FIRST_RETRY, 0, patient=True))

    def test_failed_records_wait_for_a_later_sweep(self) -> None:
        """Neither the sweep that failed takes them again, nor one that had begun, forced or not."""
        for force in (False, True):
            due = Due(NOW + 1000, 100, force)
            self.registry.replace([])
            self.add("/c/a", at=NOW)
            self.add("/c/b", at=NOW + 1)
            self.add("/c/c", at=NOW + 2)
            earlier = self.claim(due, limit=1)
            failing = self.claim(due, limit=1)
            assert _paths(failing.records) == ["/c/b"]
            self.settle(failing.records[0], Status.FAILED)
            self.settle(earlier.records[0], Status.FAILED)
            assert _paths(self.claim(due, after=failing.cursor).records) == ["/c/c"]
            assert not self.claim(due, after=earlier.cursor).records
            assert _paths(self.claim(due).records) == ["/c/a", "/c/b"]

    def test_failed_records_are_not_an_earlier_sweeps_once_a_later_one_has_begun(self) -> None:
        """Whose claim may already have brought them back to where the others are found."""
        self.add("/c/a", at=NOW)
        self.add("/c/b", at=NOW + 1)
        self.add("/c/c", at=NOW + 2)
        earlier = self.claim(_later(), limit=1)
        self.settle(self.claim(_later(), limit=1).records[0], Status.FAILED)
        self.settle(earlier.records[0], Status.SKIPPED)
        later = self.claim(_later(), limit=1)
        assert _paths(later.records) == ["/c/a"]
        assert _paths(self.claim(_later(), after=earlier.cursor).records) == ["/c/c"]
        assert _paths(self.claim(_later()).records) == ["/c/b"]

    def test_only_patient_sweeps_wait_for_a_retry(self) -> None:
        """Pages as well as claims."""
        self.add("/c/a")
        self.settle(self.claim_one("/c/a", _later()), Status.FAILED, NOW + 2000 - FIRST_RETRY)
        early, there = Due(NOW + 1999, 100, patient=True), Due(NOW + 2000, 100, patient=True)
        assert not self.pages(early, 10)
        assert not self.claim(early).records
        assert _paths(self.pages(there, 10)) == ["/c/a"]
        self.settle(self.claim_one("/c/a", there), Status.FAILED, NOW + 2000)
        assert not self.claim(Due(NOW + 2001, 100, patient=True)).records
        self.claim_one("/c/a", Due(NOW + 2001, 100))

    def test_force_takes_everything(self) -> None:
        """The young, the future-dated, those with a ttl and the failed; not what another claim holds."""
        self.add("/c/held", at=NOW - 500)
        self.claim_one("/c/held", Due(NOW, 100))
        self.add("/c/failed", at=NOW - 400)
        self.settle(self.claim_one("/c/failed", Due(NOW, 100)), Status.FAILED)
        self.add("/c/young", at=NOW)
        self.add("/c/future", at=NOW + 1e6)
        self.add("/c/timed", at=NOW, due_at=NOW + 1e7)
        expected = ["/c/failed", "/c/young", "/c/future", "/c/timed"]
        assert _paths(self.pages(Due(NOW, 100, force=True), 3)) == expected
        assert _paths(self.claim(Due(NOW, 100, force=True, mine=True)).records) == expected

    def test_force_chases_nothing(self) -> None:
        """What is registered, or registered again, after a forced sweep began is not that sweep's."""
        self.add("/c/a", "/c/b", at=NOW)
        self.add("/c/c", at=NOW + 1)
        force = Due(NOW + 1000, 100, force=True)
        claim = self.claim(force, limit=2)
        self.registry.settle([Outcome(record, Status.SKIPPED) for record in claim.records], NOW)
        self.add("/c/a", at=NOW)
        self.registry.files["/c/c"] = NOW
        self.add("/c/new", at=NOW - 500)
        rest = self.claim(force, after=claim.cursor)
        assert _paths(rest.records) == ["/c/b"]
        assert not self.claim(force, after=rest.cursor).records
        assert sorted(_paths(self.claim(force).records)) == ["/c/a", "/c/c", "/c/new"]

    # -- page, files, replace, forget, stats, life ---------------------------------------------------------

    def test_pages_take_nothing_and_name_each_record_once(self) -> None:
        """Whatever happened before: failures, lapsed and skipped claims, forced sweeps with a limit."""
        self.add(*(f"/c/{number}" for number in range(9)))
        force = Due(NOW + 1000, 100, force=True)
        for status in (Status.FAILED, Status.SKIPPED):
            for record in self.claim(force, limit=3).records:
                self.settle(record, status)
        self.claim(force, limit=2)
        for asof, count in ((NOW + 1001, 7), (NOW + 1060, 9)):
            for due in (Due(asof, 100), Due(asof, 100, force=True)):
                pages = [_paths(self.pages(due, limit)) for limit in (2, 3, 100)]
                assert pages[0] == pages[1] == pages[2]
                assert len(pages[0]) == len(set(pages[0])) == count
        assert _paths(self.claim(due).records) == pages[0]
        page = self.registry.page(Due(NOW, 1e9), now=NOW, limit=5)
        assert (page.records, page.cursor) == ((), None)

    def test_files_is_a_live_mapping(self) -> None:
        """What is written to it counts at the next claim, in any order of times."""
        files = self.registry.files
        self.add("/c/a", "/c/b")
        assert dict(files) == {"/c/a": NOW, "/c/b": NOW}
        files["/c/b"] = NOW - 500
        files["/c/new"] = NOW - 400
        files.update({"/c/future": NOW + 1e6})
        assert files.setdefault("/c/a", 0.0) == NOW
        assert files.setdefault("/c/first", NOW - 600) == NOW - 600
        assert files.pop("/c/gone", 1.0) == 1.0
        assert _paths(self.claim(Due(NOW, 100)).records) == ["/c/first", "/c/b", "/c/new"]
        assert files.pop("/c/first") == NOW - 600
        assert "/c/first" not in files
        assert (len(files), sorted(files)) == (4, ["/c/a", "/c/b", "/c/future", "/c/new"])
        files.clear()
        assert not self.registry.get(["/c/a", "/c/b"])
        assert not self.claim(Due(NOW, 0, force=True)).records

    def test_a_time_written_to_files_keeps_the_rest(self) -> None:
        """The tags stay, and the ttl counts from the new time."""
        self.add("/c/a", due_at=NOW + 30, tags=("x",))
        self.registry.files["/c/a"] = NOW - 20
        record = self.record("/c/a")
        assert (record.registered_at, record.due_at, record.tags) == (NOW - 20, NOW + 10, ("x",))
        assert not self.claim(Due(NOW + 9, 0)).records
        self.claim_one("/c/a", Due(NOW + 10, 0))

    def test_replace_detaches_the_old_mapping(self) -> None:
        """Which stays as it was; claims of before hold nothing."""
        self.add("/c/a", "/c/b")
        held, old = self.claim(_later()).records, self.registry.files
        self.registry.replace([("/c/b", NOW + 7), ("/c/c", NOW)])
        assert dict(self.registry.files) == {"/c/b": NOW + 7, "/c/c": NOW}
        assert dict(old) == {"/c/a": NOW, "/c/b": NOW}
        assert not any(map(self.registry.holds, held))
        old["/c/d"] = NOW
        self.registry.settle([Outcome(record, Status.REMOVED) for record in held], NOW)
        assert _paths(self.claim(_later()).records) == ["/c/c", "/c/b"]

    def test_forget_drops_records_and_counts_them(self) -> None:
        """Unknown ones count nothing."""
        self.add("/c/a", "/c/b", "/c/c")
        assert self.registry.forget(["/c/a", "/c/unknown", "/c/c"]) == 2
        assert self.registry.forget([]) == 0
        assert dict(self.registry.files) == {"/c/b": NOW}
        assert self.registry.stats().records == 1

    def test_forget_drops_a_record_only_if_it_is_still_that_one(self) -> None:
        """Registered again at the same moment, or written through ``files``, it is another."""
        self.add("/c/a", "/c/b", "/c/c")
        old = self.registry.get(["/c/a", "/c/b", "/c/c"])
        self.add("/c/a")
        self.registry.files["/c/b"] = NOW
        assert self.registry.forget(old.values()) == 1
        assert set(self.registry.files) == {"/c/a", "/c/b"}
        assert (
            self.registry.forget([self.record("/c/a"), *self.registry.page(Due(NOW, 0, True), now=NOW, limit=9)[0]])
            == 2
        )

    def test_a_forked_child_loses_no_record(self) -> None:
        """And the registry goes on there."""
        self.add("/c/a", "/c/b")
        self.claim(_later(), limit=1)

        def child() -> tuple[list[str], list[str]]:
            self.add("/c/c", at=NOW + 1)
            return sorted(self.registry.files), _paths(self.claim(_later(60)).records)

        files, claimed = in_child(child)
        assert files == ["/c/a", "/c/b", "/c/c"]
        assert {"/c/b", "/c/c"} <= set(claimed)
        assert {"/c/a", "/c/b"} <= set(self.registry.files)

    def test_close_may_be_called_again(self) -> None:
        """And removes nothing that it was told."""
        self.add("/c/a")
        self.registry.close()
        self.registry.close()

    def test_no_credential_is_shown(self) -> None:
        """Neither by ``repr`` nor by ``str``."""
        text = f"{self.registry!r} {self.registry}"
        assert not [secret for secret in self.secrets if secret in text]
        assert not any("@" in part.split("/")[0] for part in text.split("://")[1:])


def _paths(records: Iterable[TempFile]) -> list[str]:
    return [record.path for record in records]


def _later(seconds: float = 0) -> Due:
    return Due(NOW + 1000 + seconds, 100)


def _overdue_since(record: TempFile, due: Due) -> float:
    return record.registered_at + due.max_age if record.due_at is None else record.due_at
