"""The contract, kept by the registry on PostgreSQL."""

import pytest

from temp_file_manager.registry.postgres.registry import PostgresRegistry
from temp_file_manager.testing import RegistryContract


class TestPostgresRegistry(RegistryContract):
    @pytest.fixture(autouse=True)
    def _place(self, database: str) -> None:
        self.place = database

    def make_registry(self) -> PostgresRegistry:
        return PostgresRegistry(self.place, "volume:v")

    def let_lapse(self) -> None:
        living = [registry.scope.owner for registry in (self._made, self._other) if registry is not None]
        assert isinstance(self.registry, PostgresRegistry)
        self.registry.server.writer.execute(
            "UPDATE tfm.owners SET seen_at = seen_at - 130 WHERE id <> ALL (%s)", (living,)
        )
        self.registry.server.writer.execute(
            "UPDATE tfm.exclusives SET lapses_at = lapses_at - 130 WHERE owner <> ALL (%s)", (living,)
        )

    def make_other(self) -> PostgresRegistry:
        return self.make_registry()
