"""Starlette and FastAPI: a session for each request, and a response whose file goes with it.

::

    app.add_middleware(SessionMiddleware, manager=manager)

    def report(request):
        fd, path = request.state.temp_session.mkstemp(suffix=".csv")
        ...
        return TempFileResponse(path, filename="report.csv")
"""

import os
from typing import Any

from temp_file_manager.durations import Duration
from temp_file_manager.errors import InvalidArgumentError
from temp_file_manager.integrations import requires
from temp_file_manager.manager import TempFileManager
from temp_file_manager.registering.session import ManagedSession

with requires("starlette"):
    import anyio
    import anyio.to_thread
    from starlette.requests import HTTPConnection
    from starlette.responses import FileResponse
    from starlette.types import ASGIApp, Receive, Scope, Send

PATHSEND = "http.response.pathsend"
"""The extension by which a server is told a path, and opens the file when the application has returned: too late."""


class SessionMiddleware:
    """Middleware that gives each request and websocket a session: ``request.state.temp_session``, a ``ManagedSession``.

    It begins when it is used. It ends when the application is done with the request: when the response was sent, or
    given up as the client has left, and after its background tasks. ``request.state.temp_file_manager`` is the manager.

    Args:
        app: The application.
        manager: Whose sessions they are.
        ttl: Seconds after which a session ends although its request goes on; None: never.
    """

    def __init__(self, app: ASGIApp, manager: TempFileManager, *, ttl: Duration | None = None) -> None:
        self.app = app
        self.manager = manager
        self.ttl = ttl

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Do what ASGI asks for."""
        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
            return
        session = self.manager.session("request", ttl=self.ttl)
        scope.setdefault("state", {}).update(temp_session=session, temp_file_manager=self.manager)
        if PATHSEND in scope.get("extensions", {}):
            scope["extensions"] = _without_pathsend(scope)
        try:
            await self.app(scope, receive, send)
        finally:
            await _end(session)


def temp_session(connection: HTTPConnection) -> ManagedSession:
    """Return the session of a request: what FastAPI's ``Depends`` takes.

    Raises:
        InvalidArgumentError: the application has no ``SessionMiddleware``.
    """
    session: ManagedSession = _given(connection.scope, "temp_session")
    return session


class TempFileResponse(FileResponse):
    """A ``FileResponse`` whose file goes when it was sent, or the client has left.

    The file becomes one of a session of its own, whether it was on record or not. So it stays where somebody pins or
    holds it, or registers it meanwhile; and it goes with the next sweep if this process is killed. As it goes, it is
    not sent in parts: a ``Range`` is answered with the whole. A ``HEAD`` sends no file, and so takes none: the file is
    put on record, and the usual rules decide.

    Args:
        path: The file.
        manager: Who retires it; None: the manager of the ``SessionMiddleware`` that the request came through.
        more: As ``FileResponse`` takes it.
    """

    def __init__(
        self, path: str | os.PathLike[str], *more: Any, manager: TempFileManager | None = None, **named: Any
    ) -> None:
        super().__init__(path, *more, **named)
        self.headers["accept-ranges"] = "none"
        self.manager = manager

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Do what ASGI asks for.

        Raises:
            InvalidArgumentError: no manager was given, and there is no middleware that has one.
        """
        manager = self.manager or _given(scope, "temp_file_manager")
        if scope["type"] == "http" and scope["method"] == "HEAD":
            await anyio.to_thread.run_sync(_record, manager, os.fspath(self.path))
            await super().__call__(scope, receive, send)
            return
        session = manager.session("response")
        whole = {
            **scope,
            "headers": [(name, value) for name, value in scope["headers"] if name.lower() != b"range"],
            "extensions": _without_pathsend(scope),
        }
        try:
            await anyio.to_thread.run_sync(session.register_file, self.path)
            await super().__call__(whole, receive, send)
        finally:
            await _end(session)


def _without_pathsend(scope: Scope) -> dict[str, Any]:
    return {name: value for name, value in scope.get("extensions", {}).items() if name != PATHSEND}


def _given(scope: Scope, name: str) -> Any:
    try:
        return scope.get("state", {})[name]
    except KeyError:
        message = "the application has no SessionMiddleware: add it, or give the response a manager"
        raise InvalidArgumentError(message) from None


async def _end(session: ManagedSession) -> None:
    """End a session in a thread, also when the request was cancelled. One that nobody used costs next to nothing."""
    if session.begun:
        with anyio.CancelScope(shield=True):
            await anyio.to_thread.run_sync(session.end)
    else:
        session.end()  # so that nobody begins it any more


def _record(manager: TempFileManager, path: str) -> None:
    if not manager.is_temp_file(path):
        manager.register_file(path)
