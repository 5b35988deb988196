"""Records and claims on PostgreSQL beyond the contract: what others do meanwhile, round trips, and volumes' roots."""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, suppress
from pathlib import Path
from signal import SIGUSR1, pthread_kill, signal
from threading import Event, get_ident

import psycopg
import pytest

from postgres_processes import SCOPE, Process, Records
from temp_file_manager import TempFileManager
from temp_file_manager.causes import Cause
from temp_file_manager.chunks import Other
from temp_file_manager.errors import InvalidArgumentError, RecordClaimedError, RegistryError, RegistryUnavailableError
from temp_file_manager.records import PENDING, Identity, Kind, Nature, NewFile, Selection, Status
from temp_file_manager.registry import Claim, Looked, Settlement
from temp_file_manager.registry.postgres import arrays
from temp_file_manager.registry.postgres.registry import CHUNK, PostgresRegistry
from temp_file_manager.registry.postgres.server import Connection
from temp_file_manager.testing import NOW, in_child
from temp_file_manager.testing.threads import LONG, MOMENT, Work

EVERY = Selection(NOW + 1000, 0.0, force=True)


@pytest.fixture
def make(database: str) -> Iterator[Callable[..., PostgresRegistry]]:
    """Makes registry objects on the same records."""
    made = list[PostgresRegistry]()

    def another(root: str = "") -> PostgresRegistry:
        made.append(PostgresRegistry(database, SCOPE, root=root))
        return made[-1]

    yield another
    for registry in made:
        registry.owners.leave()
        registry.close()


@pytest.fixture
def registry(make: Callable[..., PostgresRegistry]) -> PostgresRegistry:
    return make()


@pytest.fixture
def other(make: Callable[..., PostgresRegistry]) -> PostgresRegistry:
    return make()


@pytest.fixture
def sql(database: str) -> Iterator[Records]:
    with closing(Records(database)) as records:
        yield records


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What is sent to the server, a statement a round trip."""
    statements = list[str]()
    real = Connection.execute

    def execute(self: Connection, statement: str, parameters: object = (), **how: object) -> object:
        statements.append(statement)
        return real(self, statement, parameters, **how)

    monkeypatch.setattr(Connection, "execute", execute)
    return statements


def files(*paths: str) -> list[NewFile]:
    return [(path, None, 1, (), None, None) for path in paths]


def claim(registry: PostgresRegistry, now: float = 0.0, limit: int = 99, **how: object) -> Claim:
    return registry.claim(EVERY, now=now, lease=60, limit=limit, **how)


def paths_of(taken: Claim) -> list[str]:
    return list(taken.records.paths())


# -- round trips


def test_what_finds_records_by_an_index_is_never_compiled(sql: Records) -> None:
    """Compiling takes as long as some thousand records, beside so many that the planner expects much."""
    settings = dict(sql("SELECT proname, proconfig FROM pg_proc WHERE pronamespace = 'tfm'::regnamespace"))
    by_index = {name: words for name, words in settings.items() if words and "enable_seqscan=off" in words}
    assert {"claim", "due", "settle", "add"} <= by_index.keys()
    assert [name for name, words in by_index.items() if "jit=off" not in words] == []


def test_a_thousand_are_put_on_record_in_one_round_trip(registry: PostgresRegistry, sent: list[str]) -> None:
    registry.add(files("/c/first"), NOW)
    sent.clear()
    registry.add(files(*(f"/c/{number}" for number in range(1000))), NOW)
    assert len(sent) == 1
    registry.add(files("/c/another"), NOW)
    assert len(sent) == 2


def test_a_thousand_are_retired_in_two(registry: PostgresRegistry, sent: list[str]) -> None:
    """One claims them, and one settles that and finds no more."""
    registry.add(files(*(f"/c/{number}" for number in range(1000))), NOW)
    registry.settle(Settlement(claim(registry, limit=1), 0, {}, NOW))  # so that it is known to the server
    sent.clear()
    taken = claim(registry, limit=CHUNK)
    assert len(taken.records) == 1000
    end = Settlement(taken, 1000, {}, NOW)
    assert not claim(registry, limit=CHUNK, after=taken.cursor, settling=end).records
    assert len(sent) == 2
    assert registry.stats().records == 0


# -- others, meanwhile


def test_a_claim_in_the_making_is_seen(registry: PostgresRegistry, other: PostgresRegistry, sql: Records) -> None:
    """Who changes a record while it is being claimed waits until that is done, and is refused then."""
    registry.add(files("/c/a"), NOW)
    registry.patience = 0.0
    scope = registry.scope.number
    with sql.transaction() as making:  # as a claim has it: the lock, and then the row
        making.execute("SELECT pg_advisory_xact_lock(7628397, %s)", (scope,))
        changes = [
            Work(registry.add, files("/c/a"), NOW + 1),
        ]
        sql.until_locked_out(len(changes))
        other.add(files("/c/new"), NOW)  # what is new asks nobody
        making.execute(
            "INSERT INTO tfm.claims SELECT 1, scope, %s, 'Infinity', array_agg(id), array_agg(ctid) FROM tfm.files"
            " WHERE scope = %s AND path = '/c/a' GROUP BY scope",
            (other.scope.owner, scope),
        )
    for work in changes:
        with pytest.raises(RecordClaimedError):
            work.end()
    assert registry.get(["/c/a"])["/c/a"].registered_at == NOW


def test_a_registration_in_the_making_is_not_claimed(
    registry: PostgresRegistry, other: PostgresRegistry, sql: Records
) -> None:
    """Whoever has a record's row and shares the lock keeps claims out until it is written."""
    registry.add(files("/c/a"), NOW)
    other.write("letters", None, NOW, keep=0)
    with sql.transaction() as making:
        making.execute("SELECT 1 FROM tfm.files WHERE path = '/c/a' FOR UPDATE")
        making.execute("SELECT tfm.share(%s)", (registry.scope.number,))
        claiming = Work(claim, other)
        sql.until_locked_out()
        making.execute("UPDATE tfm.files SET id = nextval('tfm.numbers') WHERE path = '/c/a'")
    assert paths_of(claiming.end()) == [], "it was registered after the sweep began"


