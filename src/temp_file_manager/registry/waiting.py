"""Waits for claims: whoever wants to change a claimed record tries until it is free."""

import time
from collections.abc import Callable
from typing import TypeVar

from temp_file_manager.errors import RecordClaimedError

T = TypeVar("T")

_FIRST_PAUSE, _LONGEST_PAUSE = 0.001, 0.01
"""Seconds between two tries. A claim lasts a tenth of a second at most, unless its sweeper is stopped."""


class StillClaimedError(RecordClaimedError):
    """Another thread, or another process, has claimed a record: nothing was changed, and it may be free soon."""


def until_free(attempt: Callable[[], T], patience: float) -> T:
    """Return what ``attempt`` returns, which is tried again while it finds records claimed; no lock is held between.

    Args:
        attempt: Changes records, or nothing if it raises.
        patience: Seconds after which no more is tried.

    Raises:
        RecordClaimedError: they are still claimed.
    """
    until, pause = time.monotonic() + patience, _FIRST_PAUSE
    while True:
        try:
            return attempt()
        except StillClaimedError as error:
            if time.monotonic() >= until:
                raise RecordClaimedError(error.paths) from None
        time.sleep(pause)
        pause = min(2 * pause, _LONGEST_PAUSE)
