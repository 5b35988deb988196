"""Holds, sessions and what else ends with an owner on PostgreSQL, where nothing but a lapse tells that one is dead."""

import logging
import math
import socket
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from threading import Event, Semaphore
from typing import Any

import pytest
from psycopg.errors import DeadlockDetected

from interrupts import everywhere, interrupted, stop
from postgres_processes import SCOPE, Process, Records
from temp_file_manager.errors import InvalidArgumentError, RecordClaimedError, RegistryError
from temp_file_manager.records import Ruled, Selection
from temp_file_manager.registry import THIS_PROCESS
from temp_file_manager.registry.counters import of_sweep
from temp_file_manager.registry.postgres.keeps import PostgresKeeps
from temp_file_manager.registry.postgres.owners import FOLDED, RENEWAL, Owners
from temp_file_manager.registry.postgres.registry import PostgresRegistry
from temp_file_manager.registry.postgres.scope import Scope
from temp_file_manager.registry.postgres.server import Server
from temp_file_manager.sessions import ANOTHER_PROCESS, HEIRS, ProcessIdentity
from temp_file_manager.testing import NOW, in_child
from temp_file_manager.testing.contract.keeps import KeepsContract
from temp_file_manager.testing.contract.natures import NaturesContract
from temp_file_manager.testing.contract.sessions import SessionsContract
from temp_file_manager.testing.threads import LONG, Work

EVERY = Selection(NOW + 1000, 0.0, force=True)
HOLD = 'registry.keep(["/c/a"], math.inf, THIS_PROCESS)\n'
ANOTHER = "another.example.org"


@pytest.fixture
def sql(database: str) -> Iterator[Records]:
    with closing(Records(database)) as records:
        yield records


@pytest.fixture
def make(database: str) -> Iterator[Callable[[], PostgresRegistry]]:
    """Makes registry objects, each of which is an owner of its own, as on a host of its own."""
    made = list[PostgresRegistry]()

    def another() -> PostgresRegistry:
        made.append(PostgresRegistry(database, SCOPE))
        return made[-1]

    yield another
    for registry in made:
        registry.owners.leave()
        registry.close()


@pytest.fixture
def here(make: Callable[[], PostgresRegistry]) -> PostgresRegistry:
    """A registry with two records."""
    registry = make()
    registry.add([(path, None, None, (), None, None) for path in ("/c/a", "/c/b")], NOW)
    return registry


@pytest.fixture
def there(make: Callable[[], PostgresRegistry]) -> PostgresRegistry:
    """The same records, as another host sees them."""
    registry = make()
    registry.write("letters", None, NOW, keep=0)
    return registry


def free(registry: PostgresRegistry) -> list[str]:
    """Return what a sweep of everything finds."""
    return sorted(record.path for record in registry.page(EVERY, now=0.0, limit=9).records)


def hold(registry: PostgresRegistry) -> tuple[str, ...]:
    return registry.keep(["/c/a"], math.inf, THIS_PROCESS)


class Parts:
    """Owners and keeps of a scope, with a pause that a test ends."""

    def __init__(self, database: str) -> None:
        self.server = Server(database)
        self.scope = Scope(self.server, SCOPE)
        self.paused, self._go_on = Semaphore(0), Semaphore(0)
        self.now = 0.0
        self.owners = Owners(self.scope, self._pause, lambda: self.now)
        self.keeps = PostgresKeeps(self.scope, self.owners)

    def _pause(self, idle: Event, seconds: float) -> None:
        assert seconds == RENEWAL
        self.paused.release()
        assert idle.is_set() or self._go_on.acquire(timeout=LONG)

    def end(self) -> None:
        """Let the thread end."""
        self.owners.leave()
        self._go_on.release()
        self.server.close()

    def after_a_pause(self) -> None:
        """Let the renewing thread do what comes after its pause; return when it has begun to."""
        assert self.paused.acquire(timeout=LONG)
        self._go_on.release()


@pytest.fixture
def parts(database: str, here: PostgresRegistry) -> Iterator[Parts]:
    made = Parts(database)
    yield made
    made.end()


# -- holds


