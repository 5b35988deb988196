"""The guards of scheduled sweeps, as users meet them: through the manager and its settings."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from contexts import JOBS
from temp_file_manager import LargeSweepError, TempFileManager
from temp_file_manager.testing import FakeClock
from trees import numbered


@pytest.fixture(params=["memory:", "sqlite:"])
def registry(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def swept_on_schedule(manager: TempFileManager, clock: FakeClock) -> None:
    manager.start()
    clock.until_waiting(JOBS)
    manager.stop()


def test_a_scheduled_sweep_trusts_no_jump_and_a_bare_cleanup_does(
    tmp_path: Path, registry: str, clock: FakeClock, caplog: pytest.LogCaptureFixture
) -> None:
    manager = TempFileManager(tmp_path / "base", 3600, registry=registry, clock=clock)
    (path,) = numbered(tmp_path / "files", 1)
    manager.register_file(path)
    swept_on_schedule(manager, clock)
    clock.set(wall=clock.wall() + 86400)
    swept_on_schedule(manager, clock)
    assert os.path.exists(path)
    assert "The wall clock is not trusted" in caplog.text
    assert manager.sweep(trust_clock=False).removed == 0
    clock.advance(3601)
    swept_on_schedule(manager, clock)
    assert not os.path.exists(path), "it goes on by elapsed time"
    (path,) = numbered(tmp_path / "files", 1)
    manager.register_file(path)
    clock.set(wall=clock.wall() + 86400)
    assert manager.cleanup() == 1
    manager.close()


@pytest.fixture
def many(tmp_path: Path, registry: str, clock: FakeClock) -> Iterator[TempFileManager]:
    """1,200 files of 100 s, kept for an hour each by the sweeps so far."""
    manager = TempFileManager(tmp_path / "base", 3600, registry=registry, clock=clock)
    manager.register_files(numbered(tmp_path / "files", 1200))
    clock.advance(100)
    swept_on_schedule(manager, clock)
    yield manager
    manager.close()


def test_a_changed_setting_makes_no_large_sweep_unasked(
    many: TempFileManager, clock: FakeClock, caplog: pytest.LogCaptureFixture
) -> None:
    many.max_age = 60
    swept_on_schedule(many, clock)
    assert len(many.files) == 1200
    assert "only because of a change since the last sweep: max_age was 3600 and is 60" in caplog.text
    with pytest.raises(LargeSweepError, match="--allow-large N"):
        many.sweep(allow_large=0)
    assert many.sweep(dry_run=True, allow_large=0).removed == 1200
    assert many.sweep(allow_large=1200).removed == 1200


def test_a_person_who_cleans_up_is_not_asked(many: TempFileManager) -> None:
    many.max_age = 60
    assert many.cleanup() == 1200


def test_ordinary_expiry_is_never_held_up(many: TempFileManager, clock: FakeClock) -> None:
    clock.advance(3600)
    swept_on_schedule(many, clock)
    assert len(many.files) == 0
