"""The fleet's server: rows of hosts, policies and their journal, roles, and how much is due."""

import math
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any
from uuid import uuid4

import psycopg
import pytest

from temp_file_manager.errors import RegistryError
from temp_file_manager.fleet.centre import BY_BYTES, BY_OVERDUE, MISSING, Centre
from temp_file_manager.fleet.host import Report
from temp_file_manager.fleet.policy import Policy
from temp_file_manager.registry.postgres.server import Server

SCOPE = "local:mill:/srv/tmp"


def report(**others: Any) -> Report:
    told: dict[str, Any] = {
        "scope": SCOPE,
        "host": "mill",
        "team": "build",
        "records": 7,
        "bytes": 4096,
        "overdue": 0.0,
        "failures": 0,
        "max_age": 3600.0,
        "health": "healthy",
        "version": "0.1.0",
        "policy": "",
        "swept_ago": None,
    }
    return Report(**told | others)


def run(database: str, sql: str, *parameters: object) -> list[tuple[Any, ...]]:
    with closing(psycopg.connect(database, autocommit=True)) as connection:
        cursor = connection.execute(sql, parameters)  # type: ignore[call-overload]
        return cursor.fetchall() if cursor.description else []


@pytest.fixture
def centre(database: str) -> Centre:
    """Of the database that the test also asks itself."""
    return Centre(Server(database))


def test_a_report_is_a_row_which_the_next_takes_the_place_of(centre: Centre) -> None:
    assert centre.report(report(swept_ago=12.0)).all == ()
    (host,) = centre.hosts(BY_OVERDUE, 10)
    assert (host.scope, host.host, host.team, host.records, host.bytes) == (SCOPE, "mill", "build", 7, 4096)
    assert host.swept_ago is not None
    assert 12 <= host.swept_ago < 100
    assert not host.missing
    centre.report(report(records=8, bytes=None))
    (host,) = centre.hosts(BY_OVERDUE, 10)
    assert (host.records, host.bytes, host.swept_ago, host.reported_by) == (8, None, None, "postgres")


def test_hosts_come_by_overdue_or_by_bytes(centre: Centre) -> None:
    centre.report(report(host="late", overdue=60.0, bytes=1))
    centre.report(report(host="large", bytes=1000))
    centre.report(report(host="unknown", bytes=None))
    assert [host.host for host in centre.hosts(BY_OVERDUE, 2)] == ["late", "large"]
    assert [host.host for host in centre.hosts(BY_BYTES, 10)] == ["large", "late", "unknown"]


def test_who_was_not_seen_for_two_minutes_is_missed_and_after_a_week_forgotten(centre: Centre, database: str) -> None:
    for host in ("here", "silent", "gone"):
        centre.report(report(host=host))
    run(database, "UPDATE tfm.hosts SET seen_at = seen_at - 121 WHERE host = 'silent'")
    run(database, "UPDATE tfm.hosts SET seen_at = seen_at - 604801 WHERE host = 'gone'")
    assert [(host.host, host.missing) for host in centre.hosts(MISSING, 10)] == [("gone", True), ("silent", True)]
    assert (centre.totals().hosts, centre.totals().missing) == (3, 2)
    centre.report(report(host="here"))
    assert [host.host for host in centre.hosts(MISSING, 10)] == ["silent"]


def test_totals_count_a_scope_that_hosts_share_once(centre: Centre) -> None:
    centre.report(report(scope="volume:scratch", host="a", records=5, bytes=50, overdue=3.0))
    centre.report(report(scope="volume:scratch", host="b", records=6, bytes=60, overdue=2.0))
    centre.report(report(records=1, bytes=None))
    totals = centre.totals()
    assert (totals.hosts, totals.scopes, totals.records, totals.bytes, totals.late) == (3, 2, 7, 60, 1)


