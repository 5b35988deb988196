"""Connections to a real PostgreSQL server."""

import os
from contextlib import closing

from temp_file_manager.registry.postgres.migration import migrate, schema_of
from temp_file_manager.registry.postgres.scope import Scope
from temp_file_manager.registry.postgres.server import Server
from temp_file_manager.registry.postgres.sql import MIGRATIONS


def test_a_database_is_migrated_once(database: str) -> None:
    with closing(Server(database)) as server:
        assert schema_of(server) == len(MIGRATIONS)
        assert migrate(server) == (len(MIGRATIONS), len(MIGRATIONS))


def test_a_childs_end_leaves_its_parents_connection(database: str) -> None:
    with closing(Server(database)) as server:
        assert server.writer.execute("SELECT 1") == [(1,)]
        child = os.fork()
        if not child:
            status = 1
            try:
                status = int(server.writer.execute("SELECT 0") != [(0,)])
                server.close()
            finally:
                os._exit(status)
        assert os.waitpid(child, 0)[1] == 0
        assert server.writer.execute("SELECT 2") == [(2,)]


def test_whoever_enters_a_scope_is_an_owner_of_its_own(database: str) -> None:
    with closing(Server(database)) as server:
        first, second = (Scope(server, "local:here:/base") for _ in range(2))
        first.enter()
        second.enter()
        assert first.number == second.number
        assert 0 < first.owner < second.owner
        assert len(first.registry) == 12
