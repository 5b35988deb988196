"""Quarantine: files that are due are moved to a private folder, and removed from there when their time is up."""

import errno
import os
import signal
import stat
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from quarantines import AGE, UNDO, away, contents, folder_of, made, on_record, quarantining, strays
from small_disk import mounted, no_more_pages
from temp_file_manager import TempFileManager
from temp_file_manager.causes import Cause
from temp_file_manager.clock import SystemClock
from temp_file_manager.errors import RegistryError
from temp_file_manager.records import Kind, Status
from temp_file_manager.registry.sqlite.registry import SqliteRegistry
from temp_file_manager.rules.rule import Rule
from temp_file_manager.storage.contract import NotThatFile
from temp_file_manager.storage.kernel import mounts, renames
from temp_file_manager.storage.kernel.statx import HERE, looker
from temp_file_manager.storage.quarantine import refuse_unmovable
from temp_file_manager.storage.restoring import lies_within
from temp_file_manager.testing import FakeClock

Make = Callable[..., TempFileManager]


@pytest.fixture
def make(tmp_path: Path, clock: FakeClock, request: pytest.FixtureRequest) -> Make:
    """Makes managers of one base directory that quarantine what is due, and closes them."""

    def made_one(*rules: Rule, **settings: object) -> TempFileManager:
        manager = quarantining(tmp_path / "base", clock, *rules, **settings)
        request.addfinalizer(manager.close)
        return manager

    return made_one


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    return made(tmp_path / "data", "a", "b", "c")


def sweep_when_due(manager: TempFileManager, clock: FakeClock, files: list[Path], **how: object) -> object:
    assert manager.register_files(files, tags=["t"]).registered == len(files)
    clock.advance(AGE + 1)
    return manager.sweep(**how)  # type: ignore[arg-type]  # passed on as they come


def test_what_is_due_is_moved_and_on_record_with_where_it_was(
    make: Make, clock: FakeClock, files: list[Path], tmp_path: Path
) -> None:
    manager = make()
    os.chmod(files[0], 0o640)
    before = manager.registry.stats().counters
    report = sweep_when_due(manager, clock, files)
    assert (report.quarantined, report.removed, report.retired) == (3, 0, 3)
    assert contents(tmp_path / "data") == []
    folder = folder_of(tmp_path / "base")
    assert contents(folder) == ["a", "b", "c"]
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    records = away(manager)
    assert [(one.origin, one.due_at, one.tags) for one in records] == [
        (str(path), clock.wall() + UNDO, ("t",)) for path in files
    ]
    assert stat.S_IMODE(os.stat(records[0].path).st_mode) == 0o640
    after = manager.registry.stats().counters
    assert (after["registered"] - before.get("registered", 0), after["quarantined"]) == (3, 3)
    assert after.get("freed_bytes", 0) == 0


def test_it_is_removed_when_its_time_is_up(make: Make, clock: FakeClock, files: list[Path], tmp_path: Path) -> None:
    manager = make()
    sweep_when_due(manager, clock, files)
    assert manager.sweep().retired == 0
    clock.advance(UNDO + 1)
    report = manager.sweep()
    assert (report.removed, contents(folder_of(tmp_path / "base")), on_record(manager)) == (3, [], {})


def test_a_dry_run_says_what_the_sweep_does(make: Make, clock: FakeClock, files: list[Path]) -> None:
    manager = make()
    foretold = sweep_when_due(manager, clock, files, dry_run=True)
    assert [path.exists() for path in files] == [True] * 3
    done = manager.sweep()
    assert [(o.record.path, o.status) for o in foretold.outcomes] == [(o.record.path, o.status) for o in done.outcomes]
    assert (foretold.quarantined, done.quarantined) == (3, 3)
    clock.advance(UNDO + 1)
    assert manager.sweep(dry_run=True).removed == 3


def test_who_forces_removes_for_good(make: Make, clock: FakeClock, files: list[Path], tmp_path: Path) -> None:
    manager = make()
    manager.register_files(files)
    assert manager.clear_all() == 3
    assert (contents(tmp_path / "data"), contents(folder_of(tmp_path / "base")), on_record(manager)) == ([], [], {})


