"""``/v1/events``: the overview, pushed to whoever looks at the page, as server-sent events."""

import asyncio
from contextlib import suppress

from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from temp_file_manager.context import Context
from temp_file_manager.inspection import overview
from temp_file_manager.logs import logger
from temp_file_manager.service.http.cached import Shared
from temp_file_manager.service.http.json import dumped
from temp_file_manager.service.http.problems import Problem
from temp_file_manager.text import printable

PAUSE = 2.0
"""Seconds between two looks; one serves all who listen, and nobody looks while nobody listens."""

QUIET = 15.0
"""Seconds after which a comment tells proxies that the line is in use."""

PATIENCE = 30.0
"""Seconds after which who takes nothing of what is sent is given up."""

MOST = 32
"""Who may listen at a time."""


class Live:
    """The one resource whose answer does not end by itself.

    Args:
        context: Whose overview it is.

    Attributes:
        listening: How many there are who listen.
    """

    def __init__(self, context: Context) -> None:
        self._shared = Shared(lambda: _event(context), lambda _: PAUSE)
        self.listening = 0
        self._complaint = ""
        self._stopped = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopping = asyncio.Event()

    def stop(self) -> None:
        """End what is being sent, and begin nothing more. From any thread."""
        self._stopped = True
        if self._loop is not None:
            with suppress(RuntimeError):  # the loop has ended, and everything with it
                self._loop.call_soon_threadsafe(self._stopping.set)

    async def answer(self, request: Request) -> ASGIApp:
        """Return what serves a listener."""
        del request
        return self._listen

    async def _listen(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self.listening >= MOST:
            raise Problem(503, f"{MOST} are listening already: try again later", {"Retry-After": "10"})
        self.listening += 1
        try:
            await self._serve(scope, receive, send)
        finally:
            self.listening -= 1

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._loop = asyncio.get_running_loop()
        if self._stopped:
            raise Problem(503, "the service is stopping", {"Retry-After": "10"})
        await self._shared.get()  # while an error can still be told
        kind = (b"content-type", b"text/event-stream")
        await send({"type": "http.response.start", "status": 200, "headers": [kind]})
        if scope["method"] != "HEAD":
            await self._until_over(receive, send)
        with suppress(TimeoutError):
            async with asyncio.timeout(1):
                await send({"type": "http.response.body"})

    async def _until_over(self, receive: Receive, send: Send) -> None:
        talking = asyncio.create_task(self._talk(send))
        others = [asyncio.create_task(_gone(receive)), asyncio.create_task(self._wait_for_stop())]
        try:
            await asyncio.wait([talking, *others], return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (talking, *others):
                task.cancel()
            (error, *_) = await asyncio.gather(talking, *others, return_exceptions=True)
        if isinstance(error, Exception) and not isinstance(error, TimeoutError):
            raise error

    async def _wait_for_stop(self) -> None:
        await self._stopping.wait()

    async def _talk(self, send: Send) -> None:
        async def say(text: bytes) -> None:
            async with asyncio.timeout(PATIENCE):
                await send({"type": "http.response.body", "body": text, "more_body": True})

        while True:
            look = self._shared.task()
            done, _ = await asyncio.wait([look], timeout=QUIET)
            if not done:
                await say(b": still looking\n\n")
                continue
            error = look.exception()
            self._complain("" if error is None else repr(error))
            await say(look.result() if error is None else b": the overview cannot be made\n\n")
            await asyncio.sleep(PAUSE)

    def _complain(self, error: str) -> None:
        """Say so once, of however many who listen, and for as long as it stays the same."""
        if error and error != self._complaint:
            logger.warning(f"The overview could not be made: {printable(error)}")
        self._complaint = error


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def _event(context: Context) -> bytes:
    return b"event: overview\ndata: " + dumped(overview.overview(context)) + b"\n\n"
