"""The server's clock: this machine's clock that nobody can set, and how far the server's is from it."""

import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from temp_file_manager.clock import Clock, SystemClock
from temp_file_manager.errors import RegistryError

DRIFT = 200e-6
"""Seconds a second by which two machines' clocks may part: each crystal is off by fewer than 100 millionths."""

REST = 60.0
"""Seconds after which the server is asked for the time again."""

RETRY = 5.0
"""Seconds for which a server that did not answer is not asked by whoever wants to know the time."""


@dataclass(frozen=True, slots=True)
class Offset:
    """How far the server's clock is ahead of this machine's, in seconds.

    Attributes:
        ahead: The middle of what it can be.
        doubt: How far from it it may be: half of the round trip.
        seen_at: When, on this machine's clock.
    """

    ahead: float
    doubt: float
    seen_at: float

    def doubt_at(self, own: float) -> float:
        """Return how far from the middle it may be at a later moment of this machine's clock."""
        return self.doubt + DRIFT * max(own - self.seen_at, 0.0)


def better(known: Offset | None, seen: Offset) -> Offset:
    """Return which of two looks at the server's clock is to go by.

    A slow answer tells less than a quick one a minute ago, unless somebody has set the clock since.
    """
    if known is None:
        return seen
    doubt = known.doubt_at(seen.seen_at)
    contradicted = abs(seen.ahead - known.ahead) > doubt + seen.doubt
    return seen if contradicted or seen.doubt <= doubt else known


class ServerClock:
    """The clock that all who share a server read. ``wall`` and ``elapsed`` are the same, the server's time.

    Until the server has answered once, ``wall`` is this machine's, and ``elapsed`` is the time since it was started,
    which is far in the server's past: a lease by that clock has always lapsed, and takes nobody else's records.

    Args:
        meet: Asks the server; raises RegistryError if it does not answer.
        machine: This machine's clocks.

    Attributes:
        machine: The same.
        offset: How far the server's clock is ahead of ``machine.elapsed``; None before the first look.
    """

    def __init__(self, meet: Callable[[], None], machine: Clock | None = None) -> None:
        self.machine = machine or SystemClock()
        self.offset: Offset | None = None
        self._meet = meet
        self._retry_at = 0.0
        self._seen_at = 0.0

    def own(self) -> float:
        """Return seconds on this machine's clock that nobody can set."""
        return self.machine.elapsed()

    @property
    def is_old(self) -> bool:
        """Whether the server is to be asked again."""
        return self.own() - self._seen_at >= REST

    def see(self, before: float, moment: float, after: float) -> None:
        """Take the server's time, which it told between two moments of this machine's clock."""
        self._seen_at = after
        self.offset = better(self.offset, Offset(moment - (before + after) / 2, (after - before) / 2, after))

    def wall(self) -> float:
        """Return seconds since the epoch, as the server reads them."""
        offset = self.offset or self._first()
        return self.machine.wall() if offset is None else self.own() + offset.ahead

    def elapsed(self) -> float:
        """Return the same: what leases are read from is to be the same on every machine."""
        offset = self.offset or self._first()
        return self.own() if offset is None else self.own() + offset.ahead

    def wait(self, event: threading.Event, seconds: float) -> bool:
        """Return True as soon as ``event`` is set, False once ``seconds`` have elapsed."""
        return self.machine.wait(event, seconds)

    def _first(self) -> Offset | None:
        if self.own() >= self._retry_at:
            with suppress(RegistryError):  # whoever wants more of it than the time is told
                self._meet()
            self._retry_at = self.own() + RETRY
        return self.offset
