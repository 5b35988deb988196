"""The manager for ``asyncio``: the same names, awaited; what may block works in a thread.

A call that is cancelled has its work finished in its thread all the same: what was to be registered is on record, and
a sweep goes on to its end. What it made or opened for its caller, who does not get it any more, is closed and removed.
"""

import functools
import os
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from io import BufferedRandom, BufferedReader, BufferedWriter, TextIOWrapper
from itertools import islice
from types import TracebackType
from typing import (
    IO,
    TYPE_CHECKING,
    Any,
    Concatenate,
    Final,
    Generic,
    Literal,
    ParamSpec,
    Protocol,
    Self,
    TypeVar,
    overload,
)

from temp_file_manager import manager as blocking
from temp_file_manager.cleanup import take_back
from temp_file_manager.clock import Clock
from temp_file_manager.durations import Duration
from temp_file_manager.events import Hook
from temp_file_manager.records import TempFile
from temp_file_manager.registering.hold import Hold
from temp_file_manager.registering.session import ManagedSession
from temp_file_manager.registering.threads import in_thread
from temp_file_manager.registry import Registry
from temp_file_manager.settings import Settings
from temp_file_manager.storage.paths import AnyPath

if TYPE_CHECKING:
    from _typeshed import OpenBinaryModeUpdating, OpenBinaryModeWriting, OpenTextMode

P = ParamSpec("P")
T = TypeVar("T")

_PAGE = 500
"""Records that are fetched in one go."""

_MADE = "aio.TempFileManager.made(base_dir)"


class _Awaited(Generic[P, T]):
    """A method of the manager's, as a coroutine with its signature.

    Args:
        call: The method.
        undo: Undoes what it has made for a caller who was cancelled.
    """

    def __init__(
        self,
        call: Callable[Concatenate[blocking.TempFileManager, P], T],
        undo: Callable[[blocking.TempFileManager, T], object] | None = None,
    ) -> None:
        self._call = call
        self._undo = undo

    def __get__(self, facade: "TempFileManager | None", owner: type) -> Callable[P, Coroutine[Any, Any, T]]:
        if facade is None:  # asked of the class: who looks for documentation finds the method's
            return self._call  # type: ignore[return-value]  # it takes the manager first, and is not awaited
        call = self._call.__get__(facade.manager)
        undo = None if self._undo is None else functools.partial(self._undo, facade.manager)

        async def awaited(*words: P.args, **named: P.kwargs) -> T:
            return await in_thread(functools.partial(call, *words, **named), undo)

        return functools.update_wrapper(awaited, call)


def _unmake(manager: blocking.TempFileManager, path: str | os.PathLike[str]) -> None:
    take_back(manager.context, os.fspath(path))


def _unmake_open(manager: blocking.TempFileManager, made: tuple[int, str]) -> None:
    os.close(made[0])
    _unmake(manager, made[1])


