"""A clock of which no two readings are alike."""

import itertools

from temp_file_manager.testing import NOW, FakeClock


class TickingClock(FakeClock):
    """A clock that never gives the same time twice, so that a time names a registration."""

    def __init__(self) -> None:
        super().__init__()
        self._ticks = itertools.count()

    def wall(self) -> float:
        return NOW + next(self._ticks) / 2**20
