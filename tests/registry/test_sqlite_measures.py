"""What the SQLite registry keeps beside its records: when files were used, and sums by tags."""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import AbstractContextManager, closing
from pathlib import Path

import pytest

from sqlite_files import execute
from temp_file_manager.records import Measured, NewFile, Order, Selection
from temp_file_manager.registry import Settlement, Sums
from temp_file_manager.registry.sqlite import migration
from temp_file_manager.registry.sqlite.database import Database
from temp_file_manager.registry.sqlite.registry import SqliteRegistry
from temp_file_manager.testing import NOW


def tagged(path: str, *tags: str, disk: int = 10) -> NewFile:
    return (path, None, 1, tags, None, disk)


def sqlite_at(place: Path, base: str = "/base") -> SqliteRegistry:
    return SqliteRegistry(str(place / "registry.db"), base)


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[SqliteRegistry]:
    with closing(sqlite_at(tmp_path)) as opened:
        yield opened


def use(registry: SqliteRegistry, *paths: str) -> None:
    registry.measured([Measured(record, 10, NOW + 50) for record in registry.get(paths).values()])


def test_a_file_of_the_schema_before_is_summed_up_when_it_is_opened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "registry.db"
    with monkeypatch.context() as patch:
        patch.setattr(migration, "MIGRATIONS", migration.MIGRATIONS[:6])
        Database(str(path), "NORMAL", lambda: None).close()
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("INSERT INTO scopes (id, base, records, bytes) VALUES (1, ?, 4, 1111)", (b"/base",))
        connection.execute("INSERT INTO directories (id, scope, path) VALUES (1, 1, ?)", (b"/f",))
        for number, tags in enumerate(('["x"]', '["x", "y"]', '["x"]', None)):
            connection.execute(
                "INSERT INTO files (scope, directory, name, registered_at, size, tags, inode, born, changed, "
                "parent_inode, parent_born, owner) VALUES (1, 1, ?, ?, ?, ?, 0, 0, 0, 0, 0, 1)",
                (b"%d" % number, NOW, 10**number, tags),
            )
    with closing(sqlite_at(tmp_path)) as registry:
        assert (registry.sums(["x"]), registry.sums(["y"])) == (Sums(3, 111), Sums(1, 10))
        assert (registry.stats().bytes, registry.check(now=0, fix=False)) == (1111, ())
        use(registry, "/f/3")
        assert registry.stats().bytes == 121


@pytest.mark.parametrize("change", ["records = records + 9", "bytes = bytes + 9"])
def test_a_wrong_sum_of_tags_is_found_and_put_right(registry: SqliteRegistry, change: str) -> None:
    registry.add([tagged("/f/a", "x"), tagged("/f/b", "x"), tagged("/f/c", "y")], NOW)
    assert registry.check(now=0, fix=True) == ()
    statement = f"""UPDATE tagged SET {change} WHERE tags = '["x"]'"""
    registry.transactions.database.write(lambda connection: connection.execute(statement))
    for fix in (False, True):
        (found,) = registry.check(now=0, fix=fix)
        assert (found.kind, found.fixed) == ("wrong count", fix)
        assert 'with the tags ["x"]' in found.subject
    assert registry.check(now=0, fix=False) == ()
    assert (registry.sums(["x"]), registry.sums(["y"])) == (Sums(2, 20), Sums(1, 10))


