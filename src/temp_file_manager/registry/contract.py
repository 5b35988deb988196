"""The registry's contract: where records live, and who may work on them.

``testing.RegistryContract`` is this text as a test suite; a registry joins it with a few lines. It is
written so that a dict, a SQL table or a Redis hash can keep it:

* every method that takes many takes them in bulk, so that a network registry pays one round trip;
* every time is given to it: a registry reads no clock;
* a claim is a lease with a limit, so that a claimer that dies blocks nothing for long;
* a registry survives a fork by itself: the child takes no lock over, holds no claim, loses no record;
* a generation, not a lock, tells whether a record is still the one that was claimed.
"""

import math
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Iterable, Mapping, MutableMapping, Sequence
from threading import Lock
from types import MappingProxyType
from typing import NamedTuple

from temp_file_manager.records import NewFile, Outcome, Selection, TempFile
from temp_file_manager.reports import Finding


class Claim(NamedTuple):
    """Records taken for removal, and where this sweep's next claim goes on."""

    records: tuple[TempFile, ...]
    cursor: object


class Page(NamedTuple):
    """Records to look at, and where the next page begins: None after the last."""

    records: tuple[TempFile, ...]
    cursor: object | None


class Stats(NamedTuple):
    """What a registry knows of itself without looking at its records.

    Attributes:
        records: How many.
        bytes: The sum of their sizes; None where sizes are not kept.
        totals: What happened since it was made, in whatever process; see ``totals``. ``registered`` is kept by the
            registry: each registration counts, also of a path that is known, and each unknown path that comes through
            ``files`` or ``replace``; to write another time for a known one is no registration.
    """

    records: int
    bytes: int | None
    totals: Mapping[str, float]


class Note(NamedTuple):
    """A line of a journal, and when it was written, in seconds since the epoch."""

    at: float
    text: str


class Outlook(NamedTuple):
    """What will be due when, and the records that stand out.

    Attributes:
        files: How many will be due by each bound, and not by the one before; the last count is of what comes later.
        bytes: The sums of their sizes; of what size is known.
        oldest: The longest registered, the oldest first.
        largest: The largest first; those of known size.
    """

    files: tuple[int, ...]
    bytes: tuple[int, ...]
    oldest: tuple[TempFile, ...]
    largest: tuple[TempFile, ...]


BOUNDS = 7
"""How many bounds an outlook has."""


