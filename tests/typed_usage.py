"""A program for type checkers, which never runs: what it gets has the types that it says."""

import asyncio
from io import BufferedRandom, BufferedReader, BufferedWriter, TextIOWrapper
from pathlib import Path
from typing import IO, Any, assert_type

from temp_file_manager import (
    Hold,
    ManagedSession,
    RegisterReport,
    Settings,
    SweepReport,
    TempFile,
    TempFileManager,
    aio,
)
from temp_file_manager.reports import FileStatus


def blocking(manager: TempFileManager, mode: str) -> None:
    assert_type(manager.open(), BufferedRandom)
    assert_type(manager.open("xb"), BufferedWriter)
    assert_type(manager.open("w", encoding="utf-8"), TextIOWrapper)
    assert_type(manager.open(mode), IO[Any])
    assert_type(manager.reopen("a"), BufferedReader)
    assert_type(manager.reopen("a", "rt"), TextIOWrapper)
    assert_type(manager.reopen("a", mode), IO[Any])
    assert_type(manager.sweep(), SweepReport)
    with manager.session() as session, manager.hold(b"a") as held:
        assert_type(session, ManagedSession)
        assert_type(session.open("r+b"), BufferedRandom)
        assert_type(held, Hold)


async def awaited(mode: str) -> None:
    async with await aio.TempFileManager.made("base", "2h", registry="sqlite:", settings=Settings()) as manager:
        assert_type(manager, aio.TempFileManager)
        async with manager.open() as updated, manager.open("xb") as written, manager.open("w") as text:
            assert_type(updated, BufferedRandom)
            assert_type(written, BufferedWriter)
            assert_type(text, TextIOWrapper)
        async with manager.reopen("a") as read, manager.reopen("a", "r", encoding="utf-8") as words:
            assert_type(read, BufferedReader)
            assert_type(words, TextIOWrapper)
        async with manager.open(mode) as any_file, manager.hold("a") as held, manager.session() as session:
            assert_type(any_file, IO[Any])
            assert_type(held, Hold)
            assert_type(session, ManagedSession)
        assert_type(await manager.path(".svg", ttl="2h"), Path)
        assert_type(await manager.register_files(["a", Path("b")], tags=("t",)), RegisterReport)
        assert_type(await manager.status("a"), FileStatus)
        async for record in manager.files_where(due=True):
            assert_type(record, TempFile)


def session_of_its_own(manager: TempFileManager) -> None:
    @manager.temporary
    def chart(session: ManagedSession, name: str, *, wide: bool = False) -> int:
        return len(name)

    @manager.temporary
    async def part(session: ManagedSession) -> Path:
        return session.path()

    assert_type(chart("a", wide=True), int)
    assert_type(asyncio.run(part()), Path)


def wrong(manager: TempFileManager, asynchronous: aio.TempFileManager) -> None:
    """Each ignored complaint has to be made: a checker complains of an ignore that it does not need."""
    manager.register_file(7)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    manager.reopen("a", encoding=b"utf-8")  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue, reportArgumentType]
    asynchronous.path(tags=7)  # type: ignore[arg-type, unused-coroutine]  # pyright: ignore[reportArgumentType, reportUnusedCoroutine]
    aio.TempFileManager.made("base", max_ages=7)  # type: ignore[call-arg, unused-coroutine]  # pyright: ignore[reportCallIssue, reportUnusedCoroutine]
