"""Jobs at intervals, each on a daemon thread of its own that survives everything the job can raise."""

import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import NamedTuple

from temp_file_manager.clock import Clock
from temp_file_manager.forks import at_fork
from temp_file_manager.storage.wrappers.wakeup import LockBell

SWEEP, SAMPLE, MEASURE, LIMITS = "sweep", "sample", "measure", "limits"
RULES, WATCH, FLEET, OBJECTS = "rules", "watch", "fleet", "objects"
"""Names of the jobs that others ask about."""

Stop = Callable[[], bool]
"""Says whether to stop; a job that takes long asks now and then."""


class Job(NamedTuple):
    """Work to be done at once and then again and again.

    Attributes:
        name: What ``Scheduler.state`` and the job's thread are asked for by.
        interval: Seconds from the end of one time to the beginning of the next; or what tells them, asked each time.
        work: Called with a function that says whether to stop.
        failed: Called with what ``work`` raised.
        patience: Seconds that stopping waits for work in hand at most; None: for as long as it takes. Of what only
            looks nobody needs the end, and a disk that does not answer can keep it for ever.
        pause: Tells how many seconds pass from being woken to beginning: what wakes it meanwhile is done with the rest.
        finish: Called by the job's thread when it ends.
    """

    name: str
    interval: float | Callable[[], float]
    work: Callable[[Stop], object]
    failed: Callable[[Exception], object]
    patience: float | None = None
    pause: Callable[[], float] = lambda: 0.0
    finish: Callable[[], object] = lambda: None

    def rest(self) -> float:
        """Return the seconds from the time that has just ended to the beginning of the next."""
        return self.interval() if callable(self.interval) else self.interval


@dataclass(slots=True)
class JobState:
    """A job's traces.

    Attributes:
        beat: When its thread last showed that it works, seconds since the epoch; None until it first has.
        ended: When it was last done; None until it has been.
        failures: How many times it raised.
        beats: How many times its thread has shown that it works.
        working: Whether it is at work now, and not waiting for its next time.
    """

    beat: float | None = None
    ended: float | None = None
    failures: int = 0
    beats: int = 0
    working: bool = False


class _Running(NamedTuple):
    """A job's thread, what wakes it, and how long stopping waits for it."""

    thread: threading.Thread
    bell: LockBell
    patience: float | None


class Scheduler:
    """Runs jobs until it is stopped.

    Args:
        clock: What tells the time and waits.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._states: dict[str, JobState] = {}
        self._renew()
        at_fork(self, Scheduler._renew)

    def _renew(self) -> None:
        self._lock = threading.RLock()  # a signal handler may close what its own thread is just starting or stopping
        self._stopping = threading.Event()
        self._jobs: dict[str, _Running] = {}

    @property
    def running(self) -> bool:
        """Whether any of its threads is alive."""
        return any(job.thread.is_alive() for job in self._jobs.values())

    @property
    def alive(self) -> bool | None:
        """Whether all threads that were started live; None when none was, or they have been told to stop."""
        with self._lock:
            if not self._jobs or self._stopping.is_set():
                return None
            return all(job.thread.is_alive() for job in self._jobs.values())

    def state(self, name: str) -> JobState:
        """Return a job's traces, in this process; those of one that was never started are empty."""
        return self._states.setdefault(name, JobState())

    def start(self, jobs: Iterable[Job]) -> None:
        """Start a thread a job; one that runs already goes on.

        Raises:
            RuntimeError: there can be no more threads; none runs then.
        """
        with self._lock:
            if self._stopping.is_set():
                # An event for each start: threads that are still ending end, whatever is started meanwhile.
                self._stopping, self._jobs = threading.Event(), {}
            try:
                for job in jobs:
                    known = self._jobs.get(job.name)
                    if known is None or not known.thread.is_alive():
                        self._jobs[job.name] = self._started(job)
            except RuntimeError:
                self._end()
                raise

    def _started(self, job: Job) -> _Running:
        name = f"temp-file-manager-{job.name}"
        bell = LockBell()  # one that a signal's handler may ring, whatever it interrupts
        thread = threading.Thread(target=self._run, args=(job, self._stopping, bell), name=name, daemon=True)
        thread.start()
        return _Running(thread, bell, job.patience)

    def wake(self, name: str) -> None:
        """Have a job begin now if it waits, and else once more as soon as it has ended; without its thread, nothing."""
        job = self._jobs.get(name)
        if job is not None:
            job.bell.set()

    def stop(self, timeout: float | None = None) -> bool:
        """Wake the threads, let each finish the work in hand, and wait for their end.

        Args:
            timeout: Seconds to wait for each at most; None for as long as it takes.

        Returns:
            Whether no thread runs any more.
        """
        with self._lock:
            jobs = tuple(self._jobs.values())
            self._end()
        for thread, _, patience in jobs:
            if thread is not threading.current_thread():
                thread.join(min((one for one in (timeout, patience) if one is not None), default=None))
        return not self.running

    def _end(self) -> None:
        self._stopping.set()
        for job in self._jobs.values():
            job.bell.set()

    def _tell(self, job: Job, error: Exception) -> None:
        """Count that a job raised, and tell it: the thread outlives whatever comes of either."""
        state = self.state(job.name)
        state.failures += 1
        try:
            job.failed(error)
        except Exception:  # a handler of the application's log that raises, for one
            state.failures += 1

    def _run(self, job: Job, stopping: threading.Event, bell: LockBell) -> None:
        state = self.state(job.name)

        def ending() -> bool:
            state.beat, state.beats = self._clock.wall(), state.beats + 1
            return stopping.is_set()

        while not ending():
            state.working = True
            try:
                job.work(ending)
            except Exception as error:
                self._tell(job, error)
            state.working = False
            state.ended = state.beat = self._clock.wall()
            if self._clock.wait(bell, job.rest()) and (pause := job.pause()):
                self._clock.wait(stopping, pause)
                bell.wait(0)  # what rang meanwhile is done with the rest
        try:
            job.finish()
        except Exception as error:
            self._tell(job, error)
