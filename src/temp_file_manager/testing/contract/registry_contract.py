"""The registry's contract as a test suite."""
# ruff: noqa: S101, PLR2004 - tests assert, and their numbers mean nothing beyond the line they stand in

import math
from contextlib import suppress

from temp_file_manager.errors import RecordClaimedError
from temp_file_manager.records import Kind, Selection, Status
from temp_file_manager.registry import Registry
from temp_file_manager.registry.card import SharedBy
from temp_file_manager.sessions import THIS_PROCESS
from temp_file_manager.testing.clock import NOW
from temp_file_manager.testing.contract.claims import ClaimsContract
from temp_file_manager.testing.contract.exclusion import ExclusionContract
from temp_file_manager.testing.contract.journal import JournalContract
from temp_file_manager.testing.contract.keeps import KeepsContract
from temp_file_manager.testing.contract.leftovers import LeftoversContract
from temp_file_manager.testing.contract.looks import LooksContract
from temp_file_manager.testing.contract.natures import NaturesContract
from temp_file_manager.testing.contract.processes import ProcessesContract
from temp_file_manager.testing.contract.records import RecordsContract
from temp_file_manager.testing.contract.room import RoomContract
from temp_file_manager.testing.contract.sessions import SessionsContract
from temp_file_manager.testing.contract.settlements import SettlementsContract
from temp_file_manager.testing.contract.words import EVERY, later, new, paths_of
from temp_file_manager.testing.threads import Work

BOUNDS = tuple(10.0 * number for number in range(7))
"""Seconds."""


