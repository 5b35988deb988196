"""A bar on a terminal for what takes long, where ``rich`` is installed."""

import math
import sys
from collections.abc import Callable
from importlib import import_module
from typing import Any, Self

from temp_file_manager.cli import render
from temp_file_manager.clock import SystemClock
from temp_file_manager.events import Event, RecordsSettled
from temp_file_manager.records import Status
from temp_file_manager.text import human_size

PATIENCE = 1.0
"""Seconds that nobody needs a bar for."""


def bar() -> "Bar | None":
    """Return a bar, or None where nobody would see it."""
    return Bar() if _seen() else None


def _seen() -> bool:
    # Both: a bar would run through what another program makes of the output.
    return render.on_terminal() and sys.stderr is not None and sys.stderr.isatty()


class Bar:
    """A hook that shows on standard error how far a sweep is; gone when the sweep is over.

    How much there is to do is counted when it is first drawn: of a sweep that is over in a moment nobody wants to know.
    """

    def __init__(self) -> None:
        self.left: Callable[[], int] = lambda: 0  # whoever opens the registry says how to count
        self._began = SystemClock.elapsed()
        self._from = self._began + PATIENCE
        self._drawn: Any = None
        self._done = self._retired = self._bytes = self._total = 0

    def __call__(self, event: Event) -> None:
        """Count the outcomes of a chunk, and draw."""
        if not isinstance(event, RecordsSettled):
            return
        self._done += len(event.outcomes)
        self._retired += sum(outcome.retired for outcome in event.outcomes)
        self._bytes += sum(outcome.record.room or 0 for outcome in event.outcomes if outcome.status is Status.REMOVED)
        if self._drawn is None and SystemClock.elapsed() >= self._from:
            try:
                self._drawn = _draw()
                self._total = self._retired + self.left()  # the others are still on record
            except ImportError:
                self._from = math.inf
        if self._drawn is not None:
            self._total = max(self._total, self._done)  # more has come due meanwhile
            told = words(self._done, self._total, self._bytes, SystemClock.elapsed() - self._began)
            task = self._drawn.task_ids[0]
            self._drawn.update(task, completed=self._done, total=self._total, counts=told)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._drawn is not None:
            self._drawn.stop()


def words(done: int, total: int, size: int, seconds: float) -> str:
    """Return how far a sweep is, in words: files, of how many, what they took on the disk, and how many a second."""
    rate = done / seconds if seconds > 0 else 0.0
    what = "file" if total == 1 else "files"
    return f"{done:,} of {total:,} {what}, {human_size(size)} freed, {rate:,.0f} a second"


def _draw() -> Any:
    # By name: a type checker needs no rich, nor does anybody who only imports this.
    console, parts = import_module("rich.console"), import_module("rich.progress")
    columns = (parts.BarColumn(), parts.TextColumn("{task.fields[counts]}"), parts.TimeRemainingColumn())
    drawn = parts.Progress(*columns, console=console.Console(stderr=True), transient=True)
    drawn.add_task("", total=None, counts="")
    drawn.start()
    return drawn
