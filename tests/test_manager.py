"""The manager's own promises, on real files."""

import logging
import os
import socket
import stat
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import temp_file_manager
from temp_file_manager import TempFileManager
from temp_file_manager.errors import InvalidArgumentError, RegistryError, SettingsError
from temp_file_manager.events import Event, FilesRegistered, RecordsSettled, SweepFinished
from temp_file_manager.records import Status
from temp_file_manager.registry import MemoryRegistry
from temp_file_manager.settings import Settings
from temp_file_manager.sweeping.sweep import CHUNK, ENOUGH
from temp_file_manager.testing import FakeClock


@pytest.fixture
def events() -> list[Event]:
    return []


@pytest.fixture
def base(tmp_path: Path) -> Path:
    return tmp_path / "base"


@pytest.fixture
def manager(base: Path, clock: FakeClock, events: list[Event]) -> Iterator[TempFileManager]:
    manager = TempFileManager(base, 100, clock=clock, hooks=[events.append])
    yield manager
    manager.close()


def make(base: Path, name: str, text: str = "x") -> str:
    path = base / name
    path.write_text(text)
    return str(path)


def due_files(manager: TempFileManager, clock: FakeClock, count: int) -> list[str]:
    paths = [make(Path(manager.base_dir), f"{number:03}") for number in range(count)]
    for number, path in enumerate(paths):
        manager.register_file(path)
        manager.files[path] = clock.wall() - 10_000 + number
    return paths


# -- bounds, dry runs --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("limit", "stopped"), [(0, "limit"), (7, "limit"), (CHUNK + 7, "limit"), (2 * CHUNK + 1, "")])
@pytest.mark.parametrize("force", [False, True])
def test_limit_is_how_many_are_handled(
    manager: TempFileManager, clock: FakeClock, limit: int, stopped: str, force: bool
) -> None:
    paths = due_files(manager, clock, 2 * CHUNK)
    report = manager.sweep(limit=limit, force=force)
    assert (report.removed, report.stopped) == (min(limit, len(paths)), stopped)
    assert list(manager.files) == paths[limit:]
    assert sorted(os.listdir(manager.base_dir)) == [os.path.basename(path) for path in paths[limit:]]


def test_limit_counts_failures_too(manager: TempFileManager, clock: FakeClock) -> None:
    paths = due_files(manager, clock, 5)
    os.remove(paths[0])
    os.mkdir(paths[0])
    os.remove(paths[1])
    report = manager.sweep(limit=3)
    assert (report.failed, report.gone, report.removed, report.retired) == (1, 1, 1, 2)


