"""The page, what it is made of, and the description of the API: files of this package, read once."""

import os
from hashlib import sha256
from importlib.resources import files
from typing import NamedTuple

from starlette.requests import Request
from starlette.responses import Response

from temp_file_manager.service.http.problems import Problem

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


class Asset(NamedTuple):
    """A file, and what browsers are told about it."""

    content: bytes
    media_type: str
    tag: str


class Pages:
    """The handlers."""

    def __init__(self) -> None:
        entries = (files("temp_file_manager.service.page") / "static").iterdir()
        self._assets = {entry.name: _asset(entry.name, entry.read_bytes()) for entry in entries if entry.is_file()}
        self._openapi = (files("temp_file_manager.service.api") / "openapi.json").read_bytes()

    async def index(self, request: Request) -> Response:
        """Answer the page."""
        return self._answer(request, INDEX)

    async def static(self, request: Request) -> Response:
        """Answer a part of it."""
        return self._answer(request, request.path_params["name"])

    async def openapi(self, request: Request) -> Response:
        """Answer what the API can do."""
        del request
        return Response(self._openapi, media_type="application/json")

    def _answer(self, request: Request, name: str) -> Response:
        asset = self._assets.get(name)
        if asset is None:
            raise Problem(404, "there is no such file")
        headers = {"ETag": asset.tag, "Cache-Control": "no-cache"}
        if asset.tag in request.headers.get("if-none-match", ""):
            return Response(status_code=304, headers=headers)
        return Response(asset.content, headers=headers, media_type=asset.media_type)


def _asset(name: str, content: bytes) -> Asset:
    kind = KINDS.get(os.path.splitext(name)[1].lower(), "application/octet-stream")
    return Asset(content, kind, f'"{sha256(content).hexdigest()[:32]}"')
