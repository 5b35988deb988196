"""Sizes as people write them, read into bytes: ``20GiB``, ``1.5 MB``, ``4096``."""

import re

_STEPS = {
    f"{letter}{unit}": base**power
    for power, letter in enumerate("kmgtp", 1)
    for unit, base in (("b", 1000), ("ib", 1024))
}
_UNITS = {"b": 1} | _STEPS
_WRITTEN = {1024**power: f"{letter}iB" for power, letter in reversed([*enumerate("KMGTP", 1)])}

_MOST = 2**63 - 1
"""More no file system holds, and no registry counts."""


def bytes_of(raw: object) -> int:
    """Return the bytes of a size, 0 or more.

    Args:
        raw: A number of bytes, also as text; or a text of a number and a unit: ``B``, ``KB`` or ``KiB`` to ``PiB``.

    Raises:
        ValueError: it is neither, or without a unit no whole number, or more than there can be.
    """
    found = re.fullmatch(r"([0-9]+(?:\.[0-9]+)?)\s*([A-Za-z]+)", raw.strip()) if isinstance(raw, str) else None
    if found is None:
        if isinstance(raw, bool) or not isinstance(raw, str | int | float):
            raise ValueError(raw)
        value = int(raw) if str(raw).strip().isdecimal() else float(raw)
    elif found[2].lower() not in _UNITS:
        raise ValueError(raw)
    else:
        whole, _, part = found[1].partition(".")
        # In whole numbers: with floats 8.7 TB would be a byte less. A part of a byte is left out.
        value = int(whole + part) * _UNITS[found[2].lower()] // 10 ** len(part)
    if not 0 <= value <= _MOST or value != int(value):
        raise ValueError(raw)
    return int(value)


def written(size: int) -> str:
    """Write a size in full, as ``20GiB``: ``bytes_of`` reads the same number, while ``text.human_size`` rounds."""
    for step, unit in _WRITTEN.items():
        if size and size % step == 0:
            return f"{size // step}{unit}"
    return f"{size}B"