def test_what_is_kept_beside_records_goes_with_them(registry: SqliteRegistry, tmp_path: Path) -> None:
    """By each of the ways in which records go: else it would grow for ever."""
    paths = [f"/f/{number}" for number in range(6)]
    registry.add([tagged(path, path) for path in paths], NOW)
    use(registry, *paths)
    before = [("tagged", 6), ("uses", 6)]

    def kept() -> list[tuple[str, int]]:
        return [(name, execute(tmp_path / "registry.db", f"SELECT count(*) FROM {name}")[0]) for name, _ in before]

    assert kept() == before
    registry.forget(paths[:1])
    registry.add([tagged(paths[1])], NOW)
    registry.add([tagged(paths[2]), tagged("/f/new")], NOW)
    assert kept() == [("tagged", 3), ("uses", 3)]
    some = Selection(NOW + 1000, 0, force=True, only=tuple(registry.get(paths[3:4]).values()))
    claim = registry.claim(some, now=0, lease=60, limit=9)
    registry.settle(Settlement(claim, 1, {}, NOW))
    assert kept() == [("tagged", 2), ("uses", 2)]
    registry.replace([(path, NOW) for path in paths[:5]])
    assert kept() == [("tagged", 0), ("uses", 0)]
    assert registry.check(now=0, fix=False) == ()


def test_other_base_directories_have_sums_and_orders_of_their_own(registry: SqliteRegistry, tmp_path: Path) -> None:
    orders = (Order.LARGEST, Order.LEAST_USED, Order.OLDEST)
    with closing(sqlite_at(tmp_path, "/other")) as other:
        other.add([tagged("/f/a", "x", disk=7), tagged("/f/b", "x")], NOW)
        registry.add([tagged("/f/a", "x")], NOW)
        use(other, "/f/a")
        other.measured([Measured(record, 99, None) for record in registry.get(["/f/a"]).values()])
        assert (registry.sums(["x"]), other.sums(["x"])) == (Sums(1, 10), Sums(2, 20))
        for order in orders:
            for tags in ((), ("x",)):
                selection = Selection(NOW, 0, order=order, tags=tags)
                assert [record.path for record in registry.page(selection, now=0, limit=9).records] == ["/f/a"]
        registry.replace([])
        assert (registry.sums(["x"]), other.sums(["x"])) == (Sums(0, 0), Sums(2, 20))
        assert other.get(["/f/a"])["/f/a"].used_at == NOW + 50


@pytest.mark.parametrize("order", [Order.LARGEST, Order.LEAST_USED])
def test_one_scan_is_for_many_pages(registry: SqliteRegistry, monkeypatch: pytest.MonkeyPatch, order: Order) -> None:
    """Excludes code that looks at every record for each page."""
    registry.add([tagged(f"/f/{number}", disk=number) for number in range(300)], NOW)
    looks = []
    looking = registry.transactions.database.looking

    def counted() -> AbstractContextManager[sqlite3.Connection]:
        looks.append(order)
        return looking()

    monkeypatch.setattr(registry.transactions.database, "looking", counted)
    selection, cursor, pages = Selection(NOW, 0, order=order), None, 0
    while True:
        page = registry.page(selection, now=0, limit=2, after=cursor)
        pages, cursor = pages + 1, page.cursor
        if cursor is None:
            break
    assert (pages, len(looks)) == (150, 1)


def test_what_measures_nothing_new_writes_nothing(registry: SqliteRegistry, tmp_path: Path) -> None:
    """Not even a transaction: a round of measuring finds most as it was."""
    registry.add([tagged("/f/a", "x")], NOW)
    use(registry, "/f/a")
    with closing(sqlite3.connect(tmp_path / "registry.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")  # nobody else can write
        use(registry, "/f/a")
        other.execute("ROLLBACK")
    assert registry.get(["/f/a"])["/f/a"].used_at == NOW + 50


def test_what_is_exclusive_is_so_in_a_base_directory(registry: SqliteRegistry, tmp_path: Path) -> None:
    """Not in all of those that share a file; and its lock file is nobody's leftover."""
    with closing(sqlite_at(tmp_path, "/other")) as other, closing(sqlite_at(tmp_path)) as second:
        with registry.exclusive("work") as one, other.exclusive("work") as elsewhere, second.exclusive("work") as two:
            assert (one, elsewhere, two) == (True, True, False)
            assert registry.check(now=0, fix=True) == ()
        assert registry.check(now=0, fix=True) == ()
        with second.exclusive("work") as alone:
            assert alone
    assert len(os.listdir(tmp_path / "registry.db-claimers")) == 2, "kept for a day when the disk is full"
