"""What is not there: gone, or only not mounted; and files that neither a number nor a birth tells apart."""

import logging
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from mounts import mounted
from temp_file_manager import Outcome, TempFileManager
from temp_file_manager.causes import Cause
from temp_file_manager.storage import compare
from temp_file_manager.storage.identity import Examiner
from temp_file_manager.storage.kernel import mounts, statx, volumes
from temp_file_manager.storage.kernel.statx import HERE, listed_looker
from temp_file_manager.storage.kernel.volumes import has_ended, volume

KEPT = ("kept", "absent directory")


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[TempFileManager]:
    manager = TempFileManager(tmp_path / "base", registry="sqlite:")
    yield manager
    manager.close()


def registered(manager: TempFileManager, *paths: Path) -> None:
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("what was registered")
    assert manager.register_files(paths).registered == len(paths)


def swept(manager: TempFileManager) -> list[tuple[str, str]]:
    """Sweep, and return what became of each, which a dry run has foretold."""
    foretold = [outcome[1:] for outcome in manager.sweep(force=True, dry_run=True).outcomes]
    outcomes: list[Outcome] = list(manager.sweep(force=True).outcomes)
    assert [outcome[1:] for outcome in outcomes] == foretold
    return [(str(outcome.status), str(outcome.cause)) for outcome in outcomes]


# -- not mounted just now


def image(tmp_path: Path, *options: str) -> list[str]:
    """Make a disk, and return the command that mounts it, but for where."""
    file = tmp_path / "image"
    with file.open("wb") as disk:
        disk.truncate(16 << 20)
    subprocess.run(["mkfs.ext4", "-q", *options, str(file)], check=True)
    return ["mount", "-o", "loop", str(file)]


def test_what_lies_on_a_disk_that_is_not_mounted_is_not_gone(manager: TempFileManager, tmp_path: Path) -> None:
    """At the top of the disk, where the empty directory below is another one, and below it, where none is."""
    disk = tmp_path / "disk"
    disk.mkdir()
    command = [*image(tmp_path), str(disk)]
    with mounted(disk, command):
        registered(manager, disk / "top", disk / "cache" / "file")
    assert swept(manager) == [KEPT] * 2
    disk.rmdir()  # as a desktop does with what it mounts
    assert swept(manager) == [KEPT] * 2
    disk.mkdir()
    with mounted(disk, command):
        assert swept(manager) == [("removed", "")] * 2


