"""What a second review found: each of these once went wrong, as its docstring says."""

import os
import sqlite3
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from contexts import JOBS
from temp_file_manager import TempFileManager
from temp_file_manager.adopt import plan
from temp_file_manager.cli import main
from temp_file_manager.errors import RegistryFullError
from temp_file_manager.records import Selection, Status
from temp_file_manager.registry.sqlite.registry import SqliteRegistry
from temp_file_manager.storage import new_files
from temp_file_manager.testing import NOW, FakeClock, in_child

Make = Callable[..., TempFileManager]


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def make(tmp_path: Path, clock: FakeClock) -> Iterator[Make]:
    """Makes managers, by default of one base directory and durable, and closes them."""
    made = []

    def make(base: str = "base", **how: Any) -> TempFileManager:
        manager = TempFileManager(tmp_path / base, **{"max_age": 100, "registry": "sqlite:", "clock": clock, **how})
        made.append(manager)
        return manager

    yield make
    for manager in made:
        manager.close()


@pytest.fixture(params=["memory:", "sqlite:"])
def manager(request: pytest.FixtureRequest, make: Make) -> TempFileManager:
    return make(registry=request.param)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "files" / "file"
    path.parent.mkdir()
    path.touch()
    return path


# -- pins and holds


def test_a_pin_outlives_a_sweep_under_a_wrong_clock(manager: TempFileManager, clock: FakeClock, file: Path) -> None:
    """Pins that ended before the latest time a sweep had ever seen were taken for ended."""
    clock.set(wall=NOW + 86400)
    manager.cleanup()
    clock.set(wall=NOW)
    manager.register_file(file)
    manager.pin(file, ttl=3600)
    clock.advance(200)
    assert manager.cleanup() == 0
    assert file.exists()


def test_a_pin_outlives_another_bases_sweep_under_a_wrong_clock(
    make: Make, tmp_path: Path, clock: FakeClock, file: Path
) -> None:
    """A sweep dropped what had ended by its own clock, the pins of every base directory in the file."""
    registry = f"sqlite://{tmp_path}/shared/registry.db"
    fast = make("fast", registry=registry, clock=FakeClock(NOW + 7200))
    manager = make(registry=registry)
    manager.register_file(file)
    manager.pin(file, ttl=3600)
    fast.cleanup()
    clock.advance(200)
    assert manager.cleanup() == 0
    assert file.exists()


def test_a_hold_that_is_collected_while_a_lock_is_held_ends_later(manager: TempFileManager, file: Path) -> None:
    """The collector ended it there and then, for which it waited for the lock that its own thread held."""
    manager.register_file(file)

    def collected() -> int:
        hold = manager.hold(file)
        with manager.lock:
            del hold
        return manager.clear_all()

    assert in_child(collected, timeout=10) == 1


def test_closing_ends_no_hold(make: Make, file: Path) -> None:
    """Closing the manager told other sweeps that whoever held the file was dead."""
    with make() as manager:
        manager.register_file(file)
        hold = manager.hold(file)
    other = make()
    assert other.clear_all() == 0
    hold.close()
    assert other.clear_all() == 1


def test_holding_a_link_to_a_pipe_waits_for_nobody(manager: TempFileManager, tmp_path: Path, file: Path) -> None:
    """Opening the pipe that a link leads to by now waited for a writer, for good."""
    link = tmp_path / "link"
    link.symlink_to(file)
    manager.register_file(link)
    file.unlink()
    os.mkfifo(file)
    assert in_child(lambda: manager.hold(link).path, timeout=10) == str(link)


# -- whose a record is, and which file it means


def test_a_missing_path_among_those_assigned_spoils_no_directory(make: Make, file: Path) -> None:
    """What had no identity of its own left its directory without one, and nothing in it could be removed any more."""
    manager = make()
    manager.register_file(file)
    manager.files = {str(file): 0.0, str(file.with_name("missing")): 0.0}
    report = manager.sweep()
    assert (report.removed, report.gone, report.kept) == (1, 1, 0)


@pytest.mark.parametrize(
    "write",
    [
        pytest.param(lambda manager, _: setattr(manager, "files", dict(manager.files)), id="assign"),
        pytest.param(lambda manager, path: manager.files.update({path: 0.0}), id="backdate"),
    ],
)
def test_leaving_spares_what_another_registered(
    make: Make, file: Path, write: Callable[[TempFileManager, str], object]
) -> None:
    """Whoever wrote to ``files`` became the owner of what was in it, and took it along."""
    make().register_file(file)
    with make() as manager:
        write(manager, str(file))
    assert file.exists()


