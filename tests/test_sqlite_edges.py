"""What a review of the SQLite registry found: each of these lost a record, took another's, hung, or said too little."""

import itertools
import logging
import os
import resource
import sqlite3
import stat
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import small_disk
from command_line import tfm
from small_disk import fill, make, manager_of, mount, no_more_pages, register_until_full, together, until_full
from temp_file_manager import TempFileManager
from temp_file_manager.errors import RegistryError, RegistryFullError
from temp_file_manager.records import NewFile, Outcome, Selection, Status, TempFile
from temp_file_manager.registry.schemes import open_registry
from temp_file_manager.registry.sqlite.database import RESERVE
from temp_file_manager.registry.sqlite.registry import SqliteRegistry
from temp_file_manager.storage.in_flight import IN_FLIGHT
from temp_file_manager.storage.own_files import make_reserve
from temp_file_manager.testing import in_child, limited

ALL = Selection(1e10, 0, force=True)

disk = small_disk.disk


def new(path: str) -> NewFile:
    return (path, None, None, (), None)


def registry_at(path: Path, base: Path) -> SqliteRegistry:
    return SqliteRegistry(str(path), str(base))


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[SqliteRegistry]:
    """A registry with one record, of ``/p/a``."""
    with closing(registry_at(tmp_path / "r.db", tmp_path)) as registry:
        registry.add([new("/p/a")], 1.0)
        yield registry


def own(disk: Path) -> Path:
    """Where ``sqlite:`` puts its files."""
    return disk / "base" / ".temp-file-manager"


def execute(path: Path, statement: str) -> Any:
    """Run a statement in a connection of its own; return the first row."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        return connection.execute(statement).fetchone()


class TestAFirstChangeThatComesToNothing:
    """The numbers that it took are given to somebody else: whoever kept them had another's records."""

    def test_on_a_full_disk(self, disk: Path | None) -> None:
        if disk is None:
            return
        address = f"sqlite://{disk}/r.db"
        one = TempFileManager(disk / "one", registry=address)
        one.registry.moment()  # else the full disk stops it before its first transaction
        mine, others = make(disk, 2, 0)
        fill(disk)
        with pytest.raises(RegistryFullError):
            one.register_file(mine)
        (disk / "filler").unlink()
        one.register_file(mine)
        other = TempFileManager(disk / "other", registry=address)
        other.register_files([])
        other.register_file(others)
        assert list(one.files) == [mine]
        assert list(other.files) == [others]
        other.clear_all()
        assert os.path.exists(mine)

    def test_by_any_error(self, tmp_path: Path) -> None:
        one = registry_at(tmp_path / "r.db", tmp_path / "one")
        other = registry_at(tmp_path / "r.db", tmp_path / "other")
        with pytest.raises(UnicodeEncodeError):
            one.add([new("/one/\ud800")], 1.0)
        other.add([new("/other/a")], 1.0)
        assert list(one.files) == []
        assert one.claim(ALL, now=0, lease=60, limit=9).records == ()

    def test_its_lock_is_let_go(self, disk: Path | None) -> None:
        """Whoever takes the same number next does not wait for it."""
        if disk is None:
            return

        def sweep(registry: SqliteRegistry) -> int:
            records = registry.claim(ALL, now=0, lease=60, limit=50).records
            registry.settle([Outcome(record, Status.SKIPPED) for record in records], 0)
            return len(records)

        def sweeps() -> list[int]:
            manager = manager_of(disk)
            paths = make(disk, 100, 0)
            manager.register_files(paths)
            others = [registry_at(own(disk) / "registry.db", disk / "base") for _ in range(2)]
            assert [len(other.files) for other in others] == [100, 100]
            fill(disk)
            register_until_full(manager, paths)
            taken = [sweep(other) for other in others]
            return taken + [other.transactions.owner for other in others]

        assert in_child(sweeps) == [50, 50, 0, 0], "there was room after all: this test no longer tries what it says"


