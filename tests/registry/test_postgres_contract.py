"""The contract, kept by the registry on PostgreSQL."""

from uuid import uuid4

import pytest

from postgres_server import PostgresServer
from temp_file_manager.registry.postgres.registry import PostgresRegistry
from temp_file_manager.testing import RegistryContract

_OVER = 130
"""Seconds after which a process that says nothing is dead."""


@pytest.fixture(scope="module")
def shared(postgres: PostgresServer) -> str:
    """How libpq reaches a database that all tests here share, each in a scope of its own: that is tried by the way.

    To make a database and to remove it takes longer than any of these tests.
    """
    return postgres.conninfo(postgres.new_database())


class TestPostgresRegistry(RegistryContract):
    @pytest.fixture(autouse=True)
    def _place(self, shared: str) -> None:
        self.place = shared
        self.scope = f"volume:{uuid4().hex}"

    def make_registry(self) -> PostgresRegistry:
        return PostgresRegistry(self.place, self.scope)

    def make_other(self) -> PostgresRegistry:
        return self.make_registry()

    def let_lapse(self) -> None:
        registries = [one for one in (self._made, self._other) if isinstance(one, PostgresRegistry)]
        living = [one.scope.owner for one in registries]
        for change in (
            "UPDATE tfm.owners SET seen_at = seen_at - %s WHERE id <> ALL (%s)",
            "UPDATE tfm.exclusives SET lapses_at = lapses_at - %s WHERE owner <> ALL (%s)",
        ):
            registries[0].server.writer.execute(change, (_OVER, living))
