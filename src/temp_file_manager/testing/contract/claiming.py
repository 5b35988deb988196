"""The part of the contract that says what is due, in which order, and whose it is."""
# ruff: noqa: S101, PLR2004 - tests assert, and their numbers mean nothing beyond the line they stand in

import math
import threading
from random import Random

from temp_file_manager.records import Outcome, Selection, Status
from temp_file_manager.rules import FIRST_RETRY, verdict
from temp_file_manager.testing.clock import NOW
from temp_file_manager.testing.contract.words import RegistryWords, _later, _overdue_since, _paths


class ClaimingContract(RegistryWords):
    """``claim``: by age, by ttl, patient and forced."""

    # -- claim ---------------------------------------------------------------------------------------------

    def test_an_age_is_due_when_it_is_more_than_max_age(self) -> None:
        """Not when it is equal, and by the smallest difference there is."""
        self.add("/c/a")
        assert not self.claim(Selection(NOW + 100, 100)).records
        self.claim_one("/c/a", Selection(math.nextafter(NOW + 100, math.inf), 100))

    def test_a_ttl_is_due_when_it_has_ended(self) -> None:
        """At that very moment, and whatever ``max_age`` says."""
        self.add("/c/a", due_at=NOW + 5)
        assert not self.claim(Selection(math.nextafter(NOW + 5, -math.inf), 0)).records
        self.claim_one("/c/a", Selection(NOW + 5, 1e9))

    def test_the_longest_overdue_comes_first(self) -> None:
        """Whether it is by ttl or by age, and ``limit`` at a time."""
        for path, at, due_at in (("/c/2", 20, None), ("/c/1", 90, 115), ("/c/4", 0, 140), ("/c/3", 30, None)):
            self.add(path, at=NOW + at, due_at=None if due_at is None else NOW + due_at)
        due = Selection(NOW + 500, 100)
        assert _paths(self.pages(due, 10)) == ["/c/1", "/c/2", "/c/3", "/c/4"]
        first = self.claim(due, limit=3)
        assert _paths(first.records) == ["/c/1", "/c/2", "/c/3"]
        assert _paths(self.claim(due, limit=3, after=first.cursor).records) == ["/c/4"]

    def test_max_age_is_read_at_each_claim(self) -> None:
        """It changes what is due, and what is overdue the longest."""
        self.add("/c/aged", at=NOW)
        self.add("/c/timed", at=NOW, due_at=NOW + 50)
        assert _paths(self.pages(Selection(NOW + 200, 10), 10)) == ["/c/aged", "/c/timed"]
        assert _paths(self.pages(Selection(NOW + 200, 100), 10)) == ["/c/timed", "/c/aged"]
        assert _paths(self.claim(Selection(NOW + 200, 300)).records) == ["/c/timed"]
        assert _paths(self.claim(Selection(NOW + 200, 10)).records) == ["/c/aged"]

    def test_claims_and_pages_are_what_the_rules_say(self) -> None:
        """In the same order, for records and moments on, just before and just after each other."""
        random = Random(1)  # noqa: S311 - a test's dice

        def moment() -> float:
            return math.nextafter(NOW + random.randrange(8), random.choice((-math.inf, 0.0, NOW + 4, math.inf)))

        paths = [f"/c/{number}" for number in range(60)]
        for path in paths:
            self.add(path, at=moment(), due_at=random.choice((None, moment())))
        for record in self.claim(Selection(NOW, 0, force=True), limit=20).records:
            self.settle(record, Status.FAILED, moment() - FIRST_RETRY)
        for _ in range(60):
            due = Selection(
                moment(), random.choice((0, 1, 2.5, math.inf)), not random.randrange(4), random.random() < 0.5
            )
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
        assert not self.registry.still_claimed(first)
        for status in (Status.SKIPPED, Status.FAILED, Status.REMOVED):
            self.settle(first, status)
            assert self.registry.still_claimed(second), status
            assert self.record("/c/a").failures == 0
        self.settle(second, Status.REMOVED)
        assert not self.registry.files

    def test_only_patient_sweeps_wait_for_a_retry(self) -> None:
        """Pages as well as claims."""
        self.add("/c/a")
        self.settle(self.claim_one("/c/a", _later()), Status.FAILED, NOW + 2000 - FIRST_RETRY)
        early, there = Selection(NOW + 1999, 100, patient=True), Selection(NOW + 2000, 100, patient=True)
        assert not self.pages(early, 10)
        assert not self.claim(early).records
        assert _paths(self.pages(there, 10)) == ["/c/a"]
        self.settle(self.claim_one("/c/a", there), Status.FAILED, NOW + 2000)
        assert not self.claim(Selection(NOW + 2001, 100, patient=True)).records
        self.claim_one("/c/a", Selection(NOW + 2001, 100))

    def test_force_takes_everything(self) -> None:
        """The young, the future-dated, those with a ttl and the failed; not what another claim holds."""
        self.add("/c/held", at=NOW - 500)
        self.claim_one("/c/held", Selection(NOW, 100))
        self.add("/c/failed", at=NOW - 400)
        self.settle(self.claim_one("/c/failed", Selection(NOW, 100)), Status.FAILED)
        self.add("/c/young", at=NOW)
        self.add("/c/future", at=NOW + 1e6)
        self.add("/c/timed", at=NOW, due_at=NOW + 1e7)
        expected = ["/c/failed", "/c/young", "/c/future", "/c/timed"]
        assert _paths(self.pages(Selection(NOW, 100, force=True), 3)) == expected
        assert _paths(self.claim(Selection(NOW, 100, force=True, mine=True)).records) == expected

    def test_force_chases_nothing(self) -> None:
        """What is registered, or registered again, after a forced sweep began is not that sweep's."""
        self.add("/c/a", "/c/b", at=NOW)
        self.add("/c/c", at=NOW + 1)
        force = Selection(NOW + 1000, 100, force=True)
        claim = self.claim(force, limit=2)
        self.registry.settle([Outcome(record, Status.SKIPPED) for record in claim.records], NOW)
        self.add("/c/a", at=NOW)
        self.registry.files["/c/c"] = NOW
        self.add("/c/new", at=NOW - 500)
        rest = self.claim(force, after=claim.cursor)
        assert _paths(rest.records) == ["/c/b"]
        assert not self.claim(force, after=rest.cursor).records
        assert sorted(_paths(self.claim(force).records)) == ["/c/a", "/c/c", "/c/new"]

    # -- pins and holds ------------------------------------------------------------------------------------

    def test_no_sweep_takes_what_is_pinned(self) -> None:
        """Not by force either, until the pin's end; the record says so, and lists show it."""
        self.add("/c/a", at=NOW - 1)
        self.add("/c/b")
        assert self.registry.pin(["/c/a", "/c/unknown"], NOW + 2000) == 1
        assert self.record("/c/a").pinned_until == NOW + 2000
        for due in (_later(), Selection(NOW + 1000, 0, force=True), Selection(NOW + 1000, 0, force=True, mine=True)):
            assert _paths(self.pages(due, 10)) == ["/c/b"]
            claim = self.claim(due)
            assert _paths(claim.records) == ["/c/b"]
            self.settle(claim.records[0], Status.SKIPPED)
        assert _paths(self.pages(None, 1)) == ["/c/a", "/c/b"]
        assert _paths(self.claim(Selection(NOW + 2000, 100)).records) == ["/c/a", "/c/b"]

    def test_a_pin_is_the_paths_and_ends_when_told(self) -> None:
        """It outlasts a new registration, a new time and a new dict, and goes when the path is forgotten."""
        self.add("/c/a")
        self.registry.pin(["/c/a"], math.inf)
        self.add("/c/a")
        self.registry.files["/c/a"] = NOW - 5
        self.registry.replace(list(self.registry.files.items()))
        assert not self.claim(_later()).records
        del self.registry.files["/c/a"]
        self.add("/c/a")
        assert self.record("/c/a").pinned_until == math.inf
        assert self.registry.pin(["/c/a"], None) == 1
        assert self.record("/c/a").pinned_until is None
        self.settle(self.claim_one("/c/a", _later()), Status.SKIPPED)
        self.registry.pin(["/c/a"], math.inf)
        self.registry.forget(["/c/a"])
        self.add("/c/a")
        self.claim_one("/c/a", _later())

    def test_no_sweep_takes_what_is_held(self) -> None:
        """As often as it is held it is to be released."""
        self.add("/c/a")
        assert not self.registry.hold("/c/unknown")
        assert self.registry.hold("/c/a")
        assert self.registry.hold("/c/a")
        assert self.record("/c/a").held
        self.add("/c/a")
        self.registry.release("/c/a")
        assert not self.claim(_later()).records
        assert not self.claim(Selection(NOW + 1000, 0, force=True)).records
        assert _paths(self.pages(None, 10)) == ["/c/a"]
        self.registry.release("/c/a")
        assert not self.record("/c/a").held
        self.claim_one("/c/a", _later())

    def test_pins_and_holds_end_claims(self) -> None:
        """Of a sweep that has not got there yet; and the record is found again afterwards."""
        self.add("/c/a", "/c/b")
        a, b = self.claim(_later()).records
        self.registry.pin(["/c/a"], math.inf)
        self.registry.hold("/c/b")
        assert not self.registry.still_claimed(a)
        assert not self.registry.still_claimed(b)
        self.registry.settle([Outcome(a, Status.SKIPPED), Outcome(b, Status.SKIPPED)], NOW)
        assert not self.claim(_later()).records
        self.registry.pin(["/c/a"], None)
        self.registry.release("/c/b")
        assert _paths(self.claim(_later()).records) == ["/c/a", "/c/b"]

    def test_a_list_shows_everything(self) -> None:
        """What is claimed, pinned, held or failed, each once, by age and then by the ttl's end."""
        self.add("/c/timed", due_at=NOW + 9)
        self.add("/c/soon", due_at=NOW + 1)
        for number in range(4):
            self.add(f"/c/{number}", at=NOW - number)
        self.settle(self.claim(_later(), limit=1).records[0], Status.FAILED)
        self.claim(_later(), limit=1)
        self.registry.pin(["/c/1"], math.inf)
        self.registry.hold("/c/0")
        for limit in (1, 2, 100):
            assert _paths(self.pages(None, limit)) == ["/c/3", "/c/2", "/c/1", "/c/0", "/c/soon", "/c/timed"]
