"""Diaries: what a process was about to do and what it was told, in a file of its own that outlives its SIGKILL.

Nothing of the package is in it, so that it can bear witness against the package.
"""

import os
import time
from collections.abc import Iterable
from typing import NamedTuple

MAKING, MADE = "making", "made"
REGISTERING, REGISTERED = "registering", "registered"
PINNING, PINNED, UNPINNING, UNPINNED = "pinning", "pinned", "unpinning", "unpinned"
FORGETTING, FORGOT = "forgetting", "forgot"
HOLDING, HELD, RELEASING, RELEASED = "holding", "held", "releasing", "released"
REPLACING, REPLACED = "replacing", "replaced"
"""Another file is written, and renamed over the registered one."""
TAKING, TAKEN = "taking", "taken"
"""Its owner unlinks the file, or gives it another name."""
REFUSED = "refused"
"""The end of any of these that came to nothing."""
SWEEPING = "sweeping"
UNLINKING, UNLINKED = "unlinking", "unlinked"
SETTLED = "settled"
DYING, DEAD = "dying", "dead"
"""Of a whole process, in lines without a name: it may end from then on, and has ended."""
COUNTED = (REGISTERED, REFUSED, PINNED, UNPINNED, HELD, RELEASED, FORGOT, REPLACED, TAKEN, UNLINKED)
"""What a campaign says how often it was met."""


class Line(NamedTuple):
    """One line: when, on a clock that all processes share, what, of which file, and more."""

    at: int
    word: str
    name: str
    detail: str


class Diary:
    """A diary to write in; what ``write`` has returned from is kept, whatever becomes of the process."""

    def __init__(self, path: str) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)

    def write(self, word: str, names: Iterable[str], detail: str = "") -> None:
        """Write a line for each name, all in one step."""
        now = time.monotonic_ns()
        text = "".join(f"{now}\t{word}\t{name}\t{detail}\n" for name in names)
        os.writev(self._file, [text.encode()])  # which nobody else does: faults are made at all other calls


def read(path: str) -> list[Line]:
    """Return the lines of a diary; the last one only if it was written to its end."""
    with open(path, encoding="utf-8") as file:
        lines = [line.rstrip("\n").split("\t") for line in file if line.endswith("\n")]
    return [Line(int(at), word, name, detail) for at, word, name, detail in lines]
