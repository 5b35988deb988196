"""The part of the contract that says what a forked child has, and what ends with a process."""
# ruff: noqa: S101 - tests assert

from time import monotonic
from typing import Any

from temp_file_manager.errors import RecordClaimedError
from temp_file_manager.records import Status
from temp_file_manager.registry import THIS_PROCESS
from temp_file_manager.registry.card import SharedBy
from temp_file_manager.testing.clock import NOW
from temp_file_manager.testing.contract.exclusion import CHANGES, WRITES, hold, replace
from temp_file_manager.testing.contract.words import HUNG, RegistryWords, later, paths_of
from temp_file_manager.testing.processes import in_child
from temp_file_manager.testing.threads import LONG


class ProcessesContract(RegistryWords):
    """Forks, and the ends of processes."""

    def test_a_forked_child_loses_no_record(self) -> None:
        """And the registry goes on there."""
        self.add("/c/a", "/c/b")
        self.claim(later(), limit=1)

        def child() -> tuple[list[str], list[str]]:
            self.add("/c/c", at=NOW + 1)
            return sorted(self.registry.files), paths_of(self.claim(later(60)).records)

        files, claimed = in_child(child)
        assert files == ["/c/a", "/c/b", "/c/c"]
        assert {"/c/b", "/c/c"} <= set(claimed)
        assert {"/c/a", "/c/b"} <= set(self.registry.files)

    def test_a_forked_child_waits_for_its_parents_claims(self) -> None:
        """Where they share records; where it has a copy of its own, nobody has claimed any of it."""
        self.add("/c/a")
        self.add("/c/b", at=NOW + 1)
        claim = self.claim(later(), limit=1)
        self.patience(0.01)

        def child() -> list[Any]:
            still = claim.still is not None and claim.still(0)
            self.settle(claim, Status.REMOVED)  # as a hook that forks and exits does: the sweep is its parent's
            there = sorted(self.registry.files)
            taken = paths_of(self.claim(later(), limit=2).records)
            try:
                self.registry.forget(["/c/a"])
            except RecordClaimedError as error:
                return [still, there, taken, list(error.paths)]
            return [still, there, taken, []]

        shares = self.registry.properties.shared_by is not SharedBy.PROCESS
        taken = ["/c/b"] if shares else ["/c/a", "/c/b"]
        assert in_child(child) == [False, ["/c/a", "/c/b"], taken, ["/c/a"]]
        assert sorted(self.registry.files) == ["/c/a", "/c/b"]
        assert "removed" not in self.counters
        self.settle(claim, Status.REMOVED)
        self.let_lapse()
        assert self.free == ["/c/b"], "the child's claim ended with it"

    def test_a_forked_child_is_not_within_what_its_parent_is(self) -> None:
        """Nor does it let anybody else in by its end; and whoever dies within leaves."""
        self.add("/c/a")
        shares = self.registry.properties.shared_by is not SharedBy.PROCESS

        def child() -> bool:
            with self.registry.exclusive("work") as alone:
                return alone

        with self.registry.exclusive("work") as alone:
            assert alone
            assert in_child(child) is not shares
            assert not child()
        assert child()

        def dies() -> bool:
            return self.registry.exclusive("work").__enter__()  # and never leaves

        assert in_child(dies)
        self.let_lapse()
        assert child()

    def test_a_claim_ends_with_its_process(self) -> None:
        """However it ends, also that on what hangs, and before its lease: the records are free when it is known."""
        self.patience(LONG)

        def child() -> list[str]:
            claim = self.claim(later())
            self.settle(claim, HUNG)
            return paths_of(claim.records) + paths_of(self.claim(later(1)).records)

        if self.registry.properties.shared_by is SharedBy.PROCESS:
            return
        for change in (*CHANGES, *WRITES):
            self.registry.replace([("/c/a", NOW), ("/c/b", NOW + 1)])
            assert in_child(child) == ["/c/a", "/c/b", "/c/b"]
            self.let_lapse()
            began = monotonic()
            change(self.registry, "/c/a")
            assert monotonic() - began < LONG / 2
            self.registry.release(["/c/a"], THIS_PROCESS if change is hold else None)
            assert ("/c/b" in self.free) is (change is not replace)
