"""Servers of objects, of which each test has a bucket of its own."""

from collections.abc import Iterator
from pathlib import Path

import pytest

import object_servers
from obedient_server import ObedientServer
from temp_file_manager.objects.client import Client


@pytest.fixture(scope="session")
def moto() -> Iterator[str]:
    with object_servers.moto() as endpoint:
        yield endpoint


@pytest.fixture(scope="session")
def rclone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with object_servers.rclone(Path(tmp_path_factory.mktemp("rclone"))) as endpoint:
        yield endpoint


@pytest.fixture(autouse=True)
def credentials(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name, value in object_servers.KEYS.items():
        monkeypatch.setenv(name, value)
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, str(tmp_path / "no-such-file"))


@pytest.fixture
def obedient(monkeypatch: pytest.MonkeyPatch) -> Iterator[ObedientServer]:
    server = ObedientServer()
    with server.serving():
        monkeypatch.setenv("AWS_ENDPOINT_URL", server.endpoint)
        yield server


@pytest.fixture(params=["moto", "rclone"])
def endpoint(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    found: str = request.getfixturevalue(request.param)
    monkeypatch.setenv("AWS_ENDPOINT_URL", found)
    return found


@pytest.fixture(params=["moto", "rclone", "obedient"])
def served(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    found = request.getfixturevalue(request.param)
    if isinstance(found, str):
        monkeypatch.setenv("AWS_ENDPOINT_URL", found)
    return str(request.param)


@pytest.fixture
def bucket(served: str) -> Client:
    return object_servers.new_bucket()
