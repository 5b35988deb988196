"""A clock that obeys."""

import threading

from temp_file_manager.testing.threads import LONG

NOW = 1_000_000.0


class FakeClock:
    """A ``clock.Clock`` that stands still until it is told otherwise. Safe to share between threads.

    Args:
        wall: Seconds since the epoch.
        elapsed: Seconds on the clock that nobody sets.
    """

    def __init__(self, wall: float = NOW, elapsed: float = 0.0) -> None:
        self._wall = wall
        self._elapsed = elapsed
        self._deadlines: dict[object, float] = {}
        self._changed = threading.Condition()

    def wall(self) -> float:
        """Return the time that people read."""
        return self._wall

    def elapsed(self) -> float:
        """Return the time that leases and budgets are read from."""
        return self._elapsed

    def advance(self, seconds: float) -> None:
        """Let both clocks go on."""
        with self._changed:
            self._wall += seconds
            self._elapsed += seconds

    def set(self, *, wall: float | None = None, elapsed: float | None = None) -> None:
        """Put either clock to a time, as an administrator does to the first and nobody to the second."""
        with self._changed:
            self._wall = self._wall if wall is None else wall
            self._elapsed = self._elapsed if elapsed is None else elapsed

    def wait(self, event: threading.Event, seconds: float) -> bool:
        """Return True as soon as ``event`` is set, False once the clock has been advanced by ``seconds``."""
        key = object()
        with self._changed:
            deadline = self._elapsed + seconds
            self._deadlines[key] = deadline
            self._changed.notify_all()
        try:
            # One cannot wait for an event and a condition together, and replacing the event's ``set`` would
            # miss who holds the method already. So the event is waited for properly, and the hand-set clock,
            # which only tests advance, is looked at every 2 ms of real time.
            while not event.wait(0.002):
                if self._elapsed >= deadline:
                    return False
            return True
        finally:
            with self._changed:
                del self._deadlines[key]

    def until_waiting(self, threads: int = 1, *, timeout: float = LONG) -> None:
        """Return once so many threads are in ``wait`` with their time not yet come; then advance the clock.

        Args:
            threads: At least how many.
            timeout: Real seconds.

        Raises:
            TimeoutError: they did not come.
        """
        with self._changed:
            if not self._changed.wait_for(lambda: self._waiting() >= threads, timeout):
                raise TimeoutError(f"{self._waiting()} threads wait for the clock, not {threads}")

    def _waiting(self) -> int:
        return sum(deadline > self._elapsed for deadline in self._deadlines.values())