def test_force_takes_what_is_in_quarantine_too(make: Make, clock: FakeClock, files: list[Path], tmp_path: Path) -> None:
    manager = make()
    sweep_when_due(manager, clock, files)
    assert manager.clear_all() == 3
    assert (contents(folder_of(tmp_path / "base")), on_record(manager)) == ([], {})


def test_leaving_a_block_leaves_what_is_in_quarantine(
    make: Make, clock: FakeClock, files: list[Path], tmp_path: Path
) -> None:
    """It was registered by others, and is to be had back as long as the rule says."""
    with make() as manager:
        sweep_when_due(manager, clock, files)
    assert contents(folder_of(tmp_path / "base")) == ["a", "b", "c"]
    assert len(away(make())) == 3


def test_a_ttl_of_its_own_and_a_session_ask_no_rule(
    make: Make, clock: FakeClock, files: list[Path], tmp_path: Path
) -> None:
    manager = make()
    manager.register_file(files[0], ttl=5)
    with manager.session():
        pass
    clock.advance(6)
    assert (manager.sweep().removed, contents(folder_of(tmp_path / "base"))) == (1, [])


def test_without_the_rule_what_is_in_quarantine_is_removed_in_time(
    make: Make, clock: FakeClock, files: list[Path], tmp_path: Path
) -> None:
    sweep_when_due(make(), clock, files)
    clock.advance(UNDO + 1)
    with TempFileManager(tmp_path / "base", registry="sqlite:", clock=clock) as manager:
        assert manager.sweep().removed == 3
    assert contents(folder_of(tmp_path / "base")) == []


def test_only_records_of_the_quarantine_reach_into_it(
    make: Make, clock: FakeClock, files: list[Path], tmp_path: Path
) -> None:
    """Whoever puts a path in there on record as a plain file does not get it removed."""
    manager = make()
    sweep_when_due(manager, clock, files)
    record = away(manager)[0]
    manager.registry.forget((record,))
    manager.registry.add([(record.path, clock.wall(), 1, (), record.identity, 1)], clock.wall())
    clock.advance(1)
    (outcome,) = manager.sweep().outcomes
    assert (outcome.status, outcome.cause, os.path.exists(record.path)) == (Status.KEPT, Cause.OWN, True)


def test_a_record_of_the_quarantine_reaches_nowhere_else(
    make: Make, clock: FakeClock, files: list[Path], tmp_path: Path
) -> None:
    from temp_file_manager.records import Nature
    from temp_file_manager.storage.identity import Examiner

    manager = make()
    found = Examiner().examine(str(files[0]))
    assert found is not None
    path = str(files[0])
    nature = Nature(kind=Kind.QUARANTINED, origin="/elsewhere")
    manager.registry.add([(path, clock.wall(), 1, (), found.identity, 1)], clock.wall(), natures={path: nature})
    clock.advance(1)
    (outcome,) = manager.sweep().outcomes
    assert (outcome.status, outcome.cause, files[0].exists()) == (Status.KEPT, Cause.OWN, True)


def test_another_file_system_is_out_of_reach(make: Make, clock: FakeClock, tmp_path: Path) -> None:
    with mounted(tmp_path / "disk", "size=1m") as done:
        if not done:
            pytest.skip("takes the right to mount")
        (file,) = made(tmp_path / "disk", "far")
        manager = make()
        manager.register_file(file)
        clock.advance(AGE + 1)
        for report in (manager.sweep(dry_run=True), manager.sweep()):
            (outcome,) = report.outcomes
            assert (outcome.status, outcome.cause) == (Status.KEPT, Cause.OTHER_FILE_SYSTEM)
            assert "which a quarantine needs" in outcome.reason
        assert file.exists()
        assert away(manager) == []


@pytest.mark.parametrize("paranoid", [False, True])
def test_another_file_in_its_place_at_that_moment_is_put_back(
    make: Make, clock: FakeClock, files: list[Path], monkeypatch: pytest.MonkeyPatch, paranoid: bool
) -> None:
    manager = make(paranoid=paranoid)
    move = renames.move
    fooled = []

    def between(name: bytes, source: int, new_name: bytes, target: int) -> None:
        if name == b"b" and not fooled:
            fooled.append(name)
            other = files[1].with_name("other")
            other.write_text("theirs")
            os.rename(other, files[1])
        move(name, source, new_name, target)

    monkeypatch.setattr(renames, "move", between)
    report = sweep_when_due(manager, clock, files)
    assert (report.quarantined, report.replaced) == (2, 1)
    assert files[1].read_text() == "theirs"
    assert (sorted(one.origin for one in away(manager)), strays(manager)) == ([str(files[0]), str(files[2])], set())


