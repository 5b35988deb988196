"""Curves made of characters: pure functions of numbers."""

from collections.abc import Iterable, Sequence

_LEVELS = " ▁▂▃▄▅▆▇█"
_EIGHTHS = 8

GAP = 150.0
"""Seconds that a value stands for those after it: samples are a minute apart, and one may come late."""


def columns(values: Iterable[tuple[float, float]], since: float, until: float, width: int) -> list[float | None]:
    """Return the highest value in each column of a curve; None where there is no sample.

    Args:
        values: Moments and what there was then, the oldest first; seconds since the epoch.
        since: Where the first column begins.
        until: Where the last one ends.
        width: How many there are.
    """
    found: list[float | None] = [None] * width
    if not width:
        return found
    step = (until - since) / width
    for at, value in values:
        if since <= at <= until:
            index = min(int((at - since) / step), width - 1)
            found[index] = max(found[index] or 0, value)
    latest: float | None = None
    index = 0
    for column, seen in enumerate(found):
        if seen is not None:
            latest, index = seen, column
        elif latest is not None and (column - index) * step <= GAP:
            found[column] = latest
    return found


def curve(values: Sequence[float | None], rows: int) -> list[str]:
    """Return the lines of a curve from 0 up to its highest value, top first. Nothing is blank, and 0 is not nothing."""
    most = max((value for value in values if value is not None), default=0) or 1
    steps = rows * _EIGHTHS - 1
    heights = [0 if value is None else 1 + round(value / most * steps) for value in values]
    floors = range((rows - 1) * _EIGHTHS, -1, -_EIGHTHS)
    return ["".join(_LEVELS[min(max(height - floor, 0), _EIGHTHS)] for height in heights) for floor in floors]
