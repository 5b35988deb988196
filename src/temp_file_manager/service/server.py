"""The server: one thread that serves a manager's page, API and metrics until it is told to stop."""

import logging
import socket
from collections.abc import Callable
from threading import Thread

import uvicorn
from starlette.types import ASGIApp, Receive, Scope, Send

from temp_file_manager.logs import logger

PATIENCE = 2
"""Seconds that requests in hand have when the server stops; SIGTERM is to end the process within five."""

CONNECTIONS = 512
"""At the same time; more are answered 503 at once."""


class _PassingOn(logging.Handler):
    """Sends what uvicorn says where our own lines go."""

    def emit(self, record: logging.LogRecord) -> None:
        if logger.isEnabledFor(record.levelno):
            logger.handle(record)


class Server:
    """Serves applications, each on a socket of its own, in one thread.

    Args:
        apps: What serves each socket.
        stop: Ends what would not end by itself, as streams do.
    """

    def __init__(self, apps: list[tuple[socket.socket, ASGIApp]], stop: Callable[[], None]) -> None:
        self._sockets = [listening for listening, _ in apps]
        self._stop = stop
        config = uvicorn.Config(
            _by_port({_port(listening): app for listening, app in apps}),
            http="h11",
            ws="none",
            loop="asyncio",
            lifespan="off",
            log_config=None,
            access_log=False,
            proxy_headers=False,
            server_header=False,
            limit_concurrency=CONNECTIONS,
            timeout_graceful_shutdown=PATIENCE,
        )
        self._server = uvicorn.Server(config)
        self._thread = Thread(target=self._run, name="temp-file-manager-http", daemon=True)

    def start(self) -> None:
        """Begin to serve. What connects before the thread is there waits in the sockets.

        Raises:
            RuntimeError: there can be no more threads.
        """
        self._thread.start()

    def _run(self) -> None:
        theirs, passing_on = logging.getLogger("uvicorn"), _PassingOn(logging.WARNING)
        theirs.addHandler(passing_on)
        try:
            self._server.run(self._sockets)
        finally:
            theirs.removeHandler(passing_on)

    def stop(self) -> None:
        """Take no more requests, give those in hand ``PATIENCE``, and wait for the end."""
        self._server.should_exit = True
        self._stop()
        self._thread.join()


def _port(listening: socket.socket) -> int | None:
    return listening.getsockname()[1] if listening.family != socket.AF_UNIX else None


def _by_port(apps: dict[int | None, ASGIApp]) -> ASGIApp:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await apps[scope["server"][1]](scope, receive, send)

    return app
