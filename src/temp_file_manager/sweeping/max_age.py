"""The age limit of files that have no other: the one part that callers change while a manager works."""

import math
from collections.abc import Iterator
from contextlib import contextmanager

from temp_file_manager.arguments import seconds
from temp_file_manager.durations import Duration


class MaxAge:
    """The age limit of files without their own ttl.

    Args:
        value: A length of time.

    Attributes:
        cap: The most seconds that it may be, whatever it is set to, as a fleet's policy says; infinity: any number.
    """

    def __init__(self, value: Duration) -> None:
        self.cap: float = math.inf
        self.value = value

    @property
    def value(self) -> float:
        """Seconds."""
        return min(self._value, self.cap)

    @value.setter
    def value(self, value: Duration) -> None:
        self._value = seconds("max_age", value)

    @property
    def is_capped(self) -> bool:
        """Whether it is less than it was set to."""
        return self.cap < self._value

    @contextmanager
    def being(self, value: Duration) -> Iterator[None]:
        """Have it be so many seconds for a while."""
        before, self.value = self._value, value
        try:
            yield
        finally:
            self._value = before