class TempFileManager:
    """A manager whose calls are awaited.

    ``async with`` closes it, and removes what was registered here, as ``with`` does with the other.

    Args:
        manager: The one that does the work; ``made`` makes one without blocking.

    Attributes:
        manager: The same. What does not block is asked of it: ``files``, ``lock``, ``max_age``, ``base_dir``.
    """

    def __init__(self, manager: blocking.TempFileManager) -> None:
        if not isinstance(manager, blocking.TempFileManager):
            raise TypeError(f"manager is a TempFileManager, not {type(manager).__name__}: or write await {_MADE}")
        self.manager = manager

    @classmethod
    async def made(
        cls,
        base_dir: AnyPath,
        max_age: Duration = blocking.DEFAULT_MAX_AGE,
        *,
        registry: Registry | str | None = None,
        settings: Settings | None = None,
        hooks: Iterable[Hook] = (),
        clock: Clock | None = None,
    ) -> Self:
        """Make the base directory and open the registry; arguments and errors are those of the manager."""
        make = functools.partial(
            blocking.TempFileManager, base_dir, max_age, registry=registry, settings=settings, hooks=hooks, clock=clock
        )
        return cls(await in_thread(make, blocking.TempFileManager.close))

    def __repr__(self) -> str:
        return f"aio.{self.manager!r}"

    async def __aenter__(self) -> Self:
        self.manager.__enter__()  # in no thread: it blocks nobody, and cancelled here, nothing would close it
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        await in_thread(lambda: self.manager.__exit__(kind, error, at))

    register_file: Final = _Awaited(blocking.TempFileManager.register_file)
    register_files: Final = _Awaited(blocking.TempFileManager.register_files)
    register_directory: Final = _Awaited(blocking.TempFileManager.register_directory)
    register_object: Final = _Awaited(blocking.TempFileManager.register_object)
    status: Final = _Awaited(blocking.TempFileManager.status)
    statuses: Final = _Awaited(blocking.TempFileManager.statuses)
    is_temp_file: Final = _Awaited(blocking.TempFileManager.is_temp_file)
    get_file_age: Final = _Awaited(blocking.TempFileManager.get_file_age)
    mkstemp: Final = _Awaited(blocking.TempFileManager.mkstemp, _unmake_open)
    path: Final = _Awaited(blocking.TempFileManager.path, _unmake)
    mkdtemp: Final = _Awaited(blocking.TempFileManager.mkdtemp, _unmake)
    pin: Final = _Awaited(blocking.TempFileManager.pin)
    unpin: Final = _Awaited(blocking.TempFileManager.unpin)
    restore: Final = _Awaited(blocking.TempFileManager.restore)
    cleanup: Final = _Awaited(blocking.TempFileManager.cleanup)
    clear_all: Final = _Awaited(blocking.TempFileManager.clear_all)
    sweep: Final = _Awaited(blocking.TempFileManager.sweep)
    start: Final = _Awaited(blocking.TempFileManager.start)
    stop: Final = _Awaited(blocking.TempFileManager.stop)
    close: Final = _Awaited(blocking.TempFileManager.close)

    def session(self, name: str = "", *, ttl: Duration | None = None) -> ManagedSession:
        """Return a session, for ``async with``."""
        return self.manager.session(name, ttl=ttl)

    def hold(self, file_path: AnyPath) -> AbstractAsyncContextManager[Hold]:
        """Keep a registered file from every sweep while a block runs."""
        return _closing(lambda: self.manager.hold(file_path))

    @overload
    def open(
        self,
        mode: "OpenBinaryModeUpdating" = "w+b",
        suffix: str = "",
        prefix: str = "tmp",
        *,
        ttl: Duration | None = None,
        tags: Iterable[str] = (),
        encoding: None = None,
    ) -> AbstractAsyncContextManager[BufferedRandom]: ...
    @overload
    def open(
        self,
        mode: "OpenBinaryModeWriting",
        suffix: str = "",
        prefix: str = "tmp",
        *,
        ttl: Duration | None = None,
        tags: Iterable[str] = (),
        encoding: None = None,
    ) -> AbstractAsyncContextManager[BufferedWriter]: ...
    @overload
    def open(
        self,
        mode: "OpenTextMode",
        suffix: str = "",
        prefix: str = "tmp",
        *,
        ttl: Duration | None = None,
        tags: Iterable[str] = (),
        encoding: str | None = None,
    ) -> AbstractAsyncContextManager[TextIOWrapper]: ...
    @overload
    def open(
        self,
        mode: str,
        suffix: str = "",
        prefix: str = "tmp",
        *,
        ttl: Duration | None = None,
        tags: Iterable[str] = (),
        encoding: str | None = None,
    ) -> AbstractAsyncContextManager[IO[Any]]: ...
    def open(
        self,
        mode: str = "w+b",
        suffix: str = "",
        prefix: str = "tmp",
        *,
        ttl: Duration | None = None,
        tags: Iterable[str] = (),
        encoding: str | None = None,
    ) -> AbstractAsyncContextManager[IO[Any]]:
        """Make, register and open a file, which is closed at the end of the block; see the manager's ``open``."""
        make = functools.partial(self.manager.open, mode, suffix, prefix, ttl=ttl, tags=tags, encoding=encoding)

        def unmake(file: IO[Any]) -> None:
            file.close()
            _unmake(self.manager, file.name)

        return _closing(make, unmake)

    @overload
    def reopen(
        self, file_path: AnyPath, mode: Literal["rb"] = "rb", *, encoding: None = None
    ) -> AbstractAsyncContextManager[BufferedReader]: ...
    @overload
    def reopen(
        self, file_path: AnyPath, mode: Literal["r", "rt"], *, encoding: str | None = None
    ) -> AbstractAsyncContextManager[TextIOWrapper]: ...
    @overload
    def reopen(
        self, file_path: AnyPath, mode: str, *, encoding: str | None = None
    ) -> AbstractAsyncContextManager[IO[Any]]: ...
    def reopen(
        self, file_path: AnyPath, mode: str = "rb", *, encoding: str | None = None
    ) -> AbstractAsyncContextManager[IO[Any]]:
        """Open a registered file to read it while a block runs; see the manager's ``reopen``."""
        return _closing(lambda: self.manager.reopen(file_path, mode, encoding=encoding))

    async def files_where(
        self,
        *,
        tag: str | None = None,
        under: AnyPath | None = None,
        older_than: Duration | None = None,
        due: bool = False,
    ) -> AsyncIterator[TempFile]:
        """Yield records; see the manager's ``files_where``."""
        found = self.manager.files_where(tag=tag, under=under, older_than=older_than, due=due)
        while page := await in_thread(lambda: list(islice(found, _PAGE))):
            for record in page:
                yield record


class _Closed(Protocol):
    def close(self) -> object: ...


C = TypeVar("C", bound=_Closed)


@asynccontextmanager
async def _closing(make: Callable[[], C], unmake: Callable[[C], object] | None = None) -> AsyncIterator[C]:
    """Make and close in threads what is closed at the end of a block."""
    made = await in_thread(make, unmake or _close)
    try:
        yield made
    finally:
        await in_thread(made.close)


def _close(made: _Closed) -> None:
    made.close()
