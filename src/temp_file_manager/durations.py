"""Lengths of time as people write them, read into seconds: ``10m``, ``2h30m``, ``7d``, ``1 week``, ``90``."""

import math
import re
from typing import Protocol


class Delta(Protocol):
    """What a ``timedelta`` is, whose module is slow to import for the few who give one."""

    def total_seconds(self) -> float:
        """Return its length."""


Duration = float | str | Delta
"""A length of time: seconds, a text, or a timedelta."""

_UNITS = {
    1e-3: ("ms", "millisecond", "milliseconds"),
    1: ("s", "sec", "secs", "second", "seconds"),
    60: ("m", "min", "mins", "minute", "minutes"),
    3600: ("h", "hr", "hrs", "hour", "hours"),
    86400: ("d", "day", "days"),
    604800: ("w", "wk", "wks", "week", "weeks"),
}
_SECONDS = {name: seconds for seconds, names in _UNITS.items() for name in names}
_PART = r"([0-9]+(?:\.[0-9]+)?)\s*([A-Za-z]+)"
_PARTS = re.compile(rf"{_PART}(?:\s*,?\s*{_PART})*")


def seconds_of(raw: object) -> float:
    """Return the seconds of a length of time, which may be negative, infinite or no number: callers have bounds.

    Args:
        raw: A number of seconds, also as text; a text of numbers with units, as ``1 h 30 min``; or a timedelta.

    Raises:
        ValueError: it is neither.
    """
    if hasattr(raw, "total_seconds"):
        return float(raw.total_seconds())
    if isinstance(raw, bool) or not isinstance(raw, str | int | float):
        raise ValueError(raw)  # noqa: TRY004 - callers turn it into a problem of theirs
    if not isinstance(raw, str):
        return raw
    text = raw.strip()
    if _PARTS.fullmatch(text):
        return _sum(text)
    try:
        return int(text)
    except ValueError:
        return float(text)


def _sum(text: str) -> float:
    """Return the sum of numbers with units. Each unit is smaller than the one before: ``5m 5m`` is a slip."""
    total, before = 0.0, math.inf
    for amount, unit in re.findall(_PART, text):
        size = _SECONDS.get(unit.lower(), math.inf)
        if size >= before or unit == "M":  # which others read as months
            raise ValueError(text)
        total, before = total + float(amount) * size, size
    return int(total) if total.is_integer() else total


def written(seconds: float) -> str:
    """Write a length of time in full, as ``1h30m``: ``seconds_of`` reads the same number."""
    if not float(seconds).is_integer() or seconds < 0:
        text = repr(seconds)
        return f"{text}s" if re.fullmatch(r"[0-9.]+", text) else text
    left, parts = int(seconds), []
    for size, (name, *_) in reversed(_UNITS.items()):
        if size >= 1:
            count, left = divmod(left, int(size))
            parts += [f"{count}{name}"] if count else []
    return "".join(parts) or "0s"
