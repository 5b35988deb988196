"""Sessions in asyncio: many at a time, ended off the event loop, also for tasks that are cancelled."""

import asyncio
import os
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from temp_file_manager import TempFileManager
from temp_file_manager.events import Event, SweepFinished


@pytest.fixture(params=["memory:", "sqlite:"])
def manager(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[TempFileManager]:
    with closing(TempFileManager(tmp_path / "base", registry=request.param)) as manager:
        yield manager


def made(manager: TempFileManager) -> list[str]:
    """Return what there is, of files and of sessions that live."""
    names = [session.name for session in manager.registry.sessions()]
    return [name for name in os.listdir(manager.base_dir) if not name.startswith(".")] + names


def test_a_hundred_at_a_time(manager: TempFileManager) -> None:
    async def work(all_there: asyncio.Barrier) -> int:
        async with manager.session() as session:
            os.close(session.mkstemp()[0])
            await all_there.wait()
            return session.number

    async def main() -> list[int]:
        barrier = asyncio.Barrier(100)
        return await asyncio.gather(*(work(barrier) for _ in range(100)))

    assert len(set(asyncio.run(main()))) == 100
    assert made(manager) == []
    assert not manager.files


def test_each_ends_alone(manager: TempFileManager) -> None:
    async def main() -> None:
        async with manager.session() as outer:
            os.close(outer.mkstemp()[0])
            async with manager.session() as inner:
                os.close(inner.mkstemp()[0])
                assert len(made(manager)) == 4
            assert len(made(manager)) == 2

    asyncio.run(main())
    assert made(manager) == []


def test_cancelled_in_the_middle(manager: TempFileManager) -> None:
    async def work(begun: asyncio.Event) -> None:
        async with manager.session() as session:
            os.close(session.mkstemp()[0])
            begun.set()
            await asyncio.Event().wait()

    async def main() -> None:
        begun = [asyncio.Event() for _ in range(20)]
        tasks = [asyncio.create_task(work(event)) for event in begun]
        for event in begun:
            await event.wait()
        assert len(made(manager)) == 40
        for task in tasks:
            task.cancel()
        done = await asyncio.gather(*tasks, return_exceptions=True)
        assert {type(error) for error in done} == {asyncio.CancelledError}

    asyncio.run(main())
    assert made(manager) == []


def test_a_group_that_fails(manager: TempFileManager) -> None:
    """The group cancels those that go on."""

    async def work(turn: int, all_there: asyncio.Barrier) -> None:
        async with manager.session() as session:
            os.close(session.mkstemp()[0])
            await all_there.wait()
            if not turn:
                raise ZeroDivisionError
            await asyncio.Event().wait()

    async def main() -> None:
        barrier = asyncio.Barrier(10)
        async with asyncio.TaskGroup() as group:
            for turn in range(10):
                group.create_task(work(turn, barrier))

    with pytest.raises(ExceptionGroup) as caught:
        asyncio.run(main())
    assert caught.group_contains(ZeroDivisionError)
    assert made(manager) == []


def test_out_of_time(manager: TempFileManager) -> None:
    async def main() -> None:
        async with asyncio.timeout(0), manager.session() as session:
            os.close(session.mkstemp()[0])
            await asyncio.Event().wait()

    with pytest.raises(TimeoutError):
        asyncio.run(main())
    assert made(manager) == []


def test_cancelled_while_it_begins_or_ends(manager: TempFileManager) -> None:
    """Whatever step a task has come to when it is cancelled, nothing of it stays."""

    async def work() -> None:
        async with manager.session() as session:
            os.close(session.mkstemp()[0])
            await asyncio.sleep(0)

    async def main() -> None:
        for steps in range(8):
            task = asyncio.create_task(work())
            for _ in range(steps):
                await asyncio.sleep(0)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    asyncio.run(main())  # waits for the threads that end sessions
    assert made(manager) == []


def test_cancelled_again_while_many_end(manager: TempFileManager) -> None:
    """More end than there are threads, so that some wait for one."""

    async def work(all_there: asyncio.Barrier) -> None:
        async with manager.session() as session:
            os.close(session.mkstemp()[0])
            await all_there.wait()
            await asyncio.Event().wait()

    async def main() -> None:
        barrier = asyncio.Barrier(101)
        tasks = [asyncio.create_task(work(barrier)) for _ in range(100)]
        await barrier.wait()
        for _ in range(3):
            for task in tasks:
                task.cancel()
            await asyncio.sleep(0)
        await asyncio.gather(*tasks, return_exceptions=True)

    asyncio.run(main())
    assert made(manager) == []


def test_it_ends_off_the_event_loop(tmp_path: Path) -> None:
    sweeps = []

    def note(event: Event) -> None:
        if isinstance(event, SweepFinished):
            sweeps.append(threading.get_ident())

    async def main() -> None:
        async with manager.session() as session:
            os.close(session.mkstemp()[0])

    with closing(TempFileManager(tmp_path, hooks=[note])) as manager:
        asyncio.run(main())
    assert sweeps
    assert threading.get_ident() not in sweeps
