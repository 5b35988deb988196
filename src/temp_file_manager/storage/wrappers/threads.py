"""Removals by several threads: where each waits for a server, many wait at once."""

import weakref
from collections.abc import Callable, Iterable, Iterator
from threading import Lock

from temp_file_manager.causes import Cause
from temp_file_manager.clock import Clock, SystemClock
from temp_file_manager.records import Outcome, Status, TempFile
from temp_file_manager.storage.contract import Removal, Share, Storage
from temp_file_manager.storage.wrappers.crew import LOOKS, Crew, Job, Worker, abandoned


class Threaded:
    """A storage of which several threads remove the files of one chunk.

    Each takes the next file when it has ended one, so that what is done has no gaps, and one that hangs holds none of
    the others: it is left behind as ``Abandoning`` leaves it, and what else lies in its directory is kept.

    Args:
        storage: What removes. Its parts are not shared: each thread asks it for a removal of its own.
        threads: How many, at most.
        seconds: How long one file may take without a sign of life.
        clock: What tells the time.
    """

    def __init__(self, storage: Storage, threads: int, seconds: float, clock: Clock | None = None) -> None:
        self._storage = storage
        self._threads = threads
        self._seconds = seconds
        self._clock = clock or SystemClock()
        self._crew = Crew()
        # A waiting thread holds the crew, not this object: when this one goes, so do they.
        weakref.finalize(self, self._crew.dismiss).atexit = False

    @property
    def hung(self) -> int:
        """How many threads are left behind just now."""
        return len(self._crew.hung)

    def predict(self, records: Iterable[TempFile]) -> Iterator[Outcome]:
        """Yield what ``remove`` would; see ``Storage``."""
        return self._storage.predict(records)

    def remove(self, removal: Removal) -> None:
        """Remove one file a record; see ``Storage``."""
        while removal.done < removal.last and removal.goes_on:
            if not self._removed(removal):
                return

    def _removed(self, removal: Removal) -> bool:
        """Have threads remove what is left; say whether they came any further."""
        first, supply = removal.done, _Supply(removal, self._why_not)
        removal.begun = removal.last  # whoever gives up the whole gives up all of them
        looks: list[_Look] = []
        try:
            self._begin(min(self._threads, removal.last - first), removal, supply, looks)
            self._wait(removal, supply, looks)
        except BaseException:  # ctrl-c: what is under way may end in its time, and what is done is told
            for look in looks:
                look.share.over = True
            self._wait(removal, supply, looks)
            raise
        finally:
            removal.done = removal.begun = supply.close(look.share for look in looks if not look.left)
            for look in looks:
                removal.others |= {at: other for at, other in look.share.others.copy().items() if at not in look.left}
        for look in looks:
            if look.job.error is not None:
                raise look.job.error
        return removal.done > first

    def _begin(self, count: int, removal: Removal, supply: "_Supply", looks: "list[_Look]") -> None:
        for _ in range(count):
            try:
                worker = self._crew.hire(self._storage)
            except RuntimeError:  # there can be no more threads
                if looks:
                    return
                raise
            look = _Look(worker, removal.share(supply.take), self._clock.elapsed())
            looks.append(look)
            worker.begin(look.job)

    def _why_not(self, path: str) -> str:
        hung = self._crew.hung
        if not hung:
            return ""
        if len(hung) >= self._threads:
            return f"{len(hung)} removals hang: nothing more is tried until one returns"
        directory = path[: path.rfind("/")]
        return "another removal hangs in its directory" if directory in hung.values() else ""

    def _wait(self, removal: Removal, supply: "_Supply", looks: "list[_Look]") -> None:
        """Wait until all have ended or are left behind."""
        while working := [look for look in looks if look.waits]:
            if self._clock.wait(working[0].worker.ended, self._seconds / LOOKS):
                working[0].waits = False
                self._crew.idle.append(working[0].worker)
                continue
            now = self._clock.elapsed()
            for look in working:
                if look.gets_on(now):
                    removal.signs += 1  # so that whoever waits for the whole sees it
                elif now - look.since >= self._seconds:
                    self._leave(removal, supply, look)

    def _leave(self, removal: Removal, supply: "_Supply", look: "_Look") -> None:
        """Go on without a thread that hangs, or of which an interrupt has swallowed that it has ended."""
        with supply.lock:  # it takes nothing meanwhile, and nothing from here on
            look.share.over = True
            hanging = self._crew.leave(look.job)
        look.left, look.waits = hanging, False
        look.worker.begin(None)  # for when it comes back
        removal.others.update(dict.fromkeys(hanging, abandoned(self._seconds)))


class _Look:
    """A thread at work, as it was looked at last.

    Attributes:
        waits: Whether it is waited for.
        left: What it was left behind at.
    """

    def __init__(self, worker: Worker, share: Share, since: float) -> None:
        self.worker = worker
        self.job = Job(share)
        self.share = share
        self.since = since
        self.waits = True
        self.left = range(0)
        self._come = self.job.come

    def gets_on(self, now: float) -> bool:
        """Say whether it has come further since it was looked at last."""
        if self.job.come == self._come:
            return False
        self._come, self.since = self.job.come, now
        return True


class _Supply:
    """The positions that are left of a removal, for whichever thread is next. What is not to be tried is noted."""

    def __init__(self, removal: Removal, why_not: Callable[[str], str]) -> None:
        self.lock = Lock()
        self._removal = removal
        self._paths = removal.records.paths()
        self._why_not = why_not
        self._next = removal.done
        self._closed = False

    def take(self, share: Share) -> bool:
        """Give a share the next position; see ``Take``."""
        with self.lock:
            while not self._closed and not share.over and self._next < self._removal.last:
                at, self._next = self._next, self._next + 1
                why = self._why_not(self._paths[at])
                if not why:
                    share.at = at
                    return True
                self._removal.note(at, Status.KEPT, Cause.HUNG, why)
            return False

    def close(self, shares: Iterable[Share]) -> int:
        """Give nothing any more; return up to where all is done, but for what these shares have in hand."""
        with self.lock:
            self._closed = True
            return min([self._next, *(at for share in shares for at in share.in_hand())])
