"""The part of the contract that says what is measured, summed up, and chosen by its room, its use and its tags."""
# ruff: noqa: S101, PLR2004 - tests assert, and their numbers mean nothing beyond the line they stand in

import math
from collections.abc import Iterable
from random import Random

from temp_file_manager.records import Measured, NewFile, Order, Selection, Status, TempFile
from temp_file_manager.registry import THIS_PROCESS
from temp_file_manager.testing.clock import NOW
from temp_file_manager.testing.contract.words import EVERY, HUGE, RegistryWords, later, paths_of

CHOOSING = (Order.OLDEST, Order.LEAST_USED, Order.LARGEST)
"""Orders in which limits choose what goes."""


class RoomContract(RegistryWords):
    """``measured``, ``sums``, pages by room, use and tags, and ``Selection.only``."""

    def add_taking(self, path: str, size: int | None, disk: int | None, tags: tuple[str, ...] = ()) -> None:
        """Record a file of a length that takes so much of the disk."""
        self.registry.add([(path, None, size, tags, None, disk)], NOW)

    def measure(self, *measured: tuple[str, int, float | None]) -> None:
        """Note what looks at the files of these paths have found."""
        records = self.registry.get(path for path, _, _ in measured)
        self.registry.measured(Measured(records[path], disk, used_at) for path, disk, used_at in measured)

    def keeps_room(self) -> bool:
        """Say whether the registry keeps what files take on the disk."""
        return self.registry.stats().bytes is not None

    def are_sums(self, tags: tuple[str, ...], records: int, size: int) -> bool:
        """Say whether the sums of records with one of these tags are as expected, or not kept."""
        found = self.registry.sums(tags)
        return found.records == records and found.bytes == (size if self.keeps_room() else None)

    def chosen(self, order: Order, limit: int = 99, tags: tuple[str, ...] = ()) -> list[str]:
        """Return all paths in an order."""
        return paths_of(self.pages(Selection(NOW, 0.0, order=order, tags=tags), limit))

    # -- what files take -----------------------------------------------------------------------------------

    def test_what_a_file_takes_is_not_its_length(self) -> None:
        """Sums are of what it takes, where somebody has looked; its length stays what it was."""
        self.add_taking("/c/holes", HUGE, 4096)
        self.add_taking("/c/unseen", 7, None)
        self.add_taking("/c/young", 0, 0)
        assert self.are_bytes(4103)
        if self.keeps_room():
            found = self.record("/c/holes")
            assert (found.size, found.disk, found.room) == (HUGE, 4096, 4096)
            assert (self.record("/c/unseen").disk, self.record("/c/unseen").room) == (None, 7)
            assert self.record("/c/young").disk == 0
        self.add_taking("/c/holes", 10, 8192)
        assert self.are_bytes(8199)
        self.registry.amend("/c/holes", NOW - 5)
        self.registry.files["/c/unseen"] = NOW - 6
        assert self.are_bytes(8199), "another time is no other room"
        self.registry.replace(list(self.registry.files.items()))
        assert self.are_bytes(8199)
        assert sum(self.registry.forecast(EVERY, (10.0,)).bytes) in {0, 8199}
        self.registry.forget(["/c/unseen"])
        assert self.are_bytes(8192)
        self.settle_all(Status.REMOVED, Status.REMOVED)
        assert self.are_bytes(0)
        assert self.counters.get("freed_bytes", 8192) == 8192 or not self.keeps_room()

    def test_measuring_renews_what_files_take(self) -> None:
        """In one step with the sums, as often as it comes; it is no registration, and no other record."""
        for number in range(4):
            self.add_taking(f"/c/{number}", 10, None, ("x",) if number % 2 else ())
        before = self.registry.get(["/c/0", "/c/1"])
        self.measure(("/c/0", 4096, None), ("/c/1", 0, None), ("/c/2", 10, None))
        assert self.are_bytes(4116 if self.keeps_room() else 0)
        assert self.are_sums(("x",), 2, 10)
        self.measure(("/c/0", 8192, None), ("/c/1", 4096, None), ("/c/0", 512, None))
        self.measure()
        assert self.are_bytes(512 + 4096 + 10 + 10)
        assert self.are_sums(("x",), 2, 4106)
        if self.keeps_room():
            found = self.registry.get(["/c/0", "/c/1", "/c/2", "/c/3"])
            assert [record.disk for record in found.values()] == [512, 4096, 10, None]
            assert {record.size for record in found.values()} == {10}
        assert (self.registered, self.registry.stats().records) == (4, 4)
        assert self.registry.forget(before.values()) == 2
        assert self.are_bytes(20)

    def test_what_is_another_record_by_now_is_not_measured(self) -> None:
        """Registered again, or forgotten, since it was looked at."""
        self.add_taking("/c/a", 1, 100, ("x",))
        self.add_taking("/c/b", 1, 100)
        old = self.registry.get(["/c/a", "/c/b"])
        self.add_taking("/c/a", 1, 200, ("x",))
        self.registry.forget(["/c/b"])
        self.registry.measured([Measured(record, 7000, NOW + 5) for record in old.values()])
        assert self.are_bytes(200)
        assert self.are_sums(("x",), 1, 200)
        assert self.record("/c/a").used_at is None

    def test_measuring_passes_over_what_is_claimed(self) -> None:
        """It waits for nobody, and what is freed is what was claimed."""
        self.add_taking("/c/a", 1, 100)
        self.add_taking("/c/b", 1, 100)
        claim = self.claim(later(), limit=1)
        for registry in self.objects:
            found = self.registry.get(["/c/a", "/c/b"])
            registry.measured([Measured(record, 4096, NOW + 5) for record in found.values()])
        assert self.are_bytes(4196)
        self.settle(claim, Status.REMOVED)
        assert self.are_bytes(4096)
        assert self.counters.get("freed_bytes", 100) == 100
        self.measure(("/c/b", 512, None))
        assert self.are_bytes(512)

    def test_a_damaged_measure_writes_nothing(self) -> None:
        """What cannot be read to its end is not noted."""
        self.add_taking("/c/a", 1, 100)

        def breaks() -> Iterable[Measured]:
            yield Measured(self.record("/c/a"), 7, None)
            raise RuntimeError("on purpose")

        try:
            self.registry.measured(breaks())
        except RuntimeError:
            assert self.keeps_room()
        assert self.are_bytes(100)

    # -- sums by tags --------------------------------------------------------------------------------------

    def test_sums_by_tags_follow_the_records(self) -> None:
        """Each record counts once, whichever of its tags are asked for; by whatever way it comes, changes and goes."""
        self.add_taking("/c/a", 1, 10, ("x", "y"))
        self.add_taking("/c/b", 2, None, ("y",))
        self.registry.add([(f"/c/{number}", NOW + 9, 3, ("x",), None, 30) for number in range(3)], NOW)
        self.add_taking("/c/none", 5, 50)
        assert self.are_sums(("x",), 4, 100)
        assert self.are_sums(("y",), 2, 12)
        assert self.are_sums(("x", "y"), 5, 102)
        assert self.are_sums(("unknown",), 0, 0)
        assert self.are_sums((), 0, 0)
        self.registry.add([("/c/0", None, 1, (), None, 7), ("/c/1", None, 1, ("y",), None, 8)], NOW)
        assert self.are_sums(("x",), 2, 40)
        assert self.are_sums(("y",), 3, 20)
        self.registry.add([("/c/2", None, 1, ("x",), None, size) for size in (1, 2, 3)], NOW)
        assert self.are_sums(("x",), 2, 13), "of several in one step the last wins"
        self.registry.add([(f"/c/{name}", None, 1, ("x",), None, 99) for name in ("a", "new")], NOW, only_new=True)
        assert self.are_sums(("x",), 3, 112)
        self.registry.amend("/c/a", NOW - 900)
        self.registry.files["/c/2"] = NOW - 800
        assert self.are_sums(("x",), 3, 112)
        self.registry.forget(["/c/new"])
        assert self.are_sums(("x",), 2, 13)
        self.settle(self.claim(EVERY, limit=2), Status.REMOVED, Status.FAILED)
        assert self.are_sums(("x", "y"), 3, 13)
        self.registry.replace([(path, NOW) for path in self.registry.files])
        assert self.are_sums(("x", "y"), 0, 0)

    def test_tags_are_strangers_words(self) -> None:
        """Quotes, wildcards, line breaks, what is no Unicode: each is its own word."""
        words = ["x", "X", "%", "_", "'", '"', "[", "a\nb", "ß", "\udcff", "\udcfe", "", "\0", "null", "1", "𝄞"]
        for number, word in enumerate(words):
            self.registry.add([(f"/c/{number}", None, 1, (word, "all"), None, None)], NOW)
        for word in words:
            assert self.are_sums((word,), 1, 1)
            assert self.chosen(Order.OLDEST, tags=(word,)) == [f"/c/{words.index(word)}"]
        assert self.are_sums(("all",), len(words), len(words))

    def test_sums_that_no_integer_can_add_up(self) -> None:
        """Of files with holes that nobody has looked at."""
        for number in range(4):
            self.add_taking(f"/c/{number}", HUGE, None, ("x",))
        assert self.are_sums(("x",), 4, 4 * HUGE)
        self.measure(*((f"/c/{number}", HUGE // 2, None) for number in range(4)))
        assert self.are_sums(("x",), 4, 2 * HUGE)
        self.registry.forget(["/c/0", "/c/1", "/c/2", "/c/3"])
        assert self.are_sums(("x",), 0, 0)

    # -- orders --------------------------------------------------------------------------------------------

    def test_what_takes_the_most_comes_first(self) -> None:
        """By the disk where that is known, and else by the length."""
        self.add_taking("/c/holes", HUGE, 1)
        self.add_taking("/c/grown", 0, 900)
        self.registry.add([("/c/timed", NOW + 9, 500, (), None, None)], NOW)
        self.add_taking("/c/unknown", None, None)
        if self.keeps_room():
            assert self.chosen(Order.LARGEST) == ["/c/grown", "/c/timed", "/c/holes"]
            self.measure(("/c/timed", 1000, None), ("/c/unknown", 2, None))
            for limit in (1, 2, 3, 4):
                assert self.chosen(Order.LARGEST, limit) == ["/c/timed", "/c/grown", "/c/unknown", "/c/holes"]

    def test_what_was_not_used_for_the_longest_time_comes_first(self) -> None:
        """A registration is a use; in memory it is the only one that is known."""
        for number in range(6):
            file: NewFile = (f"/c/{number}", NOW + 99 if number % 2 else None, 1, (), None, None)
            self.registry.add([file], NOW + number)
        in_order = [f"/c/{number}" for number in range(6)]
        assert self.chosen(Order.LEAST_USED, 2) == in_order
        self.measure(("/c/0", 1, NOW + 3.5), ("/c/1", 1, NOW + 9), ("/c/5", 1, None))
        if not self.keeps_room():
            assert self.chosen(Order.LEAST_USED, 2) == in_order
            return
        used = ["/c/2", "/c/3", "/c/0", "/c/4", "/c/5", "/c/1"]
        self.measure(("/c/1", 1, NOW + 8), ("/c/0", 1, None))
        assert self.record("/c/1").used_at == NOW + 9, "a use that is earlier, or none, ends none"
        for limit in (1, 2, 5, 6, 99):
            assert self.chosen(Order.LEAST_USED, limit) == used
        assert [record.used_at for record in self.pages(None, 99)] == [
            *(self.record(path).used_at for path in paths_of(self.pages(None, 99))),
        ]
        self.registry.amend("/c/1", NOW - 1)
        assert (self.record("/c/1").used_at, self.chosen(Order.LEAST_USED)) == (NOW + 9, used), "the rest stays"
        self.registry.amend("/c/0", NOW + 20)
        assert (self.record("/c/0").used_at, self.chosen(Order.LEAST_USED)[-1]) == (None, "/c/0")
        self.add("/c/1", at=NOW - 1)
        assert (self.record("/c/1").used_at, self.chosen(Order.LEAST_USED)[0]) == (None, "/c/1")
        self.registry.forget(["/c/1"])
        self.add("/c/1", at=NOW - 2)
        assert self.record("/c/1").used_at is None

    def test_orders_of_what_has_a_tag(self) -> None:
        """As if nothing else were on record."""
        for number in range(9):
            tags = (("x",), ("y", "x"), ("z",), ())[number % 4]
            due_at = None if number % 2 else NOW + 99
            self.registry.add([(f"/c/{number}", due_at, (number * 5) % 9, tags, None, None)], NOW + (number * 4) % 9)
        for order in CHOOSING:
            for tags in (("x",), ("y", "z"), ("unknown",), ("x", "x")):
                wanted = {path for path in self.chosen(order) if set(tags) & set(self.record(path).tags)}
                for limit in (1, 2, 99):
                    assert self.chosen(order, limit, tags) == [path for path in self.chosen(order) if path in wanted]

    def test_pages_of_one_scan_leave_out_what_has_gone(self) -> None:
        """And what is another record by now; their cursors may be used again."""
        for number in range(9):
            self.add_taking(f"/c/{number}", 100 - number, None, ("x",))
        selection = Selection(NOW, 0.0, order=Order.LARGEST, tags=("x",))
        first = self.registry.page(selection, now=NOW, limit=3)
        if not first.records:
            return
        self.registry.forget(["/c/3"])
        self.add_taking("/c/4", 96, None, ("x",))
        self.measure(("/c/5", 7, None))
        pages = [self.registry.page(selection, now=NOW, limit=3, after=first.cursor) for _ in range(2)]
        assert pages[0] == pages[1]
        if self.registry.properties.outlives_process:
            assert [(record.path, record.room) for record in pages[0].records] == [("/c/5", 7)]
        found = paths_of(self.registry.page(selection, now=NOW, limit=9, after=pages[0].cursor).records)
        assert found == ["/c/6", "/c/7", "/c/8"]

    def test_many_pages_of_scans(self) -> None:
        """One scan after the other gives each record once, in an order among equals that stays."""
        random = Random(7)  # noqa: S311 - a test's dice
        files: list[NewFile] = [
            (f"/c/{number}", None, random.randrange(5), ("x",), None, None) for number in range(600)
        ]
        self.registry.add(files, NOW)
        for order in (Order.LARGEST, Order.LEAST_USED):
            for tags in ((), ("x",)):
                found = self.chosen(order, 1, tags)
                assert found == self.chosen(order, 700, tags)
                assert len(set(found)) == len(found)

    # -- only some -----------------------------------------------------------------------------------------

    def only(self, records: Iterable[TempFile], due: Selection = EVERY) -> Selection:
        """Return what a sweep of these records alone wants."""
        return Selection(due.asof, due.max_age, due.force, due.patient, only=tuple(records))

    def test_a_sweep_of_some_takes_those_alone(self) -> None:
        """In the order of sweeps, ``limit`` at a time; a page gives what the claim takes."""
        for number in range(9):
            self.add(f"/c/{number}", at=NOW - number, due_at=NOW - 20 * number if number % 3 == 0 else None)
        records = self.registry.get([f"/c/{number}" for number in (0, 2, 3, 5, 6)])
        due = self.only(records.values())
        wanted = paths_of(record for record in self.pages(EVERY, 99) if record.path in records)
        assert len(wanted) == 5
        for limit in (1, 2, 99):
            assert paths_of(self.pages(due, limit)) == wanted
        first = self.claim(due, limit=2)
        assert paths_of(first.records) == wanted[:2]
        assert paths_of(self.pages(due, 99)) == wanted[2:]
        second = self.claim(due, limit=9, after=first.cursor)
        self.settle(first, Status.REMOVED, Status.FAILED)
        assert paths_of(second.records) == wanted[2:]
        self.settle(second, Status.KEPT)  # the rest was not worked on
        third = self.claim(due, limit=9, after=second.cursor)
        assert paths_of(third.records) == wanted[3:]
        self.settle(third, *[Status.REMOVED] * 2)
        assert not self.claim(due, after=third.cursor).records
        assert self.registry.stats().records == 6
        assert not self.claim(self.only(())).records

    def test_a_sweep_of_some_takes_what_they_were(self) -> None:
        """Not what has been registered again, amended or forgotten since; nor what is claimed or kept."""
        self.add(*(f"/c/{number}" for number in range(8)))
        records = list(self.registry.get([f"/c/{number}" for number in range(8)]).values())
        self.add("/c/0")
        self.registry.amend("/c/1", NOW)
        self.registry.forget(["/c/2"])
        self.registry.keep(["/c/3"], math.inf)
        self.registry.keep(["/c/4"], math.inf, THIS_PROCESS)
        other = self.claim(self.only(records[5:6]))
        assert paths_of(other.records) == ["/c/5"]
        assert paths_of(self.pages(self.only(records), 99)) == ["/c/6", "/c/7"]
        claim = self.claim(self.only(records * 2))
        assert paths_of(claim.records) == ["/c/6", "/c/7"]
        self.settle(claim, Status.REMOVED, Status.SKIPPED)
        self.settle(other)
        assert self.free == ["/c/0", "/c/1", "/c/5", "/c/7"]

    def test_a_sweep_of_some_that_forces_nothing(self) -> None:
        """Takes of them what is due, and obeys the next try where it is patient."""
        self.add("/c/a", "/c/b")
        self.add("/c/young", at=NOW + 950)
        self.add("/c/timed", at=NOW + 950, due_at=NOW + 990)
        self.settle(self.claim(later(-20), limit=1), Status.FAILED, at=NOW + 980)
        due = self.only(self.pages(None, 99), later())
        assert paths_of(self.pages(due, 99)) == ["/c/b", "/c/timed", "/c/a"]
        patient = Selection(due.asof, due.max_age, patient=True, only=due.only)
        claim = self.claim(patient)
        assert paths_of(claim.records) == ["/c/b", "/c/timed"]
        self.settle(claim)
        assert paths_of(self.claim(due).records) == ["/c/b", "/c/timed", "/c/a"]

    def test_a_sweep_of_some_and_one_of_all(self) -> None:
        """Share nothing, and each leaves the other what it gives back."""
        self.add(*(f"/c/{number}" for number in range(6)))
        some = self.only(self.pages(None, 99)[:4])
        first = self.claim(some, limit=2)
        rest = self.claim(later(), limit=9)
        assert paths_of(rest.records) == ["/c/2", "/c/3", "/c/4", "/c/5"]
        self.settle(rest)
        self.settle(first)
        assert paths_of(self.claim(some, limit=9, after=first.cursor).records) == ["/c/0", "/c/1", "/c/2", "/c/3"]
        assert paths_of(self.claim(later(), limit=9).records) == ["/c/4", "/c/5"]
