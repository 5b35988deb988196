"""Looks at registered files: what they measure, which are gone, and of which nothing can be told."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from mounts import mounted
from removing import removed
from temp_file_manager import TempFileManager
from temp_file_manager.causes import Cause
from temp_file_manager.records import Measured, Outcome, Status, TempFile
from temp_file_manager.settings import Settings
from temp_file_manager.storage.build import build_gone
from temp_file_manager.storage.measure import GONE, REPLACED, Gone, measure
from temp_file_manager.storage.wrappers import set_aside
from temp_file_manager.testing import FakeClock

NOW = 4e9
"""Seconds since the epoch; no file was used later."""


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[TempFileManager]:
    manager = TempFileManager(tmp_path / "base", registry="sqlite:")
    yield manager
    manager.close()


def registered(manager: TempFileManager, path: Path) -> TempFile:
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.is_symlink():
        path.touch()
    manager.register_file(path)
    return manager.registry.get([str(path)])[str(path)]


def look_at(*records: TempFile, asof: float = NOW) -> list[Measured | Gone | None]:
    return list(measure(records, asof))


def measured(*records: TempFile, asof: float = NOW) -> list[Measured]:
    answers = look_at(*records, asof=asof)
    assert all(isinstance(answer, Measured) for answer in answers), answers
    return [answer for answer in answers if isinstance(answer, Measured)]


def room(path: Path) -> int:
    found = os.lstat(path)
    return 512 * found.st_blocks // found.st_nlink


def test_what_files_take_on_the_disk_is_told(manager: TempFileManager, tmp_path: Path) -> None:
    """Excludes code that tells the length: of what has holes, of what has several names, of what has grown since."""
    grown, holes, name, other = (tmp_path / "files" / name for name in ("grown", "holes", "name", "other"))
    records = [registered(manager, path) for path in (grown, holes, name)]
    for path in (grown, name):
        path.write_bytes(b"x" * 100_000)
    with holes.open("r+b") as file:
        file.truncate(1 << 30)
    os.link(name, other)
    records.append(registered(manager, other))
    os.sync()  # some file systems give a file its blocks when they write it
    answers = measured(*records)
    assert [answer.record for answer in answers] == records
    assert [answer.disk for answer in answers] == [room(path) for path in (grown, holes, name, other)]
    assert answers[0].disk >= 100_000 > answers[2].disk == answers[3].disk
    assert answers[1].disk < 1 << 20


def test_of_a_link_the_link_is_looked_at(manager: TempFileManager, tmp_path: Path) -> None:
    """Excludes code that counts the file that a link leads to, which stays when the link goes."""
    target, link = tmp_path / "target", tmp_path / "link"
    target.write_bytes(b"x" * 100_000)
    link.symlink_to(target)
    record = registered(manager, link)
    assert [answer.disk for answer in measured(record)] == [room(link)]
    target.unlink()
    assert [answer.disk for answer in measured(record)] == [room(link)], "it is there, whatever becomes of the target"


@pytest.mark.parametrize(
    ("read", "written", "used"), [(5, 9, 9), (9, 5, 9), (-5, 9, 9), (-5, -9, None), (0, 0, None), (1e10, 5, "now")]
)
def test_a_use_is_the_later_of_reading_and_writing(
    manager: TempFileManager, tmp_path: Path, read: float, written: float, used: object
) -> None:
    """Excludes code that takes for a use what was before the registration, or what is yet to come."""
    record = registered(manager, tmp_path / "file")._replace(registered_at=1e9)
    os.utime(record.path, (1e9 + read, 1e9 + written))
    (answer,) = measured(record)
    assert answer.used_at == (NOW if used == "now" else None if used is None else 1e9 + int(str(used)))


def test_looking_moves_no_time(manager: TempFileManager, tmp_path: Path) -> None:
    record = registered(manager, tmp_path / "file")
    os.utime(record.path, (5, 9))
    before = os.stat(record.path)
    measured(record)
    after = os.stat(record.path)
    assert (after.st_atime_ns, after.st_mtime_ns, after.st_ctime_ns) == (
        5_000_000_000,
        9_000_000_000,
        before.st_ctime_ns,
    )


def test_what_has_left_its_directory_is_gone(manager: TempFileManager, tmp_path: Path) -> None:
    removed, moved = (registered(manager, tmp_path / name) for name in ("removed", "moved"))
    os.remove(removed.path)
    os.rename(moved.path, tmp_path / "elsewhere")
    assert look_at(removed, moved) == [GONE, GONE]


def test_another_file_in_its_place_is_not_measured(manager: TempFileManager, tmp_path: Path) -> None:
    """Excludes code that gives a record another file's size."""
    record = registered(manager, tmp_path / "file")
    (tmp_path / "other").write_bytes(b"x" * 100_000)
    os.rename(tmp_path / "other", record.path)
    assert look_at(record) == [REPLACED]


@pytest.mark.parametrize("replaced", [False, True])
def test_where_its_directory_is_not_the_one_nothing_is_told(
    manager: TempFileManager, tmp_path: Path, replaced: bool
) -> None:
    """Excludes code that takes files for gone that lie on what is not mounted, or was put elsewhere, just now."""
    record = registered(manager, tmp_path / "files" / "file")
    os.rename(tmp_path / "files", tmp_path / "elsewhere")
    if replaced:
        os.mkdir(tmp_path / "files")
        (tmp_path / "files" / "file").touch()
    assert look_at(record) == [None]


