"""The part of the contract that says what rules decide about records, and which records stand for others."""
# ruff: noqa: S101 - tests assert, and their numbers mean nothing beyond the line they stand in

import math

from temp_file_manager.causes import Cause
from temp_file_manager.chunks import Other
from temp_file_manager.records import PLAIN, Kind, Nature, Order, Ruled, Selection, Status
from temp_file_manager.registry import THIS_PROCESS
from temp_file_manager.testing.clock import NOW
from temp_file_manager.testing.contract.words import EVERY, RegistryWords, later, paths_of, settlement
from temp_file_manager.testing.processes import in_child

AWAY = Nature(kind=Kind.QUARANTINED, origin="/c/was")


class NaturesContract(RegistryWords):
    """``Natures``, and what ``Records`` and ``Claims`` say of natures."""

    def add_apart(self, path: str, nature: Nature, due_at: float | None = None, at: float = NOW) -> None:
        """Record a file that is not plain."""
        self.registry.add([(path, due_at, None, (), None, None)], at, natures={path: nature})

    def nature(self, path: str) -> Nature:
        """Return the nature of a record."""
        record = self.record(path)
        return Nature(record.rule, record.kind, record.origin)

    def rule(self, path: str, rule: str, due_at: float | None) -> None:
        """Note what a rule decides about a record."""
        self.registry.ruled([Ruled(self.record(path), rule, due_at)])

    def keep_until(self, path: str, due_at: float, due: Selection) -> None:
        """Have a sweep keep a record by a rule until then."""
        self.settle(self.claim_one(path, due), Other(Status.KEPT, Cause.RULE, "a rule", None, due_at, "charts"))

    # -- as they are put on record

    def test_natures_are_kept(self) -> None:
        """Alone and among others, and in each way in which records are given."""
        many = {"/c/rule": Nature("charts"), "/c/unit": Nature(kind=Kind.UNIT), "/c/away": AWAY}
        files = [(path, NOW + 5, None, (), None, None) for path in (*many, "/c/plain")]
        self.registry.add(files, NOW, natures=many)
        self.add_apart("/c/alone", Nature("charts", Kind.COMPRESSED, "/c/text"), NOW + 7)
        expected = many | {"/c/plain": PLAIN, "/c/alone": Nature("charts", Kind.COMPRESSED, "/c/text")}
        assert {path: self.nature(path) for path in expected} == expected
        pages = {record.path: record for record in self.pages(None, 2)}
        assert {path: Nature(one.rule, one.kind, one.origin) for path, one in pages.items()} == expected
        claim = self.claim(EVERY)
        assert {one.path: Nature(one.rule, one.kind, one.origin) for one in claim.records} == expected
        self.settle(claim)

    def test_a_new_registration_starts_anew(self) -> None:
        """Another time does not."""
        self.add_apart("/c/a", Nature("charts"), NOW + 5)
        self.registry.amend("/c/a", NOW + 10)
        assert (self.nature("/c/a"), self.record("/c/a").due_at) == (Nature("charts"), NOW + 15)
        self.registry.files["/c/a"] = NOW + 20
        assert (self.nature("/c/a"), self.record("/c/a").due_at) == (Nature("charts"), NOW + 25)
        self.add("/c/a", at=NOW + 30)
        assert (self.nature("/c/a"), self.record("/c/a").due_at) == (PLAIN, None)

    def test_what_stands_for_another_is_no_new_registration(self) -> None:
        """It was counted when it was registered."""
        self.add("/c/was")
        self.add_apart("/c/away", AWAY)
        self.registry.add([(f"/c/away/{n}", None, None, (), None, None) for n in range(3)], NOW, natures={
            f"/c/away/{n}": Nature(kind=Kind.COMPRESSED, origin=f"/c/{n}") for n in range(3)
        })  # fmt: skip
        assert self.registered == 1
        files = [(path, None, None, (), None, None) for path in ("/c/away", "/c/new", "/c/away/9")]
        stands = {"/c/away": AWAY, "/c/away/9": AWAY}
        self.registry.add(files, NOW, only_new=True, natures=stands)
        assert self.registered == 1 + 1, "one was known, one is new, and one stands for another"

    def test_what_is_in_a_session_is_under_no_rule(self) -> None:
        """Its end is the session's."""
        session = self.registry.begin("s", now=NOW, ends_at=NOW + 50, owner=THIS_PROCESS)
        self.registry.add([("/c/a", NOW + 5, None, (), None, None)], NOW, session=session.number, natures={
            "/c/a": Nature("charts", Kind.UNIT)
        })  # fmt: skip
        assert (self.nature("/c/a"), self.record("/c/a").due_at) == (Nature(kind=Kind.UNIT), NOW + 50)

    # -- rules

    def test_rules_decide_about_what_has_no_end_of_its_own(self) -> None:
        """Also again, and no more; not about a ttl or a session."""
        session = self.registry.begin("s", now=NOW, ends_at=NOW + 50, owner=THIS_PROCESS)
        self.add("/c/plain", tags=("x",))
        self.add("/c/ttl", due_at=NOW + 9)
        self.registry.add([("/c/session", None, None, (), None, None)], NOW, session=session.number)
        for path in ("/c/plain", "/c/ttl", "/c/session"):
            self.rule(path, "charts", NOW + 3)
        found = {path: (self.record(path).rule, self.record(path).due_at) for path in self.registry.files}
        assert found == {"/c/plain": ("charts", NOW + 3), "/c/ttl": ("", NOW + 9), "/c/session": ("", NOW + 50)}
        assert (self.record("/c/plain").registered_at, self.record("/c/plain").tags) == (NOW, ("x",))
        assert self.registry.rules() == {"charts": 1}
        self.rule("/c/plain", "others", math.inf)
        assert self.registry.rules() == {"others": 1}
        self.rule("/c/plain", "", None)
        assert (self.record("/c/plain").rule, self.record("/c/plain").due_at) == ("", None)
        assert self.registry.rules() == {}

    def test_what_a_rule_makes_due_is_claimed(self) -> None:
        """By a sweep that has begun, too; and what it keeps is not."""
        self.add("/c/a", "/c/b", at=NOW)
        due = Selection(NOW + 50, 100)
        first = self.claim(due)
        assert not first.records
        self.rule("/c/a", "charts", NOW + 20)
        claim = self.claim_one("/c/a", due)
        self.settle(claim, Status.REMOVED)
        self.rule("/c/b", "others", math.inf)
        assert not self.claim(Selection(NOW + 5000, 100)).records

    def test_nothing_is_decided_about_another_record(self) -> None:
        """One that was registered again since, is claimed, or is gone."""
        self.add("/c/again", "/c/claimed", "/c/gone")
        before = self.registry.get(("/c/again", "/c/claimed", "/c/gone"))
        self.add("/c/again", at=NOW + 1)
        self.registry.forget(("/c/gone",))
        claim = self.claim(later())
        self.registry.ruled(Ruled(record, "charts", NOW) for record in before.values())
        self.settle(claim)
        assert self.registry.rules() == {}

    def test_a_rule_keeps_until(self) -> None:
        """No sweep takes it before then, patient or not, and each does after; it waits for nothing else."""
        self.add("/c/a", at=NOW - 200)
        self.keep_until("/c/a", NOW + 500, later())
        record = self.record("/c/a")
        assert (record.due_at, record.retry_at, record.failures) == (NOW + 500, None, 0)
        assert not self.claim(Selection(NOW + 499, 100)).records
        again = self.claim_one("/c/a", Selection(NOW + 500, 100, patient=True))
        self.settle(again, Status.REMOVED)
        assert self.registry.get(("/c/a",)) == {}

    def test_the_sweep_that_kept_it_does_not_come_back_to_it(self) -> None:
        """Even if it is due again by then."""
        self.add("/c/a", at=NOW - 200)
        claim = self.claim_one("/c/a", later())
        self.settle(claim, Other(Status.KEPT, Cause.RULE, due_at=NOW - 100, rule="charts"))
        assert not self.claim(later(), after=claim.cursor).records
        assert paths_of(self.claim(later(1)).records) == ["/c/a"]

    def test_the_newest_of_a_rule_and_those_beyond(self) -> None:
        """Of those without an end; equals in the order in which they were put on record."""
        for number, when in enumerate((5, 1, 9, 5, 7)):
            self.add_apart(f"/c/{number}", Nature("last"), math.inf, NOW + when)
        self.add_apart("/c/ending", Nature("last"), NOW + 3, NOW)
        self.add_apart("/c/other", Nature("kept"), math.inf, NOW)
        self.add("/c/ttl", due_at=math.inf)
        assert paths_of(self.registry.beyond("last", 0, 9)) == ["/c/2", "/c/4", "/c/3", "/c/0", "/c/1"]
        assert paths_of(self.registry.beyond("last", 2, 2)) == ["/c/3", "/c/0"]
        assert self.registry.beyond("last", 5, 9) == () == self.registry.beyond("none", 0, 9)
        assert self.registry.rules() == {"last": 6, "kept": 1}

    def test_what_rules_keep_no_more_is_left_to_its_age(self) -> None:
        """Its end goes with the rule: an end of its own is none that a rule has given."""
        self.add_apart("/c/a", Nature("charts"), NOW - 50, at=NOW - 200)
        self.settle(self.claim_one("/c/a", later()), Other(Status.KEPT, Cause.RULE, due_at=NOW + 900))
        assert (self.record("/c/a").rule, self.record("/c/a").due_at) == ("", None)
        assert paths_of(self.claim(later(1)).records) == ["/c/a"]

    def test_what_a_rule_keeps_has_no_other_cause_and_no_failures(self) -> None:
        """Whatever came before."""
        self.add("/c/a", at=NOW - 200)
        self.settle(self.claim_one("/c/a", later()), Other(Status.FAILED, Cause.ERROR))
        self.settle(self.claim_one("/c/a", later(1)), Other(Status.KEPT, Cause.FOREIGN))
        before = self.record("/c/a")
        assert (before.failures, before.kept_for, before.retry_at is None) == (1, "foreign", False)
        self.keep_until("/c/a", NOW + 2000, later(2))
        record = self.record("/c/a")
        assert (record.failures, record.kept_for, record.retry_at) == (0, "", None)
        assert (record.rule, record.due_at, record.registered_at) == ("charts", NOW + 2000, NOW - 200)

    def test_what_is_chosen_is_due_by_its_rule(self) -> None:
        """``Selection.only`` asks when it is due as any sweep does."""
        self.add_apart("/c/now", Nature("charts"), NOW - 1)
        self.add_apart("/c/then", Nature("charts"), NOW + 50)
        self.add_apart("/c/never", Nature("last"), math.inf)
        every = tuple(self.registry.get(("/c/now", "/c/then", "/c/never")).values())
        chosen = Selection(NOW, 0.0, only=every)
        assert paths_of(self.pages(chosen, 2)) == ["/c/now"]
        claim = self.claim_one("/c/now", chosen)
        self.settle(claim, Other(Status.KEPT, Cause.RULE, due_at=NOW + 10, rule="charts"))
        assert not self.claim(Selection(NOW, 0.0, only=every)).records
        forced = Selection(NOW, 0.0, force=True, only=tuple(self.registry.get(("/c/now", "/c/never")).values()))
        assert sorted(paths_of(self.claim(forced).records)) == ["/c/never", "/c/now"]

    def test_what_has_no_end_stays_without(self) -> None:
        """Whatever its time; it is never due, and no forecast says so."""
        self.add_apart("/c/a", Nature("last"), math.inf)
        for change in (
            lambda: self.registry.amend("/c/a", NOW - 10),
            lambda: self.registry.files.update({"/c/a": 1.0}),
        ):
            change()
            assert (self.record("/c/a").due_at, self.record("/c/a").rule) == (math.inf, "last")
        assert paths_of(self.registry.beyond("last", 0, 9)) == ["/c/a"]
        assert self.registry.forecast(Selection(NOW, 10.0), (0.0, 1e12)).files == (0, 0, 1)
        assert not self.claim(Selection(NOW * 1000, 0.0)).records
        assert paths_of(self.claim(EVERY).records) == ["/c/a"]

    def test_a_claimed_record_is_ruled_when_it_is_free(self) -> None:
        """To rule waits for nobody, as every sweep looks at its rules again."""
        self.add("/c/a", "/c/b")
        claim = self.claim(later(), limit=1)
        (out,) = paths_of(claim.records)
        self.patience(0.0)
        self.rule(out, "charts", NOW + 5)
        assert self.nature(out) == PLAIN
        self.settle(claim, Status.SKIPPED)
        self.rule(out, "charts", NOW + 5)
        assert self.nature(out) == Nature("charts")

    def test_the_end_of_a_session_is_no_rules(self) -> None:
        """What was under a rule and came into a session is due when that ends, whatever the rule had said."""
        self.add_apart("/c/a", Nature("last", Kind.COMPRESSED, "/c/text"), math.inf)
        session = self.registry.begin("s", now=NOW, ends_at=math.inf, owner=THIS_PROCESS)
        self.registry.add([("/c/a", None, None, (), None, None)], NOW, session=session.number)
        assert self.registry.beyond("last", 0, 9) == ()
        self.registry.end((session.number,), NOW + 5)
        assert (self.nature("/c/a"), self.record("/c/a").due_at) == (PLAIN, NOW + 5)
        assert paths_of(self.claim(Selection(NOW + 5, 1e9)).records) == ["/c/a"]

    def test_an_assignment_of_all_files_forgets_rules(self) -> None:
        """As it forgets ends; but not what a record stands for."""
        self.add_apart("/c/a", Nature("charts"), NOW + 5)
        self.add_apart("/c/away", AWAY._replace(rule="charts"), NOW + 5)
        self.registry.replace([("/c/a", NOW), ("/c/away", NOW)])
        assert [self.nature(path) for path in ("/c/a", "/c/away")] == [PLAIN, AWAY]
        assert {record.due_at for record in self.pages(None, 9)} == {None}

    # -- others

    def test_rules_are_seen_by_others(self) -> None:
        """Whoever has ruled, and in whichever object on the records."""
        self.add("/c/a", "/c/b", at=NOW)
        first, other = self.objects[0], self.objects[-1]
        records = first.get(("/c/a", "/c/b"))
        other.ruled([Ruled(records["/c/a"], "charts", NOW - 5)])
        assert first.rules() == other.rules() == {"charts": 1}
        assert first.get(("/c/a",))["/c/a"][:3] == ("/c/a", NOW, NOW - 5)
        other.add([("/c/b", None, None, (), None, None)], NOW + 1)
        first.ruled([Ruled(records["/c/b"], "charts", NOW - 5)])
        assert other.rules() == {"charts": 1}, "it is another record by now"
        claim = first.claim(Selection(NOW, 100), now=NOW, lease=60, limit=9)
        assert paths_of(claim.records) == ["/c/a"]
        first.settle(settlement(claim, Other(Status.KEPT, Cause.RULE, due_at=NOW + 70, rule="others")))
        assert other.get(("/c/a",))["/c/a"][:3] == ("/c/a", NOW, NOW + 70)
        assert other.rules() == {"others": 1}

    def test_a_forked_child_knows_natures(self) -> None:
        """And rules."""
        self.add_apart("/c/a", AWAY, NOW + 5)
        self.add("/c/b")

        def child() -> list[object]:
            self.rule("/c/b", "charts", NOW - 5)
            found = self.registry.successors(("/c/was",))["/c/was"]
            return [list(self.nature("/c/a")), self.registry.rules(), paths_of(found)]

        assert in_child(child) == [list(AWAY), {"charts": 1}, ["/c/a"]]

    # -- what stands for others

    def test_what_stands_for_another_is_found_by_that(self) -> None:
        """The last first."""
        for number, at in enumerate((NOW, NOW - 5)):
            self.add_apart(f"/c/away/{number}", AWAY, NOW + 50, at)
        self.add_apart("/c/text.zst", Nature("charts", Kind.COMPRESSED, "/c/text"), NOW + 50)
        found = self.registry.successors(("/c/was", "/c/text", "/c/none"))
        assert {path: paths_of(records) for path, records in found.items()} == {
            "/c/was": ["/c/away/1", "/c/away/0"],
            "/c/text": ["/c/text.zst"],
        }
        self.registry.forget(("/c/text.zst",))
        assert self.registry.successors(("/c/text",)) == {}

    def test_pages_of_a_kind(self) -> None:
        """In the order in which they were put on record, whatever keeps them."""
        self.add("/c/plain")
        for number in range(5):
            self.add_apart(f"/c/{number}", AWAY._replace(origin=f"/c/was/{number}"), NOW + 50)
        self.registry.keep(("/c/2",), math.inf)
        away = Selection(NOW, 0.0, order=Order.ADDED, kind=Kind.QUARANTINED)
        assert paths_of(self.pages(away, 2)) == [f"/c/{number}" for number in range(5)]
        assert self.pages(Selection(NOW, 0.0, order=Order.ADDED, kind=Kind.UNIT), 2) == []

    def test_pages_go_on_behind_a_record(self) -> None:
        """Where records have numbers: so what came since is found without a walk through all."""
        self.add("/c/a", "/c/b")
        for number in range(5):
            self.add(f"/c/{number}")
        if self.registry.properties.keeps_identity:
            since = self.record("/c/b").generation
            found = self.pages(Selection(NOW, 0.0, order=Order.ADDED, since=since), 2)
            assert paths_of(found) == [f"/c/{number}" for number in range(5)]

    def test_what_was_moved_away_or_compressed_is_forgotten(self) -> None:
        """The one counts as cleaned up, the other does not."""
        self.add("/c/a", "/c/b", at=NOW - 200)
        claim = self.claim(later())
        self.settle(claim, Status.QUARANTINED, Status.COMPRESSED)
        assert not self.registry.files
        counted = {name: value for name, value in self.counters.items() if name in set(Status)}
        assert counted == {"quarantined": 1, "compressed": 1}

    # -- what keeps a directory whole

    def kept_below(self, directory: str, asof: float = NOW) -> str:
        """Return the path of a record below a directory that has to stay; empty if none has to."""
        found = self.registry.kept_below(directory, asof)
        return "" if found is None else found.path

    def test_what_is_kept_below_a_directory(self) -> None:
        """By a pin that has not ended, a hold, or a session that lives; at whatever depth."""
        self.add("/c/unit/a", "/c/unit/deep/er/b", "/c/unit/c")
        assert self.kept_below("/c/unit") == ""
        self.registry.keep(("/c/unit/a",), NOW + 5)
        assert self.kept_below("/c/unit", NOW + 4) == "/c/unit/a"
        assert self.kept_below("/c/unit/", NOW + 4) == "/c/unit/a"
        assert self.kept_below("/c/unit", NOW + 5) == ""
        self.registry.keep(("/c/unit/deep/er/b",), math.inf, THIS_PROCESS)
        assert self.kept_below("/c/unit", NOW + 5) == "/c/unit/deep/er/b" == self.kept_below("/c", NOW + 5)
        self.registry.release(("/c/unit/deep/er/b",), THIS_PROCESS)
        session = self.registry.begin("s", now=NOW, ends_at=NOW + 50, owner=THIS_PROCESS)
        self.registry.add([("/c/unit/c", None, None, (), None, None)], NOW, session=session.number)
        assert self.kept_below("/c/unit", NOW + 5) == "/c/unit/c"
        self.registry.end((session.number,), NOW + 6)
        assert self.kept_below("/c/unit", NOW + 7) == ""

    def test_what_a_rule_keeps_below_a_directory(self) -> None:
        """Of the rules that are named alone."""
        nature = {"/c/unit/a": Nature(rule="kept")}
        self.registry.add([("/c/unit/a", math.inf, None, (), None, None)], NOW, natures=nature)
        assert self.registry.kept_below("/c/unit", NOW, ("other", "kept")) is not None
        assert self.registry.kept_below("/c/unit", NOW, ("other",)) is self.registry.kept_below("/c/unit", NOW) is None

    def test_what_is_kept_beside_a_directory(self) -> None:
        """Its own record is not below it, nor is what has a name that begins as its does."""
        beside = ("/c/unit", "/c/unit-2/a", "/c/unit.bak", "/c/unit0/a", "/c/uni/t", "/c/a")
        self.add(*beside, "/c/unit/a")
        self.registry.keep(beside, math.inf)
        assert self.kept_below("/c/unit") == ""
        found = self.registry.kept_below("/c", NOW)
        assert found is not None
        assert found.pinned_until == math.inf
