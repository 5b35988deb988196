"""What was compressed, and then went to quarantine, comes back as what it was, or in the form that it had."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from packed import AGE, TEXT, Folder, content, record
from quarantines import away, on_record
from temp_file_manager import InvalidArgumentError, TempFileManager
from temp_file_manager.records import Kind, Status
from temp_file_manager.storage.kernel import renames
from temp_file_manager.testing import FakeClock


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Folder]:
    made = Folder(tmp_path / "base", FakeClock(time.time()))
    yield made
    made.close()


@pytest.fixture
def manager(folder: Folder) -> TempFileManager:
    return folder.manager(rule={"quarantine": 10 * AGE})


@pytest.fixture
def path(folder: Folder, manager: TempFileManager) -> Path:
    """The name that a file had before it was compressed, and its compressed form quarantined."""
    path = folder.add(manager, "a", tags=("x",))
    assert [one.status for one in manager.sweep().outcomes] == [Status.COMPRESSED]
    folder.clock.advance(AGE)
    assert [one.status for one in manager.sweep().outcomes] == [Status.QUARANTINED]
    assert folder.left() == []
    return path


def test_by_its_former_name_it_is_what_it_was(folder: Folder, manager: TempFileManager, path: Path) -> None:
    assert manager.restore(path) == str(path)
    assert (folder.left(), path.read_bytes()) == (["a"], TEXT)
    found = record(manager, path)
    assert (found.kind, found.rule, found.tags, found.origin) == (Kind.FILE, "logs", ("x",), "")
    assert on_record(manager) == {str(path): Kind.FILE}


@pytest.mark.parametrize("name", ["its own", "in quarantine"])
def test_by_another_name_it_is_compressed_and_known_to_be(
    folder: Folder, manager: TempFileManager, path: Path, name: str
) -> None:
    packed = path.with_name("a.zst")
    asked = str(packed) if name == "its own" else away(manager)[0].path
    assert manager.restore(asked) == str(packed)
    assert (folder.left(), content(packed)) == (["a.zst"], TEXT)
    assert on_record(manager) == {str(packed): Kind.COMPRESSED}
    with manager.reopen(path) as file:
        assert file.read() == TEXT
    folder.clock.advance(AGE - 1)
    assert manager.sweep().retired == 0, "its age begins anew, and it is not compressed again"
    folder.clock.advance(2)
    assert manager.sweep().quarantined == 1
    assert manager.restore(path) == str(path)


def test_it_is_told_to_be_in_quarantine_by_its_former_name(manager: TempFileManager, path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="it is in quarantine"):
        manager.reopen(path)
    assert manager.context.restorer.last([str(path)])[str(path)].kind is Kind.QUARANTINED


def test_what_has_its_name_stays_and_it_too(manager: TempFileManager, path: Path) -> None:
    path.write_text("new")
    with pytest.raises(FileExistsError):
        manager.restore(path)
    assert (path.read_text(), len(away(manager))) == ("new", 1)


def test_to_another_place_it_goes_by_the_name_that_says_what_it_is(
    manager: TempFileManager, path: Path, tmp_path: Path
) -> None:
    with pytest.raises(InvalidArgumentError, match="is compressed"):
        manager.restore(path, to=tmp_path / "other")
    assert manager.restore(f"{path}.zst", to=tmp_path / "other") == str(tmp_path / "other")
    assert content(tmp_path / "other") == TEXT


def test_the_last_that_was_there_is_the_first_to_come_back(
    folder: Folder, manager: TempFileManager, path: Path
) -> None:
    path.write_bytes(b"short")
    folder.register(manager, path)
    folder.clock.advance(AGE)
    manager.sweep()
    assert len(away(manager)) == 2
    manager.restore(path)
    assert path.read_bytes() == b"short"
    path.unlink()
    manager.restore(path)
    assert path.read_bytes() == TEXT


def test_what_somebody_has_missed_meanwhile_is_on_record_all_the_same(
    folder: Folder, manager: TempFileManager, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, packed = renames.move, f"{path}.zst"

    def late(*args: Any) -> None:
        manager.registry.forget((packed,))
        real(*args)

    monkeypatch.setattr(renames, "move", late)
    manager.restore(packed)
    assert on_record(manager) == {packed: Kind.COMPRESSED}