def test_what_moved_meanwhile_is_retired_all_the_same(registry: PostgresRegistry, sql: Records) -> None:
    """A row has another place once it was written: a session's end does that to what is claimed."""
    registry.add(files("/c/a", "/c/b"), NOW)
    taken = claim(registry)
    sql("UPDATE tfm.files SET due_at = %s WHERE path = '/c/a'", NOW)
    registry.settle(Settlement(taken, 2, {}, NOW))
    assert (registry.stats().records, dict(registry.files)) == (0, {})


def test_two_that_wait_for_each_other_both_come_through(
    registry: PostgresRegistry, other: PostgresRegistry, sql: Records
) -> None:
    """The server undoes one of two changes that lock the same rows in another order; that one is tried again."""
    registry.add(files("/c/a", "/c/b"), NOW)
    gave_way = True
    while gave_way:  # on a busy machine the other may have looked, as it does once, before this one waited, too
        with suppress(psycopg.errors.DeadlockDetected), sql.transaction() as second:
            second.execute("SELECT 1 FROM tfm.files WHERE path = '/c/b' FOR UPDATE")
            adding = Work(other.add, files("/c/a", "/c/b"), NOW + 1)  # has /c/a, and waits for /c/b
            sql.until_locked_out()
            second.execute("SET deadlock_timeout = '10s'")  # so that it is the other that gives way
            second.execute("SELECT 1 FROM tfm.files WHERE path = '/c/a' FOR UPDATE")
            gave_way = False
        adding.end()
    assert set(registry.files.values()) == {NOW + 1}


def test_what_a_sweep_retires_between_the_look_and_the_record_is_looked_at_again(
    registry: PostgresRegistry, other: PostgresRegistry, sql: Records
) -> None:
    """An insertion that waits for the end of that removal has read the count of settlements after it."""
    registry.add(files("/c/a"), NOW)
    asked = list[Sequence[NewFile]]()
    other.write("letters", None, NOW, keep=0)

    def again(found: Sequence[NewFile]) -> Sequence[NewFile]:
        asked.append(found)
        return ()

    other.add(files("/c/b"), NOW)
    look = Looked(other.settlements, again)
    with sql.transaction() as settling:
        settling.execute("DELETE FROM tfm.files WHERE path = '/c/a'")
        settling.execute("UPDATE tfm.scopes SET settlements = settlements + 1")
        adding = Work(other.add, files("/c/a"), NOW + 1, looked=look)
        sql.until_locked_out()
    adding.end()
    assert len(asked) == 1
    assert set(registry.files) == {"/c/b"}