def test_another_disk_in_its_place_proves_nothing(manager: TempFileManager, tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    with mounted(disk, ["mount", "-t", "tmpfs", "tmpfs", str(disk)]):
        registered(manager, disk / "top", disk / "cache" / "file")
    with mounted(disk, ["mount", "-t", "tmpfs", "tmpfs", str(disk)]):
        (disk / "cache").mkdir()
        assert swept(manager) == [KEPT] * 2


def test_nor_another_of_whose_directories_only_numbers_are_told(manager: TempFileManager, tmp_path: Path) -> None:
    """The top of every ext4 has the number 2."""
    disk = tmp_path / "disk"
    disk.mkdir()
    for name in ("one", "other"):
        (tmp_path / name).mkdir()
    one, other = (image(tmp_path / name, "-I", "128") for name in ("one", "other"))
    with mounted(disk, [*one, str(disk)]):
        registered(manager, disk / "top")
    with mounted(disk, [*other, str(disk)]):
        assert swept(manager) == [KEPT]
    with mounted(disk, [*one, str(disk)]):
        assert os.path.exists(disk / "top")


def test_nor_is_what_was_bound_there(manager: TempFileManager, tmp_path: Path) -> None:
    """It lies on the same disk as the directory that it was bound over."""
    place, bound = tmp_path / "place", tmp_path / "bound"
    place.mkdir()
    bound.mkdir()
    command = ["mount", "--bind", str(place), str(bound)]
    with mounted(bound, command):
        registered(manager, bound / "top", bound / "cache" / "file")
    assert swept(manager) == [KEPT] * 2
    with mounted(bound, command):
        assert swept(manager) == [("removed", "")] * 2


def test_nor_what_another_mount_namespace_has_at_the_same_path(manager: TempFileManager, tmp_path: Path) -> None:
    place = tmp_path / "place"
    place.mkdir()
    with mounted(place, ["mount", "-t", "tmpfs", "tmpfs", str(place)]):
        registered(manager, place / "file", place / "below" / "file")
        looks = f"{sys.executable} -m temp_file_manager sweep --base-dir {tmp_path / 'base'} --max-age 0 --json"
        # Whoever sweeps from a namespace of its own, in which that tmpfs is not.
        outside = f"umount {place} && {looks}"
        done = subprocess.run(["unshare", "-m", "sh", "-c", outside], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        assert len(manager.files) == 2
        assert swept(manager) == [("removed", "")] * 2


def test_what_was_mounted_while_it_was_looked_for_is_not_gone(
    manager: TempFileManager, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the look for its directory and that for the one above, which then tells of the wrong moment."""
    path = tmp_path / "place" / "file"
    registered(manager, path)
    opened = compare.open_directory

    def too_early(directory: bytes) -> int:
        return -1 if directory == os.fsencode(path.parent) else opened(directory)

    with monkeypatch.context() as patched:
        patched.setattr(compare, "open_directory", too_early)
        assert swept(manager) == [KEPT]
    assert swept(manager) == [("removed", "")]


# -- gone


@pytest.mark.parametrize("made_anew", [False, True])
def test_what_was_removed_with_its_directory_is_gone(manager: TempFileManager, tmp_path: Path, made_anew: bool) -> None:
    """As a job's folder is: its records must not stay for ever."""
    job = tmp_path / "jobs" / "1"
    registered(manager, job / "file", job / "deep" / "er" / "file")
    shutil.rmtree(job)
    if made_anew:
        job.mkdir()
    assert swept(manager) == [("gone", "gone")] * 2
    assert not manager.files


def test_so_is_what_was_on_a_mounted_disk(manager: TempFileManager, tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    with mounted(disk, ["mount", "-t", "tmpfs", "tmpfs", str(disk)]):
        registered(manager, disk / "job" / "file")
        shutil.rmtree(disk / "job")
        assert swept(manager) == [("gone", "gone")]


def test_memory_ends_with_the_machine(
    manager: TempFileManager, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What lay on a tmpfs before the machine was started again is gone for certain."""
    disk = tmp_path / "disk"
    disk.mkdir()
    with mounted(disk, ["mount", "-t", "tmpfs", "tmpfs", str(disk)]):
        registered(manager, disk / "top", disk / "cache" / "file")
    assert swept(manager) == [KEPT] * 2
    monkeypatch.setattr(volumes, "boot", lambda: 7)
    assert swept(manager) == [("gone", "gone")] * 2


def test_a_volume_is_the_same_by_each_path_and_at_each_depth(tmp_path: Path) -> None:
    look = listed_looker()
    deep = tmp_path / "a" / "b"
    deep.mkdir(parents=True)
    (tmp_path / "link").symlink_to(deep)
    names = [tmp_path, deep, tmp_path / "link"]
    found = {volume(look, HERE, os.fsencode(name) + b"/.") for name in names}
    opened = os.open(deep, os.O_RDONLY)
    try:
        found.add(volume(look, opened))
    finally:
        os.close(opened)
    assert len(found) == 1
    assert 0 not in found
    assert volume(look, HERE, os.fsencode(tmp_path / "missing")) == 0


def test_what_lasts_has_not_ended() -> None:
    assert not has_ended(0)
    assert not has_ended(1 << 62)
    boot = volumes.boot()
    assert not has_ended(-(boot << 31 | 5))
    assert has_ended(-((boot ^ 1) << 31 | 5))


# -- neither number nor birth


@contextmanager
def without_birth_times(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str) -> Iterator[Path]:
    place = tmp_path / "place"
    place.mkdir()
    if kind == "simulated":
        monkeypatch.setattr(statx, "BORN", 0)
        yield place
        return
    with mounted(place, [*image(tmp_path, "-I", "128"), str(place)]):
        yield place


@pytest.mark.parametrize("kind", ["simulated", "an old ext4"])
def test_a_handle_tells_files_apart_where_no_birth_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    """What ``mkstemp`` made and was written to goes; what has taken its place, by its number, stays."""
    with without_birth_times(tmp_path, monkeypatch, kind) as place:
        manager = TempFileManager(place / "base", registry="sqlite:")
        descriptor, path = manager.mkstemp()
        os.write(descriptor, b"data")
        os.close(descriptor)
        os.utime(path, (1, 1))
        assert swept(manager) == [("removed", "")]
        other = place / "file"
        registered(manager, other)
        before = os.stat(other).st_ino
        other.unlink()
        other.write_text("somebody else's")
        print("the same number again:", os.stat(other).st_ino == before)
        assert swept(manager) == [("replaced", "replaced")]
        assert other.read_text() == "somebody else's"
        manager.close()


@pytest.mark.parametrize("change", [lambda path: path.rename(path.parent / "away"), lambda path: path.unlink()])
def test_where_numbers_do_not_last_another_one_proves_nothing(
    manager: TempFileManager, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: Callable[[Path], object]
) -> None:
    """On FAT, or by FUSE: the same file has another number when it is mounted anew."""
    path = tmp_path / "place" / "file"
    registered(manager, path)
    monkeypatch.setattr(mounts, "NUMBERS_LAST", frozenset())
    os.link(path, tmp_path / "keeps the number taken")
    change(path)
    path.write_text("the same, or another")
    assert swept(manager) == [("kept", "identity unknown")]
    path.parent.rename(tmp_path / "moved")
    registered(manager, tmp_path / "other" / "file")
    (tmp_path / "other").rename(path.parent)
    assert ("kept", "identity unknown") in swept(manager)


def test_nor_does_another_handle(manager: TempFileManager, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """There a handle lasts no longer than the number; with number and change time alike it is the file."""
    path = tmp_path / "place" / "file"
    monkeypatch.setattr(statx, "BORN", 0)
    monkeypatch.setattr(mounts, "NUMBERS_LAST", frozenset())
    registered(manager, path)
    real = statx.marker
    monkeypatch.setattr(statx, "marker", lambda: lambda directory, name: real()(directory, name) - 1)
    assert swept(manager) == [("removed", "")]


def test_what_an_overlay_copies_up_is_not_replaced(manager: TempFileManager, tmp_path: Path) -> None:
    """It is born anew when it is first written to, and where the layers are two disks it has another number."""
    lower, upper, place = (tmp_path / name for name in ("lower", "upper", "place"))
    for directory in (lower, upper, place):
        directory.mkdir()
    (lower / "file").write_text("from the image")
    layers = f"lowerdir={lower},upperdir={upper}/up,workdir={upper}/work"
    with mounted(upper, ["mount", "-t", "tmpfs", "tmpfs", str(upper)]):
        (upper / "up").mkdir()
        (upper / "work").mkdir()
        with mounted(place, ["mount", "-t", "overlay", "overlay", "-o", layers, str(place)]):
            manager.register_file(place / "file")
            with (place / "file").open("a") as file:
                file.write(", and more")
            assert swept(manager)[0][0] in ("removed", "kept")
            assert len(manager.files) == (1 if (place / "file").exists() else 0)


# -- what is kept for good shows


def test_what_every_sweep_keeps_is_logged_once(
    manager: TempFileManager, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A line a cause and chunk, when a sweep first finds it; again when it has been right meanwhile, or is another."""
    paths = [tmp_path / "place" / name for name in ("one", "other")]
    registered(manager, *paths)
    moved = paths[0].parent.rename(tmp_path / "moved")
    shutil.copytree(moved, paths[0].parent)
    for _ in range(3):
        assert manager.sweep(force=True).kept == 2
    lines = [line for _, level, line in caplog.record_tuples if level == logging.WARNING]
    expected = f"Kept temporary file {paths[0]} and 1 others, as later sweeps will: its directory is another one than"
    assert [line.startswith(expected) for line in lines] == [True]
    record = manager.status(paths[0]).record
    assert record is not None
    assert record.kept_for == Cause.OTHER_DIRECTORY
    assert manager.context.registry.stats().counters["kept_unproven"] == 6


def test_the_size_decides_where_nothing_else_moved(tmp_path: Path) -> None:
    """Two files that came after each other within one tick, the second with the first one's number."""
    path = tmp_path / "file"
    path.write_text("four")
    found = Examiner().examine(str(path))
    assert found is not None
    seen = statx.looker()(HERE, os.fsencode(path))
    same = compare.same_file
    assert same(found.identity, seen, 4) is True
    assert same(found.identity, seen._replace(size=5), 4) is None
    assert same(found.identity, seen._replace(size=5), None) is True
    assert same(found.identity, seen._replace(size=5), 0) is True, "it was registered before it was written to"
    assert same(found.identity, seen._replace(size=5, changed=seen.changed + 1), 4) is True
