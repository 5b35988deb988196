"""A full disk, which is when sweeps are needed most: real ones of 4 MiB, and files that may not grow."""

import errno
import itertools
import multiprocessing
import os
import resource
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

import small_disk
from command_line import tfm
from patience import PATIENCE
from small_disk import (
    BLOCK,
    as_many_pages_as_it_likes,
    fill,
    fill_pages,
    make,
    manager_of,
    mount,
    no_more_pages,
    register_until_full,
    together,
    until_full,
)
from sqlite_files import claimed, over, own
from temp_file_manager import TempFileManager
from temp_file_manager.causes import Cause
from temp_file_manager.chunks import Other
from temp_file_manager.errors import RegistryError, RegistryFullError
from temp_file_manager.inspection.check import check
from temp_file_manager.records import NewFile, Selection, Status, TempFile
from temp_file_manager.registry import Settlement
from temp_file_manager.registry.sqlite.database import RESERVE
from temp_file_manager.registry.sqlite.errors import in_our_words, translated
from temp_file_manager.registry.sqlite.registry import SqliteRegistry
from temp_file_manager.storage.kernel import space
from temp_file_manager.storage.own_files import make_reserve
from temp_file_manager.testing import in_child, limited

ALL = Selection(1e10, 0, force=True)
disk = small_disk.disk


def known(manager: TempFileManager) -> dict[str, TempFile]:
    return manager.registry.get(list(manager.files))


class TestRegistering:
    def test_it_is_refused_and_loses_nothing(self, disk: Path | None) -> None:
        if disk is None:
            return
        manager = manager_of(disk)
        paths = make(disk, 60)
        manager.register_files(paths, ttl=1000, tags=("a", "b"))
        before = known(manager)
        fill(disk)
        more = make(disk, 120, 0)[60:]
        for turn in range(3):
            register_until_full(manager, more)
            for path in more:
                # Of what was recorded before the last pages were used up, all or nothing.
                manager.registry.get([path])
            assert {path: record for path, record in known(manager).items() if path in before} == before, turn
            assert len(manager.files) in (60, 120)
        manager.close()
        assert all(map(os.path.exists, paths))

    def test_it_works_again_when_there_is_room(self, disk: Path | None) -> None:
        """The same objects go on: an error leaves no transaction and no lock behind."""
        if disk is None:
            return
        manager = manager_of(disk)
        paths = make(disk, 60)
        manager.register_files(paths[:1])
        fill(disk)
        register_until_full(manager, paths)
        with pytest.raises(RegistryFullError):
            manager.files["/p/" + "n" * 200 * BLOCK] = 1.0
        assert not manager.lock.locked()
        (disk / "filler").unlink()
        assert manager.register_files(paths).registered == 60
        assert in_child(lambda: manager_of(disk).register_files(paths).registered) == 60
        assert len(manager.files) == 60
        assert check(manager.context) == ()

    def test_mkstemp_leaves_no_file_without_a_record(self, disk: Path | None) -> None:
        if disk is None:
            return
        manager = manager_of(disk)
        fd, path = manager.mkstemp()
        os.close(fd)
        made = [path]
        fill(disk)

        def one() -> None:
            fd, path = manager.mkstemp()
            os.close(fd)
            made.append(path)

        until_full(RegistryFullError, one)
        assert sorted(manager.files) == sorted(made)
        assert sorted(os.listdir(disk / "base")) == sorted([".temp-file-manager", *map(os.path.basename, made)])

    def test_a_new_registry_says_that_there_is_no_room(self, disk: Path | None) -> None:
        if disk is None:
            return
        (disk / "base").mkdir()
        fill(disk)
        with pytest.raises(RegistryFullError):
            manager_of(disk)
        (disk / "filler").unlink()
        assert len(manager_of(disk).files) == 0


