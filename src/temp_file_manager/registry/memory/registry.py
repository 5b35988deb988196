"""Records in memory: a dict that callers may write to, and a queue that knows what is due."""

import itertools
import math
from bisect import bisect_left
from collections import Counter, defaultdict, deque
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from threading import Condition, Lock, get_ident
from types import MappingProxyType

from temp_file_manager.errors import RecordClaimedError
from temp_file_manager.forks import at_fork
from temp_file_manager.records import NewFile, Order, Selection, TempFile
from temp_file_manager.registry.card import Properties
from temp_file_manager.registry.claim import Claim, Looked, Settlement
from temp_file_manager.registry.contract import Forecast, Holder, Note, Page, Registry, Stats
from temp_file_manager.registry.counters import REGISTERED
from temp_file_manager.registry.memory.files import Details, MemoryFiles, Stamp, inherited, make_stamp
from temp_file_manager.registry.memory.out import Out, Stamps
from temp_file_manager.registry.memory.queue import DueQueue, Everything, overdue_since
from temp_file_manager.registry.memory.settling import end_lapsed, settle
from temp_file_manager.registry.memory.walk import Place, Walk, due, in_order


class MemoryRegistry(Registry):
    """Records that live as long as this object. ``size`` is kept only beside a ttl or tags."""

    properties = Properties("memory:")

    settlements = 0

    def __init__(self) -> None:
        super().__init__()
        self._numbers = itertools.count(1)
        self._registered = 0
        self._counters: defaultdict[str, float] = defaultdict(float)
        self._notes: dict[str, deque[Note]] = {}
        self._queue = DueQueue(self._numbers)
        self._renew_lock()
        at_fork(self, MemoryRegistry._after_fork)

    def _renew_lock(self) -> None:
        self.lock = Lock()
        self._settled = Condition(self.lock)

    def _after_fork(self) -> None:
        # Another thread may have been halfway through anything: all but the dict is made anew.
        self._renew_lock()
        for out in self._queue.claims:
            out.lose()
        self._queue.claims.clear()
        self._queue.held.clear()
        self._queue.rebuild()

    @property
    def files(self) -> MemoryFiles:
        """The live dict."""
        return self._queue.files

    def replace(self, files: Iterable[tuple[str, float]]) -> None:
        """See ``Registry.replace``. Waits for no claim, as it comes through ``files``."""
        stamps = [make_stamp(path, when, inherited(path, when)) for path, when in files]
        with self.lock:
            former, queue = self._queue, DueQueue(self._numbers)
            queue.pins, queue.held = former.pins, former.held
            for stamp in stamps:
                queue.files.put(stamp)
            queue.files.begun = former.files.begun + len(queue.files.keys() - former.files.keys())
            queue.claims = former.claims
            for out in queue.claims:
                out.lose()
            self._queue = queue

    def add(
        self, files: Iterable[NewFile], now: float, *, only_new: bool = False, looked: Looked | None = None
    ) -> None:
        """See ``Records.add``."""
        rows = list(files)
        with self._excluding([path for path, *_ in rows if not (only_new and path in self.files)]):
            if looked is not None and looked.settlements != self.settlements:
                rows = list(looked.again(rows))
            stamps = [_stamp(file, now) for file in rows]
            queue, known = self._queue, self.files if only_new else ()
            for stamp in stamps:
                if stamp.path not in known:
                    _store(queue.files, stamp.path, stamp)
                    queue.append(stamp)
                    self._registered += 1
            queue.shrink()

    def add_one(self, path: str, now: float, settlements: int) -> bool:
        """See ``Records.add_one``. Every ``register_file`` passes here."""
        stamp = Stamp(now)
        stamp.path = path
        with self.lock:
            queue = self._queue
            if self.settlements != settlements or (queue.claims and queue.claims_on(path)):
                return False
            _store(queue.files, path, stamp)
            queue.append(stamp)
            self._registered += 1
            if not self._registered & 1023:  # now and then is often enough
                queue.shrink()
            return True

    @contextmanager
    def _excluding(self, paths: Collection[str]) -> Iterator[None]:
        """Hold the lock while none of ``paths`` is claimed."""
        with self.lock:
            claims = self._queue.claims
            if claims and not self._settled.wait_for(lambda: self._is_free(paths), self.patience):
                raise RecordClaimedError(path for path in paths if self._queue.claims_on(path))
            yield

    def _is_free(self, paths: Collection[str]) -> bool:
        """Say whether nothing is claimed of ``paths``. The thread that has claimed it is not to wait for itself."""
        outs = [(path, out) for path in paths if (out := self._queue.claims_on(path))]
        if any(out.thread == get_ident() for _, out in outs):
            raise RecordClaimedError(path for path, _ in outs)
        return not outs

    def get(self, paths: Iterable[str]) -> dict[str, TempFile]:
        """See ``Records.get``. Takes no lock: callers ask while they hold it."""
        found = ((path, self.files.get(path)) for path in paths)
        return {path: self._queue.record(stamp) for path, stamp in found if isinstance(stamp, Stamp)}

    def page(self, selection: Selection | None, *, now: float, limit: int, after: object | None = None) -> Page:
        """See ``Records.page``. The cursor leads to a copy of what there was, from which the pages are cut."""
        if isinstance(after, Place):
            return after.walk.page(after.first, limit)
        if selection is None or selection.order is not Order.OVERDUE:
            order = None if selection is None else selection.order
            return Walk(in_order(self._stamps(), order), self._queue.record).page(0, limit)
        with self._mended():
            self._end_lapsed(now)
            queue = self._queue.copy()
        return Walk(due(queue, selection, limit), queue.record).page(0, limit)

    def _stamps(self) -> list[Stamp]:
        with self.lock:
            return list(self.files.values())  # type: ignore[arg-type]  # every insertion makes a Stamp

    def claim(
        self,
        due: Selection,
        *,
        now: float,
        lease: float,
        limit: int,
        after: object | None = None,
        settling: Settlement | None = None,
    ) -> Claim:
        """See ``Claims.claim``. The cursor is the sweep's number, or what is left of everything."""
        self.release_pending()
        with self._mended():
            if settling is not None:
                self._settle(settling)
            self._end_lapsed(now)
            queue = self._queue
            sweep = after if isinstance(after, int | Everything) else queue.begin(due)
            stamps = queue.take(due, sweep, limit)
            out = Out(queue.files, stamps, now + lease)
            if stamps:
                queue.claims.append(out)
            return Claim(Stamps(stamps), sweep, out, out.still)

    @contextmanager
    def _mended(self) -> Iterator[None]:
        """Hold the lock; when what is done under it is interrupted, leave no record in no place and in no claim."""
        with self.lock:
            before = self._queue.claims.copy()
            try:
                yield
            except BaseException:
                self._queue.claims[:] = [out for out in self._queue.claims if out in before]
                self._queue.rebuild()
                raise

    def settle(self, settlement: Settlement) -> None:
        """See ``Claims.settle``."""
        with self._mended():
            self._settle(settlement)

    def _settle(self, settlement: Settlement) -> None:
        counted = settle(self._queue, settlement)
        if counted is not None:
            self._add_up(counted)
            self._claims_ended()

    def _end_lapsed(self, now: float) -> None:
        if end_lapsed(self._queue, now):
            self._claims_ended()

    def _claims_ended(self) -> None:
        self.settlements += 1
        self._settled.notify_all()

    def _add_up(self, more: Mapping[str, float]) -> None:
        for name, value in more.items():  # for so few what Counter.update does takes twice as long
            self._counters[name] += value

    def amend(self, path: str, registered_at: float) -> bool:
        """See ``Records.amend``."""
        with self._excluding((path,)):
            known = path in self.files
            if known:
                self.files[path] = registered_at
            return known

    def forget(self, what: Iterable[str | TempFile], *, keeps: bool = False) -> int:
        """See ``Records.forget``. A record's stamp tells whether it is still that one."""
        dropped = list(what)
        with self._excluding([one if isinstance(one, str) else one.path for one in dropped]):
            forgotten = 0
            for one in dropped:
                path = one if isinstance(one, str) else one.path
                meant = isinstance(one, str) or self.files.get(path) is one.registered_at
                if meant and self.files.pop(path, None) is not None:
                    forgotten += 1
                    if not keeps:
                        self._queue.pins.pop(path, None)
            self._queue.shrink()
            return forgotten

    def keep(self, paths: Iterable[str], until: float, holder: Holder | None = None) -> tuple[str, ...]:
        """See ``Keeps.keep``."""
        wanted = tuple(paths)
        self.release_pending()
        with self._excluding(wanted):
            queue = self._queue
            known = tuple(path for path in wanted if path in queue.files)
            for path in known:
                if holder is None:
                    queue.pins[path] = until
                    queue.free(path)  # it may end before a former pin would have
                else:
                    queue.held[path] = queue.held.get(path, 0) + 1
            return known

    def release(self, paths: Iterable[str], holder: Holder | None = None) -> tuple[str, ...]:
        """See ``Keeps.release``. What is held may have been forgotten meanwhile."""
        wanted = tuple(paths)
        with self.lock:
            queue = self._queue
            known = tuple(path for path in wanted if path in queue.files)
            if holder is None:
                for path in known:
                    queue.pins.pop(path, None)
                    queue.free(path)
                return known
            for path in wanted:
                left = queue.held.pop(path, 0) - 1
                if left > 0:
                    queue.held[path] = left
                else:
                    queue.free(path)
            return known

    def stats(self) -> Stats:
        """See ``Records.stats``."""
        registered = self._registered + self.files.begun
        return Stats(len(self.files), None, {REGISTERED: registered, **self._counters})

    def forecast(self, selection: Selection, bounds: Sequence[float]) -> Forecast:
        """See ``Registry.forecast``."""
        until = [selection.asof + bound for bound in bounds]
        found = Counter(bisect_left(until, overdue_since(stamp, selection.max_age)) for stamp in self._stamps())
        files = tuple(found[number] for number in range(len(bounds) + 1))
        return Forecast(files, (0,) * len(files))

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
        with self.lock:
            if line is not None:
                kept = self._notes.setdefault(journal, deque(maxlen=keep))
                if kept.maxlen != keep:
                    kept = self._notes[journal] = deque(kept, maxlen=keep)
                kept.append(Note(at, line))
            self._add_up(counters)

    def read(self, journal: str, *, since: float = -math.inf, limit: int) -> list[Note]:
        """See ``Journal.read``."""
        with self.lock:
            found = (note for note in reversed(self._notes.get(journal, ())) if note.at >= since)
            return list(itertools.islice(found, limit))

    def close(self) -> None:
        """See ``Registry.close``: there is nothing to let go of."""


def _stamp(file: NewFile, now: float) -> Stamp:
    path, due_at, size, tags, _ = file
    return make_stamp(path, now, Details(due_at=due_at, size=size, tags=tags) if due_at is not None or tags else None)


_store = dict.__setitem__
