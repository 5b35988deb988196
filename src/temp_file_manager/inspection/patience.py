"""Patience with files and processes that may not answer, such as a file on a dead mount: some seconds, and no more.

A system call that hangs cannot be called back; only the thread that made it can be left behind.
"""

import threading
from collections.abc import Callable
from typing import Generic, TypeVar

from temp_file_manager.clock import Clock

T = TypeVar("T")

SECONDS = 5.0
"""How long one look may take."""

MOST = 8
"""Looks that may be left behind at once. Beyond it nothing is looked at until one of them comes back."""

_left: set[threading.Thread] = set()
"""Those left behind, of the whole process."""


class Patience:
    """Patience with one thing, which ends with the first look that is not answered in time.

    Args:
        clock: What tells the time.

    Attributes:
        lost: Whether it has ended.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.lost = False

    def ask(self, look: Callable[[], T], otherwise: T) -> T:
        """Return what a look finds, or raise what it raises; return ``otherwise`` if it does not answer."""
        self.lost = self.lost or hanging() >= MOST
        if self.lost:
            return otherwise
        asked = _Asked(look)
        # A daemon: one that hangs does not keep the interpreter from ending.
        thread = threading.Thread(target=asked.run, name="temp-file-look", daemon=True)
        try:
            thread.start()
        except RuntimeError:  # there can be no more threads
            return look()
        if not self._clock.wait(asked.over, SECONDS):
            _left.add(thread)
            self.lost = True
            return otherwise
        if asked.error is not None:
            raise asked.error
        return asked.found[0]


class _Asked(Generic[T]):
    """A look, and what it has found or raised once it is over."""

    def __init__(self, look: Callable[[], T]) -> None:
        self._look = look
        self.over = threading.Event()
        self.found: list[T] = []
        self.error: BaseException | None = None

    def run(self) -> None:
        try:
            self.found.append(self._look())
        except BaseException as error:
            self.error = error
        self.over.set()


def hanging() -> int:
    """Return how many have not come back yet; in a forked child none of its parent's is there."""
    for thread in tuple(_left):
        if not thread.is_alive():
            _left.discard(thread)
    return len(_left)