class Registry(ABC):
    """Records of one scope (this host, one base directory). Safe to share between threads."""

    durable = False
    """Whether records outlive the process, and with them the identity of each file."""

    own_files: tuple[str, ...] = ()
    """Paths of files the registry lives in; what begins like one and a ``-`` is its, too."""

    lock: Lock
    """Taken for each change of records but those that come through ``files``: whoever holds it may read and write
    ``files`` steadily, as far as this process goes. A lock of its own in a forked child."""

    @property
    def read_only(self) -> str:
        """Why nothing can be changed in it, and what to do; empty when it can. Waits for nobody."""
        return ""

    def __init__(self) -> None:
        self._dropped: deque[str] = deque()

    def drop_later(self, path: str) -> None:
        """Undo one ``hold`` when it is next safe to: the garbage collector asks, and may do so while locks are held."""
        self._dropped.append(path)

    def release_dropped(self) -> None:
        """Do what ``drop_later`` was asked."""
        while self._dropped:
            self.release(self._dropped.popleft())

    @property
    @abstractmethod
    def files(self) -> MutableMapping[str, float]:
        """The live mapping path → time of registration; writing to it writes records."""

    @abstractmethod
    def replace(self, files: Iterable[tuple[str, float]]) -> None:
        """Forget every record and record these instead. Mappings handed out before are detached, unchanged."""

    @abstractmethod
    def add(self, files: Iterable[NewFile], now: float, *, only_new: bool = False) -> None:
        """Record files registered at ``now``, all or none; with ``only_new``, those that are not on record.

        A path that is known starts anew: its age, ttl, tags and failures are replaced, a claim on it is
        cancelled, and its generation changes.
        """

    def add_one(self, path: str, now: float) -> None:
        """Do ``add`` for one file without a ttl or tags. A registry overrides it where a batch of one is dear."""
        self.add(((path, None, None, (), None),), now)

    def moment(self) -> object:
        """Return a value that differs from an earlier one when files may be missing that were there then.

        Because another process's sweep was at work between the two, or a known path was registered again. Asked
        before looking whether a file exists and after recording it. (Sweeps of this process: see ``in_flight``.)
        """
        return None

    @abstractmethod
    def get(self, paths: Iterable[str]) -> dict[str, TempFile]:
        """Return the records of those of ``paths`` that have one. Waits for nobody."""

    @abstractmethod
    def page(self, due: Selection | None, *, now: float, limit: int, after: object | None = None) -> Page:
        """Return the records that ``claim`` would take, in its order, without taking them.

        Args:
            due: Which records; None: every one, also those that a claim, a pin or a hold keeps from sweeps, the
                longest registered first, and after them those with a ttl, the one that ends next first.
            now: As in ``claim``; what others hold at that moment is left out.
            limit: How many at most.
            after: The cursor of the page before; None for the first.
        """

    @abstractmethod
    def claim(self, due: Selection, *, now: float, lease: float, limit: int, after: object | None = None) -> Claim:
        """Take due records, the longest overdue first, so that nobody else takes them.

        A record is overdue since its ``due_at``, or since ``registered_at + max_age``. A claim ends by
        ``settle``, by ``add`` of the same path, by forgetting, or ``lease`` seconds after ``now``; until then no
        other claim holds the record. The cost depends on what is due, not on what is recorded.

        Args:
            due: Which records; ``rules.verdict`` decides.
            now: Seconds on a clock that nobody can set and that all who share the registry read (not the wall
                clock: a step ahead would end every lease); from here the lease counts.
            lease: Seconds.
            limit: How many at most.
            after: The cursor that this sweep's claim before returned; None begins a sweep. A forced sweep takes
                nothing that is registered, or registered again, after it began. What a sweep has
                settled as failed it does not claim again, nor does a sweep that began before.
        """

    @abstractmethod
    def still_claimed(self, record: TempFile) -> bool:
        """Say whether a claimed record is still what was claimed: asked just before each removal."""

    @abstractmethod
    def settle(self, outcomes: Iterable[Outcome], now: float) -> None:
        """End claims: forget what is retired, keep the rest.

        A failed record has one failure more. It and a kept one are left alone by sweeps that have begun, and by
        scheduled ones until ``rules.retry_at`` of its failures and ``now``; a skipped one is free at once. An outcome
        of an older generation, or of a claim that is no longer held, changes nothing.
        """

    @abstractmethod
    def forget(self, what: Iterable[str | TempFile]) -> int:
        """Drop records, leave their files, and return how many there were.

        Args:
            what: A path means whatever record it has; a record that ``get``, ``page`` or ``claim`` returned means
                that one: if its path has been registered again since, nothing is dropped.
        """

    @abstractmethod
    def pin(self, paths: Iterable[str], until: float | None) -> int:
        """Keep records from every sweep until a moment, or with None no longer.

        A pin belongs to the path: it outlasts a new registration and writes to ``files``, and goes with ``forget``.

        Args:
            paths: Which; unknown ones are passed over.
            until: Seconds since the epoch, infinity for no end.

        Returns:
            How many of the paths are on record.
        """

    @abstractmethod
    def hold(self, path: str) -> bool:
        """Keep a record from every sweep until ``release``, or until this process ends, however it ends.

        Held twice, it is to be released twice. Belongs to the path, as a pin does, and is not inherited by a forked
        child. Returns False, and holds nothing, when the path is not on record.
        """

    @abstractmethod
    def release(self, path: str) -> None:
        """Undo one ``hold``."""

    @abstractmethod
    def stats(self) -> Stats:
        """Return the counts, at a cost that does not depend on them."""

    @abstractmethod
    def oldest(self) -> float | None:
        """Return when the longest registered record was registered, seconds since the epoch; None without records."""

    @abstractmethod
    def outlook(self, due: Selection, bounds: Sequence[float], *, top: int) -> Outlook:
        """Look at every record: what will be due when, and which stand out. May take long, and makes nobody wait.

        Args:
            due: Its ``asof`` and ``max_age`` count.
            bounds: Seconds from ``asof``, rising; ``BOUNDS`` of them.
            top: How many records stand out at most.
        """

    @abstractmethod
    def note(self, journal: str, note: Note, *, keep: int, more: Mapping[str, float] = MappingProxyType({})) -> None:
        """Write a line into a journal of this scope.

        Args:
            journal: Its name.
            note: The line.
            keep: So many of its last lines stay.
            more: What to ``tally`` in the same step.
        """

    @abstractmethod
    def tally(self, more: Mapping[str, float]) -> None:
        """Add to the totals; what is registered and settled adds itself."""

    @abstractmethod
    def notes(self, journal: str, *, since: float = -math.inf, limit: int) -> list[Note]:
        """Return the last lines of a journal, the newest first: those not older than ``since``, ``limit`` at most."""

    @abstractmethod
    def recall(self, name: str) -> str | None:
        """Return what was last remembered under ``name``, or None."""

    @abstractmethod
    def remember(self, name: str, text: str) -> None:
        """Keep a small fact about this scope, as long as its records: a clock's reading, a directory to look after."""

    def check(self, *, now: float, fix: bool) -> tuple[Finding, ...]:
        """Look for what a crash left in the registry itself, and with ``fix`` put it right. In memory nothing can.

        Args:
            now: As in ``claim``.
            fix: Whether to change anything.

        Raises:
            RegistryError: the registry is damaged.
        """
        del now, fix
        return ()

    @abstractmethod
    def close(self) -> None:
        """Let go of what the registry holds open. Removes and forgets nothing; may be called again."""
