"""The part of the contract that says what a registry records, shows and forgets."""
# ruff: noqa: S101, PLR2004 - tests assert, and their numbers mean nothing beyond the line they stand in

import threading
from collections.abc import Iterable

from temp_file_manager.records import NewFile, Outcome, Selection, Status, TempFile
from temp_file_manager.testing.clock import NOW
from temp_file_manager.testing.contract.words import RegistryWords, _later, _paths
from temp_file_manager.testing.processes import in_child


class RecordingContract(RegistryWords):
    """``add``, ``get``, ``page``, ``files``, ``replace``, ``forget``; forks, and the end."""

    # -- add, get ------------------------------------------------------------------------------------------

    def test_add_records_what_it_is_given(self) -> None:
        """The time, the ttl, the tags, and a size where the registry keeps one."""
        self.registry.add([("/c/a", NOW + 5, 7, ("x", "y"), None), ("/c/b", None, None, (), None)], NOW)
        found = self.registry.get(["/c/b", "/c/a", "/c/unknown"])
        assert set(found) == {"/c/a", "/c/b"}
        a, b = found["/c/a"], found["/c/b"]
        assert (a.path, a.registered_at, a.due_at, a.tags) == ("/c/a", NOW, NOW + 5, ("x", "y"))
        assert a.size in {None, 7}
        assert b[:7] == TempFile("/c/b", NOW)[:7]
        assert self.registry.get([]) == {}

    def test_names_are_bytes_that_strangers_chose(self) -> None:
        """Undecodable ones, quotes, line breaks, wildcards: each is its own name."""
        names = [
            "/c/\udcff",
            "/c/%",
            "/c/_",
            "/c/'\"",
            "/c/a\nb",
            "/c/ß",
            "/c/ss",
            "/c/A",
            "/c/a",
            "/c/𝄞*",
            "/c/a ",
        ]
        self.add(*names)
        assert set(self.registry.get(names)) == set(self.registry.files) == set(names)
        assert sorted(_paths(self.claim(_later()).records)) == sorted(names)
        assert self.registry.forget(["/c/%"]) == 1
        assert len(self.registry.files) == len(names) - 1

    def test_add_one_is_add_for_one(self) -> None:
        """Over a known path as well, whose ttl and tags and claim it ends."""
        self.registry.add_one("/c/a", NOW)
        assert self.record("/c/a")[:7] == TempFile("/c/a", NOW)[:7]
        self.add("/c/a", due_at=NOW + 1, tags=("old",))
        old = self.claim_one("/c/a", _later())
        self.registry.add_one("/c/a", NOW + 950)
        assert self.record("/c/a")[:7] == TempFile("/c/a", NOW + 950)[:7]
        assert not self.registry.still_claimed(old)
        assert not self.claim(_later()).records
        self.claim_one("/c/a", _later(51))

    def test_add_starts_a_known_path_anew(self) -> None:
        """Its age, ttl, tags and failures."""
        self.add("/c/a", due_at=NOW + 1, tags=("old",))
        self.settle(self.claim_one("/c/a", _later()), Status.FAILED)
        self.add("/c/a", at=NOW + 50)
        assert self.record("/c/a")[:7] == TempFile("/c/a", NOW + 50)[:7]
        assert self.registry.stats().records == 1
        assert not self.claim(Selection(NOW + 150, 100)).records
        self.claim_one("/c/a", Selection(NOW + 151, 100, patient=True))

    def test_add_cancels_a_claim(self) -> None:
        """Also when the clock stands still: the generation tells, not the time."""
        self.add("/c/a")
        old = self.claim_one("/c/a", _later())
        assert self.registry.still_claimed(old)
        self.add("/c/a")
        assert not self.registry.still_claimed(old)
        new = self.claim_one("/c/a", _later())
        assert new.generation != old.generation
        assert self.registry.still_claimed(new)
        assert not self.registry.still_claimed(old)

    def test_add_is_all_or_none(self) -> None:
        """What cannot be read to its end records nothing and cancels nothing."""
        self.add("/c/a")
        held = self.claim_one("/c/a", _later())

        def breaks() -> Iterable[NewFile]:
            yield "/c/a", None, None, (), None
            yield "/c/b", None, None, (), None
            raise RuntimeError("on purpose")

        try:
            self.registry.add(breaks(), NOW + 9)
        except RuntimeError:
            pass
        else:
            raise AssertionError("the error was swallowed")
        assert dict(self.registry.files) == {"/c/a": NOW}
        assert self.registry.still_claimed(held)

    # -- page, files, replace, forget, stats, life ---------------------------------------------------------

    def test_pages_take_nothing_and_name_each_record_once(self) -> None:
        """Whatever happened before: failures, lapsed and skipped claims, forced sweeps with a limit."""
        self.add(*(f"/c/{number}" for number in range(9)))
        force = Selection(NOW + 1000, 100, force=True)
        for status in (Status.FAILED, Status.SKIPPED):
            for record in self.claim(force, limit=3).records:
                self.settle(record, status)
        self.claim(force, limit=2)
        for asof, count in ((NOW + 1001, 7), (NOW + 1060, 9)):
            for due in (Selection(asof, 100), Selection(asof, 100, force=True)):
                pages = [_paths(self.pages(due, limit)) for limit in (2, 3, 100)]
                assert pages[0] == pages[1] == pages[2]
                assert len(pages[0]) == len(set(pages[0])) == count
        assert _paths(self.claim(due).records) == pages[0]
        page = self.registry.page(Selection(NOW, 1e9), now=NOW, limit=5)
        assert (page.records, page.cursor) == ((), None)

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
        assert _paths(self.claim(Selection(NOW, 100)).records) == ["/c/first", "/c/b", "/c/new"]
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
        """Which stays as it was; claims of before hold nothing."""
        self.add("/c/a", "/c/b")
        held, old = self.claim(_later()).records, self.registry.files
        self.registry.replace([("/c/b", NOW + 7), ("/c/c", NOW)])
        assert dict(self.registry.files) == {"/c/b": NOW + 7, "/c/c": NOW}
        assert dict(old) == {"/c/a": NOW, "/c/b": NOW}
        assert not any(map(self.registry.still_claimed, held))
        old["/c/d"] = NOW
        self.registry.settle([Outcome(record, Status.REMOVED) for record in held], NOW)
        assert _paths(self.claim(_later()).records) == ["/c/c", "/c/b"]

    def test_forget_drops_records_and_counts_them(self) -> None:
        """Unknown ones count nothing."""
        self.add("/c/a", "/c/b", "/c/c")
        assert self.registry.forget(["/c/a", "/c/unknown", "/c/c"]) == 2
        assert self.registry.forget([]) == 0
        assert dict(self.registry.files) == {"/c/b": NOW}
        assert self.registry.stats().records == 1

    def test_forget_drops_a_record_only_if_it_is_still_that_one(self) -> None:
        """Registered again at the same moment, or written through ``files``, it is another."""
        self.add("/c/a", "/c/b", "/c/c")
        old = self.registry.get(["/c/a", "/c/b", "/c/c"])
        self.add("/c/a")
        self.registry.files["/c/b"] = NOW
        assert self.registry.forget(old.values()) == 1
        assert set(self.registry.files) == {"/c/a", "/c/b"}
        assert (
            self.registry.forget(
                [self.record("/c/a"), *self.registry.page(Selection(NOW, 0, True), now=NOW, limit=9)[0]]
            )
            == 2
        )

    def test_facts_are_remembered(self) -> None:
        """The last text under each name."""
        assert self.registry.recall("clock") is None
        self.registry.remember("clock", "12:00")
        self.registry.remember("other", "ß")
        self.registry.remember("clock", "12:01")
        assert (self.registry.recall("clock"), self.registry.recall("other")) == ("12:01", "ß")
        self.registry.replace([])
        assert self.registry.recall("clock") == "12:01"

    def test_who_holds_the_lock_keeps_others_from_adding(self) -> None:
        """And reads and writes ``files`` meanwhile."""
        self.add("/c/a")
        added = threading.Thread(target=self.add, args=("/c/b",))
        with self.registry.lock:
            added.start()
            self.registry.files["/c/c"] = NOW
            added.join(0.05)
            assert sorted(self.registry.files) == ["/c/a", "/c/c"]
            assert added.is_alive()
        added.join()
        assert sorted(self.registry.files) == ["/c/a", "/c/b", "/c/c"]

    def test_a_forked_child_loses_no_record(self) -> None:
        """And the registry goes on there."""
        self.add("/c/a", "/c/b")
        self.claim(_later(), limit=1)

        def child() -> tuple[list[str], list[str]]:
            self.add("/c/c", at=NOW + 1)
            return sorted(self.registry.files), _paths(self.claim(_later(60)).records)

        files, claimed = in_child(child)
        assert files == ["/c/a", "/c/b", "/c/c"]
        assert {"/c/b", "/c/c"} <= set(claimed)
        assert {"/c/a", "/c/b"} <= set(self.registry.files)

    def test_close_may_be_called_again(self) -> None:
        """And removes nothing that it was told."""
        self.add("/c/a")
        self.registry.close()
        self.registry.close()

    def test_no_credential_is_shown(self) -> None:
        """Neither by ``repr`` nor by ``str``."""
        text = f"{self.registry!r} {self.registry}"
        assert not [secret for secret in self.secrets if secret in text]
        assert not any("@" in part.split("/")[0] for part in text.split("://")[1:])
