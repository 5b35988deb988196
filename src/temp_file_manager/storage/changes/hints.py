"""Hints: directories in which something may have changed, until somebody looks."""

import threading
from collections.abc import Callable
from typing import NamedTuple

MOST = 10_000
"""Directories of one tree that are remembered apart; when there are more, the whole tree is to be looked at."""


class Changed(NamedTuple):
    """A directory to be looked at.

    Attributes:
        root: The directory that is watched.
        path: Which directory in it, relative; empty for itself.
        whole: Also all that is below.
    """

    root: str
    path: str
    whole: bool


class Hints:
    """Directories that have changed since somebody asked last, each once. Safe to share between threads.

    Args:
        ring: Called when there is something to look at; it waits for nobody.
    """

    def __init__(self, ring: Callable[[], None]) -> None:
        self._ring = ring
        self._lock = threading.Lock()
        self._paths: dict[str, dict[str, bool]] = {}

    def __len__(self) -> int:
        return sum(map(len, list(self._paths.values())))

    def add(self, root: str, path: str, *, whole: bool = False, ring: bool = True) -> None:
        """Note that a directory has changed; without ``ring`` somebody will ask by himself."""
        with self._lock:
            paths = self._paths.setdefault(root, {})
            known = paths.get(path)
            paths[path] = whole or bool(known)
            if len(paths) > MOST:
                self._paths[root] = {"": True}
        # Once for each that is new: whoever was told of it has not asked yet.
        if ring and known is None:
            self._ring()

    def take(self) -> list[Changed]:
        """Return what is to be looked at, and begin anew; what lies in another that is looked at whole is left out."""
        with self._lock:
            taken, self._paths = self._paths, {}
        return [
            Changed(root, path, whole)
            for root, paths in taken.items()
            for path, whole in sorted(paths.items())
            if not _is_below_a_whole_one(path, paths)
        ]


def _is_below_a_whole_one(path: str, paths: dict[str, bool]) -> bool:
    while path:
        path = path.rpartition("/")[0]
        if paths.get(path):
            return True
    return False
