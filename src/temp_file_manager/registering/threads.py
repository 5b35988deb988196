"""Work in threads, for whoever awaits it."""

from collections.abc import Callable
from contextvars import copy_context
from threading import Lock
from typing import TypeVar

T = TypeVar("T")


async def in_thread(work: Callable[[], T], undo: Callable[[T], object] | None = None) -> T:
    """Do something in a thread, to its end, also when the task is cancelled meanwhile or before a thread is free.

    Context variables are those of the task: what a log line tells of a request it tells in the thread, too.

    Args:
        work: What is done.
        undo: Is given what the work has returned, in a thread, when the task was cancelled and nobody else gets it.
            What it raises is lost, as is what the work raises then.
    """
    import asyncio  # noqa: PLC0415 - slow to import, and whoever awaits has it

    run = copy_context().run
    results = list[T]()
    ended = Lock()  # taken at the end of the work or of the waiting: whichever comes second undoes the work

    def worked() -> T:
        result = work()
        results.append(result)
        if undo is not None and not ended.acquire(blocking=False):
            undo(result)
        return result

    try:
        return await asyncio.shield(asyncio.get_running_loop().run_in_executor(None, lambda: run(worked)))
    except asyncio.CancelledError:
        if undo is not None and not ended.acquire(blocking=False):
            await in_thread(lambda: undo(results[0]))
        raise
