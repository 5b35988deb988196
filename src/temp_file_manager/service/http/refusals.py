"""Wrong tokens: each is told to the log, and whoever tries many has to wait for each answer."""

from collections.abc import Callable

from starlette.types import Scope

from temp_file_manager import logs

FREE = 30
"""Wrong tokens in a window that are answered at once: a client with an old token is no attack."""
WINDOW = 60.0
"""Seconds; the log hears once in each of them."""
PAUSE = 1.0
"""Seconds that the answer to each further one takes. With at most ``CONNECTIONS`` at a time nobody gets anywhere.

A refusal of whatever comes from the same address would be the stricter limit, and would let anybody on this machine,
or behind the same proxy, shut out those who have the token: they never wait.
"""


class Refusals:
    """Counts what was not the token. For one event loop.

    Args:
        elapsed: What tells the time; seconds on a clock that nobody sets.
    """

    def __init__(self, elapsed: Callable[[], float]) -> None:
        self._elapsed = elapsed
        self._until = -1.0
        self._count = 0

    def note(self, scope: Scope) -> float:
        """Note that a request has brought a wrong token; return the seconds after which it is to be answered."""
        now = self._elapsed()
        if now >= self._until:
            logs.wrong_token(_whence(scope), max(self._count - 1, 0))
            self._until, self._count = now + WINDOW, 0
        self._count += 1
        return PAUSE if self._count > FREE else 0.0


def _whence(scope: Scope) -> str:
    client = scope.get("client")
    return str(client[0]) if client else "the Unix socket"
