"""Signals while the SQLite registry is at work, at every place where one can come."""

import itertools
import os
import signal
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from contexts import MakeManager
from interrupting import Places
from sqlite_files import own
from temp_file_manager import TempFileManager
from temp_file_manager.errors import RegistryError
from temp_file_manager.registry.sqlite.claimed import Claimed
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
    }


@pytest.fixture
def paths(tmp_path: Path) -> list[Path]:
    found = [tmp_path / f"file {number}" for number in range(3)]
    for path in found:
        path.touch()
    return found


@pytest.mark.parametrize("what", ["register one", "register many", "pin", "files", "sweep"])
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
        signal.alarm(60)  # only bounds a hang
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

    assert in_child(all_places, timeout=90) > SOME


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
