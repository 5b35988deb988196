"""Signals while the SQLite registry is at work, at every place where one can come."""

import itertools
import os
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from contexts import MakeManager
from interrupting import Places
from patience import PATIENCE
from sqlite_files import ALL, new, own
from temp_file_manager import TempFileManager
from temp_file_manager.causes import Cause
from temp_file_manager.chunks import Other
from temp_file_manager.errors import RegistryError
from temp_file_manager.records import Kind, Nature, Ruled, Selection, Status, TempFile
from temp_file_manager.registry import Claim, Settlement
from temp_file_manager.registry.sqlite.claimed import Claimed
from temp_file_manager.registry.sqlite.database import Database
from temp_file_manager.registry.sqlite.errors import full
from temp_file_manager.testing import in_child

SOME = 10
"""Places that there are in every piece of work: fewer, and the test would not try what it says."""


def interrupt() -> None:
    raise KeyboardInterrupt


def others_can_write(manager: TempFileManager) -> bool:
    path = own(Path(manager.base_dir).parent) / "registry.db"
    with closing(sqlite3.connect(path, timeout=0, isolation_level=None)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        connection.execute("ROLLBACK")
    return True


def works(manager: TempFileManager, paths: list[Path]) -> dict[str, Callable[[], object]]:
    return {
        "register one": lambda: manager.register_file(paths[0]),
        "register many": lambda: manager.register_files(paths),
        "pin": lambda: manager.pin(paths[0]),
        "files": lambda: manager.files.update({str(paths[0]): 1.0}),
        "sweep": lambda: manager.sweep(force=True),
        "rule": lambda: rule(manager, paths),
        "succeed": lambda: succeed(manager, paths),
        "keep by a rule": lambda: kept_by_a_rule(manager),
    }


def rule(manager: TempFileManager, paths: list[Path]) -> None:
    records = manager.registry.get(map(str, paths)).values()
    manager.registry.ruled(Ruled(record, "charts", 5e9) for record in records)


def succeed(manager: TempFileManager, paths: list[Path]) -> None:
    """Put successors on record that take the places of these: as what was moved away, of the same files."""
    records = manager.registry.get(map(str, paths)).values()
    rows = [(one.path, 5e9, one.size, (), one.identity, one.disk) for one in records]
    natures = {one.path: Nature(kind=Kind.COMPRESSED, origin=f"{one.path} was") for one in records}
    manager.registry.add(rows, 0.0, natures=natures)


def kept_by_a_rule(manager: TempFileManager) -> None:
    registry = manager.registry
    into: list[Claim] = []
    try:
        claim = registry.claim(Selection(9e9, 0.0, force=True), now=0.0, lease=60, limit=9, into=into)
        others = {at: Other(Status.KEPT, Cause.RULE, due_at=6e9, rule="charts") for at in range(len(claim.records))}
        registry.settle(Settlement(claim, len(others), others, 0.0))
    finally:
        for claim in into:  # as every sweep does that is interrupted
            registry.settle(Settlement(claim, 0, {}, 0.0))


@pytest.fixture
def paths(tmp_path: Path) -> list[Path]:
    found = [tmp_path / f"file {number}" for number in range(3)]
    for path in found:
        path.touch()
    return found


@pytest.mark.parametrize("what", ["register one", "register many", "pin", "files", "sweep", "rule", "succeed"])
def test_an_interrupt_keeps_nobody_out(make_manager: MakeManager, paths: list[Path], what: str) -> None:
    """Once one between BEGIN and the block that rolls back locked every other process out."""
    manager = make_manager()
    manager.register_files(paths)
    work, places = works(manager, paths)[what], Places(interrupt)
    for number in itertools.count():
        for path in paths:
            path.touch()
        try:
            if not places.come(number, work):
                break
        except KeyboardInterrupt:
            assert others_can_write(manager), number
    assert number > SOME
    assert manager.register_files(paths).registered == 3
    manager.unpin(paths[0])
    assert manager.sweep(force=True).removed == 3


@pytest.mark.parametrize(
    ("what", "all_or_none"),
    [
        ("rule", lambda record: record.rule == "charts"),
        ("succeed", lambda record: record.origin != ""),
        ("keep by a rule", lambda record: record.due_at == 6e9),
    ],
)
def test_an_interrupt_leaves_natures_whole(
    make_manager: MakeManager, paths: list[Path], what: str, all_or_none: Callable[[TempFile], bool]
) -> None:
    """All records of a step, or none; and what is kept beside them is as it would be counted."""
    manager = make_manager()
    manager.registry.patience = 0.0
    work, places = works(manager, paths)[what], Places(interrupt)
    for number in itertools.count():
        manager.register_files(paths)
        try:
            if not places.come(number, work):
                break
        except KeyboardInterrupt:
            assert others_can_write(manager), number
        found = [all_or_none(record) for record in manager.registry.get(map(str, paths)).values()]
        assert len(found) == 3
        assert len(set(found)) == 1, number
        assert not [one for one in manager.registry.check(now=0.0, fix=False) if one.kind == "wrong count"], number
    assert number > SOME


@pytest.mark.parametrize("what", ["register one", "register many", "sweep"])
@pytest.mark.parametrize("registry", ["memory:", "sqlite:"])
def test_a_handler_that_clears_and_closes_does_not_hang(
    make_manager: MakeManager, paths: list[Path], what: str, registry: str
) -> None:
    """The usual one for SIGTERM. What it came in the middle of may be refused, at once."""
    manager = make_manager(registry=registry)
    manager.registry.patience = 0.0

    def ended() -> None:
        try:
            manager.clear_all()
        except RegistryError:
            manager.close()
            raise
        manager.close()

    def all_places() -> int:
        work, places = works(manager, paths)[what], Places(ended)
        for number in itertools.count():
            for path in paths:
                path.touch()
            try:
                if not places.come(number, work):
                    return number
            except RegistryError:
                assert not manager.lock.locked()
        return 0

    assert in_child(all_places, timeout=PATIENCE) > SOME


def test_on_a_full_disk_an_interrupt_between_claim_and_removal_keeps_nobody_out(
    make_manager: MakeManager, paths: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """There a claim is a lock that nothing but its settlement lets go of."""
    manager = make_manager()
    places = Places(interrupt)
    for number in itertools.count():
        for path in paths:
            path.touch()
        manager.register_files(paths)
        try:
            with monkeypatch.context() as patched:
                no_room(patched)
                if not places.come(number, lambda: manager.sweep(force=True)):
                    break
        except KeyboardInterrupt:
            assert others_can_write(manager), number
    assert number > SOME
    assert not any(map(os.path.exists, paths))


def no_room(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no claim be written."""

    def refuse(*_: object) -> None:
        raise full("r.db")

    monkeypatch.setattr(Claimed, "begin", refuse)


def test_a_claim_that_comes_to_nothing_ends_no_other(
    make_manager: MakeManager, paths: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its number is given to the next, which another thread may make before the interrupt has gone all its way."""
    registry, write, others = make_manager().registry, Database.write, list[Claim]()
    registry.add([new(str(path)) for path in paths], 0.0)

    def broken(database: Database, work: Callable[..., Any], undo: Callable[[], None], *, held: bool = False) -> None:
        def first(connection: sqlite3.Connection) -> None:
            work(connection)
            raise KeyboardInterrupt

        monkeypatch.setattr(Database, "write", write)
        try:
            write(database, first, undo, held=held)
        finally:
            others.append(registry.claim(ALL, now=0, lease=60, limit=9))

    monkeypatch.setattr(Database, "write", broken)
    with pytest.raises(KeyboardInterrupt):
        registry.claim(ALL, now=0, lease=60, limit=9)
    assert others[0].records.paths() == [str(path) for path in paths]
    assert not registry.claim(ALL, now=0, lease=60, limit=9).records
