"""Registrations one by one: those that threads ask for at once share a transaction."""

from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from threading import Lock, get_ident

from temp_file_manager.records import NewFile
from temp_file_manager.registry.claim import Looked


class Single:
    """The registration of one file.

    Attributes:
        file: Which.
        now: Seconds since the epoch.
        looked: As in ``Records.add``.
        thread: Who asked for it.
        error: Why it was not done.
        over: Whether it was, or could not be.
    """

    __slots__ = ("error", "file", "looked", "now", "over", "thread")

    def __init__(self, file: NewFile, now: float, looked: Looked | None) -> None:
        self.file = file
        self.now = now
        self.looked = looked
        self.thread = get_ident()
        self.error: Exception | None = None
        self.over = False


class Singles:
    """Registrations that wait for the lock: whoever has it writes them all.

    Args:
        write: Writes them in one transaction, and notes of each whether it was done; raises if none was.
    """

    def __init__(self, write: Callable[[Sequence[Single]], None]) -> None:
        self._write = write
        self._waiting: deque[Single] = deque()

    def add(self, single: Single, lock: Lock) -> None:
        """Return when it is done, or raise why it was not."""
        try:
            self._waiting.append(single)
            with lock:
                if not single.over:
                    self._write_all(single)
        finally:
            if not single.over:  # interrupted, or nothing was written: nobody else is to do it later
                with suppress(ValueError):
                    self._waiting.remove(single)
        if single.error is not None:
            raise single.error

    def _write_all(self, own: Single) -> None:
        waiting, others = self._waiting, list[Single]()
        try:
            while waiting:
                others.append(waiting.popleft())
            others = [one for one in others if one is not own]
            self._write([own, *others])
        except BaseException as error:
            waiting.extend(others)
            if not others or not isinstance(error, Exception):
                raise
            self._write([own])  # alone: it may have been the fault of another
