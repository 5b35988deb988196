"""What requests say: bodies and queries, read within bounds into what they mean, or refused with a reason."""

import asyncio
import json
import math
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NoReturn
from urllib.parse import parse_qsl

from starlette.requests import Request

from temp_file_manager.service.http.problems import Problem

LARGEST_BODY = 4 << 20
"""Bytes."""

LARGEST_LOGIN = 64 << 10
"""Bytes that anybody may send, with no token yet: many at once must not fill the memory."""

PATIENCE = 30.0
"""Seconds in which a body must have come."""

MOST_PATHS = 10_000
MOST_TAGS = 100
LONGEST_TAG = 1000
LONGEST_TTL = 1e12
LARGEST_NUMBER = int(LONGEST_TTL)
_DIGITS = 15


@dataclass(frozen=True, slots=True)
class Registration:
    """Files to be put on record; ``ttl`` in seconds."""

    paths: tuple[str, ...]
    ttl: float | None
    tags: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Order:
    """A sweep that is asked for."""

    dry_run: bool
    limit: int | None


# -- reading


async def read(request: Request, largest: int = LARGEST_BODY) -> object:
    """Return the JSON that a request brings.

    Args:
        request: Whose body it is.
        largest: Bytes that it may have.

    Raises:
        Problem: it is too large, too slow, or no JSON.
    """
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
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > largest:
            raise _too_large(largest)
    return bytes(body)


def _too_large(largest: int) -> Problem:
    return Problem(413, f"the body is larger than {largest} bytes: send it in parts")


def _parsed(body: bytes) -> object:
    try:
        return json.loads(body.decode(), parse_constant=_no_number)
    except RecursionError:
        reason = "it is nested too deeply"
    except UnicodeDecodeError as error:
        reason = f"it is not UTF-8 at byte {error.start}: write bytes of names that are none as \\udc80 to \\udcff"
    except ValueError as error:
        reason = str(error)
    raise Problem(400, f"the body is no JSON: {reason}")


def _no_number(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number in JSON")


def queries(request: Request, *known: str) -> dict[str, str]:
    r"""Return the parameters of a query, percent-encoded bytes that are no UTF-8 as ``\udc80`` to ``\udcff``.

    Raises:
        Problem: one is unknown, or comes twice.
    """
    raw = request.scope["query_string"].decode("utf-8", "surrogateescape")
    try:
        pairs = parse_qsl(raw, keep_blank_values=True, errors="surrogateescape", max_num_fields=100)
    except ValueError:
        raise Problem(422, "the query has too many parameters") from None
    _refuse_unknown((name for name, _ in pairs), known, "parameter")
    found = dict(pairs)
    if len(found) != len(pairs):
        raise Problem(422, "a parameter of the query comes twice: give each once")
    return found


def _refuse_unknown(names: Any, known: tuple[str, ...], what: str) -> None:
    unknown = sorted(set(names) - set(known))
    if unknown:
        allowed = f"give {', '.join(known)}" if known else "give none"
        raise Problem(422, f"there is no {what} {unknown[0]!r} here: {allowed}")


# -- what bodies mean


def registration(value: object) -> Registration:
    """Read the body of ``POST /v1/files``."""
    told = _members(value, "paths", "ttl", "tags")
    return Registration(_paths(told), _ttl(told.get("ttl")), _tags(told.get("tags", [])))


def paths(value: object) -> tuple[str, ...]:
    """Read a body that names paths and nothing else."""
    return _paths(_members(value, "paths"))


def order(value: object) -> Order:
    """Read the body of ``POST /v1/sweep``."""
    told = _members(value, "dry_run", "limit")
    dry_run, limit = told.get("dry_run", False), told.get("limit")
    if not isinstance(dry_run, bool):
        raise Problem(422, "dry_run is true or false")
    if limit is None:
        return Order(dry_run, None)
    whole = int(limit) if isinstance(limit, float) and limit.is_integer() else limit  # 1.0 is a whole number in JSON
    if isinstance(whole, bool) or not isinstance(whole, int) or not 0 <= whole <= LARGEST_NUMBER:
        raise Problem(422, f"limit is a whole number from 0 to {LARGEST_NUMBER}, or null")
    return Order(dry_run, whole)


def login(value: object) -> str:
    """Read the body of ``POST /session``."""
    token = _members(value, "token").get("token")
    if not isinstance(token, str):
        raise Problem(422, "token is a string")
    return token


def _members(value: object, *known: str) -> Mapping[str, object]:
    if not isinstance(value, dict):
        raise Problem(422, f"the body is a JSON object with {', '.join(known)}")
    _refuse_unknown(value, known, "key")
    return value


def _paths(told: Mapping[str, object]) -> tuple[str, ...]:
    found = told.get("paths")
    if not isinstance(found, list):
        raise Problem(422, "paths is a list of absolute paths")
    if len(found) > MOST_PATHS:
        raise Problem(422, f"there are {len(found)} paths: give {MOST_PATHS} at a time")
    return tuple([absolute(path) for path in found])


def absolute(path: object) -> str:
    """Return a path if it is absolute and some file could have it."""
    if not isinstance(path, str) or not path.startswith("/"):
        raise Problem(422, f"{path!r:.200} is no absolute path: begin it with /")
    try:
        os.fsencode(path)
    except UnicodeEncodeError:
        raise Problem(422, f"no file can be called {path!r:.200}") from None
    return path


def _ttl(value: object) -> float | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= LONGEST_TTL:
        raise Problem(422, f"ttl is a number of seconds from 0 to {LONGEST_TTL:g}, or null")
    return value


def _tags(value: object) -> tuple[str, ...]:
    if not isinstance(value, list) or len(value) > MOST_TAGS:
        raise Problem(422, f"tags is a list of {MOST_TAGS} strings at most")
    if not all(isinstance(tag, str) and len(tag) <= LONGEST_TAG for tag in value):
        raise Problem(422, f"a tag is a string of {LONGEST_TAG} characters at most")
    return tuple(value)


# -- what queries mean


def whole(told: Mapping[str, str], name: str, default: int, low: int, high: int) -> int:
    """Read a whole number."""
    text = told.get(name)
    if text is None:
        return default
    if not (text.isascii() and text.isdecimal() and len(text) <= _DIGITS and low <= int(text) <= high):
        raise Problem(422, f"{name} is a whole number from {low} to {high}")
    return int(text)


def choice(told: Mapping[str, str], name: str, choices: Mapping[str, Any], default: Any) -> Any:
    """Read one of a few words."""
    if name not in told:
        return default
    if told[name] not in choices:
        raise Problem(422, f"{name} is one of {', '.join(choices)}")
    return choices[told[name]]


def moment(told: Mapping[str, str], name: str) -> float:
    """Read seconds since the epoch; 0 when it is not there."""
    try:
        value = float(told.get(name, "0"))
    except ValueError:
        value = math.nan
    if not -LONGEST_TTL <= value <= LONGEST_TTL:
        raise Problem(422, f"{name} is a number of seconds since the epoch")
    return value
