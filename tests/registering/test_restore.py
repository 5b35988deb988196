"""Restoring: what is in quarantine comes back to where it was, or to another place, and is on record anew."""

import json
import os
import stat
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from patience import PATIENCE
from quarantines import AGE, RULE, UNDO, away, contents, folder_of, made, on_record, quarantining, strays
from storage.test_quarantine import killed_at
from temp_file_manager import TempFileManager
from temp_file_manager.cli import main
from temp_file_manager.errors import InvalidArgumentError
from temp_file_manager.records import Kind, Selection
from temp_file_manager.registry.sqlite.registry import SqliteRegistry
from temp_file_manager.rules.rule import Rule
from temp_file_manager.storage.kernel import renames
from temp_file_manager.testing import FakeClock


@pytest.fixture
def manager(tmp_path: Path, clock: FakeClock) -> Iterator[TempFileManager]:
    manager = quarantining(tmp_path / "base", clock)
    yield manager
    manager.close()


@pytest.fixture
def file(manager: TempFileManager, clock: FakeClock, tmp_path: Path) -> Path:
    """The place of a file that is in quarantine."""
    (file,) = made(tmp_path / "data", "text")
    os.chmod(file, 0o640)
    manager.register_file(file, tags=["a", "b"])
    clock.advance(AGE + 1)
    assert manager.sweep().quarantined == 1
    return file


def test_it_is_back_as_it_was_and_its_age_begins_anew(manager: TempFileManager, file: Path, clock: FakeClock) -> None:
    registered = manager.registry.stats().counters["registered"]
    assert manager.restore(file) == str(file)
    assert (file.read_text(), stat.S_IMODE(file.stat().st_mode)) == ("text", 0o640)
    record = manager.status(file).record
    assert record is not None
    assert (record.registered_at, record.tags, record.kind, record.origin) == (clock.wall(), ("a", "b"), Kind.FILE, "")
    assert (away(manager), on_record(manager)) == ([], {str(file): Kind.FILE})
    counters = manager.registry.stats().counters
    assert (counters["restored"], counters["registered"] - registered) == (1, 1)
    assert manager.sweep().retired == 0
    clock.advance(AGE + 1)
    assert manager.sweep().quarantined == 1, "as any other file"
    assert manager.restore(file)


@pytest.mark.parametrize("rule", [RULE, Rule("idle", compress=AGE, age=9 * AGE)], ids=["quarantined", "compressed"])
def test_it_goes_with_no_block_unless_it_is_registered_again_there(
    tmp_path: Path, clock: FakeClock, rule: Rule
) -> None:
    """Not with that in which it was had back, nor with that in which it was registered first."""
    files = [path for path in made(tmp_path / "data", "back", "again", "gone") if path.write_text("text" * 9999)]
    for path in files:
        os.utime(path, (clock.wall(), clock.wall()))
    with quarantining(tmp_path / "base", clock, rule) as manager:
        manager.register_files(files)
        clock.advance(AGE + 1)
        manager.sweep()
        assert [path.exists() for path in files] == [False] * 3
        for path in files[:2]:
            manager.restore(path)
        clock.advance(1)
        manager.register_file(files[1])
    assert [path.exists() for path in files] == [True, False, False]


def test_a_sweep_at_it_keeps_nothing_else_from_going_with_the_block(tmp_path: Path, clock: FakeClock) -> None:
    back, gone = made(tmp_path / "data", "back", "gone")
    with quarantining(tmp_path / "base", clock) as manager, closing(other_of(manager)) as other:
        manager.register_file(back)
        clock.advance(AGE + 1)
        manager.sweep()
        manager.restore(back)
        manager.register_file(gone)
        due = Selection(clock.wall(), 0, force=True, only=tuple(manager.registry.get((str(back),)).values()))
        assert other.claim(due, now=clock.elapsed(), lease=60, limit=1).records
        manager.registry.patience = 0
    assert (back.exists(), gone.exists()) == (True, False)


