"""Removals in bounded time: one that hangs is abandoned, and costs a sweep some seconds.

A system call that hangs cannot be called back; only the thread that made it can be left behind. So the removal of
a whole chunk runs in a worker thread, and the sweeping thread waits, looking at how far the worker has come. (Handing
over file by file was rejected: two hand-overs cost more than the removal.)
"""

import os
import weakref
from collections.abc import Iterable, Iterator, Sequence

from temp_file_manager.causes import Cause
from temp_file_manager.clock import Clock, SystemClock
from temp_file_manager.records import Outcome, Status, TempFile
from temp_file_manager.storage.contract import Removal, Storage
from temp_file_manager.storage.wrappers.crew import LOOKS, Crew, Job, Worker, abandoned

MOST = 8
"""Workers that may be left behind at once. Beyond it nothing more is tried until one of them comes back."""


class Abandoning:
    """A storage that answers in time, also when the one it wraps does not.

    A removal that shows no sign of life for ``seconds`` is ``FAILED`` with the reason, and the rest of the chunk goes
    to another worker. Others in the directory where one hangs are ``KEPT`` unseen until that one comes back: the
    kernel holds a directory's lock while it removes from it, so they would hang as well, each for ``seconds`` and with
    a worker of its own.

    The call that hangs may go through at any time, and removes *whatever bears the name in that directory at that
    time*. So its record stays claimed until it returns: in every process that shares the registry nobody registers,
    pins or holds that path, and no other sweep takes it. (Who goes past the registry, and over the network another
    machine, may put another file there.) A worker that comes back begins nothing more, as its removal is ``over``:
    what hung before the question whether it may go stays, what hung in the removal itself is gone. Either is told to
    ``Removal.came_back``, which ends the claim.

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
        self._crew = Crew()
        # A waiting worker holds the crew, not this object: when this one goes, so do they.
        weakref.finalize(self, self._crew.dismiss).atexit = False

    @property
    def hung(self) -> int:
        """How many workers are left behind just now."""
        return len(self._crew.hung)

    def predict(self, records: Iterable[TempFile]) -> Iterator[Outcome]:
        """Yield what ``remove`` would, as the wrapped storage sees it: looking is not bounded."""
        return self._storage.predict(records)

    def remove(self, removal: Removal) -> None:
        """Remove one file a record; see ``Storage``. What hangs is done with, as far as this goes."""
        paths = removal.records.paths()
        while removal.done < len(paths) and removal.goes_on:
            hung = self._crew.hung  # never changed, always replaced: this one is the same throughout
            if reason := self._why_not(paths[removal.done], hung):
                removal.note(removal.done, Status.KEPT, Cause.HUNG, reason)
                removal.done += 1
            elif not self._removed(removal, paths, hung):
                return

    def _why_not(self, path: str, hung: "dict[Job, str]") -> str:
        if not hung:
            return ""
        if len(hung) >= self._most:
            return f"{len(hung)} removals hang: nothing more is tried until one returns"
        return "another removal hangs in its directory" if os.path.dirname(path) in hung.values() else ""

    def _removed(self, removal: Removal, paths: Sequence[str], hung: "dict[Job, str]") -> bool:
        """Have a worker remove the next that can be tried; say whether it came any further."""
        first, last = removal.done, len(paths)
        if hung:
            last = next((at for at in range(first, last) if self._why_not(paths[at], hung)), last)
        job, worker = Job(removal.part(first, last)), self._crew.hire(self._storage)
        answered = False
        try:
            worker.begin(job)
            answered = self._answered(worker, job)
        except BaseException:  # ctrl-c: what is under way may end in its time, and what is done is told
            job.part.over = True
            self._answered(worker, job)
            raise
        finally:
            self._take_over(removal, job)
            if answered:
                self._crew.idle.append(worker)
            else:
                worker.begin(None)  # for when it comes back
        if job.error is not None:
            raise job.error
        return removal.done > first

    def _answered(self, worker: "Worker", job: "Job") -> bool:
        # The worker only counts what it has done; to note a time for each record would cost it a third of all this.
        come, since = job.come, self._clock.elapsed()
        while not self._clock.wait(worker.ended, self._seconds / LOOKS):
            now = self._clock.elapsed()
            if job.come != come:
                come, since = job.come, now
            elif now - since >= self._seconds:
                job.part.over = True
                return False
        return True

    def _take_over(self, removal: Removal, job: "Job") -> None:
        """Note what a worker has done, and what it hangs at."""
        at = self._crew.leave(job)
        told = job.part.others.copy()  # a worker that hangs may come back and go on noting
        removal.others.update((position, other) for position, other in told.items() if position < at.start)
        for position in at:
            removal.others[position] = abandoned(self._seconds)
        removal.done = at.stop
