"""Files that are opened again, and had back, whether they are compressed or not."""

import gc
import os
import signal
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from packed import AGE, IDLE, TEXT, Folder, content, record
from temp_file_manager import InvalidArgumentError, TempFileManager
from temp_file_manager.errors import DamagedFileError
from temp_file_manager.records import Kind
from temp_file_manager.registry.counters import REGISTERED
from temp_file_manager.storage import new_files, unpacking
from temp_file_manager.testing import FakeClock


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Folder]:
    made = Folder(tmp_path / "base", FakeClock(time.time()))
    yield made
    made.close()


@pytest.fixture
def manager(folder: Folder) -> TempFileManager:
    return folder.manager()


@pytest.fixture(params=["there", "compressed"])
def path(request: pytest.FixtureRequest, folder: Folder, manager: TempFileManager) -> Path:
    """A registered file, by the name under which it was registered."""
    path = folder.add(manager, "a", tags=("x",))
    if request.param == "compressed":
        manager.sweep()
        assert folder.left() == ["a.zst"]
    return path


@pytest.fixture
def packed(folder: Folder, manager: TempFileManager) -> Path:
    """A file that has been compressed, by the name that it had."""
    path = folder.add(manager, "a", tags=("x",))
    manager.sweep()
    return path


def kept_in(manager: TempFileManager) -> str:
    """Return the only path on record."""
    (path,) = manager.registry.files
    return path


# -- opening again


def test_either_form_is_read(manager: TempFileManager, path: Path) -> None:
    with manager.reopen(path) as file:
        assert file.read(5) == TEXT[:5]
        assert file.seek(-5, os.SEEK_END) == len(TEXT) - 5
        assert file.read() == TEXT[-5:]
        assert file.seek(0) == 0
        assert file.read() == TEXT
        assert not file.writable()
    with manager.reopen(path, "r", encoding="ascii") as file:
        assert file.readline() == TEXT.decode().splitlines(keepends=True)[0]
    with manager.reopen(str(path), "rb") as file:
        assert list(file) == TEXT.splitlines(keepends=True)


def test_what_is_open_is_held(folder: Folder, manager: TempFileManager, path: Path) -> None:
    """By the registry, and so from other processes' sweeps and from force, too."""
    with manager.reopen(path):
        assert record(manager, Path(kept_in(manager))).held
        assert manager.sweep(force=True).retired == 0
    assert not record(manager, Path(kept_in(manager))).held
    manager.sweep(force=True)
    assert folder.left() == []


@pytest.mark.parametrize("mode", ["rb", "r"])
def test_what_nobody_closes_is_held_until_it_is_collected(manager: TempFileManager, path: Path, mode: str) -> None:
    file = manager.reopen(path, mode)
    assert record(manager, Path(kept_in(manager))).held
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        del file
        gc.collect()
    manager.registry.release_pending()
    assert not record(manager, Path(kept_in(manager))).held


def test_a_use_is_noted(folder: Folder, manager: TempFileManager, path: Path) -> None:
    """In the registry, for limits, and by the file, for rules; exactly, whatever the mount notes."""
    folder.clock.advance(5000)
    manager.reopen(path).close()
    now, where = folder.clock.wall(), Path(kept_in(manager))
    assert record(manager, where).used_at == now
    assert where.stat().st_atime == pytest.approx(now, abs=1e-3)
    assert abs(where.stat().st_mtime - time.time()) < 1000


def test_what_is_used_is_not_compressed(folder: Folder, manager: TempFileManager) -> None:
    path = folder.add(manager, "a")
    manager.reopen(path).close()
    manager.sweep()
    assert folder.left() == ["a"]
    folder.clock.advance(IDLE)
    manager.sweep()
    assert folder.left() == ["a.zst"]


@pytest.mark.parametrize("mode", ["w", "r+", "ab", "", "rU"])
def test_it_is_to_be_read_alone(manager: TempFileManager, path: Path, mode: str) -> None:
    with pytest.raises(InvalidArgumentError, match="give 'rb'"):
        manager.reopen(path, mode)
    with pytest.raises(InvalidArgumentError, match="no encoding"):
        manager.reopen(path, "rb", encoding="utf-8")


def test_an_encoding_that_is_none_leaves_nothing_held(manager: TempFileManager, path: Path) -> None:
    with pytest.raises(LookupError):
        manager.reopen(path, "r", encoding="klingon")
    assert not record(manager, Path(kept_in(manager))).held


def test_what_is_not_registered(folder: Folder, manager: TempFileManager) -> None:
    with pytest.raises(FileNotFoundError, match="nothing"):
        manager.reopen(folder.base / "nothing")
    other = folder.base / "other"
    other.touch()
    with pytest.raises(InvalidArgumentError, match="not registered: open it as any other"):
        manager.reopen(other)


def test_the_compressed_file_by_its_own_name_is_what_it_is(manager: TempFileManager, packed: Path) -> None:
    with manager.reopen(f"{packed}.zst") as file:
        assert file.read() == packed.with_name("a.zst").read_bytes()


