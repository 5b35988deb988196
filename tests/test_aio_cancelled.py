"""Each call of the manager for asyncio, cancelled while a thread is at it: what nobody knows of does not stay."""

import asyncio
import os
import threading
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager, closing
from pathlib import Path
from typing import Any

import pytest

from patience import PATIENCE
from temp_file_manager import MemoryRegistry, TempFileManager, aio
from test_aio import NOT_AWAITED, public

Call = Callable[[aio.TempFileManager, Path], Coroutine[Any, Any, object]]


class Stopping(ThreadPoolExecutor):
    """Stops the first work that it gets, before that begins or when it has ended, until it may go on."""

    def __init__(self, *, ended: bool) -> None:
        super().__init__()
        self.ended = ended
        self.stopped, self.goes_on = threading.Event(), threading.Event()

    def submit(self, work: Callable[..., Any], /, *words: Any, **named: Any) -> Future[Any]:
        if self.stopped.is_set():
            return super().submit(work, *words, **named)

        def stopping() -> object:
            if not self.ended:
                self.stop()
            try:
                return work(*words, **named)
            finally:
                if self.ended:
                    self.stop()

        return super().submit(stopping)

    def stop(self) -> None:
        self.stopped.set()
        assert self.goes_on.wait(PATIENCE)


async def entered(block: AbstractAsyncContextManager[object]) -> None:
    async with block:
        raise AssertionError("it was cancelled before")


async def looked(facade: aio.TempFileManager) -> None:
    async for _ in facade.files_where():
        raise AssertionError("it was cancelled before")


CALLS: dict[str, Call] = {
    "made": lambda _, kept: aio.TempFileManager.made(kept.parent / "other", registry="sqlite:"),
    "mkstemp": lambda facade, _: facade.mkstemp(),
    "path": lambda facade, _: facade.path(ttl=5),
    "mkdtemp": lambda facade, _: facade.mkdtemp(),
    "mkdtemp as a unit": lambda facade, _: facade.mkdtemp(unit=True),
    "open": lambda facade, _: entered(facade.open("w")),
    "reopen": lambda facade, kept: entered(facade.reopen(kept, "r")),
    "hold": lambda facade, kept: entered(facade.hold(kept)),
    "session": lambda facade, _: entered(facade.session()),
    "files_where": lambda facade, _: looked(facade),
    "register_file": lambda facade, kept: facade.register_file(kept),
    "register_files": lambda facade, kept: facade.register_files([kept]),
    "register_directory": lambda facade, kept: facade.register_directory(kept.parent / "unit"),
    "register_object": lambda facade, _: facade.register_object("s3://bucket/key", etag="e"),
    "status": lambda facade, kept: facade.status(kept),
    "statuses": lambda facade, kept: facade.statuses([kept]),
    "is_temp_file": lambda facade, kept: facade.is_temp_file(kept),
    "get_file_age": lambda facade, kept: facade.get_file_age(kept),
    "pin": lambda facade, kept: facade.pin(kept),
    "unpin": lambda facade, kept: facade.unpin(kept),
    "restore": lambda facade, kept: facade.restore(kept),
    "cleanup": lambda facade, _: facade.cleanup(),
    "clear_all": lambda facade, _: facade.clear_all(),
    "sweep": lambda facade, _: facade.sweep(),
    "start": lambda facade, _: facade.start(),
    "stop": lambda facade, _: facade.stop(),
    "close": lambda facade, _: facade.close(),
}

MEANT = {"register_directory": {"unit"}, "register_object": {"s3://bucket/key#etag=e"}, "clear_all": {"kept"}}
"""What a call is to change all the same: what comes onto the record, or off it."""


def cancel(call: Coroutine[Any, Any, object], *, ended: bool, again: bool) -> None:
    """Cancel a call when the work that it waits for waits for a thread, or has ended and its task does not know yet."""
    executor = Stopping(ended=ended)

    async def main() -> None:
        loop = asyncio.get_running_loop()
        loop.set_default_executor(executor)
        task = asyncio.ensure_future(call)
        with ThreadPoolExecutor() as waiting:
            await loop.run_in_executor(waiting, executor.stopped.wait, 60)
        try:
            task.cancel()
            if again:
                await asyncio.sleep(0)
                task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
        finally:
            executor.goes_on.set()

    asyncio.run(main())  # waits for the threads


def opened(folder: Path) -> set[str]:
    """Return which files this process has open there, by their paths from there."""
    links = (f"/proc/self/fd/{fd}" for fd in os.listdir("/proc/self/fd"))
    found = (os.readlink(link) for link in links if os.path.lexists(link))
    return {path.removeprefix(f"{folder}/") for path in found if path.startswith(f"{folder}/")}


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[TempFileManager]:
    with closing(TempFileManager(tmp_path / "base", registry="sqlite:")) as manager:
        yield manager


@pytest.mark.parametrize(("ended", "again"), [(False, False), (True, False), (True, True)])
@pytest.mark.parametrize("name", CALLS)
def test_nothing_stays_that_nobody_knows_of(
    manager: TempFileManager, tmp_path: Path, name: str, ended: bool, again: bool
) -> None:
    base = tmp_path / "base"
    kept, unit = base / "kept", base / "unit"
    kept.touch()
    unit.mkdir()
    manager.register_file(kept)

    cancel(CALLS[name](aio.TempFileManager(manager), kept), ended=ended, again=again)
    with closing(TempFileManager(base, registry="sqlite:")) as other:  # ours may be closed
        there = {entry for entry in os.listdir(base) if not entry.startswith(".")}
        assert there == {"kept", "unit"} - (MEANT.get(name, set()) & {"kept"})
        recorded = {record.path.removeprefix(f"{base}/") for record in other.files_where()}
        assert recorded == {"kept"} ^ MEANT.get(name, set())
        assert {path for path in opened(base) if not path.startswith(".")} == set()
        assert other.registry.sessions() == ()
        if name not in {"pin", "register_object"}:
            manager.stop()
            other.clear_all()
            assert not kept.exists(), "nobody holds it"


@pytest.mark.parametrize("ended", [False, True])
def test_a_manager_that_nobody_gets_is_closed(tmp_path: Path, ended: bool) -> None:
    closed = threading.Event()

    class Noting(MemoryRegistry):
        def close(self) -> None:
            closed.set()

    cancel(aio.TempFileManager.made(tmp_path, registry=Noting()), ended=ended, again=False)
    assert closed.is_set()


def test_each_call_is_tried() -> None:
    assert {name.partition(" ")[0] for name in CALLS} == public(aio.TempFileManager) - (NOT_AWAITED - {"session"})
