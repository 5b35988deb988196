"""Answers that many ask for and one thread finds out."""

import asyncio
from collections.abc import Callable
from time import monotonic
from typing import Generic, TypeVar

from starlette.concurrency import run_in_threadpool

T = TypeVar("T")


class Shared(Generic[T]):
    """An answer that is found out at most once at a time, and again when it is old. For one event loop.

    Args:
        find: Finds it out, in a thread.
        rest: Says for how many seconds an answer is good that took so many.
    """

    def __init__(self, find: Callable[[], T], rest: Callable[[float], float]) -> None:
        self._find = find
        self._rest = rest
        self._task: asyncio.Task[T] | None = None
        self._good_until = 0.0

    async def get(self) -> T:
        """Return the answer. Who gives up waiting for it takes it from nobody else."""
        return await asyncio.shield(self.task())

    def task(self) -> asyncio.Task[T]:
        """Return what finds out, or has found out, the answer."""
        if self._task is None or (self._task.done() and monotonic() >= self._good_until):
            self._task = asyncio.create_task(self._found())
            self._task.add_done_callback(_heard)
        return self._task

    async def _found(self) -> T:
        began = monotonic()
        answer = await run_in_threadpool(self._find)
        ended = monotonic()
        self._good_until = ended + self._rest(ended - began)
        return answer


def _heard(task: asyncio.Task[T]) -> None:
    # Everybody who waited may have gone: asyncio would complain of an error that nobody asked for.
    if not task.cancelled():
        task.exception()
