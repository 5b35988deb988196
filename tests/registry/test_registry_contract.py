"""The contract, kept by each of the registries."""

from pathlib import Path

import pytest

from temp_file_manager import TempFileManager
from temp_file_manager.registry import MemoryRegistry
from temp_file_manager.registry.sqlite.registry import SqliteRegistry
from temp_file_manager.testing import NOW, RegistryContract


class TestMemoryRegistry(RegistryContract):
    def make_registry(self) -> MemoryRegistry:
        return MemoryRegistry()


class TestSqliteRegistry(RegistryContract):
    @pytest.fixture(autouse=True)
    def _place(self, tmp_path: Path) -> None:
        self.place = tmp_path

    def make_registry(self) -> SqliteRegistry:
        return SqliteRegistry(str(self.place / "registry.db"), str(self.place))

    def make_other(self) -> SqliteRegistry:
        return self.make_registry()


def test_adding_only_what_is_new(manager: TempFileManager) -> None:
    """Once, there was no way to record a file unless it was on record."""
    registry = manager.registry
    registry.add([("/n/a", NOW + 5, None, ("x",), None, None)], NOW)
    registry.add([(path, None, None, (), None, None) for path in ("/n/a", "/n/b")], NOW + 9, only_new=True)
    assert dict(registry.files) == {"/n/a": NOW, "/n/b": NOW + 9}
    known = registry.get(["/n/a"])["/n/a"]
    assert (known.due_at, known.tags) == (NOW + 5, ("x",))
