"""The server: one thread that serves a manager's page, API and metrics until it is told to stop."""

import asyncio
import logging
import resource
import socket
from asyncio import CancelledError
from collections.abc import Callable
from threading import Thread
from time import monotonic

import uvicorn
from starlette.types import ASGIApp

from temp_file_manager.logs import logger
from temp_file_manager.service.http.connection import Connection
from temp_file_manager.service.http.sockets import BACKLOG
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
        self._stop = stop
        # One each, so that who fills the one does not shut out those of the other.
        most = _connections() // max(1, len(apps))
        self._servers = [(uvicorn.Server(_config(app, most)), listening) for listening, app in apps]
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
            asyncio.run(self._serve())
        except Exception as error:  # sweeps go on without it
            logger.error(f"Page, API and metrics have ended: {printable(repr(error))}")
        finally:
            passing_on.end()

    async def _serve(self) -> None:
        await asyncio.gather(*(server.serve([listening]) for server, listening in self._servers))

    @property
    def connections(self) -> int:
        """How many are open just now."""
        return sum(len(server.server_state.connections) for server, _ in self._servers)

    def stop(self) -> None:
        """Take no more requests, give those in hand ``PATIENCE``, and wait for the end."""
        for server, _ in self._servers:
            server.should_exit = True
        self._stop()
        self._thread.join()


def _config(app: ASGIApp, connections: int) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        interface="asgi3",  # else it takes what is no plain function for the version before
        http=Connection,
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        backlog=BACKLOG,
        limit_concurrency=connections,
        timeout_graceful_shutdown=PATIENCE,
    )


def _connections() -> int:
    # A quarter of the descriptors, and half with those that are about to be sent away: the rest is for sweeps.
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return CONNECTIONS if most == resource.RLIM_INFINITY else min(CONNECTIONS, most // 4)
