"""Roles: each can do its work, and not the others'."""

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from typing import Any

import psycopg
import pytest

from postgres_server import PostgresServer
from temp_file_manager.errors import RegistryError
from temp_file_manager.records import Selection
from temp_file_manager.registry.claim import Settlement
from temp_file_manager.registry.postgres.migration import ROLES, migrate, missing_roles
from temp_file_manager.registry.postgres.registry import PostgresRegistry
from temp_file_manager.registry.postgres.server import Server

NOW = 1_000_000.0
REFUSED = "permission denied"


@contextmanager
def acting(database: str, role: str) -> Iterator[PostgresRegistry]:
    with closing(PostgresRegistry(f"{database} options='-c role={role}'", "volume:v")) as registry:
        yield registry


def claim(registry: PostgresRegistry) -> Any:
    return registry.claim(Selection(NOW, 10.0), now=NOW, lease=30.0, limit=10)


def hold(registry: PostgresRegistry) -> None:
    registry.keep(["/v/a"], NOW + 100)


REGISTERING: list[Callable[[PostgresRegistry], object]] = [
    lambda registry: registry.add([("/v/b", None, None, (), None, None)], NOW),
    lambda registry: registry.amend("/v/a", NOW),
    lambda registry: registry.forget(["/v/a"]),
    lambda registry: registry.replace([("/v/c", NOW)]),
    hold,
    lambda registry: registry.begin("name", now=NOW, ends_at=NOW + 10, owner=None),
]
SWEEPING: list[Callable[[PostgresRegistry], object]] = [claim]
LOOKING: list[Callable[[PostgresRegistry], object]] = [
    lambda registry: registry.get(["/v/a"]),
    lambda registry: registry.page(None, now=NOW, limit=10),
    lambda registry: registry.page(Selection(NOW, 10.0), now=NOW, limit=10),
    lambda registry: registry.stats(),
    lambda registry: registry.read("history", limit=1),
    lambda registry: registry.sessions(),
    lambda registry: registry.check(now=NOW, fix=False),
    lambda registry: registry.forecast(Selection(NOW, 10.0), [1.0]),
]
NOTING: list[Callable[[PostgresRegistry], object]] = [lambda registry: registry.write("history", "x", NOW, keep=1)]


@pytest.fixture
def recorded(database: str) -> str:
    with closing(PostgresRegistry(database, "volume:v")) as registry:
        registry.add([("/v/a", None, None, (), None, None)], NOW - 100)
    return database


@pytest.mark.parametrize(
    ("role", "can", "cannot"),
    [
        ("tfm_view", LOOKING, [*REGISTERING, *SWEEPING, *NOTING]),
        ("tfm_register", [*LOOKING, *NOTING, *REGISTERING], SWEEPING),
        ("tfm_sweep", [*LOOKING, *NOTING, *SWEEPING], REGISTERING),
        ("tfm_owner", [*LOOKING, *NOTING, *REGISTERING, *SWEEPING], []),
    ],
)
def test_each_can_do_its_work_and_not_the_others(
    recorded: str,
    role: str,
    can: list[Callable[[PostgresRegistry], object]],
    cannot: list[Callable[[PostgresRegistry], object]],
) -> None:
    with acting(recorded, role) as registry:
        for work in cannot:
            with pytest.raises(RegistryError, match=REFUSED):
                work(registry)
        for work in can:
            work(registry)


def test_a_sweeper_forgets_what_it_has_removed(recorded: str) -> None:
    with acting(recorded, "tfm_sweep") as registry:
        claimed = claim(registry)
        registry.settle(Settlement(claimed, len(claimed.records), {}, NOW))
        assert registry.stats().records == 0


@pytest.mark.parametrize("role", ["tfm_view", "tfm_register", "tfm_sweep"])
def test_nobody_writes_to_a_table(recorded: str, role: str) -> None:
    with closing(psycopg.connect(f"{recorded} options='-c role={role}'", autocommit=True)) as connection:
        for sql in ("DELETE FROM tfm.files", "UPDATE tfm.files SET registered_at = 0", "TRUNCATE tfm.claims"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(sql)  # type: ignore[call-overload]


def test_a_temporary_table_of_the_callers_comes_before_none_of_ours(recorded: str) -> None:
    """What is done as the owner looks for tables where the caller can put none."""
    with closing(psycopg.connect(recorded, autocommit=True)) as connection:
        found = connection.execute(
            "SELECT proname FROM pg_proc WHERE pronamespace = 'tfm'::regnamespace"
            " AND NOT coalesce('search_path=pg_catalog, tfm, pg_temp' = ANY (proconfig), false)"
        ).fetchall()
        assert found == []
        foreign = connection.execute(
            "SELECT relname FROM pg_class WHERE relnamespace = 'tfm'::regnamespace AND relowner <> 'tfm_owner'::regrole"
        ).fetchall()
        assert foreign == []


def test_whoever_may_make_no_roles_migrates_all_the_same(postgres: PostgresServer) -> None:
    """And says which are missing. In a server of its own nobody else makes them, so they are renamed for a while."""
    name = postgres.new_database("template1")
    with closing(psycopg.connect(postgres.conninfo("postgres"), autocommit=True)) as admin:
        admin.execute("DROP ROLE IF EXISTS plain")
        admin.execute("CREATE ROLE plain LOGIN")
        admin.execute(f"GRANT CREATE ON DATABASE {name} TO plain")  # type: ignore[call-overload]
        for role in ROLES:
            admin.execute(f"ALTER ROLE {role} RENAME TO {role}_away")  # type: ignore[call-overload]
        try:
            plain = f"host={postgres.place} dbname={name} user=plain"
            with closing(Server(plain)) as server:
                migrate(server)
                assert missing_roles(server) == ROLES
        finally:
            for role in ROLES:
                admin.execute(f"ALTER ROLE {role}_away RENAME TO {role}")  # type: ignore[call-overload]
        with closing(PostgresRegistry(plain, "volume:v")) as registry:
            registry.add([("/v/a", None, None, (), None, None)], NOW)
        with closing(Server(plain)) as server:  # once they are there
            migrate(server)
            assert missing_roles(server) == ()
        with acting(postgres.conninfo(name), "tfm_view") as registry:
            assert registry.stats().records == 1
