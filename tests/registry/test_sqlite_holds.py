"""Holds in SQLite and the closing of the object that has them: what is held stays so as long as its process lives."""

import os
from contextlib import closing, suppress
from pathlib import Path

import pytest

from interrupts import everywhere, interrupted, stop
from sqlite_files import over, registry_at
from temp_file_manager.errors import RecordClaimedError
from temp_file_manager.records import Selection
from temp_file_manager.registry import THIS_PROCESS
from temp_file_manager.registry.sqlite.registry import SqliteRegistry
from temp_file_manager.testing.threads import Work

EVERY = Selection(1000.0, 0.0, force=True)
KEEPS = "sqlite/keeps.py"


def hold(registry: SqliteRegistry, path: str = "/p/a") -> tuple[str, ...]:
    return registry.keep([path], float("inf"), THIS_PROCESS)


def seen_by_another(tmp_path: Path) -> list[str]:
    """The paths that another process may sweep."""
    with closing(registry_at(tmp_path / "r.db", tmp_path)) as other:
        return [record.path for record in other.page(EVERY, now=0.0, limit=9).records]


def test_whoever_closes_in_the_middle_of_a_hold_ends_none(registry: SqliteRegistry, tmp_path: Path) -> None:
    """Once, the count of holds was raised after the hold was written: who closed in between took it for none."""

    def at(point: int) -> bool:
        closing_it: list[Work[None]] = []

        def close() -> None:
            closing_it.append(Work(registry.close))
            closing_it[0].waits()

        with interrupted(point, KEEPS, close) as reached:
            hold(registry)
        for work in closing_it:
            work.end()
        registry.close()
        assert seen_by_another(tmp_path) == []
        registry.release(["/p/a"], THIS_PROCESS)
        return reached()

    assert everywhere(at) > 3


def test_an_interrupted_hold_is_held_or_not(registry: SqliteRegistry, tmp_path: Path) -> None:
    """Its row counts, whoever was told of it."""

    def at(point: int) -> bool:
        with suppress(KeyboardInterrupt), interrupted(point, KEEPS, stop) as reached:
            hold(registry)
        held = registry.get(["/p/a"])["/p/a"].held
        registry.close()
        assert seen_by_another(tmp_path) == ([] if held else ["/p/a"])
        registry.release(["/p/a"], THIS_PROCESS)
        return reached()

    assert everywhere(at) > 3


def test_a_close_beside_a_thread_that_is_about_to_hold_waits_for_nothing(
    registry: SqliteRegistry, tmp_path: Path
) -> None:
    """And tells nobody that this process is dead."""
    hold(registry)
    registry.release(["/p/a"], THIS_PROCESS)
    claimers = tmp_path / "r.db-claimers"
    with registry.lock:
        registry.close()
        assert len(os.listdir(claimers)) == 1
    registry.close()
    assert os.listdir(claimers) == []


def test_what_could_not_be_held_is_not_counted(registry: SqliteRegistry, tmp_path: Path) -> None:
    """Excludes code for which one refused hold makes the process seem to hold something for ever."""
    registry.patience = 0.0
    claim = registry.claim(EVERY, now=0.0, lease=60.0, limit=1)
    assert len(claim.records) == 1
    with pytest.raises(RecordClaimedError):
        hold(registry)
    assert hold(registry, "/p/unknown") == ()
    registry.settle(over(claim, done=0))
    registry.close()
    assert os.listdir(tmp_path / "r.db-claimers") == []
