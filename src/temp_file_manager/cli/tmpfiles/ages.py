"""Ages of ``tmpfiles.d`` lines, and how rules write theirs."""

import re
from typing import NamedTuple

from temp_file_manager.rules.rule import By

_SECOND = 1_000_000
_UNITS = {
    **dict.fromkeys(("seconds", "second", "sec", "s", ""), _SECOND),
    **dict.fromkeys(("minutes", "minute", "min", "m"), 60 * _SECOND),
    **dict.fromkeys(("hours", "hour", "hr", "h"), 3600 * _SECOND),
    **dict.fromkeys(("days", "day", "d"), 86400 * _SECOND),
    **dict.fromkeys(("weeks", "week", "w"), 604_800 * _SECOND),
    **dict.fromkeys(("months", "month", "M"), 2_629_800 * _SECOND),
    **dict.fromkeys(("years", "year", "y"), 31_557_600 * _SECOND),
    **dict.fromkeys(("msec", "ms"), 1000),
    **dict.fromkeys(("usec", "us", "μs", "µs"), 1),
}
"""Microseconds: so an age is a whole number, as it is to systemd."""

_AMOUNT = r"\s*([0-9]+)(\.[0-9]*)?\s*([A-Za-zμµ]*)"


class Age(NamedTuple):
    """How old what is in a directory may get.

    Attributes:
        microseconds: So old; None: nothing in there ever is too old.
        by: What the age of a file counts from.
        inner: Whether what lies immediately in the directory is left alone.
    """

    microseconds: int | None
    by: By
    inner: bool

    @property
    def seconds(self) -> float | None:
        """The same in seconds."""
        return None if self.microseconds is None else self.microseconds / _SECOND


def read(text: str) -> Age:
    """Read an age: ``10d``, ``1h30min``, ``~am:2w``.

    Raises:
        ValueError: it is none.
    """
    by, colon, span = text.removeprefix("~").partition(":")
    return Age(_microseconds(span if colon else by), _by(by) if colon else By.USE, text.startswith("~"))


def _by(letters: str) -> By:
    """Return the clock that is nearest to the times of files that letters name; those of directories are in capitals.

    A file's ``b`` is its birth, and no registration is before that. A change of status, ``c``, is not looked at; a
    writing is one, too.
    """
    named = "".join(letters.split())
    if not named or not set(named) <= set("abcmABCM"):
        raise ValueError(f"{letters!r} names no times of files")
    of_files = {letter for letter in named if letter.islower()}
    if not of_files or "a" in of_files:
        return By.USE
    return By.WRITE if of_files & {"c", "m"} else By.REGISTRATION


def _microseconds(text: str) -> int | None:
    if text.strip() == "infinity":
        return None
    if not re.fullmatch(f"(?:{_AMOUNT})+\\s*", text):
        raise ValueError(f"{text!r} is no age")
    total = 0
    for whole, part, unit in re.findall(_AMOUNT, text):
        if unit not in _UNITS:
            raise ValueError(f"{text!r} is no age: {unit} is no unit of time")
        digits = part.lstrip(".")
        total += int(whole) * _UNITS[unit] + (int(digits) * _UNITS[unit] // 10 ** len(digits) if digits else 0)
    return total


def written(seconds: float) -> str:
    """Return a length of time as a settings file has it, exact to the microsecond: ``1 d 12 h``."""
    left, told = round(seconds * _SECOND), []
    for unit in ("d", "h", "min"):
        amount, left = divmod(left, _UNITS[unit])
        told += [f"{amount} {unit}"] if amount else []
    if left or not told:
        told.append(f"{left / _SECOND:.6f}".rstrip("0").rstrip(".") + " s")
    return " ".join(told)