class RegistryContract(
    RecordsContract,
    ClaimsContract,
    SettlementsContract,
    LeftoversContract,
    ExclusionContract,
    LooksContract,
    KeepsContract,
    JournalContract,
    RoomContract,
    SessionsContract,
    NaturesContract,
    ProcessesContract,
):
    """``registry.contract``'s docstrings as tests. Joined by a class that says how to ``make_registry``.

    Each test makes one, empty, on first use. Nothing in a registry may depend on files: no path here exists.
    """

    def test_a_new_registry_has_nothing_to_tell(self) -> None:
        """And says so without an error, before anything was written."""
        stats = self.registry.stats()
        assert (stats.records, stats.bytes or 0, self.counters) == (0, 0, {})
        assert self.registry.forecast(EVERY, BOUNDS) == ((0,) * 8, (0,) * 8)
        assert self.registry.forecast(EVERY, (0.0,)) == ((0, 0), (0, 0))
        assert self.registry.read("sweeps", limit=9) == []

    def test_the_card_fits_together(self) -> None:
        """What ends with its process is that process's alone, and lives in no file."""
        card = self.registry.properties
        assert card.address
        if not card.outlives_process:
            assert (card.shared_by, card.files) == (SharedBy.PROCESS, ())

    def test_its_number_is_its_own(self) -> None:
        """Or it has none; who reaches the same records finds the same."""
        number = self.registry.number
        self.add("/c/a")
        assert {registry.number for registry in self.objects} == {number}

    # -- files, replace ------------------------------------------------------------------------------------

    def test_files_is_a_live_mapping(self) -> None:
        """What is written to it counts at the next claim, in any order of times."""
        files = self.registry.files
        self.add("/c/a", "/c/b")
        assert dict(files) == {"/c/a": NOW, "/c/b": NOW}
        files["/c/b"] = NOW - 500
        files["/c/new"] = NOW - 400
        files.update({"/c/future": NOW + 1e6})
        assert files.setdefault("/c/a", 0.0) == NOW
        assert files.setdefault("/c/first", NOW - 600) == NOW - 600
        assert files.pop("/c/gone", 1.0) == 1.0
        claim = self.claim(Selection(NOW, 100))
        assert paths_of(claim.records) == ["/c/first", "/c/b", "/c/new"]
        self.settle(claim)
        assert files.pop("/c/first") == NOW - 600
        assert "/c/first" not in files
        assert (len(files), sorted(files)) == (4, ["/c/a", "/c/b", "/c/future", "/c/new"])
        files.clear()
        assert not self.registry.get(["/c/a", "/c/b"])
        assert not self.claim(Selection(NOW, 0, force=True)).records

    def test_a_time_written_to_files_keeps_the_rest(self) -> None:
        """The tags stay, and the ttl counts from the new time."""
        self.add("/c/a", due_at=NOW + 30, tags=("x",))
        self.registry.files["/c/a"] = NOW - 20
        record = self.record("/c/a")
        assert (record.registered_at, record.due_at, record.tags) == (NOW - 20, NOW + 10, ("x",))
        assert not self.claim(Selection(NOW + 9, 0)).records
        self.claim_one("/c/a", Selection(NOW + 10, 0))

    def test_replace_detaches_the_old_mapping(self) -> None:
        """Which stays as it was."""
        self.add("/c/a", "/c/b")
        old = self.registry.files
        self.registry.replace([("/c/b", NOW + 7), ("/c/c", NOW)])
        assert dict(self.registry.files) == {"/c/b": NOW + 7, "/c/c": NOW}
        assert dict(old) == {"/c/a": NOW, "/c/b": NOW}
        old["/c/d"] = NOW
        assert paths_of(self.claim(later()).records) == ["/c/c", "/c/b"]

    def test_what_replaces_claimed_records_waits_or_ends_claims(self) -> None:
        """In memory it waits for nobody, and no settlement of before retires what there is since."""
        self.add("/c/a", "/c/b")
        claim = self.claim(later())
        if claim.still is None:
            with self.refused("/c/a", "/c/b"):
                self.registry.replace([("/c/b", NOW + 7), ("/c/c", NOW)])
            return
        self.registry.replace([("/c/b", NOW + 7), ("/c/c", NOW)])
        assert [claim.still(at) for at in range(2)] == [False, False]
        self.settle(claim, Status.REMOVED, Status.REMOVED)
        assert paths_of(self.claim(later()).records) == ["/c/c", "/c/b"]
        assert "removed" not in self.counters

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
        """Counters and journals go on; what the mapping of before is told is nobody's business."""
        self.add("/c/a", "/c/b")
        self.settle_all(Status.REMOVED)
        self.registry.write("journal", "line", NOW, keep=9)
        old = self.registry.files
        self.registry.replace([("/c/b", NOW + 1), ("/c/c", NOW), ("/c/d", NOW)])
        old["/c/e"] = NOW
        assert (self.registered, self.counters["removed"], self.registry.stats().records) == (4, 1, 3)
        assert self.registry.read("journal", limit=9) == [(NOW, "line")]
        self.registry.files["/c/f"] = NOW
        assert self.registered == 5

    def test_replacing_keeps_sizes(self) -> None:
        """Of what stays: callers filter ``files`` and assign the result."""
        self.add_sized(1, 20, 300)
        self.registry.replace([("/c/1", NOW), ("/c/2", self.registry.files["/c/2"]), ("/c/new", NOW)])
        assert self.are_bytes(320)
        self.registry.replace([])
        assert self.are_bytes(0)

    # -- forecast ------------------------------------------------------------------------------------------

    def test_a_forecast_counts_by_bounds(self) -> None:
        """A bound belongs to what is below it; what is never due comes last; what is claimed is not left out."""
        due = Selection(NOW, 100)
        for number, when in enumerate((-5, 0, 0.5, 10, 10.5, 60, 60.5, 1e9, math.inf)):
            self.add(f"/c/aged/{number}", at=NOW - 100 + when)
            self.registry.add([(f"/c/timed/{number}", NOW + when, number, ("x",), None, None)], NOW)
        self.registry.keep(["/c/aged/0"], math.inf)
        self.claim(Selection(NOW, 0), limit=2)
        found = self.registry.forecast(due, BOUNDS)
        assert found.files == (3, 4, 2, 0, 0, 0, 2, 7)
        assert found.bytes in {(1, 5, 4, 0, 0, 0, 5, 21), (0,) * 8}

    def test_a_forecast_of_what_is_kept(self) -> None:
        """A pin puts it off until its end, but never forward; a hold, without end."""
        for name in ("due", "pinned", "pinned before", "held"):
            self.registry.add([(f"/c/{name}", NOW - 5, None, (), None, None)], NOW - 9)
        self.registry.keep(["/c/pinned"], NOW + 100)
        self.registry.keep(["/c/pinned before"], NOW - 7)
        self.registry.keep(["/c/held"], math.inf, THIS_PROCESS)
        assert self.registry.forecast(Selection(NOW, 0), (0.0, 99.0, 100.0)).files == (2, 0, 1, 1)

    # -- groups --------------------------------------------------------------------------------------------

    def test_groups(self) -> None:
        """By directory, tags, session and kind; the largest first, where sizes are kept."""
        session = self.registry.begin("a", now=NOW, ends_at=NOW + 9, owner=None).number
        sized = self.registry.stats().bytes is not None
        for number, (path, tags) in enumerate(
            [("/c/a", ()), ("/c/b", ()), ("/c/d/a", ("x", "y")), ("/c/d/b", ("y",)), ("/c/d/c", ("y",))]
        ):
            self.registry.add([(path, None, 10**number, tags, None, None)], NOW)
        self.registry.add([("/c/e/a", None, 1, (), None, None)], NOW, session=session)
        found = self.registry.groups(10)
        assert {group[:5] for group in found} == {
            ("/c", (), 0, Kind.FILE, 2),
            ("/c/d", ("x", "y"), 0, Kind.FILE, 1),
            ("/c/d", ("y",), 0, Kind.FILE, 2),
            ("/c/e", (), session, Kind.FILE, 1),
        }
        assert [group.bytes for group in found] == ([11000, 100, 11, 1] if sized else [0] * 4)
        assert self.registry.groups(2) == found[:2]

    def test_a_forecast_of_ages_without_end(self) -> None:
        """With an infinite ``max_age`` only a ttl ends a file's time."""
        self.add("/c/a")
        self.add("/c/b", due_at=NOW + 5)
        self.registry.files["/c/c"] = -math.inf
        assert self.registry.forecast(Selection(NOW, math.inf), BOUNDS).files == (0, 1, 0, 0, 0, 0, 0, 2)

    # -- locks, processes, the end -------------------------------------------------------------------------

    def test_who_holds_the_lock_keeps_others_from_adding(self) -> None:
        """And reads and writes ``files`` meanwhile."""
        self.add("/c/a")
        with self.registry.lock:
            adding = Work(self.add, "/c/b")
            self.registry.files["/c/c"] = NOW
            assert adding.waits()
            assert sorted(self.registry.files) == ["/c/a", "/c/c"]
        adding.end()
        assert sorted(self.registry.files) == ["/c/a", "/c/b", "/c/c"]

    def test_what_is_exclusive_has_one_within(self) -> None:
        """Of all threads and objects, by its name; nobody waits, and an error leaves it, too."""
        first, *_, last = (*self.objects, self.registry)
        with first.exclusive("a") as alone:
            assert alone
            for registry in self.objects:
                with registry.exclusive("a") as second, registry.exclusive("b") as other:
                    assert (second, other) == (False, True)
            assert Work(self._is_alone, last).end() is False
        assert self._is_alone(last)
        with suppress(ZeroDivisionError), first.exclusive("a"):
            _ = 1 / 0
        assert Work(self._is_alone, last).end() is True

    @staticmethod
    def _is_alone(registry: Registry) -> bool:
        with registry.exclusive("a") as alone:
            return alone

    def test_close_may_be_called_again(self) -> None:
        """And removes nothing that it was told."""
        self.add("/c/a")
        self.registry.close()
        self.registry.close()

    def test_closing_ends_no_claim(self) -> None:
        """A sweep in another thread may be removing what it claimed; it settles that all the same."""
        self.add("/c/a", "/c/b")
        self.patience(0.01)
        claim = self.claim(later())
        self.registry.close()
        for registry in reversed(self.objects):
            try:
                Work(registry.add, new("/c/a"), NOW + 900).end()
            except RecordClaimedError:
                continue
            raise AssertionError("what a sweep is at work on was registered")
        self.settle(claim, Status.REMOVED, Status.REMOVED)
        assert (self.registry.stats().records, self.counters["removed"]) == (0, 2)

    def test_no_credential_is_shown(self) -> None:
        """Neither by ``repr`` nor by ``str``, nor by its card."""
        text = f"{self.registry!r} {self.registry} {self.registry.properties}"
        assert not [secret for secret in self.secrets if secret in text]
        assert not any("@" in part.split("/")[0] for part in text.split("://")[1:])
