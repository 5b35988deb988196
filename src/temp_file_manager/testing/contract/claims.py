"""The part of the contract that says what is due, in which order, whose it is, and what its outcomes do."""
# ruff: noqa: S101, PLR2004 - tests assert, and their numbers mean nothing beyond the line they stand in

import math
import threading
from random import Random

from temp_file_manager.records import Cause, Outcome, Selection, Status, TempFile
from temp_file_manager.registry.counters import AGES, ages
from temp_file_manager.rules import FIRST_RETRY, retry_at, verdict
from temp_file_manager.testing.clock import NOW
from temp_file_manager.testing.contract.words import EVERY, RegistryWords, later, overdue_since, paths_of


class ClaimsContract(RegistryWords):
    """``Claims``: by age, by ttl, patient and forced; how long a claim is held, and how it ends."""

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
        for record in self.claim(Selection(NOW, 0, force=True), limit=20).records:
            self.settle(record, Status.FAILED, moment() - FIRST_RETRY)
        for _ in range(60):
            due = Selection(
                moment(), random.choice((0, 1, 2.5, math.inf)), not random.randrange(4), random.random() < 0.5
            )
            expected = [r for r in self.registry.get(paths).values() if verdict(r, due).due]
            paged = self.pages(due, 7)
            claimed = self.claim(due).records
            assert sorted(paths_of(claimed)) == sorted(paths_of(expected)), due
            assert paths_of(paged) == paths_of(claimed), due
            since = [overdue_since(record, due) for record in claimed]
            assert since == sorted(since), due
            self.registry.settle([Outcome(record, Status.SKIPPED) for record in claimed], NOW)

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

        threads = [threading.Thread(target=take) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(taken) == sorted(paths)

    def test_a_claim_lapses_with_its_lease(self) -> None:
        """Then another may take the record, and what the first says of it changes nothing."""
        self.add("/c/a")
        first = self.claim_one("/c/a", later())
        assert not self.claim(later(59.5)).records
        second = self.claim_one("/c/a", later(60))
        assert not self.pages(later(119.5), 10)
        assert paths_of(self.pages(later(120), 10)) == ["/c/a"]
        second = self.claim_one("/c/a", later(120))
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
        self.settle(self.claim_one("/c/a", later()), Status.FAILED, NOW + 2000 - FIRST_RETRY)
        early, there = Selection(NOW + 1999, 100, patient=True), Selection(NOW + 2000, 100, patient=True)
        assert not self.pages(early, 10)
        assert not self.claim(early).records
        assert paths_of(self.pages(there, 10)) == ["/c/a"]
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
        assert paths_of(self.pages(Selection(NOW, 100, force=True), 3)) == expected
        assert paths_of(self.claim(Selection(NOW, 100, force=True, mine=True)).records) == expected

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
        assert paths_of(rest.records) == ["/c/b"]
        assert not self.claim(force, after=rest.cursor).records
        assert sorted(paths_of(self.claim(force).records)) == ["/c/a", "/c/c", "/c/new"]

    # -- holds, settle -------------------------------------------------------------------------------------

    def test_a_claim_is_held_until_the_record_changes(self) -> None:
        """By forgetting it, or through ``files``; and a stale outcome forgets nothing that came after."""
        self.add("/c/a", "/c/b", "/c/c", "/c/d")
        held = {record.path: record for record in self.claim(later()).records}
        assert all(map(self.registry.still_claimed, held.values()))
        self.registry.forget(["/c/a"])
        self.registry.files["/c/b"] = NOW
        del self.registry.files["/c/c"]
        assert [path for path, record in sorted(held.items()) if self.registry.still_claimed(record)] == ["/c/d"]
        self.add("/c/a")
        self.registry.files["/c/c"] = NOW
        self.registry.settle([Outcome(record, Status.REMOVED) for record in held.values()], NOW)
        assert set(self.registry.files) == {"/c/a", "/c/b", "/c/c"}
        assert sorted(paths_of(self.claim(later()).records)) == ["/c/a", "/c/b", "/c/c"]

    def test_retired_records_are_forgotten(self) -> None:
        """Whether their files were removed, gone or replaced."""
        self.add("/c/a", "/c/b", "/c/c", "/c/d")
        statuses = {"/c/a": Status.REMOVED, "/c/b": Status.GONE, "/c/c": Status.SKIPPED, "/c/d": Status.REPLACED}
        self.registry.settle([Outcome(record, statuses[record.path]) for record in self.claim(later()).records], NOW)
        assert set(self.registry.files) == {"/c/c"}
        assert self.registry.stats().records == 1

    def test_skipped_records_are_free_at_once(self) -> None:
        """For the same sweep too, and with no failure."""
        self.add("/c/a")
        claim = self.claim(later())
        self.settle(claim.records[0], Status.SKIPPED)
        assert not self.registry.still_claimed(claim.records[0])
        assert self.record("/c/a")[:7] == TempFile("/c/a", NOW)[:7]
        assert paths_of(self.claim(later(), after=claim.cursor).records) == ["/c/a"]

    def test_failed_records_keep_their_age_and_count(self) -> None:
        """And say when scheduled sweeps try again."""
        self.add("/c/a", due_at=NOW + 5, tags=("x",))
        for failures in (1, 2):
            self.settle(self.claim_one("/c/a", later()), Status.FAILED, NOW + 7)
            record = self.record("/c/a")
            assert (record.failures, record.retry_at) == (failures, retry_at(failures, NOW + 7))
            assert (record.registered_at, record.due_at, record.tags) == (NOW, NOW + 5, ("x",))

    def test_kept_records_wait_as_failed_ones_do_and_count_no_failure(self) -> None:
        """Their files are in use, or cannot be told from others."""
        self.add("/c/a")
        claim = self.claim(later())
        self.settle(claim.records[0], Status.KEPT, NOW + 7)
        assert (self.record("/c/a").failures, self.record("/c/a").retry_at) == (0, NOW + 7 + FIRST_RETRY)
        assert not self.claim(later(), after=claim.cursor).records
        assert not self.claim(Selection(NOW + 7 + FIRST_RETRY - 1, 0, patient=True)).records
        self.claim_one("/c/a", Selection(NOW + 7 + FIRST_RETRY, 0, patient=True))

    def test_failed_records_wait_for_a_later_sweep(self) -> None:
        """Neither the sweep that failed takes them again, nor one that had begun, forced or not."""
        for force in (False, True):
            due = Selection(NOW + 1000, 100, force)
            self.registry.replace([])
            self.add("/c/a", at=NOW)
            self.add("/c/b", at=NOW + 1)
            self.add("/c/c", at=NOW + 2)
            earlier = self.claim(due, limit=1)
            failing = self.claim(due, limit=1)
            assert paths_of(failing.records) == ["/c/b"]
            self.settle(failing.records[0], Status.FAILED)
            self.settle(earlier.records[0], Status.FAILED)
            assert paths_of(self.claim(due, after=failing.cursor).records) == ["/c/c"]
            assert not self.claim(due, after=earlier.cursor).records
            assert paths_of(self.claim(due).records) == ["/c/a", "/c/b"]

    def test_failed_records_are_not_an_earlier_sweeps_once_a_later_one_has_begun(self) -> None:
        """Whose claim may already have brought them back to where the others are found."""
        self.add("/c/a", at=NOW)
        self.add("/c/b", at=NOW + 1)
        self.add("/c/c", at=NOW + 2)
        earlier = self.claim(later(), limit=1)
        self.settle(self.claim(later(), limit=1).records[0], Status.FAILED)
        self.settle(earlier.records[0], Status.SKIPPED)
        assert paths_of(self.claim(later(), limit=1).records) == ["/c/a"]
        assert paths_of(self.claim(later(), after=earlier.cursor).records) == ["/c/c"]
        assert paths_of(self.claim(later()).records) == ["/c/b"]

    # -- what is counted -----------------------------------------------------------------------------------

    def test_outcomes_add_up(self) -> None:
        """Each under its status; what was kept also by its reason; what was skipped not at all."""
        self.add(*(f"/c/{number}" for number in range(9)))
        records = self.claim(EVERY).records
        told = [
            (Status.REMOVED, Cause.NONE), (Status.REMOVED, Cause.NONE), (Status.GONE, Cause.GONE),
            (Status.REPLACED, Cause.REPLACED), (Status.FAILED, Cause.IN_USE), (Status.KEPT, Cause.IN_USE),
            (Status.KEPT, Cause.USE_UNKNOWN), (Status.KEPT, Cause.FOREIGN), (Status.SKIPPED, Cause.IN_USE),
        ]  # fmt: skip
        outcomes = [Outcome(record, *what) for record, what in zip(records, told, strict=True)]
        self.registry.settle(outcomes[:4], NOW)
        self.registry.settle(outcomes[4:], NOW)
        counts = {"removed": 2, "gone": 1, "replaced": 1, "failed": 1, "kept": 3, "kept_in_use": 1, "kept_unknown": 1}
        found = self.counters
        assert {name: found[name] for name in counts} == counts
        assert set(found) - set(counts) <= {"registered", "age_60", "age_sum"}
        assert ages(found).counts[-1] == 4
        assert self.registry.stats().records == found["registered"] - 4

    def test_what_changes_nothing_counts_nothing(self) -> None:
        """Outcomes of records that were registered again, written to, forgotten or pinned; second ones."""
        self.add(*(f"/c/{number}" for number in range(7)))
        records = self.claim(EVERY).records
        self.add("/c/0")
        self.registry.files["/c/1"] = NOW
        self.registry.forget(["/c/2"])
        del self.registry.files["/c/3"]
        self.registry.keep(["/c/4"], math.inf)
        outcomes = [Outcome(record, Status.REMOVED) for record in records]
        self.registry.settle([*outcomes, outcomes[5]], NOW)
        self.registry.settle(outcomes, NOW)
        assert self.registry.stats().records == 3
        assert (self.counters["removed"], ages(self.counters).counts[-1]) == (2, 2)
        stale = self.claim(EVERY).records
        assert paths_of(stale) == ["/c/0", "/c/1"]
        self.add("/c/0", "/c/1")
        self.registry.settle([Outcome(stale[0], Status.FAILED), Outcome(stale[1], Status.KEPT)], NOW)
        assert not {"failed", "kept"} & set(self.counters)

    def test_ages_at_their_bounds(self) -> None:
        """A bound belongs to what is below it."""
        now = NOW + AGES[-1]
        for number, bound in enumerate(AGES):
            self.registry.files[f"/c/at/{number}"] = now - bound
            self.registry.files[f"/c/above/{number}"] = now - bound - 1
        outcomes = [Outcome(record, Status.GONE) for record in self.claim(EVERY).records]
        self.registry.settle(outcomes, now)
        found = ages(self.counters)
        # Up to the first bound one, and up to each other one more and the one above the bound before.
        assert found.counts == (*range(1, 2 * len(AGES), 2), 2 * len(AGES))
        assert math.isclose(found.sum, 2 * sum(AGES) + len(AGES), rel_tol=1e-6)

    def test_ages_that_cannot_be(self) -> None:
        """The clock went back, or somebody wrote infinity: sums stay numbers that only grow, and sweeps go on."""
        times = [NOW + 1e6, math.inf, -math.inf, NOW - 10, -math.inf, math.inf]
        self.registry.files.update({f"/c/{number}": when for number, when in enumerate(times)})
        sums = [0.0]
        for _ in times:
            self.settle_all(Status.REMOVED)
            sums.append(ages(self.counters).sum)
        assert sums == sorted(sums)
        assert math.isfinite(sums[-1])
        assert ages(self.counters).counts[0] == 4, "three from the future, and one that is young"
        self.registry.files.update({f"/c/{number}": when for number, when in enumerate(times)})
        self.settle_all(*[Status.REMOVED] * len(times))
        assert ages(self.counters).counts[-1] == 12
        assert math.isfinite(ages(self.counters).sum)

    def test_bytes_go_with_what_sweeps_retire(self) -> None:
        """And what was removed is freed, which what was gone or replaced is not."""
        self.add_sized(1, 20, 300, 4000, 50000, 600000)
        statuses = (Status.REMOVED, Status.GONE, Status.REPLACED, Status.FAILED, Status.KEPT, Status.SKIPPED)
        self.settle_all(*statuses)
        assert self.are_bytes(654000)
        assert self.registry.stats().bytes is None or self.counters["freed_bytes"] == 1
