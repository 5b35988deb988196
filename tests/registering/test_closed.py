"""Files that were made here: each is measured when it is closed, and stays what ``open`` gives everywhere."""

import gc
import io
import os
from pathlib import Path
from typing import IO, Any

import pytest

from contexts import MakeManager
from temp_file_manager import TempFileManager
from temp_file_manager.errors import RegistryError
from temp_file_manager.registering.closed import MANY
from temp_file_manager.registry.sqlite.registry import SqliteRegistry

SIZE = 100_000


@pytest.fixture
def manager(make_manager: MakeManager) -> TempFileManager:
    return make_manager(max_age=1e9)


def room(path: str) -> int:
    return 512 * os.stat(path).st_blocks


def known(manager: TempFileManager, path: str) -> int | None:
    return manager.registry.get([path])[path].disk


def written(manager: TempFileManager, mode: str = "w+b") -> IO[Any]:
    file = manager.open(mode)
    file.write(b"x" * SIZE if "b" in mode else "x" * SIZE)
    return file


@pytest.mark.parametrize("mode", ["w+b", "wb", "xb", "ab", "w", "w+", "a"])
def test_all_that_was_written_is_measured(manager: TempFileManager, mode: str) -> None:
    """Also what was still in the buffer when it was closed."""
    with written(manager, mode) as file:
        pass
    file.close()
    manager.context.closed.tell()
    assert known(manager, file.name) == room(file.name) >= SIZE
    assert manager.registry.stats().bytes == room(file.name)


@pytest.mark.parametrize(
    ("mode", "kind"),
    [("w+b", io.BufferedRandom), ("wb", io.BufferedWriter), ("rb", io.BufferedReader), ("w", io.TextIOWrapper)],
)
def test_it_is_what_open_gives_everywhere(manager: TempFileManager, mode: str, kind: type[object]) -> None:
    """Excludes files of a class of our own, of which callers' checks know nothing, and which are slower to write to."""
    with manager.open(mode) as file:
        assert type(file) is kind
        layer: Any = file
        assert type(getattr(layer, "buffer", layer).raw) is io.FileIO
        assert os.path.dirname(file.name) == manager.base_dir
        descriptor = file.fileno()
    assert file.closed
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(descriptor)


def test_what_nobody_closes_is_measured_when_it_goes(manager: TempFileManager) -> None:
    file = written(manager)
    path = file.name
    gc.disable()
    try:
        with pytest.warns(ResourceWarning):
            del file  # at once, and not when the garbage collector comes
    finally:
        gc.enable()
    manager.context.closed.tell()
    assert known(manager, path) == room(path)


def test_many_are_told_of_together(manager: TempFileManager) -> None:
    """Excludes a transaction for each that is closed."""
    paths = []
    for number in range(MANY + 1):
        assert number == 0 or known(manager, paths[0]) == 0
        with written(manager) as file:
            paths.append(file.name)
    assert [known(manager, path) for path in paths] == [*map(room, paths[:-1]), 0]


def test_closing_the_manager_tells(manager: TempFileManager) -> None:
    file = written(manager)
    file.close()
    manager.close()
    assert known(manager, file.name) == room(file.name)


def test_a_sweep_frees_what_was_closed(manager: TempFileManager) -> None:
    file = written(manager)
    file.close()
    freed = room(file.name)
    assert manager.clear_all() == 1
    assert manager.registry.stats().counters["freed_bytes"] == freed


def test_a_file_is_closed_whatever_its_thread_is_at(manager: TempFileManager) -> None:
    """The garbage collector closes files in the middle of a transaction, and a signal's handler does, too."""
    files = [written(manager) for _ in range(2)]
    registry = manager.registry
    assert isinstance(registry, SqliteRegistry)
    registry.transactions.write(lambda _: files[0].close())
    with registry.transactions.reading(), registry.lock:
        files[1].close()
    manager.context.closed.tell()
    assert [known(manager, file.name) for file in files] == [room(file.name) for file in files]


def test_what_the_registry_raises_reaches_nobody(manager: TempFileManager, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise RegistryError("on purpose")

    with monkeypatch.context() as patch:
        patch.setattr(manager.registry, "measured", broken)
        for _ in range(MANY + 1):
            written(manager).close()
        manager.close()
    with written(manager) as file:
        pass
    manager.context.closed.tell()
    assert known(manager, file.name) == room(file.name)


def test_a_descriptor_that_was_closed_is_the_usual_error(manager: TempFileManager) -> None:
    file = manager.open()
    os.close(file.fileno())
    with pytest.raises(OSError, match="Bad file descriptor"):
        file.close()
    manager.context.closed.tell()


@pytest.mark.parametrize("registered", [False, True])
def test_of_another_file_by_its_name_nothing_is_told(manager: TempFileManager, registered: bool) -> None:
    file = written(manager)
    Path(manager.base_dir, "other").write_text("another")
    os.rename(Path(manager.base_dir, "other"), file.name)
    if registered:
        manager.register_file(file.name)
    before = known(manager, file.name)
    file.close()
    manager.context.closed.tell()
    assert known(manager, file.name) == before


def test_what_was_removed_before_it_was_closed_is_passed_over(manager: TempFileManager) -> None:
    file = written(manager)
    manager.clear_all()
    file.close()
    manager.context.closed.tell()
    assert manager.registry.stats().bytes == 0


def test_in_memory_nothing_is_measured(make_manager: MakeManager) -> None:
    with make_manager(registry="memory:").open() as file:
        layer: Any = file
        assert vars(layer.raw) == {"name": file.name}
