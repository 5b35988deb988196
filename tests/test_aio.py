"""The manager for asyncio, and functions that work in a session: the same names, in threads, and nothing lost."""

import asyncio
import inspect
import os
import threading
from collections.abc import AsyncIterator, Iterator
from contextvars import ContextVar
from pathlib import Path

import pytest

from patience import PATIENCE
from temp_file_manager import ManagedSession, Settings, TempFileManager, aio
from temp_file_manager.testing import FakeClock

BLOCKS = {"open", "reopen", "hold", "files_where"}
"""What is for ``async with`` or ``async for``."""

NOT_AWAITED = {"from_context", "from_env", "from_settings", "temporary", "session"}
"""What makes a manager or a function, or blocks nobody."""


def public(kind: type) -> set[str]:
    return {name for name in dir(kind) if not name.startswith("_") and callable(getattr(kind, name))}


def test_it_has_every_name_with_the_same_signature(tmp_path: Path) -> None:
    manager = TempFileManager(tmp_path / "base")
    facade = aio.TempFileManager(manager)
    names = public(TempFileManager) - NOT_AWAITED
    assert names <= public(aio.TempFileManager)
    for name in names - BLOCKS:
        assert inspect.signature(getattr(facade, name)) == inspect.signature(getattr(manager, name)), name
        assert inspect.iscoroutinefunction(getattr(facade, name)), name
    for name in (*BLOCKS, "session"):
        ours, theirs = (inspect.signature(getattr(one, name)) for one in (facade, manager))
        assert ours.parameters == theirs.parameters, name


def test_a_manager_is_made_of_the_same_words(tmp_path: Path) -> None:
    ours, theirs = inspect.signature(aio.TempFileManager.made), inspect.signature(TempFileManager)
    assert ours.parameters == theirs.parameters
    clock = FakeClock()
    words = {"registry": "sqlite:", "settings": Settings(owner_check=True), "hooks": [print], "clock": clock}
    made = asyncio.run(aio.TempFileManager.made(tmp_path / "base", "2h", **words))  # type: ignore[arg-type]
    context = made.manager.context
    assert (made.manager.base_dir, made.manager.max_age) == (str(tmp_path / "base"), 7200)
    assert (context.clock, context.hooks.hooks, context.settings.owner_check) == (clock, (print,), True)
    assert context.registry.properties.outlives_process
    made.manager.close()


def test_files_are_made_swept_and_held(tmp_path: Path) -> None:
    async def work() -> None:
        async with await aio.TempFileManager.made(tmp_path / "base", registry="sqlite:") as manager:
            path = await manager.path(suffix=".svg", tags=["charts"])
            async with manager.open("w", suffix=".csv") as table:
                table.write("a,b\n")
            assert await manager.is_temp_file(path)
            async with manager.reopen(table.name, "r") as again:
                assert again.read() == "a,b\n"
            async with manager.session("request") as session:
                session.register_file(path)
            assert not path.exists(), "its session has ended"
            assert [record.path async for record in manager.files_where()] == [table.name]
            async with manager.hold(table.name):
                assert (await manager.sweep(force=True)).removed == 0
            assert await manager.cleanup(True) == 1
            kept = await manager.path()
        assert not kept.exists(), "leaving removes what was registered here"

    asyncio.run(work())


def test_the_work_of_a_cancelled_call_is_finished_and_on_record(tmp_path: Path) -> None:
    begun, goes_on = threading.Event(), threading.Event()
    (tmp_path / "file").touch()
    manager = TempFileManager(tmp_path / "base")

    def paths() -> Iterator[Path]:
        begun.set()
        assert goes_on.wait(PATIENCE)
        yield tmp_path / "file"

    async def work() -> None:
        task = asyncio.ensure_future(aio.TempFileManager(manager).register_files(paths()))
        await asyncio.get_running_loop().run_in_executor(None, begun.wait, PATIENCE)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert dict(manager.files) == {}
        goes_on.set()

    asyncio.run(work())  # waits for the thread
    assert list(manager.files) == [str(tmp_path / "file")]


def test_the_thread_has_the_context_of_the_task(tmp_path: Path) -> None:
    """Once a log line did not know any more of which request it was."""
    request, seen = ContextVar("request", default=""), list[str]()
    manager = TempFileManager(tmp_path / "base", hooks=[lambda _: seen.append(request.get())])
    (tmp_path / "file").touch()

    async def work() -> None:
        request.set("42")
        await aio.TempFileManager(manager).register_file(tmp_path / "file")

    asyncio.run(work())
    assert seen == ["42"]


# -- functions that work in a session


def test_what_a_function_makes_goes_when_it_ends(tmp_path: Path) -> None:
    manager = TempFileManager(tmp_path / "base")

    @manager.temporary
    def chart(session: ManagedSession, name: str, *, fail: bool = False) -> str:
        """Draw something."""
        fd, path = session.mkstemp(suffix=name)
        os.close(fd)
        assert os.path.exists(path)
        if fail:
            raise ValueError(path)
        return path

    assert not os.path.exists(chart(".svg"))
    with pytest.raises(ValueError) as caught:
        chart(".svg", fail=True)
    assert not os.path.exists(str(caught.value))
    assert (chart.__name__, chart.__doc__) == ("chart", "Draw something.")
    assert list(inspect.signature(chart).parameters) == ["name", "fail"]
    assert dict(manager.files) == {}


def test_a_coroutine_function_stays_one(tmp_path: Path) -> None:
    manager = TempFileManager(tmp_path / "base")

    @manager.temporary
    async def part(session: ManagedSession) -> str:
        fd, path = session.mkstemp()
        os.close(fd)
        await asyncio.sleep(0)
        assert os.path.exists(path)
        return path

    assert not os.path.exists(asyncio.run(part()))


def test_a_generator_is_refused(tmp_path: Path) -> None:
    manager = TempFileManager(tmp_path / "base")

    def parts(session: ManagedSession) -> "object":
        yield session

    async def others(session: ManagedSession) -> AsyncIterator[ManagedSession]:
        yield session

    for function in (parts, others):
        with pytest.raises(TypeError, match=r"is a generator: write with manager.session\(\)"):
            manager.temporary(function)