def test_a_hold_ends_when_its_owner_has_not_been_seen(
    here: PostgresRegistry, there: PostgresRegistry, sql: Records
) -> None:
    hold(here)
    assert free(there) == ["/c/b"]
    sql.age(here, seconds=110)
    assert free(there) == ["/c/b"]
    sql.age(here, seconds=20)
    assert free(there) == ["/c/a", "/c/b"]


def test_what_comes_back_within_the_hour_holds_again(
    here: PostgresRegistry, there: PostgresRegistry, sql: Records
) -> None:
    """It was cut off, or stopped: nobody has swept meanwhile, and its hold is there."""
    hold(here)
    sql.age(here, seconds=3000)
    sql("SELECT tfm.fold(%s)", there.scope.number)
    assert free(there) == ["/c/a", "/c/b"]
    hold(here)
    here.release(["/c/a"], THIS_PROCESS)
    assert free(there) == ["/c/b"]
    sql.age(here, seconds=4000)
    sql("SELECT tfm.fold(%s)", there.scope.number)
    assert sql("SELECT count(*) FROM tfm.keeps") == [(0,)]


def test_a_holder_that_is_killed_holds_until_it_lapses(here: PostgresRegistry, sql: Records, database: str) -> None:
    with Process(database, HOLD + "ready()") as other:
        other.kill()
    assert free(here) == ["/c/b"]
    sql.age()
    assert free(here) == ["/c/a", "/c/b"]


def test_a_holder_that_ends_says_so(here: PostgresRegistry, database: str) -> None:
    """With its sessions, and what it is within, though it closes nothing."""
    work = "registry.begin('s', now=1.0, ends_at=math.inf, owner=THIS_PROCESS)\nalone = registry.exclusive('x')\n"
    with Process(database, HOLD + work + "assert alone.__enter__()\nready()") as other:
        assert free(here) == ["/c/b"]
        assert other.go_on() == 0
    assert free(here) == ["/c/a", "/c/b"]
    assert [session.alive for session in here.sessions()] == [False]
    with here.exclusive("x") as alone:
        assert alone


def test_the_end_of_a_child_ends_nothing_of_its_parents(here: PostgresRegistry, database: str) -> None:
    """Also when the child ends as programs do, by what it has inherited to be done at exit."""
    work = "child = os.fork()\nif not child:\n    sys.exit(0)\nassert os.waitpid(child, 0)[1] == 0\nready()"
    with Process(database, HOLD + work):
        assert free(here) == ["/c/b"]


def test_closing_ends_no_hold(here: PostgresRegistry, there: PostgresRegistry) -> None:
    hold(here)
    here.close()
    assert free(there) == ["/c/b"]
    here.release(["/c/a"], THIS_PROCESS)
    assert free(there) == ["/c/a", "/c/b"]


def test_an_interrupted_hold_is_held_or_not(here: PostgresRegistry, there: PostgresRegistry) -> None:
    """Its row counts, whoever was told of it; and as long as there is one, the server hears of this process."""

    def at(point: int) -> bool:
        with suppress(KeyboardInterrupt), interrupted(point, "postgres/keeps.py", stop) as reached:
            hold(here)
        held = here.get(["/c/a"])["/c/a"].held
        assert (free(there) == ["/c/b"]) is held
        if held:
            here.release(["/c/a"], THIS_PROCESS)
        assert free(there) == ["/c/a", "/c/b"]
        return reached()

    assert everywhere(at) > 3


def test_of_two_pins_at_a_time_the_last_stays(here: PostgresRegistry, there: PostgresRegistry, sql: Records) -> None:
    here.keep(["/c/a", "/c/a"], NOW + 50)
    there.keep(["/c/a"], NOW + 5)
    assert sql("SELECT until FROM tfm.keeps") == [(NOW + 5,)]


def test_what_is_claimed_at_this_moment_is_not_kept(here: PostgresRegistry, sql: Records) -> None:
    """A claim that is not yet committed is waited for, and then found."""
    here.patience = 0.0
    scope = here.scope.number
    with sql.transaction() as claiming:
        claiming.execute("SELECT pg_advisory_xact_lock(7628397, %s)", (scope,))
        keeping = Work(hold, here)
        sql.until_locked_out()
        claiming.execute(
            "INSERT INTO tfm.claims (id, scope, claimer, lapses_at, files, places) SELECT 1, scope, %s, 'Infinity', "
            "array_agg(id), '{}' FROM tfm.files GROUP BY scope",
            (here.scope.owner + 1,),
        )
        claiming.execute(
            "INSERT INTO tfm.owners (id, scope, seen_at, process) VALUES (%s, %s, tfm.moment(), 'x')",
            (here.scope.owner + 1, scope),
        )
    with pytest.raises(RecordClaimedError):
        keeping.end()
    assert sql("SELECT count(*) FROM tfm.keeps") == [(0,)]