class TestOneNewFile:
    def test_eight_processes_make_it_together(self, tmp_path: Path) -> None:
        for turn in range(12):
            path = tmp_path / str(turn) / "r.db"

            def work(number: int, path: Path = path) -> str:
                registry_at(path, tmp_path).add([new(f"/p/{number}")], 1.0)
                return "done"

            assert together(8, work) == ["done"] * 8
            assert execute(path, "SELECT records FROM scopes") == (8,)
            assert execute(path, "SELECT count(*), count(DISTINCT owner) FROM files") == (8, 8)
            assert execute(path, "PRAGMA integrity_check") == ("ok",)
            modes = {stat.S_IMODE(one.stat().st_mode) for one in (path.parent, *path.parent.iterdir())}
            assert modes == {0o700, 0o600}

    # The last one locks the file, which whoever makes it together with us waits for.
    @pytest.mark.parametrize("before", range(5))
    def test_another_process_makes_it_while_we_look(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, before: int
    ) -> None:
        """Whichever of our statements it comes before, it is no other program's database."""
        real, path = sqlite3.connect, tmp_path / "r.db"
        said: list[str] = []

        class Slow(sqlite3.Connection):
            def execute(self, sql: str, *bound: Any) -> sqlite3.Cursor:
                said.append(sql)
                if len(said) == before + 1:
                    make_it = "import sys; from temp_file_manager.registry.sqlite.registry import SqliteRegistry as R; "
                    make_it += "R(sys.argv[1], '/p').add([('/p/a', None, None, (), None)], 1.0)"
                    subprocess.run([sys.executable, "-c", make_it, str(path)], check=True)
                return super().execute(sql, *bound)

        monkeypatch.setattr(sqlite3, "connect", lambda *words, **more: real(*words, factory=Slow, **more))
        registry = registry_at(path, Path("/p"))
        monkeypatch.undo()
        assert len(said) > before
        assert "BEGIN IMMEDIATE" not in said[:before]
        assert list(registry.files) == ["/p/a"]


