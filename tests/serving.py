"""What the tests of the service share: the application behind a real server on a real socket, and a plain client."""

import http.client
import json
import socket
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from starlette.types import ASGIApp

from patience import PATIENCE
from temp_file_manager import TempFileManager
from temp_file_manager.service.app import build
from temp_file_manager.service.http.server import Server
from temp_file_manager.service.http.sockets import listen_at_path, listen_at_port
from temp_file_manager.settings import Settings

TOKEN = "correct-horse-battery-staple"
SECONDS = PATIENCE


class Answer(NamedTuple):
    """What the service answered."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Client:
    """Asks one service, a connection a request.

    Args:
        address: Host and port, or the path of a Unix socket.
        service: What is asked, and
        server: what serves it, where they are in this process.
    """

    def __init__(
        self, address: tuple[str, int] | str, service: ASGIApp | None = None, server: Server | None = None
    ) -> None:
        self.address = address
        self.service: Any = service
        self.server: Any = server

    def connect(self) -> socket.socket:
        """Return a connection."""
        if isinstance(self.address, str):
            connection = socket.socket(socket.AF_UNIX)
            connection.settimeout(SECONDS)
            try:
                connection.connect(self.address)
            except OSError:
                connection.close()
                raise
            return connection
        return socket.create_connection(self.address, SECONDS)

    def ask(
        self, method: str, path: str, body: Any = None, *, token: str | None = None, **headers: str | None
    ) -> Answer:
        """Send a request; ``body`` is bytes, an iterator of chunks, or made JSON of; a header None is left out."""
        sent: dict[str, str | None] = {"Authorization": f"Bearer {token}" if token else None}
        if body is not None:
            sent["Content-Type"] = "application/json"
            body = body if isinstance(body, bytes | Iterator) else json.dumps(body).encode()
        sent |= {name.replace("_", "-"): value for name, value in headers.items()}
        host, port = ("localhost", 80) if isinstance(self.address, str) else self.address
        with closing(http.client.HTTPConnection(host, port, timeout=SECONDS)) as connection:
            connection.sock = self.connect()
            told = {name: value for name, value in sent.items() if value is not None}
            connection.request(method, path, body, told, encode_chunked=isinstance(body, Iterator))
            answer = connection.getresponse()
            return Answer(answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read())

    def get(self, path: str, **more: Any) -> Answer:
        """Read."""
        return self.ask("GET", path, **more)

    def post(self, path: str, body: Any, token: str | None = TOKEN, **more: Any) -> Answer:
        """Change something, with the token."""
        return self.ask("POST", path, body, token=token, **more)


@contextmanager
def serving(app: ASGIApp, *, uds: Path | None = None) -> Iterator[Client]:
    """Serve an application for as long as the block lasts."""
    listening = listen_at_port("127.0.0.1", 0) if uds is None else listen_at_path(str(uds)).socket
    address = listening.getsockname()
    server = Server([(listening, app)], getattr(app, "stop", lambda: None))
    server.start()
    try:
        yield Client(address, app, server)
    finally:
        server.stop()


@contextmanager
def service(
    manager: TempFileManager, *, token: str | None = TOKEN, uds: Path | None = None, **settings: Any
) -> Iterator[Client]:
    """Serve everything about a manager."""
    told = Settings(base_dir=manager.base_dir, http_socket=None if uds is None else str(uds), **settings)
    with serving(build(manager, told, token=token), uds=uds) as client:
        yield client


def until(true: Any, seconds: float = SECONDS) -> None:
    """Wait until something is true."""
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "it never came true"
        time.sleep(0.01)


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[TempFileManager]:
    """A manager in ``tmp_path / "base"``."""
    with closing(TempFileManager(tmp_path / "base", registry="sqlite:")) as manager:
        yield manager


@pytest.fixture
def client(manager: TempFileManager) -> Iterator[Client]:
    """Who asks its service."""
    with service(manager) as client:
        yield client
