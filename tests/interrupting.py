"""Signals at every place where Python runs their handlers: at the beginning of a function, and after each call."""

import sys
from collections.abc import Callable
from types import FrameType
from typing import Any


class Places:
    """Calls a handler at the n-th place that a piece of work passes, as the interpreter does when a signal has come.

    Args:
        handler: May raise.
        inside: Only places in files whose path holds this.
    """

    def __init__(self, handler: Callable[[], object], inside: str = "temp_file_manager/") -> None:
        self._handler = handler
        self._inside = inside

    def come(self, number: int, work: Callable[[], object]) -> bool:
        """Do ``work`` with a signal at one place; say whether there is such a place. What the handler raises passes."""
        left = number

        def profile(frame: FrameType, event: str, _: Any) -> None:
            nonlocal left
            if event in ("call", "c_return") and self._inside in frame.f_code.co_filename:
                left -= 1
                if left < 0:
                    sys.setprofile(None)
                    self._handler()

        sys.setprofile(profile)
        try:
            work()
        finally:
            sys.setprofile(None)
        return left < 0
