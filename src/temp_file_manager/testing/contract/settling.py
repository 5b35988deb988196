"""The part of the contract that says how long a claim is held, and what its outcomes do."""
# ruff: noqa: S101 - tests assert

from temp_file_manager.records import Outcome, Selection, Status, TempFile
from temp_file_manager.rules import FIRST_RETRY, retry_at
from temp_file_manager.testing.clock import NOW
from temp_file_manager.testing.contract.words import RegistryWords, _later, _paths


class SettlingContract(RegistryWords):
    """``holds`` and ``settle``."""

    # -- holds, settle -------------------------------------------------------------------------------------

    def test_a_claim_is_held_until_the_record_changes(self) -> None:
        """By forgetting it, or through ``files``; and a stale outcome forgets nothing that came after."""
        self.add("/c/a", "/c/b", "/c/c", "/c/d")
        held = {record.path: record for record in self.claim(_later()).records}
        assert all(map(self.registry.still_claimed, held.values()))
        self.registry.forget(["/c/a"])
        self.registry.files["/c/b"] = NOW
        del self.registry.files["/c/c"]
        assert [path for path, record in sorted(held.items()) if self.registry.still_claimed(record)] == ["/c/d"]
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
        assert not self.registry.still_claimed(claim.records[0])
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
