"""What was registered goes, the rest stays: files replaced, linked, changed and moved, also while a sweep looks."""

import ctypes
import errno
import os
import socket
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from temp_file_manager import SweepReport, TempFileManager
from temp_file_manager.causes import sentence
from temp_file_manager.chunks import place_of
from temp_file_manager.records import NOTHING, Identity, Status, TempFile
from temp_file_manager.storage import compare, identity
from temp_file_manager.storage.compare import Directories
from temp_file_manager.storage.contract import NotThatFile
from temp_file_manager.storage.identity import Examiner, same_file
from temp_file_manager.storage.kernel.statx import HERE, Look, Seen, look_by_stat, looker
from temp_file_manager.testing import NOW

CLEANUPS = 3000
FILES = 500  # enough for the renamer to get its turn on a busy machine


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[TempFileManager]:
    manager = TempFileManager(tmp_path / "base", registry="sqlite:")
    yield manager
    manager.close()


@pytest.fixture
def place(tmp_path: Path) -> Path:
    place = tmp_path / "place"
    place.mkdir()
    return place


@pytest.fixture
def file(manager: TempFileManager, place: Path) -> Path:
    path = place / "file"
    path.write_text("what was registered")
    manager.register_file(path)
    return path


def swept(manager: TempFileManager) -> str:
    """Sweep the one record there is, and return what became of it: the same as a dry run foretells."""
    planned = manager.sweep(force=True, dry_run=True)
    report = manager.sweep(force=True)
    (foretold,), (outcome,) = planned.outcomes, report.outcomes
    assert foretold[1:] == outcome[1:]
    assert len(manager.files) == (0 if outcome.retired else 1)
    return str(outcome.status)


# -- what changes a file and leaves it the same


def append(path: Path) -> None:
    with path.open("a") as file:
        file.write("more")


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(append, id="appended to"),
        pytest.param(lambda path: path.write_text(""), id="emptied"),
        pytest.param(lambda path: path.chmod(0o400), id="chmodded"),
        pytest.param(lambda path: os.utime(path, (1, 1)), id="dated back"),
        pytest.param(lambda path: os.link(path, path.parent / "other name"), id="hard-linked"),
    ],
)
def test_a_changed_file_is_still_that_file(
    manager: TempFileManager, file: Path, change: Callable[[Path], object]
) -> None:
    change(file)
    assert swept(manager) == "removed"
    assert [path.name for path in file.parent.iterdir()] in ([], ["other name"])


def test_a_file_renamed_and_back_is_still_that_file(manager: TempFileManager, file: Path) -> None:
    file.rename(file.parent / "elsewhere").rename(file)
    assert swept(manager) == "removed"


# -- what is another file


def in_its_place(path: Path, kind: str) -> None:
    path.unlink()
    if kind == "file":
        path.write_text("somebody else's")
    elif kind == "link":
        (path.parent / "target").write_text("somebody else's")
        path.symlink_to(path.parent / "target")
    elif kind == "directory":
        path.mkdir()
    elif kind == "pipe":
        os.mkfifo(path)
    elif kind == "socket":
        with socket.socket(socket.AF_UNIX) as listening:
            listening.bind(str(path))


