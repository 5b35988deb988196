"""Resources of the service: a path, and a handler for each method."""

from collections.abc import Awaitable, Callable

from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from temp_file_manager.service.http.problems import Problem

Handler = Callable[[Request], Awaitable[ASGIApp]]


class Resource:
    """What is at one path: a handler a method. HEAD is GET without the body, which the server leaves out.

    Args:
        handlers: By method.
    """

    def __init__(self, **handlers: Handler) -> None:
        self._handlers = handlers

    @property
    def methods(self) -> tuple[str, ...]:
        """The methods that have a handler."""
        return tuple(self._handlers)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        method = scope["method"]
        handler = self._handlers.get("GET" if method == "HEAD" else method)
        if handler is None:
            allowed = ", ".join([*self.methods, *(["HEAD"] if "GET" in self.methods else [])])
            raise Problem(405, f"{method} is not for this path, which takes {allowed}", {"Allow": allowed})
        answer = await handler(Request(scope, receive))
        await answer(scope, receive, send)
