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

    def make_other(self) -> PostgresRegistry:
        return self.make_registry()
