"""Records in memory: a dict that callers may write to, and a queue that knows what is due."""

import math
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from threading import Lock, get_ident
from types import MappingProxyType
from typing import TypeVar

from temp_file_manager.errors import RegistryBusyError
from temp_file_manager.forks import at_fork
from temp_file_manager.records import PLAIN, Measured, Nature, NewFile, Order, Selection, TempFile
from temp_file_manager.registry.answers import Forecast, Note, Page, Stats, Sums
from temp_file_manager.registry.card import Properties
from temp_file_manager.registry.claim import Claim, Looked, Settlement
from temp_file_manager.registry.contract import Holder
from temp_file_manager.registry.counters import REGISTERED
from temp_file_manager.registry.memory.files import (
    MemoryFiles,
    Stamp,
    inherited,
    make_stamp,
    stamp_of_new,
)
from temp_file_manager.registry.memory.natures import MemoryNatures
from temp_file_manager.registry.memory.notes import Notes
from temp_file_manager.registry.memory.out import Out, Stamps
from temp_file_manager.registry.memory.queue import DueQueue, Listed, overdue_since
from temp_file_manager.registry.memory.settling import end_lapsed, settle
from temp_file_manager.registry.memory.walk import Place, Walk, due, in_order, tagged
from temp_file_manager.sessions import Owner, Session

T = TypeVar("T")