def test_a_new_file_of_the_name_is_the_one_that_is_meant(
    folder: Folder, manager: TempFileManager, packed: Path
) -> None:
    packed.write_text("new")
    manager.register_file(packed)
    with manager.reopen(packed) as file:
        assert file.read() == b"new"


@pytest.mark.parametrize("damage", ["cut short", "damaged"])
def test_what_is_damaged_is_told_and_stays(manager: TempFileManager, packed: Path, damage: str) -> None:
    where = packed.with_name("a.zst")
    whole = where.read_bytes()
    broken = whole[:-10] if damage == "cut short" else whole[:-10] + bytes(10)
    where.write_bytes(broken)
    with manager.reopen(packed) as file, pytest.raises(DamagedFileError, match=damage) as told:
        file.read()
    assert told.value.filename == str(where)
    with pytest.raises(DamagedFileError, match=damage):
        manager.restore(packed)
    assert where.read_bytes() == broken
    assert not packed.exists()
    assert list(manager.registry.files) == [str(where)]


def test_without_the_library_it_says_what_to_install(
    manager: TempFileManager, packed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(unpacking, "library", lambda: None)
    with pytest.raises(InvalidArgumentError, match=r"temp-file-manager\[compress\]"):
        manager.reopen(packed)
    assert not record(manager, packed.with_name("a.zst")).held


# -- had back


def test_it_is_had_back_as_it_was(folder: Folder, manager: TempFileManager, packed: Path) -> None:
    where = packed.with_name("a.zst")
    where.chmod(0o640)
    before = where.stat()
    assert manager.restore(packed) == str(packed)
    after, now = packed.stat(), record(manager, packed)
    assert folder.left() == ["a"]
    assert packed.read_bytes() == TEXT
    assert (after.st_mode, after.st_mtime_ns, after.st_atime_ns) == (
        before.st_mode,
        before.st_mtime_ns,
        before.st_atime_ns,
    )
    assert (now.registered_at, now.tags, now.kind, now.size) == (folder.clock.wall(), ("x",), Kind.FILE, len(TEXT))
    assert not now.held
    assert list(manager.registry.files) == [str(packed)]
    manager.sweep(force=True)
    assert folder.left() == []


def test_what_has_its_name_stays(folder: Folder, manager: TempFileManager, packed: Path) -> None:
    packed.write_text("new")
    with pytest.raises(FileExistsError):
        manager.restore(packed)
    assert (packed.read_text(), content(packed.with_name("a.zst"))) == ("new", TEXT)
    assert list(manager.registry.files) == [f"{packed}.zst"]


def test_over_http_only_what_lies_in_the_base_is_had_back(
    folder: Folder, manager: TempFileManager, tmp_path: Path, packed: Path
) -> None:
    other = tmp_path / "other"
    other.write_bytes(TEXT)
    folder.register(manager, other)
    manager.sweep()
    restore, base = manager.context.restorer.restore, str(folder.base)
    with pytest.raises(InvalidArgumentError, match="outside"):
        restore(str(other), inside=base)
    assert content(tmp_path / "other.zst") == TEXT
    assert restore(str(packed), inside=base) == str(packed)


def test_it_counts_as_registered_once(manager: TempFileManager, packed: Path) -> None:
    before = manager.registry.stats().counters[REGISTERED]
    manager.restore(packed)
    assert manager.registry.stats().counters[REGISTERED] == before + 1


def test_what_gets_its_name_meanwhile_stays(
    manager: TempFileManager, packed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = new_files.give_name

    def late(*args: Any) -> None:
        packed.write_text("new")
        real(*args)

    monkeypatch.setattr(new_files, "give_name", late)
    with pytest.raises(FileExistsError):
        manager.restore(packed)
    assert (packed.read_text(), content(packed.with_name("a.zst"))) == ("new", TEXT)


@pytest.mark.parametrize("step", ["make_alike", "fsync", "put", "give_name", "unlink", "forget"])
def test_killed_at_any_step_it_is_in_one_place_at_least(
    folder: Folder, manager: TempFileManager, packed: Path, step: str
) -> None:
    """In both at most, and on record in each."""
    child = os.fork()
    if child == 0:
        try:
            mine = folder.manager()
            owner: Any = {
                "make_alike": unpacking,
                "give_name": new_files,
                "put": mine.registry,
                "forget": mine.registry,
            }.get(step, os)
            name = {"put": "keep"}.get(step, step)
            real = getattr(owner, name)

            def killing(*args: Any, **how: Any) -> Any:
                found = real(*args, **how)
                if step != "put" or args[0] == (str(packed),):
                    os.kill(os.getpid(), signal.SIGKILL)
                return found

            setattr(owner, name, killing)
            mine.restore(packed)
        finally:
            os._exit(0)
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status)
    there, where = packed.exists(), packed.with_name("a.zst").exists()
    assert there or where
    assert not there or packed.read_bytes() == TEXT
    assert not where or content(packed.with_name("a.zst")) == TEXT
    assert {str(folder.base / name) for name in folder.left()} <= set(manager.registry.files)
    folder.clock.advance(AGE + IDLE)
    manager.sweep()
    manager.max_age = 0
    manager.sweep()
    assert folder.left() == []
    assert not manager.registry.files
