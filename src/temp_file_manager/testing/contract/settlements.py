"""The part of the contract that says what the end of a claim does, and what it counts."""
# ruff: noqa: S101, PLR2004 - tests assert, and their numbers mean nothing beyond the line they stand in

import math

from temp_file_manager.causes import Cause
from temp_file_manager.chunks import Other
from temp_file_manager.records import Selection, Status, TempFile
from temp_file_manager.registry import Claim, Settlement
from temp_file_manager.registry.counters import AGES, ages
from temp_file_manager.rules import FIRST_RETRY, retry_at
from temp_file_manager.testing.clock import NOW
from temp_file_manager.testing.contract.words import EVERY, HUNG, RegistryWords, later, paths_of, settlement

RETIRING = (Status.REMOVED, Status.GONE, Status.REPLACED)


class SettlementsContract(RegistryWords):
    """``Claims.settle``, by itself and with the next claim; removals that hang; the counters of sweeps."""

    def test_retired_records_are_forgotten(self) -> None:
        """Whether their files were removed, gone or replaced."""
        self.add("/c/a", "/c/b", "/c/c", "/c/d")
        statuses = {"/c/a": Status.REMOVED, "/c/b": Status.GONE, "/c/c": Status.SKIPPED, "/c/d": Status.REPLACED}
        claim = self.claim(later())
        self.settle(claim, *(statuses[path] for path in paths_of(claim.records)))
        assert set(self.registry.files) == {"/c/c"}
        assert self.registry.stats().records == 1

    def test_skipped_records_are_free_at_once(self) -> None:
        """For the same sweep too, and with no failure."""
        self.add("/c/a")
        claim = self.claim(later())
        self.settle(claim, Status.SKIPPED)
        assert self.record("/c/a")[:7] == TempFile("/c/a", NOW)[:7]
        assert paths_of(self.claim(later(), after=claim.cursor).records) == ["/c/a"]

    def test_what_was_not_worked_on_is_free_at_once(self) -> None:
        """As if never taken: for another sweep, and in one step for the same, which goes on where it was."""
        for number in range(5):
            self.add(f"/c/{number}", at=NOW + number)
        claim = self.claim(later(), limit=3)
        self.settle(claim, Status.REMOVED)
        assert self.free == ["/c/1", "/c/2", "/c/3", "/c/4"]
        claim = self.claim(later(), limit=3, after=claim.cursor)
        assert paths_of(claim.records) == ["/c/1", "/c/2", "/c/3"]
        assert paths_of(claim.records[1:]) == ["/c/2", "/c/3"]
        rest = self.claim(later(), after=claim.cursor, settling=settlement(claim, Status.REMOVED, Status.GONE))
        assert sorted(paths_of(rest.records)) == ["/c/3", "/c/4"]
        self.settle(rest)
        assert self.free == ["/c/3", "/c/4"]
        assert (self.counters["removed"], self.counters["gone"]) == (2, 1)

    def test_a_forced_sweep_goes_on_with_what_was_not_worked_on(self) -> None:
        """Each record once, also where every claim comes to its end early."""
        self.add(*(f"/c/{number}" for number in range(5)))
        retired, claim = [], self.claim(EVERY, limit=2)
        while claim.records:
            retired.append(claim.records[0].path)
            claim = self.claim(EVERY, limit=2, after=claim.cursor, settling=settlement(claim, Status.REMOVED))
        assert sorted(retired) == [f"/c/{number}" for number in range(5)]
        assert (self.registry.stats().records, self.counters["removed"]) == (0, 5)

    def test_settling_and_claiming_are_one_step(self) -> None:
        """What was settled is gone when the next claim is there, also where there is nothing more to claim."""
        self.add("/c/a")
        self.add("/c/b", at=NOW + 1)
        claim = self.claim(later(), limit=1)
        claim = self.claim(later(), limit=1, after=claim.cursor, settling=settlement(claim, Status.FAILED))
        assert paths_of(claim.records) == ["/c/b"]
        assert self.record("/c/a").failures == 1
        last = self.claim(later(), after=claim.cursor, settling=settlement(claim, Status.REMOVED))
        assert not last.records
        assert set(self.registry.files) == {"/c/a"}
        assert (self.counters["removed"], self.counters["failed"]) == (1, 1)

    def test_a_claim_is_settled_once(self) -> None:
        """Whatever the second settlement says, and with the next claim or without, it changes and counts nothing."""
        self.add("/c/a", "/c/b", "/c/c")
        first = self.claim(later())
        self.settle(first, Status.REMOVED, Status.FAILED, Status.SKIPPED)
        counted = self.counters
        for status in Status:
            self.settle(first, status, status, status)
            assert (self.counters, self.free) == (counted, ["/c/b", "/c/c"])
        second = self.claim(later(), settling=settlement(first, *[Status.REMOVED] * 3))
        self.settle(first, *[Status.REMOVED] * 3)
        assert sorted(paths_of(second.records)) == ["/c/b", "/c/c"]
        assert (self.counters, self.record("/c/b").failures, self.free) == (counted, 1, [])

    def test_no_more_is_said_than_was_done(self) -> None:
        """A note on a file that was not done with, as an interrupt leaves it, means nothing."""
        self.add("/c/a", "/c/b", "/c/c", "/c/d")
        for turn, note in enumerate((Other(Status.FAILED, Cause.ERROR), Other(Status.REPLACED, Cause.REPLACED), HUNG)):
            claim = self.claim(later())
            done, *left = paths_of(claim.records)
            self.registry.settle(Settlement(claim, 1, {1: note}, NOW))
            assert self.free == sorted(left)
            assert done not in self.registry.files
            assert self.record(left[0]).failures == 0
            assert self.counters["removed"] == turn + 1
            assert not {"failed", "replaced"} & set(self.counters)

    def test_failed_records_keep_their_age_and_count(self) -> None:
        """And say when scheduled sweeps try again."""
        self.add("/c/a", due_at=NOW + 5, tags=("x",))
        for failures in (1, 2):
            self.settle(self.claim_one("/c/a", later()), Status.FAILED, at=NOW + 7)
            record = self.record("/c/a")
            assert (record.failures, record.retry_at) == (failures, retry_at(failures, NOW + 7))
            assert (record.registered_at, record.due_at, record.tags) == (NOW, NOW + 5, ("x",))

    def test_kept_records_wait_as_failed_ones_do_and_count_no_failure(self) -> None:
        """Their files are in use, or cannot be told from others."""
        self.add("/c/a")
        claim = self.claim(later())
        self.settle(claim, Status.KEPT, at=NOW + 7)
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
            self.settle(failing, Status.FAILED)
            self.settle(earlier, Status.FAILED)
            last = self.claim(due, after=failing.cursor)
            assert paths_of(last.records) == ["/c/c"]
            assert not self.claim(due, after=earlier.cursor).records
            free = self.claim(due)
            assert sorted(paths_of(free.records)) == ["/c/a", "/c/b"]
            self.settle(free)
            self.settle(last)

    def test_failed_records_are_not_an_earlier_sweeps_once_a_later_one_has_begun(self) -> None:
        """Whose claim may already have brought them back to where the others are found."""
        self.add("/c/a", at=NOW)
        self.add("/c/b", at=NOW + 1)
        self.add("/c/c", at=NOW + 2)
        earlier = self.claim(later(), limit=1)
        self.settle(self.claim(later(), limit=1), Status.FAILED, at=NOW + 1000)
        self.settle(earlier, Status.SKIPPED)
        assert paths_of(self.claim(later(), limit=1).records) == ["/c/a"]
        assert paths_of(self.claim(later(), after=earlier.cursor).records) == ["/c/c"]
        assert paths_of(self.claim(later()).records) == ["/c/b"]

    # -- removals that hang: they may yet go through ---------------------------------------------------------

    def test_of_three_sweeps_the_last_takes_what_the_first_could_not_remove(self) -> None:
        """Also if the second, which began before that and leaves it alone, has come upon it meanwhile."""
        for end in (Status.FAILED, Status.KEPT):
            self.registry.replace([("/c/a", NOW), ("/c/b", NOW + 1), ("/c/c", NOW + 2), ("/c/d", NOW + 3)])
            first = self.claim(later(), limit=1)
            second = self.claim(later(), limit=1)
            self.settle(first, end)
            self.registry.files["/c/older"] = NOW - 50
            third = self.claim(later(), limit=1)
            taken = [paths_of(claim.records) for claim in (first, second, third)]
            assert taken == [["/c/a"], ["/c/b"], ["/c/older"]]
            rest = self.claim(later(), after=second.cursor, settling=settlement(second, Status.REMOVED))
            assert paths_of(rest.records) == ["/c/c", "/c/d"]
            last = self.claim(later(), after=third.cursor, settling=settlement(third, Status.REMOVED))
            assert paths_of(last.records) == ["/c/a"]
            self.settle(last, Status.REMOVED)
            self.settle(rest, Status.REMOVED, Status.REMOVED)

    def test_a_claim_is_known_before_it_is_handed_out(self) -> None:
        """Whoever is interrupted in between settles what is there; of an earlier one nothing is left there."""
        self.add("/c/a", "/c/b")
        into: list[Claim] = []
        first = self.registry.claim(later(), now=NOW, lease=60, limit=1, into=into)
        assert into == [first]
        end = settlement(first, Status.REMOVED)
        second = self.registry.claim(later(), now=NOW, lease=60, limit=1, after=first.cursor, settling=end, into=into)
        assert into == [second]
        self.registry.settle(end)  # again: that was interrupted before it could be told that it is done
        self.settle(into[0], Status.REMOVED)
        assert self.counters["removed"] == len(self.free) + 2 == 2
        third = self.registry.claim(later(), now=NOW, lease=60, limit=1, into=into)
        assert [list(claim.records) for claim in into] == [list(third.records)] == [[]]

    def test_what_hangs_stays_claimed(self) -> None:
        """It counts one failure, no lease ends its claim, and nobody may change it; the rest is settled as ever."""
        self.add("/c/a", "/c/b", "/c/c")
        claim = self.claim(later())
        place = {path: at for at, path in enumerate(paths_of(claim.records))}
        ends: list[Status | Other] = [Status.REMOVED] * 3
        ends[place["/c/a"]], ends[place["/c/c"]] = HUNG, Status.SKIPPED
        after = self.claim(later(1e6), after=claim.cursor, settling=settlement(claim, *ends))
        assert paths_of(after.records) == ["/c/c"]
        assert (self.record("/c/a").failures, self.counters["failed"], self.counters["removed"]) == (1, 1, 1)
        self.settle(after)
        assert self.free == ["/c/c"]
        for due in (later(2e6), Selection(NOW + 2e6, 100, force=True), Selection(NOW + 2e6, 0, patient=True)):
            assert paths_of(self.pages(due, 10)) == ["/c/c"]
            self.settle(self.claim_one("/c/c", due))
        assert sorted(paths_of(self.pages(None, 10))) == ["/c/a", "/c/c"]
        with self.refused("/c/a"):
            self.add("/c/new", "/c/a")

    def test_what_hung_is_settled_by_itself(self) -> None:
        """When it has come back: removed after all, or free again, with the failure it had; and once, as any claim."""
        for status in (*RETIRING, Status.SKIPPED):
            self.registry.replace([])
            self.add("/c/a", "/c/b", "/c/c", at=NOW)
            claim = self.claim(later())
            hung, other, _ = paths_of(claim.records)
            self.settle(claim, HUNG, Status.FAILED, Status.SKIPPED)
            before = self.counters
            self.settle(claim.only(1), Status.REMOVED)  # did not hang, and is not this claim's any more
            self.settle(claim.only(2), Status.REMOVED)
            assert self.counters == before
            for _ in range(2):
                self.settle(claim.only(0), status)
                assert (hung in self.registry.files) is (status is Status.SKIPPED)
            counted = sum(self.counters.get(each, 0) - before.get(each, 0) for each in RETIRING)
            assert counted == (status is not Status.SKIPPED)
            assert self.counters["failed"] == before["failed"]
            if status is Status.SKIPPED:
                assert hung in self.free
                assert (self.record(hung).failures, self.record(other).failures) == (1, 1)

    def test_what_hung_may_come_back_first(self) -> None:
        """Before its sweep has settled the rest, which then says nothing of it."""
        for status in (Status.REMOVED, Status.SKIPPED):
            self.registry.replace([])
            self.add("/c/a", "/c/b")
            claim = self.claim(later())
            hung = claim.records[0].path
            self.settle(claim.only(0), status)
            self.settle(claim, HUNG, Status.SKIPPED)
            assert self.free == sorted({"/c/a", "/c/b"} - ({hung} if status is Status.REMOVED else set()))
            assert all(self.record(path).failures == 0 for path in self.free)
            assert "failed" not in self.counters

    # -- what is counted -----------------------------------------------------------------------------------

    def test_outcomes_add_up(self) -> None:
        """Each under its status; what was kept also by its cause; what was skipped not at all."""
        self.add(*(f"/c/{number}" for number in range(9)))
        told = [
            (Status.REMOVED, Cause.NONE), (Status.REMOVED, Cause.NOT_GUARANTEED), (Status.GONE, Cause.GONE),
            (Status.REPLACED, Cause.REPLACED), (Status.FAILED, Cause.IN_USE), (Status.KEPT, Cause.IN_USE),
            (Status.KEPT, Cause.USE_UNKNOWN), (Status.KEPT, Cause.FOREIGN), (Status.SKIPPED, Cause.IN_USE),
        ]  # fmt: skip
        ends = [Other(*what) for what in told]
        claim = self.claim(EVERY, limit=4)
        self.registry.settle(Settlement(claim, 4, dict(enumerate(ends[:4])), NOW))
        claim = self.claim(EVERY)
        self.registry.settle(Settlement(claim, 5, dict(enumerate(ends[4:])), NOW))
        counts = {"removed": 2, "gone": 1, "replaced": 1, "failed": 1, "kept": 3, "kept_in_use": 1, "kept_unknown": 1}
        found = self.counters
        assert {name: found[name] for name in counts} == counts
        assert set(found) - set(counts) <= {"registered", "age_60", "age_sum"}
        assert ages(found).counts[-1] == 3, "what was replaced is there, and counts as no file that was cleaned up"
        assert self.registry.stats().records == found["registered"] - 4

    def test_ages_at_their_bounds(self) -> None:
        """A bound belongs to what is below it."""
        now = NOW + AGES[-1]
        for number, bound in enumerate(AGES):
            self.registry.files[f"/c/at/{number}"] = now - bound
            self.registry.files[f"/c/above/{number}"] = now - bound - 1
        claim = self.claim(EVERY)
        self.settle(claim, *[Status.GONE] * len(claim.records), at=now)
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

    def test_bytes_of_what_was_removed_with_a_warning_are_freed_too(self) -> None:
        """Its content may still be somewhere; its room is free."""
        self.add_sized(7, 20)
        self.settle(self.claim(EVERY), Other(Status.REMOVED, Cause.NOT_GUARANTEED), Status.REMOVED)
        assert self.are_bytes(0)
        assert self.registry.stats().bytes is None or self.counters["freed_bytes"] == 27

    def test_bytes_of_what_hung_go_when_it_has_come_back(self) -> None:
        """And are freed then."""
        self.add_sized(7)
        claim = self.claim(EVERY)
        self.settle(claim, HUNG)
        assert self.are_bytes(7)
        self.settle(claim.only(0), Status.REMOVED)
        assert self.are_bytes(0)
        assert self.registry.stats().bytes is None or self.counters["freed_bytes"] == 7
