"""Changes of the registry in memory: each under the lock, none halfway, and none of what is claimed."""

import itertools
from collections.abc import Callable, Collection
from threading import Lock, get_ident
from typing import TypeVar

from temp_file_manager.errors import RecordClaimedError
from temp_file_manager.registry.contract import Registry
from temp_file_manager.registry.memory.lock import Inside
from temp_file_manager.registry.memory.queue import DueQueue
from temp_file_manager.registry.waiting import StillClaimedError, until_free

T = TypeVar("T")


class Changes(Registry):
    """A registry whose records are in a queue of its own, and how that is changed."""

    def __init__(self) -> None:
        super().__init__()
        self._numbers = itertools.count(1)
        self._queue = DueQueue(self._numbers)
        self.renew_lock()

    def renew_lock(self) -> None:
        """Have a lock that nobody has taken."""
        self._inside = Inside()
        self.lock: Lock = self._inside.lock

    def mended(self, work: Callable[[], T]) -> T:
        """Return what ``work`` does under the lock; interrupted, it leaves no record in no place and in no claim."""

        def mended() -> T:
            queue, before = self._queue, self._queue.claims.copy()
            try:
                return work()
            except BaseException:
                queue.claims[:] = [out for out in queue.claims if out in before]
                queue.rebuild()
                raise

        return self._inside.do(mended)

    def changed(self, paths: Callable[[], Collection[str]], work: Callable[[], T]) -> T:
        """Return what ``work`` does under the lock, as soon as none of ``paths`` is claimed."""

        def attempt() -> T:
            if self._queue.claims:
                self._refuse(paths())
            return work()

        return until_free(lambda: self._inside.do(attempt), self.patience)

    def _refuse(self, paths: Collection[str]) -> None:
        """Return if nothing is claimed of ``paths``. The thread that has claimed it is not to wait for itself."""
        outs = [(path, out) for path in paths if (out := self._queue.claims_on(path))]
        claimed = [path for path, _ in outs]
        if any(out.thread == get_ident() for _, out in outs):
            raise RecordClaimedError(claimed)
        if claimed:
            raise StillClaimedError(claimed)

    def on_record(self, change: Callable[[DueQueue], T]) -> T:
        """Return what a change does to the queue; again, if ``replace`` came in between."""
        while True:
            queue = self._queue
            done = change(queue)
            if queue is self._queue:
                return done
