"""The part of the contract that says what a registry tells of itself: counts, totals, an outlook, journals."""
# ruff: noqa: S101, PLR2004 - tests assert, and their numbers mean nothing beyond the line they stand in

import math
from collections.abc import Mapping

from temp_file_manager.records import Cause, NewFile, Outcome, Selection, Status, TempFile
from temp_file_manager.registry import counters
from temp_file_manager.registry.contract import BOUNDS, Note
from temp_file_manager.testing.clock import NOW
from temp_file_manager.testing.contract.words import RegistryWords, _later, _paths

EVERY = Selection(NOW + 1000, 100, force=True)
SECONDS = tuple(10.0 * number for number in range(BOUNDS))
HUGE = 1 << 62
"""Bytes: what a file with a hole can have. Two are more than 64 bits hold."""


class TellingContract(RegistryWords):
    """``stats``, ``oldest``, ``outlook``, ``note``, ``tally`` and ``notes``."""

    # -- words of this part --------------------------------------------------------------------------------

    @property
    def totals(self) -> Mapping[str, float]:
        """The totals, without those that are nought."""
        return {name: value for name, value in self.registry.stats().totals.items() if value}

    @property
    def registered(self) -> float:
        """How many registrations were counted."""
        return self.totals.get(counters.REGISTERED, 0)

    def add_sized(self, *sizes: int | None, only_new: bool = False) -> None:
        """Record ``/c/0``, ``/c/1`` and so on, of these sizes, in one step."""
        files: list[NewFile] = [(f"/c/{number}", None, size, (), None) for number, size in enumerate(sizes)]
        self.registry.add(files, NOW, only_new=only_new)

    def settle_all(self, *statuses: Status) -> tuple[TempFile, ...]:
        """Claim as many records as there are statuses, and settle each with its own."""
        records = self.claim(EVERY, limit=len(statuses)).records
        assert len(records) == len(statuses)
        self.registry.settle([Outcome(r, status) for r, status in zip(records, statuses, strict=True)], NOW)
        return records

    def are_bytes(self, expected: int) -> bool:
        """Say whether the sum of the sizes is as expected, or not kept."""
        return self.registry.stats().bytes in {None, expected}

    # -- totals --------------------------------------------------------------------------------------------

    def test_a_new_registry_has_nothing_to_tell(self) -> None:
        """And says so without an error, before anything was written."""
        stats = self.registry.stats()
        assert (stats.records, stats.bytes or 0, self.totals) == (0, 0, {})
        assert self.registry.oldest() is None
        assert self.registry.outlook(EVERY, SECONDS, top=3) == ((0,) * 8, (0,) * 8, (), ())
        assert self.registry.notes("sweeps", limit=9) == []

    def test_each_registration_counts(self) -> None:
        """Also of a path that is known, also twice in one step; not what ``only_new`` leaves as it is."""
        self.add("/c/a", "/c/b")
        self.registry.add_one("/c/c", NOW)
        assert self.registered == 3
        self.add("/c/a")
        self.registry.add_one("/c/b", NOW)
        assert self.registered == 5
        self.add("/c/d", "/c/d", "/c/a")
        assert (self.registered, self.registry.stats().records) == (8, 4)
        for paths in (("/c/a", "/c/e", "/c/e"), ("/c/f", "/c/b")):
            self.registry.add([(path, None, None, (), None) for path in paths], NOW, only_new=True)
        assert (self.registered, self.registry.stats().records) == (10, 6)
        self.registry.add([], NOW)
        assert self.registered == 10

    def test_what_comes_through_files_counts_if_it_was_unknown(self) -> None:
        """Another time for a known path is no registration."""
        files = self.registry.files
        files["/c/a"] = NOW
        files["/c/a"] = NOW - 5
        files.update({"/c/a": NOW, "/c/b": NOW})
        files.setdefault("/c/b", NOW)
        files.setdefault("/c/c", NOW)
        assert self.registered == 3
        del files["/c/a"]
        files["/c/a"] = NOW
        assert self.registered == 4

    def test_so_does_what_replaces_everything(self) -> None:
        """Totals and journals go on; what the mapping of before is told is nobody's business."""
        self.add("/c/a", "/c/b")
        self.settle_all(Status.REMOVED)
        self.registry.note("journal", Note(NOW, "line"), keep=9)
        old = self.registry.files
        self.registry.replace([("/c/b", NOW + 1), ("/c/c", NOW), ("/c/d", NOW)])
        old["/c/e"] = NOW
        assert (self.registered, self.totals["removed"], self.registry.stats().records) == (4, 1, 3)
        assert self.registry.notes("journal", limit=9) == [(NOW, "line")]
        self.registry.files["/c/f"] = NOW
        assert self.registered == 5

    def test_forgetting_counts_nothing(self) -> None:
        """Neither in one way nor another."""
        self.add("/c/a", "/c/b", "/c/c")
        self.registry.forget(["/c/a"])
        del self.registry.files["/c/b"]
        assert self.totals == {"registered": 3}

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
        found = self.totals
        assert {name: found[name] for name in counts} == counts
        assert set(found) - set(counts) <= {"registered", "age_60", "age_sum"}
        assert counters.ages(found).counts[-1] == 4
        assert self.registry.stats().records == found["registered"] - 4

    def test_what_changes_nothing_counts_nothing(self) -> None:
        """Outcomes of records that were registered again, written to, forgotten or pinned; second ones."""
        self.add(*(f"/c/{number}" for number in range(7)))
        records = self.claim(EVERY).records
        self.add("/c/0")
        self.registry.files["/c/1"] = NOW
        self.registry.forget(["/c/2"])
        del self.registry.files["/c/3"]
        self.registry.pin(["/c/4"], math.inf)
        outcomes = [Outcome(record, Status.REMOVED) for record in records]
        self.registry.settle([*outcomes, outcomes[5]], NOW)
        self.registry.settle(outcomes, NOW)
        assert self.registry.stats().records == 3
        assert (self.totals["removed"], counters.ages(self.totals).counts[-1]) == (2, 2)
        stale = self.claim(EVERY).records
        assert _paths(stale) == ["/c/0", "/c/1"]
        self.add("/c/0", "/c/1")
        self.registry.settle([Outcome(stale[0], Status.FAILED), Outcome(stale[1], Status.KEPT)], NOW)
        assert not {"failed", "kept"} & set(self.totals)

    def test_ages_at_their_bounds(self) -> None:
        """A bound belongs to what is below it."""
        now = NOW + counters.AGES[-1]
        for number, bound in enumerate(counters.AGES):
            self.registry.files[f"/c/at/{number}"] = now - bound
            self.registry.files[f"/c/above/{number}"] = now - bound - 1
        outcomes = [Outcome(record, Status.GONE) for record in self.claim(EVERY).records]
        self.registry.settle(outcomes, now)
        ages = counters.ages(self.totals)
        # Up to the first bound one, and up to each other one more and the one above the bound before.
        assert ages.counts == (*range(1, 2 * len(counters.AGES), 2), 2 * len(counters.AGES))
        assert math.isclose(ages.sum, 2 * sum(counters.AGES) + len(counters.AGES), rel_tol=1e-6)

    def test_ages_that_cannot_be(self) -> None:
        """The clock went back, or somebody wrote infinity: sums stay numbers that only grow, and sweeps go on."""
        times = [NOW + 1e6, math.inf, -math.inf, NOW - 10, -math.inf, math.inf]
        self.registry.files.update({f"/c/{number}": when for number, when in enumerate(times)})
        sums = [0.0]
        for _ in times:
            self.settle_all(Status.REMOVED)
            sums.append(counters.ages(self.totals).sum)
        assert sums == sorted(sums)
        assert math.isfinite(sums[-1])
        assert counters.ages(self.totals).counts[0] == 4, "three from the future, and one that is young"
        self.registry.files.update({f"/c/{number}": when for number, when in enumerate(times)})
        self.settle_all(*[Status.REMOVED] * len(times))
        assert counters.ages(self.totals).counts[-1] == 12
        assert math.isfinite(counters.ages(self.totals).sum)

    def test_what_is_added_by_hand(self) -> None:
        """How long sweeps took, with a line in a journal or without."""
        self.registry.tally(counters.of_sweep(0.001))
        self.registry.tally(counters.of_sweep(0.0011))
        self.registry.note("sweeps", Note(NOW, "line"), keep=9, more=counters.of_sweep(1e9))
        durations = counters.durations(self.totals)
        assert durations.counts[:2] + durations.counts[-2:] == (1, 2, 2, 3)
        assert durations.sum == 1e9 + 0.0021

    # -- bytes ---------------------------------------------------------------------------------------------

    def test_bytes_follow_the_records(self) -> None:
        """Registered again with another size or an unknown one, twice in one step, forgotten, removed."""
        self.add_sized(1, 20, None, 300)
        assert self.are_bytes(321)
        self.add_sized(5, None, 60)
        assert self.are_bytes(365)
        self.registry.add([("/c/new", None, 7, (), None), ("/c/0", None, 1, (), None)], NOW)
        assert self.are_bytes(368), "the first is new, the second known"
        self.registry.add([("/c/0", None, 2, (), None), ("/c/newer", None, 1000, (), None)], NOW)
        assert self.are_bytes(1369), "the first is known, the second new"
        self.registry.add([(path, None, size, (), None) for path, size in (("/c/x", 8), ("/c/x", 9), ("/c/0", 3))], NOW)
        assert self.are_bytes(1379), "the last wins"
        self.registry.forget(["/c/x", "/c/unknown"])
        del self.registry.files["/c/newer"]
        assert self.are_bytes(370)
        self.registry.files["/c/0"] = NOW - 5
        assert self.are_bytes(370), "another time is no other size"
        self.registry.add([("/c/new", None, 1, (), None)] * 150, NOW)
        assert self.are_bytes(364)

    def test_what_is_left_as_it_is_keeps_its_size(self) -> None:
        """Whatever size it is said to have."""
        self.add_sized(1, 20)
        self.add_sized(500, 500, 300, only_new=True)
        assert self.are_bytes(321)

    def test_bytes_go_with_what_sweeps_retire(self) -> None:
        """And what was removed is freed, which what was gone or replaced is not."""
        self.add_sized(1, 20, 300, 4000, 50000, 600000)
        statuses = (Status.REMOVED, Status.GONE, Status.REPLACED, Status.FAILED, Status.KEPT, Status.SKIPPED)
        self.settle_all(*statuses)
        assert self.are_bytes(654000)
        assert self.registry.stats().bytes is None or self.totals["freed_bytes"] == 1

    def test_replacing_keeps_sizes(self) -> None:
        """Of what stays: callers filter ``files`` and assign the result."""
        self.add_sized(1, 20, 300)
        self.registry.replace([("/c/1", NOW), ("/c/2", self.registry.files["/c/2"]), ("/c/new", NOW)])
        assert self.are_bytes(320)
        self.registry.replace([])
        assert self.are_bytes(0)

    def test_sizes_that_no_integer_can_add_up(self) -> None:
        """Files with holes: they are recorded, looked at, registered again and removed as others are."""
        self.add_sized(HUGE, HUGE, HUGE)
        self.add_sized(HUGE, HUGE, HUGE, HUGE)
        assert self.are_bytes(4 * HUGE)
        found = self.registry.outlook(EVERY, SECONDS, top=9)
        assert sum(found.bytes) in {0, 4 * HUGE}
        self.registry.forget(["/c/0"])
        self.settle_all(*[Status.REMOVED] * 3)
        assert (self.registry.stats().records, self.are_bytes(0)) == (0, True)

    # -- oldest, outlook -----------------------------------------------------------------------------------

    def test_the_oldest(self) -> None:
        """Among those with a ttl and without."""
        self.add("/c/b", at=NOW + 5, due_at=NOW + 6)
        assert self.registry.oldest() == NOW + 5
        self.add("/c/a", at=NOW + 7)
        assert self.registry.oldest() == NOW + 5
        self.add("/c/c", at=NOW + 3)
        assert self.registry.oldest() == NOW + 3
        self.add("/c/c", at=NOW + 9)
        self.registry.forget(["/c/b"])
        assert self.registry.oldest() == NOW + 7
        self.registry.files["/c/c"] = NOW - 1
        assert self.registry.oldest() == NOW - 1
        self.registry.files.clear()
        assert self.registry.oldest() is None

    def test_an_outlook_counts_by_bounds(self) -> None:
        """A bound belongs to what is below it; what is never due comes last, and what is kept is not left out."""
        due = Selection(NOW, 100)
        for number, when in enumerate((-5, 0, 0.5, 10, 10.5, 60, 60.5, 1e9, math.inf)):
            self.add(f"/c/aged/{number}", at=NOW - 100 + when)
            self.registry.add([(f"/c/timed/{number}", NOW + when, number, ("x",), None)], NOW)
        self.registry.pin(["/c/aged/0"], math.inf)
        self.claim(Selection(NOW, 0), limit=2)
        found = self.registry.outlook(due, SECONDS, top=4)
        assert found.files == (4, 4, 2, 0, 0, 0, 2, 6)
        assert found.bytes in {(1, 5, 4, 0, 0, 0, 5, 21), (0,) * 8}
        assert [record.registered_at for record in found.oldest] == [NOW - 105, NOW - 100, NOW - 99.5, NOW - 90]
        assert (found.oldest[0].path, found.oldest[0].pinned_until) in {("/c/aged/0", math.inf), ("/c/aged/0", None)}
        assert [record.size for record in found.largest] in ([8, 7, 6, 5], [])

    def test_an_outlook_of_ages_without_end(self) -> None:
        """With an infinite ``max_age`` only a ttl ends a file's time."""
        self.add("/c/a")
        self.add("/c/b", due_at=NOW + 5)
        self.registry.files["/c/c"] = -math.inf
        assert self.registry.outlook(Selection(NOW, math.inf), SECONDS, top=1).files == (0, 1, 0, 0, 0, 0, 0, 2)

    def test_of_equals_an_outlook_shows_no_more_than_asked(self) -> None:
        """And each but once, those with a ttl among them."""
        for number in range(6):
            self.registry.add([(f"/c/{number}", NOW + 9 if number % 2 else None, 5, (), None)], NOW)
        for top in (0, 1, 4, 6, 9):
            found = self.registry.outlook(_later(), SECONDS, top=top)
            assert len(set(_paths(found.oldest))) == len(found.oldest) == min(top, 6)
            assert len(set(_paths(found.largest))) == len(found.largest)
            assert len(found.largest) in {0, min(top, 6)}

    # -- journals ------------------------------------------------------------------------------------------

    def write(self, journal: str, *lines: str, keep: int = 100) -> None:
        """Write lines, a second apart."""
        for number, line in enumerate(lines):
            self.registry.note(journal, Note(NOW + number, line), keep=keep)

    def lines(self, journal: str, *, since: float = -math.inf, limit: int = 100) -> str:
        """Return what is read, without its times."""
        return "".join(note.text for note in self.registry.notes(journal, since=since, limit=limit))

    def test_a_journal_keeps_its_last_lines(self) -> None:
        """The newest is read first; how many stay is said with each."""
        self.write("letters", *"abcdef", keep=4)
        assert self.registry.notes("letters", limit=2) == [Note(NOW + 5, "f"), Note(NOW + 4, "e")]
        assert self.lines("letters") == "fedc"
        self.write("letters", "g", keep=9)
        assert self.lines("letters") == "gfedc"
        self.write("letters", "h", keep=2)
        assert self.lines("letters") == "hg"
        self.write("letters", "i", keep=0)
        assert self.lines("letters") == ""
        self.write("letters", "j", keep=1)
        assert self.lines("letters") == "j"

    def test_a_journal_since(self) -> None:
        """By the times in it, also where the clock went back: the order is that of writing."""
        self.write("letters", *"abcd")
        self.write("letters", *"xy")
        assert self.lines("letters") == "yxdcba"
        assert self.lines("letters", since=NOW + 1) == "ydcb"
        assert self.lines("letters", since=NOW + 1, limit=3) == "ydc"
        assert self.lines("letters", since=NOW + 3.5) == ""
        assert self.lines("letters", limit=0) == ""

    def test_journals_are_apart(self) -> None:
        """What one drops, another keeps."""
        self.write("letters", *"abc", keep=3)
        self.write("digits", *"123", keep=1)
        self.write("letters", "d", keep=3)
        assert (self.lines("letters"), self.lines("digits"), self.lines("lette")) == ("dcb", "3", "")

    def test_a_line_is_told_as_it_was(self) -> None:
        """Quotes, line breaks, other scripts."""
        self.write("letters", "'\"\n;-- 𝄞")
        assert self.lines("letters") == "'\"\n;-- 𝄞"
