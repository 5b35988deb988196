"""``/v1/quarantine``: what can be had back, and what has it back."""

from itertools import islice

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from temp_file_manager.context import Context
from temp_file_manager.errors import InvalidArgumentError
from temp_file_manager.inspection import quarantine
from temp_file_manager.service.api import requests
from temp_file_manager.service.api.models import PathToRestore, QuarantineQuery
from temp_file_manager.service.http.json import as_json
from temp_file_manager.service.http.problems import Problem
from temp_file_manager.storage.paths import absolute


class Quarantine:
    """The handlers.

    Args:
        context: Whose quarantine it is.
    """

    def __init__(self, context: Context) -> None:
        self._context = context

    async def listed(self, request: Request) -> Response:
        """Answer what can be had back."""
        limit = requests.query(request, QuarantineQuery).limit
        return as_json({"files": await run_in_threadpool(self._listed, limit)})

    def _listed(self, limit: int) -> list[dict[str, object]]:
        asof = self._context.clock.wall()
        return [quarantine.described(record, asof) for record in islice(self._context.restorer.quarantined(), limit)]

    async def restore(self, request: Request) -> Response:
        """Bring a file back to where it was, if that is in the base directory."""
        path = (await requests.body(request, PathToRestore)).path
        return as_json({"restored_to": await run_in_threadpool(self._restored, absolute(path))})

    def _restored(self, path: str) -> str:
        context = self._context
        try:
            context.restorer.found(path)
        except InvalidArgumentError as error:
            raise Problem(404, str(error)) from error
        try:
            return context.restorer.restore(path, inside=context.base_dir)
        except FileExistsError as error:
            raise Problem(409, "something is in its place: move that away first") from error
        except OSError as error:
            raise Problem(409, f"it cannot be brought back: {error.strerror}") from error
