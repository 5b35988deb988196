"""Pins: a pinned file stays, from whichever sweep, for as long as the pin says."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from contexts import MakeManager
from temp_file_manager import InvalidArgumentError, TempFileManager
from temp_file_manager.registering.pin import Pinned, pin_all, unpin_all
from temp_file_manager.testing import NOW, FakeClock


@pytest.fixture
def registered(manager: TempFileManager, tmp_path: Path) -> Path:
    path = tmp_path / "file"
    path.write_text("x" * 5000)
    manager.register_file(path)
    return path


def test_a_pinned_file_stays_until_its_end(manager: TempFileManager, clock: FakeClock, registered: Path) -> None:
    manager.pin(registered, ttl=500)
    clock.advance(499)
    assert (manager.cleanup(), manager.cleanup(force=True), manager.clear_all()) == (0, 0, 0)
    assert manager.status(registered).reason == "pinned for another 1 s"
    assert registered.exists()
    clock.advance(1)
    assert manager.cleanup() == 1
    assert not registered.exists()


def test_a_pin_without_an_end_ends_by_unpin(manager: TempFileManager, clock: FakeClock, registered: Path) -> None:
    manager.pin(registered)
    clock.advance(1e9)
    assert manager.clear_all() == 0
    assert manager.status(registered).reason == "pinned for another endless time"
    manager.unpin(registered)
    manager.unpin(registered)
    assert manager.clear_all() == 1


def test_a_pin_outlives_its_process(tmp_path: Path) -> None:
    first = TempFileManager(tmp_path, registry="sqlite:")
    path = tmp_path / "file"
    path.touch()
    first.register_file(path)
    first.pin(path)
    first.close()
    second = TempFileManager(tmp_path, registry="sqlite:")
    assert second.clear_all() == 0
    second.unpin(path)
    assert second.clear_all() == 1
    second.close()


@pytest.mark.parametrize("method", [TempFileManager.pin, TempFileManager.unpin, TempFileManager.hold])
def test_what_is_not_registered_cannot_be_kept(
    manager: TempFileManager, tmp_path: Path, method: Callable[..., Any]
) -> None:
    with pytest.raises(InvalidArgumentError, match="is not registered: register it"):
        method(manager, tmp_path / "stranger")


def test_many_are_pinned_in_one_go(manager: TempFileManager, tmp_path: Path, registered: Path) -> None:
    gone, stranger = tmp_path / "gone", tmp_path / "stranger"
    gone.touch()
    manager.register_file(gone)
    gone.rename(f"{gone}.before")
    paths = [str(path) for path in (stranger, registered, gone)]
    done = pin_all(manager.registry, paths, None)
    assert done == Pinned([str(registered)], [str(stranger)], [str(gone)])
    pins = {path: record.pinned_until for path, record in manager.registry.get(paths).items()}
    assert pins == {str(registered): float("inf"), str(gone): None}
    assert unpin_all(manager.registry, paths) == [str(stranger)]
    assert {record.pinned_until for record in manager.registry.get(paths).values()} == {None}


def test_a_pin_outlives_a_sweep_under_a_wrong_clock(manager: TempFileManager, clock: FakeClock, file: Path) -> None:
    """Once, pins that ended before the latest time a sweep had ever seen were taken for ended."""
    clock.set(wall=NOW + 86400)
    manager.cleanup()
    clock.set(wall=NOW)
    manager.register_file(file)
    manager.pin(file, ttl=3600)
    clock.advance(200)
    assert manager.cleanup() == 0
    assert file.exists()


def test_a_pin_outlives_another_bases_sweep_under_a_wrong_clock(
    make_manager: MakeManager, tmp_path: Path, clock: FakeClock, file: Path
) -> None:
    """Once, a sweep dropped what had ended by its own clock, the pins of every base directory in the file."""
    registry = f"sqlite://{tmp_path}/shared/registry.db"
    fast = make_manager("fast", registry=registry, clock=FakeClock(NOW + 7200))
    manager = make_manager(registry=registry)
    manager.register_file(file)
    manager.pin(file, ttl=3600)
    fast.cleanup()
    clock.advance(200)
    assert manager.cleanup() == 0
    assert file.exists()
