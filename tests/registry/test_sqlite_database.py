"""The SQLite file while it is made, closed, taken away or refused."""

import os
import sqlite3
import stat
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from small_disk import together
from sqlite_files import execute, new, over, registry_at
from temp_file_manager.errors import RegistryError
from temp_file_manager.records import Selection, Status
from temp_file_manager.registry.schemes import open_registry
from temp_file_manager.registry.sqlite.registry import SqliteRegistry

ALL = Selection(1e10, 0, force=True)


class TestOneNewFile:
    def test_eight_processes_make_it_together(self, tmp_path: Path) -> None:
        for turn in range(4):
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
                    make_it += "R(sys.argv[1], '/p').add([('/p/a', None, None, (), None, None)], 1.0)"
                    subprocess.run([sys.executable, "-c", make_it, str(path)], check=True)
                return super().execute(sql, *bound)

        monkeypatch.setattr(sqlite3, "connect", lambda *words, **more: real(*words, factory=Slow, **more))
        registry = registry_at(path, Path("/p"))
        monkeypatch.undo()
        assert len(said) > before
        assert "BEGIN IMMEDIATE" not in said[:before]
        assert list(registry.files) == ["/p/a"]


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

        claim = registry.claim(ALL, now=0, lease=60, limit=9)
        (lock,) = os.listdir(tmp_path / "r.db-claimers")
        assert set(in_use()) >= {"r.db", lock}
        registry.settle(over(claim, Status.SKIPPED))
        registry.close()
        assert in_use() == []
        registry.add([new("/p/b")], 1.0)

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

    def test_whoever_only_reads_is_told_as_well(self, registry: SqliteRegistry, tmp_path: Path) -> None:
        registry.add([new("/p/a")], 1.0)
        assert registry.stats().records == 1
        (tmp_path / "r.db").rename(tmp_path / "aside")
        with pytest.raises(RegistryError, match="is not there any more: put it back"):
            registry.stats()
        (tmp_path / "aside").rename(tmp_path / "r.db")


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


def test_what_could_not_be_written_to_is_opened_anew_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real, opened = sqlite3.connect, []

    def connect(*words: Any, **more: Any) -> sqlite3.Connection:
        opened.append(words)
        return real(*words, **more)

    def read_only(connection: sqlite3.Connection) -> None:
        error = sqlite3.OperationalError("attempt to write a readonly database")
        error.sqlite_errorname = "SQLITE_READONLY"
        raise error

    monkeypatch.setattr(sqlite3, "connect", connect)
    with closing(registry_at(tmp_path / "r.db", tmp_path)) as registry:
        with pytest.raises(RegistryError, match="readonly"):
            registry.transactions.database.write(read_only)
        before = len(opened)
        for name in "abc":
            registry.add([new(f"/s/{name}")], 1.0)
        assert len(opened) == before + 1
