"""One thread that sweeps at an interval, and survives everything a sweep can raise."""

import threading
from collections.abc import Callable

from temp_file_manager.clock import Clock
from temp_file_manager.forks import at_fork


class Scheduler:
    """Calls ``sweep`` at once and then every ``interval`` seconds, on one daemon thread.

    Args:
        sweep: Called with a function that says whether to stop, which a sweep asks between chunks.
        on_error: Called with what ``sweep`` raised.
        interval: Seconds from the end of one sweep to the beginning of the next.
        clock: What waits.

    Attributes:
        interval: As given.
        failures: How many sweeps raised.
        beat: When the thread last showed that it works, seconds since the epoch; None until it first has.
        ended: When the last sweep ended; None until one has.
    """

    def __init__(
        self,
        sweep: Callable[[Callable[[], bool]], object],
        on_error: Callable[[Exception], object],
        interval: float,
        clock: Clock,
    ) -> None:
        self._sweep = sweep
        self._on_error = on_error
        self.interval = interval
        self._clock = clock
        self.failures = 0
        self.beat: float | None = None
        self.ended: float | None = None
        self._renew()
        at_fork(self, Scheduler._renew)

    def _renew(self) -> None:
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    @property
    def running(self) -> bool:
        """Whether the thread is alive."""
        thread = self._thread
        return thread is not None and thread.is_alive()

    @property
    def alive(self) -> bool | None:
        """Whether the thread that was started lives; None when none was, or it has been told to stop."""
        with self._lock:
            thread = self._thread
            return None if thread is None or self._stopping.is_set() else thread.is_alive()

    def start(self) -> None:
        """Start the thread; if it runs already, do nothing."""
        with self._lock:
            if self.running and not self._stopping.is_set():
                return
            # An event for each thread: one that is still ending ends, whatever is started meanwhile.
            self._stopping = threading.Event()
            thread = threading.Thread(
                target=self._run, args=(self._stopping,), name="temp-file-manager-scheduler", daemon=True
            )
            thread.start()  # before it is kept: a thread that could not start cannot be joined either
            self._thread = thread

    def stop(self, timeout: float | None = None) -> bool:
        """Wake the thread, let it finish the chunk in hand, and wait for its end.

        Args:
            timeout: Seconds to wait at most; None for as long as it takes.

        Returns:
            Whether no thread runs any more.
        """
        with self._lock:
            thread = self._thread
            self._stopping.set()
        if thread is not None and thread is not threading.current_thread():
            thread.join(timeout)
        return not self.running

    def _run(self, stopping: threading.Event) -> None:
        def ending() -> bool:
            self.beat = self._clock.wall()
            return stopping.is_set()

        while not ending():
            try:
                self._sweep(ending)
            except Exception as error:  # the thread outlives whatever a sweep meets
                self.failures += 1
                self._on_error(error)
            self.ended = self.beat = self._clock.wall()
            self._clock.wait(stopping, self.interval)