def test_what_ends_with_its_process_takes_its_row_back(centre: Centre) -> None:
    centre.report(report())
    centre.leave(SCOPE, "mill")
    assert centre.hosts(BY_OVERDUE, 10) == ()


@pytest.mark.parametrize(
    ("target", "about"),
    [
        ("team:build", True),
        ("team:other", False),
        ("team:*", False),
        ("scope:*", True),
        ("scope:local:mill:*", True),
        (f"scope:{SCOPE}", True),
        ("scope:local:m_ll:*", False),
        ("scope:local:m%", False),
        ("scope:volume:*", False),
    ],
)
def test_a_policy_is_told_to_whom_it_is_about(centre: Centre, target: str, about: bool) -> None:
    made = centre.set(Policy(target, max_age=60.0))
    assert centre.report(report()).all == ((made,) if about else ())


def test_a_backslash_in_a_target_stands_for_itself(centre: Centre) -> None:
    made = centre.set(Policy("scope:local:m\\*", paused=True))
    assert centre.report(report(scope="local:m\\x:/")).all == (made,)
    assert centre.report(report(scope="local:m*")).all == ()


def test_what_the_server_knows_of_a_volumes_team_wins(centre: Centre, database: str) -> None:
    run(database, "INSERT INTO tfm.scopes (name, kind, team) VALUES ('volume:scratch', 'volume', 'data')")
    centre.set(Policy("team:data", paused=True))
    assert centre.report(report(scope="volume:scratch", team="build")).pausing is not None
    assert centre.hosts(BY_OVERDUE, 1)[0].team == "data"


def test_the_journal_says_who_changed_what(centre: Centre) -> None:
    made = centre.set(Policy("team:build", max_age=60.0, max_bytes=10, max_files=5, paused=True))
    assert made.set_by == "postgres"
    assert centre.policies().all == (made,)
    assert centre.clear("team:build")
    assert not centre.clear("team:build")
    cleared, set_ = centre.journal(10)
    assert (set_.target, set_.changed_by, set_.policy) == ("team:build", "postgres", made)
    assert (cleared.target, cleared.policy) == ("team:build", None)


@pytest.mark.parametrize(
    "wrong",
    [
        Policy("team:"),
        Policy("build", paused=True),
        Policy("team:build"),  # which says nothing
        Policy("team:build", max_age=-1.0),
        Policy("team:build", max_age=math.inf),
        Policy("team:build", max_age=math.nan),
        Policy("team:build", max_bytes=0),
    ],
)
def test_the_server_refuses_a_policy_that_means_nothing(centre: Centre, wrong: Policy) -> None:
    with pytest.raises(RegistryError):
        centre.set(wrong)
    assert centre.journal(10) == ()


@pytest.mark.parametrize("wrong", [{"overdue": math.nan}, {"swept_ago": math.inf}, {"host": "x" * 301}])
def test_the_server_refuses_a_report_that_nobody_could_be_shown(centre: Centre, wrong: dict[str, Any]) -> None:
    with pytest.raises(RegistryError, match="check constraint"):
        centre.report(report(**wrong))


def test_an_endless_age_is_described_as_json_can_have_it(centre: Centre) -> None:
    centre.report(report(max_age=math.inf))
    assert centre.hosts(BY_OVERDUE, 1)[0].described()["max_age"] == "inf"


# -- roles


@contextmanager
def role(database: str, group: str) -> Iterator[Centre]:
    """Give what asks as somebody who is in a group that may be there already, as other databases have it, too."""
    name = f"person_{uuid4().hex[:8]}"
    run(database, f"DO $$ BEGIN CREATE ROLE {group}; EXCEPTION WHEN duplicate_object THEN NULL; END $$")
    run(database, f"CREATE ROLE {name} LOGIN IN ROLE {group}")
    run(database, "SELECT tfm.grant_fleet()")
    try:
        yield Centre(Server(f"{database} user={name}"))
    finally:
        run(database, f"DROP ROLE {name}")


