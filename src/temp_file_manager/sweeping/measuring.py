"""Measuring: looks at all registered files in turn, so that the registry's sums are what the disk says."""

import itertools
import math
import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import NamedTuple

from temp_file_manager.clock import Clock
from temp_file_manager.errors import RegistryFullError
from temp_file_manager.records import Measured, Selection, TempFile
from temp_file_manager.registering.closed import ClosedFiles
from temp_file_manager.registry import Registry
from temp_file_manager.registry.journal import last_line
from temp_file_manager.storage.contract import Storage
from temp_file_manager.storage.measure import GONE, REPLACED, measure
from temp_file_manager.sweeping.scheduler import Stop
from temp_file_manager.sweeping.sweep import Bounds, Sweeper
from temp_file_manager.sweeping.walk import Walk

SLICE = 0.05
"""Seconds after which no other page is begun with."""

SHARE = 0.01
"""The part of the time that is worked in, at most."""

SHORTEST, LONGEST = 5.0, 60.0
"""Seconds of a rest. A slice that would ask for a longer one has waited, for a disk or for this machine to wake up."""

ROUND = 60.0
"""Seconds from the beginning of one round to that of the next, at least."""

TURN = 180.0
"""Seconds for which one process measures without saying so again; when it has ended, another goes on after them."""

_MEASURED, _TURN = "measured", "measure"
"""Journals of one line each: when the last complete round began, and whose turn it is until when."""


class _Round(NamedTuple):
    """A walk, and when it began: seconds since the epoch, and on the clock that nobody sets."""

    walk: Walk
    began: float
    since: float


class Measuring:
    """Renews what the registry knows of files, a slice at a time: their sizes, their uses, and which are gone.

    First come the files that were registered since it last looked, then all in turn. Of the processes that share a
    registry one does so, and the others come after it. What a look says to be missing is left to a sweep that removes
    nothing: so a file is forgotten as gone with all the care that a removal takes.

    Args:
        registry: Whose files. It keeps sizes and identities.
        clock: What tells the time.
        sweeper: Sweeps over the registry.
        storage: Removes nothing, and notes which files are gone or rewritten; see ``storage.build.build_gone``.
        closed: Files that were made here and have been closed.
        tell: Told what looks have found.

    Attributes:
        rest: Seconds to wait before the next slice, so that all of them take no more than ``SHARE`` of the time.
    """

    def __init__(
        self,
        registry: Registry,
        clock: Clock,
        sweeper: Sweeper,
        storage: Storage,
        closed: ClosedFiles,
        tell: Callable[[Sequence[Measured]], None] = lambda _: None,
    ) -> None:
        self._registry = registry
        self._clock = clock
        self._sweeper = sweeper
        self._storage = storage
        self._closed = closed
        self._tell = tell
        self._name = os.urandom(8).hex()
        self._newest: _Round | None = None
        self._round: _Round | None = None  # none until the newest have all been looked at once, which is a round, too
        self._next_round = math.inf
        self.rest: float = SHORTEST

    def age(self) -> float | None:
        """Return how old the registry's knowledge is at most: seconds since the last complete round began.

        None before the first is complete, whatever process measures.

        Raises:
            RegistryError: the registry cannot be read.
        """
        line = last_line(self._registry, _MEASURED)
        return None if line is None else max(0.0, self._clock.wall() - float(line))

    def slice(self, stop: Stop) -> float:
        """Measure for a while, if no other process does; return ``rest``.

        Args:
            stop: Says whether to stop; asked between pages.

        Raises:
            RegistryError: the registry cannot be read or changed.
        """
        began, self.rest = self._clock.elapsed(), LONGEST  # also if it fails: others will, too
        self._closed.tell()
        with self._registry.exclusive(_TURN) as alone:
            others = self._others_turn(began) if alone else SHORTEST
            if not others:
                self._work(began + SLICE, stop)
        took = self._clock.elapsed() - began
        self.rest = others or min(max(SHORTEST, took / SHARE - took), LONGEST)
        return self.rest

    def _others_turn(self, now: float) -> float:
        """Return for how many seconds it is another's turn; 0 when it is ours."""
        name = f"{self._name}.{os.getpid()}"  # a forked child is another
        line = last_line(self._registry, _TURN)
        whose, told = line.split() if line else (name, "0")
        until = float(told)
        lasts = now < until <= now + TURN  # later than that: it was written before the machine was started
        if lasts and whose != name:
            return min(until - now, LONGEST)
        if not lasts or until <= now + TURN / 2:  # while it lasts for more than a rest
            with suppress(RegistryFullError):
                self._registry.write(_TURN, f"{name} {now + TURN}", self._clock.wall(), keep=1)
        return 0.0

    def _work(self, until: float, stop: Stop) -> None:
        newest = self._newest = self._newest or self._begun(math.inf)
        first = self._next_round == math.inf
        # Where files come faster than they are looked at, half of the time is for those that were there before.
        come = self._come_to_end(newest.walk, until if first else until - SLICE / 2, stop)
        if first and come:
            self._complete(newest)
        if self._round is None and self._clock.elapsed() >= self._next_round:
            self._round = self._begun(newest.walk.last)
        if self._round is not None and self._come_to_end(self._round.walk, until, stop):
            self._complete(self._round)
            self._round = None

    def _begun(self, upto: float) -> _Round:
        return _Round(Walk(self._registry, 0, upto), self._clock.wall(), self._clock.elapsed())

    def _come_to_end(self, walk: Walk, until: float, stop: Stop) -> bool:
        """Go on with a walk, by a page at least; say whether it has come to its end."""
        while not stop():
            self._look(walk.next(self._clock.elapsed()), stop)
            if walk.at_end or self._clock.elapsed() >= until:
                return walk.at_end
        return False

    def _complete(self, done: _Round) -> None:
        self._next_round = done.since + ROUND
        with suppress(RegistryFullError):  # the next round will tell
            self._registry.write(_MEASURED, repr(done.began), self._clock.wall(), keep=1)

    def _look(self, records: tuple[TempFile, ...], stop: Stop) -> None:
        asof = self._clock.wall()
        looks = list(measure(records, asof))
        found = [look for look in looks if isinstance(look, Measured)]
        with suppress(RegistryFullError):  # the next round looks again
            self._registry.measured(found)
        self._tell(found)
        missing = tuple(record for record, look in zip(records, looks, strict=True) if look in (GONE, REPLACED))
        if missing:
            # One claim and no more: what is skipped, as it came back, is free at once for this very sweep.
            claims = itertools.count()
            bounds = Bounds(stop=lambda: next(claims) > 0 or stop())
            self._sweeper.run(Selection(asof, 0.0, force=True, only=missing), bounds, self._storage)
