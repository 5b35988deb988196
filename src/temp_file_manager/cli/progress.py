"""A bar on a terminal for what takes long, where ``rich`` is installed."""

import math
import sys
from importlib import import_module
from typing import Any, Self

from temp_file_manager.cli import render
from temp_file_manager.clock import SystemClock
from temp_file_manager.events import Event, RecordsSettled

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

    How much is due is not known beforehand, as counting it would take about as long: it pulses, and counts.
    """

    def __init__(self) -> None:
        self._from = SystemClock.elapsed() + PATIENCE
        self._drawn: Any = None
        self._retired = self._others = 0

    def __call__(self, event: Event) -> None:
        """Count the outcomes of a chunk, and draw."""
        if not isinstance(event, RecordsSettled):
            return
        retired = sum(outcome.retired for outcome in event.outcomes)
        self._retired += retired
        self._others += len(event.outcomes) - retired
        if self._drawn is None and SystemClock.elapsed() >= self._from:
            try:
                self._drawn = _draw()
            except ImportError:
                self._from = math.inf
        if self._drawn is not None:
            self._drawn.update(self._drawn.task_ids[0], counts=f"{self._retired} retired, {self._others} others")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._drawn is not None:
            self._drawn.stop()


def _draw() -> Any:
    # By name: a type checker needs no rich, nor does anybody who only imports this.
    console, parts = import_module("rich.console"), import_module("rich.progress")
    columns = (parts.BarColumn(), parts.TextColumn("{task.fields[counts]}"), parts.TimeElapsedColumn())
    drawn = parts.Progress(*columns, console=console.Console(stderr=True), transient=True)
    drawn.add_task("", total=None, counts="")
    drawn.start()
    return drawn
