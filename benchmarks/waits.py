"""Waits of a round, and the row that those of many rounds make."""

import statistics
from dataclasses import dataclass
from typing import Any

from benchmarks.tables import quantile


@dataclass(frozen=True)
class Wait:
    """One round's waits, in seconds; the cleanup's own duration; how many calls did not wait for what was meant."""

    seconds: list[float]
    cleanup: float | None = None
    others: int = 0


def row(name: str, waits: list[Wait], files: int, why_not: str) -> dict[str, Any]:
    """Return the row of a table of waits: medians of each round's quantiles, and the longest of all.

    Args:
        name: Who waited for what.
        waits: Those of each round.
        files: How many were cleaned meanwhile.
        why_not: The note when there was no wait.
    """
    rounds = [sorted(wait.seconds) for wait in waits if wait.seconds]
    others = sum(wait.others for wait in waits)
    if not rounds:
        return {"name": name, "note": why_not, "others": others}
    cleanups = [wait.cleanup for wait in waits if wait.cleanup is not None]
    tails = [quantile(each, 0.99) * 1e6 for each in rounds]
    return {
        "name": name,
        "p50": statistics.median(quantile(each, 0.5) for each in rounds) * 1e6,
        "p99": statistics.median(tails),
        "most": max(each[-1] for each in rounds) * 1e6,
        "waits": int(statistics.median(map(len, rounds))),
        "cleanup": statistics.median(cleanups) / files * 1e6 if cleanups else None,
        "others": others,
        "note": "",
        "samples": tails,
    }
