"""Files that sweeps have left though they are due: which, and why."""

import errno
from pathlib import Path

from contexts import removing_by
from serving import manager
from temp_file_manager import TempFileManager
from temp_file_manager.inspection.unremoved import MOST, unremoved
from temp_file_manager.testing.hostile.faults import FailingStorage

__all__ = ["manager"]


def make(manager: TempFileManager, name: str) -> str:
    path = Path(manager.base_dir, name)
    path.write_text(name)
    manager.register_file(path, ttl=0)
    return str(path)


def left(manager: TempFileManager) -> dict[str, str]:
    return {record.path: cause for record, cause in unremoved(manager.context, manager.context.due())}


def sweep(manager: TempFileManager, bad: list[str]) -> None:
    storage = FailingStorage(errno.EIO, bad, storage=manager.context.storages.protecting)
    removing_by(manager, storage).sweep(protect_open=True)


def test_nothing_is_left(manager: TempFileManager) -> None:
    make(manager, "due, and no sweep has come")
    assert left(manager) == {}


def test_failed_and_kept(manager: TempFileManager) -> None:
    bad, busy = [make(manager, "bad"), make(manager, "bad, too")], make(manager, "busy")
    with open(busy, "rb"):
        sweep(manager, bad)
    found = left(manager)
    assert list(found) == [*sorted(bad, reverse=True), busy] or list(found) == [*bad, busy]
    assert {found[path] for path in bad} == {"Input/output error"}
    assert found[busy] == "in use: somebody has it open"
    sweep(manager, [])
    assert left(manager) == {}


def test_no_cause_is_made_up(manager: TempFileManager) -> None:
    """Where sweeps tell of several, a file that none of them names has none."""
    one, other = [make(manager, name) for name in ("a1", "a2")], [make(manager, name) for name in ("b1", "b2")]
    sweep(manager, [*one, *other])
    for path in one:
        Path(path).touch()
    storage = FailingStorage(errno.EACCES, other, storage=FailingStorage(errno.EIO, one))
    removing_by(manager, storage).sweep()
    found = left(manager)
    assert "" in found.values()


def test_so_many_are_told_of(manager: TempFileManager) -> None:
    bad = [make(manager, f"{number}") for number in range(MOST + 2)]
    sweep(manager, bad)
    assert len(left(manager)) == MOST
