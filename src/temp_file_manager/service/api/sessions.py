"""``/v1/sessions``: who owns files for as long as it lives, and what begins, renews and ends it."""

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from temp_file_manager.context import Context
from temp_file_manager.inspection import describe
from temp_file_manager.inspection.sessions import SessionStatus, sessions, statuses
from temp_file_manager.service.api import requests
from temp_file_manager.service.api.models import LARGEST_NUMBER, Beginning, NoQuery, Renewal, in_seconds
from temp_file_manager.service.http.json import as_json
from temp_file_manager.service.http.problems import Problem


class Sessions:
    """The handlers.

    Args:
        context: Whose sessions they are.
    """

    def __init__(self, context: Context) -> None:
        self._context = context

    async def living(self, request: Request) -> Response:
        """Answer which sessions live."""
        requests.query(request, NoQuery)
        found = await run_in_threadpool(sessions, self._context)
        return as_json({"sessions": [describe.session(each) for each in found]})

    async def begin(self, request: Request) -> Response:
        """Begin a session that nobody owns, and that ends by its time."""
        asked = await requests.body(request, Beginning)
        return as_json(await run_in_threadpool(self._begin, asked))

    def _begin(self, asked: Beginning) -> dict[str, object]:
        now = self._context.clock_guard.wall()
        begun = self._context.registry.begin(asked.name, now=now, ends_at=now + in_seconds(asked.ttl), owner=None)
        return describe.session(living(self._context, begun.number))

    async def renew(self, request: Request) -> Response:
        """Give a session another end, which its files follow."""
        ttl = in_seconds((await requests.body(request, Renewal)).ttl)
        return as_json(await run_in_threadpool(self._renew, _number(request), ttl))

    def _renew(self, number: int, ttl: float) -> dict[str, object]:
        self._context.registry.renew(number, self._context.clock_guard.wall() + ttl)
        return describe.session(living(self._context, number))

    async def end(self, request: Request) -> Response:
        """End a session, by which its files are due."""
        return as_json({"due": await run_in_threadpool(self._end, _number(request))})

    def _end(self, number: int) -> int:
        living(self._context, number)
        return self._context.registry.end((number,), self._context.clock_guard.wall())


def living(context: Context, number: int) -> SessionStatus:
    """Return how it is about a living session.

    Args:
        context: Whose sessions are looked at.
        number: Of the session.

    Raises:
        Problem: there is no such session, or not any more.
        RegistryError: the registry cannot be read.
    """
    for found in statuses(context, (each for each in context.registry.sessions() if each.number == number)):
        return found
    raise Problem(404, f"session {number} has ended, or never was: begin another")


def _number(request: Request) -> int:
    """Return the number in a request's path."""
    text = request.path_params["number"]
    number = int(text) if text.isascii() and text.isdecimal() and len(text) <= len(str(LARGEST_NUMBER)) else 0
    if not 1 <= number <= LARGEST_NUMBER:
        raise Problem(404, "that is the number of no session: GET /v1/sessions lists them")
    return number