class TestSweeping:
    def test_by_who_has_it_open(self, disk: Path | None) -> None:
        if disk is None:
            return
        manager = manager_of(disk)
        paths = make(disk, 120)
        manager.register_files(paths)
        fill(disk)
        register_until_full(manager, paths[:1])
        assert manager.clear_all() == 120
        assert os.listdir(disk / "files") == []
        assert len(manager.files) == manager.registry.stats().records == 0
        self.works_again(disk, manager)

    def test_by_a_new_process(self, disk: Path | None) -> None:
        """Opening the file takes some room: that of the reserve, which is made again when there is some."""
        if disk is None:
            return
        manager = manager_of(disk)
        manager.register_files(make(disk, 120))
        manager.close()
        reserve = disk / "base" / ".temp-file-manager" / "registry.db-reserve"
        assert reserve.stat().st_size == RESERVE
        fill(disk)
        assert in_child(lambda: manager_of(disk).clear_all()) == 120
        assert os.listdir(disk / "files") == []
        assert not reserve.exists()
        manager = manager_of(disk)
        assert len(manager.files) == 0
        assert reserve.stat().st_size == RESERVE
        self.works_again(disk, manager)

    def test_by_a_new_process_beside_one_that_has_it_open(self, disk: Path | None) -> None:
        if disk is None:
            return
        manager = manager_of(disk)
        manager.register_files(make(disk, 120))

        def child() -> list[int]:
            assert len(manager.files) == 120  # opened again, after the fork
            fill(disk)
            return [in_child(lambda: manager_of(disk).clear_all()), len(manager.files)]

        assert in_child(child) == [120, 0]
        self.works_again(disk, manager)

    def test_only_what_is_due(self, disk: Path | None) -> None:
        if disk is None:
            return
        manager = manager_of(disk)
        paths = make(disk, 120)
        manager.register_files(paths[:60])
        manager.register_files(paths[60:], ttl=0)
        fill(disk)
        assert manager.sweep().removed == 60
        assert sorted(manager.files) == paths[:60]
        assert all(map(os.path.exists, paths[:60]))
        assert check(manager.context) == ()

    def test_what_cannot_be_removed_is_tried_once(self, disk: Path | None) -> None:
        """Nor can it be put off, as that would have to be written."""
        if disk is None:
            return
        manager = manager_of(disk)
        paths = make(disk, 60, 0)
        manager.register_files(paths)
        for path in paths:
            os.remove(path)
            os.mkdir(path)
        manager.registry.replace([(path, 1.0) for path in paths])  # with what they were: of no identity
        fill(disk)
        report = manager.sweep(force=True)
        assert report.removed == 0
        assert report.replaced + report.failed + report.kept == 60
        assert all(map(os.path.isdir, paths))

    def test_empty_files_give_no_room_to_forget_them(self, disk: Path | None, caplog: pytest.LogCaptureFixture) -> None:
        """The sweep ends all the same, each file is removed once, and a later sweep forgets them."""
        if disk is None:
            return
        manager = manager_of(disk)
        paths = make(disk, 120, 0)
        manager.register_files(paths)
        fill(disk)
        register_until_full(manager, paths)
        report = manager.sweep(force=True)
        assert (report.removed, report.gone, report.failed) == (120, 0, 0)
        assert os.listdir(disk / "files") == []
        left = len(manager.files)
        assert left > 0, "there was room after all: this test no longer tries what it says"
        said = [record.getMessage() for record in caplog.records if "later sweep will forget" in record.getMessage()]
        assert sum(int(message.split()[1]) for message in said) == left
        report = manager.sweep(force=True)
        assert (report.removed, report.gone) == (0, 0), "what was removed is not looked for again"
        assert [finding.kind for finding in check(manager.context)] == ["record without a file"] * len(manager.files)
        (disk / "filler").unlink()
        assert manager.sweep(force=True).outcomes == ()
        assert len(manager.files) == 0
        counters = manager.registry.stats().counters
        assert (counters["removed"], counters.get("gone", 0)) == (120, 0)
        assert check(manager.context) == ()
        self.works_again(disk, manager)

    def test_empty_files_before_full_ones(self, disk: Path | None) -> None:
        """The sweep goes on to what makes room."""
        if disk is None:
            return
        manager = manager_of(disk)
        paths = make(disk, 100, 0)
        (full,) = (disk / "files" / "last",)
        full.write_bytes(bytes(64 * BLOCK))
        manager.register_files(paths)
        manager.register_file(full)
        fill(disk)
        assert manager.sweep(force=True).removed == 101
        assert os.listdir(disk / "files") == []
        manager.sweep(force=True)
        assert len(manager.files) == 0

    @pytest.mark.parametrize("size", [BLOCK, 0])
    def test_two_sweepers_remove_each_file_once(self, disk: Path | None, size: int) -> None:
        """And of empty ones, which cannot be forgotten, each finds what the other has removed, and ends."""
        if disk is None:
            return
        for _ in range(5):
            manager = manager_of(disk)
            manager.register_files(make(disk, 200, size))
            own = [disk / "own 0", disk / "own 1"]
            turn = multiprocessing.get_context("fork").Barrier(2)

            def sweep(number: int, own: list[Path] = own, turn: Any = turn) -> list[int]:
                sweeping = manager_of(disk)
                own[number].touch()
                sweeping.register_file(own[number])
                turn.wait(PATIENCE)
                if number == 0:
                    fill(disk)
                turn.wait(PATIENCE)
                report = sweeping.sweep(force=True)
                return [report.removed, report.failed, report.skipped] if size else [report.removed, report.failed, 0]

            reports = together(2, sweep)
            assert [sum(report[what] for report in reports) for what in range(3)] == [202, 0, 0], reports
            assert os.listdir(disk / "files") == []
            (disk / "filler").unlink()
            if not size:
                manager.sweep(force=True)
            assert len(manager.files) == 0
            manager.close()
        assert check(manager.context, fix=True) == () or check(manager.context) == ()

    def works_again(self, disk: Path, manager: TempFileManager) -> None:
        paths = make(disk, 10)
        assert manager.register_files(paths).registered == 10
        assert sorted(manager.files) == paths
        assert check(manager.context, fix=True) == () or check(manager.context) == ()
        assert manager.clear_all() == 10