# -- the thread that renews


def test_an_owner_is_seen_while_it_holds_anything(parts: Parts, sql: Records) -> None:
    """And its thread ends when it does not."""
    keeps = parts.keeps
    keeps.keep(["/c/a"], math.inf, THIS_PROCESS)
    sql.age()
    parts.after_a_pause()
    parts.after_a_pause()
    assert parts.paused.acquire(timeout=LONG)  # or it may not have seen yet that it was needed
    parts.paused.release()
    assert sql("SELECT tfm.lives(%s)", parts.scope.owner) == [(True,)]
    keeps.release(["/c/a"], THIS_PROCESS)
    assert not parts.owners.needed
    parts.after_a_pause()
    keeps.keep(["/c/a"], math.inf, THIS_PROCESS)
    assert parts.owners.needed
    sql.age()
    parts.after_a_pause()
    assert parts.paused.acquire(timeout=LONG)
    assert sql("SELECT tfm.lives(%s)", parts.scope.owner) == [(True,)]


def test_whoever_was_not_heard_of_for_too_long_says_so(
    parts: Parts, sql: Records, caplog: pytest.LogCaptureFixture
) -> None:
    """Others may have swept what it held. An outage is told of once."""
    parts.owners.renew()
    assert not caplog.records
    sql.age(seconds=121)
    parts.owners.renew()
    assert [record.levelno for record in caplog.records] == [logging.WARNING]
    assert "may have swept" in caplog.text
    caplog.clear()
    sql("ALTER TABLE tfm.owners RENAME TO gone")
    parts.owners.renew()
    parts.owners.renew()
    assert [record.levelno for record in caplog.records] == [logging.WARNING]
    assert "lapses" in caplog.text
    sql("ALTER TABLE tfm.gone RENAME TO owners")
    parts.owners.renew()
    assert len(caplog.records) == 1


def test_whoever_claims_is_seen(here: PostgresRegistry, there: PostgresRegistry, sql: Records) -> None:
    """So nobody takes its claim for a dead one's, however long it had not been heard of."""
    sql.age(here)
    claim = here.claim(EVERY, now=0.0, lease=60.0, limit=9)
    assert len(claim.records) == 2
    assert free(there) == []


def test_what_takes_long_to_write_keeps_nobody_from_being_seen(parts: Parts, sql: Records) -> None:
    """Or a hold would lapse while its own process writes down a million files."""
    parts.scope.enter()
    sql.age()
    parts.server.writer.transaction(lambda _: Work(parts.owners.renew).end())
    assert sql("SELECT tfm.lives(%s)", parts.scope.owner) == [(True,)]


