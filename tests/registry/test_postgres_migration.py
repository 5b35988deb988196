"""Migrations: by one at a time, all or nothing, and what older and newer versions do with what they find."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg
import pytest

from postgres_server import PostgresServer
from temp_file_manager.errors import RegistryError
from temp_file_manager.registry.postgres import migration
from temp_file_manager.registry.postgres.migration import migrate, schema_of
from temp_file_manager.registry.postgres.registry import PostgresRegistry
from temp_file_manager.registry.postgres.server import Server
from temp_file_manager.registry.postgres.sql import MIGRATIONS
from temp_file_manager.registry.schemes import open_registry


@pytest.fixture
def empty(postgres: PostgresServer) -> str:
    return postgres.new_database("template1")


def run(url: str, *words: str, **more: Any) -> "subprocess.Popen[str]":
    command = [sys.executable, "-m", "temp_file_manager", "registry", *words, "--registry", url]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **more)


def test_of_two_that_migrate_at_once_the_second_finds_nothing_to_do(postgres: PostgresServer, empty: str) -> None:
    with closing(psycopg.connect(postgres.conninfo(empty))) as gate:
        gate.execute("SELECT pg_advisory_xact_lock(%s)", (0x74666D,))
        both = [run(postgres.url(empty), "migrate") for _ in range(2)]
        waiting = (
            "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
            " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
        )
        while gate.execute(waiting).fetchall() != [(2,)]:
            assert all(each.poll() is None for each in both)
        gate.rollback()
    said = sorted(each.communicate()[0].split(": ", 1)[1] for each in both)
    assert said == [f"from schema 0 to {len(MIGRATIONS)}.\n", f"schema {len(MIGRATIONS)}, as before.\n"]


def test_one_that_fails_leaves_nothing(postgres: PostgresServer, empty: str, monkeypatch: pytest.MonkeyPatch) -> None:
    load = migration.load
    monkeypatch.setattr(migration, "load", lambda name: "SELECT 1 / 0" if name == MIGRATIONS[-1] else load(name))
    with closing(Server(postgres.conninfo(empty))) as server:
        with pytest.raises(RegistryError, match="division"):
            migrate(server)
        assert schema_of(server) == 0
        assert server.reader.execute("SELECT to_regnamespace('tfm')") == [(None,)]


def test_an_older_schema_is_refused_and_what_to_run_is_told(
    postgres: PostgresServer, empty: str, tmp_path: Path
) -> None:
    with pytest.raises(RegistryError, match=r"is empty: run tfm registry migrate"):
        open_registry(postgres.url(empty), str(tmp_path))
    with closing(Server(postgres.conninfo(empty))) as server:
        migrate(server)
        server.writer.execute("UPDATE tfm.version SET schema = 1")
    with pytest.raises(RegistryError, match=rf"has schema 1, and this version needs {len(MIGRATIONS)}: run tfm reg"):
        open_registry(postgres.url(empty), str(tmp_path))


@pytest.fixture
def newer(database: str) -> Iterator[PostgresRegistry]:
    """A registry that a newer version has migrated, with a record in it."""
    with closing(PostgresRegistry(database, "volume:v")) as registry:
        registry.add([("/v/a", None, None, (), None, None)], 1.0)
    with closing(psycopg.connect(database, autocommit=True)) as connection:
        connection.execute("UPDATE tfm.version SET schema = 99")
    with closing(PostgresRegistry(database, "volume:v")) as registry:
        yield registry


def test_a_newer_schema_is_read_and_not_changed(newer: PostgresRegistry) -> None:
    assert newer.stats().records == 1
    assert "schema 99" in newer.read_only
    assert "install that version" in newer.read_only
    with pytest.raises(RegistryError, match="open for reading only"):
        newer.add([("/v/b", None, None, (), None, None)], 1.0)
    with pytest.raises(RegistryError, match="schema 99, of a newer version"):
        migrate(newer.server)


def test_one_that_is_migrated_meanwhile_is_noticed(database: str) -> None:
    with closing(PostgresRegistry(database, "volume:v")) as registry:
        registry.add([("/v/a", None, None, (), None, None)], 1.0)
        registry.server.writer.execute("UPDATE tfm.version SET schema = 99")
        registry.server.close()  # as when a connection is lost, or a minute later
        assert registry.stats().records == 1
        with pytest.raises(RegistryError, match="open for reading only"):
            registry.add([("/v/b", None, None, (), None, None)], 1.0)


def test_the_command_tells(postgres: PostgresServer, empty: str, tmp_path: Path) -> None:
    url = postgres.url(empty)
    before = run(url, "status")
    assert f"this version needs {len(MIGRATIONS)}: registry migrate" in before.communicate()[0]
    assert before.returncode == 1
    told = json.loads(run(url, "migrate", "--json").communicate()[0])
    assert (told["before"], told["schema"], told["missing_roles"]) == (0, len(MIGRATIONS), [])
    after = run(url, "status")
    assert f"schema     {len(MIGRATIONS)}\n" in after.communicate()[0]
    assert after.returncode == 0
    elsewhere = run(f"sqlite://{tmp_path}/registry.db", "migrate")
    assert "is on no server" in elsewhere.communicate()[1]
    assert elsewhere.returncode == 2
