"""The registry's contract: six small protocols and a card of properties.

Those of journals, sessions, natures and groups are in modules of their own. ``testing.contract`` is this text as test
suites, one a protocol; a registry joins them with a few lines. A dict, a SQL table or a Redis hash can keep it:

* every method that takes many takes them in bulk, so that a network registry pays one round trip;
* every time is given to it: a registry reads no clock. It looks at no user's file, either;
* a claim excludes: whoever wants to change a claimed record waits for the claim's end, and nobody else waits;
* a registry survives a fork by itself: the child takes no lock over, holds no claim, loses no record.
"""

from abc import abstractmethod
from collections import deque
from collections.abc import Callable, Iterable, Mapping, MutableMapping, Sequence
from contextlib import AbstractContextManager, suppress
from threading import Lock
from types import MappingProxyType
from typing import Literal, Protocol

from temp_file_manager.clock import SharedClock
from temp_file_manager.errors import RegistryError
from temp_file_manager.records import Identity, Measured, Nature, NewFile, Selection, TempFile
from temp_file_manager.registry.answers import Forecast, KnownScope, Page, Spooled, Stats, Sums
from temp_file_manager.registry.card import Properties
from temp_file_manager.registry.claim import Claim, Looked, Settlement
from temp_file_manager.registry.groups import Groups
from temp_file_manager.registry.journal import Journal
from temp_file_manager.registry.natures import Natures
from temp_file_manager.registry.sessions import Sessions
from temp_file_manager.reports import Finding
from temp_file_manager.sessions import THIS_PROCESS

Identify = Callable[[str], Identity]
"""Tells which file is at a path. Whoever opens a registry gives it, for paths that come through ``files``."""

Holder = Literal["this process"]


class Records(Protocol):
    """Files on record. Each call is all or nothing, and of what is given at once the last of two alike wins.

    What changes a record at a path that is claimed waits until it no longer is, and then acts on what it finds; with
    ``only_new`` what is on record is not changed. The wait is bounded, by ``Registry.patience``; the thread that has
    the claim does not wait at all. Only writes to a ``files`` in memory wait for nobody; see ``Claim.still``.

    Raises:
        RecordClaimedError: the claim went on for longer; nothing was changed. It has all of the paths that are claimed.
    """

    @property
    @abstractmethod
    def settlements(self) -> int:
        """A number that grows when claims end, however. Costs nothing, and may be behind: to be read before a look."""

    @abstractmethod
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
        """Record files registered at ``now``, all or none; with ``only_new``, those that are not on record.

        A path that is known starts anew: its age, ttl, tags, failures, session and nature are replaced. With
        ``looked``, what a sweep may have removed since that look is looked at again in the step that records it. In a
        ``session`` its end is theirs, and no rule is; InvalidArgumentError if it does not live. ``natures`` are those
        of paths that are not plain; one that has an ``origin`` is no new registration, and is not counted as one.
        """

    def add_one(self, path: str, now: float, settlements: int) -> bool:
        """Do ``add`` for one file without a ttl or tags, where that is cheaper and can be done at once.

        Args:
            path: Which.
            now: As in ``add``.
            settlements: As in ``Looked``.

        Returns:
            False, and nothing was done: ``add`` is to do it.
        """
        del path, now, settlements
        return False

    def add_late(
        self, files: Iterable[tuple[NewFile, float]], natures: Mapping[str, Nature] = MappingProxyType({})
    ) -> None:
        """Do ``add`` with ``only_new`` for files that were registered at moments of their own, the first of two alike.

        Where that is cheaper it is one step; else what comes before one that fails stays on record.
        """
        for file, now in files:
            self.add((file,), now, only_new=True, natures={file[0]: natures[file[0]]} if file[0] in natures else {})

    @abstractmethod
    def get(self, paths: Iterable[str]) -> dict[str, TempFile]:
        """Return the records of those of ``paths`` that have one. Waits for nobody."""

    def has_all(self, paths: Iterable[str]) -> bool:
        """Say whether each of these paths is on record; a registry may find out at less cost than by ``get``."""
        wanted = set(paths)
        return len(self.get(wanted)) == len(wanted)

    @abstractmethod
    def claimed(self, paths: Iterable[str], *, now: float) -> set[str]:
        """Return those of ``paths`` whose records a sweep has; ``now`` as in ``claim``. Waits for nobody."""

    @abstractmethod
    def page(self, selection: Selection | None, *, now: float, limit: int, after: object | None = None) -> Page:
        """Return a part of what is on record, and take nothing. Waits for nobody.

        Args:
            selection: Which records, in which order; in that of ``OVERDUE``, what ``claim`` would take. None: every
                one, also those that a claim, a pin or a hold keeps from sweeps, the longest registered first, and
                after them those with a ttl, the one that ends next first.
            now: As in ``claim``; of what is due, what others hold at that moment is left out.
            limit: How many at most.
            after: The cursor of the page before; None for the first. What has changed its place since may be given
                twice, or not at all.
        """

    @abstractmethod
    def amend(self, path: str, registered_at: float) -> bool:
        """Give a record another time; the rest stays, and a ttl counts from the new time. It is no registration.

        Returns:
            False, and changes nothing, when the path is not on record.
        """

    @abstractmethod
    def forget(self, what: Iterable[str | TempFile], *, keeps: bool = False) -> int:
        """Drop records, leave their files, and return how many there were.

        Args:
            what: A path means whatever record it has; a record that ``get``, ``page`` or ``claim`` returned means
                that one: if its path has been registered again since, nothing is dropped.
            keeps: Leave the pins of their paths, for the next registration.
        """

    @abstractmethod
    def measured(self, found: Iterable[Measured]) -> None:
        """Note what looks at files have found, in bulk. Waits for nobody: what is claimed is passed over.

        What has been registered again since is passed over, too. A use is noted if it is later than the one that is
        known. Where neither sizes nor uses are kept this does nothing.
        """

    @abstractmethod
    def stats(self) -> Stats:
        """Return the counts, at a cost that does not depend on them."""

    @abstractmethod
    def sums(self, tags: Sequence[str]) -> Sums:
        """Count the records that have one of these tags; where records outlive the process, at a cost as ``stats``."""