def test_a_change_that_the_server_has_undone_for_another_is_tried_again(
    here: PostgresRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As when two waited for each other. Not for ever: something else must be wrong then."""
    writer, left = here.server.writer, [3]
    execute = writer.execute

    def undone(*args: Any, **named: Any) -> Any:
        if left[0]:
            left[0] -= 1
            raise RegistryError("undone") from DeadlockDetected()
        return execute(*args, **named)

    monkeypatch.setattr(writer, "execute", undone)
    here.write("letters", "a", NOW, keep=9)
    assert [note.text for note in here.read("letters", limit=9)] == ["a"]
    left[0] = 1000
    with pytest.raises(RegistryError, match="undone"):
        here.write("letters", "b", NOW, keep=9)


# -- what is exclusive


def test_what_one_process_is_within_no_other_is(here: PostgresRegistry, database: str, sql: Records) -> None:
    """Until it leaves, or lapses."""

    def within() -> bool:
        with here.exclusive("x") as alone:
            return alone

    work = "with registry.exclusive('x') as alone:\n    assert alone\n    ready()\n"
    with Process(database, work) as other:
        assert not within()
        assert other.go_on() == 0
        assert within()
    with Process(database, work) as other:
        other.kill()
        assert not within()
        sql.age()
        assert within()


def test_whoever_comes_back_too_late_leaves_nothing_of_anothers(
    here: PostgresRegistry, there: PostgresRegistry, sql: Records
) -> None:
    with here.exclusive("x") as first:
        sql.age(here)
        with there.exclusive("x") as second:
            assert (first, second) == (True, True)
            with here.exclusive("x") as again:
                assert not again
        sql.age(here)
        with there.exclusive("x") as second:
            here.exclusive("x")
            assert second
    assert sql("SELECT count(*) FROM tfm.exclusives") == [(0,)]


def test_work_that_is_done_is_done_whether_the_server_hears_of_it_or_not(
    here: PostgresRegistry, sql: Records, caplog: pytest.LogCaptureFixture
) -> None:
    with here.exclusive("x") as alone:
        assert alone
        sql("ALTER TABLE tfm.exclusives RENAME TO gone")
    assert "two minutes" in caplog.text
    sql("ALTER TABLE tfm.gone RENAME TO exclusives")
    with here.exclusive("x") as alone:
        assert not alone
    sql.age()
    with here.exclusive("x") as alone:
        assert alone


# -- sessions


def test_a_session_across_hosts(here: PostgresRegistry, there: PostgresRegistry, sql: Records) -> None:
    """Its own host knows that it lives; another one by the server's clock, and ends it when it does not."""
    session = here.begin("s", now=NOW, ends_at=math.inf, owner=THIS_PROCESS)
    here.add([("/c/s", None, None, (), None, None)], NOW, session=session.number)
    assert [(one.owner, one.alive) for one in there.sessions()] == [(ANOTHER_PROCESS, True)]
    sql.age(here)
    assert [(one.owner, one.alive) for one in there.sessions()] == [(ANOTHER_PROCESS, False)]
    assert [(one.owner, one.alive) for one in here.sessions()] == [(THIS_PROCESS, True)]
    assert there.end([session.number], NOW + 5) == 1
    assert here.sessions() == ()
    assert here.get(["/c/s"])["/c/s"].due_at == NOW + 5


@pytest.mark.parametrize(("scope", "told"), [(SCOPE, False), ("local:here:/c", True)])
def test_a_process_of_another_host_is_not_taken_for_one_of_this(
    database: str, monkeypatch: pytest.MonkeyPatch, scope: str, told: bool
) -> None:
    """Each host has a process 1: whether it lives, only its own host can tell. A local scope has one host."""
    process = ProcessIdentity(1, 2, "boot", 3)
    with closing(PostgresRegistry(database, scope)) as registry:
        registry.begin("s", now=NOW, ends_at=NOW + 5, owner=process)
        assert registry.sessions()[0].owner == process
        monkeypatch.setattr(socket, "gethostname", lambda: ANOTHER)
        (session,) = registry.sessions()
        assert (session.owner, session.alive) == (process if told else ANOTHER_PROCESS, None)


def test_a_session_that_is_not_for_here_is_refused(here: PostgresRegistry) -> None:
    """With what to do instead."""
    with pytest.raises(InvalidArgumentError, match=r"ttl.*sqlite:"):
        here.begin("s", now=NOW, ends_at=math.inf, owner=HEIRS)
    with pytest.raises(InvalidArgumentError, match="choose another"):
        here.begin("a\0b", now=NOW, ends_at=NOW + 5, owner=None)
    assert here.sessions() == ()


def test_what_comes_into_a_session_as_it_ends_is_due(here: PostgresRegistry, sql: Records) -> None:
    """Its end waits for those who are putting records into it."""
    number = here.begin("s", now=NOW, ends_at=math.inf, owner=THIS_PROCESS).number
    with sql.transaction() as adding:
        adding.execute("SELECT ends_at FROM tfm.sessions WHERE id = %s FOR SHARE", (number,))
        ending = Work(here.end, [number], NOW + 5)
        sql.until_locked_out()
        adding.execute("UPDATE tfm.files SET session = %s, due_at = 'Infinity' WHERE path = '/c/a'", (number,))
    assert ending.end() == 1
    assert here.get(["/c/a"])["/c/a"].due_at == NOW + 5


# -- rules


def test_to_rule_waits_for_nobody(here: PostgresRegistry, sql: Records) -> None:
    """What somebody is changing is passed over."""
    records = here.get(["/c/a", "/c/b"]).values()
    with sql.transaction() as changing:
        changing.execute("UPDATE tfm.files SET failures = 1 WHERE path = '/c/a'")
        here.ruled([Ruled(record, "charts", NOW) for record in records])
        assert here.rules() == {"charts": 1}
    here.ruled([Ruled(record, "charts", NOW) for record in records])
    assert here.rules() == {"charts": 2}


# -- totals


def test_totals_of_the_dead_are_gathered(here: PostgresRegistry, there: PostgresRegistry, sql: Records) -> None:
    """They stay what they are; those of owners that live are left to them."""
    here.write("sweeps", None, NOW, keep=0, counters=of_sweep(0.5))
    there.write("sweeps", None, NOW, keep=0, counters=of_sweep(0.25))
    before, scope = here.stats(), there.scope.number
    sql.age(here)
    sql("SELECT tfm.fold(%s)", scope)
    assert here.stats() == before
    owners = "SELECT DISTINCT owner FROM tfm.totals WHERE value <> 0 ORDER BY owner"
    assert sql(owners) == [(0,), (there.scope.owner,)]
    assert sql("SELECT id FROM tfm.owners") == [(there.scope.owner,)]
    here.add([("/c/more", None, 7, ("x",), None, None)], NOW)
    assert (here.stats().records, there.stats().records) == (3, 3)
    sql.age()
    sql("SELECT tfm.fold(%s)", scope)
    assert (here.stats().records, here.stats().bytes, here.sums(["x"])) == (3, 7, (1, 7))
    assert sql(owners) == [(0,)]
    assert not here.check(now=0.0, fix=False)


def test_who_gathers_waits_for_nobody_who_counts(here: PostgresRegistry, there: PostgresRegistry, sql: Records) -> None:
    """What is being added to stays until the next time."""
    sql.age()
    with sql.transaction() as counting:
        counting.execute("UPDATE tfm.totals SET value = value + 1 WHERE owner = %s", (here.scope.owner,))
        sql("SELECT tfm.fold(%s)", there.scope.number)
    assert sql("SELECT DISTINCT owner FROM tfm.totals WHERE value <> 0") == [(here.scope.owner,)]
    sql("SELECT tfm.fold(%s)", there.scope.number)
    assert sql("SELECT DISTINCT owner FROM tfm.totals WHERE value <> 0") == [(0,)]


def test_a_sweep_that_begins_gathers_them(parts: Parts, sql: Records) -> None:
    """Not more than once a minute."""
    owners, others = parts.owners, "SELECT count(*) FROM tfm.owners WHERE process = 'x'"
    parts.scope.enter()
    for later, left in ((0.0, 0), (FOLDED - 1, 1), (FOLDED, 0)):
        parts.now = later
        sql("INSERT INTO tfm.owners (scope, seen_at, process) VALUES (%s, 0, 'x')", parts.scope.number)
        owners.fold()
        assert sql(others) == [(left,)]


def test_a_claim_that_begins_a_sweep_gathers_them(here: PostgresRegistry, sql: Records) -> None:
    sql("INSERT INTO tfm.owners (scope, seen_at, process) VALUES (%s, 0, 'x')", here.scope.number)
    here.claim(EVERY, now=0.0, lease=60.0, limit=1)
    assert sql("SELECT count(*) FROM tfm.owners WHERE process = 'x'") == [(0,)]


def test_what_cannot_be_gathered_stops_no_sweep(
    here: PostgresRegistry, sql: Records, caplog: pytest.LogCaptureFixture
) -> None:
    sql("DROP FUNCTION tfm.fold")
    assert len(here.claim(EVERY, now=0.0, lease=60.0, limit=9).records) == 2
    assert "gathered later" in caplog.text


# -- what a check finds


def test_a_check_finds_what_the_dead_have_left(here: PostgresRegistry, there: PostgresRegistry, sql: Records) -> None:
    """And puts it right when it is told to."""
    hold(here)
    hold(here)
    number = here.begin("s", now=NOW, ends_at=math.inf, owner=THIS_PROCESS).number
    assert not there.check(now=0.0, fix=True)
    sql.age(here)
    kinds = ["hold of a dead process", "session of a dead process"]
    for fix in (False, True):
        found = there.check(now=0.0, fix=fix)
        assert [(one.kind, one.fixed) for one in found] == [(kind, fix) for kind in kinds]
    assert [one.subject for one in found] == ["/c/a", f"{number} s"]
    assert "2 times" in found[0].explanation
    assert not there.check(now=0.0, fix=False)
    assert there.sessions() == ()
    sql("UPDATE tfm.owners SET seen_at = tfm.moment()")
    assert free(there) == ["/c/a", "/c/b"]


def test_a_check_finds_counts_that_do_not_fit(here: PostgresRegistry, sql: Records) -> None:
    here.add([("/c/t", None, 7, ("x",), None, None), ("/c/u", None, 5, ("y",), None, None)], NOW)
    assert not here.check(now=0.0, fix=False)
    sql("UPDATE tfm.totals SET value = value + 3 WHERE name = 'records'")
    sql("DELETE FROM tfm.tagged WHERE bytes = 5")
    sql("UPDATE tfm.tagged SET bytes = bytes - 2 WHERE bytes = 7")
    for fix in (False, True):
        found = here.check(now=0.0, fix=fix)
        assert sorted(one.explanation for one in found) == [
            "0 by its counter, 1 by counting",
            "0 by its counter, 5 by counting",
            "5 by its counter, 7 by counting",
            "7 by its counter, 4 by counting",
        ]
        assert {one.fixed for one in found} == {fix}
    assert not here.check(now=0.0, fix=True)
    assert (here.stats().records, here.sums(["x"]), here.sums(["y"])) == (4, (1, 7), (1, 5))


# -- forks


def test_a_forked_child_is_an_owner_of_its_own(here: PostgresRegistry, there: PostgresRegistry) -> None:
    """Which has no part in what its parent holds, and leaves nothing behind that ends it."""
    hold(here)
    number = here.begin("s", now=NOW, ends_at=math.inf, owner=THIS_PROCESS).number

    def child() -> list[object]:
        here.release(["/c/a"], THIS_PROCESS)
        here.keep(["/c/b"], math.inf, THIS_PROCESS)
        mine = [one.owner for one in here.sessions()]
        nothing_held = free(here)
        here.release(["/c/b"], THIS_PROCESS)
        here.close()
        return [mine, nothing_held, here.scope.owner]

    mine, nothing_held, owner = in_child(child)
    assert (mine, nothing_held) == ([ANOTHER_PROCESS], [])
    assert owner != here.scope.owner
    assert free(there) == ["/c/b"]
    assert [(one.number, one.alive) for one in there.sessions()] == [(number, True)]
    here.release(["/c/a"], THIS_PROCESS)
    assert free(there) == ["/c/a", "/c/b"]


def test_a_child_that_is_forked_within_lets_nobody_in(here: PostgresRegistry, there: PostgresRegistry) -> None:
    """Though it leaves the block, too."""
    block = here.exclusive("x")
    assert block.__enter__()

    def child() -> bool:
        block.__exit__(None, None, None)
        with here.exclusive("x") as alone:
            return alone

    assert in_child(child) is False
    with there.exclusive("x") as alone:
        assert not alone
    block.__exit__(None, None, None)
    with there.exclusive("x") as alone:
        assert alone


# -- the contract where paths are stored below a root


class TestBelowARoot(KeepsContract, SessionsContract, NaturesContract):
    @pytest.fixture(autouse=True)
    def _place(self, database: str) -> None:
        self.place = database

    def make_registry(self) -> PostgresRegistry:
        return PostgresRegistry(self.place, SCOPE, root="/c")

    def teardown_method(self) -> None:
        for one in self.objects:
            assert isinstance(one, PostgresRegistry)
            one.owners.leave()
        super().teardown_method()

    def let_lapse(self) -> None:
        living = [one.scope.owner for one in self.objects if isinstance(one, PostgresRegistry)]
        with closing(Records(self.place)) as sql:
            sql("UPDATE tfm.owners SET seen_at = seen_at - 200 WHERE id <> ALL (%s)", living)
