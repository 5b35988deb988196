"""Directories on record as a whole: which can be, in sessions and when they are made, and what they are measured at."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from mounts import mounted
from temp_file_manager import TempFileManager
from temp_file_manager.limits import Limit, Mark, Measure
from temp_file_manager.records import Kind, Measured, Order
from temp_file_manager.settings import Settings
from temp_file_manager.storage.measure import measure
from temp_file_manager.testing import FakeClock
from units import AGE


@pytest.fixture
def clock() -> FakeClock:
    """A clock that begins now: the times of files are the machine's."""
    return FakeClock(time.time())


@pytest.fixture
def manager(tmp_path: Path, clock: FakeClock) -> Iterator[TempFileManager]:
    with closing(TempFileManager(tmp_path / "base", AGE, registry="sqlite:", clock=clock)) as manager:
        yield manager


def disk(directory: Path | str) -> int:
    """Return what ``du`` says that a directory takes, in bytes."""
    done = subprocess.run(["du", "-s", "-B1", directory], check=True, capture_output=True, text=True)
    return int(done.stdout.split()[0])


class TestWhichCanBe:
    """Those in the base that nobody else can change, and that hold nothing of another's."""

    def test_one_is_put_on_record(self, manager: TempFileManager) -> None:
        unit = Path(manager.base_dir, "job")
        unit.mkdir()
        (unit / "file").write_bytes(bytes(10_000))
        manager.register_directory(unit, ttl=50, tags=("jobs",))
        record = manager.status(unit).record
        assert record is not None
        assert (record.kind, record.tags, record.size, record.disk) == (Kind.UNIT, ("jobs",), None, disk(unit))
        assert record.due_at == pytest.approx(record.registered_at + 50)

    @pytest.mark.parametrize(
        ("name", "words"),
        [
            (".", "holds, the base directory"),
            ("..", "holds, the base directory"),
            ("../beside", "lies outside"),
            (".temp-file-manager", "own files"),
            ("link", "a link"),
            ("file", "no directory"),
            ("open", "all users may change"),
            ("base", "is a base directory"),
        ],
    )
    def test_others_are_refused(self, manager: TempFileManager, name: str, words: str) -> None:
        base = Path(manager.base_dir)
        (base.parent / "beside").mkdir()
        (base / "link").symlink_to(base.parent / "beside")
        (base / "file").touch()
        (base / "open").mkdir()
        (base / "open").chmod(0o777)
        (base / "base/in/.temp-file-manager").mkdir(parents=True)
        with pytest.raises(ValueError, match=words):
            manager.register_directory(base / name)
        assert dict(manager.files) == {}

    def test_what_is_not_there(self, manager: TempFileManager) -> None:
        with pytest.raises(FileNotFoundError):
            manager.register_directory(Path(manager.base_dir, "none"))

    @pytest.mark.parametrize("place", [".", "in"])
    def test_what_is_mounted_or_something_is_mounted_in(self, manager: TempFileManager, place: str) -> None:
        unit = Path(manager.base_dir, "unit")
        (unit / "in").mkdir(parents=True)
        where = unit / place
        with (
            mounted(where, ["mount", "-t", "tmpfs", "none", str(where)]),
            pytest.raises(ValueError, match="something is mounted"),
        ):
            manager.register_directory(unit)

    def test_not_in_memory(self, tmp_path: Path) -> None:
        manager = TempFileManager(tmp_path)
        (tmp_path / "unit").mkdir()
        with pytest.raises(ValueError, match="records in memory do not say which directory"):
            manager.register_directory(tmp_path / "unit")
        with pytest.raises(ValueError, match="records in memory"):
            manager.mkdtemp(unit=True)
        assert os.listdir(tmp_path) == ["unit"], "what cannot be on record is not left behind"

    def test_not_where_content_is_to_be_destroyed(self, tmp_path: Path) -> None:
        settings = Settings(base_dir=str(tmp_path / "base"), registry="sqlite:", secure_delete=True)
        with (
            closing(TempFileManager.from_settings(settings)) as manager,
            pytest.raises(ValueError, match="secure_delete overwrites"),
        ):
            manager.mkdtemp(unit=True)


