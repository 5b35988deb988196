"""What the tests of the fleet share: a server's address, and managers that report to it."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from postgres_server import PostgresServer
from temp_file_manager import TempFileManager
from temp_file_manager.fleet.centre import Centre, centre_of
from temp_file_manager.settings import Settings
from temp_file_manager.testing import FakeClock

MakeHost = Callable[..., TempFileManager]
"""Takes settings beside those of a host of the team ``build`` with records in SQLite."""


@pytest.fixture
def address(postgres: PostgresServer) -> str:
    """The address of a server with a database of this test's own."""
    return postgres.url(postgres.new_database())


@pytest.fixture
def centre(address: str) -> Centre:
    return centre_of(Settings(fleet=address))


@pytest.fixture
def make_host(address: str, tmp_path: Path, clock: FakeClock) -> Iterator[MakeHost]:
    made: list[TempFileManager] = []

    def make(**others: Any) -> TempFileManager:
        told = {"base_dir": str(tmp_path / "base"), "registry": "sqlite:", "fleet": address, "team": "build"}
        made.append(TempFileManager.from_settings(Settings(**told | others), clock=clock))
        return made[-1]

    yield make
    for one in made:
        one.close()


@pytest.fixture
def host(make_host: MakeHost) -> TempFileManager:
    return make_host()


@pytest.fixture
def nowhere(tmp_path: Path) -> str:
    """The address of a server that does not answer."""
    return f"postgresql:///nothing?host={tmp_path}/no-socket"
