"""The manager for ``asyncio``: the same names, awaited; what may block works in a thread.

A call that is cancelled has its work finished in its thread all the same: a file that was made is on record, and goes
when it is due, and no claim is left behind. What it would have returned is lost.
"""

import functools
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable
from contextlib import AbstractContextManager, asynccontextmanager
from itertools import islice
from types import TracebackType
from typing import IO, Any, Concatenate, Generic, ParamSpec, Self, TypeVar

from temp_file_manager import manager as blocking
from temp_file_manager.durations import Duration
from temp_file_manager.records import TempFile
from temp_file_manager.registering.hold import Hold
from temp_file_manager.registering.session import ManagedSession
from temp_file_manager.registering.threads import in_thread
from temp_file_manager.storage.paths import AnyPath

P = ParamSpec("P")
T = TypeVar("T")

_PAGE = 500
"""Records that are fetched in one go."""


class _Awaited(Generic[P, T]):
    """A method of the manager's, as a coroutine with its signature."""

    def __init__(self, call: Callable[Concatenate[blocking.TempFileManager, P], T]) -> None:
        self._call = call

    def __get__(self, facade: "TempFileManager | None", owner: type) -> Callable[P, Coroutine[Any, Any, T]]:
        if facade is None:  # asked of the class: who looks for documentation finds the method's
            return self._call  # type: ignore[return-value]
        call = self._call.__get__(facade.manager)

        async def awaited(*words: P.args, **named: P.kwargs) -> T:
            return await in_thread(functools.partial(call, *words, **named))

        return functools.update_wrapper(awaited, call)


class TempFileManager:
    """A manager whose calls are awaited.

    ``async with`` closes it, and removes what was registered here, as ``with`` does with the other.

    Args:
        manager: The one that does the work; ``made`` makes one without blocking.

    Attributes:
        manager: The same. What does not block is asked of it: ``files``, ``lock``, ``max_age``, ``base_dir``.
    """

    def __init__(self, manager: blocking.TempFileManager) -> None:
        self.manager = manager

    @classmethod
    async def made(cls, base_dir: AnyPath, **settings: Any) -> Self:
        """Make the base directory and open the registry; arguments and errors are those of the manager."""
        return cls(await in_thread(lambda: blocking.TempFileManager(base_dir, **settings)))

    async def __aenter__(self) -> Self:
        await in_thread(self.manager.__enter__)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        await in_thread(lambda: self.manager.__exit__(kind, error, at))

    register_file = _Awaited(blocking.TempFileManager.register_file)
    register_files = _Awaited(blocking.TempFileManager.register_files)
    register_directory = _Awaited(blocking.TempFileManager.register_directory)
    register_object = _Awaited(blocking.TempFileManager.register_object)
    status = _Awaited(blocking.TempFileManager.status)
    statuses = _Awaited(blocking.TempFileManager.statuses)
    is_temp_file = _Awaited(blocking.TempFileManager.is_temp_file)
    get_file_age = _Awaited(blocking.TempFileManager.get_file_age)
    mkstemp = _Awaited(blocking.TempFileManager.mkstemp)
    path = _Awaited(blocking.TempFileManager.path)
    mkdtemp = _Awaited(blocking.TempFileManager.mkdtemp)
    pin = _Awaited(blocking.TempFileManager.pin)
    unpin = _Awaited(blocking.TempFileManager.unpin)
    restore = _Awaited(blocking.TempFileManager.restore)
    cleanup = _Awaited(blocking.TempFileManager.cleanup)
    clear_all = _Awaited(blocking.TempFileManager.clear_all)
    sweep = _Awaited(blocking.TempFileManager.sweep)
    start = _Awaited(blocking.TempFileManager.start)
    stop = _Awaited(blocking.TempFileManager.stop)
    close = _Awaited(blocking.TempFileManager.close)

    def session(self, name: str = "", *, ttl: Duration | None = None) -> ManagedSession:
        """Return a session, for ``async with``."""
        return self.manager.session(name, ttl=ttl)

    @asynccontextmanager
    async def hold(self, file_path: AnyPath) -> AsyncIterator[Hold]:
        """Keep a registered file from every sweep while a block runs."""
        async with _entered(lambda: self.manager.hold(file_path)) as held:
            yield held

    @asynccontextmanager
    async def open(
        self,
        mode: str = "w+b",
        suffix: str = "",
        prefix: str = "tmp",
        *,
        ttl: Duration | None = None,
        tags: Iterable[str] = (),
        encoding: str | None = None,
    ) -> AsyncIterator[IO[Any]]:
        """Make, register and open a file, which is closed at the end of the block; see the manager's ``open``."""
        make = functools.partial(self.manager.open, mode, suffix, prefix, ttl=ttl, tags=tags, encoding=encoding)
        async with _entered(make) as file:
            yield file

    @asynccontextmanager
    async def reopen(
        self, file_path: AnyPath, mode: str = "rb", *, encoding: str | None = None
    ) -> AsyncIterator[IO[Any]]:
        """Open a registered file to read it while a block runs; see the manager's ``reopen``."""
        async with _entered(lambda: self.manager.reopen(file_path, mode, encoding=encoding)) as file:
            yield file

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


@asynccontextmanager
async def _entered(make: Callable[[], AbstractContextManager[T]]) -> AsyncIterator[T]:
    """Make, enter and leave what blocks in threads."""
    made = await in_thread(make)
    inside = await in_thread(made.__enter__)
    try:
        yield inside
    finally:
        await in_thread(lambda: made.__exit__(None, None, None))
