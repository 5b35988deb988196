"""SQLite's own files and the lock files, when somebody deletes, replaces or cuts them under a process at work."""

import os
import signal
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from contexts import MakeManager
from sqlite_files import ALL, new, over, registry_at
from temp_file_manager.errors import RegistryError, RegistryGoneError
from temp_file_manager.records import Status
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