def test_threads_that_register_at_once_share_a_statement(registry: PostgresRegistry, sent: list[str]) -> None:
    """Whoever has the lock writes for all who wait; each file is on record once, as what it was registered."""
    registry.add(files("/c/first"), NOW)
    paths = [f"/c/{number}" for number in range(20)]
    units = dict.fromkeys(paths[::2], Nature(kind=Kind.UNIT))
    with registry.lock:
        adding = [Work(registry.add, files(path), NOW + 1, looked=Looked(0, list), natures=units) for path in paths]
        assert all(work.waits() for work in adding)
        sent.clear()
    for work in adding:
        work.end()
    assert len(sent) == 1
    assert set(registry.files) == {"/c/first", *paths}
    assert {path for path, record in registry.get(paths).items() if record.kind is Kind.UNIT} == units.keys()
    assert registry.stats().counters["registered"] == 21


def test_of_those_that_share_a_statement_one_may_have_to_wait(registry: PostgresRegistry) -> None:
    """The others are written without it."""
    registry.add(files("/c/claimed"), NOW)
    registry.patience = LONG
    taken = claim(registry)
    with registry.lock:
        waiting = Work(registry.add, files("/c/claimed"), NOW + 1)
        assert waiting.waits()
        adding = [Work(registry.add, files(f"/c/{number}"), NOW + 1) for number in range(5)]
        assert all(work.waits() for work in adding)
    for work in adding:
        work.end()
    assert waiting.waits()
    registry.settle(Settlement(taken, 1, {}, NOW))
    waiting.end()
    assert len(registry.files) == 6


def test_a_signal_handler_registers_in_the_middle_of_a_registration(registry: PostgresRegistry) -> None:
    """It does not wait for what it has come in the middle of."""
    registry.add(files("/c/first"), NOW)
    handled = Event()

    def handler(_number: int, _frame: object) -> None:
        handled.set()
        registry.add(files("/c/handler"), NOW)

    def hold_the_lock(main: int) -> None:
        with registry.lock:
            held.set()
            handled.wait(MOMENT)  # until it waits for the lock, mostly
            pthread_kill(main, SIGUSR1)
            assert handled.wait(LONG)

    before, held = signal(SIGUSR1, handler), Event()
    try:
        holding = Work(hold_the_lock, get_ident())
        assert held.wait(LONG)
        registry.add(files("/c/interrupted"), NOW)
        holding.end()
    finally:
        signal(SIGUSR1, before)
    assert set(registry.files) == {"/c/first", "/c/handler", "/c/interrupted"}


# -- the dead


def test_a_killed_sweeps_records_are_free_when_its_lease_is_over(registry: PostgresRegistry, database: str) -> None:
    registry.add(files("/c/a", "/c/b"), NOW)
    with Process(
        database,
        "from temp_file_manager.records import Selection\n"
        "claim = registry.claim(Selection(1e12, 0.0), now=0.0, lease=60, limit=1)\nready()\n",
    ) as sweep:
        sweep.kill()
    (first,) = paths_of(claim(registry, now=59.0))
    assert sorted([first, *paths_of(claim(registry, now=60.0))]) == ["/c/a", "/c/b"]


def test_what_sweeps_die_of_is_claimed_alone(registry: PostgresRegistry) -> None:
    """After three of them, so that it keeps them from nothing else."""
    registry.add(files("/c/deadly"), NOW)
    for turn in range(3):
        assert paths_of(claim(registry, now=100.0 * turn)) == ["/c/deadly"]
    registry.add(files("/c/a"), NOW - 1)
    registry.add(files("/c/b", "/c/c"), NOW + 1)
    first = claim(registry, now=300.0)
    assert paths_of(first) == ["/c/a"]
    second = claim(registry, now=300.0, after=first.cursor)
    assert paths_of(second) == ["/c/deadly"]
    third = claim(registry, now=300.0, after=second.cursor)
    assert sorted(paths_of(third)) == ["/c/b", "/c/c"]
    registry.settle(Settlement(second, 1, {}, NOW))
    registry.add(files("/c/deadly"), NOW)
    assert registry.stats().records == 4


def test_a_child_settles_nothing_of_its_parents(registry: PostgresRegistry) -> None:
    """And its claims are not taken for its parent's."""
    registry.add(files("/c/a", "/c/b"), NOW)
    taken = claim(registry, limit=1)

    def child() -> list[str]:
        registry.settle(Settlement(taken, 1, {}, NOW))
        return [*registry.files, *paths_of(claim(registry))]

    assert sorted(in_child(child)) == sorted(["/c/a", "/c/b", *({"/c/a", "/c/b"} - set(paths_of(taken)))])
    registry.settle(Settlement(taken, 1, {}, NOW))
    assert registry.stats().records == 1


