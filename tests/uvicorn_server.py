"""A plain uvicorn on a real socket, as applications of others are served."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn
from starlette.types import ASGIApp

from serving import SECONDS, Client


@contextmanager
def uvicorn_serving(app: ASGIApp) -> Iterator[Client]:
    """Serve an application for as long as the block lasts."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        server = uvicorn.Server(uvicorn.Config(app, log_config=None, lifespan="off"))
        thread = threading.Thread(target=server.run, args=([listening],))
        thread.start()
        try:
            yield Client(listening.getsockname())
        finally:
            server.should_exit = True
            thread.join(SECONDS)
            assert not thread.is_alive()


@contextmanager
def download(client: Client, path: str, *headers: str) -> Iterator[socket.socket]:
    """Ask for a path, read what comes first, and leave at the end of the block without a word."""
    with client.connect() as connection:
        connection.sendall("\r\n".join([f"GET {path} HTTP/1.1", "Host: here", *headers, "", ""]).encode())
        assert connection.recv(16).startswith(b"HTTP/1.1 2")
        yield connection
        # The kernel says goodbye by a reset, as it does for programs that die with unread data.
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
