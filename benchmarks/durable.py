"""The SQLite registry as a contestant: each time a new one, in a directory of its own on the disk of the trees.

Opening and closing it is never timed. What it leaves stays until the forest goes: nothing else is to run in the
wake of its removal.
"""

import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

from temp_file_manager import TempFileManager

CLEAR = "ours, SQLite, clear_all()"
EXPIRED = "ours, SQLite, cleanup() of expired"
PROTECTED = "ours, SQLite, sweep that asks who has files open"
BULK = "ours, SQLite, register_files"
SINGLE = "ours, SQLite, register_file"
THREADS = 8
SHARED = f"ours, SQLite, register_file, {THREADS} threads"
AGAIN = "ours, SQLite, registered again"
IDLE = "ours, SQLite"
URL = "sqlite:"

SINGLES = 10_000
"""Files registered one by one, at most: each is a transaction."""

BATCH = 10_000
"""Records added at a time to a registry that is to be large."""


@contextmanager
def opened(scratch: str) -> Iterator[TempFileManager]:
    """Give a manager with an empty registry; ``base_dir`` is where it can be opened again."""
    manager = TempFileManager(tempfile.mkdtemp(prefix="sqlite-", dir=scratch), registry=URL)
    try:
        yield manager
    finally:
        manager.close()


def register_by_threads(manager: TempFileManager, paths: Sequence[str]) -> None:
    """Register one by one, in threads that share the manager and the work."""

    def work(first: int) -> None:
        for path in paths[first::THREADS]:
            manager.register_file(path)

    with ThreadPoolExecutor(THREADS) as threads:
        list(threads.map(work, range(THREADS)))


def fill(manager: TempFileManager, count: int, disk: int | None = None, session: int = 0) -> None:
    """Put ``count`` files on record that are nowhere, and take ``disk`` bytes there."""
    for first in range(0, count, BATCH):
        numbers = range(first, min(first + BATCH, count))
        files = [(f"/nowhere/tmp{number:08d}", None, None, (), None, disk) for number in numbers]
        manager.registry.add(files, time.time(), session=session)
