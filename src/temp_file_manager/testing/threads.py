"""Work in threads that may have to wait for something."""
# ruff: noqa: S101 - tests assert

import threading
from collections.abc import Callable
from typing import Generic, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")

LONG = 240.0
"""Real seconds within which everything comes to its end; what has not by then hangs."""

MOMENT = 0.02
"""Real seconds in which whatever need not wait is mostly done."""


class Work(Generic[T]):
    """Work in a thread of its own; an error of it is raised by ``end``.

    Args:
        work: What to call.
        *args: Its arguments; likewise those by name.
    """

    def __init__(self, work: Callable[P, T], *args: P.args, **named: P.kwargs) -> None:
        self._begun = threading.Event()
        self._answers: list[T] = []
        self._error: BaseException | None = None

        def run() -> None:
            self._begun.set()
            try:
                self._answers.append(work(*args, **named))
            except BaseException as error:
                self._error = error

        self._thread = threading.Thread(target=run, daemon=True)  # one that hangs does not keep the tests from ending
        self._thread.start()

    def waits(self) -> bool:
        """Say whether it has begun and, a moment later, has not come to its end."""
        assert self._begun.wait(LONG)
        self._thread.join(MOMENT)
        return self._thread.is_alive()

    def end(self) -> T:
        """Return what it returned, as soon as it has.

        Raises:
            AssertionError: it hangs.
            BaseException: what it raised.
        """
        self._thread.join(LONG)
        assert not self._thread.is_alive(), "it hangs"
        if self._error is not None:
            raise self._error
        return self._answers[0]