def test_registering_in_a_new_directory_says_nothing_of_older_records(make: Make, tmp_path: Path, file: Path) -> None:
    """The directory's new identity was taken for that of all its records: a stranger's file passed for replaced."""
    manager = make()
    manager.register_file(file)
    file.parent.rename(tmp_path / "away")
    file.parent.mkdir()
    file.touch()
    new = file.with_name("new")
    new.touch()
    manager.register_file(new)
    report = manager.sweep(force=True)
    assert {outcome.record.path: outcome.status for outcome in report.outcomes} == {
        str(file): Status.KEPT,
        str(new): Status.REMOVED,
    }
    assert str(file) in manager.files


def test_adopting_leaves_alone_what_is_registered_meanwhile(
    make: Make, monkeypatch: pytest.MonkeyPatch, file: Path
) -> None:
    """What an application registered between the look and the record lost its ttl and its tags."""
    manager, application = make(), make()
    real = manager.registry.add

    def add(*args: Any, **how: Any) -> None:
        application.register_file(file, ttl=86400, tags=("application",))
        real(*args, **how)

    planned = plan.plan(file.parent, now=time.time() + 1000, max_age=100, known=manager.registry.get)
    assert planned.files == 1
    monkeypatch.setattr(manager.registry, "add", add)
    plan.adopt(manager.context, planned)
    record = manager.status(file).record
    assert record is not None
    assert (record.due_at, record.tags) == (NOW + 86400, ("application",))


def test_adding_only_what_is_new(manager: TempFileManager) -> None:
    """There was no way to record a file unless it was on record."""
    registry = manager.registry
    registry.add([("/n/a", NOW + 5, None, ("x",), None)], NOW)
    registry.add([(path, None, None, (), None) for path in ("/n/a", "/n/b")], NOW + 9, only_new=True)
    assert dict(registry.files) == {"/n/a": NOW, "/n/b": NOW + 9}
    known = registry.get(["/n/a"])["/n/a"]
    assert (known.due_at, known.tags) == (NOW + 5, ("x",))


