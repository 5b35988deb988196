"""Crews: threads that remove files for another, and may be left behind when a removal hangs."""

import os
import threading

from temp_file_manager.causes import Cause
from temp_file_manager.chunks import Other
from temp_file_manager.forks import at_fork
from temp_file_manager.records import Status
from temp_file_manager.storage.contract import Removal, Storage
from temp_file_manager.storage.wrappers.wakeup import bell

LOOKS = 8
"""How often a worker is looked at in the time that one record may take."""


class Job:
    """A part of a removal: the sweeping thread reads while the worker writes.

    Attributes:
        part: The part.
        error: What the storage raised.
        ended: Whether the worker has come back.
        hanging: The positions that were given up, once it was left behind.
    """

    def __init__(self, part: Removal) -> None:
        self.part = part
        self.error: BaseException | None = None
        self.ended = False
        self.hanging = range(0)

    @property
    def come(self) -> int:
        """How far it has come."""
        return self.part.done + self.part.signs

    def run(self, storage: Storage) -> None:
        """Do it, and note what the storage raises."""
        try:
            storage.remove(self.part)
        except BaseException as error:
            self.error = error

    def came_back(self) -> None:
        """Tell what became of what was given up. What was not done with may be there: its record stays."""
        part, undone = self.part, Other(Status.SKIPPED, Cause.ABANDONED)
        for at in self.hanging:
            part.came_back(at, part.others.get(at) if part.has_done(at) else undone)


class Crew:
    """The workers of one storage: those who wait for work, and the jobs of those left behind."""

    def __init__(self) -> None:
        self.idle: list[Worker] = []
        self.renew()
        at_fork(self, Crew.renew)

    def renew(self) -> None:
        """Have nobody, as in a forked child."""
        for worker in self.idle:  # of the parent, in a forked child
            worker.close()
        self.lock = threading.Lock()
        self.idle = []
        self.hung: dict[Job, str] = {}

    def hire(self, storage: Storage) -> "Worker":
        """Return a worker who waits, or a new one.

        Raises:
            RuntimeError: there can be no more threads.
        """
        try:
            return self.idle.pop()
        except IndexError:
            return Worker(self, storage)

    def dismiss(self) -> None:
        """End those who wait."""
        while self.idle:
            self.idle.pop().begin(None)

    def leave(self, job: Job) -> range:
        """Go on without the worker at ``job``, unless it has come back; return the positions that it is at."""
        part = job.part
        with self.lock:
            # It was told that this is over before this look: what it begins with from here on does not go.
            if job.ended:
                return range(part.done, part.done)
            job.hanging = hanging = part.in_hand()
            at = min(hanging.start, len(part.records) - 1)
            self.hung = {**self.hung, job: os.path.dirname(part.records[at].path)}  # a new one: others read the old
            return hanging

    def over(self, job: Job) -> None:
        """Note that the worker at ``job`` has come back, and tell so if it was left behind."""
        with self.lock:
            job.ended = True
        job.came_back()
        if job in self.hung:
            with self.lock:
                self.hung = {other: place for other, place in self.hung.items() if other is not job}


class Worker:
    """A thread that does one job after another. A daemon: one that hangs does not keep the interpreter from ending."""

    def __init__(self, crew: Crew, storage: Storage) -> None:
        self.ended = bell()
        self._begun = bell()
        self._job: Job | None = None
        self.thread = threading.Thread(target=self._work, args=(crew, storage), name="temp-file-removal", daemon=True)
        try:
            self.thread.start()
        except RuntimeError:  # there can be no more threads
            self.close()
            raise

    def begin(self, job: Job | None) -> None:
        """Hand over a job; None: no more of them."""
        self._job = job
        self._begun.set()

    def _work(self, crew: Crew, storage: Storage) -> None:
        while self._begun.wait() and (job := self._job) is not None:
            job.run(storage)
            crew.over(job)
            self._job = None
            del job  # or the last chunk's records stay in memory until the next
            self.ended.set()
        self.close()

    def close(self) -> None:
        """Give up what it needs of the system."""
        self.ended.close()
        self._begun.close()


def abandoned(seconds: float) -> Other:
    """Return what becomes of a record whose removal hangs, as far as anybody can tell who goes on without it."""
    return Other(Status.FAILED, Cause.HUNG, f"did not answer within {seconds:g} s: abandoned")
