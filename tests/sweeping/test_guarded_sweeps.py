"""The guards of scheduled sweeps, as users meet them: through the manager and its settings."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from contexts import jobs_of
from temp_file_manager import LargeSweepError, Settings, TempFileManager
from temp_file_manager.rules import FIRST_RETRY
from temp_file_manager.storage.kernel import leases, processes
from temp_file_manager.testing import FakeClock
from trees import numbered


@pytest.fixture(params=["memory:", "sqlite:"])
def registry(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def swept_on_schedule(manager: TempFileManager, clock: FakeClock) -> None:
    manager.start()
    clock.until_waiting(jobs_of(manager))
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


@pytest.mark.parametrize("how", ["register_file", "register_files", "mkstemp", "with a ttl"])
def test_what_is_registered_while_the_clock_is_behind_is_not_due_when_it_is_right(
    tmp_path: Path, registry: str, clock: FakeClock, how: str
) -> None:
    """Between two scheduled sweeps, neither of which sees it."""
    manager = TempFileManager(tmp_path / "base", 3600, registry=registry, clock=clock)
    swept_on_schedule(manager, clock)
    right = clock.wall()
    clock.set(wall=0.0)
    (path,) = numbered(tmp_path / "files", 1)
    if how == "mkstemp":
        descriptor, path = manager.mkstemp()
        os.close(descriptor)
    elif how == "register_files":
        manager.register_files([path])
    else:
        manager.register_file(path, ttl=3600 if how == "with a ttl" else None)
    clock.set(wall=right)
    swept_on_schedule(manager, clock)
    assert os.path.exists(path)
    clock.advance(3700)
    swept_on_schedule(manager, clock)
    assert not os.path.exists(path), "nor is it late"
    manager.close()


def test_a_pin_that_was_taken_while_the_clock_was_behind_lasts(tmp_path: Path, registry: str, clock: FakeClock) -> None:
    manager = TempFileManager(tmp_path / "base", 3600, registry=registry, clock=clock)
    (path,) = numbered(tmp_path / "files", 1)
    manager.register_file(path)
    clock.advance(4000)
    right = clock.wall()
    clock.set(wall=right - 86400)
    manager.pin(path, ttl=3600)
    clock.set(wall=right)
    swept_on_schedule(manager, clock)
    assert os.path.exists(path)
    manager.close()


def test_what_is_kept_is_tried_again_by_the_time_that_ages_are_read_at(
    tmp_path: Path, registry: str, clock: FakeClock
) -> None:
    """Not by a wall clock that is a year ahead: it would be back before the next try."""
    manager = TempFileManager(tmp_path / "base", 100, registry=registry, clock=clock)
    (path,) = numbered(tmp_path / "files", 1)
    manager.register_file(path)
    swept_on_schedule(manager, clock)
    clock.advance(101)
    clock.set(wall=clock.wall() + 365 * 86400)
    with open(path):
        swept_on_schedule(manager, clock)
    record = manager.status(path).record
    assert record is not None
    assert record.retry_at is not None
    assert record.retry_at - record.registered_at == 101 + FIRST_RETRY
    clock.advance(FIRST_RETRY)
    swept_on_schedule(manager, clock)
    assert not os.path.exists(path)
    manager.close()


def test_the_age_at_which_nobody_is_asked_does_not_come_with_a_jump(
    tmp_path: Path, registry: str, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """``if_unknown`` removes what nothing can tell about: of all ages the last that a clock should bring about."""
    monkeypatch.setattr(leases, "take_lease", lambda _: None)
    monkeypatch.setattr(processes, "sees_all_processes", lambda: False)
    settings = Settings(base_dir=str(tmp_path / "base"), max_age=100, if_unknown=3600)
    manager = TempFileManager.from_settings(settings, registry=registry, clock=clock)
    (path,) = numbered(tmp_path / "files", 1)
    manager.register_file(path)
    swept_on_schedule(manager, clock)
    clock.advance(200)
    clock.set(wall=clock.wall() + 86400)
    swept_on_schedule(manager, clock)
    assert os.path.exists(path)
    clock.advance(3500)
    swept_on_schedule(manager, clock)
    assert not os.path.exists(path)
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