@pytest.mark.parametrize("group", ["tfm_register", "tfm_sweep"])
def test_who_may_report_may_not_set_policies(database: str, group: str) -> None:
    with role(database, group) as centre:
        centre.report(report())
        assert centre.hosts(BY_OVERDUE, 1)[0].reported_by.startswith("person_")
        for refused in (lambda: centre.set(Policy("scope:*", max_age=0.0)), lambda: centre.clear("scope:*")):
            with pytest.raises(RegistryError, match="permission denied"):
                refused()
        conninfo = f"{database} user={centre.hosts(BY_OVERDUE, 1)[0].reported_by}"
        for sql in ("DELETE FROM tfm.policies", "UPDATE tfm.hosts SET records = 0", "DELETE FROM tfm.policy_journal"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                run(conninfo, sql)


def test_who_may_look_may_not_report(database: str) -> None:
    with role(database, "tfm_view") as centre:
        assert centre.hosts(BY_OVERDUE, 10) == ()
        assert centre.totals().hosts == centre.backlog("volume:scratch") == 0
        with pytest.raises(RegistryError, match="permission denied"):
            centre.report(report())


def test_an_owner_sets_policies_in_its_own_name(database: str) -> None:
    with role(database, "tfm_owner") as centre:
        made = centre.set(Policy("scope:*", paused=True))
        assert made.set_by.startswith("person_")
        assert centre.clear("scope:*")


def test_a_stranger_may_nothing(database: str) -> None:
    with role(database, "strangers") as centre, pytest.raises(RegistryError, match="permission denied"):
        centre.backlog("volume:scratch")


# -- backlog

AT = "extract(epoch FROM clock_timestamp())"


def volume(database: str) -> int:
    sql = "INSERT INTO tfm.scopes (name, kind) VALUES ('volume:scratch', 'volume') RETURNING id"
    return int(run(database, sql)[0][0])


def add(database: str, scope: int, count: int, *, ago: float, due_in: float | None = None, again: float = -1) -> None:
    due = "NULL" if due_in is None else f"{AT} + {due_in}"
    sql = (
        "INSERT INTO tfm.files (scope, owner, path, registered_at, due_at, retry_at) "
        f"SELECT %s, 1, decode(md5(random()::text), 'hex'), {AT} - %s, {due}, {AT} + %s FROM generate_series(1, %s)"
    )
    run(database, sql, scope, ago, again, count)


def test_backlog_of_a_scope_that_nobody_has_swept_goes_by_the_settings_default(centre: Centre, database: str) -> None:
    assert centre.backlog("volume:scratch") == 0
    scope = volume(database)
    add(database, scope, 3, ago=3700)
    add(database, scope, 5, ago=3500)
    assert centre.backlog("volume:scratch") == 3


def test_backlog_goes_by_the_max_age_that_was_told_last(centre: Centre, database: str) -> None:
    scope = volume(database)
    add(database, scope, 3, ago=100)
    centre.report(report(scope="volume:scratch", host="old", max_age=10.0))
    run(database, "UPDATE tfm.hosts SET seen_at = seen_at - 60")
    assert centre.backlog("volume:scratch") == 3
    centre.report(report(scope="volume:scratch", host="new", max_age=math.inf))
    assert centre.backlog("volume:scratch") == 0


def test_backlog_counts_own_ends_and_leaves_out_what_waits_for_its_next_try(centre: Centre, database: str) -> None:
    scope = volume(database)
    add(database, scope, 2, ago=0, due_in=-1)
    add(database, scope, 9, ago=9999, due_in=500)
    assert centre.backlog("volume:scratch") == 2
    add(database, scope, 4, ago=9999, again=600)
    assert centre.backlog("volume:scratch") == 2


def test_backlog_of_another_scope_is_not_counted(centre: Centre, database: str) -> None:
    add(database, volume(database), 2, ago=9999)
    assert centre.backlog("volume:other") == 0
