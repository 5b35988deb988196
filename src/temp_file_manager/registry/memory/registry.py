"""Records in memory: a dict that callers may write to, and a queue that knows what is due."""

import itertools
import math
from bisect import bisect_left
from collections import Counter, defaultdict, deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from heapq import heappush, nsmallest
from threading import Lock
from types import MappingProxyType

from temp_file_manager.forks import at_fork
from temp_file_manager.records import RETIRED, NewFile, Outcome, Selection, Status, TempFile
from temp_file_manager.registry import counters
from temp_file_manager.registry.contract import Claim, Note, Outlook, Page, Registry, Stats
from temp_file_manager.registry.memory.files import Details, MemoryFiles, Stamp, inherited, make_stamp
from temp_file_manager.registry.memory.queue import DueQueue, Everything, overdue_since
from temp_file_manager.rules import retry_at


class MemoryRegistry(Registry):
    """Records that live as long as this object. ``size`` is kept only beside a ttl or tags."""

    def __init__(self) -> None:
        super().__init__()
        self.lock = Lock()
        self._numbers = itertools.count(1)
        self._facts: dict[str, str] = {}
        self._registered = 0
        self._totals: defaultdict[str, float] = defaultdict(float)
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
        """See ``Registry.add``."""
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
        """See ``Registry.add_one``. Every ``register_file`` passes here: ``put``, with its two calls spelt out."""
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
        """See ``Registry.get``. Takes no lock: callers ask while they hold it."""
        found = ((path, self.files.get(path)) for path in paths)
        return {path: self._queue.record(stamp) for path, stamp in found if isinstance(stamp, Stamp)}

    def page(self, due: Selection | None, *, now: float, limit: int, after: object | None = None) -> Page:
        """See ``Registry.page``. The cursor is a copy of the queue, from which the pages are taken."""
        if due is None:
            return self._every(limit, after)
        if isinstance(after, _Cursor):
            cursor = after
        else:
            with self._mended():
                self._free_lapsed(now)
                queue = self._queue.copy()
            cursor = _Cursor(queue, queue.begin(due))
        records = cursor.queue.take(due, cursor.sweep, limit)
        return Page(records, cursor if len(records) == limit else None)

    def _every(self, limit: int, after: object | None) -> Page:
        if not isinstance(after, list):
            with self.lock:
                stamps: list[Stamp] = list(self.files.values())  # type: ignore[arg-type]  # every insertion makes a Stamp
            after = sorted(stamps, key=_in_the_order_of_a_list, reverse=True)
        found = [after.pop() for _ in range(min(limit, len(after)))]
        return Page(tuple(self._queue.record(stamp) for stamp in found), after or None)

    def claim(self, due: Selection, *, now: float, lease: float, limit: int, after: object | None = None) -> Claim:
        """See ``Registry.claim``. The cursor is the sweep's number, or what is left of everything."""
        self.release_dropped()
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
        """See ``Registry.still_claimed``. The stamp is compared by identity: a clock may give the same time twice."""
        queue, path = self._queue, record.path
        claim = queue.claims.get(path)
        # "is" first: comparing two tuples field by field costs more than the rest.
        return (claim is record or claim == record) and queue.files.get(path) is record.registered_at

    def settle(self, outcomes: Iterable[Outcome], now: float) -> None:
        """See ``Registry.settle``."""
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
            self._add_up(counters.of_settled(settled, now))

    def _add_up(self, more: Mapping[str, float]) -> None:
        for name, value in more.items():  # for so few what Counter.update does takes twice as long
            self._totals[name] += value

    def _retire(self, path: str, stamp: Stamp) -> None:
        # A caller who writes without the lock may have come between the look and this: what is its stays.
        found = self.files.pop(path, stamp)
        if found is not stamp:
            self.files[path] = found
        self._queue.pins.pop(path, None)

    def forget(self, what: Iterable[str | TempFile]) -> int:
        """See ``Registry.forget``. A record's stamp tells whether it is still that one."""
        with self.lock:
            forgotten = 0
            for one in what:
                path = one if isinstance(one, str) else one.path
                meant = isinstance(one, str) or self.files.get(path) is one.registered_at
                if meant and self.files.pop(path, None) is not None:
                    forgotten += 1
                    self._queue.pins.pop(path, None)
            self._queue.shrink()
            return forgotten

    def pin(self, paths: Iterable[str], until: float | None) -> int:
        """See ``Registry.pin``."""
        with self.lock:
            known = [path for path in paths if path in self.files]
            for path in known:
                if until is None:
                    self._queue.pins.pop(path, None)
                    self._queue.free(path)
                else:
                    self._queue.pins[path] = until
                    self._queue.keep(path)
            return len(known)

    def hold(self, path: str) -> bool:
        """See ``Registry.hold``."""
        self.release_dropped()
        with self.lock:
            if path not in self.files:
                return False
            self._queue.held[path] = self._queue.held.get(path, 0) + 1
            self._queue.keep(path)
            return True

    def release(self, path: str) -> None:
        """See ``Registry.release``."""
        with self.lock:
            left = self._queue.held.pop(path, 0) - 1
            if left > 0:
                self._queue.held[path] = left
            else:
                self._queue.free(path)

    def recall(self, name: str) -> str | None:
        """See ``Registry.recall``."""
        return self._facts.get(name)

    def remember(self, name: str, text: str) -> None:
        """See ``Registry.remember``."""
        self._facts[name] = text

    def stats(self) -> Stats:
        """See ``Registry.stats``."""
        registered = self._registered + self.files.begun
        return Stats(len(self.files), None, {counters.REGISTERED: registered, **self._totals})

    def oldest(self) -> float | None:
        """See ``Registry.oldest``. Looks at every record."""
        with self.lock:
            return float(min(self.files.values())) if self.files else None

    def outlook(self, due: Selection, bounds: Sequence[float], *, top: int) -> Outlook:
        """See ``Registry.outlook``."""
        with self.lock:
            stamps: list[Stamp] = list(self.files.values())  # type: ignore[arg-type]  # every insertion makes a Stamp
        until = [due.asof + bound for bound in bounds]
        found = Counter(bisect_left(until, overdue_since(stamp, due.max_age)) for stamp in stamps)
        files = tuple(found[number] for number in range(len(bounds) + 1))
        oldest = tuple(self._queue.record(stamp) for stamp in nsmallest(top, stamps))
        return Outlook(files, (0,) * len(files), oldest, ())

    def note(self, journal: str, note: Note, *, keep: int, more: Mapping[str, float] = MappingProxyType({})) -> None:
        """See ``Registry.note``."""
        with self.lock:
            kept = self._notes.setdefault(journal, deque(maxlen=keep))
            if kept.maxlen != keep:
                kept = self._notes[journal] = deque(kept, maxlen=keep)
            kept.append(note)
            self._add_up(more)

    def tally(self, more: Mapping[str, float]) -> None:
        """See ``Registry.tally``."""
        with self.lock:
            self._add_up(more)

    def notes(self, journal: str, *, since: float = -math.inf, limit: int) -> list[Note]:
        """See ``Registry.notes``."""
        with self.lock:
            found = [note for note in reversed(self._notes.get(journal, ())) if note.at >= since]
        return found[:limit]

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


def _in_the_order_of_a_list(stamp: Stamp) -> tuple[bool, float]:
    timed = stamp.details is not None and stamp.details.due_at is not None
    return timed, stamp.details.due_at if timed else stamp  # type: ignore[union-attr,return-value]  # timed has both


class _Cursor:
    """Where a look at what is due goes on."""

    def __init__(self, queue: DueQueue, sweep: int | Everything) -> None:
        self.queue = queue
        self.sweep = sweep


_store = dict.__setitem__