def test_budget_stops_between_chunks(
    manager: TempFileManager, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    due_files(manager, clock, 3 * CHUNK)
    real = os.remove

    def remove(path: str) -> None:
        clock.advance(0.5 * ENOUGH / CHUNK)
        real(path)

    monkeypatch.setattr(os, "remove", remove)
    assert manager.sweep(budget=0).stopped == "budget"
    report = manager.sweep(budget=0.75 * ENOUGH)
    assert (report.removed, report.stopped) == (2 * CHUNK, "budget")
    assert report.duration == pytest.approx(ENOUGH)
    report = manager.sweep(budget=0.75 * ENOUGH)
    assert (report.removed, report.stopped) == (CHUNK, "")


def test_a_slow_disk_makes_smaller_chunks(
    manager: TempFileManager, clock: FakeClock, events: list[Event], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever wants one of a chunk's files waits no longer for it than usual."""
    due_files(manager, clock, 25)
    real = os.remove

    def remove(path: str) -> None:
        clock.advance(ENOUGH / 9.5)
        real(path)

    monkeypatch.setattr(os, "remove", remove)
    assert manager.sweep().removed == 25
    # What the first file takes is not counted: a machine that is slow would get nowhere.
    assert [len(event.outcomes) for event in events if isinstance(event, RecordsSettled)] == [11, 11, 3]


@pytest.mark.parametrize("bound", [{"limit": -1}, {"budget": -1}, {"budget": float("nan")}])
def test_bounds_have_a_meaning(manager: TempFileManager, clock: FakeClock, bound: dict[str, Any]) -> None:
    due_files(manager, clock, 1)
    with pytest.raises(ValueError, match="0 or more"):
        manager.sweep(**bound)
    assert len(manager.files) == 1


@pytest.mark.parametrize("force", [False, True])
@pytest.mark.parametrize("limit", [None, 60])
def test_a_dry_run_says_what_the_run_does(
    manager: TempFileManager, clock: FakeClock, events: list[Event], caplog: pytest.LogCaptureFixture,
    force: bool, limit: int | None,
) -> None:  # fmt: skip
    paths = due_files(manager, clock, 2 * CHUNK)
    os.remove(paths[3])
    os.remove(paths[5])
    os.mkdir(paths[5])
    manager.register_file(make(Path(manager.base_dir), "young"))
    manager.register_file(make(Path(manager.base_dir), "ended"), ttl=0)
    manager.register_file(make(Path(manager.base_dir), "timed"), ttl=5000)
    before = (dict(manager.files), sorted(os.listdir(manager.base_dir)))
    events.clear()
    caplog.clear()
    planned = manager.sweep(dry_run=True, limit=limit, force=force)
    assert (dict(manager.files), sorted(os.listdir(manager.base_dir))) == before
    assert (events, caplog.text) == ([], ""), "nothing happened, so nobody is told"
    done = manager.sweep(limit=limit, force=force)
    assert planned.dry_run
    assert not done.dry_run
    assert said(planned) == said(done)
    assert planned.stopped == done.stopped
    assert (planned.removed, planned.gone, planned.failed, planned.skipped) == (
        done.removed, done.gone, done.failed, done.skipped,
    )  # fmt: skip
    assert (done.gone, done.failed) == (1, 1)


def said(report: temp_file_manager.SweepReport) -> list[tuple[str, Status]]:
    return [(outcome.record.path, outcome.status) for outcome in report.outcomes]


def test_a_report_lists_a_thousand_and_hooks_hear_all(
    manager: TempFileManager, clock: FakeClock, events: list[Event]
) -> None:
    for number in range(1100):
        manager.files[f"/nowhere/{number}"] = clock.wall() - 1000
    report = manager.sweep()
    assert (report.gone, len(report.outcomes)) == (1100, 1000)
    assert sum(len(event.outcomes) for event in events if isinstance(event, RecordsSettled)) == 1100


# -- registering and asking --------------------------------------------------------------------------------------


def test_register_files_reports(
    tmp_path: Path, base: Path, clock: FakeClock, events: list[Event], caplog: pytest.LogCaptureFixture
) -> None:
    manager = TempFileManager(base, settings=Settings(size_limit=10), clock=clock, hooks=[events.append])
    small, large = make(base, "small"), make(base, "large", "x" * 11)
    (base / "folder").mkdir()
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "s"))
        report = manager.register_files(
            [small, os.fsencode(large), base / "missing", base / "folder", tmp_path / "s", f"{base}/a\0b"],
            ttl=5, tags=["x"],
        )  # fmt: skip
    assert (report.registered, report.oversized) == (2, 1)
    reasons = dict(report.refused)
    assert reasons[str(base / "missing")] == "No such file or directory"
    assert "a directory" in reasons[str(base / "folder")]
    assert "a socket" in reasons[str(tmp_path / "s")]
    assert "NUL" in reasons[f"{base}/a\0b"]
    assert caplog.text.count("Attempted to register non-existent file") == 4
    assert f"Temporary file larger than the limit: {large}" in caplog.text
    assert events == [FilesRegistered((small, large), (large,))]
    record = manager.status(small).record
    assert record is not None
    assert (record.tags, record.due_at) == (("x",), clock.wall() + 5)
    assert manager.register_files([]).registered == 0


