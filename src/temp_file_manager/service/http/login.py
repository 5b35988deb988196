"""Credentials of a request: the token that may do everything, and the cookie that lets a browser read."""

import asyncio
import hmac
from hashlib import sha256

from starlette.requests import Request, cookie_parser
from starlette.responses import Response

from temp_file_manager.service.api import requests
from temp_file_manager.service.api.models import Token
from temp_file_manager.service.http.problems import Problem
from temp_file_manager.service.http.refusals import Refusals

COOKIE = "temp_file_manager"
NO_TOKEN = "this takes a token, and none is set: set TEMP_FILE_API_TOKEN, and start the service again"  # noqa: S105 - a message
CHALLENGE = {"WWW-Authenticate": "Bearer"}

Headers = list[tuple[bytes, bytes]]


class Credentials:
    """Compares what a request brings with the token, in a time that tells nothing of it.

    Args:
        token: None: there is none, and nobody brings it.
    """

    def __init__(self, token: str | None) -> None:
        self._token = None if token is None else token.encode("utf-8", "surrogateescape")
        # Whoever gets hold of a cookie has not got hold of the token, and can change nothing.
        self.cookie_value = "" if self._token is None else hmac.digest(self._token, b"may read", sha256).hex()

    @property
    def given(self) -> bool:
        """Whether there is a token at all."""
        return self._token is not None

    def is_token(self, text: bytes) -> bool:
        """Say whether this is the token."""
        return self._token is not None and hmac.compare_digest(text, self._token)

    def has_token(self, headers: Headers) -> bool:
        """Say whether a request brings the token."""
        brought = [value for name, value in headers if name == b"authorization"]
        scheme, _, text = brought[0].partition(b" ") if len(brought) == 1 else (b"", b"", b"")
        return scheme.lower() == b"bearer" and self.is_token(text.strip())

    def has_cookie(self, headers: Headers) -> bool:
        """Say whether a request brings the cookie."""
        if self._token is None:
            return False
        pairs = [cookie_parser(value.decode("latin-1")) for name, value in headers if name == b"cookie"]
        brought = [found[COOKIE].encode("utf-8") for found in pairs if COOKIE in found]
        return any(hmac.compare_digest(value, self.cookie_value.encode()) for value in brought)


class Login:
    """``/login``: a browser that knows the token gets the cookie.

    Args:
        credentials: What is compared.
        refusals: Who hears of wrong tokens.
    """

    def __init__(self, credentials: Credentials, refusals: Refusals) -> None:
        self._credentials = credentials
        self._refusals = refusals

    async def begin(self, request: Request) -> Response:
        """Hand the cookie out."""
        token = (await requests.body(request, Token, requests.LARGEST_LOGIN)).token
        if not self._credentials.given:
            raise Problem(403, NO_TOKEN)
        if not self._credentials.is_token(token.encode("utf-8", "surrogatepass")):
            await asyncio.sleep(self._refusals.note(request.scope))
            raise Problem(401, "this is not the token", CHALLENGE)
        return _with_cookie(self._credentials.cookie_value)

    async def end(self, request: Request) -> Response:
        """Take it back."""
        del request
        return _with_cookie("", max_age=0)


def _with_cookie(value: str, max_age: int | None = None) -> Response:
    response = Response(status_code=204)
    response.set_cookie(COOKIE, value, max_age=max_age, httponly=True, samesite="strict", path="/")
    return response
