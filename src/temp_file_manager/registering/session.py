"""Sessions for users: files and directories that live as long as a block, a process or a task, whichever ends first."""

import math
import os
from collections.abc import Callable, Iterable
from io import BufferedRandom, BufferedWriter, TextIOWrapper
from threading import RLock
from types import TracebackType
from typing import IO, TYPE_CHECKING, Any, Literal, NamedTuple, Self, overload

from temp_file_manager.arguments import seconds
from temp_file_manager.clock import Wall
from temp_file_manager.durations import Duration
from temp_file_manager.errors import InvalidArgumentError
from temp_file_manager.records import Selection
from temp_file_manager.registering.create import Creator
from temp_file_manager.registering.directories import MadeDirectories, refuse_words
from temp_file_manager.registering.on_record import recorded_path
from temp_file_manager.registering.register import Registrar
from temp_file_manager.registering.threads import in_thread
from temp_file_manager.registering.units import UnitRegistrar
from temp_file_manager.registry import THIS_PROCESS, Registry
from temp_file_manager.reports import RegisterReport
from temp_file_manager.storage.paths import AnyPath, absolute

if TYPE_CHECKING:
    from pathlib import Path

    from _typeshed import OpenBinaryModeUpdating, OpenBinaryModeWriting, OpenTextMode

Until = Literal["exit"]
"""The end of this process, however it ends."""


class Parts(NamedTuple):
    """What sessions work with.

    Attributes:
        registry: Where records are.
        clock: What tells the time that records carry.
        registrar: What puts files on record.
        units: What puts directories on record as a whole.
        creator: What makes files that are on record.
        directories: What removes directories that a session has left behind.
        retire: Sweeps what a selection says.
    """

    registry: Registry
    clock: Wall
    registrar: Registrar
    units: UnitRegistrar
    creator: Creator
    directories: MadeDirectories
    retire: Callable[[Selection], object]


