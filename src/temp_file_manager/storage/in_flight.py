"""Paths that sweeps of this process are removing right now: whoever registers one of them waits."""

import itertools
from threading import Condition

from temp_file_manager.forks import at_fork


class InFlight:
    """At most one path a sweep, so that registering waits for no other removal than that of its own path.

    Why it is enough: a sweep first marks the path, then asks whether the record is still the one it claimed,
    then removes. Whoever registers looks whether the file exists, writes the record, and then, if any sweep has
    moved since before that look or is anywhere now, waits while one is at this path and looks again. So either the
    sweep sees the new record and leaves the file alone, or the registration learns that the file went.
    ``marks`` and ``last_move`` are read directly: every registration asks, and two calls would show.
    (Without it, close to half of the files registered again during a sweep were lost.)
    """

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Forget every mark, as in a forked child, which runs no sweep."""
        self.marks: dict[object, str] = {}
        self.hung: dict[object, str] = {}
        self._moves = itertools.count(1)
        self.last_move = 0
        self._waiting = 0
        self._changed = Condition()

    def mark(self, sweep: object, path: str) -> None:
        """Say that ``sweep`` is at ``path`` now, and no longer where it was."""
        self.marks[sweep] = path
        self.last_move = next(self._moves)  # not += 1, which two sweeps could do as one
        # A waiter counts itself before it looks at the marks: it sees this mark, or is seen here.
        if self._waiting:
            self._notify()

    def clear(self, sweep: object) -> None:
        """Say that ``sweep`` is at no path."""
        self.last_move = next(self._moves)  # first: who finds no mark any more must find that something moved
        self.hung.pop(sweep, None)
        self.marks.pop(sweep, None)
        if self._waiting:
            self._notify()

    def abandon(self, sweep: object, path: str) -> None:
        """Say that ``sweep`` hangs at ``path``: nobody waits for it, until ``clear`` ends it."""
        self.hung[sweep] = path
        self.mark(sweep, path)

    def wait(self, path: str) -> bool:
        """Wait while a sweep is at ``path``; return False when one hangs there, and may yet remove what is there."""
        with self._changed:
            self._waiting += 1
            try:
                while path in self.marks.values():
                    if path in self.hung.values():
                        return False
                    self._changed.wait()
                return True
            finally:
                self._waiting -= 1

    def _notify(self) -> None:
        with self._changed:
            self._changed.notify_all()


IN_FLIGHT = InFlight()  # of the process, as two managers may look after one folder

at_fork(IN_FLIGHT, InFlight.reset)
