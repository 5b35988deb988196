"""Work in threads, for whoever awaits it."""

from collections.abc import Callable
from contextvars import copy_context
from typing import TypeVar

T = TypeVar("T")


async def in_thread(work: Callable[[], T]) -> T:
    """Do something in a thread, to its end, also when the task is cancelled meanwhile or before a thread is free.

    Context variables are those of the task: what a log line tells of a request it tells in the thread, too.
    """
    import asyncio  # noqa: PLC0415 - slow to import, and whoever awaits has it

    run = copy_context().run
    return await asyncio.shield(asyncio.get_running_loop().run_in_executor(None, lambda: run(work)))
