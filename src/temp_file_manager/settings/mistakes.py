"""Names that are none, and those that are nearest to them."""

from collections.abc import Iterable
from dataclasses import Field
from typing import Any

from temp_file_manager.errors import SettingsError
from temp_file_manager.text import masked


def nearest(name: str, names: Iterable[str], likeness: float) -> str | None:
    """Return which of ``names`` is most like ``name``; None when none is so much like it (0 to 1)."""
    import difflib  # noqa: PLC0415 - for mistakes alone

    return next(iter(difflib.get_close_matches(name, list(names), 1, likeness)), None)


def unknown(name: str, names: Iterable[str], what: str) -> str:
    """Say that there is no ``what`` of that name, and which one may be meant."""
    near = nearest(name, names, 0.6)
    return f"{name} is no {what}" + (f": did you mean {near}?" if near else "")


def of_value(known: Field[Any], name: str, raw: object, error: Exception) -> list[str]:
    """Return what is wrong with the value of a setting; of one that names a file of them, with each that is in it.

    Args:
        known: The field.
        name: What it was called where it was said.
        raw: The value.
        error: What its reader raised.
    """
    what = f"{name} is not what it can be" if known.metadata["secret"] else f"{name} is {masked(repr(raw))}"
    told = error.problems if isinstance(error, SettingsError) else ()
    return [f"{what}: {problem}" for problem in told] or [f"{what}: give {known.metadata['allowed']}"]