def other_of(manager: TempFileManager) -> SqliteRegistry:
    """Return the registry of another process."""
    return SqliteRegistry(manager.registry.properties.files[0], manager.base_dir)


def test_by_its_own_path_in_quarantine(manager: TempFileManager, file: Path) -> None:
    (record,) = away(manager)
    assert manager.restore(record.path) == str(file)


def test_to_another_place(manager: TempFileManager, file: Path, tmp_path: Path) -> None:
    assert manager.restore(file, to=tmp_path / "other") == str(tmp_path / "other")
    assert ((tmp_path / "other").read_text(), file.exists()) == ("text", False)
    assert on_record(manager) == {str(tmp_path / "other"): Kind.FILE}


def test_the_last_that_was_there(manager: TempFileManager, file: Path, clock: FakeClock) -> None:
    file.write_text("later")
    manager.register_file(file)
    clock.advance(AGE + 1)
    manager.sweep()
    assert len(away(manager)) == 2
    manager.restore(file)
    assert file.read_text() == "later"
    file.unlink()
    manager.restore(file)
    assert file.read_text() == "text"


def test_a_record_whose_file_is_not_there_is_passed_over(
    manager: TempFileManager, file: Path, clock: FakeClock
) -> None:
    """A sweep that was killed before it could move the file leaves one."""
    file.write_text("later")
    manager.register_file(file)
    clock.advance(AGE + 1)
    manager.sweep()
    os.unlink(away(manager)[-1].path)
    manager.restore(file)
    assert file.read_text() == "text"


def test_nothing_is_overwritten(manager: TempFileManager, file: Path) -> None:
    file.write_text("new")
    manager.register_file(file)
    with pytest.raises(FileExistsError, match="something is in its place"):
        manager.restore(file)
    assert file.read_text() == "new"
    assert sorted(on_record(manager).values()) == [Kind.FILE, Kind.QUARANTINED]


def test_what_comes_into_its_place_at_that_moment_stays(
    manager: TempFileManager, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    move = renames.move

    def between(*how: object) -> None:
        file.write_text("new")
        move(*how)  # type: ignore[arg-type]  # passed on as they come

    monkeypatch.setattr(renames, "move", between)
    with pytest.raises(FileExistsError):
        manager.restore(file)
    assert file.read_text() == "new"
    assert list(on_record(manager).values()) == [Kind.QUARANTINED]


def test_a_directory_that_is_gone_is_said(manager: TempFileManager, file: Path, tmp_path: Path) -> None:
    file.parent.rmdir()
    with pytest.raises(FileNotFoundError):
        manager.restore(file)
    assert manager.restore(file, to=tmp_path / "saved") == str(tmp_path / "saved")


def test_what_is_not_in_quarantine_is_said(manager: TempFileManager, file: Path) -> None:
    (record,) = away(manager)
    for path in (file.with_name("other"), file.parent):
        with pytest.raises(InvalidArgumentError, match="in quarantine"):
            manager.restore(path)
    os.unlink(record.path)
    with pytest.raises(InvalidArgumentError, match="in quarantine"):
        manager.restore(file)


def test_a_file_that_is_on_record_is_not_in_quarantine(manager: TempFileManager, tmp_path: Path) -> None:
    (other,) = made(tmp_path / "data", "other")
    manager.register_file(other)
    with pytest.raises(InvalidArgumentError):
        manager.restore(other)


def test_another_file_in_the_folder_is_not_given_out(manager: TempFileManager, file: Path) -> None:
    (record,) = away(manager)
    os.unlink(record.path)
    Path(record.path).write_text("other")
    with pytest.raises(InvalidArgumentError, match="cannot be restored"):
        manager.restore(file)
    assert not file.exists()


def test_not_into_a_directory_of_our_own(manager: TempFileManager, file: Path, tmp_path: Path) -> None:
    with pytest.raises(InvalidArgumentError, match="of this package's own"):
        manager.restore(file, to=folder_of(tmp_path / "base") / "back")
    assert len(away(manager)) == 1


@pytest.mark.skipif(os.geteuid() != 0, reason="not tried: takes a file of another user's")
def test_anothers_file_goes_where_that_one_could_have_put_it(
    manager: TempFileManager, file: Path, tmp_path: Path
) -> None:
    """Whoever owned its directory could exchange it for a link to one of ours."""
    (record,) = away(manager)
    os.chown(record.path, 12345, -1)
    file.parent.rename(tmp_path / "moved")
    (tmp_path / "precious").mkdir(mode=0o755)
    file.parent.symlink_to(tmp_path / "precious")
    with pytest.raises(InvalidArgumentError, match="belongs to another user"):
        manager.restore(file)
    assert contents(tmp_path / "precious") == []
    os.chown(tmp_path / "precious", 12345, -1)
    assert manager.restore(file) == str(file)


def test_a_sweep_at_it_is_waited_for(manager: TempFileManager, file: Path, clock: FakeClock) -> None:
    """One that is removing it: what it removes cannot be had back, and what it leaves can."""
    clock.advance(UNDO + 1)
    begun, go_on = threading.Event(), threading.Event()
    unlink = os.unlink

    def slow(*args: object, **how: object) -> None:
        begun.set()
        assert go_on.wait(PATIENCE)
        unlink(*args, **how)  # type: ignore[arg-type]  # passed on as they come

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "unlink", slow)
        sweep = threading.Thread(target=manager.sweep)
        sweep.start()
        assert begun.wait(PATIENCE)
        answers: list[object] = []

        def restore() -> None:
            try:
                answers.append(manager.restore(file))
            except InvalidArgumentError as error:
                answers.append(type(error))

        restoring = threading.Thread(target=restore)
        restoring.start()
        go_on.set()
        restoring.join()
        sweep.join()
    assert answers == [InvalidArgumentError]
    assert (on_record(manager), file.exists()) == ({}, False)


