"""The part of the contract that says who waits for the end of a claim, who is refused, and who never waits."""
# ruff: noqa: S101, PLR2004 - tests assert, and their numbers mean nothing beyond the line they stand in

import math
from collections.abc import Callable
from time import monotonic
from typing import Any

from temp_file_manager.records import Order, Selection, Status, TempFile
from temp_file_manager.registry import THIS_PROCESS, Claim, Registry
from temp_file_manager.testing.clock import NOW
from temp_file_manager.testing.contract.words import EVERY, HUNG, RegistryWords, later, new, paths_of, settlement
from temp_file_manager.testing.threads import LONG, Work

Change = Callable[[Registry, str], Any]
"""A change of the record of a path."""


def pin(registry: Registry, path: str) -> tuple[str, ...]:
    """Pin a path without an end."""
    return registry.keep([path], math.inf)


def hold(registry: Registry, path: str) -> tuple[str, ...]:
    """Hold a path for as long as this process lives."""
    return registry.keep([path], math.inf, THIS_PROCESS)


def add(registry: Registry, path: str) -> None:
    """Register a path, later than it was."""
    registry.add(new(path), NOW + 500)


def forget(registry: Registry, path: str) -> int:
    """Forget a path."""
    return registry.forget([path])


def forget_that_one(registry: Registry, path: str) -> int:
    """Forget the record that the path has now."""
    return registry.forget(registry.get([path]).values())


def amend(registry: Registry, path: str) -> bool:
    """Give a record another time."""
    return registry.amend(path, NOW + 500)


def write(registry: Registry, path: str) -> None:
    """Write a time to ``files``."""
    registry.files[path] = NOW + 500


def delete(registry: Registry, path: str) -> float | None:
    """Delete a path from ``files``."""
    return registry.files.pop(path, None)


def replace(registry: Registry, path: str) -> None:
    """Have the path, and nothing else, on record."""
    registry.replace([(path, NOW + 500)])


CHANGES: tuple[Change, ...] = (add, pin, hold, forget, forget_that_one, amend)
WRITES: tuple[Change, ...] = (write, delete, replace)
"""Those that in memory wait for nobody."""