@pytest.mark.parametrize("paths", ["/a", b"/a"])
def test_register_files_takes_no_single_path(manager: TempFileManager, paths: Any) -> None:
    with pytest.raises(TypeError, match="register_file takes a single one"):
        manager.register_files(paths)


@pytest.mark.parametrize("bad", [{"ttl": -1}, {"ttl": float("nan")}, {"tags": "word"}, {"tags": [1]}])
def test_bad_arguments_register_nothing(manager: TempFileManager, base: Path, bad: dict[str, Any]) -> None:
    path = make(base, "a")
    for register in (manager.register_file, lambda p, **kw: manager.register_files([p], **kw)):
        with pytest.raises((ValueError, TypeError)):
            register(path, **bad)
    assert manager.files == {}


def test_what_is_no_regular_file_is_refused(
    manager: TempFileManager, base: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (base / "link").symlink_to(base)
    for path in ("", base, base / "missing", base / "link", "a\0b"):
        caplog.clear()
        manager.register_file(path)
        assert "Attempted to register non-existent file: " in caplog.text
    with pytest.raises(TypeError):
        manager.register_file(7)  # type: ignore[arg-type]  # on purpose
    assert manager.files == {}


def test_a_refused_path_keeps_the_record_it_had(manager: TempFileManager, base: Path, clock: FakeClock) -> None:
    path = make(base, "a")
    manager.register_file(path)
    clock.advance(5)
    os.remove(path)
    manager.register_file(path)
    assert manager.get_file_age(path) == 5


def test_paths_are_made_absolute(manager: TempFileManager, base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = make(base, "a")
    monkeypatch.chdir(base)
    for spelt in ("a", "./a", "../base/a", b"a", Path("a"), f"{base}//a", f"{base}/./a", f"{base}/x/../a"):
        manager.files.clear()
        manager.register_file(spelt)
        assert list(manager.files) == [path], spelt
        assert manager.is_temp_file(spelt)
        assert manager.get_file_age(spelt) == 0


def test_statuses_count_and_say_why(manager: TempFileManager, base: Path, clock: FakeClock) -> None:
    names = ["old", "young", "ended", "timed", "failed"]
    old, young, ended, timed, failed = paths = [make(base, name) for name in names]
    manager.register_file(old)
    manager.register_file(failed)
    clock.advance(7380)
    manager.register_file(young)
    manager.register_file(ended, ttl=1)
    manager.register_file(timed, ttl=100)
    clock.advance(4)
    report = manager.statuses([*paths, base / "unknown"])
    assert (report.registered, report.unregistered, report.due) == (5, 1, 3)
    assert [file.path for file in report.files] == [*paths, str(base / "unknown")]
    told = {os.path.basename(file.path): (file.due, file.age, file.reason) for file in report.files}
    assert told["old"] == (True, 7384, "2 h 3 min old, more than max_age 1 min 40 s")
    assert told["young"] == (False, 4, "4 s old, max_age is 1 min 40 s")
    assert told["ended"] == (True, 4, "its ttl ended 3 s ago")
    assert told["timed"] == (False, 4, "its ttl ends in 1 min 36 s")
    assert told["unknown"] == (False, None, "not registered")
    os.remove(failed)
    os.mkdir(failed)
    manager.cleanup()
    status = manager.status(failed)
    assert status.due, "for a cleanup that a person asks for"
    assert status.record is not None
    assert status.record.failures == 1


def test_a_file_dated_ahead_has_a_negative_age(manager: TempFileManager, base: Path, clock: FakeClock) -> None:
    path = make(base, "a")
    manager.files[path] = clock.wall() + 3661
    assert manager.get_file_age(path) == -3661
    assert manager.status(path).reason == "-1 h 1 min old, max_age is 1 min 40 s"
    assert manager.cleanup() == 0
    manager.files[path] = float("inf")
    assert "endless" in manager.status(path).reason
    assert manager.clear_all() == 1


def test_hooks_hear_what_happens(manager: TempFileManager, base: Path, events: list[Event], clock: FakeClock) -> None:
    path = make(base, "a")
    manager.register_file(path)
    clock.advance(101)
    report = manager.sweep()
    registered, settled, finished = events
    assert registered == FilesRegistered((path,))
    assert isinstance(settled, RecordsSettled)
    assert settled.outcomes == report.outcomes
    assert finished == SweepFinished(report, scheduled=False)


# -- creating ----------------------------------------------------------------------------------------------------


def mode(path: str) -> int:
    return stat.S_IMODE(os.stat(path).st_mode)


@pytest.fixture
def permissive() -> Iterator[None]:
    """A umask that hides nothing."""
    old = os.umask(0)
    yield
    os.umask(old)


@pytest.mark.usefixtures("permissive")
def test_what_is_created_is_ours_alone(manager: TempFileManager, base: Path, clock: FakeClock) -> None:
    fd, path = manager.mkstemp(".txt", "pre", ttl=5)
    with open(fd, "wb") as file:
        file.write(b"x")
    assert (mode(path), os.path.dirname(path)) == (0o600, str(base))
    assert os.path.basename(path).startswith("pre")
    assert path.endswith(".txt")
    record = manager.status(path).record
    assert record is not None
    assert record.due_at == clock.wall() + 5
    with manager.open("w+", ".json", encoding="utf-8") as text:
        text.write("ß")
        text.seek(0)
        assert text.read() == "ß"
    assert (mode(text.name), manager.is_temp_file(text.name)) == (0o600, True)
    with manager.open() as binary:
        binary.write(b"x")
    assert os.path.getsize(binary.name) == 1
    folder = manager.mkdtemp("end", "pre")
    assert (mode(folder), os.path.dirname(folder)) == (0o700, str(base))
    assert not manager.is_temp_file(folder)
    assert manager.clear_all() == 3
    assert os.listdir(base) == [], "an empty folder goes, too"


def open_descriptors() -> int:
    return sum(map(is_open, range(256)))


def is_open(fd: int) -> bool:
    try:
        os.fstat(fd)
    except OSError:
        return False
    return True


@pytest.mark.parametrize(
    ("bad", "error"),
    [
        ({"mode": "q"}, ValueError),
        ({"mode": "w", "encoding": "no-such"}, LookupError),
        ({"mode": "wb", "encoding": "utf-8"}, ValueError),
        ({"suffix": "a\0b"}, ValueError),
        ({"suffix": "/no/such/folder"}, ValueError),
        ({"suffix": "x" * 300}, OSError),
        ({"ttl": -1}, ValueError),
    ],
)
def test_what_cannot_be_opened_leaves_nothing(
    manager: TempFileManager, base: Path, bad: dict[str, Any], error: type[Exception]
) -> None:
    before = open_descriptors()
    with pytest.raises(error):
        manager.open(**bad)
    assert os.listdir(base) == []
    assert manager.files == {}
    assert open_descriptors() == before


@pytest.mark.parametrize("error", [OSError, KeyboardInterrupt])
def test_what_cannot_be_recorded_leaves_nothing(
    manager: TempFileManager, base: Path, monkeypatch: pytest.MonkeyPatch, error: type[BaseException]
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise error("on purpose")

    monkeypatch.setattr(manager.registry, "add", fail)
    monkeypatch.setattr(manager.registry, "add_one", fail)
    before = open_descriptors()
    for create in (manager.mkstemp, manager.open, lambda: manager.mkstemp(ttl=5)):
        with pytest.raises(error):
            create()
    assert os.listdir(base) == []
    assert manager.files == {}
    assert open_descriptors() == before


# -- living ------------------------------------------------------------------------------------------------------


def test_leaving_with_retires_what_was_registered(base: Path, tmp_path: Path) -> None:
    kept = make(tmp_path, "kept")
    with TempFileManager(base) as manager:
        fd, _ = manager.mkstemp()
        os.close(fd)
        manager.register_file(make(tmp_path, "elsewhere"), ttl=1e9)
        with pytest.raises(RuntimeError), TempFileManager(base) as other:  # noqa: PT012 - leaving is what is tested
            other.register_file(make(base, "other's"))
            raise RuntimeError
        assert len(os.listdir(base)) == 1, "only its own"
    assert os.listdir(base) == []
    assert os.path.exists(kept)
    assert not (tmp_path / "elsewhere").exists()


def test_close_removes_nothing(manager: TempFileManager, base: Path, clock: FakeClock) -> None:
    paths = due_files(manager, clock, 2)
    manager.close()
    manager.close()
    assert all(map(os.path.exists, paths))
    assert list(manager.files) == paths


def test_of_a_link_only_the_link_is_removed(manager: TempFileManager, base: Path, tmp_path: Path) -> None:
    target = make(tmp_path, "target")
    (base / "link").symlink_to(target)
    (base / "dangling").symlink_to(make(tmp_path, "vanishes"))
    manager.register_files([base / "link", base / "dangling"])
    os.remove(tmp_path / "vanishes")
    assert sorted(map(os.path.basename, manager.files)) == ["dangling", "link"]
    report = manager.sweep(force=True, dry_run=True)
    assert report.removed == 2
    assert manager.sweep(force=True).removed == 2
    assert os.listdir(base) == []
    assert os.path.exists(target)


def test_a_link_in_the_prefix_is_no_obstacle(tmp_path: Path) -> None:
    real = tmp_path / "real"
    real.mkdir()
    (tmp_path / "linked").symlink_to(real)
    manager = TempFileManager(tmp_path / "linked", 100)
    path = make(tmp_path / "linked", "a")
    manager.register_file(path)
    assert list(manager.files) == [path], "links are not followed"
    assert manager.clear_all() == 1
    assert os.listdir(real) == []


def test_a_replaced_folder_makes_a_file_gone(manager: TempFileManager, base: Path) -> None:
    (base / "folder").mkdir()
    manager.register_file(make(base, "folder/a"))
    os.remove(base / "folder/a")
    (base / "folder").rmdir()
    make(base, "folder")
    assert manager.sweep(force=True).gone == 1
    assert os.listdir(base) == ["folder"]


def test_a_clock_that_stands_still(base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The published class's callers patch ``time.time``; equal times are equal ages, and no confusion."""
    now = 1_700_000_000.0
    monkeypatch.setattr(time, "time", lambda: now)
    manager = TempFileManager(base, 0)
    paths = [make(base, name) for name in "abc"]
    for _ in range(2):
        for path in paths:
            manager.register_file(path)
    assert manager.cleanup() == 0, "an age of 0 is not more than 0"
    manager.files[paths[0]] = now
    manager.max_age = 1
    now += 1
    assert manager.cleanup() == 0
    now += 0.5
    assert manager.get_file_age(paths[0]) == 1.5
    assert manager.cleanup() == 3
    for path in paths:
        Path(path).touch()
        manager.register_file(path)
        manager.register_file(path)
    assert manager.clear_all() == 3
    assert manager.clear_all() == 0
    assert manager.files == {}


def test_files_may_be_assigned_and_updated_in_place(manager: TempFileManager, base: Path, clock: FakeClock) -> None:
    paths = [make(base, name) for name in "abc"]
    files = manager.files
    manager.files |= {paths[0]: clock.wall() - 101}  # type: ignore[operator]  # in memory it is a dict
    assert manager.files is files
    manager.files = {paths[1]: clock.wall() - 101, paths[2]: clock.wall()}
    assert manager.files == {paths[1]: clock.wall() - 101, paths[2]: clock.wall()}
    assert files == {paths[0]: clock.wall() - 101}
    assert manager.cleanup() == 1
    assert sorted(os.listdir(base)) == ["a", "c"]
    manager.files = manager.files
    assert list(manager.files) == [paths[2]]
    with pytest.raises(InvalidArgumentError):
        manager.files = {paths[0]: float("nan")}
    assert list(manager.files) == [paths[2]], "what cannot be recorded changes nothing"


def test_max_age_may_be_assigned(manager: TempFileManager, base: Path, clock: FakeClock) -> None:
    manager.register_file(make(base, "a"))
    clock.advance(10)
    assert manager.cleanup() == 0
    for bad in (-1, float("nan"), "soon"):
        with pytest.raises(ValueError, match="max_age"):
            manager.max_age = bad
    with pytest.raises(TypeError):
        manager.max_age = [9]  # type: ignore[assignment]  # on purpose
    assert manager.max_age == 100
    manager.max_age = "9s"
    assert manager.max_age == 9
    assert manager.cleanup() == 1


def test_log_lines_that_callers_grep_for(
    manager: TempFileManager, base: Path, clock: FakeClock, caplog: pytest.LogCaptureFixture
) -> None:
    logger = "aiecs.tools.temp_file_manager"
    caplog.set_level(logging.DEBUG, logger)
    path, stubborn = make(base, "a"), make(base, "b")
    manager.register_files([path, stubborn])
    os.remove(stubborn)
    os.mkdir(stubborn)
    assert manager.cleanup() == 0
    assert manager.clear_all() == 1
    manager.cleanup()
    lines = [(r.levelname, r.getMessage()) for r in caplog.records]
    assert {r.name for r in caplog.records} == {logger}
    assert lines[:2] == [
        ("DEBUG", f"Registered temporary file: {path}"),
        ("DEBUG", f"Registered temporary file: {stubborn}"),
    ]
    assert ("DEBUG", f"Removed temporary file: {path}") in lines
    (failed,) = [line for level, line in lines if level == "ERROR"]
    assert failed.startswith(f"Failed to remove temporary file {stubborn}: ")
    assert lines[4][0] == "INFO"
    assert lines[4][1].startswith("Cleaned up 1 temporary files")
    assert len(lines) == 5, "an idle sweep says nothing"


def test_from_env_and_from_settings(base: Path) -> None:
    manager = TempFileManager.from_env({"TEMP_FILE_BASE_DIR": str(base), "TEMP_FILE_MAX_AGE": "7"})
    assert (manager.base_dir, manager.max_age, base.is_dir()) == (str(base), 7, True)
    with pytest.raises(SettingsError, match="TEMP_FILE_MAX_AGE is 'x'"):
        TempFileManager.from_env({"TEMP_FILE_BASE_DIR": str(base), "TEMP_FILE_MAX_AGE": "x"})
    registry = MemoryRegistry()
    manager = TempFileManager.from_settings(Settings(base_dir=str(base), max_age=8), registry=registry)
    assert (manager.max_age, manager.registry) == (8, registry)


def test_a_manager_that_cannot_be(tmp_path: Path) -> None:
    file = make(tmp_path, "file")
    for where in (file, f"{file}/below"):
        with pytest.raises(OSError):
            TempFileManager(where)
    with pytest.raises(ValueError, match="NUL"):
        TempFileManager("a\0b")
    for age in (-1, float("nan")):
        with pytest.raises(ValueError, match="max_age"):
            TempFileManager(tmp_path, age)
    with pytest.raises(RegistryError, match="'nosuch'") as caught:
        TempFileManager(tmp_path, registry="nosuch://user:secret@host")
    assert "secret" not in str(caught.value)


def test_max_age_comes_from_the_settings_unless_it_is_given(tmp_path: Path) -> None:
    settings = Settings(max_age=86400)
    assert TempFileManager(tmp_path, settings=settings).max_age == 86400
    given = int("3600")
    assert TempFileManager(tmp_path, given, settings=settings).max_age == 3600
