"""One connection to the service, with an end to what uvicorn would bear for ever."""

import asyncio

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol, RequestResponseCycle

PATIENCE = 15.0
"""Seconds in which who is connected brings a whole head of a request, or takes the rest of an answer; up to twice
that, as nobody looks more often."""


class Connection(H11Protocol):
    """A connection that is cut when nothing comes of it; each costs a descriptor, which sweeps need, too."""

    _seen: RequestResponseCycle | None = None
    _next_look: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Take it; beyond twice as many as are served, cut it at once: it would not be told in time that it must go."""
        super().connection_made(transport)
        if self.limit_concurrency is not None and len(self.connections) > 2 * self.limit_concurrency:
            transport.abort()
        else:
            self._look_later()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget it."""
        super().connection_lost(exc)
        if self._next_look is not None:
            self._next_look.cancel()

    def send_400_response(self, msg: str) -> None:
        """Answer what is no HTTP, unless an answer is out already."""
        if self.conn.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            super().send_400_response(msg)
        else:
            self.transport.close()

    def _should_upgrade(self) -> bool:
        return False  # nothing here speaks anything else; uvicorn's own would advise to install what does

    def _look_later(self) -> None:
        self._next_look = self.loop.call_later(PATIENCE, self.look)

    def look(self) -> None:
        """Cut it if nothing has come of it since the last look."""
        resting = self.cycle is None or self.cycle.response_complete
        if resting and self.cycle is self._seen:
            self.transport.abort()
        else:
            self._seen = self.cycle
            self._look_later()