STEPS: list[tuple[object, str]] = [(SqliteRegistry, name) for name in ("add", "keep", "forget", "release", "write")]


def test_killed_at_each_step_it_is_in_one_place_and_on_record_there(tmp_path: Path) -> None:
    step, killed = 0, True
    while killed:
        here = tmp_path / str(step)
        here.mkdir()
        clock = FakeClock()
        base, data = here / "base", here / "data"
        manager = quarantining(base, clock)
        (path,) = made(data, "text")
        manager.register_file(path)
        clock.advance(AGE + 1)
        manager.sweep()
        manager.registry.close()

        def work(base: Path = base, clock: FakeClock = clock, path: Path = path) -> None:
            quarantining(base, clock).restore(path)

        killed = killed_at(step, work, [*STEPS, (renames, "move")])
        manager = quarantining(base, clock)
        manager.sweep()
        there, kept = contents(data), contents(folder_of(base))
        assert there + kept == ["text"], step
        assert strays(manager) == set(), step
        known = on_record(manager)
        assert known[str(path) if there else away(manager)[0].path] is (Kind.FILE if there else Kind.QUARANTINED), step
        clock.advance(UNDO + 1)
        manager.sweep()
        if not there:
            assert on_record(manager) == {}, step
        manager.close()
        step += 1
    assert step > 10


def test_people_see_where_it_was(
    manager: TempFileManager, file: Path, clock: FakeClock, capsys: pytest.CaptureFixture[str]
) -> None:
    """In lists; and the counts tell of it apart."""
    command = ["--base-dir", manager.base_dir, "--registry", "sqlite:"]
    assert main(["list", *command]) == 0
    assert capsys.readouterr().out.endswith(f" {file} (quarantined)\n")
    assert main(["stats", *command]) == 0
    assert "quarantined" in (told := capsys.readouterr().out)
    assert f"{file} (quarantined)" in told
    assert "compressed" not in told
    assert main(["stats", "--json", *command]) == 0
    counted = json.loads(capsys.readouterr().out)
    (record,) = away(manager)
    assert counted["quarantined"] == {"files": 1, "bytes": record.room}
    assert counted["compressed"] == {"files": 0, "bytes": 0}
