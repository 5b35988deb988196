"""Removals in bounded time: one that hangs is abandoned, and costs a sweep some seconds.

A system call that hangs cannot be called back; only the thread that made it can be left behind. So the removal of
a whole chunk runs in a worker thread, and the sweeping thread waits, looking at how far the worker has come. (Handing
over file by file was rejected: two hand-overs cost more than the removal.)
"""

import os
import threading
import weakref
from collections.abc import Iterable, Iterator

from temp_file_manager.clock import Clock, SystemClock
from temp_file_manager.forks import at_fork
from temp_file_manager.records import Cause, Outcome, Status, TempFile
from temp_file_manager.storage.contract import Gate, Storage
from temp_file_manager.storage.in_flight import IN_FLIGHT
from temp_file_manager.storage.wrappers.wakeup import bell

MOST = 8
"""Workers that may be left behind at once. Beyond it nothing more is tried until one of them comes back."""

_LOOKS = 8  # in the time one record may take


class Abandoning:
    """A storage that answers in time, also when the one it wraps does not.

    What it keeps of the contract: one outcome a record, in their order; the gate is asked at the last moment, now in
    the worker's thread. A record that brings no outcome for ``seconds`` is ``FAILED`` with the reason, and the rest
    of the chunk goes to another worker. Others in the directory where one hangs are ``KEPT`` unseen until that one
    comes back: the kernel holds a directory's lock while it removes from it, so they would hang as well, each for
    ``seconds`` and with a worker of its own.

    A worker left behind does nothing more when its call returns at last. It is handed no other record, the gate
    answers it with no, and it closes the directories it had opened. Three things it may have been hanging in:

    - **A look, before the gate**: the gate stops it. The file stays.
    - **The removal itself.** It has been given to the kernel, and may go through at any time, also when its claim has
      been settled as failed long since. The record was kept, and the next sweep finds the file gone. It removes
      *whatever bears the name in that directory at that time*. On this machine nobody can have put another file
      there, as the kernel holds the directory's lock meanwhile, unless the call was still waiting for that very lock;
      over the network another machine can. So the path stays marked in flight until the call returns, and
      registering it until then must be refused, as nothing could keep the new file. Another process cannot know.
    - **The gate** (a registry whose disk hangs): after its answer, too, it counts whether it was abandoned.

    Args:
        storage: What removes.
        seconds: How long one record may take without a sign of life. It is looked at eight times in that time, so that
            an eighth more can pass.
        clock: What tells the time.
        most: How many workers may be left behind at once.
    """

    def __init__(self, storage: Storage, seconds: float, clock: Clock | None = None, *, most: int = MOST) -> None:
        self._storage = storage
        self._seconds = seconds
        self._clock = clock or SystemClock()
        self._most = most
        self._crew = _Crew()
        # A waiting worker holds the crew, not this object: when this one goes, so do they.
        weakref.finalize(self, self._crew.dismiss).atexit = False

    @property
    def hung(self) -> int:
        """How many workers are left behind just now."""
        return len(self._crew.hung)

    def predict(self, records: Iterable[TempFile]) -> Iterator[Outcome]:
        """Yield what ``remove`` would, as the wrapped storage sees it: looking is not bounded."""
        return self._storage.predict(records)

    def remove(self, records: Iterable[TempFile], gate: Gate) -> Iterator[Outcome]:
        """Remove one file a record, and yield what became of it."""
        left = list(records)
        while left:
            hung = self._crew.hung  # never changed, always replaced: this one is the same throughout
            if reason := self._why_not(left[0], hung):
                yield Outcome(
                    left.pop(0), Status.KEPT, Cause.HUNG, reason
                )  # skipped ones are claimed again by the same sweep
                continue
            job = _Job(self._reachable(left, hung), gate)
            interrupt = self._run(job)
            done = tuple(job.outcomes)  # what comes later is the abandoned worker's own affair
            yield from done
            if interrupt is not None:
                raise interrupt
            del left[: len(done)]
            if job.abandoned and left:
                detail = f"did not answer within {self._seconds:g} s: abandoned"
                yield Outcome(left.pop(0), Status.FAILED, Cause.HUNG, detail)
            elif not done:
                return  # the storage gave up, which is its own affair

    def _why_not(self, record: TempFile, hung: "dict[_Job, str]") -> str:
        if not hung:
            return ""
        if len(hung) >= self._most:
            return f"{len(hung)} removals hang: nothing more is tried until one returns"
        return "another removal hangs in its directory" if os.path.dirname(record.path) in hung.values() else ""

    def _reachable(self, records: list[TempFile], hung: "dict[_Job, str]") -> list[TempFile]:
        """Return the first of ``records``, up to one that cannot be tried."""
        if not hung:
            return records.copy()
        return records[: next((at for at, record in enumerate(records) if self._why_not(record, hung)), len(records))]

    def _run(self, job: "_Job") -> BaseException | None:
        """Have a worker do it; return what it raised, or what interrupted the wait."""
        worker = self._crew.hire(self._storage)
        try:
            worker.begin(job)
            answered = self._answered(worker, job)
        except BaseException as interrupt:  # ctrl-c: what is under way may end in its time, and what is done is told
            job.abandon()
            if not self._answered(worker, job):
                self._crew.leave(job)
            worker.begin(None)
            return interrupt
        if answered:
            self._crew.idle.append(worker)
            return job.error
        self._crew.leave(job)
        worker.begin(None)  # for when it comes back
        return None

    def _answered(self, worker: "_Worker", job: "_Job") -> bool:
        # The worker only makes its list longer; a time for each record would cost it a third of all this.
        come, since = job.come, self._clock.elapsed()
        while not self._clock.wait(worker.ended, self._seconds / _LOOKS):
            now = self._clock.elapsed()
            if job.come != come:
                come, since = job.come, now
            elif now - since >= self._seconds:
                job.abandon()
                return False
        return True


