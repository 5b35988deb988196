"""The log of changes, and the file systems where its index in shared memory would end the process on a full disk."""

import os
import shutil
import signal
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

import small_disk
from patience import PATIENCE
from small_disk import fill, make, manager_of, together
from sqlite_files import ALL, execute, new, over, own, registry_at
from temp_file_manager import TempFileManager
from temp_file_manager.errors import RegistryFullError
from temp_file_manager.registry.sqlite import write_ahead
from temp_file_manager.storage.kernel import mounts
from temp_file_manager.testing import in_child

disk = small_disk.disk


@pytest.fixture
def moving(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every file system is one that gives a written page a new place."""
    monkeypatch.setattr(mounts, "kind", lambda _: "btrfs")


def beside(place: Path) -> set[str]:
    return {path.name.partition("-")[2] for path in place.glob("r*.db-*")}


class TestFileSystems:
    @pytest.mark.parametrize(("kind", "mapped"), [("ext4", True), ("tmpfs", True), ("", True), ("btrfs", False)])
    def test_each_is_known(self, tmp_path: Path, kind: str, mapped: bool) -> None:
        assert write_ahead.may_be_mapped(str(tmp_path), kind) is mapped

    @pytest.mark.parametrize("inodes", [0, 1000])
    def test_an_overlay_is_what_its_upper_layer_is(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, inodes: int
    ) -> None:
        """Of which it tells the number of inodes; btrfs alone has none."""
        found = os.statvfs(tmp_path)
        monkeypatch.setattr(os, "statvfs", lambda _: os.statvfs_result((*found[:5], inodes, *found[6:])))
        assert write_ahead.may_be_mapped(str(tmp_path), "overlay") is (inodes > 0)
        assert write_ahead.may_be_mapped(str(tmp_path), "xfs")


@pytest.mark.usefixtures("moving")
class TestWithoutALog:
    def test_nothing_is_mapped(self, tmp_path: Path) -> None:
        with closing(registry_at(tmp_path / "r.db", tmp_path)) as registry:
            registry.add([new("/p/a")], 1.0)
            assert registry.stats().records == 1
            assert not beside(tmp_path) & {"wal", "shm"}
            assert f"{tmp_path}/" not in Path("/proc/self/maps").read_text()

    def test_processes_register_and_sweep_together(self, tmp_path: Path) -> None:
        def work(number: int) -> int:
            with closing(registry_at(tmp_path / "r.db", tmp_path)) as registry:
                for turn in range(10):
                    registry.add([new(f"/p/{number}/{turn}")], 1.0)
                    assert registry.get([f"/p/{number}/{turn}"])
                return number

        assert together(4, work) == [0, 1, 2, 3]
        with closing(registry_at(tmp_path / "r.db", tmp_path)) as registry:
            claim = registry.claim(ALL, now=0, lease=60, limit=99)
            assert len(claim.records) == 40
            registry.settle(over(claim))
            assert registry.check(now=0, fix=False) == ()

    def test_what_a_killed_process_was_writing_is_undone(self, tmp_path: Path) -> None:
        pid = os.fork()
        if not pid:
            registry = registry_at(tmp_path / "r.db", tmp_path)
            registry.add([new("/p/a")], 1.0)

            def work(connection: sqlite3.Connection) -> None:
                connection.execute("PRAGMA cache_size = 1")  # so that half of it is in the file already
                connection.execute("DELETE FROM files")
                connection.executemany("INSERT INTO totals VALUES (1, ?, 1)", ((str(n),) for n in range(9999)))
                os.kill(os.getpid(), signal.SIGKILL)

            registry.transactions.database.write(work)
        os.waitpid(pid, 0)
        assert (tmp_path / "r.db-journal").stat().st_size > 0
        with closing(registry_at(tmp_path / "r.db", tmp_path)) as registry:
            assert list(registry.files) == ["/p/a"]
            assert registry.check(now=0, fix=False) == ()

    def test_a_full_disk_is_swept(self, disk: Path | None) -> None:
        if disk is None:
            return
        manager = manager_of(disk)
        manager.register_files(make(disk, 60))
        fill(disk)
        assert manager.sweep(force=True).removed == 60
        manager.sweep(force=True)
        assert len(manager.files) == 0


class TestChanging:
    def test_a_file_that_was_moved_there_loses_its_log(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """One of an earlier version, or from another disk; also after a kill, when the log is full."""

        def killed() -> None:
            registry_at(tmp_path / "r.db", tmp_path).add([new("/p/a")], 1.0)

        in_child(killed)
        assert (tmp_path / "r.db-wal").stat().st_size > 0
        with monkeypatch.context() as patched:
            patched.setattr(mounts, "kind", lambda _: "btrfs")
            with closing(registry_at(tmp_path / "r.db", tmp_path)) as registry:
                assert list(registry.files) == ["/p/a"]
                assert not beside(tmp_path) & {"wal", "shm"}
        assert execute(tmp_path / "r.db", "PRAGMA journal_mode") == ("delete",)
        with closing(registry_at(tmp_path / "r.db", tmp_path)) as registry:
            assert list(registry.files) == ["/p/a"]
            assert beside(tmp_path) >= {"wal", "shm"}


class TestBtrfs:
    @pytest.fixture
    def btrfs(self, tmp_path: Path) -> Iterator[Path | None]:
        image, point = tmp_path / "image", tmp_path / "disk"
        point.mkdir()
        with image.open("wb") as file:
            file.truncate(128 << 20)
        made = shutil.which("mkfs.btrfs") and not subprocess.run(["mkfs.btrfs", "-q", image], check=False).returncode
        if not made or not small_disk.mount("-o", "loop", str(image), str(point)):
            print("not tried: a real btrfs, which takes mkfs.btrfs and the right to mount")
            yield None
            return
        try:
            yield point
        finally:
            subprocess.run(["umount", "-l", str(point)], check=True)

    def test_a_full_one_is_swept_and_kills_nobody(self, btrfs: Path | None) -> None:
        if btrfs is None:
            return

        def work() -> int:
            manager = TempFileManager(btrfs / "base", registry="sqlite:")
            paths = make(btrfs, 60, 20000)
            assert manager.register_files(paths).registered == 60
            self.fill(btrfs)
            removed = 0
            for _ in range(4):
                try:
                    manager.register_files(paths[-1:])
                except RegistryFullError:
                    removed += 0
                removed += manager.sweep(force=True, limit=5).removed
                os.sync()
            return removed

        assert in_child(work, timeout=PATIENCE) == 20
        assert not (own(btrfs) / "registry.db-shm").exists()

    def fill(self, place: Path) -> None:
        """Leave room for no page, and none for what the file system notes of files."""
        os.sync()
        for size in (1 << 20, 1 << 16, 4096):
            number = 0
            try:
                while True:
                    number += 1
                    with open(place / f"filler {size} {number}", "wb", buffering=0) as file:
                        file.write(os.urandom(size))
                        os.fsync(file.fileno())
            except OSError:
                os.sync()


def test_a_log_that_grew_beside_a_reader_gives_its_room_back(tmp_path: Path) -> None:
    with closing(registry_at(tmp_path / "r.db", tmp_path)) as registry:
        with closing(sqlite3.connect(tmp_path / "r.db", isolation_level=None)) as reader:
            reader.execute("BEGIN")
            reader.execute("SELECT count(*) FROM files").fetchone()
            for turn in range(30):
                registry.add([new(f"/p/{turn}/{number:0200}") for number in range(500)], 1.0)
            assert (tmp_path / "r.db-wal").stat().st_size > 8 * write_ahead.LOG_KEPT
        for number in range(3):
            registry.add([new(f"/p/{number}")], 1.0)
        assert (tmp_path / "r.db-wal").stat().st_size <= write_ahead.LOG_KEPT
