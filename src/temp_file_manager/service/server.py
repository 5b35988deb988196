"""The server: one thread that serves a manager's page, API and metrics until it is told to stop."""

import logging
import resource
import socket
from asyncio import CancelledError
from collections.abc import Callable
from threading import Thread
from time import monotonic

import uvicorn
from starlette.types import ASGIApp, Receive, Scope, Send

from temp_file_manager.logs import logger
from temp_file_manager.service.connection import Connection
from temp_file_manager.service.sockets import BACKLOG
from temp_file_manager.text import printable

PATIENCE = 2
"""Seconds that requests in hand have when the server stops; SIGTERM is to end the process within five."""

CONNECTIONS = 256
"""At the same time; more are answered 503, and beyond twice as many cut."""

QUIET = 60.0
"""Seconds for which the same complaint is not heard again: who sends rubbish must not fill a disk with our log."""


class _PassingOn(logging.Handler):
    """Sends what uvicorn and asyncio complain of where our own lines go."""

    _theirs = (logging.getLogger("uvicorn"), logging.getLogger("asyncio"))

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self._quiet_until: dict[str, float] = {}

    def begin(self) -> None:
        for theirs in self._theirs:
            theirs.addHandler(self)

    def end(self) -> None:
        for theirs in self._theirs:
            theirs.removeHandler(self)

    def emit(self, record: logging.LogRecord) -> None:
        error = record.exc_info[1] if record.exc_info else None
        if isinstance(error, CancelledError):
            return  # what stop() has cancelled, uvicorn takes for a failure
        what = record.getMessage().partition("\n")[0]  # the lines below name objects, another each time
        if monotonic() >= self._quiet_until.get(what, 0.0):
            self._quiet_until[what] = monotonic() + QUIET
            logger.log(record.levelno, printable(what if error is None else f"{what}: {error!r}"))


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
            http=Connection,
            ws="none",
            loop="asyncio",
            lifespan="off",
            log_config=None,
            access_log=False,
            proxy_headers=False,
            server_header=False,
            backlog=BACKLOG,
            limit_concurrency=_connections(),
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
        passing_on = _PassingOn()
        passing_on.begin()
        try:
            self._server.run(self._sockets)
        except Exception as error:  # sweeps go on without it
            logger.error(f"Page, API and metrics have ended: {printable(repr(error))}")
        finally:
            passing_on.end()

    def stop(self) -> None:
        """Take no more requests, give those in hand ``PATIENCE``, and wait for the end."""
        self._server.should_exit = True
        self._stop()
        self._thread.join()


def _connections() -> int:
    # A quarter of the descriptors, and half with those that are about to be sent away: the rest is for sweeps.
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return CONNECTIONS if most == resource.RLIM_INFINITY else min(CONNECTIONS, most // 4)


def _port(listening: socket.socket) -> int | None:
    return listening.getsockname()[1] if listening.family != socket.AF_UNIX else None


def _by_port(apps: dict[int | None, ASGIApp]) -> ASGIApp:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        _, port = scope["server"] or (None, None)  # a Unix socket has no port, and with some versions no name either
        await apps[port](scope, receive, send)

    return app
