"""Two clocks: the one people read, and the one that only goes forward."""

import functools
import threading
import time
from collections.abc import Callable
from typing import Protocol


def _elapsed_seconds() -> Callable[[], float]:
    # CLOCK_BOOTTIME goes on while the machine sleeps, which leases need; only Linux has it.
    # Bound here, not looked up in ``time`` at each call, so that a test that replaces a module's
    # ``time`` to set the wall clock leaves this one alone.
    if hasattr(time, "CLOCK_BOOTTIME"):
        return functools.partial(time.clock_gettime, time.CLOCK_BOOTTIME)
    return time.monotonic


def boot_id(path: str = "/proc/sys/kernel/random/boot_id") -> str:
    """Return what names this boot of the machine, with which the elapsed clock began; "" where nothing does."""
    try:
        with open(path, encoding="ascii") as file:
            return file.read().strip()
    except (OSError, ValueError):
        return ""


class Wall(Protocol):
    """A clock that people read."""

    def wall(self) -> float:
        """Return seconds since the epoch."""


class Clock(Protocol):
    """What the package asks of time. ``testing.FakeClock`` is the other implementation."""

    def wall(self) -> float:
        """Return seconds since the epoch: what ages are read from."""

    def elapsed(self) -> float:
        """Return seconds on a clock that nobody can set: what leases and budgets are read from."""

    def wait(self, event: threading.Event, seconds: float) -> bool:
        """Return True as soon as ``event`` is set, False once ``seconds`` have elapsed."""


class SharedClock(Clock, Protocol):
    """A clock that several machines read. ``machine`` has this one's, by which it is judged."""

    @property
    def machine(self) -> Clock:
        """This machine's clocks."""


class SystemClock:
    """The machine's clocks."""

    def wall(self) -> float:  # noqa: D102 - see Clock
        # Looked up at each call: callers' tests replace time.time.
        return time.time()

    # The function itself: a sweep asks once a file.
    elapsed = staticmethod(_elapsed_seconds())

    def wait(self, event: threading.Event, seconds: float) -> bool:  # noqa: D102 - see Clock
        return event.wait(min(seconds, threading.TIMEOUT_MAX))  # more is an OverflowError