class TestNobodyWaitsForItself:
    @pytest.mark.parametrize("what", ["get", "forget", "pin"])
    def test_asked_about_what_comes_from_itself(self, registry: SqliteRegistry, what: str) -> None:
        """A generator that reads and writes the same registry while it is asked for paths."""

        def paths() -> Iterator[str]:
            registry.add([new("/p/b")], 1.0)
            yield from registry.files

        asked: dict[str, Callable[[], int]] = {
            "get": lambda: len(registry.get(paths())),
            "forget": lambda: registry.forget(paths()),
            "pin": lambda: len(registry.keep(paths(), 5.0)),
        }
        assert in_child(asked[what]) == 2

    def test_registering_while_a_full_disk_is_swept(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """The sweep has one lock and the registration the other: each once waited for the other's."""

        def both() -> int:
            registry = registry_at(tmp_path / "r.db", tmp_path)
            registry.add([new(f"/p/{number}") for number in range(3000)], 1.0)
            no_more_pages(registry)
            records = registry.claim(ALL, now=0, lease=60, limit=2000).records
            assert {record.claim < 0 for record in records} == {True}
            session, locked = registry.transactions, threading.Event()
            writing = session.writing

            def wanted() -> AbstractContextManager[sqlite3.Connection]:
                locked.set()
                return writing()

            monkeypatch.setattr(session, "writing", wanted)
            adding = threading.Thread(target=registry.add, args=([new("/q")], 2.0))
            adding.start()
            locked.wait()
            assert registry.lock.locked()
            registry.settle([Outcome(record, Status.REMOVED) for record in records], 2.0)
            adding.join()
            return len(registry.files)

        assert in_child(both) == 1001

    def test_two_threads_sweep_a_full_disk(self, disk: Path | None) -> None:
        """What the second takes between the first's settling and its letting go stays the second's."""
        if disk is None:
            return

        def sweeps() -> int:
            manager = manager_of(disk)
            registry = manager.registry
            paths = make(disk, 100, 0)
            manager.register_files(paths)
            fill(disk)
            register_until_full(manager, paths)
            first = registry.claim(ALL, now=0, lease=60, limit=50)
            second: list[TempFile] = []

            class Claiming(logging.Handler):
                """Hears that the first could not forget its records."""

                def emit(self, _: logging.LogRecord) -> None:
                    if not second:
                        thread = threading.Thread(target=self.claim)
                        thread.start()
                        thread.join()

                def claim(self) -> None:
                    second.extend(registry.claim(ALL, now=0, lease=60, limit=50, after=first.cursor).records)

            logging.getLogger("aiecs.tools.temp_file_manager").addHandler(Claiming())
            registry.settle([Outcome(record, Status.REMOVED) for record in first.records], 0)
            assert len(second) == 50
            assert all(registry.still_claimed(record) for record in second)
            registry.settle([Outcome(record, Status.SKIPPED) for record in second], 0)
            (third,) = registry.claim(ALL, now=0, lease=60, limit=1).records
            registry.settle([Outcome(third, Status.SKIPPED)], 0)
            return len(manager.files)

        assert in_child(sweeps) == 100

    def test_a_file_that_was_moved_away_while_somebody_has_it(self, tmp_path: Path) -> None:
        """As the message about a damaged one says; the new one begins with the same numbers."""

        def anew() -> list[str]:
            path = tmp_path / "r.db"
            old = registry_at(path, tmp_path)
            old.add([new("/p/a")], 1.0)
            assert len(old.claim(ALL, now=0, lease=60, limit=9).records) == 1
            for end in ("", "-wal", "-shm"):
                os.rename(f"{path}{end}", f"{path}-old{end}")
            other = registry_at(path, tmp_path)
            other.add([new("/p/b")], 1.0)
            return [record.path for record in other.claim(ALL, now=0, lease=60, limit=9).records]

        assert in_child(anew) == ["/p/b"]


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")  # of forking with threads, which is what is tested
def test_threads_that_fork_together(tmp_path: Path) -> None:
    """Each child starts anew with all that there is, not with what another thread's fork left over."""

    def forks() -> int:
        IN_FLIGHT.mark("sweep", "/p")
        registries = [registry_at(tmp_path / f"{number}.db", tmp_path) for number in range(3)]
        codes: list[int] = []

        def fork() -> None:
            for _ in range(100):
                child = os.fork()
                if child == 0:
                    os._exit(bool(IN_FLIGHT.marks))
                codes.append(os.waitpid(child, 0)[1])

        threads = [threading.Thread(target=fork) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(codes) == 400
        assert [len(registry.files) for registry in registries] == [0, 0, 0]
        return sum(map(bool, codes))

    assert in_child(forks) == 0


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

    def test_for_the_file_that_tells_of_changes(self, disk: Path | None) -> None:
        """Registering says so in our words, and reading needs none."""
        if disk is None:
            return
        paths = make(disk, 3, 0)
        assert in_child(lambda: manager_of(disk).register_files(paths[:2]).registered) == 2
        manager = manager_of(disk)
        assert len(manager.files) == 2
        (own(disk) / "registry.db-changes").unlink(missing_ok=True)
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
            with pytest.raises(RegistryError, match=r"registry\.db cannot be opened: Read-only file system"):
                manager.register_files(paths)
            with pytest.raises(RegistryError, match=r"registry\.db cannot be used: .* it is mounted read-only"):
                manager.clear_all()
        assert mount("-o", "remount,rw", str(disk))
        assert manager_of(disk).clear_all() == 3


class TestClosing:
    def test_it_lets_go_of_everything(self, registry: SqliteRegistry, tmp_path: Path) -> None:
        """Of what is mapped, too: the disk could not be unmounted."""
        if not os.path.exists("/proc/self/maps"):
            print("not tried: what a process has mapped, which takes a /proc")
            return

        def in_use() -> list[str]:
            descriptors = [f"/proc/self/fd/{name}" for name in os.listdir("/proc/self/fd")]
            opened = [os.readlink(descriptor) for descriptor in descriptors if os.path.lexists(descriptor)]
            lines = [*Path("/proc/self/maps").read_text().splitlines(), *opened]
            return sorted({os.path.basename(line) for line in lines if f"{tmp_path}/" in line})

        (record,) = registry.claim(ALL, now=0, lease=60, limit=9).records
        assert registry.still_claimed(record)
        (lock,) = os.listdir(tmp_path / "r.db-claimers")
        assert set(in_use()) >= {"r.db", "r.db-changes", lock}
        registry.close()
        assert in_use() == []
        registry.add([new("/p/b")], 1.0)
        assert len(registry.moment()) == 16

    def test_what_is_deleted_meanwhile_is_made_anew(self, registry: SqliteRegistry, tmp_path: Path) -> None:
        registry.close()
        (tmp_path / "r.db").unlink()
        assert list(registry.files) == []
        registry.add([new("/p/b")], 1.0)
        assert list(registry.files) == ["/p/b"]

    @pytest.mark.parametrize("in_its_place", ["nothing", "a copy", "a new folder"])
    def test_what_is_taken_away_under_it_is_written_to_no_more(
        self, registry: SqliteRegistry, tmp_path: Path, in_its_place: str
    ) -> None:
        """Nobody else would ever find it; and nothing empty is made that looks as if all were well."""
        registry.add([new("/p/a")], 1.0)
        for path in tmp_path.glob("r.db*"):
            aside = tmp_path / "aside" / path.name
            aside.parent.mkdir(exist_ok=True)
            path.rename(aside)
            if in_its_place == "a copy" and aside.is_file():
                path.write_bytes(aside.read_bytes())
        if in_its_place == "a new folder":
            registry_at(tmp_path / "r.db", tmp_path).close()
        before = sorted(os.listdir(tmp_path))
        what = "is not there any more" if in_its_place == "nothing" else "is another file by now"
        for use in (
            lambda: registry.add([new("/p/b")], 2.0),
            registry.stats,
            lambda: registry.forecast(Selection(5.0, 1.0), [1.0]),
        ):
            with pytest.raises(RegistryError, match=f"r.db {what}: put it back"):
                use()
        assert sorted(os.listdir(tmp_path)) == before
        for path in (tmp_path / "aside").iterdir():
            path.replace(tmp_path / path.name) if path.is_file() else None
        assert list(registry.files) == ["/p/a"]


class TestRefusals:
    @pytest.mark.parametrize("url", ["sqlite://user:secret@host/db", "sqlite:?password=secret@"])
    def test_they_repeat_no_password(self, tmp_path: Path, url: str) -> None:
        with pytest.raises(RegistryError) as caught:
            open_registry(url, str(tmp_path))
        assert "secret" not in str(caught.value)

    def test_a_nul_in_a_path(self, tmp_path: Path) -> None:
        with pytest.raises(RegistryError, match="names no file"):
            open_registry(f"sqlite://{tmp_path}/a\0b", str(tmp_path))
        assert os.listdir(tmp_path) == []

    @pytest.mark.parametrize("option", ["full", "=full", "synchronous", "synchronous=", "journal=full"])
    def test_half_an_option(self, tmp_path: Path, option: str) -> None:
        with pytest.raises(RegistryError, match=r"is no option: write \?synchronous=normal"):
            open_registry(f"sqlite:?{option}", str(tmp_path))

    def test_a_file_of_one_byte(self, tmp_path: Path) -> None:
        """SQLite takes it for an empty database."""
        (tmp_path / "note").write_text("x")
        with pytest.raises(RegistryError, match="note is no database, and was left as it is"):
            registry_at(tmp_path / "note", tmp_path)
        assert (tmp_path / "note").read_text() == "x"
        assert os.listdir(tmp_path) == ["note"]

    def test_a_link_that_leads_nowhere(self, tmp_path: Path) -> None:
        """SQLite would make what it leads to, as the umask says."""
        (tmp_path / "r.db").symlink_to(tmp_path / "target")
        with pytest.raises(RegistryError, match=r"r\.db is a link that leads nowhere: give the path itself"):
            registry_at(tmp_path / "r.db", tmp_path)
        assert os.listdir(tmp_path) == ["r.db"]

    def test_a_change_of_what_a_newer_version_has_migrated_meanwhile(
        self, registry: SqliteRegistry, tmp_path: Path
    ) -> None:
        execute(tmp_path / "r.db", "PRAGMA user_version = 99")
        for _ in range(2):
            with pytest.raises(RegistryError, match=r"newer version \(schema 99, "):
                registry.add([new("/p/b")], 1.0)
        assert list(registry.files) == ["/p/a"]


def test_a_reader_beside_the_very_first_registration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who found that this base has no scope yet, a moment before it had one, leaves it to the thread that made it."""
    registry = registry_at(tmp_path / "r.db", tmp_path)
    reading = registry.transactions.database.reading

    class Slow:
        """A connection that answers, about the scope, what was true before the first registration."""

        def __init__(self, connection: sqlite3.Connection) -> None:
            self.connection = connection

        def execute(self, statement: str, bound: Any = ()) -> Any:
            found = self.connection.execute(statement, bound)
            if statement == registry.transactions.sql["scope"]:
                rows = found.fetchall()
                registry.add([new("/p/first")], 1.0)
                found = SimpleNamespace(fetchone=lambda: rows[0] if rows else None)
            return found

    @contextmanager
    def slowly() -> Iterator[Slow]:
        with reading() as connection:
            yield Slow(connection)

    monkeypatch.setattr(registry.transactions.database, "reading", slowly)
    registry.stats()
    monkeypatch.undo()
    registry.add([new("/p/second")], 2.0)
    assert sorted(registry.get(["/p/first", "/p/second"])) == ["/p/first", "/p/second"]
    registry.close()
    again = registry_at(tmp_path / "r.db", tmp_path)
    assert sorted(again.get(["/p/first", "/p/second"])) == ["/p/first", "/p/second"]
    again.close()
