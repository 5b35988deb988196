"""Interrupts at each point at which Python looks for signals: after a call into C, and when a function begins."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def interrupted(at: int, within: str, action: Callable[[], object]) -> Iterator[Callable[[], bool]]:
    """Act at one of these points in this thread; yield what says whether it has been reached.

    Args:
        at: Which point; the first is 0.
        within: Part of the names of the files whose code counts.
        action: What happens there, once; what it raises is raised there, as a signal handler's error is.
    """
    left, done = at, False

    def see(frame: Any, event: str, _: object) -> None:
        nonlocal left, done
        if done or event not in {"call", "c_return"} or within not in frame.f_code.co_filename:
            return
        if left:
            left -= 1
            return
        done = True
        action()

    sys.setprofile(see)
    try:
        yield lambda: done
    finally:
        sys.setprofile(None)


def stop() -> None:
    """Do what Ctrl-C does."""
    raise KeyboardInterrupt


def everywhere(step: Callable[[int], bool]) -> int:
    """Call ``step`` with 0, 1, 2 … until it says that there is no such point; return how many there were."""
    at = 0
    while step(at):
        at += 1
    return at