class TestReadOnly:
    """A disk that may not be written to: what an administrator, or the kernel after an error, makes of it."""

    def test_the_registrys(self, disk: Path | None) -> None:
        if disk is None:
            return

        def register() -> int:
            return manager_of(disk).register_files(make(disk, 5)).registered

        assert in_child(register) == 5  # and ended: who has a file open for writing keeps it writable

        def opened() -> str:
            manager = manager_of(disk)
            there = known(manager)
            assert len(there) == 5, "it can be looked at"
            with pytest.raises(RegistryError) as caught:
                manager.register_file(next(iter(there)))
            return str(caught.value)

        before = {path.name for path in (disk / "base" / ".temp-file-manager").iterdir()}
        in_child(lambda: manager_of(disk).close())  # a clean end: SQLite's own files are gone
        assert mount("-o", "remount,ro", str(disk))
        message = in_child(opened)
        assert message.startswith(f"{disk}/base/.temp-file-manager/registry.db cannot be ")
        assert mount("-o", "remount,rw", str(disk))
        assert {path.name for path in (disk / "base" / ".temp-file-manager").iterdir()} <= before
        manager = manager_of(disk)
        assert len(known(manager)) == 5
        assert check(manager.context) == ()
        assert manager.clear_all() == 5

    def test_the_files(self, disk: Path | None, tmp_path: Path) -> None:
        if disk is None:
            return
        manager = TempFileManager(tmp_path / "base", registry="sqlite:")
        paths = make(disk, 5)
        manager.register_files(paths)
        before = known(manager)
        assert mount("-o", "remount,ro", str(disk))
        report = manager.sweep(force=True)
        assert (report.removed, report.failed) == (0, 5)
        assert all("Read-only file system" in outcome.reason for outcome in report.outcomes)
        assert all(os.path.exists(path) for path in paths)
        after = known(manager)
        assert {record.failures for record in after.values()} == {1}
        assert [record.registered_at for record in after.values()] == [r.registered_at for r in before.values()]
        assert check(manager.context) == ()
        assert mount("-o", "remount,rw", str(disk))
        assert manager.clear_all() == 5
        manager.close()


