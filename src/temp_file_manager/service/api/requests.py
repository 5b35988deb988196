"""Bodies and queries of requests, read within bounds into models, or refused with a reason."""

import asyncio
import json
from typing import NoReturn, TypeVar, get_type_hints
from urllib.parse import parse_qsl

import msgspec
from starlette.requests import Request

from temp_file_manager.service.api.models import Model
from temp_file_manager.service.http.problems import Problem

LARGEST_BODY = 4 << 20
"""Bytes."""

LARGEST_LOGIN = 64 << 10
"""Bytes that anybody may send, with no token yet: many at once must not fill the memory."""

PATIENCE = 30.0
"""Seconds in which a body must have come."""

_DIGITS = 15

M = TypeVar("M", bound=Model)


async def body(request: Request, model: type[M], largest: int = LARGEST_BODY) -> M:
    """Return what a request's body says.

    Args:
        request: Whose body it is.
        model: What it is to be.
        largest: Bytes that it may have.

    Raises:
        Problem: it is too large, too slow, no JSON, or means something else.
    """
    return _as(model, await _read(request, largest), "body", strict=True)


def query(request: Request, model: type[M]) -> M:
    r"""Return what a request's query says, percent-encoded bytes that are no UTF-8 as ``\udc80`` to ``\udcff``.

    Raises:
        Problem: a parameter is unknown, comes twice, or means nothing.
    """
    raw = request.scope["query_string"].decode("utf-8", "surrogateescape")
    try:
        pairs = parse_qsl(raw, keep_blank_values=True, errors="surrogateescape", max_num_fields=100)
    except ValueError:
        raise Problem(422, "the query has too many parameters") from None
    told = dict(pairs)
    if len(told) != len(pairs):
        raise Problem(422, "a parameter of the query comes twice: give each once")
    for name, kind in get_type_hints(model).items():
        # Of texts, msgspec takes "1" and "True" for true, too.
        if kind is bool and told.get(name, "true") not in ("true", "false"):
            raise Problem(422, f"{name} is true or false")
    return _as(model, told, "query", strict=False)


def _as(model: type[M], told: object, what: str, *, strict: bool) -> M:
    try:
        return msgspec.convert(told, model, strict=strict)
    except msgspec.ValidationError as error:
        reason = str(error)
    except UnicodeEncodeError:
        reason = "there is a name in it that is no text"
    raise Problem(422, f"the {what} is not what /openapi.json says: {reason}")


async def _read(request: Request, largest: int) -> object:
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json":
        raise Problem(415, "send the body as application/json")
    length = request.headers.get("content-length", "")
    if length.isascii() and length.isdecimal() and int(length[:_DIGITS]) > largest:
        raise _too_large(largest)
    try:
        async with asyncio.timeout(PATIENCE):
            return _parsed(await _whole(request, largest))
    except TimeoutError:
        raise Problem(408, f"the body did not come within {PATIENCE:g} seconds: send it faster, or less") from None


async def _whole(request: Request, largest: int) -> bytes:
    found = bytearray()
    async for chunk in request.stream():
        found += chunk
        if len(found) > largest:
            raise _too_large(largest)
    return bytes(found)


def _too_large(largest: int) -> Problem:
    return Problem(413, f"the body is larger than {largest} bytes: send it in parts")


def _parsed(text: bytes) -> object:
    try:
        return json.loads(text.decode(), parse_float=_number, parse_constant=_no_number)
    except RecursionError:
        reason = "it is nested too deeply"
    except UnicodeDecodeError as error:
        reason = f"it is not UTF-8 at byte {error.start}: write bytes of names that are none as \\udc80 to \\udcff"
    except ValueError as error:
        reason = str(error)
    raise Problem(400, f"the body is no JSON: {reason}")


def _number(text: str) -> float:
    # In JSON 1.0 is 1.
    found = float(text)
    return int(found) if found.is_integer() else found


def _no_number(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number in JSON")
