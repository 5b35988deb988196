"""JSON answers of handlers."""

import math
from json import dumps

from starlette.responses import Response


def dumped(value: object) -> bytes:
    r"""Return JSON in ASCII: names that no encoding can hold stay exact, as ``\udc80``.

    JSON has no number for infinity: that comes as a string, which ``float`` reads.
    """
    try:
        text = dumps(value, allow_nan=False, separators=(",", ":"))
    except ValueError:
        text = dumps(_finite(value), allow_nan=False, separators=(",", ":"))
    return text.encode("ascii")


def _finite(value: object) -> object:
    if isinstance(value, dict):
        return {key: _finite(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(one) for one in value]
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value


def as_json(value: object, status: int = 200) -> Response:
    """Return an answer of JSON."""
    return Response(dumped(value), status, media_type="application/json")
