"""Signals as bytes in a pipe, for commands that wait."""

import os
import signal
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import NamedTuple


class Pipe(NamedTuple):
    """Descriptors of a pipe; what is in it are signals' numbers, a byte each.

    Also of signals that a program around this one handles: who reads looks for its own. Writing blocks nobody.
    """

    reader: int
    writer: int


@contextmanager
def heard(numbers: Iterable[signal.Signals], *, ignored_after: Iterable[signal.Signals] = ()) -> Iterator[Pipe]:
    """Yield a pipe that signals write to instead of doing anything; on leaving, they do what they did.

    What Python writes to the pipe wakes the reader whichever thread the system interrupted, and whenever it came; a
    handler alone does not. (Tried first: one that puts into a SimpleQueue. Two signals sent together left the main
    thread waiting for ever, now and then. And while Python waits for a child, a handler is not run at all if the signal
    came a moment before.)

    Args:
        numbers: Which.
        ignored_after: Those that do nothing from then on, to the end of the process: ``timeout`` signals twice, people
            press Ctrl-C twice, and the second would turn a clean exit into a death while the interpreter shuts down.
    """
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    former_fd = signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    # A handler and not SIG_IGN, which a program that is started meanwhile would inherit.
    former = {number: signal.signal(number, _hear) for number in numbers}
    try:
        yield Pipe(reader, writer)
    finally:
        for number, handler in former.items():
            before = signal.SIG_DFL if handler is None else handler
            signal.signal(number, signal.SIG_IGN if number in tuple(ignored_after) else before)
        signal.set_wakeup_fd(former_fd)
        os.close(writer)
        os.close(reader)


def _hear(*_: object) -> None:
    """Do nothing: a signal that has a handler writes its number into the pipe."""
