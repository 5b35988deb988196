"""Limits against the real thing: a disk that fills, memory that runs out, inodes that do, processes that share."""

import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path

import pytest

from control_group import join, memory_group
from limited import limit
from patience import PATIENCE
from small_disk import fill, mounted, together
from temp_file_manager import Settings, TempFileManager
from temp_file_manager.jobs import limits_job
from temp_file_manager.limits import Limit, Measure

MIB = 1 << 20
"""Seconds; what comes by itself comes long before."""


def open_manager(base: Path, *limits: Limit, registry: str = "sqlite:") -> TempFileManager:
    return TempFileManager.from_settings(Settings(base_dir=str(base), max_age=1e6, limits=limits), registry=registry)


def until(said: Callable[[], bool]) -> bool:
    """Wait until something is so; say whether that came about."""
    end = time.monotonic() + PATIENCE
    while not said():
        if time.monotonic() > end:
            return False
        threading.Event().wait(0.002)
    return True


def look(manager: TempFileManager) -> None:
    job = limits_job(manager.context)
    assert job is not None
    job.work(lambda: False)


@pytest.fixture
def disk(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Path | None]:
    with mounted(tmp_path / "disk", getattr(request, "param", "size=8m")) as done:
        if not done:
            print(f"not tried: {request.node.name}, which takes the right to mount")
        yield tmp_path / "disk" if done else None


@pytest.mark.parametrize("disk", ["size=32m,nr_inodes=20000"], indirect=True)
def test_a_disk_that_writers_fill_is_never_full(disk: Path | None) -> None:
    """80 MB go through 32. The writer goes as fast as it can, but waits when half of what is to be free is used up."""
    if disk is None:
        return
    free = 8 * MIB
    with closing(open_manager(disk / "base", limit(Measure.FREE, free, free + 4 * MIB))) as manager:
        manager.start()
        for batch in range(200):
            paths = [disk / "base" / f"{batch:03}-{number:02}" for number in range(50)]
            for path in paths:
                path.write_bytes(bytes(8 << 10))
            manager.register_files(paths)
            if left(disk) < free / 2:
                assert until(lambda: left(disk) >= free)
        assert manager.registry.stats().counters["evicted"] > 6000
        manager.stop()