def test_what_is_found_gone_before_it_is_moved_is_on_record_all_the_same(
    make: Make, clock: FakeClock, files: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As by another process, which looks at all files in turn."""
    manager, other, move = make(), make(), renames.move

    def found_gone(name: bytes, *others: object) -> None:
        if name == b"b":
            other.registry.forget([one.path for one in away(other)])
        move(name, *others)  # type: ignore[arg-type]  # passed on as they come

    monkeypatch.setattr(renames, "move", found_gone)
    sweep_when_due(manager, clock, files)
    assert (sorted(one.origin for one in away(manager)), strays(manager)) == (list(map(str, files)), set())


def test_renamers_in_the_directory_lose_nothing(make: Make, clock: FakeClock, tmp_path: Path) -> None:
    """Somebody exchanges files all the time: what is not the registered file is never gone from its place."""
    manager = make()
    files = made(tmp_path / "data", *(f"{number:03}" for number in range(200)))
    manager.register_files(files)
    over = threading.Event()

    def rename() -> None:
        number = 0
        while not over.is_set():
            other = tmp_path / "data" / "new"
            other.write_text(f"theirs {number % 200}")
            os.rename(other, files[number % 200])
            number += 1

    thread = threading.Thread(target=rename)
    thread.start()
    clock.advance(AGE + 1)
    manager.sweep()
    over.set()
    thread.join()
    assert not any(text.startswith("theirs") for text in contents(folder_of(tmp_path / "base")))
    assert strays(manager) == set()


def test_what_is_in_use_is_left_and_not_on_record_twice(make: Make, clock: FakeClock, files: list[Path]) -> None:
    open_before = len(os.listdir("/dev/fd"))
    manager = make()
    with open(files[1], "a"):
        report = sweep_when_due(manager, clock, files, protect_open=True)
    assert (report.quarantined, report.kept, files[1].exists()) == (2, 1, True)
    assert len(away(manager)) == 2
    assert len(on_record(manager)) == 3
    manager.close()
    assert len(os.listdir("/dev/fd")) == open_before


def test_a_full_registry_ends_the_undo(make: Make, clock: FakeClock, files: list[Path], tmp_path: Path) -> None:
    manager = make()
    manager.register_files(files)
    clock.advance(AGE + 1)
    registry = manager.registry
    assert isinstance(registry, SqliteRegistry)
    no_more_pages(registry)
    while True:  # until the pages that lie about are written, too
        try:
            registry.add([(f"/full/{os.urandom(200).hex()}", 1e12, 1, (), None, 1)] * 5, clock.wall())
        except RegistryError:
            break
    report = manager.sweep()
    assert (report.quarantined + report.removed, contents(tmp_path / "data")) == (3, [])
    assert report.removed
    assert strays(manager) == set()


def test_a_full_directory_ends_the_undo(
    make: Make, clock: FakeClock, files: list[Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    manager = make()

    def full(name: bytes, source: int, new_name: bytes, target: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), os.fsdecode(new_name))

    monkeypatch.setattr(renames, "move", full)
    report = sweep_when_due(manager, clock, files)
    assert (report.removed, contents(tmp_path / "data"), on_record(manager)) == (3, [], {})


def test_a_folder_of_somebody_elses_is_not_used(
    make: Make, clock: FakeClock, files: list[Path], tmp_path: Path
) -> None:
    manager = make()
    folder_of(tmp_path / "base").mkdir(mode=0o777)
    os.chmod(folder_of(tmp_path / "base"), 0o777)
    report = sweep_when_due(manager, clock, files)
    assert (report.failed, contents(tmp_path / "data")) == (3, ["a", "b", "c"])


def test_two_processes_that_sweep_move_each_file_once(tmp_path: Path) -> None:
    """Claims keep them apart."""
    base, clock = tmp_path / "base", SystemClock()
    rule = Rule("undo", age=0.0, quarantine=UNDO)
    paths = made(tmp_path / "data", *(f"{number:04}" for number in range(1500)))
    manager = quarantining(base, clock, rule)
    manager.register_files(paths)
    manager.close()
    children = [in_child(lambda: _swept(base, rule)) for _ in range(2)]
    assert [os.waitpid(child, 0)[1] for child in children] == [0, 0]
    manager = quarantining(base, clock, rule)
    assert contents(folder_of(base)) == [path.name for path in paths]
    assert (len(away(manager)), len(on_record(manager)), strays(manager)) == (1500, 1500, set())
    manager.close()


def _swept(base: Path, rule: Rule) -> None:
    manager = quarantining(base, SystemClock(), rule)
    manager.max_age = 0
    manager.sweep()
    manager.close()


def in_child(work: Callable[[], object]) -> int:
    """Do something in a process of its own; return its number."""
    child = os.fork()
    if not child:
        code = 1
        try:
            work()
            code = 0
        finally:
            os._exit(code)
    return child


STEPS = [(SqliteRegistry, "add"), (SqliteRegistry, "claim"), (SqliteRegistry, "settle"), (renames, "move")]


def killed_at(step: int, work: Callable[[], object], steps: list[tuple[object, str]] = STEPS) -> bool:
    """Do something in a process that is killed before or after some step; say whether it had so many."""
    left = [step]

    def count() -> None:
        if not left[0]:
            os.kill(os.getpid(), signal.SIGKILL)
        left[0] -= 1

    def counted(what: Callable[..., object]) -> Callable[..., object]:
        def call(*args: object, **how: object) -> object:
            count()
            answer = what(*args, **how)
            count()
            return answer

        return call

    def child() -> None:
        for owner, name in steps:
            setattr(owner, name, counted(getattr(owner, name)))
        work()

    _, status = os.waitpid(in_child(child), 0)
    assert status in (0, signal.SIGKILL)
    return status == signal.SIGKILL


def test_killed_at_each_step_nothing_is_lost_and_nothing_twice(tmp_path: Path) -> None:
    step = 0
    while True:
        here = tmp_path / str(step)
        here.mkdir()
        clock = FakeClock()
        base, data = here / "base", here / "data"
        manager = quarantining(base, clock)
        manager.register_files(made(data, "a", "b"))
        manager.registry.close()
        clock.advance(AGE + 1)

        def work(base: Path = base, clock: FakeClock = clock) -> None:
            quarantining(base, clock).sweep()

        killed = killed_at(step, work)
        assert sorted(contents(data) + contents(folder_of(base))) == ["a", "b"], step
        manager = quarantining(base, clock)
        manager.sweep()
        assert (contents(data), contents(folder_of(base))) == ([], ["a", "b"]), step
        assert (strays(manager), len(on_record(manager)), len(away(manager))) == (set(), 2, 2), step
        clock.advance(UNDO + 1)
        manager.sweep()
        assert (contents(folder_of(base)), on_record(manager)) == ([], {}), step
        manager.close()
        if not killed:
            break
        step += 1
    assert step > 8


def test_what_lies_within_is_told_whatever_names_lead_there(tmp_path: Path) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "link").symlink_to(tmp_path / "a")
    for there, above, within in (
        ("a/b", "a", True),
        ("a", "a", True),
        ("a/b", "link", True),
        ("link/b", "a", True),
        ("a", "a/b", False),
        (".", "a", False),
        ("a", "/", True),
        ("a", "/proc", False),
    ):
        directory = os.open(tmp_path / there, os.O_RDONLY)
        try:
            assert lies_within(directory, str(tmp_path / above)) == within, (there, above)
        finally:
            os.close(directory)


@pytest.mark.parametrize(("born", "lasts", "may"), [(1, True, True), (0, True, False), (1, False, False)])
def test_what_nothing_could_tell_again_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, born: int, lasts: bool, may: bool
) -> None:
    """A rename moves the time of change; what is left is the number, where that lasts, and the birth."""
    monkeypatch.setattr(mounts, "numbers_last", lambda _: lasts)
    seen = looker()(HERE, os.fsencode(tmp_path))._replace(born=born)
    if may:
        refuse_unmovable(0, seen)
        return
    with pytest.raises(NotThatFile) as caught:
        refuse_unmovable(0, seen)
    assert (caught.value.other.status, caught.value.other.cause) == (Status.KEPT, Cause.IDENTITY_UNKNOWN)
