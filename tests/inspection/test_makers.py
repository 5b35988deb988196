"""Who makes the files: by directory, tag and session, and how many of all of them that is about."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from temp_file_manager import TempFileManager
from temp_file_manager.inspection import makers as makers_module
from temp_file_manager.inspection.makers import MOST, makers
from temp_file_manager.records import Kind, Nature
from temp_file_manager.registry.groups import Groups
from temp_file_manager.testing import NOW


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[TempFileManager]:
    with closing(TempFileManager(tmp_path / "base", registry="sqlite:")) as made:
        yield made


def add(manager: TempFileManager, path: str, size: int, tags: tuple[str, ...] = (), **told: Any) -> None:
    path = path if path.startswith("/") else f"{manager.base_dir}/{path}"
    natures = {path: told.pop("nature")} if "nature" in told else {}
    manager.registry.add([(path, None, size, tags, None, None)], NOW, natures=natures, **told)


def named(found: list[dict[str, Any]], base: str = "") -> list[tuple[str | None, int, int]]:
    return [(one["name"] and one["name"].removeprefix(f"{base}/"), one["files"], one["bytes"]) for one in found]


def test_nobody_yet(manager: TempFileManager) -> None:
    nothing = {"files": 0, "bytes": 0}
    nobody: dict[str, object] = {"looked_at": 0, "directories": [], "tags": [], "sessions": []}
    assert makers(manager.context) == nobody | {"quarantined": nothing, "compressed": nothing}


def test_by_directory_tag_and_session(manager: TempFileManager) -> None:
    number = manager.registry.begin("export", now=NOW, ends_at=NOW + 9, owner=None).number
    nameless = manager.registry.begin("", now=NOW, ends_at=NOW + 9, owner=None).number
    add(manager, "a/deep/1", 10, ("x", "y"))
    add(manager, "a/2", 20, ("x",))
    add(manager, "b/3", 100, session=number)
    add(manager, "b/4", 1, session=nameless)
    add(manager, "top", 5)
    add(manager, "/elsewhere/5", 7)
    found: Any = makers(manager.context)
    assert named(found["directories"], manager.base_dir) == [
        ("b", 2, 101), ("a", 2, 30), ("/elsewhere", 1, 7), (manager.base_dir, 1, 5),
    ]  # fmt: skip
    assert named(found["tags"]) == [("", 4, 113), ("x", 2, 30), ("y", 1, 10)]
    assert named(found["sessions"]) == [("export", 1, 100), ("", 4, 42), (f"session {nameless}", 1, 1)]
    assert found["looked_at"] == 6


def test_directories_part_where_they_first_differ(manager: TempFileManager) -> None:
    add(manager, "app/cache/a/1", 1)
    add(manager, "app/cache/b/c/2", 2)
    found: Any = makers(manager.context)
    assert named(found["directories"], manager.base_dir) == [("app/cache/b", 1, 2), ("app/cache/a", 1, 1)]


def test_the_rest_is_summed(manager: TempFileManager) -> None:
    for number in range(MOST + 3):
        add(manager, f"{number:02}/file", 100 - number)
    found: Any = makers(manager.context)
    *_, last = named(found["directories"])
    assert last == (None, 3, 92 + 91 + 90)


def test_what_is_in_quarantine_or_compressed_is_counted_apart(manager: TempFileManager) -> None:
    folder = manager.context.restorer.folder
    add(manager, f"{folder}/1", 3, nature=Nature("", Kind.QUARANTINED, f"{manager.base_dir}/q"))
    add(manager, "logs/a.zst", 4, nature=Nature("", Kind.COMPRESSED, f"{manager.base_dir}/logs/a"))
    found: Any = makers(manager.context)
    assert (found["quarantined"], found["compressed"]) == ({"files": 1, "bytes": 3}, {"files": 1, "bytes": 4})
    assert named(found["directories"], manager.base_dir) == [("logs", 1, 4)]


def test_it_says_of_how_many_files_it_is(manager: TempFileManager, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of many groups, those that take the most."""
    monkeypatch.setattr(makers_module, "LARGEST", 2)
    for number in range(5):
        add(manager, f"{number}/file", number)
    found: Any = makers(manager.context)
    assert found["looked_at"] == 2
    assert named(found["directories"], manager.base_dir) == [("4", 1, 4), ("3", 1, 3)]


def test_in_memory_there_are_counts(tmp_path: Path) -> None:
    with closing(TempFileManager(tmp_path / "base")) as manager:
        manager.files["/a/1"] = NOW
        found: Any = makers(manager.context)
    assert found["directories"] == [{"name": "/a", "files": 1, "bytes": None}]


def test_a_registry_that_says_no_more_looks_at_its_records(manager: TempFileManager) -> None:
    add(manager, "a/1", 10, ("x",))
    add(manager, "a/2", 20)
    assert Groups.groups(manager.registry, 10) == manager.registry.groups(10)
    assert Groups.groups(manager.registry, 1) == manager.registry.groups(1)
