"""Text for people: names made harmless, lengths of time, sizes and moments in words."""

import math
import re
from collections.abc import Mapping


def printable(text: str) -> str:
    r"""Escape what could forge a log line, move a terminal's cursor or fail to encode.

    Control characters, line breaks, bidirectional marks and undecodable bytes come out as ``\x1b``,
    ``\n``, ``\u202e``, ``\udcff``; every other character, in whatever script, stays as it is.
    """
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)


def brief(name: str, values: Mapping[str, object], defaults: Mapping[str, object]) -> str:
    """Write a record as the call that makes it, without what is as it is by default."""
    told = (f"{key}={value!r}" for key, value in values.items() if key not in defaults or value != defaults[key])
    return f"{name}({', '.join(told)})"


def masked(text: str) -> str:
    """Return ``text`` without what may be a user and a password in an address: ``mysql://…@host/db``.

    In one pass: a search from each ``://`` for an ``@`` that does not come takes 20 s of 64 KiB of them, and whoever
    starts a process chooses its command line.
    """
    return re.sub(r"\S+", _masked_word, text) if "://" in text else text


def _masked_word(found: re.Match[str]) -> str:
    word = found[0]
    begins, ends = word.find("://"), word.rfind("@")
    return f"{word[:begins]}://…{word[ends:]}" if 0 <= begins < ends else word


def span(seconds: float, *, units: int = 2, zero: bool = True) -> str:
    """Write a length of time as people do: ``4.2 s``, ``5 min 3 s``, ``2 h 5 min``, ``3 d 4 h``.

    Args:
        seconds: How long it is.
        units: The most units to write, 1 or 2: ``5 min`` or ``5 min 3 s``.
        zero: Whether a second unit is written that is 0: ``5 min 0 s``.
    """
    if seconds < 0:
        return f"-{span(-seconds, units=units, zero=zero)}"
    if seconds == math.inf:
        return "endless time"
    if seconds < 60:  # noqa: PLR2004 - seconds a minute
        return f"{seconds:.3g} s"
    total = round(seconds)
    for size, unit, smaller, small_unit in (
        (86400, "d", 3600, "h"),
        (3600, "h", 60, "min"),
        (60, "min", 1, "s"),
    ):
        if total >= size:
            whole, rest = divmod(total, size)
            second = f" {rest // smaller} {small_unit}" if units > 1 and (zero or rest >= smaller) else ""
            return f"{whole} {unit}{second}"
    raise AssertionError(seconds)


_UNITS = ("KiB", "MiB", "GiB", "TiB", "PiB")


_STEP, _BITS = 1024, 10


def human_size(count: int | None) -> str:
    """Return bytes as people write them: ``512 B``, ``1.5 MiB``, ``-`` when unknown."""
    if count is None:
        return "-"
    if count < _STEP:
        return f"{count} B"
    power = min((count.bit_length() - 1) // _BITS, len(_UNITS))
    return f"{count / _STEP**power:.1f} {_UNITS[power - 1]}"


def count(number: int, what: str) -> str:
    """Return ``1 file``, ``2 files``, ``2 directories``."""
    many = f"{what[:-1]}ies" if what.endswith("y") else f"{what}s"
    return f"{number} {what if number == 1 else many}"


def ordinal(number: int) -> str:
    """Write a place in an order: ``1st``, ``22nd``, ``1,003rd``."""
    teens = number % 100 in (11, 12, 13)
    return f"{number:,}{'th' if teens else {1: 'st', 2: 'nd', 3: 'rd'}.get(number % 10, 'th')}"


def timestamp(seconds: float) -> str:
    """Return a time in UTC, as RFC 3339 writes it, or the bare number when no calendar has it."""
    from datetime import UTC, datetime  # noqa: PLC0415 - slow to import, and few print a moment

    try:
        return datetime.fromtimestamp(seconds, UTC).isoformat(sep=" ", timespec="seconds").replace("+00:00", "Z")
    except (OverflowError, ValueError, OSError):
        return f"{seconds:g}"


def json_number(value: float | None) -> float | str | None:
    """Return a number for JSON, which has none for infinity: that comes as a string, which ``float`` reads."""
    return value if value is None or math.isfinite(value) else str(value)
