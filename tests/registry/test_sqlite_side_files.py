"""SQLite's own files and the lock files, when somebody deletes, replaces or cuts them under a process at work."""

import errno
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from contexts import MakeManager
from sqlite_files import ALL, new, over, registry_at
from temp_file_manager.errors import RegistryError, RegistryGoneError
from temp_file_manager.records import Status
from temp_file_manager.registry.sqlite import log_index
from temp_file_manager.registry.sqlite.registry import SqliteRegistry
from temp_file_manager.testing import in_child


def delete(path: Path) -> None:
    path.unlink()


def replace(path: Path) -> None:
    copy = path.with_name("copy")
    copy.write_bytes(path.read_bytes())
    copy.rename(path)


def cut(path: Path) -> None:
    os.truncate(path, 0)


WORDS = {delete: "is not there any more", replace: "is another file by now", cut: "was cut short"}


@pytest.mark.parametrize("harm", WORDS, ids=lambda harm: harm.__name__)
@pytest.mark.parametrize("ending", ["-wal", "-shm"])
def test_it_is_noticed_and_nothing_is_acknowledged(tmp_path: Path, ending: str, harm: Callable[[Path], None]) -> None:
    """A process that had mapped what is cut short once died of SIGBUS, or at its end."""
    path = tmp_path / "r.db"
    pid = os.fork()
    if not pid:
        wrong = 1
        try:
            registry = registry_at(path, tmp_path)
            registry.add([new("/p/a")], 1.0)
            harm(Path(f"{path}{ending}"))
            for use in (
                lambda: registry.add([new("/p/b")], 1.0),
                lambda: list(registry.files),
                lambda: registry.claim(ALL, now=0, lease=60, limit=1),
            ):
                with pytest.raises(RegistryGoneError, match=f"r.db{ending} {WORDS[harm]}: .*start this process again"):
                    use()
            registry.close()
            wrong = 0
        finally:
            os._exit(wrong)
    _, status = os.waitpid(pid, 0)
    assert not os.WIFSIGNALED(status), signal.Signals(os.WTERMSIG(status)).name
    assert os.WEXITSTATUS(status) == 0
    with closing(registry_at(path, tmp_path)) as registry:
        registry.add([new("/p/c")], 1.0)
        assert "/p/b" not in registry.files


def test_what_is_taken_away_within_a_transaction_is_not_acknowledged(registry: SqliteRegistry, tmp_path: Path) -> None:
    """It is looked at again after the commit: a registration of many files takes a while."""
    database = registry.transactions.database

    def work(connection: sqlite3.Connection) -> None:
        connection.execute("UPDATE numbers SET last = last")
        os.rename(tmp_path / "r.db", tmp_path / "away.db")

    with pytest.raises(RegistryGoneError, match=r"r\.db is not there any more"):
        database.write(work)


def test_a_close_lets_sqlite_delete_its_own(registry: SqliteRegistry, tmp_path: Path) -> None:
    """Those that it makes at the next use are others."""
    for _ in range(3):
        registry.close()
        assert not (tmp_path / "r.db-wal").exists()
        registry.add([new("/p/b")], 1.0)


CUTTING = """
import sqlite3, sys
for _ in range(int(sys.argv[2])):
    connection = sqlite3.connect(sys.argv[1], isolation_level=None)
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    connection.close()
"""


