"""The part of the contract that says what sessions are, and what becomes of their records."""
# ruff: noqa: S101, PLR2004 - tests assert, and their numbers mean nothing beyond the line they stand in

import math

from temp_file_manager.causes import Cause
from temp_file_manager.chunks import Other
from temp_file_manager.errors import InvalidArgumentError
from temp_file_manager.records import Identity, Rewritten, Selection, Status
from temp_file_manager.registry import Settlement
from temp_file_manager.registry.card import SharedBy
from temp_file_manager.sessions import ANOTHER_PROCESS, HEIRS, THIS_PROCESS, Owner, ProcessIdentity, Session
from temp_file_manager.testing.clock import NOW
from temp_file_manager.testing.contract.words import EVERY, RegistryWords, later, new, paths_of, settlement
from temp_file_manager.testing.processes import in_child

SOMEBODY = ProcessIdentity(4711, 123, "boot", 4)


class SessionsContract(RegistryWords):
    """``Sessions``, and what other protocols do with records of a session."""

    def begin(self, name: str = "s", *, ends_at: float = math.inf, owner: Owner = THIS_PROCESS) -> int:
        """Begin a session, and return its number."""
        return self.registry.begin(name, now=NOW, ends_at=ends_at, owner=owner).number

    def add_to(self, session: int, *paths: str, at: float = NOW) -> None:
        """Record paths in a session, in one step."""
        self.registry.add(new(*paths), at, session=session)

    @property
    def sessions(self) -> dict[int, Session]:
        """The sessions that live, by number."""
        return {session.number: session for session in self.registry.sessions()}

    def refuses(self, ends_at: float, owner: Owner) -> bool:
        """Say whether no session can begin with that."""
        try:
            self.begin(ends_at=ends_at, owner=owner)
        except InvalidArgumentError:
            return True
        return False

    def test_there_is_none_at_first(self) -> None:
        """And none is ended or renewed."""
        assert self.registry.sessions() == self.registry.sessions(ended=True) == ()
        assert self.registry.end((7,), NOW) == self.registry.end((), NOW) == 0
        assert not self.registry.renew(7, NOW)
        self.registry.let_go(7)

    def test_a_session_is_told_as_it_was_begun(self) -> None:
        """Those first that were begun first; two may have one name."""
        begun = [
            self.registry.begin("a", now=NOW, ends_at=math.inf, owner=THIS_PROCESS),
            self.registry.begin("b", now=NOW + 1, ends_at=NOW + 9, owner=SOMEBODY),
            self.registry.begin("b", now=NOW + 2, ends_at=NOW + 8, owner=None),
        ]
        assert [one[1:] for one in begun] == [
            ("a", NOW, math.inf, THIS_PROCESS, True, -1, None),
            ("b", NOW + 1, NOW + 9, SOMEBODY, None, -1, None),
            ("b", NOW + 2, NOW + 8, None, None, -1, None),
        ]
        assert list(self.registry.sessions()) == list(self.registry.sessions(ended=True)) == begun
        assert len({one.number for one in begun}) == 3

    def test_a_session_needs_an_owner_or_an_end(self) -> None:
        """And one that exists; whose session another process's is, only the registry says."""
        assert self.refuses(math.inf, None)
        assert self.refuses(math.nan, THIS_PROCESS)
        assert self.refuses(NOW + 5, ANOTHER_PROCESS)
        assert self.registry.sessions() == ()
        nobodys = self.begin(ends_at=NOW + 5, owner=None)
        for ends_at in (math.inf, math.nan):
            try:
                self.registry.renew(nobodys, ends_at)
            except InvalidArgumentError:
                continue
            raise AssertionError("it would never end")
        assert self.sessions[nobodys].ends_at == NOW + 5

    def test_a_session_has_a_name_that_can_be_written(self) -> None:
        """As UTF-8: programs are told of it in JSON."""
        try:
            self.registry.begin("\udcff", now=NOW, ends_at=NOW + 5, owner=None)
        except InvalidArgumentError:
            assert self.registry.sessions() == ()
            return
        raise AssertionError("nobody could be told of it")

    def test_heirs_inherit_a_lock_file(self) -> None:
        """Where there is one: their session lives as long as this process has not let go of it, or they have not."""
        if not self.registry.properties.heirs:
            assert self.refuses(NOW + 5, HEIRS)
            return
        number = self.begin(owner=HEIRS)
        session = self.sessions[number]
        assert (session.owner, session.alive) == (HEIRS, True)
        assert session.descriptor >= 0
        self.registry.close()
        assert self.sessions[number] == session, "closing ends none"
        assert in_child(lambda: self.sessions[number].alive) is True
        self.registry.let_go(number)
        self.registry.let_go(number)
        assert (self.sessions[number].alive, self.sessions[number].descriptor) == (False, -1)
        self.registry.end((number,), NOW)
        assert self.sessions == {}

    def test_records_of_a_session_are_due_when_it_ends(self) -> None:
        """And not before, however old they get; no ttl of their own counts beside it."""
        for number, ends_at in ((self.begin(), math.inf), (self.begin(ends_at=NOW + 500), NOW + 500)):
            self.registry.add([("/c/a", NOW + 5, None, ("x",), None, None), *new("/c/b")], NOW, session=number)
            record = self.record("/c/a")
            assert (record.session, record.due_at, record.tags) == (number, ends_at, ("x",))
            assert not self.claim(Selection(NOW + 499, 0)).records
            assert self.registry.end((number,), NOW + 20) == 2
            assert self.registry.end((number,), NOW + 30) == 0
            assert self.record("/c/a").due_at == NOW + 20
            assert self.record("/c/a").session == number
            assert not self.claim(Selection(NOW + 19, 0)).records
            claim = self.claim(Selection(NOW + 20, 1000))
            assert sorted(paths_of(claim.records)) == ["/c/a", "/c/b"]
            assert {record.session for record in claim.records} == {number}
            self.settle(claim, Status.REMOVED, Status.REMOVED)

    def test_a_sessions_time_is_its_records(self) -> None:
        """Also when it is renewed: they are due at its end, whether anybody has ended it or not."""
        number = self.begin(ends_at=NOW + 50, owner=None)
        self.add_to(number, "/c/a")
        assert self.registry.renew(number, NOW + 500)
        assert self.sessions[number].ends_at == self.record("/c/a").due_at == NOW + 500
        assert not self.claim(Selection(NOW + 499, 0)).records
        claim = self.claim_one("/c/a", Selection(NOW + 500, 1000))
        assert self.registry.renew(number, NOW + 900), "nobody has ended it, and it waits for no claim"
        self.settle(claim, Status.SKIPPED)
        assert not self.claim(Selection(NOW + 899, 0)).records
        assert self.registry.end((number,), NOW + 510) == 1
        assert not self.registry.renew(number, NOW + 999)
        assert self.record("/c/a").due_at == NOW + 510

    def test_one_that_was_renewed_is_not_ended_for_its_time(self) -> None:
        """Whoever looks and then ends what is over may come too late; who renewed it was told that it lives."""
        renewed, ends = self.begin(ends_at=NOW + 50), self.begin(ends_at=NOW + 60)
        self.add_to(renewed, "/c/a")
        self.add_to(ends, "/c/b")
        assert self.registry.renew(renewed, NOW + 500)
        assert self.registry.end((renewed, ends), NOW + 60, over=True) == 1
        assert set(self.sessions) == {renewed}
        assert self.sessions[renewed].alive
        assert self.record("/c/a").due_at == NOW + 500
        assert self.registry.end((renewed,), NOW + 60) == 1

    def test_nothing_is_registered_in_a_session_that_does_not_live(self) -> None:
        """Neither in one that has ended, nor in one that never was."""
        number = self.begin()
        self.add_to(number, "/c/a")
        self.registry.end((number,), NOW)
        for dead in (number, 12345):
            try:
                self.add_to(dead, "/c/b")
            except InvalidArgumentError:
                continue
            raise AssertionError("it was registered")
        assert "/c/b" not in self.registry.files
        assert self.registered == 1

    def test_what_is_registered_again_is_in_the_session_that_was_said_last(self) -> None:
        """Or in none."""
        first, second = self.begin(), self.begin()
        self.add_to(first, "/c/a", "/c/b", "/c/c")
        self.add_to(second, "/c/a")
        self.add("/c/b")
        self.add_one("/c/c", NOW)
        self.registry.add(new("/c/a"), NOW, only_new=True)
        assert [self.record(f"/c/{name}").session for name in "abc"] == [second, 0, 0]
        assert self.registry.end((first,), NOW) == 0
        assert self.record("/c/b").due_at is None
        assert self.registry.end((second,), NOW) == 1

    def test_another_time_does_not_lead_out_of_a_session(self) -> None:
        """Neither by ``amend`` nor through ``files``, nor where all is replaced: and its end is still theirs."""
        number = self.begin(ends_at=NOW + 500)
        self.add_to(number, "/c/a", "/c/b", "/c/c")
        self.registry.amend("/c/a", NOW - 10)
        self.registry.files["/c/b"] = NOW - 10
        self.registry.replace([("/c/a", NOW - 20), ("/c/b", self.registry.files["/c/b"]), ("/c/d", NOW)])
        for path in ("/c/a", "/c/b"):
            assert (self.record(path).session, self.record(path).due_at) == (number, NOW + 500)
        assert self.record("/c/d").session == 0
        assert self.registry.end((number,), NOW + 5) == 2
        self.registry.files["/c/a"] = NOW - 30
        assert self.record("/c/a").due_at == NOW + 5
        self.registry.replace([("/c/a", self.registry.files["/c/a"])])
        assert (self.record("/c/a").session, self.record("/c/a").due_at) == (number, NOW + 5)

    def test_an_ended_session_is_told_of_while_it_has_records(self) -> None:
        """Where somebody asks."""
        with_records, without = self.begin("a"), self.begin("b")
        self.add_to(with_records, "/c/a")
        self.registry.end((with_records, without, 999), NOW + 5)
        assert self.registry.sessions() == ()
        (found,) = self.registry.sessions(ended=True)
        assert (found.number, found.name, found.ended_at) == (with_records, "a", NOW + 5)
        self.settle(self.claim_one("/c/a", EVERY), Status.REMOVED)
        assert self.registry.sessions(ended=True) == ()
        assert self.begin() not in {with_records, without}

    def test_a_sweep_may_want_the_records_of_one_session(self) -> None:
        """By force whatever their age, else what is due of them; in pages as in claims."""
        mine, other = self.begin(), self.begin()
        self.add_to(mine, *(f"/c/{number}" for number in range(5)))
        self.add_to(other, "/c/other")
        self.add("/c/none", at=NOW - 5000)
        due, forced = Selection(NOW + 5, 100, session=mine), Selection(NOW + 5, 100, force=True, session=mine)
        assert self.pages(due, 2) == []
        assert paths_of(self.pages(forced, 2)) == [f"/c/{number}" for number in range(5)]
        self.registry.keep(["/c/3"], math.inf)
        claim = self.claim(forced, limit=2)
        assert paths_of(claim.records) == ["/c/0", "/c/1"]
        self.add_to(mine, "/c/new", at=NOW + 6)
        more = self.claim(
            forced, limit=3, after=claim.cursor, settling=settlement(claim, Status.FAILED, Status.REMOVED)
        )
        assert paths_of(more.records) == ["/c/2", "/c/4"]
        self.settle(more, Status.REMOVED, Status.REMOVED)
        assert not self.claim(forced, after=more.cursor).records, "what has failed is for another sweep"
        self.registry.end((mine,), NOW + 5)
        assert sorted(paths_of(self.pages(due, 9))) == ["/c/0", "/c/new"]
        assert paths_of(self.pages(Selection(NOW + 5, 100, patient=True, session=mine), 9)) == ["/c/new"]
        assert sorted(paths_of(self.claim(due).records)) == ["/c/0", "/c/new"]

    def test_what_a_sweep_has_claimed_is_due_when_its_session_has_ended(self) -> None:
        """Whatever becomes of it: ending waits for nobody."""
        number = self.begin()
        self.add_to(number, "/c/a", "/c/b")
        claim = self.claim(EVERY)
        assert self.registry.end((number,), NOW + 5) >= 0
        self.settle(claim, Status.KEPT, Status.SKIPPED)
        assert self.record("/c/a").due_at == self.record("/c/b").due_at == NOW + 5

    def test_what_was_rewritten_stays_in_its_session(self) -> None:
        """Where identities are kept; and its end is still the session's, also when that ends meanwhile."""
        if not self.registry.properties.keeps_identity:
            return
        number = self.begin(ends_at=NOW + 500)
        self.add_to(number, "/c/a")
        found = Other(Status.SKIPPED, Cause.REWRITTEN, found=Rewritten(Identity(1, 2, 3, 4, 5, 6), NOW + 1, 70))
        self.registry.settle(Settlement(self.claim_one("/c/a", EVERY), 1, {0: found}, NOW + 50))
        assert (self.record("/c/a").session, self.record("/c/a").due_at) == (number, NOW + 500)
        claim = self.claim_one("/c/a", EVERY)
        self.registry.end((number,), NOW + 60)
        self.registry.settle(Settlement(claim, 1, {0: found}, NOW + 70))
        assert (self.record("/c/a").session, self.record("/c/a").due_at) == (number, NOW + 60)

    def test_pins_and_holds_outlive_a_session(self) -> None:
        """Also against a sweep of that session alone."""
        number = self.begin()
        self.add_to(number, "/c/a", "/c/b")
        self.registry.keep(["/c/a"], math.inf)
        self.registry.keep(["/c/b"], math.inf, THIS_PROCESS)
        self.registry.end((number,), NOW)
        assert not self.claim(Selection(NOW, 0, force=True, session=number)).records
        assert not self.claim(later()).records

    def test_closing_ends_no_session(self) -> None:
        """Of this process: it lives, and so it says to others."""
        number = self.begin()
        self.add_to(number, "/c/a")
        self.registry.close()
        for registry in self.objects:
            (session,) = registry.sessions()
            assert (session.number, session.alive) == (number, True)
            assert (session.owner == THIS_PROCESS) is (registry is self.registry)
        assert not self.claim(later()).records

    def test_a_forked_child_owns_no_session(self) -> None:
        """Its end ends none, and in memory no sweep there takes what is in one of its parent's, not by force either."""
        number = self.begin()
        self.add_to(number, "/c/a")

        def child() -> list[object]:
            owners = [session.owner for session in self.registry.sessions()]
            own = self.begin("own")
            self.add_to(own, "/c/own")
            mine = self.sessions[own].owner
            self.registry.close()
            shared = self.registry.properties.shared_by is not SharedBy.PROCESS
            due = later() if shared else EVERY
            return [owners, mine, paths_of(self.claim(due).records), self.registry.end((own,), NOW)]

        owners = [] if self.registry.properties.shared_by is SharedBy.PROCESS else [ANOTHER_PROCESS]
        taken = ["/c/own"] if self.registry.properties.shared_by is SharedBy.PROCESS else []
        assert in_child(child) == [owners, THIS_PROCESS, taken, 1]
        assert self.sessions[number].alive
        assert self.record("/c/a").due_at == math.inf

    def test_a_session_ends_with_its_process(self) -> None:
        """As whoever asks finds; the records are due when that was said."""
        if self.registry.properties.shared_by is SharedBy.PROCESS:
            return

        def child() -> int:
            number = self.begin()
            self.add_to(number, "/c/a")
            return number

        number = in_child(child)
        self.let_lapse()
        session = self.sessions[number]
        assert (session.owner, session.alive) == (ANOTHER_PROCESS, False)
        assert not self.claim(later()).records
        assert self.registry.end((number,), NOW) == 1
        self.claim_one("/c/a", later())
