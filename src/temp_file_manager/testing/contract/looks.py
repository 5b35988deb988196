"""The part of the contract that says when a file that is to be put on record is looked at again."""
# ruff: noqa: S101, PLR2004 - tests assert, and their numbers mean nothing beyond the line they stand in

from collections.abc import Sequence

from temp_file_manager.records import Identity, NewFile, Status
from temp_file_manager.registry import Looked
from temp_file_manager.registry.card import SharedBy
from temp_file_manager.testing.clock import NOW
from temp_file_manager.testing.contract.words import HUNG, RegistryWords, later, new, paths_of, settlement
from temp_file_manager.testing.processes import in_child
from temp_file_manager.testing.threads import LONG, Work


class Again:
    """A look at files again.

    Args:
        seen: What is to be put on record then; None: what was given.

    Attributes:
        asked: What it was asked about, each time.
    """

    def __init__(self, seen: Sequence[NewFile] | None = None) -> None:
        self._seen = seen
        self.asked: list[list[NewFile]] = []

    def __call__(self, files: Sequence[NewFile]) -> Sequence[NewFile]:
        """Note the question, and answer it."""
        self.asked.append(list(files))
        return files if self._seen is None else self._seen


class LooksContract(RegistryWords):
    """``looked`` and ``settlements``: no sweep comes between the look at a file and its record."""

    def retire_one(self) -> None:
        """Have a sweep retire another file."""
        self.add("/c/other", at=NOW - 1)
        claim = self.claim(later(), limit=1)
        assert paths_of(claim.records) == ["/c/other"]
        self.settle(claim, Status.REMOVED)

    def test_what_no_sweep_came_after_is_not_looked_at_again(self) -> None:
        """However often files are put on record, forgotten or claimed."""
        self.retire_one()
        self.add("/c/claimed")
        again = Again()
        for number in range(3):
            look = Looked(self.registry.settlements, again)
            self.registry.add(new("/c/a", f"/c/{number}"), NOW + 950, looked=look)
            self.registry.forget([f"/c/{number}"])
            self.claim(later(number), limit=1)
        assert not again.asked
        assert self.record("/c/a").registered_at == NOW + 950
        self.add_one("/c/b", NOW)
        assert self.record("/c/b").registered_at == NOW

    def test_what_a_sweep_came_after_is_looked_at_again(self) -> None:
        """All that is given, and once; what is seen then is put on record: less, of another size, of another file."""
        for registry in self.objects:
            self.registry.replace([])
            self.add("/c/known", tags=("old",), at=NOW + 900)
            settlements = registry.settlements
            self.retire_one()
            identity = Identity(1, 2, 3, 4, 5)
            again = Again([("/c/b", NOW + 7, 20, ("x",), identity, None), ("/c/known", None, 300, (), None, None)])
            files = [("/c/a", None, 1, (), None, None), *new("/c/b", "/c/known")]
            counted = self.registered
            registry.add(files, NOW + 900, looked=Looked(settlements, again))
            assert again.asked == [files]
            assert set(self.registry.files) == {"/c/b", "/c/known"}
            assert (self.registered - counted, self.are_bytes(320)) == (2, True)
            found = self.record("/c/b")
            assert (found.registered_at, found.due_at, found.tags) == (NOW + 900, NOW + 7, ("x",))
            assert found.identity in {None, identity}
            assert self.record("/c/known").tags == ()

    def test_what_has_gone_is_not_put_on_record(self) -> None:
        """Nothing of it, and a record of before stays as it is."""
        self.add("/c/known", tags=("old",))
        settlements = self.registry.settlements
        self.retire_one()
        before = self.counters
        again = Again([])
        self.registry.add(new("/c/a", "/c/known"), NOW + 900, looked=Looked(settlements, again))
        self.registry.add(new("/c/a", "/c/b"), NOW + 900, only_new=True, looked=Looked(settlements, again))
        assert len(again.asked) == 2
        assert (set(self.registry.files), self.counters) == ({"/c/known"}, before)
        assert (self.record("/c/known").registered_at, self.record("/c/known").tags) == (NOW, ("old",))

    def test_who_registers_one_is_told_to_look_again(self) -> None:
        """``add_one`` does nothing after a settlement that came after the look."""
        for registry in self.objects:
            settlements = registry.settlements
            self.retire_one()
            counted = self.registered
            assert registry.add_one("/c/a", NOW, settlements) is False
            assert (dict(self.registry.files), self.registered) == ({}, counted)

    def test_whoever_waited_looks_again(self) -> None:
        """Under the lock in which it records, when the claim has come to its end: no sweep comes in between."""
        for registry in self.objects:
            self.patience(LONG)
            self.add("/c/a", "/c/b", at=NOW)
            claim = self.claim(later())
            again = Again(new("/c/b"))
            look = Looked(registry.settlements, again)
            adding = Work(registry.add, new("/c/a", "/c/b"), NOW + 900, looked=look)
            assert adding.waits()
            assert not again.asked
            self.settle(claim, Status.REMOVED, Status.REMOVED)
            adding.end()
            assert again.asked == [new("/c/a", "/c/b")]
            assert dict(self.registry.files) == {"/c/b": NOW + 900}

    def test_no_sweep_comes_between_the_second_look_and_the_record(self) -> None:
        """A claim that is asked for meanwhile waits, and does not have what is being registered again."""
        for registry in self.objects:
            self.registry.replace([("/c/a", NOW)])
            settlements = registry.settlements
            self.retire_one()
            claiming: list[Work[list[str]]] = []

            def again(files: Sequence[NewFile], claiming: list[Work[list[str]]] = claiming) -> Sequence[NewFile]:
                claiming.append(Work(lambda: paths_of(self.claim(later()).records)))
                assert claiming[0].waits()
                return files

            registry.add(new("/c/a"), NOW + 900, looked=Looked(settlements, again))
            assert claiming[0].end() == []

    def assert_looked_at_again(self, settlements: int) -> None:
        """Register a file that has gone, whose look came when so many claims had been settled."""
        again = Again([])
        self.registry.add(new("/c/gone"), NOW + 900, looked=Looked(settlements, again))
        assert len(again.asked) == 1
        assert "/c/gone" not in self.registry.files

    def test_every_end_of_a_claim_counts(self) -> None:
        """Also where nothing was done with: an interrupt may have come when the first file had just been removed."""
        for end in (None, *Status, HUNG):
            for in_one_step in (False, True):
                self.registry.forget(["/c/a"])
                self.add("/c/a")
                settlements = self.registry.settlements
                claim = self.claim_one("/c/a", later())
                end_of_it = settlement(claim) if end is None else settlement(claim, end)
                if in_one_step:
                    assert not self.claim(later(-900), settling=end_of_it).records
                else:
                    self.registry.settle(end_of_it)
                self.assert_looked_at_again(settlements)
                settlements = self.registry.settlements
                if end is HUNG:
                    self.settle(claim.only(0), Status.SKIPPED)
                    self.assert_looked_at_again(settlements)

    def test_the_end_of_a_lease_counts(self) -> None:
        """For the next claim, whatever that takes: who waited goes on and looks again, and what was claimed is free."""
        for registry in self.objects:
            self.patience(LONG)
            self.registry.replace([("/c/a", NOW)])
            claim, again = self.claim(later()), Again()
            adding = Work(registry.add, new("/c/a"), NOW + 900, looked=Looked(registry.settlements, again))
            assert adding.waits()
            assert not self.claim(later(-900), now=NOW + 1060).records
            adding.end()
            assert again.asked == [new("/c/a")]
            self.settle(claim, Status.REMOVED)
            assert dict(self.registry.files) == {"/c/a": NOW + 900}

    def test_the_end_of_a_sweeps_process_counts(self) -> None:
        """It may have been killed when a file had just been removed, and no settlement says so."""
        if self.registry.properties.shared_by is SharedBy.PROCESS:
            return
        self.patience(LONG)
        for found_by_another in (False, True):
            self.registry.replace([("/c/a", NOW)])
            settlements = self.registry.settlements
            assert in_child(lambda: paths_of(self.claim(later()).records)) == ["/c/a"]
            self.let_lapse()
            if found_by_another:
                assert not self.claim(later(-900)).records
            again = Again([])
            self.registry.add(new("/c/a"), NOW + 900, looked=Looked(settlements, again))
            assert len(again.asked) == 1
            assert dict(self.registry.files) == {"/c/a": NOW}

    def test_a_look_that_fails_records_nothing(self) -> None:
        """And leaves the registry as it was."""
        settlements = self.registry.settlements
        self.retire_one()

        def again(files: Sequence[NewFile]) -> Sequence[NewFile]:
            raise RuntimeError(f"on purpose, for {len(files)}")

        try:
            self.registry.add(new("/c/a"), NOW, looked=Looked(settlements, again))
        except RuntimeError:
            pass
        else:
            raise AssertionError("the error was swallowed")
        assert not self.registry.files
        Work(self.add, "/c/a").end()
        assert set(self.registry.files) == {"/c/a"}
