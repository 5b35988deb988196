"""Another process at work on the same registry while this one is: what a ``worker`` does, until it is told to end."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from benchmarks.concurrency import LIMIT, WORKER


class Neighbour:
    """A worker that has begun."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self.process = process

    def begin(self) -> None:
        """Give the signal to one that waits for it."""
        self.process.stdin.close()

    def answer(self) -> dict[str, Any]:
        """Tell it to end, and return what it has to say.

        Raises:
            RuntimeError: it failed.
        """
        shown, said = self.process.communicate(timeout=LIMIT)
        if self.process.returncode:
            raise RuntimeError(said.strip().splitlines()[-1] if said else f"exit code {self.process.returncode}")
        return json.loads(shown)


@contextmanager
def neighbour(*arguments: str) -> Iterator[Neighbour]:
    """Start a worker with these arguments, and end it on leaving, however it is."""
    pipe = subprocess.PIPE
    line = [sys.executable, "-P", WORKER, *arguments]
    process = subprocess.Popen(line, stdin=pipe, stdout=pipe, stderr=pipe, text=True)
    try:
        process.stdout.readline()  # "ready", or nothing from one that has failed, as its answer will tell
        yield Neighbour(process)
    finally:
        process.kill()
        if process.stdin.closed:
            process.stdin = None  # or waiting would write to it
        process.communicate()
