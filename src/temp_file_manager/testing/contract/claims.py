"""The part of the contract that says what is due, in which order, and for how long it is whose."""
# ruff: noqa: S101, PLR2004 - tests assert, and their numbers mean nothing beyond the line they stand in

import math
from random import Random

from temp_file_manager.records import Order, Selection, Status
from temp_file_manager.rules import FIRST_RETRY, verdict
from temp_file_manager.testing.clock import NOW
from temp_file_manager.testing.contract.words import RegistryWords, later, paths_of, settlement, waiting_since
from temp_file_manager.testing.threads import Work


class ClaimsContract(RegistryWords):
    """``Claims.claim``: by age, by ttl, patient and forced, and the end of a lease."""

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
        assert paths_of(self.pages(due, 10)) == ["/c/1", "/c/2", "/c/3", "/c/4"]
        first = self.claim(due, limit=3)
        assert paths_of(first.records) == ["/c/1", "/c/2", "/c/3"]
        assert paths_of(self.claim(due, limit=3, after=first.cursor).records) == ["/c/4"]

    def test_max_age_is_read_at_each_claim(self) -> None:
        """It changes what is due, and what is overdue the longest."""
        self.add("/c/aged", at=NOW)
        self.add("/c/timed", at=NOW, due_at=NOW + 50)
        assert paths_of(self.pages(Selection(NOW + 200, 10), 10)) == ["/c/aged", "/c/timed"]
        assert paths_of(self.pages(Selection(NOW + 200, 100), 10)) == ["/c/timed", "/c/aged"]
        assert paths_of(self.claim(Selection(NOW + 200, 300)).records) == ["/c/timed"]
        assert paths_of(self.claim(Selection(NOW + 200, 10)).records) == ["/c/aged"]

    def test_claims_and_pages_are_what_the_rules_say(self) -> None:
        """In the same order, for records and moments on, just before and just after each other."""
        random = Random(1)  # noqa: S311 - a test's dice

        def moment() -> float:
            return math.nextafter(NOW + random.randrange(8), random.choice((-math.inf, 0.0, NOW + 4, math.inf)))

        paths = [f"/c/{number}" for number in range(60)]
        for path in paths:
            self.add(path, at=moment(), due_at=random.choice((None, moment())))
        for _ in range(20):
            self.settle(self.claim(Selection(NOW, 0, force=True), limit=1), Status.FAILED, at=moment() - FIRST_RETRY)
        for _ in range(60):
            due = Selection(
                moment(), random.choice((0, 1, 2.5, math.inf)), not random.randrange(4), random.random() < 0.5
            )
            expected = [r for r in self.registry.get(paths).values() if verdict(r, due).due]
            paged = self.pages(due, 7)
            claim = self.claim(due)
            assert sorted(paths_of(claim.records)) == sorted(paths_of(expected)), due
            assert paths_of(paged) == paths_of(claim.records), due
            since = [waiting_since(record, due) for record in claim.records]
            assert since == sorted(since), due
            self.settle(claim)

    def test_no_two_claimers_hold_the_same_record(self) -> None:
        """Four threads that take three at a time take each of 200 records once."""
        paths = [f"/c/{number}" for number in range(200)]
        self.add(*paths)
        taken: list[str] = []

        def take() -> None:
            claim = self.claim(later(), limit=3)
            while claim.records:
                taken.extend(paths_of(claim.records))
                claim = self.claim(later(), limit=3, after=claim.cursor)

        for thread in [Work(take) for _ in range(4)]:
            thread.end()
        assert sorted(taken) == sorted(paths)

    def test_four_sweeps_retire_each_record_once(self) -> None:
        """Settling one claim and making the next in one step; and every record is counted once."""
        paths = [f"/c/{number}" for number in range(200)]
        self.add(*paths)

        def sweep() -> int:
            settling, cursor, retired = None, None, 0
            while (claim := self.claim(later(), limit=3, after=cursor, settling=settling)).records:
                cursor, settling = claim.cursor, settlement(claim, *[Status.REMOVED] * len(claim.records))
                retired += len(claim.records)
            return retired

        assert sum(thread.end() for thread in [Work(sweep) for _ in range(4)]) == 200
        assert (self.registry.stats().records, self.counters["removed"]) == (0, 200)

    def test_a_claim_lapses_with_its_lease(self) -> None:
        """Then another may take the records; what the first says of them changes nothing, and counts nothing."""
        self.add("/c/a")
        self.add("/c/b", at=NOW + 1)
        first = self.claim(later())
        assert paths_of(first.records) == ["/c/a", "/c/b"]
        assert not self.claim(later(59.5)).records
        assert paths_of(self.claim(later(60)).records) == ["/c/a", "/c/b"]
        assert not self.pages(later(119.5), 10)
        assert paths_of(self.pages(later(120), 10)) == ["/c/a", "/c/b"]
        third = self.claim(later(120))
        for status in (Status.SKIPPED, Status.FAILED, Status.KEPT, Status.REMOVED):
            self.settle(first, status, status)
            assert not self.claim(later(130)).records, status
            assert (self.record("/c/a").failures, self.counters) == (0, {"registered": 2})
        self.settle(third, Status.REMOVED, Status.FAILED)
        assert set(self.registry.files) == {"/c/b"}
        assert (self.counters["removed"], self.counters["failed"]) == (1, 1)

    def test_a_lapsed_claim_is_taken_over_in_part(self) -> None:
        """What the second has settled is no longer the first one's; no failure of the first is added to it."""
        self.add("/c/a")
        self.add("/c/b", at=NOW + 1)
        first = self.claim(later())
        second = self.claim(later(60), limit=1)
        self.settle(second, Status.FAILED)
        self.settle(first, Status.REMOVED)
        assert self.record("/c/a").failures == 1
        assert "removed" not in self.counters

    def test_only_patient_sweeps_wait_for_a_retry(self) -> None:
        """Pages as well as claims."""
        self.add("/c/a")
        self.settle(self.claim_one("/c/a", later()), Status.FAILED, at=NOW + 2000 - FIRST_RETRY)
        early, there = Selection(NOW + 1999, 100, patient=True), Selection(NOW + 2000, 100, patient=True)
        assert not self.pages(early, 10)
        assert not self.claim(early).records
        assert paths_of(self.pages(there, 10)) == ["/c/a"]
        self.settle(self.claim_one("/c/a", there), Status.FAILED, at=NOW + 2000)
        assert not self.claim(Selection(NOW + 2001, 100, patient=True)).records
        self.claim_one("/c/a", Selection(NOW + 2001, 100))

    def test_what_was_tried_waits_behind_what_was_not(self) -> None:
        """So however few a sweep takes at a time, what cannot be removed keeps it from nothing else."""
        stuck, free = [f"/c/stuck{number}" for number in range(5)], [f"/c/free{number}" for number in range(12)]
        for force in (False, True):
            self.registry.replace([])
            self.add(*stuck, at=NOW)
            self.add(*free, at=NOW + 100)
            removed: list[str] = []
            for turn in range(5):
                due = Selection(NOW + 1000 + turn, 100, force)
                claim = self.claim(due, limit=5)
                found = paths_of(claim.records)
                kept = (Status.KEPT, Status.FAILED)[turn % 2]
                self.settle(claim, *[kept if p in stuck else Status.REMOVED for p in found], at=due.asof)
                removed += [path for path in found if path in free]
            assert sorted(removed) == sorted(free)
            last = Selection(NOW + 5000, 100, force)
            paged = paths_of(self.pages(last, 2))
            claim = self.claim(last)
            assert (paged, sorted(paged)) == (paths_of(claim.records), sorted(stuck))
            self.settle(claim)

    def test_what_was_tried_goes_in_turn(self) -> None:
        """With what becomes due meanwhile: it is nobody's last."""
        self.add("/c/tried", at=NOW)
        self.settle(self.claim(later()), Status.KEPT, at=NOW + 1000)
        self.add("/c/before", at=NOW + 950)
        self.add("/c/after", at=NOW + 970)
        self.add("/c/timed", due_at=NOW + 1059)
        due = Selection(NOW + 2000, 100)
        assert paths_of(self.pages(due, 10)) == ["/c/before", "/c/timed", "/c/tried", "/c/after"]

    def test_a_next_try_that_is_too_far_ahead_is_not_waited_for(self) -> None:
        """A clock that was wrong has set it, and it may be years."""
        self.add("/c/a")
        self.settle(self.claim_one("/c/a", later()), Status.KEPT, at=NOW + 1e8)
        due = Selection(NOW + 2000, 100, patient=True)
        assert paths_of(self.pages(due, 10)) == ["/c/a"]
        self.claim_one("/c/a", due)

    def test_a_claim_is_told_of(self) -> None:
        """As long as it lasts, whoever has it, and of no other record."""
        self.add("/c/a")
        self.add("/c/b", at=NOW + 1)
        assert self.registry.claimed(["/c/a"], now=NOW) == set()
        claim = self.claim(later(), limit=1)
        for registry in self.objects:
            assert registry.claimed(["/c/a", "/c/b", "/c/unknown"], now=NOW + 1000) == {"/c/a"}
            assert registry.claimed(["/c/a"], now=NOW + 1060) == set(), "its lease is over"
        self.settle(claim, Status.KEPT)
        assert self.registry.claimed(["/c/a"], now=NOW + 1000) == set()

    def test_what_fails_is_found_the_most_failures_first(self) -> None:
        """However much is kept beside it; in pages."""
        self.add("/c/kept", "/c/failed", "/c/failed again", "/c/untried")
        failing = Selection(0.0, 0.0, order=Order.FAILING)
        assert not self.pages(failing, 2)
        for turn in range(2):
            claim = self.claim(Selection(NOW + 1000 + turn, 100))
            told = {"/c/kept": Status.KEPT, "/c/failed": Status.SKIPPED if turn else Status.FAILED}
            told["/c/failed again"] = Status.FAILED
            statuses = [told.get(path, Status.SKIPPED) for path in paths_of(claim.records)]
            self.settle(claim, *statuses, at=NOW + 1000 + turn)
        for limit in (1, 2, 5):
            assert paths_of(self.pages(failing, limit)) == ["/c/failed again", "/c/failed"]

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
        assert paths_of(self.pages(Selection(NOW, 100, force=True), 3)) == expected
        assert paths_of(self.claim(Selection(NOW, 100, force=True, mine=True)).records) == expected

    def test_force_chases_nothing(self) -> None:
        """What is registered, or registered again, after a forced sweep began is not that sweep's."""
        self.add("/c/a", "/c/b", at=NOW)
        self.add("/c/c", at=NOW + 1)
        force = Selection(NOW + 1000, 100, force=True)
        claim = self.claim(force, limit=2)
        self.settle(claim)
        self.add("/c/a", at=NOW)
        self.registry.files["/c/c"] = NOW
        self.add("/c/new", at=NOW - 500)
        rest = self.claim(force, after=claim.cursor)
        assert paths_of(rest.records) == ["/c/b"]
        assert not self.claim(force, after=rest.cursor).records
        assert sorted(paths_of(self.claim(force).records)) == ["/c/a", "/c/c", "/c/new"]

    def test_nor_do_pages_of_everything(self) -> None:
        """They foretell a forced sweep that would have begun with the first of them."""
        self.add("/c/a", "/c/b")
        force = Selection(NOW + 1000, 100, force=True)
        page = self.registry.page(force, now=NOW, limit=1)
        self.add("/c/new")
        assert paths_of(self.registry.page(force, now=NOW, limit=9, after=page.cursor).records) == ["/c/b"]