def test_what_hangs_under_a_claim_that_is_over_keeps_no_process_alive(
    registry: PostgresRegistry, other: PostgresRegistry
) -> None:
    """It is whoever's has taken it over."""
    registry.add(files("/c/a"), NOW)
    for settling in (False, True):
        taken = claim(registry, now=0.0)
        end = Settlement(taken, 1, {0: Other(Status.FAILED, Cause.HUNG)}, NOW)
        later = claim(other, now=60.0)
        assert paths_of(later) == ["/c/a"]
        if settling:
            assert not claim(registry, now=60.0, after=taken.cursor, settling=end).records
        else:
            registry.settle(end)
        assert not registry.owners.needed
        other.settle(Settlement(later, 0, {}, NOW))


# -- volumes


def test_a_path_that_no_index_takes_is_refused_alone(database: str, tmp_path: Path) -> None:
    """Once it was taken for a server that is out of reach: with a spool nothing was sent any more."""
    within = os.open(tmp_path, os.O_RDONLY)
    path = str(tmp_path)
    while len(path) < 3000:
        name = os.urandom(100).hex()
        os.mkdir(name, dir_fd=within)
        within, above = os.open(name, os.O_RDONLY, dir_fd=within), within
        os.close(above)
        path += f"/{name}"
    os.close(within)
    for one in (f"{path}/long", str(tmp_path / "short")):
        Path(one).touch()
    with closing(TempFileManager(tmp_path, registry=PostgresRegistry(database, SCOPE))) as manager:
        report = manager.register_files([f"{path}/long", tmp_path / "short"])
        assert report.registered == 1
        ((refused, why),) = report.refused
        assert refused == f"{path}/long"
        assert "longer than the 2600 bytes that postgresql:" in why
        with pytest.raises(RegistryError, match="refuses") as told:
            manager.registry.add([(f"{path}/long", None, None, (), None, None)], NOW)
        assert not isinstance(told.value, RegistryUnavailableError)


def test_paths_are_below_the_root_wherever_that_is_mounted(make: Callable[..., PostgresRegistry]) -> None:
    here, there = make("/mnt/here"), make("/srv/there/")
    here.add(files("/mnt/here/a", "/mnt/here/d/b"), NOW)
    assert set(there.files) == {"/srv/there/a", "/srv/there/d/b"}
    assert there.get(["/srv/there/a", "/mnt/here/a"]).keys() == {"/srv/there/a"}
    assert sorted(paths_of(claim(there))) == ["/srv/there/a", "/srv/there/d/b"]
    with pytest.raises(RecordClaimedError) as refused:
        Work(_impatiently, here).end()
    assert refused.value.paths == ("/mnt/here/a",)


def _impatiently(registry: PostgresRegistry) -> None:
    registry.patience = 0.0
    registry.add(files("/mnt/here/a"), NOW)


def test_what_lies_outside_the_root_is_refused(make: Callable[..., PostgresRegistry]) -> None:
    """To record it; to look for it, or to forget it, finds nothing."""
    registry = make("/mnt/here")
    registry.add(files("/mnt/here/a"), NOW)
    for path in ("/mnt/hereafter/a", "/mnt/here", "/mnt/here/", "/a", "a"):
        with pytest.raises(InvalidArgumentError, match="/mnt/here/"):
            registry.add(files("/mnt/here/b", path), NOW)
        with pytest.raises(InvalidArgumentError, match="/mnt/here/"):
            registry.files[path] = NOW
        assert registry.get([path]) == {}
        assert registry.forget([path]) == 0
        assert registry.claimed([path], now=NOW) == set()
    assert set(registry.files) == {"/mnt/here/a"}


def test_what_somebody_has_stored_leads_to_no_path_above_the_root(
    make: Callable[..., PostgresRegistry], sql: Records
) -> None:
    """As an absolute path, which only an origin may be."""
    registry = make("/mnt/here")
    registry.add(files("/mnt/here/a"), NOW)
    sql("UPDATE tfm.files SET path = '/etc/passwd'")
    assert paths_of(claim(registry)) == ["/mnt/here//etc/passwd"]
    with pytest.raises(psycopg.errors.CheckViolation):
        sql("UPDATE tfm.files SET identity = 'short'")