class TestAFileThatMayNotGrow:
    """What of it can be tried on any machine."""

    @pytest.fixture
    def registry(self, tmp_path: Path) -> Iterator[SqliteRegistry]:
        """A registry of 3000 records whose every page is in use, and which may not have another."""
        registry = SqliteRegistry(str(tmp_path / "r.db"), str(tmp_path))
        fill_pages(registry, self.files("/first", 6000))
        yield registry
        registry.close()

    def files(self, directory: str, count: int) -> list[NewFile]:
        return [(f"{directory}/{number:04}", None, None, ("tag",), None, None) for number in range(count)]

    def test_registering_is_refused_and_loses_nothing(self, registry: SqliteRegistry) -> None:
        paths = [file[0] for file in self.files("/first", 6000)]
        before = registry.get(paths)
        refused: list[Callable[[], object]] = [
            lambda: registry.add(self.files("/second", 1000), 2.0),
            lambda: registry.files.update({f"/third/{number}": 1.0 for number in range(1000)}),
            lambda: registry.add([("/fourth/" + "n" * BLOCK, None, None, (), None, None)], 2.0),
        ]
        for change in refused:
            with pytest.raises(RegistryFullError, match=r"the disk of .*r\.db is full: nothing of this call"):
                change()
            assert registry.get(paths) == before
        assert not [path for path in registry.files if path.startswith(("/second", "/fourth"))]
        assert len(registry.files) == len(list(registry.files)) == registry.stats().records

    def test_what_cannot_be_claimed_is_locked_and_settled(self, registry: SqliteRegistry, tmp_path: Path) -> None:
        """Nobody else takes it meanwhile, nor writes; then there is room, and all goes on."""
        claim = registry.claim(ALL, now=0, lease=60, limit=2000)
        assert (len(claim.records), claimed(registry)) == (2000, [])

        def other() -> list[object]:
            import sqlite3

            with closing(sqlite3.connect(tmp_path / "r.db", timeout=0, isolation_level=None)) as connection:
                with pytest.raises(sqlite3.OperationalError, match="locked"):
                    connection.execute("BEGIN IMMEDIATE")
                return [connection.execute("SELECT count(*) FROM files").fetchone()[0], registry.stats().records]

        answer: list[object] = []
        thread = threading.Thread(target=lambda: answer.extend(other()))  # reading waits for nobody
        thread.start()
        thread.join()
        assert answer == [3000, 3000]
        registry.settle(over(claim))
        assert registry.stats().records == len(list(registry.files)) == 1000
        registry.settle(over(claim))  # again: it has ended
        registry.add(self.files("/second", 100), 2.0)
        rest = registry.claim(ALL, now=0, lease=60, limit=2000)
        assert len(claimed(registry)) == 1100
        registry.settle(over(rest, Status.SKIPPED))
        assert registry.check(now=0, fix=False) == ()

    def test_what_was_locked_and_not_removed_stays(self, registry: SqliteRegistry) -> None:
        """When each is to be tried again takes a page. Without one, all stay on record, for a sweep that has room."""
        claim = registry.claim(ALL, now=0, lease=60, limit=2000)
        statuses = (Status.REMOVED, Status.SKIPPED, Status.FAILED, Status.KEPT)
        others = {number: Other(statuses[number % 4], Cause.ERROR) for number in range(2000) if number % 4}
        registry.settle(Settlement(claim, 2000, others, 1000.0))
        assert registry.stats().records == 3000
        as_many_pages_as_it_likes(registry)
        again = registry.claim(ALL, now=0, lease=60, limit=3000)
        assert len(again.records) == registry.stats().records == 2500
        assert [registry.stats().counters[name] for name in ("removed", "failed", "kept")] == [500, 500, 500]
        registry.settle(over(again, Status.SKIPPED))
        rest = registry.claim(Selection(1001.0, 0, patient=True), now=0, lease=60, limit=2500)
        assert len(rest.records) == 1500, "what has failed or was kept is left alone for a while"
        registry.settle(over(rest, Status.SKIPPED))

    def test_a_sweep_of_real_files(self, registry: SqliteRegistry, tmp_path: Path) -> None:
        manager = TempFileManager(tmp_path, registry=registry)
        gone = manager.sweep(force=True)
        assert (gone.retired, gone.failed) == (3000, 0)
        paths = make(tmp_path, 50, 0)
        assert manager.register_files(paths).registered == 50
        assert manager.sweep(force=True).removed == 50
        assert len(manager.files) == 0


