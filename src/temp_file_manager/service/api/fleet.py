"""The fleet over HTTP: what its server knows of all hosts, and the policies in force here."""

from starlette.requests import Request
from starlette.responses import Response

from temp_file_manager.context import Context
from temp_file_manager.errors import RegistryError
from temp_file_manager.fleet.view import BYTES, OVERDUE, look
from temp_file_manager.inspection.fleet import place
from temp_file_manager.service.api import requests
from temp_file_manager.service.api.models import FLEET_ROWS, FleetQuery
from temp_file_manager.service.http.cached import Shared
from temp_file_manager.service.http.json import as_json

REST = 5.0
"""Seconds for which an answer is good: however many look at pages, the server is asked so seldom."""


class Fleet:
    """``/v1/fleet``.

    Args:
        context: Who is asked.
    """

    def __init__(self, context: Context) -> None:
        self._context = context
        self._overdue = Shared(lambda: self._look(OVERDUE), lambda _: REST)
        self._bytes = Shared(lambda: self._look(BYTES), lambda _: REST)

    async def answer(self, request: Request) -> Response:
        """Answer how the fleet is."""
        order = requests.query(request, FleetQuery).order
        return as_json(await (self._bytes if order == BYTES else self._overdue).get())

    def _look(self, order: str) -> dict[str, object]:
        context, (scope, host) = self._context, place(self._context)
        policies = [policy.described() for policy in context.policies.policies.all]
        here = {"scope": scope, "host": host, "team": context.settings.team, "policies": policies}
        view, trouble = None, ""
        if context.settings.fleet is not None:
            try:
                view = look(context.settings, order, FLEET_ROWS).described()
            except RegistryError as error:  # it is told: the rest of the page goes on without the server
                trouble = str(error)
        is_set = context.settings.fleet is not None
        return {"at": context.clock.wall(), "set": is_set, "here": here, "trouble": trouble, "view": view}
