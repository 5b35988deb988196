"""Answers that say no: one shape for all of them (RFC 9457), and nothing in them that only we should know."""

import traceback
from collections.abc import Mapping
from http import HTTPStatus

from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from temp_file_manager.errors import (
    InvalidArgumentError,
    LargeSweepError,
    PausedError,
    RecordClaimedError,
    RegistryError,
    RegistryFullError,
)
from temp_file_manager.logs import logger
from temp_file_manager.service.http.json import dumped
from temp_file_manager.text import printable

MEDIA_TYPE = "application/problem+json"


class Problem(Exception):  # noqa: N818 - the name that its standard gives it
    """Raised by whatever cannot do what a request asks.

    Args:
        status: The answer's status code.
        detail: What is wrong and what to do.
        headers: Of the answer, beside the usual ones.
    """

    def __init__(self, status: int, detail: str, headers: Mapping[str, str] | None = None) -> None:
        self.status = status
        self.detail = detail
        self.headers = dict(headers or {})
        super().__init__(detail)

    def response(self) -> Response:
        """Return the answer."""
        title = HTTPStatus(self.status).phrase
        told = {"type": "about:blank", "title": title, "status": self.status, "detail": self.detail}
        return Response(dumped(told), self.status, self.headers, MEDIA_TYPE)


class Problems:
    """Turns what an application raises into answers; the log alone hears what nobody expected.

    Args:
        app: The application.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = False

        async def sending(message: Message) -> None:
            nonlocal started
            started = True
            await send(message)

        try:
            await self._app(scope, receive, sending)
        except ClientDisconnect:
            return  # nobody is there to hear anything
        except Exception as error:
            problem = _known(error)
            if problem is None:
                _log(scope, error)
                problem = Problem(500, "this should not have happened: what did is in the service's log")
            if started:
                raise  # half an answer is out: the server ends the connection
            await problem.response()(scope, receive, send)


def _log(scope: Scope, error: Exception) -> None:
    # The places alone as they are: what the error says may hold a name that forges a line.
    places = "".join(traceback.format_tb(error.__traceback__))
    asked = f"{scope['method']} {printable(scope['path'])}"
    logger.error(f"The service failed at {asked}: {printable(repr(error))}\n{places}")


def _known(error: Exception) -> Problem | None:
    if isinstance(error, Problem):
        return error
    if isinstance(error, LargeSweepError | RecordClaimedError | PausedError):
        return Problem(409, str(error))
    if isinstance(error, InvalidArgumentError):
        return Problem(422, str(error))
    if isinstance(error, RegistryFullError):
        return Problem(507, "the registry's disk is full, not all was recorded: make room, and send it all again")
    if isinstance(error, RegistryError):
        logger.warning(f"The registry cannot be used: {printable(str(error))}")
        return Problem(503, "the registry cannot be used just now: /health says why", {"Retry-After": "10"})
    return None