class Claims(Protocol):
    """Records that sweeps work on, each in one sweep's hands at a time. For the sweeper, and nobody else."""

    @abstractmethod
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
        """Take due records, in the order of ``rules.waiting_since``, and keep everybody else from them.

        A claim ends by ``settle``, with its process, or, for the next claim that is made, ``lease`` seconds after
        ``now``. The cost depends on what is due, not on what is recorded.

        Args:
            due: Which records; ``rules.verdict`` decides. Of ``only`` what is no longer that record is passed over.
            now: Seconds on a clock that nobody can set and that all who share the registry read; not the wall clock.
            lease: Seconds from ``now``.
            limit: How many at most.
            after: The cursor that this sweep's claim before returned; None begins a sweep. A forced sweep takes nothing
                that is registered, also again, after it began. What a sweep has settled as failed neither it nor one
                that began before claims again.
            settling: A claim to be settled first, in the same step.
            into: Holds the claim alone from the step that makes it, for whoever is interrupted before this returns.
        """

    @abstractmethod
    def settle(self, settlement: Settlement) -> None:
        """End a claim: forget what is retired, keep the rest.

        A failed record has one failure more. It and a kept one are left alone by sweeps that have begun, and by
        scheduled ones until ``rules.retry_at`` of its failures and ``settlement.at``. Where the outcome has a
        ``due_at``, that and its ``rule`` go on record instead, or, without a ``rule``, that ``max_age`` decides; then
        the record has not failed, and waits for nothing else. A skipped one, and what was not worked on, is free at
        once. What ``Other.under_way`` says of stays claimed, without a lease: until
        ``Claim.only`` it is settled as well, or its process ends. What is no longer under this claim is left as it is.
        """


class Keeps(Protocol):
    """Pins and holds: what keeps paths from every sweep.

    They belong to a path: they outlast a new registration and writes to ``files``. A pin has no holder, outlasts every
    process, and goes with ``forget``. A hold ends with its holder: this process. A forked child has no part in it:
    it ends none of its parent's holds, and sweeps none of what its parent held when it forked.
    ``keep`` waits for claims as ``Records`` do, and so never keeps what a sweep is removing.
    """

    @abstractmethod
    def keep(self, paths: Iterable[str], until: float, holder: Holder | None = None) -> tuple[str, ...]:
        """Keep records from every sweep.

        Args:
            paths: Which; unknown ones are passed over.
            until: Seconds since the epoch, infinity for no end; it replaces the end of an earlier pin. A hold has
                none but its release and its holder's end: give infinity.
            holder: ``THIS_PROCESS`` for a hold; held twice, a path is to be released twice. None for a pin.

        Returns:
            Those of the paths that are on record, and only those are kept.
        """

    @abstractmethod
    def release(self, paths: Iterable[str], holder: Holder | None = None) -> tuple[str, ...]:
        """Let sweeps have records again: end their pins, or undo one ``keep`` of this holder's. Waits for nobody.

        Returns:
            Those of the paths that are on record, kept before or not.
        """

    @abstractmethod
    def release_later(self, path: str) -> None:
        """Undo one hold of this process when it is next safe to.

        The garbage collector asks, and may do so while locks are held.
        """