class ManagedSession:
    """Files and directories that live as long as a ``with`` block, or until ``end``; at most as long as this process.

    Leaving the block, or ``end``, removes them at once; what cannot be removed is due, and later sweeps try. If the
    process is killed, the next sweep of whatever process removes the files; the directories stay. It begins with its
    block, or when it is first used. In a forked child it ends nothing. Threads may share it, and ``async with`` takes
    it: then whatever may take time is done in a thread.

    Args:
        parts: What it works with.
        name: A word for it, for people; need not be unique.
        ttl: Seconds after which it ends in any case; None: it lives as long as its process.

    Raises:
        ValueError: ``ttl`` is negative or not a number.
    """

    def __init__(self, parts: Parts, name: str = "", ttl: Duration | None = None) -> None:
        self.name = name
        self._ttl = None if ttl is None else seconds("ttl", ttl)
        self._parts = parts
        self._directories = parts.directories.held()
        self._process = os.getpid()
        self._lock = RLock()
        self._number = 0
        self._over = False

    @property
    def begun(self) -> bool:
        """Whether anybody has used it. Waits for nobody."""
        return bool(self._number)

    @property
    def number(self) -> int:
        """Its number in the registry, which no other session there has.

        Raises:
            InvalidArgumentError: it ended before anybody used it.
        """
        if not self._number:
            with self._lock:
                self._begin()
        return self._number

    def _begin(self) -> None:
        self._refuse_if_over()
        if not self._number:
            now = self._parts.clock.wall()
            ends_at = _end(now, self._ttl)
            self._number = self._parts.registry.begin(self.name, now=now, ends_at=ends_at, owner=THIS_PROCESS).number

    def _refuse_if_over(self) -> None:
        if self._over:
            raise InvalidArgumentError(f"the session {self.name!r} has ended: begin another")

    @property
    def process(self) -> int:
        """The number of the process that it belongs to."""
        return self._process

    def mkstemp(self, suffix: str = "", prefix: str = "tmp", *, tags: Iterable[str] = ()) -> tuple[int, str]:
        """Create an empty file, as the manager's ``mkstemp`` does; return the open descriptor and the path."""
        return self._parts.creator.create(suffix, prefix, None, self.number, tags=tags)

    def path(self, suffix: str = "", prefix: str = "tmp", *, tags: Iterable[str] = ()) -> "Path":
        """Create an empty file, as the manager's ``path`` does, and return where it is."""
        return self._parts.creator.path(suffix, prefix, None, self.number, tags=tags)

    @overload
    def open(
        self,
        mode: "OpenBinaryModeUpdating" = "w+b",
        suffix: str = "",
        prefix: str = "tmp",
        *,
        tags: Iterable[str] = (),
        encoding: None = None,
    ) -> BufferedRandom: ...
    @overload
    def open(
        self,
        mode: "OpenBinaryModeWriting",
        suffix: str = "",
        prefix: str = "tmp",
        *,
        tags: Iterable[str] = (),
        encoding: None = None,
    ) -> BufferedWriter: ...
    @overload
    def open(
        self,
        mode: "OpenTextMode",
        suffix: str = "",
        prefix: str = "tmp",
        *,
        tags: Iterable[str] = (),
        encoding: str | None = None,
    ) -> TextIOWrapper: ...
    @overload
    def open(
        self,
        mode: str,
        suffix: str = "",
        prefix: str = "tmp",
        *,
        tags: Iterable[str] = (),
        encoding: str | None = None,
    ) -> IO[Any]: ...
    def open(
        self,
        mode: str = "w+b",
        suffix: str = "",
        prefix: str = "tmp",
        *,
        tags: Iterable[str] = (),
        encoding: str | None = None,
    ) -> IO[Any]:
        """Create and open a file, as the manager's ``open`` does; its path is its ``name``."""
        return self._parts.creator.open(mode, suffix, None, encoding, self.number, prefix=prefix, tags=tags)

    def mkdtemp(self, suffix: str = "", prefix: str = "tmp", *, unit: bool = False, tags: Iterable[str] = ()) -> str:
        """Create a directory with mode 0700 and return its path. It goes with the session, if it is empty by then.

        As a ``unit`` it goes with all that is in it, links, sockets and pipes, too. Else register the files you put in
        it. As long as the session lives it is locked, so that cleaners that heed such locks (systemd-tmpfiles) leave
        it.
        """
        if unit:
            return self._directories.create_unit(suffix, prefix, lambda path: self.register_directory(path, tags=tags))
        refuse_words(None, tags)
        self._refuse_if_over()  # nobody would remove it
        return self._directories.create(suffix, prefix)

    def register_directory(self, path: AnyPath, *, tags: Iterable[str] = ()) -> None:
        """Put a directory on record as a whole, as the manager's ``register_directory`` does."""
        self._parts.units.one(path, None, tags, self.number)

    def register_file(self, file_path: AnyPath, *, tags: Iterable[str] = (), allow_system: bool = False) -> None:
        """Put a file on record, as the manager's ``register_file`` does; what was on record moves into this session."""
        self._parts.registrar.one(file_path, None, tags, self.number, allow_system=allow_system)

    def register_files(
        self, file_paths: Iterable[AnyPath], *, tags: Iterable[str] = (), allow_system: bool = False
    ) -> RegisterReport:
        """Put many files on record in one step, as the manager's ``register_files`` does."""
        put = self._parts.registrar.many
        return put(file_paths, None, tags, session=self.number, allow_system=allow_system)

    def keep(self, file_path: AnyPath, *, ttl: Duration | None = None) -> None:
        """Take a file out of the session: it is registered anew, with its tags, and lives for ``ttl`` or ``max_age``.

        Raises:
            ValueError: it is not in this session, or ``ttl`` is negative or not a number.
            OSError: it cannot be registered; FileNotFoundError if it is not there any more.
        """
        registry, path = self._parts.registry, absolute(file_path)
        path = recorded_path(registry, path)
        record = registry.get((path,)).get(path)
        if record is None or record.session != self.number:
            raise InvalidArgumentError(f"{path!r} is not in this session")
        for _, reason in self._parts.registrar.many((path,), ttl, record.tags, allow_system=True).refused:
            if not os.path.lexists(path):
                raise FileNotFoundError(2, reason, path)
            raise OSError(1, reason, path)

    def renew(self, ttl: Duration | None) -> bool:
        """Let it end ``ttl`` seconds from now in any case; None: not before its process.

        Returns:
            False when it has ended already.

        Raises:
            ValueError: ``ttl`` is negative or not a number.
        """
        return not self._over and self._parts.registry.renew(self.number, _end(self._parts.clock.wall(), ttl))

    def end(self) -> None:
        """End it, and remove what is still in it; may be called again. In a forked child, do nothing."""
        if os.getpid() != self._process:
            return
        with self._lock:  # whoever is about to begin it has begun, or is refused
            if self._over:
                return
            now = self._parts.clock.wall()
            if self._number:  # where it cannot be ended, on a full disk, it may be ended again
                self._parts.registry.end((self._number,), now)
            self._over = True
        self._directories.let_go()  # what is locked stays
        if self._number:
            self._parts.retire(Selection(now, 0.0, force=True, session=self._number))
        self._directories.leave_to(self._parts.directories)

    def __repr__(self) -> str:
        state = "ended" if self._over else f"number {self._number}" if self._number else "not begun"
        return f"<{type(self).__name__} {self.name!r}: {state}>"

    def __enter__(self) -> Self:
        self._refuse_if_over()
        self.number  # noqa: B018 - it begins
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.end()

    async def __aenter__(self) -> Self:
        return await in_thread(self.__enter__, ManagedSession.end)  # cancelled, the thread begins it all the same

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await in_thread(self.end)


class Sessions:
    """What ``TempFileManager.session`` and ``register_file(…, until="exit")`` do."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._until_exit: ManagedSession | None = None

    def make(self, name: str, ttl: Duration | None) -> ManagedSession:
        """Return a session that has not begun."""
        return ManagedSession(self._parts, name, ttl)

    def until(self, until: Until | None, ttl: Duration | None) -> int:
        """Return the number of the session that ends so; 0 if none is meant.

        Raises:
            InvalidArgumentError: there is no such end, or a ttl is given beside it.
        """
        if until is None:
            return 0
        if until != "exit":
            raise InvalidArgumentError(f'until is {until!r}: write until="exit", for the end of this process')
        if ttl is not None:
            raise InvalidArgumentError("a file lives for a ttl or until its process ends: give one of the two")
        found = self._until_exit
        if found is None or found.process != os.getpid():  # a forked child has one of its own
            found = self._until_exit = self.make("exit", None)
        return found.number


def _end(now: float, ttl: Duration | None) -> float:
    return math.inf if ttl is None else now + seconds("ttl", ttl)
