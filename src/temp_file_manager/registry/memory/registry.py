"""Records in memory: a dict that callers may write to, and a queue that knows what is due."""

import itertools
import math
from bisect import bisect_left
from collections import Counter, defaultdict, deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from heapq import heappush
from threading import Lock
from types import MappingProxyType

from temp_file_manager.forks import at_fork
from temp_file_manager.records import RETIRED, NewFile, Order, Outcome, Selection, Status, TempFile
from temp_file_manager.registry.contract import Claim, Forecast, Holder, Note, Page, Properties, Registry, Stats
from temp_file_manager.registry.counters import REGISTERED, of_settled
from temp_file_manager.registry.memory.files import Details, MemoryFiles, Stamp, inherited, make_stamp
from temp_file_manager.registry.memory.queue import DueQueue, Everything, overdue_since
from temp_file_manager.registry.memory.walk import Place, Walk, due, in_order
from temp_file_manager.rules import retry_at


class MemoryRegistry(Registry):
    """Records that live as long as this object. ``size`` is kept only beside a ttl or tags."""

    properties = Properties("memory:")

    def __init__(self) -> None:
        super().__init__()
        self.lock = Lock()
        self._numbers = itertools.count(1)
        self._registered = 0
        self._counters: defaultdict[str, float] = defaultdict(float)
        self._notes: dict[str, deque[Note]] = {}
        self._queue = DueQueue(self._numbers)
        self._leases: dict[int, float] = {}  # when the claims of a generation lapse
        at_fork(self, MemoryRegistry._after_fork)

    def _after_fork(self) -> None:
        # Another thread may have been halfway through anything: all but the dict is made anew.
        self.lock = Lock()
        self._leases.clear()
        self._queue.claims.clear()
        self._queue.held.clear()
        self._queue.rebuild()

    @property
    def files(self) -> MemoryFiles:
        """The live dict."""
        return self._queue.files

    def replace(self, files: Iterable[tuple[str, float]]) -> None:
        """See ``Registry.replace``."""
        stamps = [make_stamp(path, when, inherited(path, when)) for path, when in files]
        with self.lock:
            former, queue = self._queue, DueQueue(self._numbers)
            queue.pins, queue.held = former.pins, former.held
            for stamp in stamps:
                queue.files.put(stamp)
            queue.files.begun = former.files.begun + len(queue.files.keys() - former.files.keys())
            self._queue, self._leases = queue, {}

    def add(self, files: Iterable[NewFile], now: float, *, only_new: bool = False) -> None:
        """See ``Records.add``."""
        stamps = []
        for path, due_at, size, tags, _ in files:
            details = Details(due_at=due_at, size=size, tags=tags) if due_at is not None or tags else None
            stamps.append(make_stamp(path, now, details))
        with self.lock:
            put, known = self.files.put, self.files if only_new else ()
            for stamp in stamps:
                if stamp.path not in known:
                    put(stamp)
                    self._registered += 1
            self._queue.shrink()

    def add_one(self, path: str, now: float) -> None:
        """See ``Records.add_one``. Every ``register_file`` passes here: ``put``, with its two calls spelt out."""
        stamp = Stamp(now)
        stamp.path = path
        with self.lock:
            queue = self._queue
            _store(queue.files, path, stamp)
            heappush(queue.by_age, stamp)
            self._registered += 1
            if not len(queue.by_age) & 1023:  # now and then is often enough
                queue.shrink()

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
            self._free_lapsed(now)
            queue = self._queue.copy()
        return Walk(due(queue, selection, limit), queue.record).page(0, limit)

    def _stamps(self) -> list[Stamp]:
        with self.lock:
            return list(self.files.values())  # type: ignore[arg-type]  # every insertion makes a Stamp

    def claim(self, due: Selection, *, now: float, lease: float, limit: int, after: object | None = None) -> Claim:
        """See ``Claims.claim``. The cursor is the sweep's number, or what is left of everything."""
        self.release_pending()
        with self._mended():
            self._free_lapsed(now)
            sweep = after if isinstance(after, int | Everything) else self._queue.begin(due)
            records = self._queue.take(due, sweep, limit)
            if records:
                self._leases[records[0].generation] = now + lease
            return Claim(records, sweep)

    @contextmanager
    def _mended(self) -> Iterator[None]:
        """Hold the lock; when what is done under it is interrupted, leave no record on no heap and in no claim."""
        with self.lock:
            try:
                yield
            except BaseException:
                for path, record in list(self._queue.claims.items()):
                    if record.generation not in self._leases:
                        del self._queue.claims[path]
                self._queue.rebuild()
                raise

    def still_claimed(self, record: TempFile) -> bool:
        """See ``Claims.still_claimed``. The stamp is compared by identity: a clock may give the same time twice."""
        queue, path = self._queue, record.path
        claim = queue.claims.get(path)
        # "is" first: comparing two tuples field by field costs more than the rest.
        return (claim is record or claim == record) and queue.files.get(path) is record.registered_at

    def settle(self, outcomes: Iterable[Outcome], now: float) -> None:
        """See ``Claims.settle``."""
        settled = []
        with self._mended():
            files, claims = self._queue.files, self._queue.claims
            for outcome in outcomes:
                record, status, *_ = outcome
                path = record.path
                claim = claims.get(path)
                if claim is not record and claim != record:
                    continue
                del claims[path]
                stamp = files.get(path)
                if stamp is not record.registered_at:
                    continue
                settled.append(outcome)
                if status in RETIRED:
                    self._retire(path, stamp)  # type: ignore[arg-type]  # every insertion makes a Stamp
                elif status is not Status.SKIPPED:
                    self._set_aside(record, record.failures + (status is Status.FAILED), now)
                else:
                    self._queue.push(stamp)  # type: ignore[arg-type]  # every insertion makes a Stamp
            if not claims:
                self._leases.clear()
            self._add_up(of_settled(settled, now))

    def _add_up(self, more: Mapping[str, float]) -> None:
        for name, value in more.items():  # for so few what Counter.update does takes twice as long
            self._counters[name] += value

    def _retire(self, path: str, stamp: Stamp) -> None:
        # A caller who writes without the lock may have come between the look and this: what is its stays.
        found = self.files.pop(path, stamp)
        if found is not stamp:
            self.files[path] = found
        self._queue.pins.pop(path, None)

    def amend(self, path: str, registered_at: float) -> bool:
        """See ``Records.amend``."""
        with self.lock:
            known = path in self.files
            if known:
                self.files[path] = registered_at
            return known

    def forget(self, what: Iterable[str | TempFile], *, keeps: bool = False) -> int:
        """See ``Records.forget``. A record's stamp tells whether it is still that one."""
        with self.lock:
            forgotten = 0
            for one in what:
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
        self.release_pending()
        with self.lock:
            queue = self._queue
            known = tuple(path for path in paths if path in queue.files)
            for path in known:
                if holder is None:
                    queue.pins[path] = until
                else:
                    queue.held[path] = queue.held.get(path, 0) + 1
                queue.keep(path)
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

    def _set_aside(self, record: TempFile, failures: int, now: float) -> None:
        # All numbers come from one rising sequence: the sweep that tried has a lower one, as has every sweep
        # that has begun; those still to begin get a higher one.
        number = next(self._queue.numbers)
        details = Details(record.due_at, retry_at(failures, now), failures, number, record.size, record.tags)
        stamp = make_stamp(record.path, record.registered_at, details)
        _store(self.files, record.path, stamp)
        self._queue.set_aside(stamp)

    def _free_lapsed(self, now: float) -> None:
        # In the order they were given, so looking stops at the first that still holds.
        lapsed = set(itertools.takewhile(lambda generation: self._leases[generation] <= now, self._leases))
        if not lapsed:
            return
        for generation in lapsed:
            del self._leases[generation]
        for path, record in list(self._queue.claims.items()):
            if record.generation in lapsed:
                del self._queue.claims[path]
                stamp = self.files.get(path)
                if isinstance(stamp, Stamp) and stamp is record.registered_at:
                    self._queue.push(stamp)


_store = dict.__setitem__