def test_of_what_is_mounted_over_nothing_is_told(manager: TempFileManager, tmp_path: Path) -> None:
    record = registered(manager, tmp_path / "files" / "file")
    with mounted(tmp_path / "files", ["mount", "-t", "tmpfs", "none", str(tmp_path / "files")]):
        assert look_at(record) == [None]
    assert len(measured(record)) == 1


def test_of_what_a_path_alone_says_nothing_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert look_at(TempFile(str(tmp_path / "file"), 0.0), TempFile("missing", 0.0)) == [None, None]


def test_of_what_may_not_be_looked_at_nothing_is_told(manager: TempFileManager, tmp_path: Path) -> None:
    """Excludes code that takes a look that fails for one that found nothing."""
    record = registered(manager, tmp_path / "files" / "file")
    shutil.rmtree(tmp_path / "files")
    os.symlink("files", tmp_path / "files")  # no directory that anybody could look into
    assert look_at(record) == [None]
    long = registered(manager, tmp_path / "short")._replace(path=f"{tmp_path}/{'n' * 256}")
    assert look_at(long) == [None]


# -- the storage that forgets what is gone, and removes nothing


def became(manager: TempFileManager, *records: TempFile) -> list[tuple[Status, Cause]]:
    """Have it work on records, as it has foretold; return what became of each."""
    storage = build_gone(Settings(), manager.base_dir, FakeClock())
    foretold = [outcome[1:3] for outcome in storage.predict(records)]
    outcomes: list[Outcome] = removed(storage, records)
    assert [outcome[1:3] for outcome in outcomes] == foretold
    return [(outcome.status, outcome.cause) for outcome in outcomes]


def test_it_notes_what_is_gone_and_leaves_whatever_is_there(manager: TempFileManager, tmp_path: Path) -> None:
    names = ("there", "gone", "replaced", "absent/file", "loop/file")
    records = [registered(manager, tmp_path / name) for name in names]
    os.remove(records[1].path)
    (tmp_path / "other").touch()
    os.rename(tmp_path / "other", records[2].path)
    os.rename(tmp_path / "absent", tmp_path / "elsewhere")
    os.mkdir(tmp_path / "absent")
    os.rename(tmp_path / "loop", tmp_path / "before")
    os.symlink("loop", tmp_path / "loop")
    path_alone = TempFile(str(tmp_path / "missing"), 0.0)
    assert became(manager, *records, path_alone) == [
        (Status.SKIPPED, Cause.NONE),
        (Status.GONE, Cause.GONE),
        (Status.SKIPPED, Cause.REPLACED),
        (Status.GONE, Cause.GONE),  # the same volume is mounted there: its directory was exchanged, and it is not in it
        (Status.SKIPPED, Cause.IDENTITY_UNKNOWN),  # nobody can look at it
        (Status.SKIPPED, Cause.IDENTITY_UNKNOWN),
    ]
    assert sorted(os.listdir(tmp_path)) == ["absent", "base", "before", "elsewhere", "loop", "replaced", "there"]


def test_what_was_rewritten_in_the_base_is_to_stay_on_record_as_it_is_now(manager: TempFileManager) -> None:
    record = registered(manager, Path(manager.base_dir) / "file")
    (Path(manager.base_dir) / "new").write_text("rewritten")
    os.rename(Path(manager.base_dir) / "new", record.path)
    assert look_at(record) == [REPLACED]
    (outcome,) = removed(build_gone(Settings(), manager.base_dir, FakeClock()), [record])
    assert (outcome.status, outcome.cause) == (Status.SKIPPED, Cause.REWRITTEN)
    assert outcome.found is not None
    assert (outcome.found.identity.inode, outcome.found.size) == (os.stat(record.path).st_ino, 9)


def test_it_forgets_nothing_that_was_registered_again_meanwhile(manager: TempFileManager, tmp_path: Path) -> None:
    record = registered(manager, tmp_path / "file")
    os.remove(record.path)
    storage = build_gone(Settings(), manager.base_dir, FakeClock())
    (outcome,) = removed(storage, [record], still=lambda _: False)
    assert (outcome.status, outcome.cause) == (Status.SKIPPED, Cause.CLAIM_ENDED)


def test_what_a_killed_sweep_had_set_aside_is_put_back_and_not_gone(
    manager: TempFileManager, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Excludes code that forgets the record of a file which only a later sweep would have put back: it would leak."""
    record = registered(manager, tmp_path / "files" / "file")
    pid = os.fork()
    if pid == 0:
        monkeypatch.setattr(set_aside, "same_file", lambda *_: os._exit(9))
        TempFileManager(manager.base_dir, registry="sqlite:", settings=Settings(paranoid=True)).clear_all()
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 9
    assert look_at(record) == [GONE]
    (outcome,) = removed(build_gone(Settings(), manager.base_dir, FakeClock()), [record])
    assert (outcome.status, outcome.cause) == (Status.SKIPPED, Cause.NONE)
    assert os.path.exists(record.path)
