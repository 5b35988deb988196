"""Traces of limits in this process: since when a mark is passed, how fast room goes, when to look and to try again."""

import math
from collections.abc import Callable, Collection
from typing import NamedTuple

from temp_file_manager.clock import Clock
from temp_file_manager.errors import LimitError
from temp_file_manager.limits import Limit
from temp_file_manager.rules import retry_at
from temp_file_manager.sweeping.limits import Reading, over, room_left
from temp_file_manager.sweeping.readings import Readings

SHORTEST, LONGEST = 1.0, 60.0
"""Seconds between two looks."""

_IN_TIME = 0.5
"""The next look comes when so large a part of the time has gone in which the room would be used up."""


class LimitState(NamedTuple):
    """A limit, as the last look of this process found it. Moments are of the elapsed clock.

    Attributes:
        limit: Which.
        reading: What its measure was; None: nobody has looked, or nothing can tell.
        looked_at: When.
        speed: How much of the room that is left went each second.
        over_since: Since when the mark is passed; None: it is not.
        unmet: Why it cannot be kept, in words; empty when it can.
        tries: How many times in a row it could not.
        again_at: When to try again.
    """

    limit: Limit
    reading: Reading | None = None
    looked_at: float = -math.inf
    speed: float | None = None
    over_since: float | None = None
    unmet: str = ""
    tries: int = 0
    again_at: float = -math.inf


class LimitStates:
    """Keeps the state of each limit, for the evictor, its job, and whoever registers or makes files.

    Args:
        limits: Those that are set.
        readings: What reads the measures.
        clock: What tells the time.
        wake: Called when what this process has registered may have used up the room that there was.
    """

    def __init__(
        self, limits: tuple[Limit, ...], readings: Readings, clock: Clock, wake: Callable[[], object] = lambda: None
    ) -> None:
        self.limits: tuple[Limit, ...] = limits
        self._readings = readings
        self._clock = clock
        self._wake = wake
        self._states = {limit.name: LimitState(limit) for limit in limits}
        self._files = self._bytes = math.inf  # room for so many more, as far as anybody knows

    def __getitem__(self, limit: Limit) -> LimitState:
        return self._states.get(limit.name) or LimitState(limit)

    @property
    def all(self) -> tuple[LimitState, ...]:
        """The states of all limits."""
        return tuple(self[limit] for limit in self.limits)

    def put(self, limits: tuple[Limit, ...]) -> None:
        """Keep these limits from now on, and no others; what is known of those that stay the same stays known."""
        self._states = {
            limit.name: self[limit] if self[limit].limit == limit else LimitState(limit) for limit in limits
        }
        self.limits = limits
        self._note_room()
        self._wake()

    def check(self) -> tuple[LimitState, ...]:
        """Look at every limit, and return the states.

        Raises:
            RegistryError: the registry cannot be read.
        """
        for limit in self.limits:
            before = self[limit]
            self.look(limit)
            self._note_speed(limit, before)
        return self.all

    def _note_speed(self, limit: Limit, before: LimitState) -> None:
        """Note how fast room went since the look before; where some was made meanwhile, nothing tells."""
        state = self[limit]
        if before.reading is None or state.reading is None or state.looked_at <= before.looked_at:
            return
        seconds = state.looked_at - before.looked_at
        speed = (room_left(limit, before.reading) - room_left(limit, state.reading)) / seconds
        if seconds < SHORTEST:  # so short a time tells of a rush, and of no calm
            if before.speed is None:
                return
            speed = max(speed, before.speed)
        if speed >= 0:
            self._states[limit.name] = state._replace(speed=speed)

    def look(self, limit: Limit) -> Reading | None:
        """Look at one limit's measure, and return what it is; None when nothing can tell.

        Raises:
            RegistryError: the registry cannot be read.
        """
        before, now, reading = self[limit], self._clock.elapsed(), self._readings.read(limit)
        state = before._replace(reading=reading, looked_at=now)
        if reading is None or not over(limit, reading):
            state = state._replace(over_since=None)
        elif before.over_since is None:
            state = state._replace(over_since=now)
        self._states[limit.name] = state
        self._note_room()
        return reading

    def is_time(self, limit: Limit) -> bool:
        """Say whether it is time to keep a limit whose mark is passed: for long enough, and no try before rests."""
        return self._waits(self[limit]) <= 0

    def is_pressed(self) -> bool:
        """Look at every limit, and say whether any is to be kept now."""
        return any(self._waits(state) <= 0 for state in self.check() if state.over_since is not None)

    def _waits(self, state: LimitState) -> float:
        now = self._clock.elapsed()
        since = now if state.over_since is None else state.over_since
        return max(since + state.limit.after, state.again_at) - now

    def met(self, limit: Limit) -> bool:
        """Note that a limit is kept; say whether it was not before."""
        before = self[limit]
        self._states[limit.name] = before._replace(unmet="", tries=0, again_at=-math.inf)
        return bool(before.unmet)

    def unmet(self, limit: Limit, reason: str, *, passing: bool = False) -> bool:
        """Note that a limit cannot be kept, which is tried again after 1, 2, 4 … minutes; say whether that is new.

        Args:
            limit: Which.
            reason: In words.
            passing: Whether what is too young now would do: then it is tried again when that is old enough.
        """
        before, now = self[limit], self._clock.elapsed()
        tries = before.tries + 1
        again_at = min(retry_at(tries, now), now + max(limit.spare, SHORTEST) if passing else math.inf)
        self._states[limit.name] = before._replace(unmet=reason, tries=tries, again_at=again_at)
        return not before.unmet

    def rest(self) -> float:
        """Return the seconds until the next look."""
        return min((self._rest(state) for state in self.all), default=LONGEST)

    def _rest(self, state: LimitState) -> float:
        if state.reading is None:
            return LONGEST
        if state.over_since is not None:
            wanted = self._waits(state)
        elif state.speed is None:
            wanted = SHORTEST  # to find out
        else:
            wanted = _IN_TIME * room_left(state.limit, state.reading) / state.speed if state.speed else LONGEST
        return min(max(wanted, SHORTEST), LONGEST)

    # -- for whoever registers and makes files

    def _note_room(self) -> None:
        room = {True: math.inf, False: math.inf}
        for state in self.all:
            if state.reading is not None and state.over_since is None:  # what is passed is looked at soon in any case
                is_count = state.limit.measure.is_count
                room[is_count] = min(room[is_count], room_left(state.limit, state.reading))
        self._files, self._bytes = room[True], room[False]

    def took(self, sizes: Collection[int | None]) -> None:
        """Note that files of these sizes were registered."""
        self._files -= len(sizes)
        self._bytes -= sum(size or 0 for size in sizes)
        if self._files < 0 or self._bytes < 0:
            self._files = self._bytes = math.inf  # until the next look
            self._wake()

    def admit(self) -> None:
        """Let a new file be made; a limit that refuses is looked at first, each second at most while it is kept.

        Raises:
            LimitError: a limit is passed that is to refuse new files.
        """
        for limit in self.limits:
            state = self[limit]
            if not limit.refuse:
                continue
            if state.over_since is not None or self._clock.elapsed() - state.looked_at >= SHORTEST:
                self.look(limit)
            if self[limit].over_since is not None:
                raise LimitError(f'limit "{limit.name}" is passed ({limit.words()}): make room, or raise the limit')
