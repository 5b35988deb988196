"""The part of the contract that says what keeps records from sweeps."""
# ruff: noqa: S101 - tests assert

import math

from temp_file_manager.records import Selection, Status
from temp_file_manager.registry import THIS_PROCESS
from temp_file_manager.testing.clock import NOW
from temp_file_manager.testing.contract.words import RegistryWords, later, paths_of, settlement
from temp_file_manager.testing.processes import in_child


class KeepsContract(RegistryWords):
    """``Keeps``: pins and holds."""

    def hold(self, *paths: str) -> tuple[str, ...]:
        """Keep paths for as long as this process lives."""
        return self.registry.keep(paths, math.inf, THIS_PROCESS)

    def let_go(self, *paths: str) -> tuple[str, ...]:
        """Undo one hold of each."""
        return self.registry.release(paths, THIS_PROCESS)

    def test_no_sweep_takes_what_is_pinned(self) -> None:
        """Not by force either, until the pin's end; the record says so, and lists show it."""
        self.add("/c/a", at=NOW - 1)
        self.add("/c/b")
        assert self.registry.keep(["/c/a", "/c/unknown"], NOW + 2000) == ("/c/a",)
        assert self.record("/c/a").pinned_until == NOW + 2000
        for due in (later(), Selection(NOW + 1000, 0, force=True), Selection(NOW + 1000, 0, force=True, mine=True)):
            assert paths_of(self.pages(due, 10)) == ["/c/b"]
            claim = self.claim(due)
            assert paths_of(claim.records) == ["/c/b"]
            self.settle(claim, Status.SKIPPED)
        assert paths_of(self.pages(None, 1)) == ["/c/a", "/c/b"]
        assert paths_of(self.claim(Selection(NOW + 2000, 100)).records) == ["/c/a", "/c/b"]

    def test_a_pin_is_the_paths_and_ends_when_told(self) -> None:
        """It outlasts a new registration, a new time and a new dict, and goes when the path is forgotten."""
        self.add("/c/a")
        self.registry.keep(["/c/a"], math.inf)
        self.add("/c/a")
        self.registry.files["/c/a"] = NOW - 5
        self.registry.replace(list(self.registry.files.items()))
        assert not self.claim(later()).records
        del self.registry.files["/c/a"]
        assert self.registry.release(["/c/a"]) == (), "what is not on record keeps its pin"
        self.add("/c/a")
        assert self.record("/c/a").pinned_until == math.inf
        assert self.registry.release(["/c/a"]) == ("/c/a",)
        assert self.record("/c/a").pinned_until is None
        self.settle(self.claim_one("/c/a", later()), Status.SKIPPED)
        self.registry.keep(["/c/a"], math.inf)
        self.registry.forget(["/c/a"])
        self.add("/c/a")
        self.claim_one("/c/a", later())

    def test_no_sweep_takes_what_is_held(self) -> None:
        """As often as it is held it is to be released."""
        self.add("/c/a")
        assert self.hold("/c/unknown") == ()
        assert self.hold("/c/a", "/c/unknown") == ("/c/a",)
        assert self.hold("/c/a") == ("/c/a",)
        assert self.record("/c/a").held
        self.add("/c/a")
        self.let_go("/c/a")
        assert not self.claim(later()).records
        assert not self.claim(Selection(NOW + 1000, 0, force=True)).records
        assert paths_of(self.pages(None, 10)) == ["/c/a"]
        self.let_go("/c/a")
        assert not self.record("/c/a").held
        self.claim_one("/c/a", later())

    def test_what_was_kept_is_found_again(self) -> None:
        """When it is let go of: by the sweep that passed it over, or the next."""
        self.add("/c/a", "/c/b")
        self.add("/c/c", at=NOW + 1)
        self.registry.keep(["/c/a"], math.inf)
        self.hold("/c/b")
        claim = self.claim_one("/c/c", later())
        self.registry.release(["/c/a"])
        rest = self.claim(later(), after=claim.cursor, settling=settlement(claim, Status.REMOVED))
        assert paths_of(rest.records) in (["/c/a"], [])
        self.settle(rest)
        self.let_go("/c/b")
        assert sorted(paths_of(self.claim(later()).records)) == ["/c/a", "/c/b"]

    def test_what_is_pinned_for_a_shorter_time_is_found_again(self) -> None:
        """Also by the sweep that has passed it over."""
        self.add("/c/a")
        self.add("/c/b", "/c/c", at=NOW + 1)
        self.registry.keep(["/c/a"], math.inf)
        claim = self.claim(later(), limit=1)
        self.registry.keep(["/c/a"], NOW)
        assert paths_of(self.claim(later(), limit=1, after=claim.cursor).records) == ["/c/a"]

    def test_each_says_what_is_on_record(self) -> None:
        """Whether it was kept before or not; what has been forgotten is released all the same."""
        self.add("/c/a", "/c/b")
        assert self.registry.release(["/c/a", "/c/unknown"]) == ("/c/a",)
        assert self.let_go("/c/a") == ("/c/a",)
        assert self.registry.keep([], math.inf) == ()
        self.hold("/c/a", "/c/b")
        self.registry.forget(["/c/a"])
        assert self.let_go("/c/a", "/c/b") == ("/c/b",)
        self.add("/c/a")
        assert sorted(paths_of(self.claim(later()).records)) == ["/c/a", "/c/b"]

    def test_a_pin_ends_no_hold_and_a_hold_no_pin(self) -> None:
        """Each has an end of its own."""
        self.add("/c/a")
        self.registry.keep(["/c/a"], math.inf)
        self.hold("/c/a")
        self.registry.release(["/c/a"])
        assert (self.record("/c/a").pinned_until, self.record("/c/a").held) == (None, True)
        self.registry.keep(["/c/a"], NOW + 5)
        self.let_go("/c/a")
        assert (self.record("/c/a").pinned_until, self.record("/c/a").held) == (NOW + 5, False)

    def test_what_is_released_later_is_released_by_the_next_claim(self) -> None:
        """The garbage collector may come while the lock is held."""
        self.add("/c/a", "/c/b")
        self.hold("/c/a", "/c/b")
        with self.registry.lock:
            self.registry.release_later("/c/b")
        assert paths_of(self.claim(later()).records) == ["/c/b"]

    def test_a_forked_child_sweeps_nothing_that_its_parent_holds(self) -> None:
        """Nor does releasing there let it, as the parent goes on: its own holds are another matter."""
        self.add("/c/a", "/c/b")
        self.hold("/c/a")

        def child() -> list[list[str]]:
            self.hold("/c/a", "/c/b")
            mine = paths_of(self.claim(later()).records)
            self.let_go("/c/a", "/c/b")
            self.let_go("/c/a", "/c/b")
            every = Selection(NOW + 1000, 0, force=True)
            return [mine, paths_of(self.pages(every, 9)), paths_of(self.claim(every).records)]

        assert in_child(child) == [[], ["/c/b"], ["/c/b"]]

    def test_a_forked_child_holds_nothing(self) -> None:
        """Releasing there ends nothing here; a pin is everybody's."""
        self.add("/c/a")
        self.hold("/c/a")
        assert in_child(lambda: list(self.let_go("/c/a"))) == ["/c/a"]
        assert not self.claim(later()).records
        self.let_go("/c/a")
        self.claim_one("/c/a", later())