@pytest.mark.parametrize("is_full", [True, False])
def test_a_file_that_cannot_be_made_on_a_full_disk_is_told_as_that(
    monkeypatch: pytest.MonkeyPatch, is_full: bool
) -> None:
    """Excludes code that blames permissions where the disk has no inode left, or a full disk where it is not."""
    monkeypatch.setattr(space, "is_full", lambda _: is_full)
    error = sqlite3.OperationalError("unable to open database file")
    error.sqlite_errorname = "SQLITE_CANTOPEN"
    assert isinstance(in_our_words("/s/r.db", error), RegistryFullError) is is_full


@pytest.mark.parametrize(
    ("name", "is_full"),
    [
        ("SQLITE_FULL", True),
        ("SQLITE_IOERR_WRITE", True),
        ("SQLITE_IOERR_FSYNC", True),
        ("SQLITE_IOERR_SHMSIZE", True),
        ("SQLITE_IOERR_READ", False),
        ("SQLITE_IOERR_SHORT_READ", False),
        ("SQLITE_CORRUPT", False),
    ],
)
def test_whatever_keeps_it_from_writing_is_a_full_disk(name: str, is_full: bool) -> None:
    """A quota, ``ulimit -f`` and a disk that fails: SQLite says of them only what it was doing."""
    error = sqlite3.OperationalError("disk I/O error")
    error.sqlite_errorname = name
    assert isinstance(in_our_words("/s/r.db", error), RegistryFullError) is is_full


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EACCES])
def test_so_is_what_keeps_its_files_from_being_made(number: int) -> None:
    with pytest.raises(RegistryError) as caught, translated("/s/r.db"):
        raise OSError(number, os.strerror(number))
    assert isinstance(caught.value, RegistryFullError) is (number != errno.EACCES)
    assert os.strerror(number) in str(caught.value)


@pytest.mark.parametrize("opened", ["before", "after"])
def test_a_limit_to_the_size_of_files_stops_no_sweep(tmp_path: Path, opened: str) -> None:
    """``ulimit -f``: the log may not grow, which is no full disk to SQLite."""

    def work() -> list[int]:
        manager = manager_of(tmp_path)
        manager.register_files(make(tmp_path, 300, 10))
        if opened == "after":
            manager.close()
        with limited(resource.RLIMIT_FSIZE, 40 * 1024):
            swept = manager_of(tmp_path) if opened == "after" else manager
            return [swept.sweep(force=True).removed, len(os.listdir(tmp_path / "files"))]

    assert in_child(work) == [300, 0]