class MemoryRegistry(MemoryNatures):
    """Records that live as long as this object. ``size`` is kept only beside a ttl or tags."""

    properties: Properties = Properties("memory:")

    settlements: int = 0

    def __init__(self) -> None:
        super().__init__()
        self._registered = 0
        self._notes = Notes()
        at_fork(self, MemoryRegistry._after_fork)

    def renew_lock(self) -> None:
        """See ``Changes.renew_lock``."""
        super().renew_lock()
        self._exclusive: dict[str, Lock] = {}

    def _after_fork(self) -> None:
        # Another thread may have been halfway through anything: all but the dict is made anew.
        self.renew_lock()
        for out in self._queue.claims:
            out.lose()
        queue = self._queue
        queue.claims.clear()
        # Held, or in sessions, by a process that lives, as far as anybody can tell.
        queue.inherited |= queue.held.keys() | queue.sessions.leave(queue.files)
        queue.held.clear()
        queue.rebuild()

    @property
    def files(self) -> MemoryFiles:
        """The live dict."""
        return self._queue.files

    def replace(self, files: Iterable[tuple[str, float]]) -> None:
        """See ``Registry.replace``. Takes no lock, which callers may hold, and waits for no claim.

        So whoever changes the queue under the lock looks afterwards whether it still is the one.
        """
        former, queue = self._queue, DueQueue(self._numbers)
        stamps = [make_stamp(path, when, inherited(path, when, former.files.get(path))) for path, when in files]
        queue.pins, queue.held, queue.inherited = former.pins, former.held, former.inherited
        queue.claims, queue.sessions = former.claims, former.sessions
        for stamp in stamps:
            queue.files.put(stamp)
        queue.files.begun = former.files.begun + len(queue.files.keys() - set(former.files))
        self._queue = queue
        for out in list(queue.claims):
            out.lose()

    def add(
        self,
        files: Iterable[NewFile],
        now: float,
        *,
        only_new: bool = False,
        looked: Looked | None = None,
        session: int = 0,
        natures: Mapping[str, Nature] = MappingProxyType({}),
    ) -> None:
        """See ``Records.add``."""
        rows = list(files)

        def changed() -> list[str]:
            return [path for path, *_ in rows if not (only_new and path in self.files)]

        def store() -> None:
            again = looked is not None and looked.settlements != self.settlements
            wanted = looked.again(rows) if again and looked else rows
            end = self._queue.sessions.enter(session, [file[0] for file in wanted], self.files) if session else 0.0
            stamps = [stamp_of_new(file, now, session, end, natures.get(file[0], PLAIN)) for file in wanted]
            self._registered += self._stored(stamps, only_new=only_new)
            self._queue.shrink()

        self.changed(changed, store)

    def _stored(self, stamps: list[Stamp], *, only_new: bool) -> int:
        """Put records in their places and then, in a step that nothing interrupts, in the dict.

        Return how many of them are registrations: those that stand for others are none.
        """
        while True:
            queue = self._queue
            new = queue.files.unknown(stamps) if only_new else stamps
            for stamp in new:
                queue.append(stamp)
            _update(queue.files, {stamp.path: stamp for stamp in new})
            if queue is self._queue:
                return sum(stamp.details is None or not stamp.details.nature.origin for stamp in new)

    def add_one(self, path: str, now: float, settlements: int) -> bool:
        """See ``Records.add_one``. Every ``register_file`` passes here."""
        stamp = Stamp(now)
        stamp.path = path
        inside, me = self._inside, get_ident()
        if inside.thread == me:
            raise RegistryBusyError
        with inside.lock:  # as ``Inside.do``, and a call less
            inside.thread = me
            try:
                queue = self._queue
                if self.settlements != settlements or (queue.claims and queue.claims_on(path)):
                    return False
                queue.append(stamp)  # first: interrupted in between, it is stale, and not on record in no place
                _store(queue.files, path, stamp)
                if queue is not self._queue:
                    return False
                self._registered += 1
                if not self._registered & 1023:  # now and then is often enough
                    queue.shrink()
                return True
            finally:
                inside.thread = 0

    def get(self, paths: Iterable[str]) -> dict[str, TempFile]:
        """See ``Records.get``. Takes no lock: callers ask while they hold it."""
        found = ((path, self.files.get(path)) for path in paths)
        return {path: self._queue.record(stamp) for path, stamp in found if isinstance(stamp, Stamp)}

    def claimed(self, paths: Iterable[str], *, now: float) -> set[str]:
        """See ``Records.claimed``."""
        with self.lock:
            return {path for path in paths if (out := self._queue.claims_on(path)) and out.lapses_at > now}

    def page(self, selection: Selection | None, *, now: float, limit: int, after: object | None = None) -> Page:
        """See ``Records.page``. The cursor leads to a copy of what there was, from which the pages are cut."""
        if isinstance(after, Place):
            return after.walk.page(after.first, limit)
        if selection is None or selection.order is not Order.OVERDUE:
            return Walk(in_order(self.stamps(), selection), self._queue.record).page(0, limit)

        def copied() -> DueQueue:
            self._end_lapsed(now)
            return self._queue.copy()

        queue = self.mended(copied)
        return Walk(due(queue, selection, limit), queue.record).page(0, limit)

    def claim(
        self,
        due: Selection,
        *,
        now: float,
        lease: float,
        limit: int,
        after: object | None = None,
        settling: Settlement | None = None,
        into: list[Claim] | None = None,
    ) -> Claim:
        """See ``Claims.claim``. The cursor is the sweep's number, or what it began with."""
        self.release_pending()

        def taken() -> Claim:
            if settling is not None:
                self._settle(settling)
            self._end_lapsed(now)
            queue = self._queue
            sweep = after if isinstance(after, int | Listed) else queue.begin(due)
            stamps = queue.take(due, sweep, limit)
            out = Out(queue.files, stamps, now + lease)
            claim = Claim(Stamps(stamps), sweep, out, out.still)
            if stamps:
                queue.claims.append(out)
                if queue is not self._queue:
                    out.lose()
            if into is not None:
                into[:] = [claim]
            return claim

        return self.mended(taken)

    def settle(self, settlement: Settlement) -> None:
        """See ``Claims.settle``."""
        self.mended(lambda: self._settle(settlement))

    def _settle(self, settlement: Settlement) -> None:
        counted = settle(self._queue, settlement)
        if counted is not None:
            self._notes.count(counted)
            self.settlements += 1

    def _end_lapsed(self, now: float) -> None:
        if end_lapsed(self._queue, now):
            self.settlements += 1

    def amend(self, path: str, registered_at: float) -> bool:
        """See ``Records.amend``."""

        def amended() -> bool:
            known = path in self.files
            if known:
                self.files[path] = registered_at
            return known

        return self.changed(lambda: (path,), amended)

    def forget(self, what: Iterable[str | TempFile], *, keeps: bool = False) -> int:
        """See ``Records.forget``. A record's stamp tells whether it is still that one."""
        dropped = list(what)

        def forgotten() -> int:
            count = 0
            for one in dropped:
                path = one if isinstance(one, str) else one.path
                meant = isinstance(one, str) or self.files.get(path) is one.registered_at
                if meant and self.files.pop(path, None) is not None:
                    count += 1
                    if not keeps:
                        self._queue.pins.pop(path, None)
            self._queue.shrink()
            return count

        return self.changed(lambda: [one if isinstance(one, str) else one.path for one in dropped], forgotten)

    def keep(self, paths: Iterable[str], until: float, holder: Holder | None = None) -> tuple[str, ...]:
        """See ``Keeps.keep``."""
        wanted = tuple(paths)
        self.release_pending()
        return self.changed(lambda: wanted, lambda: self._queue.keep(wanted, until, held=holder is not None))

    def release(self, paths: Iterable[str], holder: Holder | None = None) -> tuple[str, ...]:
        """See ``Keeps.release``."""
        wanted = tuple(paths)
        return self._inside.do(lambda: self._queue.release(wanted, held=holder is not None))

    def begin(self, name: str, *, now: float, ends_at: float, owner: Owner) -> Session:
        """See ``Sessions.begin``."""
        sessions, numbers = self._queue.sessions, self._numbers
        return self._inside.do(lambda: sessions.begin(next(numbers), name, now, ends_at, owner))

    def renew(self, number: int, ends_at: float) -> bool:
        """See ``Sessions.renew``."""
        return self.mended(lambda: self.on_record(lambda on: on.sessions.renew(number, ends_at, on.files)))

    def let_go(self, number: int) -> None:
        """See ``Sessions.let_go``: no session here has heirs."""

    def end(self, numbers: Iterable[int], now: float, *, over: bool = False) -> int:
        """See ``Sessions.end``. A sweep that has claimed some of it leaves it to the next."""
        wanted = list(numbers)
        return self.mended(
            lambda: self.on_record(lambda on: sum(on.sessions.end(each, now, on.files, over=over) for each in wanted))
        )

    def sessions(self, ended: bool = False) -> tuple[Session, ...]:
        """See ``Sessions.sessions``."""
        return self._inside.do(lambda: self._queue.sessions.all(self.files, ended=ended))

    def measured(self, found: Iterable[Measured]) -> None:
        """See ``Records.measured``: nothing of that is kept."""

    def sums(self, tags: Sequence[str]) -> Sums:
        """See ``Records.sums``. Walks through all records."""
        return Sums(len(tagged(self.stamps(), tags)), None)

    @contextmanager
    def exclusive(self, name: str) -> Iterator[bool]:
        """See ``Registry.exclusive``."""
        lock = self._exclusive.setdefault(name, Lock())
        alone = lock.acquire(blocking=False)
        try:
            yield alone
        finally:
            if alone:
                lock.release()

    def stats(self) -> Stats:
        """See ``Records.stats``."""
        registered = self._registered + self.files.begun
        return Stats(len(self.files), None, {REGISTERED: registered, **self._notes.counters})

    def forecast(self, selection: Selection, bounds: Sequence[float]) -> Forecast:
        """See ``Registry.forecast``."""
        until = [selection.asof + bound for bound in bounds]
        found = Counter(bisect_left(until, self._ends(stamp, selection.max_age)) for stamp in self.stamps())
        files = tuple(found[number] for number in range(len(bounds) + 1))
        return Forecast(files, (0,) * len(files))

    def _ends(self, stamp: Stamp, max_age: float) -> float:
        return max(overdue_since(stamp, max_age), self._queue.kept_until(stamp.path))

    def write(
        self,
        journal: str,
        line: str | None,
        at: float,
        *,
        keep: int,
        counters: Mapping[str, float] = MappingProxyType({}),
    ) -> None:
        """See ``Journal.write``."""

        def written() -> None:
            if line is not None:
                self._notes.write(journal, line, at, keep)
            self._notes.count(counters)

        self._inside.do(written)

    def read(self, journal: str, *, since: float = -math.inf, limit: int) -> list[Note]:
        """See ``Journal.read``."""
        return self._inside.do(lambda: self._notes.read(journal, since, limit))

    def close(self) -> None:
        """See ``Registry.close``: there is nothing to let go of."""


_store, _update = dict.__setitem__, dict.update