class ExclusionContract(RegistryWords):
    """Claims as locks: whoever wants to change a claimed record waits for the claim's end, and nobody else waits."""

    def waited(self, change: Change, registry: Registry) -> tuple[Any, Any]:
        """Have a change wait for a claim on two records, and return what it returned.

        Returns:
            For ``/c/gone``, which is retired; for ``/c/left``, which is skipped.
        """
        self.patience(LONG)
        self.registry.forget(["/c/gone", "/c/left"])
        self.add("/c/gone", "/c/left", tags=("old",))
        claim = self.claim(later())
        changes = {path: Work(change, registry, path) for path in ("/c/gone", "/c/left")}
        assert all(work.waits() for work in changes.values()), change
        ends = {"/c/gone": Status.REMOVED, "/c/left": Status.SKIPPED}
        assert sorted(paths_of(claim.records)) == sorted(ends)
        self.settle(claim, *(ends[path] for path in paths_of(claim.records)))
        return changes["/c/gone"].end(), changes["/c/left"].end()

    # -- who waits, and what it finds -----------------------------------------------------------------------

    def test_registering_waits_for_the_end_of_a_claim(self) -> None:
        """Then it records what it was given, whatever became of the record before; no sweep has the new one."""
        for turn, registry in enumerate(self.objects, 1):
            self.waited(add, registry)
            for path in ("/c/gone", "/c/left"):
                assert self.record(path)[:7] == TempFile(path, NOW + 500)[:7]
            assert (self.registry.stats().records, self.registered, self.counters["removed"]) == (2, 4 * turn, turn)

    def test_who_registers_one_is_told_to_wait(self) -> None:
        """``add_one`` does not: it does nothing, and ``add`` is to do it."""
        self.add("/c/a", "/c/b", tags=("old",))
        claim = self.claim(later())
        for registry in self.objects:
            assert Work(registry.add_one, "/c/a", NOW + 500, registry.settlements).end() is False
            assert registry.add_one("/c/a", NOW + 500, registry.settlements) is False
        assert self.record("/c/a").tags == ("old",)
        assert self.registered == 2
        self.settle(claim, Status.SKIPPED, Status.SKIPPED)
        self.add_one("/c/a", NOW + 500)
        assert self.record("/c/a")[:7] == TempFile("/c/a", NOW + 500)[:7]

    def test_keeping_waits_for_the_end_of_a_claim(self) -> None:
        """And keeps only what is there then: what is kept, no sweep removes."""
        for registry in self.objects:
            for keep in (pin, hold):
                assert self.waited(keep, registry) == ((), ("/c/left",))
                assert self.free == []
                registry.release(["/c/left"], THIS_PROCESS if keep is hold else None)
                assert self.free == ["/c/left"]

    def test_forgetting_waits_for_the_end_of_a_claim(self) -> None:
        """And forgets what is there then: what is retired was forgotten by the sweep."""
        for registry in self.objects:
            for change in (forget, forget_that_one):
                assert self.waited(change, registry) == (0, 1)
                assert self.registry.stats().records == 0

    def test_amending_waits_for_the_end_of_a_claim(self) -> None:
        """And amends what is there then."""
        for registry in self.objects:
            assert self.waited(amend, registry) == (False, True)
            assert self.record("/c/left").registered_at == NOW + 500
            assert self.record("/c/left").tags == ("old",)

    def test_many_wait_as_one(self) -> None:
        """A step that changes many waits for all that are claimed, by whomever; then it does all of it."""
        self.patience(LONG)
        self.add("/c/a", "/c/b", "/c/c")
        first, second = self.claim(later(), limit=1), self.claim(later(), limit=1)
        for registry in self.objects:
            adding = Work(registry.add, new("/c/new", "/c/a", "/c/b", "/c/c"), NOW + 900)
            keeping = Work(registry.keep, ["/c/b", "/c/c", "/c/a"], NOW + 5)
            assert adding.waits()
            assert keeping.waits()
            self.settle(first, Status.SKIPPED)
            assert adding.waits()
            assert keeping.waits()
            assert self.registry.get(["/c/new"]) == {}
            self.settle(second, Status.SKIPPED)
            adding.end()
            assert keeping.end() == ("/c/b", "/c/c", "/c/a")
            assert {record.registered_at for record in self.pages(None, 9)} == {NOW + 900}
            self.registry.replace([(path, NOW) for path in ("/c/a", "/c/b", "/c/c")])
            self.registry.release(["/c/a", "/c/b", "/c/c"])
            first, second = self.claim(later(), limit=1), self.claim(later(), limit=1)

    def test_what_is_let_go_and_claimed_in_one_step_is_free_for_nobody(self) -> None:
        """Between a settlement and the claim that is made with it nobody comes in."""
        self.patience(LONG)
        self.add("/c/a")
        claim = self.claim(later())
        waiting = [Work(forget, registry, "/c/a") for registry in self.objects]
        assert all(work.waits() for work in waiting)
        for _ in range(20):
            claim = self.claim(later(), after=claim.cursor, settling=settlement(claim))
            assert paths_of(claim.records) == ["/c/a"]
        self.settle(claim, Status.REMOVED)
        assert [work.end() for work in waiting] == [0] * len(waiting)

    # -- who never waits ------------------------------------------------------------------------------------

    def test_nobody_else_waits(self) -> None:
        """Neither who reads nor who changes other records, also while others wait; nor is a lock held meanwhile."""
        self.patience(LONG)
        self.add("/c/a", "/c/b", "/c/c", at=NOW)
        self.add("/c/other", "/c/another", at=NOW + 900)
        claim = self.claim(later(), limit=2)
        claimed = paths_of(claim.records)
        for registry in self.objects:
            waiting = [Work(change, registry, path) for change, path in zip((pin, forget), claimed, strict=True)]
            assert all(work.waits() for work in waiting)
            Work(self._do_everything_else, registry, claimed).end()
            assert all(work.waits() for work in waiting)
            self.settle(claim, Status.SKIPPED, Status.SKIPPED)
            for work in waiting:
                work.end()
            self.registry.release(claimed)
            self.registry.replace([(f"/c/{name}", NOW) for name in "abc"])
            self.add("/c/other", "/c/another", at=NOW + 900)
            claim = self.claim(later(), limit=2)
            claimed = paths_of(claim.records)

    def _do_everything_else(self, registry: Registry, claimed: list[str]) -> None:
        assert set(registry.get(claimed)) == set(claimed)
        for order in Order:
            assert len(registry.page(Selection(NOW, 0.0, order=order), now=NOW, limit=9).records) in {0, 5}
        assert len(registry.page(None, now=NOW, limit=9).records) == registry.stats().records == len(registry.files)
        assert sum(registry.forecast(EVERY, (1.0, 2.0)).files) == 5
        assert set(claimed) < set(registry.files)
        assert isinstance(registry.settlements, int)
        assert registry.read_only == ""
        registry.write("journal", "line", NOW, keep=9, counters={"x": 1})
        assert registry.read("journal", limit=1)[0].text == "line"
        assert registry.lock.acquire(timeout=LONG)
        registry.lock.release()
        registry.add(new("/c/new", "/c/other"), NOW + 900)
        registry.add_one("/c/new", NOW + 900, registry.settlements)
        assert registry.keep(["/c/other", "/c/unknown"], math.inf) == ("/c/other",)
        assert registry.keep(["/c/other"], math.inf, THIS_PROCESS) == ("/c/other",)
        assert registry.release(["/c/other"], THIS_PROCESS) == ("/c/other",)
        assert registry.release([*claimed, "/c/other"]) == (*claimed, "/c/other")
        assert registry.amend("/c/another", NOW + 901)
        registry.files["/c/another"] = NOW + 900
        registry.files["/c/written"] = NOW + 900
        del registry.files["/c/written"]
        assert registry.forget(["/c/new", "/c/unknown"]) == 1
        rest = registry.claim(later(), now=NOW + 1000, lease=60, limit=9)
        assert len(rest.records) == 1
        assert rest.records[0].path not in claimed
        registry.settle(settlement(rest, Status.SKIPPED))

    # -- who is refused -------------------------------------------------------------------------------------

    def test_the_wait_is_bounded(self) -> None:
        """Then it is refused, and says what was claimed; of many, nothing is changed."""
        self.add("/c/a", "/c/b", "/c/free")
        claim = self.claim(later(), limit=2)
        claimed = paths_of(claim.records)
        free = ({"/c/a", "/c/b", "/c/free"} - set(claimed)).pop()
        self.patience(0.01)
        for registry in self.objects:
            for change in (*CHANGES, *(WRITES if claim.still is None else ())):
                with self.refused(*(claimed if change is replace else claimed[:1])):
                    Work(change, registry, claimed[0]).end()
            with self.refused(*claimed):
                Work(registry.add, new("/c/new", free, *claimed), NOW).end()
            with self.refused(*claimed):
                Work(registry.keep, [free, *claimed], math.inf).end()
            with self.refused(claimed[1]):
                Work(registry.forget, [free, claimed[1]]).end()
        self.settle(claim, Status.SKIPPED, Status.SKIPPED)
        assert self.registry.forget(["/c/a", "/c/b", "/c/free"]) == 3

    def test_the_thread_that_claimed_is_refused_at_once(self) -> None:
        """It would wait for itself. So it is when a hook or a signal handler comes in the middle of a sweep."""
        self.add("/c/a", "/c/b")
        claim = self.claim(later(), limit=1)
        (path,) = paths_of(claim.records)
        self.registry.patience = 2 * LONG
        began = monotonic()
        for change in (*CHANGES, *(WRITES if claim.still is None else ())):
            with self.refused(path):
                change(self.registry, path)
        with self.refused(path):
            self.registry.add(new("/c/new", "/c/a", "/c/b"), NOW)
        assert monotonic() - began < LONG
        self.settle(claim, Status.REMOVED)
        self.add(path)

    def test_what_hangs_is_waited_for_and_then_refused(self) -> None:
        """Until it has come back."""
        self.add("/c/a")
        claim = self.claim(later())
        self.settle(claim, HUNG)
        for registry in self.objects:
            self.patience(0.01)
            for change in CHANGES:
                with self.refused("/c/a"):
                    Work(change, registry, "/c/a").end()
            self.patience(LONG)
            waiting = Work(forget, registry, "/c/a")
            assert waiting.waits()
            self.settle(claim.only(0), Status.REMOVED)
            assert waiting.end() == 0
            self.add("/c/a")
            claim = self.claim(later())
            self.settle(claim, HUNG)

    # -- ``files`` ------------------------------------------------------------------------------------------

    def test_what_is_written_to_files_is_no_longer_what_was_claimed(self) -> None:
        """In memory, where callers hold no claim: ``still`` says so, and no settlement retires it or counts it."""
        self.add("/c/a", "/c/b", "/c/c", "/c/d", tags=("x",))
        claim = self.claim(later())
        if claim.still is None:
            self._wait_with_writes(claim)
            return
        self.registry.files["/c/a"] = NOW
        del self.registry.files["/c/b"]
        del self.registry.files["/c/c"]
        self.registry.files["/c/c"] = NOW
        there = {path: claim.still(at) for at, path in enumerate(paths_of(claim.records))}
        assert there == {"/c/a": False, "/c/b": False, "/c/c": False, "/c/d": True}
        self.settle(claim, *[Status.REMOVED] * 4)
        assert dict(self.registry.files) == {"/c/a": NOW, "/c/c": NOW}
        assert (self.counters["removed"], self.record("/c/a").tags) == (1, ("x",))
        assert sorted(paths_of(self.claim(later()).records)) == ["/c/a", "/c/c"]

    def _wait_with_writes(self, claim: Claim) -> None:
        self.settle(claim, *[Status.REMOVED] * 4)
        for registry in self.objects:
            self.waited(write, registry)
            assert {record.registered_at for record in self.registry.get(["/c/gone", "/c/left"]).values()} == {
                NOW + 500
            }
            assert (self.record("/c/gone").tags, self.record("/c/left").tags) == ((), ("old",))
            assert self.waited(delete, registry) == (None, NOW)
            assert not self.registry.files

    def test_no_write_makes_a_path_free(self) -> None:
        """What callers write over, delete or replace in memory may be on its way out: who registers or keeps waits."""
        self.patience(LONG)
        for written in (write, delete, replace):
            for change in (add,) if written is delete else (add, pin, hold):
                self.registry.replace([("/c/a", NOW), ("/c/b", NOW)])
                claim = self.claim(later())
                if claim.still is None:
                    return
                written(self.registry, "/c/a")
                waiting = Work(change, self.registry, "/c/a")
                assert waiting.waits(), (written, change)
                at = paths_of(claim.records).index("/c/a")
                self.settle(claim, *(HUNG if number == at else Status.REMOVED for number in range(2)))
                assert waiting.waits(), "what hangs is still on its way out"
                self.settle(claim.only(at), Status.REMOVED)
                waiting.end()
                assert "/c/a" in self.registry.files
                self.registry.release(["/c/a"], THIS_PROCESS if change is hold else None)