def test_an_origin_may_lie_outside(make: Callable[..., PostgresRegistry]) -> None:
    here, there = make("/mnt/here"), make("/srv/there")
    away = {"/mnt/here/a": Nature(kind=Kind.QUARANTINED, origin="/mnt/here/was"), "/mnt/here/b": Nature(origin="/was")}
    here.add(files(*away), NOW, natures=away)
    found = there.get(["/srv/there/a", "/srv/there/b"])
    assert [record.origin for record in found.values()] == ["/srv/there/was", "/was"]


# -- what is stored


def test_identities_come_back_to_the_last_bit(registry: PostgresRegistry) -> None:
    """Of a file that nobody looked at, too: no file is taken for that one."""
    identities = (Identity(2**63 - 1, -(2**63), 0, 1, -1, 7), PENDING, None)
    registry.add([(f"/c/{n}", None, None, (), one, None) for n, one in enumerate(identities)], NOW)
    found = [record.identity for record in registry.get(["/c/0", "/c/1", "/c/2"]).values()]
    assert found == [*identities[:2], Identity(0, 0, 0, 0, 0)]
    places = claim(registry).records.places()
    assert places is not None
    assert {identity for _, _, identity, _ in places} == set(found)


def test_arrays_are_read_as_they_were_made(database: str) -> None:
    """With gaps and without, empty ones, and the greatest and least values."""
    given = [
        arrays.numbers([1, None, -(2**63), 2**63 - 1]),
        arrays.numbers([]),
        arrays.moments([1.5, None, float("inf"), -0.0]),
        arrays.texts(["", None, "ß", "a,b"]),
        arrays.names([b"", None, b"\0\xff", b"NULL"]),
        arrays.counts([0, -1]),
        arrays.flags([True, False]),
    ]
    with closing(psycopg.connect(database)) as connection:
        row = connection.execute("SELECT %b, %b, %b, %b, %b, %b, %b", given, binary=True).fetchone()
    assert row == (
        [1, None, -(2**63), 2**63 - 1],
        [],
        [1.5, None, float("inf"), -0.0],
        ["", None, "ß", "a,b"],
        [b"", None, b"\0\xff", b"NULL"],
        [0, -1],
        [True, False],
    )


def test_a_failure_keeps_its_place_among_many(registry: PostgresRegistry) -> None:
    """What stays is neither the first nor the last of its claim."""
    names = [f"/c/{number}" for number in range(9)]
    registry.add(files(*names), NOW)
    taken = claim(registry)
    kept = paths_of(taken)[4]
    registry.settle(Settlement(taken, 8, {4: Other(Status.FAILED, Cause.ERROR)}, NOW))
    assert set(registry.files) == {kept, paths_of(taken)[8]}
    assert registry.get([kept])[kept].failures == 1


# -- interrupts


def test_a_claim_that_is_interrupted_when_it_is_made_is_nobodys(
    registry: PostgresRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither this object nor the thread takes it for its own, and what it was on is free."""
    registry.add(files("/c/a"), NOW)
    real = Connection.execute

    def interrupted(self: Connection, statement: str, parameters: object = (), **how: object) -> object:
        answer = real(self, statement, parameters, **how)
        if "tfm.claim(" in statement:
            raise KeyboardInterrupt
        return answer

    monkeypatch.setattr(Connection, "execute", interrupted)
    into = list[Claim]()
    with pytest.raises(KeyboardInterrupt):
        claim(registry, into=into)
    monkeypatch.setattr(Connection, "execute", real)
    assert into == []
    assert [record.path for record in registry.page(EVERY, now=0.0, limit=9).records] == ["/c/a"]
    registry.add(files("/c/a"), NOW + 1)
    assert paths_of(claim(registry)) == ["/c/a"]


def test_what_is_settled_when_nobody_hears_of_it_is_settled_once(
    registry: PostgresRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The answer was lost: whoever says it again changes and counts nothing."""
    registry.add(files("/c/a", "/c/b"), NOW)
    taken = claim(registry)
    end = Settlement(taken, 2, {1: Other(Status.FAILED, Cause.ERROR)}, NOW)
    real = Connection.execute

    def interrupted(self: Connection, statement: str, parameters: object = (), **how: object) -> object:
        real(self, statement, parameters, **how)
        raise KeyboardInterrupt

    monkeypatch.setattr(Connection, "execute", interrupted)
    with pytest.raises(KeyboardInterrupt):
        registry.settle(end)
    monkeypatch.setattr(Connection, "execute", real)
    registry.settle(end)
    counters = registry.stats().counters
    assert (counters["removed"], counters["failed"], registry.stats().records) == (1, 1, 1)
