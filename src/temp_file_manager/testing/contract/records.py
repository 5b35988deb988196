"""The part of the contract that says what a registry records, shows and forgets."""
# ruff: noqa: S101, PLR2004 - tests assert, and their numbers mean nothing beyond the line they stand in

import math
from collections.abc import Iterable

from temp_file_manager.records import PENDING, Nature, NewFile, Order, Selection, Status, TempFile
from temp_file_manager.registry import THIS_PROCESS, Registry
from temp_file_manager.testing.clock import NOW
from temp_file_manager.testing.contract.words import EVERY, HUGE, RegistryWords, later, paths_of
from temp_file_manager.testing.threads import Work

UNCONDITIONAL = (Order.OLDEST, Order.LARGEST, Order.ADDED)


class RecordsContract(RegistryWords):
    """``Records``: ``add``, ``get``, ``page``, ``amend``, ``forget``, ``stats``."""

    def test_add_records_what_it_is_given(self) -> None:
        """The time, the ttl, the tags, and a size where the registry keeps one."""
        self.registry.add([("/c/a", NOW + 5, 7, ("x", "y"), None, None), ("/c/b", None, None, (), None, None)], NOW)
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
        claim = self.claim(later())
        assert sorted(paths_of(claim.records)) == sorted(names)
        self.settle(claim)
        assert self.registry.forget(["/c/%"]) == 1
        assert len(self.registry.files) == len(names) - 1

    def test_add_one_is_add_for_one(self) -> None:
        """Over a known path as well, whose ttl and tags it ends; or it leaves all to ``add``, and does nothing."""
        self.add_one("/c/a", NOW)
        assert self.record("/c/a")[:7] == TempFile("/c/a", NOW)[:7]
        self.add("/c/a", due_at=NOW + 1, tags=("old",))
        added = self.registry.add_one("/c/a", NOW + 950, self.registry.settlements)
        assert self.registered == 2 + added
        assert (self.record("/c/a").tags == ("old",)) is not added
        self.add_one("/c/a", NOW + 950)
        assert self.record("/c/a")[:7] == TempFile("/c/a", NOW + 950)[:7]
        assert not self.claim(later()).records
        self.claim_one("/c/a", later(51))

    def test_add_starts_a_known_path_anew(self) -> None:
        """Its age, ttl, tags and failures."""
        self.add("/c/a", due_at=NOW + 1, tags=("old",))
        self.settle(self.claim_one("/c/a", later()), Status.FAILED)
        self.add("/c/a", at=NOW + 50)
        assert self.record("/c/a")[:7] == TempFile("/c/a", NOW + 50)[:7]
        assert self.registry.stats().records == 1
        assert not self.claim(Selection(NOW + 150, 100)).records
        self.claim_one("/c/a", Selection(NOW + 151, 100, patient=True))

    def test_add_is_all_or_none(self) -> None:
        """What cannot be read to its end records nothing."""
        self.add("/c/a")

        def breaks() -> Iterable[NewFile]:
            yield "/c/a", None, None, (), None, None
            yield "/c/b", None, None, (), None, None
            raise RuntimeError("on purpose")

        try:
            self.registry.add(breaks(), NOW + 9)
        except RuntimeError:
            pass
        else:
            raise AssertionError("the error was swallowed")
        assert dict(self.registry.files) == {"/c/a": NOW}
        assert self.registered == 1

    def test_pages_take_nothing_and_name_each_record_once(self) -> None:
        """Whatever happened before: failures, lapsed and skipped claims, forced sweeps with a limit."""
        self.add(*(f"/c/{number}" for number in range(9)))
        force = Selection(NOW + 1000, 100, force=True)
        for status in (Status.FAILED, Status.SKIPPED):
            self.settle(self.claim(force, limit=3), *[status] * 3)
        self.claim(force, limit=2)
        for asof, count in ((NOW + 1001, 7), (NOW + 1060, 9)):
            for due in (Selection(asof, 100), Selection(asof, 100, force=True)):
                pages = [paths_of(self.pages(due, limit)) for limit in (2, 3, 100)]
                assert pages[0] == pages[1] == pages[2]
                assert len(pages[0]) == len(set(pages[0])) == count
        assert paths_of(self.claim(due).records) == pages[0]
        page = self.registry.page(Selection(NOW, 1e9), now=NOW, limit=5)
        assert (page.records, page.cursor) == ((), None)

    def test_a_list_shows_everything(self) -> None:
        """What is claimed, pinned, held or failed, each once, by age and then by the ttl's end."""
        self.add("/c/timed", due_at=NOW + 9)
        self.add("/c/soon", due_at=NOW + 1)
        for number in range(4):
            self.add(f"/c/{number}", at=NOW - number)
        self.settle(self.claim(later(), limit=1), Status.FAILED)
        self.claim(later(), limit=1)
        self.registry.keep(["/c/1"], math.inf)
        self.registry.keep(["/c/0"], math.inf, THIS_PROCESS)
        for limit in (1, 2, 100):
            assert paths_of(self.pages(None, limit)) == ["/c/3", "/c/2", "/c/1", "/c/0", "/c/soon", "/c/timed"]

    def test_a_cursor_may_be_used_again(self) -> None:
        """Whoever lost an answer asks for it again, in every order."""
        for number in range(5):
            self.registry.add([(f"/c/{number}", NOW + 1, number, (), None, None)], NOW - number)
        for selection in (None, later(), EVERY, *(Selection(0.0, 0.0, order=order) for order in UNCONDITIONAL)):
            first = self.registry.page(selection, now=NOW, limit=2)
            second, again = (self.registry.page(selection, now=NOW, limit=2, after=first.cursor) for _ in range(2))
            assert paths_of(second.records) == paths_of(again.records)
            third, again = (self.registry.page(selection, now=NOW, limit=9, after=second.cursor) for _ in range(2))
            assert paths_of(third.records) == paths_of(again.records)
            assert third.cursor is None
            assert len({*paths_of(first.records), *paths_of(second.records), *paths_of(third.records)}) == 5

    def test_orders_give_every_record_whatever_keeps_it(self) -> None:
        """The claimed, the pinned, the held and the failed, with a ttl or without; each but once."""
        for number, when in enumerate((5, 3, 3, 9, -math.inf, 7)):
            file = (f"/c/{number}", None if number % 2 else NOW + number, (number * 7) % 4 + HUGE, (), None, None)
            self.registry.add([file], NOW + when)
        self.registry.keep(["/c/1"], math.inf)
        self.registry.keep(["/c/0"], math.inf, THIS_PROCESS)
        self.settle(self.claim(EVERY, limit=1), Status.FAILED)
        self.claim(EVERY, limit=1)
        for limit in (1, 2, 5, 6, 99):
            oldest, largest, added = (
                self.pages(Selection(0.0, 0.0, order=order), limit)
                for order in (Order.OLDEST, Order.LARGEST, Order.ADDED)
            )
            assert [record.registered_at for record in oldest] == sorted(record.registered_at for record in oldest)
            assert len(set(paths_of(oldest))) == len(oldest) == 6
            known = [record.size for record in self.registry.get(paths_of(oldest)).values() if record.size is not None]
            assert [record.size for record in largest] == sorted(known, reverse=True)
            assert len(set(paths_of(largest))) == len(largest)
            assert paths_of(added) == [f"/c/{number}" for number in range(6)]
        assert (self.record("/c/1"), self.record("/c/0")) == (added[1], added[0])

    def test_an_order_of_nothing(self) -> None:
        """Has one empty page; so has one whose limit is nought."""
        for order in Order:
            assert self.registry.page(Selection(NOW, 0.0, order=order), now=NOW, limit=9) == ((), None)
        self.add("/c/a")
        for order in Order:
            assert self.registry.page(Selection(NOW + 9, 0.0, order=order), now=NOW, limit=0).records == ()

    def test_the_oldest(self) -> None:
        """Among those with a ttl and without, as they come and go."""

        def oldest() -> float | None:
            found = self.registry.page(Selection(0.0, 0.0, order=Order.OLDEST), now=NOW, limit=1).records
            return found[0].registered_at if found else None

        self.add("/c/b", at=NOW + 5, due_at=NOW + 6)
        assert oldest() == NOW + 5
        self.add("/c/a", at=NOW + 7)
        assert oldest() == NOW + 5
        self.add("/c/c", at=NOW + 3)
        assert oldest() == NOW + 3
        self.add("/c/c", at=NOW + 9)
        self.registry.forget(["/c/b"])
        assert oldest() == NOW + 7
        self.registry.amend("/c/c", NOW - 1)
        assert oldest() == NOW - 1
        self.registry.forget(["/c/a", "/c/c"])
        assert oldest() is None

    def test_amending_keeps_the_rest(self) -> None:
        """The tags stay, and the ttl counts from the new time; an unknown path stays unknown."""
        self.add("/c/a", due_at=NOW + 30, tags=("x",))
        assert self.registry.amend("/c/a", NOW - 20) is True
        record = self.record("/c/a")
        assert (record.registered_at, record.due_at, record.tags) == (NOW - 20, NOW + 10, ("x",))
        assert not self.claim(Selection(NOW + 9, 0)).records
        self.claim_one("/c/a", Selection(NOW + 10, 0))
        assert self.registry.amend("/c/unknown", NOW) is False
        assert (self.registry.stats().records, self.registered) == (1, 1)

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
        claim = self.claim(later())
        self.settle(claim)
        assert self.registry.forget([self.record("/c/a"), *self.pages(EVERY, 9), *claim.records]) == 2

    def test_an_amended_record_is_another_one(self) -> None:
        """As one that is registered again."""
        self.add("/c/a", "/c/b")
        seen = self.registry.get(["/c/a", "/c/b"])
        self.registry.amend("/c/a", NOW)
        assert self.registry.forget(seen.values()) == 1
        assert set(self.registry.files) == {"/c/a"}

    def test_forgetting_may_leave_pins(self) -> None:
        """For the next registration of their paths."""
        self.add("/c/a", "/c/b")
        self.registry.keep(["/c/a", "/c/b"], math.inf)
        assert self.registry.forget(["/c/a"], keeps=True) == 1
        assert self.registry.forget(["/c/b"]) == 1
        self.add("/c/a", "/c/b")
        self.claim_one("/c/b", later())
        assert self.record("/c/a").pinned_until == math.inf

    def test_each_registration_counts(self) -> None:
        """Also of a path that is known, also twice in one step; not what ``only_new`` leaves as it is."""
        self.add("/c/a", "/c/b")
        self.add_one("/c/c", NOW)
        assert self.registered == 3
        self.add("/c/a")
        self.add_one("/c/b", NOW)
        assert self.registered == 5
        self.add("/c/d", "/c/d", "/c/a")
        assert (self.registered, self.registry.stats().records) == (8, 4)
        for paths in (("/c/a", "/c/e", "/c/e"), ("/c/f", "/c/b")):
            self.registry.add([(path, None, None, (), None, None) for path in paths], NOW, only_new=True)
        assert (self.registered, self.registry.stats().records) == (10, 6)
        self.registry.add([], NOW)
        assert self.registered == 10

    def test_what_is_added_late_has_moments_of_its_own(self) -> None:
        """And leaves as it is what is on record."""
        self.add("/c/a")
        rows = [((path, None, None, ("x",), None, None), NOW + n) for n, path in enumerate(("/c/a", "/c/b", "/c/c"), 1)]
        self.registry.add_late(rows, {"/c/c": Nature("r")})
        found = self.registry.get(["/c/a", "/c/b", "/c/c"])
        assert [found[path].registered_at - NOW for path in ("/c/a", "/c/b", "/c/c")] == [0, 2, 3]
        assert [found[path].tags for path in ("/c/a", "/c/b")] == [(), ("x",)]
        assert [found[path].rule for path in ("/c/b", "/c/c")] == ["", "r"]
        assert self.registered == 3

    def test_what_is_pending_is_no_registration_yet(self) -> None:
        """It counts when the file is there and is put on record. Where no identity is kept nothing is pending."""
        if not self.registry.properties.keeps_identity:
            return
        for paths in (["/c/a"], ["/c/b", "/c/c"]):
            before = self.registered
            self.registry.add([(path, None, 7, (), PENDING, None) for path in paths], NOW)
            self.registry.add([(path, None, 5, (), PENDING, None) for path in paths], NOW, only_new=True)
            assert self.registered == before
            self.registry.add([(path, None, 9, (), None, None) for path in paths], NOW)
            assert self.registered == before + len(paths)
        assert (self.registry.stats().records, self.registry.stats().bytes) == (3, 27)

    def test_whoever_holds_the_lock_may_replace_everything(self) -> None:
        """It is the usual filter: ``with manager.lock: manager.files = {…}``."""
        self.add("/c/a", "/c/b")
        for registry in self.objects:

            def assign(registry: Registry = registry) -> None:
                with registry.lock:
                    registry.replace([(path, when) for path, when in registry.files.items() if path == "/c/a"])

            Work(assign).end()
            assert dict(registry.files) == {"/c/a": NOW}

    def test_forgetting_counts_nothing(self) -> None:
        """Neither in one way nor another."""
        self.add("/c/a", "/c/b", "/c/c")
        self.registry.forget(["/c/a"])
        del self.registry.files["/c/b"]
        assert self.counters == {"registered": 3}

    def test_bytes_follow_the_records(self) -> None:
        """Registered again with another size or an unknown one, twice in one step, forgotten, removed."""
        self.add_sized(1, 20, None, 300)
        assert self.are_bytes(321)
        self.add_sized(5, None, 60)
        assert self.are_bytes(365)
        self.registry.add([("/c/new", None, 7, (), None, None), ("/c/0", None, 1, (), None, None)], NOW)
        assert self.are_bytes(368), "the first is new, the second known"
        self.registry.add([("/c/0", None, 2, (), None, None), ("/c/newer", None, 1000, (), None, None)], NOW)
        assert self.are_bytes(1369), "the first is known, the second new"
        self.registry.add(
            [(path, None, size, (), None, None) for path, size in (("/c/x", 8), ("/c/x", 9), ("/c/0", 3))], NOW
        )
        assert self.are_bytes(1379), "the last wins"
        self.registry.forget(["/c/x", "/c/unknown"])
        del self.registry.files["/c/newer"]
        assert self.are_bytes(370)
        self.registry.files["/c/0"] = NOW - 5
        assert self.are_bytes(370), "another time is no other size"
        self.registry.add([("/c/new", None, 1, (), None, None)] * 150, NOW)
        assert self.are_bytes(364)

    def test_what_is_left_as_it_is_keeps_its_size(self) -> None:
        """Whatever size it is said to have."""
        self.add_sized(1, 20)
        self.add_sized(500, 500, 300, only_new=True)
        assert self.are_bytes(321)

    def test_sizes_that_no_integer_can_add_up(self) -> None:
        """Files with holes: they are recorded, looked at, registered again and removed as others are."""
        self.add_sized(HUGE, HUGE, HUGE)
        self.add_sized(HUGE, HUGE, HUGE, HUGE)
        assert self.are_bytes(4 * HUGE)
        assert sum(self.registry.forecast(EVERY, (10.0,)).bytes) in {0, 4 * HUGE}
        self.registry.forget(["/c/0"])
        self.settle_all(*[Status.REMOVED] * 3)
        assert (self.registry.stats().records, self.are_bytes(0)) == (0, True)