class TestMade:
    """Directories that are made as units."""

    def test_they_go_with_all_that_is_in_them(self, manager: TempFileManager, clock: FakeClock) -> None:
        made = manager.mkdtemp("-x", "job-", unit=True, ttl=50)
        assert os.path.basename(made).startswith("job-")
        assert os.stat(made).st_mode & 0o777 == 0o700
        Path(made, "file").touch()
        clock.advance(200)
        assert manager.cleanup() == 1
        assert not os.path.exists(made)

    def test_those_that_are_not_stay_as_they_were(self, manager: TempFileManager, clock: FakeClock) -> None:
        made = manager.mkdtemp()
        Path(made, "file").touch()
        clock.advance(10 * AGE)
        assert manager.cleanup() == 0
        assert os.path.exists(made)

    def test_leaving_a_managers_block_removes_them(self, tmp_path: Path) -> None:
        with TempFileManager(tmp_path / "base", registry="sqlite:") as manager:
            made = manager.mkdtemp(unit=True)
            Path(made, "file").touch()
        assert not os.path.exists(made)


class TestSession:
    """Units of a session go when it ends."""

    def test_with_links_sockets_and_pipes(self, manager: TempFileManager) -> None:
        with manager.session() as session:
            made = session.mkdtemp(unit=True)
            Path(made, "link").symlink_to(made)
            os.mkfifo(f"{made}/pipe")
            with closing(socket.socket(socket.AF_UNIX)) as listening:
                listening.bind(f"{made}/socket")
            manager.context.clock.wall()
            assert manager.sweep(force=False).retired == 0
            other = Path(manager.base_dir, "other")
            other.mkdir()
            session.register_directory(other)
        assert not os.path.exists(made)
        assert not other.exists()
        assert dict(manager.files) == {}

    def test_whose_process_was_killed(self, manager: TempFileManager) -> None:
        program = (
            "import os, sys; from temp_file_manager import TempFileManager\n"
            "session = TempFileManager(sys.argv[1], registry='sqlite:').session()\n"
            "made = session.mkdtemp(unit=True); open(made + '/file', 'w').close(); print(made, flush=True)\n"
            "os.kill(os.getpid(), 9)"
        )
        command = [sys.executable, "-c", program, manager.base_dir]
        made = subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()
        assert os.path.exists(f"{made}/file")
        assert manager.sweep(protect_open=True).removed == 1, "whatever is new in it"
        assert not os.path.exists(made)


class TestMeasured:
    """What units take, and when they were last changed."""

    def test_all_of_it(self, manager: TempFileManager, clock: FakeClock) -> None:
        clock.set(wall=time.time() - 50)
        made = Path(manager.mkdtemp(unit=True))
        (made / "deep").mkdir()
        (made / "deep/file").write_bytes(bytes(100_000))
        os.link(made / "deep/file", made / "again")
        record = manager.status(made).record
        assert record is not None
        (found,) = measure([record], time.time())
        assert isinstance(found, Measured)
        assert found.disk == disk(made)
        assert found.used_at is not None
        assert abs(found.used_at - time.time()) < 60
        clock.set(wall=time.time())
        manager.context.measuring.slice(lambda: False)
        assert manager.registry.stats().bytes == disk(made)

    def test_a_limit_takes_it_whole(self, tmp_path: Path, clock: FakeClock) -> None:
        limit = Limit("room", Measure.BYTES, Mark(300_000), Mark(200_000), order=Order.OLDEST, spare=0.0)
        settings = Settings(base_dir=str(tmp_path / "base"), max_age=10**6, registry="sqlite:", limits=(limit,))
        with closing(TempFileManager.from_settings(settings, clock=clock)) as manager:
            units = []
            for _ in range(3):
                clock.advance(1)
                units.append(Path(manager.mkdtemp(unit=True)))
                (units[-1] / "file").write_bytes(bytes(150_000))
            manager.context.measuring.slice(lambda: False)
            report = manager.sweep(protect_open=True)
            assert report.evicted == 2
            assert [unit.exists() for unit in units] == [False, False, True]
            assert manager.registry.stats().bytes == disk(units[-1])
