"""The contract, kept by each of the registries."""

from pathlib import Path

import pytest

from temp_file_manager import TempFileManager
from temp_file_manager.causes import Cause
from temp_file_manager.chunks import Other
from temp_file_manager.records import Selection, Status
from temp_file_manager.registry import MemoryRegistry, Settlement
from temp_file_manager.registry.sqlite.registry import SqliteRegistry
from temp_file_manager.rules import retry_at
from temp_file_manager.testing import NOW, RegistryContract


class TestMemoryRegistry(RegistryContract):
    def make_registry(self) -> MemoryRegistry:
        return MemoryRegistry()


class TestSqliteRegistry(RegistryContract):
    @pytest.fixture(autouse=True)
    def _place(self, tmp_path: Path) -> None:
        self.place = tmp_path

    def make_registry(self) -> SqliteRegistry:
        return SqliteRegistry(str(self.place / "registry.db"), str(self.place))

    def make_other(self) -> SqliteRegistry:
        return self.make_registry()


def test_adding_only_what_is_new(manager: TempFileManager) -> None:
    """Once, there was no way to record a file unless it was on record."""
    registry = manager.registry
    registry.add([("/n/a", NOW + 5, None, ("x",), None, None)], NOW)
    registry.add([(path, None, None, (), None, None) for path in ("/n/a", "/n/b")], NOW + 9, only_new=True)
    assert dict(registry.files) == {"/n/a": NOW, "/n/b": NOW + 9}
    known = registry.get(["/n/a"])["/n/a"]
    assert (known.due_at, known.tags) == (NOW + 5, ("x",))


def test_what_is_tried_again_comes_between_those_that_wait_longer_and_shorter(manager: TempFileManager) -> None:
    """Excludes code that hands out a chunk of what was registered in order of time before what has failed once."""
    registry, again = manager.registry, retry_at(1, NOW)
    registry.add([("/r/tried", None, None, (), None, None)], NOW - 200)
    claim = registry.claim(Selection(NOW, 100), now=0, lease=60, limit=9)
    registry.settle(Settlement(claim, 1, {0: Other(Status.FAILED, Cause.ERROR)}, NOW))
    for name, since in (("longer", again - 110), ("shorter", again - 90)):
        registry.add([(f"/r/{name}", None, None, (), None, None)], since)
    due = registry.claim(Selection(NOW + 500, 100, patient=True), now=0, lease=60, limit=9)
    assert list(due.records.paths()) == ["/r/longer", "/r/tried", "/r/shorter"]


@pytest.mark.parametrize("due", [0, 1, 2, 7, 10, 11])
def test_all_that_is_due_comes_at_once(manager: TempFileManager, due: int) -> None:
    """However many of those that were registered in order of time are due."""
    for number in range(11):
        manager.registry.add([(f"/r/{number:02}", None, None, (), None, None)], NOW + number)
    claim = manager.registry.claim(Selection(NOW + due - 0.5, 0), now=0, lease=60, limit=500)
    assert list(claim.records.paths()) == [f"/r/{number:02}" for number in range(due)]


def test_what_there_was_no_time_for_comes_next(manager: TempFileManager) -> None:
    registry, due = manager.registry, Selection(NOW + 99, 0)
    for number in range(6):
        registry.add([(f"/r/{number}", None, None, (), None, None)], NOW + number)
    claim = registry.claim(due, now=0, lease=60, limit=3)
    registry.settle(Settlement(claim, 1, {}, NOW + 99))
    rest = registry.claim(due, now=0, lease=60, limit=3, after=claim.cursor)
    assert list(rest.records.paths()) == ["/r/1", "/r/2", "/r/3"]


def test_a_journal_is_as_long_as_its_last_line_wants_it(manager: TempFileManager) -> None:
    for text, keep, left in (("a", 1, "a"), ("b", 3, "ba"), ("c", 3, "cba"), ("d", 3, "dcb"), ("e", 2, "ed")):
        manager.registry.write("lines", text, NOW, keep=keep)
        assert "".join(note.text for note in manager.registry.read("lines", limit=9)) == left
