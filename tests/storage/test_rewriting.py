"""What applications rewrite by way of a new file: it stays on record in the base, and is forgotten elsewhere."""

import os
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from temp_file_manager import Settings, TempFileManager
from temp_file_manager.inspection.check import check
from temp_file_manager.testing import FakeClock

AGE = 3600.0


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture(params=[Settings(), Settings(secure_delete=True), Settings(paranoid=True)])
def manager(tmp_path: Path, clock: FakeClock, request: pytest.FixtureRequest) -> Iterator[TempFileManager]:
    base = tmp_path / "base"
    manager = TempFileManager(base, AGE, registry="sqlite:", clock=clock, settings=request.param)
    yield manager
    manager.close()


def by_rename(path: Path, *, at: float) -> None:
    """As many programs save: a new file is written, and takes the old one's place."""
    new = path.with_name("new")
    new.write_text("rewritten")
    os.utime(new, (at, at))
    new.replace(path)


def by_sed(path: Path, *, at: float) -> None:
    del at
    subprocess.run(["sed", "-i", "s/x/y/", str(path)], check=True)


def file_in(directory: Path, manager: TempFileManager, **options: float) -> Path:
    directory.mkdir(exist_ok=True)
    path = directory / "file"
    path.write_text("x")
    manager.register_file(path, **options)
    return path


@pytest.mark.parametrize("rewrite", [by_rename, by_sed])
def test_in_the_base_it_stays_on_record_as_it_is_now(
    manager: TempFileManager, tmp_path: Path, clock: FakeClock, rewrite: Callable[..., None]
) -> None:
    """Its age begins anew, and it goes in its time: no sweep counts it twice, nothing leaks."""
    path = file_in(tmp_path / "base" / "job", manager)
    clock.advance(AGE + 1)
    rewrite(path, at=clock.wall())
    assert manager.cleanup() == 0
    assert path.exists()
    record = manager.status(path).record
    assert record is not None
    assert record.identity is not None
    assert record.identity.inode == os.stat(path).st_ino
    # No clock of the tests' is the file system's, whose times are the newest where the test sets none.
    assert record.registered_at == clock.wall() or rewrite is by_sed
    clock.advance(AGE + 1)
    assert manager.cleanup() == 1
    assert not path.exists()
    assert not manager.files
    counters = manager.registry.stats().counters
    assert (counters["removed"], counters.get("replaced", 0)) == (1, 0)


def test_its_ttl_begins_anew(manager: TempFileManager, tmp_path: Path, clock: FakeClock) -> None:
    path = file_in(tmp_path / "base", manager, ttl=100)
    clock.advance(150)
    by_rename(path, at=clock.wall())
    assert manager.cleanup() == 0
    assert manager.files[str(path)] == clock.wall()
    clock.advance(99)
    assert manager.cleanup() == 0
    clock.advance(2)
    assert manager.cleanup() == 1


def test_what_is_due_all_the_same_goes_in_the_same_sweep(
    manager: TempFileManager, tmp_path: Path, clock: FakeClock
) -> None:
    """As everything does when it is cleared; a dry run foretells both."""
    path = file_in(tmp_path / "base", manager)
    by_rename(path, at=clock.wall())
    foretold = manager.sweep(force=True, dry_run=True)
    report = manager.sweep(force=True)
    assert [outcome[1:4] for outcome in report.outcomes] == [outcome[1:4] for outcome in foretold.outcomes]
    assert report.outcomes[0][1:3] == ("skipped", "rewritten")
    assert (report.removed, report.skipped) == (1, 1)
    assert not path.exists()


def test_leaving_the_block_takes_it_along(manager: TempFileManager, tmp_path: Path, clock: FakeClock) -> None:
    with manager:
        path = file_in(tmp_path / "base", manager)
        by_rename(path, at=clock.wall())
    assert not path.exists()


def test_who_rewrites_without_end_keeps_no_sweep(
    manager: TempFileManager, tmp_path: Path, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each record is taken up again once."""
    path = file_in(tmp_path / "base", manager)
    claim = type(manager.registry).claim

    def rewritten_first(self: object, *args: object, **kwargs: object) -> object:
        by_rename(path, at=clock.wall())
        return claim(self, *args, **kwargs)  # type: ignore[arg-type]

    monkeypatch.setattr(type(manager.registry), "claim", rewritten_first)
    report = manager.sweep(force=True)
    assert (report.skipped, report.removed) == (2, 0)
    assert path.exists()


@pytest.mark.parametrize("where", ["elsewhere", "where others may write"])
def test_elsewhere_it_is_forgotten_and_counted_apart(
    manager: TempFileManager, tmp_path: Path, clock: FakeClock, where: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Nobody can say there whose it is."""
    directory = tmp_path / where if where == "elsewhere" else tmp_path / "base" / "open"
    path = file_in(directory, manager)
    directory.chmod(0o700 if where == "elsewhere" else 0o777)
    by_rename(path, at=clock.wall())
    caplog.set_level("INFO")
    assert manager.clear_all() == 0
    assert path.read_text() == "rewritten"
    assert not manager.files
    assert "Cleaned up 0 temporary files (force=True), 1 replaced" in caplog.text
    counters = manager.registry.stats().counters
    assert (counters["replaced"], counters.get("removed", 0)) == (1, 0)


@pytest.mark.parametrize("kind", ["a link", "a directory", "a pipe"])
def test_what_is_no_file_is_not_taken_for_one_that_was_rewritten(
    manager: TempFileManager, tmp_path: Path, kind: str
) -> None:
    path = file_in(tmp_path / "base", manager)
    path.unlink()
    {"a link": lambda: path.symlink_to("/etc/passwd"), "a directory": path.mkdir, "a pipe": lambda: os.mkfifo(path)}[
        kind
    ]()
    report = manager.sweep(force=True)
    assert (report.replaced, report.removed, len(manager.files)) == (1, 0, 0)


def test_check_forgets_no_record_of_it(manager: TempFileManager, tmp_path: Path, clock: FakeClock) -> None:
    path = file_in(tmp_path / "base", manager)
    by_rename(path, at=clock.wall())
    assert not [finding for finding in check(manager.context, fix=True) if finding.subject == str(path)]
    assert str(path) in manager.files


def test_it_is_as_old_as_the_file_system_says(manager: TempFileManager, tmp_path: Path, clock: FakeClock) -> None:
    now = time.time()
    clock.set(wall=now - AGE - 100)
    path = file_in(tmp_path / "base", manager)
    by_rename(path, at=now - AGE)
    clock.set(wall=now + AGE / 2)
    assert manager.cleanup() == 0
    assert manager.files[str(path)] == pytest.approx(os.stat(path).st_ctime_ns / 1e9, rel=0, abs=1e-3)
