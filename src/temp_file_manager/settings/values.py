"""Readers of one setting's raw value: text, or what TOML made of it.

Each returns the value, or raises ValueError, KeyError or OverflowError: ``settings`` says what is allowed.
"""

import math
import os
import re
from collections.abc import Callable
from dataclasses import dataclass

from temp_file_manager.durations import seconds_of
from temp_file_manager.limits import Mark
from temp_file_manager.sizes import bytes_of

A_TIME = "seconds, 0 or more, or a text such as 90s, 2h30m or 7d"
SOME_TIME = "seconds, more than 0, or a text such as 90s, 2h30m or 7d"


def number(raw: object) -> float:
    """Read a whole or decimal number."""
    if isinstance(raw, bool) or not isinstance(raw, str | int | float):
        raise ValueError(raw)  # noqa: TRY004 - resolve() turns it into a problem of the setting
    text = str(raw).strip()
    try:
        return int(text)
    except ValueError:
        return float(text)


def seconds(raw: object) -> float:
    """Read a length of time, 0 or more: seconds, a text as ``1 h 30 min`` or ``7d``, or a timedelta."""
    value = seconds_of(raw)
    if not 0 <= float(value) < math.inf:
        raise ValueError(raw)
    return value


def positive_seconds(raw: object) -> float:
    """Read a length of time, more than 0."""
    value = seconds(raw)
    if value == 0:
        raise ValueError(raw)
    return value


def positive_size(raw: object) -> int:
    """Read bytes, 1 or more."""
    value = bytes_of(raw)
    if value == 0:
        raise ValueError(raw)
    return value


def share(raw: object) -> float:
    """Read a part of a whole: ``10 %`` is 0.1."""
    found = re.fullmatch(r"([0-9]+(?:\.[0-9]+)?)\s*%", raw.strip()) if isinstance(raw, str) else None
    if found is None or not 0 <= (value := float(found[1]) / 100) <= 1:
        raise ValueError(raw)
    return value


def mark(raw: object) -> Mark:
    """Read bytes, or a share of all there are: ``10 %``."""
    if isinstance(raw, Mark):
        return raw
    return Mark(share(raw), share=True) if isinstance(raw, str) and "%" in raw else Mark(bytes_of(raw))


def positive_mark(raw: object) -> Mark:
    """Read the same, more than nothing."""
    value = mark(raw)
    if not value.value > 0:
        raise ValueError(raw)
    return value


def age_or_keep(raw: object) -> float | None:
    """Read an age; ``keep`` is None."""
    return None if str(raw).strip().lower() == "keep" else seconds(raw)


def whole(low: int, high: float = math.inf) -> Callable[[object], int]:
    """Return what reads a whole number within bounds."""

    def parse(raw: object) -> int:
        value = number(raw)
        if not isinstance(value, int) or not low <= value <= high:
            raise ValueError(raw)
        return value

    return parse


def switch(raw: object) -> bool:
    """Read true or false in the words people use."""
    if isinstance(raw, bool):
        return raw
    return {
        "true": True,
        "1": True,
        "yes": True,
        "on": True,
        "false": False,
        "0": False,
        "no": False,
        "off": False,
    }[str(raw).strip().lower()]


def mode(raw: object) -> int:
    """Read permission bits, in octal as chmod does: in a TOML file ``"0600"`` or ``0o600``."""
    value = raw if isinstance(raw, int) and not isinstance(raw, bool) else int(str(raw).strip(), 8)
    if not 0 <= value <= 0o777:  # noqa: PLR2004 - the nine permission bits
        raise ValueError(raw)
    return value


@dataclass(frozen=True, slots=True)
class Word:
    """What reads one of some words, in capitals or not."""

    words: tuple[str, ...]

    def __call__(self, raw: object) -> str:
        """Read one."""
        return {word.lower(): word for word in self.words}[str(raw).strip().lower()]


def choices(reader: Callable[[object], object]) -> tuple[str, ...]:
    """Return the words that a reader takes, where it takes but a few."""
    return reader.words if isinstance(reader, Word) else ("true", "false") if reader is switch else ()


def path(raw: object) -> str:
    """Read a path: any text that a file system takes. No shell has seen it: a ``~`` at its beginning is a home."""
    if not isinstance(raw, str) or not raw or "\0" in raw:
        raise ValueError(raw)
    return os.path.expanduser(raw)


def registry(raw: object) -> str:
    """Read where records live."""
    value = path(raw)
    if not re.match("[a-z][a-z0-9+.-]*:", value):  # which schemes there are the registries know
        raise ValueError(raw)
    return value


def server(raw: object) -> str:
    """Read a PostgreSQL server's address; what it says the registries know."""
    value = path(raw)
    if not re.match("postgresql://.", value):
        raise ValueError(raw)
    return value


def team(raw: object) -> str:
    """Read a team's name."""
    if not re.fullmatch("[A-Za-z0-9._-]{1,63}", str(raw)):
        raise ValueError(raw)
    return str(raw)


def scope(raw: object) -> str:
    """Read which volume is meant: ``volume:`` and a name."""
    if not isinstance(raw, str) or not re.fullmatch(r"volume:[A-Za-z0-9][A-Za-z0-9_.-]{0,62}", raw):
        raise ValueError(raw)
    return raw


def port(raw: object) -> int | None:
    """Read a TCP port, 0 for any that is free; ``off`` is None."""
    return None if raw is None or str(raw).strip().lower() == "off" else whole(0, 65535)(raw)


def host(raw: object) -> str:
    """Read a host's name or address; an IPv6 address may come in brackets."""
    text = path(raw).strip()
    text = text[1:-1] if text.startswith("[") and text.endswith("]") else text
    if not re.fullmatch(r"[0-9A-Za-z._:%-]+", text):
        raise ValueError(raw)
    return text


def hosts(raw: object) -> tuple[str, ...]:
    """Read hosts with commas between them, or a list of them."""
    parts = raw.split(",") if isinstance(raw, str) else list(raw) if isinstance(raw, list | tuple) else [raw]
    return tuple(host(part).lower() for part in parts)


def names(raw: object) -> tuple[str, ...]:
    """Read names with commas between them, or a list of them; each counts once."""
    parts = raw.split(",") if isinstance(raw, str) else list(raw) if isinstance(raw, list | tuple) else [raw]
    found = tuple(dict.fromkeys(part.strip() if isinstance(part, str) else "" for part in parts))
    if not all(re.fullmatch(r"[A-Za-z0-9_.-]+", name) for name in found):
        raise ValueError(raw)
    return found


def buckets(raw: object) -> tuple[str, ...]:
    """Read addresses of buckets with commas between them, or a list of them; each counts once."""
    parts = raw.split(",") if isinstance(raw, str) else list(raw) if isinstance(raw, list | tuple) else [raw]
    found = tuple(dict.fromkeys(part.strip() if isinstance(part, str) else "" for part in parts))
    if not all(re.fullmatch(r"s3://[A-Za-z0-9][A-Za-z0-9._-]+(/[^,]*)?", url) for url in found):
        raise ValueError(raw)
    return found


SHORTEST_TOKEN = 16


def token(raw: object) -> str:
    """Read a secret that goes into a header: visible ASCII, long enough that nobody guesses it."""
    if not isinstance(raw, str) or len(raw) < SHORTEST_TOKEN or not re.fullmatch(r"[!-~]+", raw):
        raise ValueError
    return raw
