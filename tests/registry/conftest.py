"""What the tests of the registries share."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from sqlite_files import new, registry_at
from temp_file_manager.registry.sqlite.registry import SqliteRegistry


@pytest.fixture
def fresh(tmp_path: Path) -> Iterator[SqliteRegistry]:
    """A registry without a record."""
    with closing(registry_at(tmp_path / "r.db", tmp_path)) as registry:
        yield registry


@pytest.fixture
def registry(fresh: SqliteRegistry) -> SqliteRegistry:
    """A registry with one record, of ``/p/a``."""
    fresh.add([new("/p/a")], 1.0)
    return fresh
