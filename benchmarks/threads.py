"""Removals by several threads, with a delay in each that stands for a round trip to a file server.

Run it by ``python -m benchmarks.threads``.
"""

import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from temp_file_manager import TempFileManager
from temp_file_manager.settings import Settings

FILES = 2000
DELAY = 0.001


@contextmanager
def delayed(seconds: float) -> Iterator[None]:
    """Have each removal take so much longer."""
    unlink = os.unlink

    def slow(*args: Any, **how: Any) -> None:
        if seconds:
            time.sleep(seconds)
        unlink(*args, **how)

    os.unlink = slow
    try:
        yield
    finally:
        os.unlink = unlink


def cost(threads: int, delay: float) -> float:
    """Return the seconds that a file takes of a sweep."""
    with tempfile.TemporaryDirectory() as place:
        base = Path(place, "base")
        settings = Settings(removal_threads=threads)
        with closing(TempFileManager(base, registry="sqlite:", settings=settings)) as manager:
            files = [base / f"{number}" for number in range(FILES)]
            for file in files:
                file.write_bytes(b"")
            manager.register_files(files)
            with delayed(delay):
                began = time.perf_counter()
                removed = manager.sweep(force=True).removed
                took = time.perf_counter() - began
    if removed != FILES:
        raise RuntimeError(f"{removed} of {FILES} were removed")
    return took / FILES


def main() -> None:
    """Print a table."""
    for threads in (1, 4, 16, 64):
        plain, slow = cost(threads, 0.0), cost(threads, DELAY)
        print(
            f"{threads:3} threads: {plain * 1e6:6.0f} µs a file; {slow * 1e6:6.0f} with {DELAY * 1e3:.0f} ms a removal"
        )


if __name__ == "__main__":
    main()
