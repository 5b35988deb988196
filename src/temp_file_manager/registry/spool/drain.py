"""The drain of a spool: a thread that tries the server, and sends what waits as soon as that answers."""

import threading

from temp_file_manager.clock import Clock
from temp_file_manager.errors import RegistryError, RegistryUnavailableError, TempFileError
from temp_file_manager.forks import at_fork
from temp_file_manager.registry.contract import Registry
from temp_file_manager.registry.journal import last_line
from temp_file_manager.registry.spool import lines
from temp_file_manager.registry.spool.file import SpoolFile
from temp_file_manager.registry.spool.forward import forward

PACE = 1.0
"""Seconds between two tries."""

KEPT = 60.0
"""Seconds for which what was sent is kept: a standby that takes over may not have seen it."""

BATCH = 1000
"""Records sent at a time."""

_JOURNAL = "spool "


class Drain:
    """What sends the records of a spool, and tells when the server is back.

    After each batch its number goes into a journal at the server. A standby that takes over has a beginning of what the
    server had done: where the number is, the batch is, too. What was sent in later batches is sent again; and only
    that, so that what has been forgotten since stays forgotten.

    Args:
        target: Where records belong.
        spool: Where they wait.
        clock: This machine's.

    Attributes:
        down: Whether the server was out of reach when it was last tried.
        journal: The name of its journal at the server.
    """

    def __init__(self, target: Registry, spool: SpoolFile, clock: Clock) -> None:
        self.down = False
        self._target = target
        self._spool = spool
        self._clock = clock
        self.journal = _JOURNAL + spool.name
        self._trouble = ""
        self._since = 0.0
        self._in_child()
        at_fork(self, Drain._in_child)

    def _in_child(self) -> None:
        self._lock = threading.Lock()
        self._stopped = threading.Event()
        self._thread: threading.Thread | None = None

    def lost(self) -> None:
        """Note that the server is out of reach, and try it from now on."""
        with self._lock:
            first, self.down = not self.down, True
            if first:
                self._since = self._clock.elapsed()
        if first:
            lines.outage_began(self._target.properties.address, self._spool.path)
        self.start()

    def start(self, *, at_once: bool = False) -> None:
        """Have a thread send what waits, unless there is one; with ``at_once``, a batch even if it is soon stopped."""
        with self._lock:
            if self._thread is None or not self._thread.is_alive():
                # It never keeps a program from its end: what waits is safe where it is.
                self._thread = threading.Thread(
                    target=self._run, args=(self._stopped, at_once), name="temp-file-spool", daemon=True
                )
                self._thread.start()

    def stop(self) -> None:
        """End the thread; what waits stays where it is. The next ``start`` begins another."""
        with self._lock:
            thread, self._thread = self._thread, None
            stopped, self._stopped = self._stopped, threading.Event()
        stopped.set()
        if thread is not None and thread is not threading.current_thread():
            thread.join()

    def _run(self, stopped: threading.Event, at_once: bool) -> None:
        if at_once:
            self.attempt(stopped)
        while not self._clock.wait(stopped, PACE):
            self.attempt(stopped)
            with self._lock:
                if stopped.is_set():
                    return
                if self._is_done():
                    self._thread = None
                    return

    def _is_done(self) -> bool:
        try:
            return not self.down and self._spool.is_empty()
        except RegistryError:
            return False  # ``attempt`` has told of it

    def attempt(self, stopped: threading.Event) -> None:
        """Try the server once, and send what waits if it answers, until ``stopped``; trouble is told once."""
        try:
            self.once(stopped)
        except RegistryUnavailableError:
            return
        except TempFileError as error:
            if str(error) != self._trouble:
                lines.stuck(self._spool.path, error)
            self._trouble = str(error)
        else:
            self._trouble = ""

    def once(self, stopped: threading.Event | None = None) -> int:
        """Send what waits, until ``stopped``; return how many records that were.

        Raises:
            RegistryUnavailableError: the server is still out of reach.
        """
        self._send_what_was_lost()
        self._found()
        sent = 0
        while count := self._batch():
            sent += count
            if stopped is not None and stopped.is_set():
                break
        self._spool.expire(self._clock.elapsed(), KEPT)
        if sent:
            lines.drained(sent, self._spool.path)
        return sent

    def _found(self) -> None:
        with self._lock:
            over, self.down = self.down, False
        if over:
            lines.outage_over(self._target.properties.address, self._clock.elapsed() - self._since)

    def _send_what_was_lost(self) -> None:
        with self._spool.sending():
            known = last_line(self._target, self.journal)
            if self._spool.is_sent():
                self._spool.send_again(int(known or 0))

    def _batch(self) -> int:
        with self._spool.sending():
            batch, rows = self._spool.take(BATCH)
            done = forward(self._target, rows) if rows else []
            if done:
                self._target.write(self.journal, str(batch), self._target_time(), keep=1)
                self._spool.sent(done, batch, self._clock.elapsed())
            return len(done)

    def _target_time(self) -> float:
        return (self._target.clock or self._clock).wall()