class Registry(Records, Claims, Keeps, Journal, Sessions, Natures, Groups):
    """Records of one scope (this host, one base directory). Safe to share between threads.

    Attributes:
        properties: Its card.
        lock: Taken for each change of records but those that come through ``files`` and, where records outlive the
            process, those of sweeps: who holds it may read and write ``files`` steadily. A forked child has its own.
        clock: What tells the time to all who share it, where that is not each machine's own clock.
        patience: Seconds that whoever wants to change a claimed record waits for the claim's end, at most.
    """

    properties: Properties
    lock: Lock
    clock: SharedClock | None = None
    patience: float = 5.0

    def __init__(self) -> None:
        self._to_release: deque[str] = deque()

    @property
    def read_only(self) -> str:
        """Why nothing can be changed in it, and what to do; empty when it can. Waits for nobody."""
        return ""

    @property
    def number(self) -> str:
        """Its own number, which no other registry has, by whatever path it is reached; empty if it has none."""
        return ""

    @property
    @abstractmethod
    def files(self) -> MutableMapping[str, float]:
        """The live mapping path → time of registration; writing to it writes records."""

    @abstractmethod
    def replace(self, files: Iterable[tuple[str, float]]) -> None:
        """Forget every record and record these instead. Mappings handed out before are detached, unchanged.

        Where ``Claim.still`` is given it waits for nobody, as other writes to ``files`` do; else for each claim.
        """

    @abstractmethod
    def forecast(self, selection: Selection, bounds: Sequence[float]) -> Forecast:
        """Count what will be due when, looking at every record: it may take long, and makes nobody wait.

        A pin puts it off to its end, a hold without end. Of ``selection`` only ``asof`` and ``max_age`` count.
        ``bounds`` are seconds from ``asof``: one or more, rising.
        """

    @abstractmethod
    def exclusive(self, name: str) -> AbstractContextManager[bool]:
        """Let one at a time do what goes by this name, of all who share the registry's scope. Never waits.

        It gives True if nobody else is within, in this process or another. Whoever is within leaves it by the end of
        the ``with`` block, or of the process. A forked child is within nothing that its parent is in.
        """

    def marker(self) -> str:
        """Return what the marker of its shared volume says; empty if it has none, or none is marked."""
        return ""

    def mark(self, marker: str) -> str:
        """Note the marker of its shared volume, if none is; return the one that is noted.

        Raises:
            RegistryError: hosts do not share it.
        """
        del marker
        raise RegistryError(
            f"{self.properties.address} knows no volumes that hosts share: "
            "set TEMP_FILE_REGISTRY=postgresql://HOST/DATABASE"
        )

    def scopes(self) -> tuple[KnownScope, ...]:
        """Return the scopes of all who share the database; none where each has a registry of its own."""
        return ()

    def spooled(self) -> Spooled:
        """Return what was registered while the server was out of reach, and waits for it on this machine."""
        return Spooled()

    def spellings(self, inode: int, born: int) -> tuple[str, ...]:  # noqa: ARG002 - where nobody keeps them
        """Return by which paths a directory is on record; sweeps heed what another one keeps, and its time."""
        return ()

    def release_later(self, path: str) -> None:
        """See ``Keeps.release_later``."""
        self._to_release.append(path)

    def release_pending(self) -> None:
        """Do what ``release_later`` was asked; a registry calls it before it claims or keeps."""
        while self._to_release:
            with suppress(IndexError):  # another thread was faster
                self.release((self._to_release.popleft(),), THIS_PROCESS)

    def check(self, *, now: float, fix: bool) -> tuple[Finding, ...]:
        """Look for what a crash left in the registry, at ``now`` as in ``claim``; with ``fix``, put it right.

        Raises:
            RegistryError: the registry is damaged.
        """
        del now, fix
        return ()

    @abstractmethod
    def close(self) -> None:
        """Let go of what the registry holds open. Removes and forgets nothing; may be called again."""
