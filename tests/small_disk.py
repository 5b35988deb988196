"""What the tests of a full disk share: a real disk of 4 MiB, files that may not grow, processes that begin together."""

import json
import os
import sqlite3
import subprocess
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from sqlite_files import execute
from temp_file_manager import TempFileManager
from temp_file_manager.errors import RegistryFullError
from temp_file_manager.records import NewFile
from temp_file_manager.registry.sqlite.registry import SqliteRegistry

BLOCK = 4096


def mount(*arguments: str) -> bool:
    return subprocess.run(["mount", *arguments], check=False, capture_output=True).returncode == 0


@contextmanager
def mounted(point: Path, options: str) -> Iterator[bool]:
    """Mount memory at ``point``; say whether that worked. It is unmounted whatever happens."""
    point.mkdir()
    if not mount("-t", "tmpfs", "-o", f"{options},mode=755", "tmpfs", str(point)):
        # A machine that is there to test must not pass because it tests nothing.
        assert os.getuid() or "CI" not in os.environ, "root, and cannot mount: this was not tried"
        yield False
        return
    try:
        yield True
    finally:
        subprocess.run(["umount", "-l", str(point)], check=True)


@pytest.fixture
def disk(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Path | None]:
    """A disk of 4 MiB, or as the indirect parameter says, or None."""
    with mounted(tmp_path / "disk", getattr(request, "param", "size=4m")) as done:
        if not done:
            print(f"not tried: {request.node.name}, which takes the right to mount")
        yield tmp_path / "disk" if done else None


def manager_of(disk: Path) -> TempFileManager:
    return TempFileManager(disk / "base", registry="sqlite:")


def make(disk: Path, count: int, size: int = 2 * BLOCK) -> list[str]:
    (disk / "files").mkdir(exist_ok=True)
    paths = [disk / "files" / f"{number:04}" for number in range(count)]
    for path in paths:
        path.write_bytes(bytes(size))
    return [str(path) for path in paths]


def until_full(error: type[Exception], work: Callable[[], object]) -> None:
    with pytest.raises(error, match=r"No space left|nothing of this call was recorded, and nothing known was lost"):
        deque(iter(work, error), 0)  # again and again


def fill(disk: Path, *, leave: int = 0) -> None:
    """Leave no room at all, or so many bytes."""
    filler = disk / "filler"
    with open(filler, "ab", buffering=0) as file:
        until_full(OSError, lambda: file.write(bytes(BLOCK)))
    assert os.statvfs(disk).f_bavail == 0
    os.truncate(filler, filler.stat().st_size - leave)


def register_until_full(manager: TempFileManager, paths: list[str]) -> None:
    """A few pages lie about that can be written again; not for long."""
    until_full(RegistryFullError, lambda: manager.register_files(paths))


def no_more_pages(registry: SqliteRegistry) -> None:
    """Let the file not grow, as on a full disk, until it is opened again: also by a fork."""

    def keep(connection: sqlite3.Connection) -> None:
        (pages,) = connection.execute("PRAGMA page_count").fetchone()
        connection.execute(f"PRAGMA max_page_count = {pages}")

    registry.transactions.database.write(keep)


def as_many_pages_as_it_likes(registry: SqliteRegistry) -> None:
    """Let the file grow again: until it is opened again it may not."""
    registry.transactions.database.close()


def fill_pages(registry: SqliteRegistry, files: list[NewFile]) -> None:
    """Record every second of these in pages that are full, in a file that may not grow: a claim takes many ranges."""
    registry.add(files, 1.0)
    registry.forget([file[0] for file in files[1::2]])
    execute(registry.transactions.database.path, "VACUUM")
    no_more_pages(registry)


def together(count: int, work: Callable[[int], Any]) -> list[Any]:
    """Return what ``work`` returns in so many forked children, which all begin at the same moment."""
    waiting, go = os.pipe()
    readers = []
    for number in range(count):
        reader, writer = os.pipe()
        if os.fork() == 0:
            try:
                os.close(go)
                os.read(waiting, 1)
                try:
                    answer = work(number)
                except BaseException as error:
                    answer = repr(error)
                os.write(writer, json.dumps(answer).encode())
            finally:
                os._exit(0)
        os.close(writer)
        readers.append(reader)
    os.close(waiting)
    os.close(go)
    answers = []
    for reader in readers:
        with open(reader, "rb") as pipe:
            answers.append(json.loads(pipe.read()))
        os.wait()
    return answers