def test_what_is_written_after_it_was_put_on_record_counts(disk: Path | None) -> None:
    """Of a file that was empty when it was made, nothing but a look knows what it takes."""
    if disk is None:
        return
    with closing(open_manager(disk / "base", limit(Measure.FREE, MIB, 2 * MIB))) as manager:
        while left(disk) > MIB // 2:
            with manager.open() as file:
                file.write(bytes(MIB // 4))
        look(manager)
        assert 1.9 * MIB < left(disk) < 3 * MIB, "the registry lies there, too, and wrote after the last look"


def test_a_disk_without_a_byte_left(disk: Path | None) -> None:
    """The registry lies on it, too."""
    if disk is None:
        return
    with closing(open_manager(disk / "base", limit(Measure.FREE, MIB, 2 * MIB))) as manager:
        for _ in range(20):
            with manager.open() as file:
                file.write(bytes(MIB // 4))
        fill(disk)
        look(manager)
        assert left(disk) > 1.9 * MIB


@pytest.mark.parametrize("disk", ["size=32m,nr_inodes=300"], indirect=True)
def test_a_disk_that_takes_no_file_when_a_limit_is_first_set(disk: Path | None) -> None:
    """Not even the one by which others would see who evicts."""
    if disk is None:
        return
    with closing(open_manager(disk / "base")) as manager:
        for _ in range(60):
            os.close(manager.mkstemp()[0])
    for number in range(300):
        with suppress(OSError):
            (disk / str(number)).touch()
    assert os.statvfs(disk).f_favail == 0
    with closing(open_manager(disk / "base", limit(Measure.FREE_INODES, 5, 10))) as manager:
        assert manager.sweep().evicted > 0
        assert os.statvfs(disk).f_favail >= 10


def left(disk: Path) -> int:
    found = os.statvfs(disk)
    return found.f_bavail * found.f_frsize


def fill_memory(base: Path, group: Path, *limits: Limit) -> int:
    """Write 150 MiB in a child that may use 64 of memory; return how it ended, as ``waitpid`` says it."""
    child = os.fork()
    if child == 0:
        try:
            join(group)
            with closing(open_manager(base, *limits, registry="memory:")) as manager:
                for _ in range(150):
                    with manager.open() as file:
                        file.write(bytes(MIB))
                    if limits:
                        look(manager)
            os._exit(0)
        finally:
            os._exit(1)
    return os.waitpid(child, 0)[1]


@pytest.mark.parametrize("disk", ["size=200m"], indirect=True)
def test_memory_does_not_run_out(disk: Path | None) -> None:
    if disk is None:
        return
    with memory_group(64 * MIB) as group:
        if group is None:
            return
        assert os.WTERMSIG(fill_memory(disk / "without", group)) == signal.SIGKILL
        for file in (disk / "without").iterdir():
            if file.is_file():
                file.unlink()
        assert fill_memory(disk / "with", group, limit(Measure.MEMORY, 40 * MIB, 32 * MIB)) == 0


@pytest.fixture
def few_inodes(tmp_path: Path) -> Iterator[Path | None]:
    """A file system of 1,024 inodes."""
    image, point = tmp_path / "image", tmp_path / "few"
    point.mkdir()
    with image.open("wb") as file:
        file.truncate(32 * MIB)
    commands = (["mkfs.ext4", "-q", "-N", "1024", image], ["mount", "-o", "loop", image, point])
    try:
        done = all(subprocess.run(command, check=False, capture_output=True).returncode == 0 for command in commands)
    except FileNotFoundError:
        done = False
    if not done:
        print("not tried: a file system with few inodes, which takes mkfs.ext4 and the right to mount")
        yield None
        return
    try:
        yield point
    finally:
        subprocess.run(["umount", "-l", point], check=True)


def test_inodes_do_not_run_out(few_inodes: Path | None) -> None:
    if few_inodes is None:
        return
    with closing(open_manager(few_inodes / "base", limit(Measure.FREE_INODES, 200, 400))) as manager:
        for number in range(3000):
            os.close(manager.mkstemp()[0])
            if number % 100 == 0:
                look(manager)
        assert os.statvfs(few_inodes).f_favail > 100
        assert manager.registry.stats().counters["evicted"] > 2000


def test_what_others_fill_costs_nobody_a_file(few_inodes: Path | None, caplog: pytest.LogCaptureFixture) -> None:
    if few_inodes is None:
        return
    with closing(open_manager(few_inodes / "base", limit(Measure.FREE_INODES, 500, 600))) as manager:
        (few_inodes / "others").mkdir()
        for number in range(700):
            (few_inodes / "others" / str(number)).touch()
        for ttl in (*[None] * 50, *[0.0] * 5):
            os.close(manager.mkstemp(ttl=ttl)[0])
        manager.files.update(dict.fromkeys(list(manager.files)[:5], time.time() + 1e4))  # by a clock that is ahead
        look(manager)
        assert len(manager.files) == 50, "what is due goes all the same"
        (line,) = [message for message in caplog.messages if "is not met" in message]
        assert "all that may go would not do, so only what is quarantined or due goes: " in line
        assert "inodes not on record" in line
        manager.sweep()
        assert len(manager.files) == 50


def test_files_on_other_file_systems_go_for_none(few_inodes: Path | None, tmp_path: Path) -> None:
    if few_inodes is None:
        return
    with closing(open_manager(few_inodes / "base", limit(Measure.FREE_INODES, 500, 510))) as manager:
        (tmp_path / "elsewhere").touch()
        manager.register_file(tmp_path / "elsewhere")
        while os.statvfs(few_inodes).f_favail > 495:
            os.close(manager.mkstemp()[0])
        look(manager)
        assert os.statvfs(few_inodes).f_favail >= 510
        assert (tmp_path / "elsewhere").exists()


def test_eight_processes_overshoot_by_no_chunk(tmp_path: Path) -> None:
    """Each registers 300 files, and all keep the limit: it is kept, and at most 500 more than needed go."""
    mark, to = 1500, 1000

    def work(number: int) -> bool:
        with closing(open_manager(tmp_path / "base", limit(Measure.FILES, mark, to))) as manager:
            manager.start()
            for _ in range(300):
                os.close(manager.mkstemp()[0])
            kept = until(lambda: manager.registry.stats().records <= mark)
            manager.stop()
            return kept

    open_manager(tmp_path / "base", limit(Measure.FILES, mark, to)).sweep(allow_large=0)
    assert together(8, work) == [True] * 8
    with closing(open_manager(tmp_path / "base")) as manager:
        assert to - 500 <= len(manager.files) <= mark