class TestLog:
    """SQLite's log, of which the index says how long it must be: SQLite cuts it when all of it is in the file."""

    def cutting(self, path: Path, times: int = 1) -> "subprocess.Popen[bytes]":
        """Have a process that is not of ours do what administrators and backup tools do."""
        return subprocess.Popen([sys.executable, "-c", CUTTING, path, str(times)])

    def cut_by_sqlite(self, path: Path) -> None:
        assert self.cutting(path).wait() == 0

    def use(self, registry: SqliteRegistry, name: str) -> None:
        registry.add([new(f"/p/{name}")], 1.0)
        assert f"/p/{name}" in registry.files
        registry.settle(over(registry.claim(ALL, now=0, lease=60, limit=1), Status.SKIPPED))

    def test_one_that_sqlite_has_cut_is_as_it_should_be(self, tmp_path: Path) -> None:
        """Once the registry refused everything from then on."""
        path = tmp_path / "r.db"
        with closing(registry_at(path, tmp_path)) as registry:
            for turn in range(3):
                self.use(registry, str(turn))
                assert (tmp_path / "r.db-wal").stat().st_size > 0
                self.cut_by_sqlite(path)
                assert (tmp_path / "r.db-wal").stat().st_size == 0
                assert len(registry.files) == turn + 1
            assert registry.check(now=0, fix=False) == ()

    def test_it_may_be_cut_at_any_moment(self, tmp_path: Path) -> None:
        path = tmp_path / "r.db"
        with closing(registry_at(path, tmp_path)) as registry:
            self.use(registry, "first")
            turns = 0
            with self.cutting(path, times=300) as other:
                while other.poll() is None:
                    self.use(registry, str(turns))
                    turns += 1
            assert other.returncode == 0
            assert len(registry.files) == turns + 1

    def test_it_may_be_cut_between_two_looks(self, tmp_path: Path) -> None:
        path, log = tmp_path / "r.db", tmp_path / "r.db-wal"
        with closing(registry_at(path, tmp_path)) as registry:
            self.use(registry, "a")
            index = (tmp_path / "r.db-shm").stat()

            def length() -> int:
                self.cut_by_sqlite(path)
                return log.stat().st_size

            assert log_index.allows((index.st_dev, index.st_ino), length)

    @pytest.mark.parametrize("left", [0, 32, 4096, -1], ids=["nothing", "its header", "a part", "all but a byte"])
    @pytest.mark.parametrize("long", [False, True], ids=["short", "long"])
    def test_one_that_somebody_else_has_cut_is_noticed(self, tmp_path: Path, left: int, *, long: bool) -> None:
        """Also after SQLite has cut it, and whatever its length."""
        path, log = tmp_path / "r.db", tmp_path / "r.db-wal"
        with closing(registry_at(path, tmp_path)) as registry:
            self.use(registry, "a")
            self.cut_by_sqlite(path)
            with closing(sqlite3.connect(path, isolation_level=None)) as reader:
                reader.execute("BEGIN")
                reader.execute("SELECT count(*) FROM files").fetchone()  # so that nothing is merged
                for turn in range(10 if long else 1):
                    registry.add([new(f"/p/{turn}/{number:0200}") for number in range(500 if long else 1)], 1.0)
            os.truncate(log, left % log.stat().st_size)
            for _ in range(2):
                with pytest.raises(RegistryGoneError, match=r"r\.db-wal was cut short"):
                    self.use(registry, "b")
                log.write_bytes(bytes(1 << 22))  # which does not bring back what was in it

    def test_where_nothing_tells_it_is_taken_for_damaged(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        def missing(_: str) -> list[str]:
            raise FileNotFoundError

        path = tmp_path / "r.db"
        with closing(registry_at(path, tmp_path)) as registry:
            self.use(registry, "a")
            self.cut_by_sqlite(path)
            monkeypatch.setattr(os, "listdir", missing)
            with pytest.raises(RegistryGoneError, match=r"r\.db-wal was cut short"):
                self.use(registry, "b")

    def test_without_a_descriptor_to_spare_nobody_can_tell_yet(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def scarce(_: str) -> list[str]:
            raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

        path = tmp_path / "r.db"
        with closing(registry_at(path, tmp_path)) as registry:
            self.use(registry, "a")
            self.cut_by_sqlite(path)
            with monkeypatch.context() as patched:
                patched.setattr(os, "listdir", scarce)
                with pytest.raises(RegistryGoneError, match=r"r\.db-wal cannot be looked at"):
                    self.use(registry, "b")
            self.use(registry, "c")


class TestLockFiles:
    def locks(self, place: Path) -> list[Path]:
        return list(place.glob("*-claimers/*"))

    def test_a_deleted_one_is_made_anew_with_the_next_change(self, make_manager: MakeManager, file: Path) -> None:
        """Until then another process takes what it guards for nobody's."""
        manager = make_manager()
        manager.register_file(file, ttl=0)
        with manager.hold(file):
            (lock,) = self.locks(Path(manager.base_dir, ".temp-file-manager"))
            lock.unlink()
            lock.parent.rmdir()
            manager.registry.write("any", None, 0.0, keep=1)
            assert self.locks(lock.parent.parent) == [lock]
            path, base = str(file), manager.base_dir

            def sweep() -> bool:
                make_manager(os.path.basename(base)).cleanup()
                return os.path.exists(path)

            assert in_child(sweep)

    def test_a_claim_whose_lock_file_is_gone_can_be_settled(self, registry: SqliteRegistry, tmp_path: Path) -> None:
        claim = registry.claim(ALL, now=0, lease=60, limit=1)
        (lock,) = self.locks(tmp_path)
        lock.unlink()
        registry.settle(over(claim, Status.SKIPPED))
        assert list(registry.files) == ["/p/a"]
        assert self.locks(tmp_path) == [lock]


class TestDamage:
    """Values that SQLite does not check: what cannot be understood is said to be damaged, in our words."""

    @pytest.mark.parametrize(
        "statement",
        [
            "DELETE FROM numbers",
            "UPDATE files SET tags = '{'",
            "UPDATE files SET tags = 7",
            "UPDATE files SET registered_at = 'yesterday'",
            "UPDATE files SET name = 7",
            "UPDATE directories SET path = 7",
            "UPDATE scopes SET bytes = 'much'",
            "UPDATE files SET size = 'much'",
        ],
    )
    def test_it_is_a_registry_error(self, registry: SqliteRegistry, tmp_path: Path, statement: str) -> None:
        with closing(sqlite3.connect(tmp_path / "r.db", isolation_level=None)) as connection:
            connection.execute(statement)
        uses: list[Callable[[], object]] = [
            registry.stats,
            lambda: registry.add([new("/p/b")], 1.0),
            lambda: registry.add([new("/p/b"), new("/p/c")], 1.0),
            lambda: registry.get(["/p/a"]),
            lambda: list(registry.files.items()),
            lambda: registry.page(ALL, now=0, limit=9),
            lambda: registry.settle(over(registry.claim(ALL, now=0, lease=60, limit=9))),
        ]
        said = []
        for use in uses:
            try:
                use()
            except RegistryError as error:
                said.append(str(error))
        assert [message for message in said if "is damaged (" in message and "put a copy back" in message] == said
        assert said, "nothing came upon it"
