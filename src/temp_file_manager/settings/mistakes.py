"""Names that are none, and those that are nearest to them."""

from collections.abc import Iterable


def nearest(name: str, names: Iterable[str], likeness: float) -> str | None:
    """Return which of ``names`` is most like ``name``; None when none is so much like it (0 to 1)."""
    import difflib  # noqa: PLC0415 - for mistakes alone

    return next(iter(difflib.get_close_matches(name, list(names), 1, likeness)), None)


def unknown(name: str, names: Iterable[str], what: str) -> str:
    """Say that there is no ``what`` of that name, and which one may be meant."""
    near = nearest(name, names, 0.6)
    return f"{name} is no {what}" + (f": did you mean {near}?" if near else "")