@pytest.mark.parametrize("kind", ["file", "link", "directory", "pipe", "socket"])
def test_what_was_put_in_its_place_stays(
    manager: TempFileManager, file: Path, kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    os.link(file, file.parent / "keeps the inode taken")  # or the new file may be given its number
    in_its_place(file, kind)
    before = os.lstat(file)
    assert swept(manager) == "replaced"
    assert os.lstat(file) == before
    assert f"Forgot temporary file {file}: replaced" in caplog.text


def test_a_file_renamed_over_it_stays(manager: TempFileManager, file: Path) -> None:
    """As every program does that saves by way of a new file."""
    new = file.parent / "new"
    new.write_text("somebody else's")
    new.rename(file)
    assert swept(manager) == "replaced"
    assert file.read_text() == "somebody else's"


def test_an_inode_number_used_again_is_told_by_the_birth_time(
    manager: TempFileManager, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whether the file system does so at once is its own affair; here the number is made to be the same."""
    known = manager.status(file).record
    assert known is not None
    assert known.identity is not None
    if not known.identity.born:
        print("not tried: this file system tells no birth times")
        return
    os.link(file, file.parent / "keeps the inode taken")
    in_its_place(file, "file")
    look = looker()

    def with_that_number(directory: int, name: bytes) -> Seen:
        seen = look(directory, name)
        return seen._replace(inode=known.identity.inode) if name == b"file" else seen  # type: ignore[union-attr]

    monkeypatch.setattr(compare, "looker", lambda: with_that_number)
    assert swept(manager) == "replaced"
    assert file.read_text() == "somebody else's"


def test_registering_what_was_put_in_its_place_makes_it_ours(manager: TempFileManager, file: Path) -> None:
    in_its_place(file, "file")
    manager.register_file(file)
    assert swept(manager) == "removed"


# -- links


def test_of_a_registered_link_only_the_link_goes(manager: TempFileManager, place: Path) -> None:
    target, link = place / "target", place / "link"
    target.write_text("stays")
    link.symlink_to(target)
    manager.register_file(link)
    assert swept(manager) == "removed"
    assert (target.read_text(), link.is_symlink()) == ("stays", False)


def test_links_above_go_on_working(manager: TempFileManager, place: Path) -> None:
    """As ``/var/run`` is one, and many a base directory."""
    (place / "real" / "deep").mkdir(parents=True)
    (place / "alias").symlink_to("real")
    path = place / "alias" / "deep" / "file"
    path.write_text("x")
    manager.register_file(path)
    assert swept(manager) == "removed"
    assert list((place / "real" / "deep").iterdir()) == []


# -- what moves


def test_a_file_moved_away_is_gone_from_where_it_was(manager: TempFileManager, file: Path) -> None:
    moved = file.rename(file.parent.parent / "moved")
    assert swept(manager) == "gone"
    assert moved.read_text() == "what was registered"


def test_a_directory_moved_away_takes_its_files_along(manager: TempFileManager, file: Path) -> None:
    moved = file.parent.rename(file.parent.parent / "moved")
    assert swept(manager) == "gone"
    assert (moved / "file").read_text() == "what was registered"


@pytest.mark.parametrize("link", [False, True])
def test_what_lies_in_another_directory_stays(manager: TempFileManager, file: Path, link: bool) -> None:
    """And the record is kept: its directory may come back, as it does under a renamer."""
    directory = file.parent
    moved = directory.rename(directory.parent / "moved")
    victims = directory.parent / "victims" if link else directory
    victims.mkdir()
    (victims / "file").write_text("somebody else's")
    if link:
        directory.symlink_to(victims)
    assert swept(manager) == "kept"
    assert (directory / "file").read_text() == "somebody else's"
    if link:
        directory.unlink()
    else:
        directory.rename(directory.parent / "aside")
    moved.rename(directory)
    assert swept(manager) == "removed"


def test_a_directory_made_anew_without_the_file_has_lost_it(manager: TempFileManager, file: Path) -> None:
    file.unlink()
    file.parent.rmdir()
    file.parent.mkdir()
    assert swept(manager) == "gone"


RENAMER = """
import ctypes, sys
swap = ctypes.CDLL(None).renameat2
one, other = (name.encode() for name in sys.argv[1:])
print("swapping", flush=True)
while True:
    for _ in range(1000):
        swap(-100, one, -100, other, 2)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="renameat2 is Linux's")
def test_a_renamer_that_swaps_the_directory_with_a_link_harms_nobody(manager: TempFileManager, tmp_path: Path) -> None:
    """RENAME_EXCHANGE in a loop: half a million swaps a second or more, with no moment in which either is missing."""
    mine, victims, link = tmp_path / "mine", tmp_path / "victims", tmp_path / "link"
    for directory in (mine, victims):
        directory.mkdir()
        for number in range(FILES):
            (directory / str(number)).write_text(directory.name)
    link.symlink_to(victims)
    manager.register_files([mine / str(number) for number in range(FILES)])
    renamer = subprocess.Popen([sys.executable, "-c", RENAMER, str(mine), str(link)], stdout=subprocess.PIPE)
    kept = 0
    try:
        assert renamer.stdout is not None
        renamer.stdout.readline()
        for _ in range(CLEANUPS):
            report = manager.sweep(force=True, limit=1)
            assert report.replaced == report.gone == 0, "a file that comes back is not forgotten"
            kept += report.kept
    finally:
        renamer.kill()
        renamer.communicate()
    assert kept, "the renamer was never seen: this test tries nothing"
    assert len(list(victims.iterdir())) == FILES
    assert {path.read_text() for path in victims.iterdir()} == {"victims"}
    if mine.is_symlink():
        swap(mine, link)
    manager.clear_all()
    assert (len(manager.files), os.listdir(mine)) == (0, [])


def swap(one: Path, other: Path) -> None:
    assert ctypes.CDLL(None).renameat2(HERE, os.fsencode(one), HERE, os.fsencode(other), 2) == 0


# -- what nothing can tell


def test_without_birth_times_a_changed_file_is_kept(
    manager: TempFileManager, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = looker

    def without_birth_times() -> Look:
        look = real()
        return lambda directory, name: look(directory, name)._replace(born=0)

    monkeypatch.setattr(identity, "looker", without_birth_times)
    monkeypatch.setattr(compare, "looker", without_birth_times)
    path = place / "file"
    path.write_text("x")
    manager.register_file(path)
    os.chmod(path, 0o600)
    assert swept(manager) == "kept"
    manager.register_file(path)
    assert swept(manager) == "removed"


@pytest.mark.parametrize(
    ("born", "changed", "expected"),
    [(5, 7, True), (5, 8, True), (6, 7, False), (0, 7, True), (0, 8, None)],
)
def test_a_birth_time_decides_and_without_one_the_change_time(born: int, changed: int, expected: bool | None) -> None:
    known = Identity(inode=1, born=5, changed=7, parent_inode=2, parent_born=3)
    assert same_file(known, Seen(mode=0, inode=1, size=0, born=born, changed=changed)) is expected
    assert same_file(known, Seen(mode=0, inode=9, size=0, born=born, changed=changed)) is False


# -- what the kernel says


@pytest.mark.parametrize("kind", ["file", "link", "directory", "pipe", "socket"])
def test_both_ways_of_looking_see_the_same(place: Path, kind: str) -> None:
    path = place / "file"
    path.touch()
    in_its_place(path, kind)
    found = os.lstat(path)
    directory = os.open(place, os.O_RDONLY)
    try:
        for look in (looker(), look_by_stat):
            for seen in (look(HERE, os.fsencode(path)), look(directory, b"file")):
                assert seen._replace(born=0) == (
                    *(found.st_mode, found.st_ino, found.st_size, 0, found.st_ctime_ns, found.st_uid),
                    512 * found.st_blocks // found.st_nlink,
                )
            with pytest.raises(FileNotFoundError):
                look(directory, b"missing")
    finally:
        os.close(directory)


@pytest.mark.parametrize("kind", ["link", "directory", "pipe", "socket"])
def test_only_regular_files_and_links_to_them_are_found(place: Path, kind: str) -> None:
    path = place / "file"
    path.touch()
    assert Examiner().examine(str(path)) is not None
    in_its_place(path, kind)
    assert (Examiner().examine(str(path)) is not None) is (kind == "link")
    for missing in (place / "missing", place / "file" / "below", place / "nul\0"):
        assert Examiner().examine(str(missing)) is None


def test_what_cannot_be_looked_at_is_refused_with_the_cause(
    manager: TempFileManager, file: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Excludes code that calls every file that a disk or a filter of system calls keeps from it no regular file."""

    def fail(*_: object) -> Seen:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(identity, "looker", lambda: fail)
    report = manager.register_files([file])
    assert report.refused == ((str(file), os.strerror(errno.EIO)),)
    assert f"({os.strerror(errno.EIO)})" in caplog.text


def test_a_nul_does_not_cut_a_name_short(manager: TempFileManager, file: Path) -> None:
    report = manager.register_files([f"{file}\0more"])
    assert (report.registered, report.refused[0][1]) == (0, "the path holds a NUL character")


def test_the_report_counts_what_was_replaced_and_kept(manager: TempFileManager, file: Path) -> None:
    in_its_place(file, "directory")
    report = manager.sweep(force=True)
    assert isinstance(report, SweepReport)
    assert (report.replaced, report.retired, report.kept, report.removed) == (1, 0, 0, 0)
    assert stat.S_ISDIR(os.lstat(file).st_mode)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"parent_inode": 1}, "its directory is another one than when it was registered"),
        ({"born": 0, "changed": 1}, "nothing can tell whether it is the file that was registered"),
    ],
)
def test_what_is_kept_says_why(tmp_path: Path, changes: dict[str, int], reason: str) -> None:
    """Excludes code that keeps a file and tells its user something else than the reason."""
    path = tmp_path / "file"
    path.write_text("x")
    found = Examiner().examine(str(path))
    assert found
    record = TempFile(str(path), NOW, identity=found.identity._replace(**changes))
    with Directories() as directories, pytest.raises(NotThatFile) as raised:
        directories.compared(place_of(record))
    assert (raised.value.other.status, sentence(raised.value.other.cause)) == (Status.KEPT, reason)


def test_nothing_is_taken_for_no_file() -> None:
    """Excludes code that gives what was not there a number that a file can have: 1 is the root of a tmpfs."""
    assert Identity(0, 0, 0, 0, 0) == NOTHING
    assert same_file(NOTHING, Seen(0o100600, 1, 0, 0, 0)) is False