class TestWithoutRoom:
    def test_a_replacement_that_fails_detaches_nothing(self, registry: SqliteRegistry) -> None:
        files = registry.files
        no_more_pages(registry)
        with pytest.raises(RegistryFullError):
            registry.replace([(f"/p/{number:0100}", 1.0) for number in range(5000)])
        assert list(files) == ["/p/a"]
        registry.forget(["/p/a"])
        assert list(files) == []

    def test_a_closed_one_can_be_swept(self, disk: Path | None) -> None:
        if disk is None:
            return
        manager = manager_of(disk)
        manager.register_files(make(disk, 60))
        manager.close()
        fill(disk)
        assert manager.clear_all() == 60

    def test_a_closed_one_can_be_read(self, disk: Path | None) -> None:
        if disk is None:
            return
        manager = manager_of(disk)
        manager.register_files(make(disk, 60))
        manager.close()
        fill(disk)
        assert len(list(manager.files)) == 60

    def test_the_reserve_leaves_room_for_records(self, disk: Path | None) -> None:
        if disk is None:
            return
        manager = manager_of(disk)
        manager.register_files(make(disk, 3, 0))
        manager.close()
        reserves = [own(disk) / f"registry.db-{end}" for end in ("reserve", "reserve-2")]
        assert [reserve.stat().st_size for reserve in reserves] == [RESERVE, RESERVE]
        for reserve in reserves:
            reserve.unlink()
        fill(disk, leave=2 * RESERVE)
        manager = manager_of(disk)
        assert [reserve.exists() for reserve in reserves] == [False, False]
        assert manager.register_files(make(disk, 5, 0)).registered == 5

    def test_a_reserve_is_whole_or_not_there(self, tmp_path: Path) -> None:
        """Also when the kernel takes a part of it without an error, as before the end of a quota."""

        def cut_short() -> None:
            with limited(resource.RLIMIT_FSIZE, RESERVE // 2):
                make_reserve(str(tmp_path / "reserve"), RESERVE)

        in_child(cut_short)
        assert os.listdir(tmp_path) == []
        make_reserve(str(tmp_path / "reserve"), RESERVE)
        assert (tmp_path / "reserve").stat().st_size == RESERVE

    @pytest.mark.parametrize("disk", ["size=8m,nr_inodes=200"], indirect=True)
    @pytest.mark.parametrize("opened", ["before", "after"])
    def test_of_inodes(self, disk: Path | None, opened: str) -> None:
        """There is room, but no file can be made: SQLite says neither that nor why."""
        if disk is None:
            return
        manager = manager_of(disk)
        manager.register_files(make(disk, 50))
        if opened == "after":
            manager.close()
        numbers = itertools.count()

        def take_one() -> None:
            (disk / f"filler {next(numbers)}").touch()

        until_full(OSError, take_one)
        assert os.statvfs(disk).f_favail == 0
        if opened == "after":
            manager = manager_of(disk)
        assert manager.clear_all() == 50

    def test_for_a_first_change(self, disk: Path | None) -> None:
        """Registering says so in our words, and reading needs none."""
        if disk is None:
            return
        paths = make(disk, 3, 0)
        assert in_child(lambda: manager_of(disk).register_files(paths[:2]).registered) == 2
        manager = manager_of(disk)
        assert len(manager.files) == 2
        fill(disk)
        with pytest.raises(RegistryFullError, match=r"the disk of .* is full"):
            manager.register_file(paths[2])
        assert list(manager.files) == paths[:2]
        listed = tfm("list", "--base-dir", str(disk / "base"))
        assert (listed.returncode, listed.stderr) == (0, "")
        assert [line.rpartition(" ")[2] for line in listed.stdout.splitlines()] == paths[:2]

    def test_on_a_disk_made_read_only_after_a_kill(self, disk: Path | None) -> None:
        """What can be read is read; what cannot be done is said in our words, and all is there later."""
        if disk is None:
            return
        paths = make(disk, 3, 0)
        assert in_child(lambda: manager_of(disk).register_files(paths).registered) == 3
        assert (own(disk) / "registry.db-wal").stat().st_size > 0
        assert mount("-o", "remount,ro", str(disk))
        with closing(manager_of(disk)) as manager:
            assert list(manager.files) == paths
            for change in (lambda: manager.register_files(paths), manager.clear_all):
                with pytest.raises(RegistryError, match=r"registry\.db cannot be used: .* it is mounted read-only"):
                    change()
        assert mount("-o", "remount,rw", str(disk))
        assert manager_of(disk).clear_all() == 3