def alive(*, moved: bool) -> bool:
    """Tell whoever waits for this thread that one record takes long; return False when nobody waits any more.

    For storages, called in the thread they were called in.

    Args:
        moved: Whether it has come further since the last time: then it has ``seconds`` again.
    """
    job: _Job | None = getattr(_here, "job", None)
    if job is None:
        return True
    if moved:
        job.signs += 1
    return not job.abandoned


_here = threading.local()


class _Job:
    """A chunk's removal: the sweeping thread reads while the worker writes."""

    def __init__(self, records: list[TempFile], gate: Gate) -> None:
        self.records = records
        self._first = tuple(records)
        self.gate = gate
        self.outcomes: list[Outcome] = []
        self.error: BaseException | None = None
        self.signs = 0
        self.asked: TempFile | None = None
        self.abandoned = False
        self.over = False

    @property
    def come(self) -> int:
        """How far it has come."""
        return len(self.outcomes) + self.signs

    @property
    def at(self) -> TempFile:
        """The record it is at."""
        return self._first[min(len(self.outcomes), len(self._first) - 1)]

    def abandon(self) -> None:
        self.abandoned = True
        self.records.clear()  # whoever goes through a list comes to its end then

    def run(self, storage: Storage) -> None:
        _here.job = self
        try:
            # All in C: nothing of ours is called once a file but the gate.
            self.outcomes.extend(storage.remove(self.records, self._gate()))
        except BaseException as error:
            self.error = error
        finally:
            del _here.job

    def _gate(self) -> Gate:
        gate = self.gate

        def asked(record: TempFile) -> Cause | None:
            if self.abandoned:
                return Cause.ABANDONED
            # In this order: whoever abandons sets the one and then reads the other, so that either this sees that it
            # is abandoned, or the path is seen and stays marked.
            self.asked = record
            cause = gate(record)
            return Cause.ABANDONED if self.abandoned else cause

        return asked


class _Crew:
    """The workers of one storage: those who wait for work, and the jobs of those left behind."""

    def __init__(self) -> None:
        self.idle: list[_Worker] = []
        self.renew()
        at_fork(self, _Crew.renew)

    def renew(self) -> None:
        for worker in self.idle:  # of the parent, in a forked child
            worker.close()
        self.lock = threading.Lock()
        self.idle = []
        self.hung: dict[_Job, str] = {}

    def hire(self, storage: Storage) -> "_Worker":
        try:
            return self.idle.pop()
        except IndexError:
            return _Worker(self, storage)

    def dismiss(self) -> None:
        while self.idle:
            self.idle.pop().begin(None)

    def leave(self, job: _Job) -> None:
        """Go on without the worker at ``job``, which hangs."""
        with self.lock:
            if job.over:
                return
            asked = job.asked
            if asked is not None and all(outcome.record is not asked for outcome in job.outcomes):
                IN_FLIGHT.abandon(job, asked.path)
            self.hung = {**self.hung, job: os.path.dirname(job.at.path)}  # a new one: others are reading the old

    def over(self, job: _Job) -> None:
        """Note that the worker at ``job`` has come back."""
        with self.lock:
            job.over = True
            if job in self.hung:
                self.hung = {other: place for other, place in self.hung.items() if other is not job}
                IN_FLIGHT.clear(job)


class _Worker:
    """A thread that does one job after another. A daemon: one that hangs does not keep the interpreter from ending."""

    def __init__(self, crew: _Crew, storage: Storage) -> None:
        self.ended = bell()
        self._begun = bell()
        self._job: _Job | None = None
        self.thread = threading.Thread(target=self._work, args=(crew, storage), name="temp-file-removal", daemon=True)
        self.thread.start()

    def begin(self, job: _Job | None) -> None:
        """Hand over a job; None: no more of them."""
        self._job = job
        self._begun.set()

    def _work(self, crew: _Crew, storage: Storage) -> None:
        while self._begun.wait() and (job := self._job) is not None:
            job.run(storage)
            crew.over(job)
            self._job = None
            del job  # or the last chunk's records stay in memory until the next
            self.ended.set()
        self.close()

    def close(self) -> None:
        self.ended.close()
        self._begun.close()
