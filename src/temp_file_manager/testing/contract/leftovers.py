"""The part of the contract that says what a record holds after a sweep that has left its file where it is."""
# ruff: noqa: S101 - tests assert, and their numbers mean nothing beyond the line they stand in

from temp_file_manager.causes import Cause
from temp_file_manager.chunks import Other
from temp_file_manager.records import Identity, Rewritten, Status
from temp_file_manager.registry import Settlement
from temp_file_manager.testing.clock import NOW
from temp_file_manager.testing.contract.words import EVERY, RegistryWords, later, paths_of


class LeftoversContract(RegistryWords):
    """``Claims.settle`` of files that are kept for good, and of those that were rewritten."""

    def test_a_record_says_for_what_every_sweep_keeps_it(self) -> None:
        """Until one does not, or the path is registered again."""
        self.add("/c/a")
        ends = (
            (Other(Status.KEPT, Cause.FOREIGN, "another's"), Cause.FOREIGN),
            (Other(Status.KEPT, Cause.ABSENT_DIRECTORY), Cause.ABSENT_DIRECTORY),
            (Other(Status.KEPT, Cause.IN_USE), ""),
            (Other(Status.KEPT, Cause.OTHER_DIRECTORY), Cause.OTHER_DIRECTORY),
            (Other(Status.FAILED, Cause.OTHER_DIRECTORY), ""),
            (Other(Status.KEPT, Cause.PENDING), Cause.PENDING),
        )
        for end, kept_for in ends:
            self.registry.settle(Settlement(self.claim_one("/c/a", EVERY), 1, {0: end}, NOW))
            assert self.record("/c/a").kept_for == kept_for
        self.add("/c/a")
        assert self.record("/c/a").kept_for == ""

    def test_what_was_rewritten_is_on_record_as_it_is_now(self) -> None:
        """Where identities are kept: its age and its ttl begin anew, and the same sweep takes it up once more."""
        self.add("/c/a", due_at=NOW + 5, tags=("x",))
        if not self.registry.properties.keeps_identity:
            assert self.record("/c/a").identity is None
            return
        identity, claim = Identity(1, 2, 3, 4, 5, 6), self.claim(later())
        for turn in (1, 2):
            assert paths_of(claim.records) == ["/c/a"]
            other = Other(Status.SKIPPED, Cause.REWRITTEN, found=Rewritten(identity, NOW + turn, 70))
            claim = self.claim(later(), after=claim.cursor, settling=Settlement(claim, 1, {0: other}, NOW + 50))
            record = self.record("/c/a")
            assert record.identity == identity
            assert (record.registered_at, record.due_at, record.tags) == (NOW + turn, NOW + 5 + turn, ("x",))
        assert not claim.records, "it was rewritten again: it is left for another sweep"
        assert self.free == ["/c/a"]
        assert not {"replaced", "removed"} & set(self.counters)
        late = Other(Status.SKIPPED, Cause.REWRITTEN, found=Rewritten(identity, NOW + 1000, 70))
        self.registry.settle(Settlement(self.claim_one("/c/a", later()), 1, {0: late}, NOW + 50))
        assert self.record("/c/a").registered_at == NOW + 50, "nothing was rewritten in time to come"
