"""The page and what it is made of: files of this package."""

import os
from hashlib import sha256

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.staticfiles import NotModifiedResponse, StaticFiles
from starlette.types import Scope

from temp_file_manager.service.http.problems import Problem

DIRECTORY = os.path.join(os.path.dirname(__file__), "static")
INDEX = "index.html"

KINDS = {
    ".css": "text/css",
    ".html": "text/html",
    ".js": "text/javascript",
    ".json": "application/json",
    ".svg": "image/svg+xml",
    ".txt": "text/plain",
}
"""A table of our own: what a machine's says of these differs from one to the next."""
OTHER_KIND = "application/octet-stream"


class Pages(StaticFiles):
    """The handlers."""

    def __init__(self) -> None:
        super().__init__(directory=DIRECTORY)

    async def index(self, request: Request) -> Response:
        """Answer the page."""
        return await self._answer(INDEX, request)

    async def static(self, request: Request) -> Response:
        """Answer a part of it."""
        return await self._answer(request.path_params["name"], request)

    async def _answer(self, name: str, request: Request) -> Response:
        try:
            return await self.get_response(name, request.scope)
        except HTTPException as error:
            raise Problem(404, "there is no such file") from error

    def file_response(
        self,
        full_path: str | os.PathLike[str],
        stat_result: os.stat_result,  # noqa: ARG002 - Starlette's signature
        scope: Scope,
        status_code: int = 200,
    ) -> Response:
        """Answer a whole file, whose tag is made from its content.

        Starlette makes the tag from time and size, which two versions share where packages come with one time for all
        files; it answers for a part of a file, which nobody needs here; and it begins before it has the file open.
        """
        with open(full_path, "rb") as file:
            content = file.read()
        kind = KINDS.get(os.path.splitext(full_path)[1].lower(), OTHER_KIND)
        headers = {"ETag": f'"{sha256(content).hexdigest()[:32]}"', "Cache-Control": "no-cache"}
        response = Response(content, status_code, headers, kind)
        unchanged = self.is_not_modified(response.headers, Headers(scope=scope))
        return NotModifiedResponse(response.headers) if unchanged else response