def test_an_imported_pin_is_there_before_its_record_is_due(
    make: Make, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A sweep between the record and its pin removed the file."""
    manager = make()
    manager.register_file(file)
    manager.files[str(file)] = 0.0
    manager.pin(file)
    assert main(["export", "--base-dir", manager.base_dir]) == 0
    exported = tmp_path / "exported"
    exported.write_text(capsys.readouterr().out)
    manager.registry.forget([str(file)])
    real, retired = SqliteRegistry.keep, []

    def keep(*args: Any) -> tuple[str, ...]:
        retired.append(manager.cleanup())
        return real(*args)

    monkeypatch.setattr(SqliteRegistry, "keep", keep)
    assert main(["import", "--base-dir", manager.base_dir, str(exported)]) == 0
    assert retired == [0]
    assert file.exists()
    assert manager.files == {str(file): 0.0}


# -- sweeps


def test_a_dry_run_sees_what_dead_processes_left(make: Make, file: Path) -> None:
    """It took their claims and holds for living ones, which a real sweep ends."""
    manager = make()
    other = file.with_name("other")
    other.touch()
    manager.register_files([file, other])
    holds = []

    def held_and_claimed() -> int:
        holds.append(manager.hold(file))
        return len(manager.registry.claim(Selection(NOW, 0, force=True), now=0, lease=60, limit=9).records)

    assert in_child(held_and_claimed) == 1
    assert manager.sweep(force=True, dry_run=True).removed == 2
    assert manager.sweep(force=True).removed == 2


def test_an_age_beyond_what_sqlite_counts_to(manager: TempFileManager, file: Path) -> None:
    """An int beyond SQLite's own reached the database as it was, which raised OverflowError at each cleanup."""
    manager.register_file(file)
    manager.max_age = 10**19
    assert manager.cleanup() == 0
    assert not manager.status(file).due


def test_leaving_stops_the_scheduler_although_its_sweep_fails(
    manager: TempFileManager, monkeypatch: pytest.MonkeyPatch, clock: FakeClock
) -> None:
    """The error left the thread running."""

    def fails(*_: object, **__: object) -> None:
        raise RuntimeError("on purpose")

    manager.start()
    clock.until_waiting(JOBS)
    monkeypatch.setattr(manager.registry, "claim", fails)
    with pytest.raises(RuntimeError, match="on purpose"):
        manager.__exit__(None, None, None)
    assert not manager.context.scheduler.running


# -- the package's own files


def own_files(manager: TempFileManager) -> set[str]:
    return set(os.listdir(Path(manager.base_dir, ".temp-file-manager")))


def test_the_packages_own_files_are_kept_when_reached_by_a_link(make: Make, tmp_path: Path) -> None:
    """Only their usual path was looked at: a sweep removed the registry it was reading."""
    manager = make()
    link = tmp_path / "link"
    link.symlink_to(Path(manager.base_dir, ".temp-file-manager"))
    before = own_files(manager)
    manager.register_files([link / name for name in before])
    assert manager.clear_all() == 0
    assert own_files(manager) >= before


@pytest.mark.parametrize("registry", ["memory:", "sqlite:"])
def test_the_packages_own_files_are_kept_when_written_into_files(make: Make, registry: str) -> None:
    """What comes through ``files`` is not looked at by ``register_file``, and was removed."""
    before = own_files(make())
    manager = make(registry=registry)
    manager.files[f"{manager.base_dir}/.temp-file-manager/registry.db"] = 0.0
    assert manager.cleanup() == 0
    assert own_files(manager) >= before


def test_a_registry_in_the_directory_that_is_adopted_is_spared(make: Make, file: Path) -> None:
    """Outside its usual directory it was adopted with the rest, and removed in time."""
    manager = make(registry=f"sqlite://{file.parent}/registry.db")
    manager.register_file(file)
    planned = plan.plan(file.parent, now=time.time() + 1000, max_age=0, known=manager.registry.get)
    plan.adopt(manager.context, planned)
    assert list(manager.files) == [str(file)]


# -- cut short


def test_a_file_that_cannot_be_registered_leaves_nothing(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where files without a name cannot be made, its descriptor, the file and a pending record were left."""
    manager = make()

    def fails(*_: object) -> None:
        raise RegistryFullError("on purpose")

    monkeypatch.setattr(new_files, "create_nameless", lambda _: None)
    monkeypatch.setattr(manager.context.registrar, "many", fails)
    descriptors = []
    for _ in range(2):  # the first opens what the registry keeps open
        with pytest.raises(RegistryFullError, match="on purpose"):
            manager.mkstemp()
        assert (dict(manager.files), os.listdir(manager.base_dir)) == ({}, [".temp-file-manager"])
        descriptors.append(len(os.listdir("/proc/self/fd")))
    assert descriptors[1] <= descriptors[0]  # less: others of earlier tests may be collected


def test_a_file_that_is_being_discarded_is_on_record(manager: TempFileManager, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its record went first: who was killed between the two left a file that nobody would ever remove."""

    def killed(fd: int, path: str) -> None:
        os.close(fd)
        raise KeyboardInterrupt

    monkeypatch.setattr(new_files, "discard", killed)
    with pytest.raises(KeyboardInterrupt):
        manager.open("w", encoding="no such encoding")
    names = [name for name in os.listdir(manager.base_dir) if name != ".temp-file-manager"]
    assert len(names) == 1
    assert [os.path.basename(path) for path in manager.files] == names


class Interrupted:
    """A connection whose user presses Ctrl-C while another's transaction is waited for."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)

    def execute(self, statement: str) -> sqlite3.Cursor:
        cursor = self._connection.execute(statement)
        if statement.startswith("BEGIN"):
            raise KeyboardInterrupt  # Python sees to signals when SQLite has returned
        return cursor


def test_an_interrupt_while_a_transaction_is_waited_for_leaves_none_open(
    make: Make, monkeypatch: pytest.MonkeyPatch, file: Path
) -> None:
    """It had begun by the time the interrupt was raised, and kept everybody out of the registry for good."""
    manager = make()
    assert isinstance(manager.registry, SqliteRegistry)
    database = manager.registry.transactions.database
    interrupted = Interrupted(database._connection_to_write())
    with monkeypatch.context() as patched:
        patched.setattr(database, "_connection_to_write", lambda: interrupted)
        with pytest.raises(KeyboardInterrupt):
            manager.register_file(file)
    assert not interrupted.in_transaction
    manager.register_file(file)
    assert list(manager.files) == [str(file)]
