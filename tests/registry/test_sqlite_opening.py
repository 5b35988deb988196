"""Opening the SQLite registry: what it makes, what it refuses, and what it leaves as it found it."""

import logging
import os
import re
import shutil
import sqlite3
import stat
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing
from importlib.resources import files as resources
from pathlib import Path
from typing import Any

import pytest

from small_disk import together
from temp_file_manager import TempFileManager
from temp_file_manager.errors import RegistryError
from temp_file_manager.inspection.check import check
from temp_file_manager.records import NewFile, Selection
from temp_file_manager.registry.schemes import open_registry
from temp_file_manager.registry.sqlite import migration
from temp_file_manager.registry.sqlite.database import Database
from temp_file_manager.registry.sqlite.errors import translated
from temp_file_manager.registry.sqlite.registry import SqliteRegistry
from temp_file_manager.registry.sqlite.snapshot import look_at
from temp_file_manager.registry.sqlite.sql import load_statements
from temp_file_manager.storage.kernel import mounts
from temp_file_manager.testing import in_child

ALL = Selection(1e9, 0, force=True)
NOBODY = 65534
SQL = resources("temp_file_manager.registry.sqlite") / "sql"


def new(path: str) -> NewFile:
    return (path, None, None, (), None, None)


def modes(folder: Path) -> dict[str, str]:
    """Return the permissions of all that is in ``folder``, and of itself."""
    paths = [folder, *folder.rglob("*")]
    return {str(path.relative_to(folder)): f"{stat.S_IMODE(path.lstat().st_mode):o}" for path in paths}


def dump(path: Path) -> list[str]:
    connection = sqlite3.connect(path)
    try:
        return list(connection.iterdump())
    finally:
        connection.close()


def execute(path: Path, *statements: str) -> Any:
    """Run statements in a file that nobody has open; return the last one's first row."""
    connection = sqlite3.connect(path, isolation_level=None)
    try:
        for statement in statements:
            row = connection.execute(statement).fetchone()
    finally:
        connection.close()
    return row


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """Where ``sqlite:`` puts its file for the base directory ``tmp_path``."""
    return tmp_path / ".temp-file-manager" / "registry.db"


@pytest.fixture
def messages() -> Iterator[list[str]]:
    """What is logged."""
    found: list[str] = []
    handler = logging.Handler()
    handler.emit = lambda record: found.append(record.getMessage())  # type: ignore[method-assign]
    logger = logging.getLogger("aiecs.tools.temp_file_manager")
    logger.addHandler(handler)
    yield found
    logger.removeHandler(handler)


@pytest.fixture
def filled(place: Path, tmp_path: Path) -> Path:
    """A registry's file with 500 records, closed."""
    registry = open_registry("sqlite:", str(tmp_path))
    registry.add([new(f"/p/{number:03}/{'n' * 40}") for number in range(500)], 1.0)
    registry.close()
    return place


class TestAddresses:
    @pytest.mark.parametrize(
        "url", ["sqlite:", "sqlite://", "sqlite:?synchronous=normal", "sqlite://?synchronous=FULL"]
    )
    def test_without_a_path_the_file_is_in_the_base(self, tmp_path: Path, place: Path, url: str) -> None:
        registry = open_registry(url, str(tmp_path))
        assert place.stat().st_size > 0
        assert repr(registry) == f"SqliteRegistry({str(place)!r})"

    @pytest.mark.parametrize("end", ["", "/", "?synchronous=full"])
    def test_three_slashes_begin_an_absolute_path(self, tmp_path: Path, end: str) -> None:
        path = tmp_path / "two new" / "folders" / "r.db"
        open_registry(f"sqlite://{path}{end}", str(tmp_path / "base"))
        assert path.stat().st_size > 0
        assert not (tmp_path / "base").exists()

    def test_a_relative_base_stays_where_it_was(
        self, tmp_path: Path, place: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(tmp_path)
        registry = open_registry("sqlite:", ".")
        registry.add([new("/p/a")], 1.0)
        monkeypatch.chdir("/")
        registry.close()
        assert list(registry.files) == ["/p/a"]
        assert place.exists()

    @pytest.mark.parametrize("address", ["relative.db", "./relative.db", "/one/slash.db", "//host/x.db", "///", "////"])
    def test_what_names_no_file_is_refused(self, tmp_path: Path, address: str, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir(tmp_path)
        with pytest.raises(RegistryError, match="write sqlite:///ABSOLUTE/PATH, or sqlite:"):
            open_registry(f"sqlite:{address}", str(tmp_path))
        assert os.listdir(tmp_path) == []

    @pytest.mark.parametrize("option", ["synchronous=off", "synchronous=", "mode=ro", "synchronous=full&mode=ro"])
    def test_an_option_that_there_is_not(self, tmp_path: Path, option: str) -> None:
        with pytest.raises(RegistryError, match=r"no option: write \?synchronous=normal or \?synchronous=full"):
            open_registry(f"sqlite:?{option}", str(tmp_path))
        assert os.listdir(tmp_path) == []

    @pytest.mark.parametrize(("option", "level"), [("", 1), ("?synchronous=normal", 1), ("?synchronous=full", 2)])
    def test_synchronous_is_what_sqlite_does(self, tmp_path: Path, option: str, level: int) -> None:
        """Also on the connections that a close, or a fork, has opened anew."""
        registry = open_registry(f"sqlite:{option}", str(tmp_path))
        assert isinstance(registry, SqliteRegistry)

        def levels() -> list[int]:
            database = registry.transactions.database
            written = database.write(lambda connection: connection.execute("PRAGMA synchronous").fetchone())
            with database.reading() as connection:
                return [*written, *connection.execute("PRAGMA synchronous").fetchone()]

        assert levels() == [level, level]
        registry.close()
        assert levels() == [level, level]
        assert in_child(levels) == [level, level]
        with registry.transactions.database.reading() as connection:
            assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)

    @pytest.mark.parametrize("url", ["postgresql://user:secret@host/db", "redis://:secret@host", "secret@host"])
    def test_no_message_shows_a_credential(self, tmp_path: Path, url: str) -> None:
        with pytest.raises(RegistryError) as caught:
            open_registry(url, str(tmp_path))
        if ":" in url:
            assert "secret" not in str(caught.value)
            assert "@host" not in str(caught.value)

    def test_a_name_that_moves_the_cursor_is_escaped(self, tmp_path: Path) -> None:
        path = tmp_path / "a\x1b[2J\nb"
        path.write_text("no database, and long enough to be looked at" * 20)
        with pytest.raises(RegistryError, match="damaged") as caught:
            open_registry(f"sqlite://{path}", str(tmp_path))
        assert str(caught.value).isprintable()
        path.unlink()
        assert repr(open_registry(f"sqlite://{path}", str(tmp_path))).isprintable()


class TestPermissions:
    @pytest.mark.parametrize("umask", [0o000, 0o022, 0o277])
    def test_whatever_the_umask_files_are_private(self, tmp_path: Path, place: Path, umask: int) -> None:
        def work() -> dict[str, str]:
            os.umask(umask)
            registry = open_registry("sqlite:", str(tmp_path))
            registry.add([new("/p/a")], 1.0)
            assert registry.claim(ALL, now=0, lease=60, limit=1).records
            return modes(place.parent)

        found = in_child(work)
        (lock,) = [name for name in found if name.startswith("registry.db-claimers/")]
        files = [
            "registry.db",
            *(f"registry.db-{end}" for end in ("wal", "shm", "reserve", "reserve-2")),
            lock,
        ]
        folders = [".", "registry.db-claimers"]
        # A umask takes away, it never gives.
        assert found == dict.fromkeys(files, f"{0o600 & ~umask:o}") | dict.fromkeys(folders, f"{0o700 & ~umask:o}")

    def test_an_existing_folder_stays_as_it_is(self, tmp_path: Path) -> None:
        folder = tmp_path / "theirs"
        folder.mkdir(mode=0o755)
        folder.chmod(0o755)
        (folder / "other").write_text("other")
        path = folder / "r.db"
        open_registry(f"sqlite://{path}", str(tmp_path)).add([new("/p/a")], 1.0)
        found = modes(folder)
        assert found.pop(".") == "755"
        assert found.pop("other") == "644"
        assert set(found.values()) == {"600"}
        assert (folder / "other").read_text() == "other"

    @pytest.mark.parametrize(("folder_mode", "file_mode"), [(0o700, 0o600), (0o755, 0o600)])
    def test_of_another_user(self, folder_mode: int, file_mode: int) -> None:
        if os.getuid():
            print("not tried: a registry of another user's, which takes root to be another user")
            return
        folder = Path(tempfile.mkdtemp())  # not tmp_path, whose parents only root may enter
        try:
            path = folder / "r.db"
            registry = open_registry(f"sqlite://{path}", str(folder))
            registry.add([new("/p/a")], 1.0)
            path.chmod(file_mode)
            folder.chmod(folder_mode)
            before = {name: mode for name, mode in modes(folder).items() if not name.endswith(("-wal", "-shm"))}

            def work() -> str:
                os.setuid(NOBODY)
                with pytest.raises(RegistryError) as caught:
                    open_registry(f"sqlite://{path}", str(folder))
                return str(caught.value)

            message = in_child(work)
            assert message.startswith(f"{path} cannot be ")
            # The fork has closed the file here, too, and SQLite's own go with the last who closes it.
            assert modes(folder) == before
            assert list(registry.files) == ["/p/a"]
        finally:
            shutil.rmtree(folder)

    def test_a_folder_that_may_not_be_made(self) -> None:
        if os.getuid():
            print("not tried: a folder in a folder of another user's, which takes root to be another user")
            return
        folder = Path(tempfile.mkdtemp())
        try:
            folder.chmod(0o755)

            def work() -> str:
                os.setuid(NOBODY)
                with pytest.raises(RegistryError) as caught:
                    open_registry(f"sqlite://{folder}/new/r.db", str(folder))
                return str(caught.value)

            assert in_child(work) == f"{folder}/new/r.db cannot be opened: Permission denied"
            assert os.listdir(folder) == []
        finally:
            shutil.rmtree(folder)


class TestWhatIsNoRegistry:
    @pytest.mark.parametrize(
        "statements",
        [
            pytest.param(("CREATE TABLE songs (name)", "INSERT INTO songs VALUES ('x')"), id="tables"),
            pytest.param(("PRAGMA application_id = 7",), id="an application id"),
            pytest.param(("PRAGMA user_version = 1",), id="a version"),
            pytest.param(("PRAGMA application_id = 7", "PRAGMA user_version = 1", "CREATE TABLE a (b)"), id="all"),
            pytest.param(("PRAGMA journal_mode = WAL", "CREATE TABLE songs (name)"), id="in WAL mode"),
        ],
    )
    def test_another_programs_database(self, tmp_path: Path, statements: tuple[str, ...]) -> None:
        path = tmp_path / "theirs.db"
        execute(path, *statements)
        path.chmod(0o640)
        before = path.read_bytes()
        with pytest.raises(RegistryError, match=f"{path} is another program's database: give another path"):
            open_registry(f"sqlite://{path}", str(tmp_path))
        assert path.read_bytes() == before
        assert modes(tmp_path) == {".": "700", "theirs.db": "640"}

    @pytest.mark.parametrize("length", [2, 99, 600, 5000])
    def test_a_text_file(self, tmp_path: Path, length: int) -> None:
        path = tmp_path / "notes.txt"
        path.write_text("x" * length)
        with pytest.raises(RegistryError, match=f"{path} is (damaged|no database).*was left as it is: "):
            open_registry(f"sqlite://{path}", str(tmp_path))
        assert path.read_text() == "x" * length
        assert os.listdir(tmp_path) == ["notes.txt"]

    def test_a_directory(self, place: Path, tmp_path: Path) -> None:
        place.mkdir(parents=True)
        with pytest.raises(RegistryError, match=f"{place} cannot be used"):
            open_registry("sqlite:", str(tmp_path))
        assert os.listdir(place.parent) == [place.name]
        assert os.listdir(place) == []

    def test_a_file_where_a_directory_should_be(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("theirs")
        with pytest.raises(RegistryError, match="cannot be opened"):
            open_registry(f"sqlite://{tmp_path}/file/r.db", str(tmp_path))
        assert (tmp_path / "file").read_text() == "theirs"

    @pytest.mark.parametrize("part", [0.5, 0.95])
    def test_a_truncated_database(self, filled: Path, tmp_path: Path, part: float) -> None:
        os.truncate(filled, int(filled.stat().st_size * part))
        before = filled.read_bytes()
        with pytest.raises(RegistryError, match=f"{filled} is damaged .*left as it is: move it away"):
            open_registry("sqlite:", str(tmp_path)).add([new("/p/new")], 2.0)
        assert filled.read_bytes() == before

    @pytest.mark.parametrize("table", ["files", "directories", "files_by_age"])
    def test_a_damaged_page(self, filled: Path, tmp_path: Path, table: str) -> None:
        """Whatever comes upon it says so, and nothing makes it worse."""
        (page,) = execute(filled, f"SELECT rootpage FROM sqlite_master WHERE name = '{table}'")
        (size,) = execute(filled, "PRAGMA page_size")
        with open(filled, "r+b") as file:
            file.seek((page - 1) * size)
            file.write(b"\xff" * size)
        before = filled.read_bytes()
        registry = open_registry("sqlite:", str(tmp_path))
        attempts: list[Callable[[], object]] = [
            lambda: registry.check(now=0, fix=True),
            lambda: registry.claim(ALL, now=0, lease=60, limit=9),
            lambda: registry.add([new("/p/new")], 2.0),
        ]
        for attempt in attempts:
            with pytest.raises(RegistryError, match=rf"(?is){filled} is damaged\b.*move it away"):
                attempt()
        registry.close()
        assert filled.read_bytes() == before

    def test_an_empty_file_becomes_one(self, place: Path, tmp_path: Path) -> None:
        """As a process leaves it that is killed between making the file and filling it."""
        place.parent.mkdir()
        place.touch()
        registry = open_registry("sqlite:", str(tmp_path))
        registry.add([new("/p/a")], 1.0)
        assert list(registry.files) == ["/p/a"]


class TestNewerSchema:
    @pytest.fixture
    def newer(self, place: Path, tmp_path: Path) -> Path:
        """A registry of a version to come, with two records: of a file, and of one that is gone."""
        manager = TempFileManager(tmp_path, registry="sqlite:")
        for name in ("a", "gone"):
            (tmp_path / name).touch()
            manager.register_file(tmp_path / name, tags=("kept",))
        manager.close()
        (tmp_path / "gone").unlink()
        execute(place, "PRAGMA user_version = 99")
        return place

    @pytest.mark.usefixtures("newer")
    def test_it_can_be_read(self, tmp_path: Path) -> None:
        manager = TempFileManager(tmp_path, 0, registry="sqlite:")
        path = str(tmp_path / "a")
        assert sorted(manager.files) == [path, str(tmp_path / "gone")]
        assert len(manager.files) == 2
        assert path in manager.files
        assert manager.files[path] == manager.registry.get([path])[path].registered_at
        assert manager.registry.get([path])[path].tags == ("kept",)
        assert manager.registry.stats().records == 2
        assert len(manager.registry.page(ALL, now=0, limit=9).records) == 2
        assert manager.status(path).due
        assert manager.sweep(force=True, dry_run=True).retired == 2
        assert [(finding.subject, finding.fixed) for finding in check(manager.context)] == [
            (str(tmp_path / "gone"), False)
        ]

    def test_no_change_is_made(self, newer: Path, tmp_path: Path, messages: list[str]) -> None:
        before = dump(newer), newer.read_bytes()
        manager = TempFileManager(tmp_path, 0, registry="sqlite:")
        registry, files = manager.registry, manager.files
        path = str(tmp_path / "a")
        changes: list[Callable[[], object]] = [
            lambda: manager.register_file(path),
            lambda: manager.register_files([path]),
            manager.mkstemp,
            manager.cleanup,
            manager.clear_all,
            lambda: check(manager.context, fix=True),
            lambda: registry.add([new("/p/new")], 1.0),
            lambda: registry.claim(ALL, now=0, lease=60, limit=9),
            lambda: registry.forget([path]),
            lambda: files.__setitem__(path, 1.0),
            lambda: files.__setitem__("/p/new", 1.0),
            lambda: files.pop(path),
            files.clear,
            lambda: registry.replace([]),
        ]
        for change in changes:
            with pytest.raises(RegistryError, match=r"newer version \(schema 99, .*install that version to change it"):
                change()

        def refused() -> list[object]:
            with pytest.raises(RegistryError, match="newer version"):
                registry.forget([path])
            return [len(manager.files)]

        assert in_child(refused) == [2]
        manager.close()
        assert refused() == [2]
        manager.close()
        assert (dump(newer), newer.read_bytes()) == before
        assert sorted(os.listdir(tmp_path)) == [".temp-file-manager", "a"], "also what mkstemp made is gone"
        said = [message for message in messages if "newer version" in message]
        assert len(said) == 1, "said once, also when the file is opened again"
        assert said[0].startswith(
            f"{newer} was made by a newer version (schema 99, this one knows {migration.current()})"
        )


class TestMigration:
    @pytest.fixture
    def second(self, filled: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        """The file of the version before, now that there is one migration more, which cannot be done twice."""
        real = migration.load
        text = (
            "-- A made-up one; it says so.\nCREATE TABLE remarks (text);\nINSERT INTO remarks VALUES ('once');\n"
            "ALTER TABLE files ADD COLUMN remark TEXT DEFAULT 'none'\n"
        )
        monkeypatch.setattr(migration, "MIGRATIONS", (*migration.MIGRATIONS, "099_remarks.sql"))
        monkeypatch.setattr(migration, "load", lambda name: text if name == "099_remarks.sql" else real(name))
        return filled

    def test_records_survive(self, second: Path, tmp_path: Path) -> None:
        records = execute(second, "SELECT count(*), min(id), max(id), sum(registered_at) FROM files")
        registry = open_registry("sqlite:", str(tmp_path))
        assert len(registry.files) == 500
        registry.add([new("/p/new")], 2.0)
        registry.forget(["/p/new"])
        assert len(registry.claim(ALL, now=0, lease=60, limit=999).records) == 500
        registry.close()
        assert execute(second, "PRAGMA user_version") == (migration.current(),)
        assert execute(second, "SELECT count(*), min(id), max(id), sum(registered_at) FROM files") == records
        assert execute(second, "SELECT count(*) FROM files WHERE remark = 'none'") == (500,)

    @pytest.mark.usefixtures("second")
    def test_a_new_file_has_every_migration(self, tmp_path: Path) -> None:
        path = tmp_path / "new.db"
        open_registry(f"sqlite://{path}", str(tmp_path)).close()
        assert execute(path, "PRAGMA user_version") == (migration.current(),)
        assert execute(path, "SELECT count(*) FROM remarks") == (1,)

    def test_processes_that_open_it_together_migrate_once(self, second: Path, tmp_path: Path) -> None:
        for turn in range(10):
            path = tmp_path / f"{turn}.db"
            shutil.copy(second, path)

            def work(number: int, path: Path = path) -> int:
                registry = open_registry(f"sqlite://{path}", str(tmp_path))
                registry.add([new(f"/p/{number}")], 2.0)
                return len(registry.get(f"/p/{number:03}/{'n' * 40}" for number in range(500)))

            assert together(2, work) == [500, 500]
            assert execute(path, "SELECT count(*) FROM remarks") == (1,)
            assert execute(path, "SELECT count(*) FROM files") == (502,)
            assert execute(path, "PRAGMA integrity_check") == ("ok",)

    def test_one_that_fails_changes_nothing(
        self, second: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        before = dump(second)
        real = migration.load
        monkeypatch.setattr(
            migration, "load", lambda name: real(name) + ";\nNO SUCH STATEMENT" if name[0] == "0" else real(name)
        )
        with pytest.raises(RegistryError, match="cannot be used"):
            open_registry("sqlite:", str(tmp_path))
        assert dump(second) == before
        assert execute(second, "PRAGMA user_version") == (migration.current() - 1,)


class TestFacts:
    """What the first two schemas remembered in a table of its own, which the third has as journals of one line."""

    @pytest.fixture(params=[1, 2])
    def former(self, request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        """A file of an earlier schema, in which two base directories remember something."""
        path = tmp_path / "r.db"
        with monkeypatch.context() as patch:
            patch.setattr(migration, "MIGRATIONS", migration.MIGRATIONS[: request.param])
            Database(str(path), "NORMAL", lambda: None).close()
        with closing(sqlite3.connect(path)) as connection, connection:
            for scope, base in enumerate((tmp_path, "/other"), 1):
                connection.execute("INSERT INTO scopes (id, base) VALUES (?, ?)", (scope, os.fsencode(base)))
                for name in ("clock", "adopt"):
                    bound = (scope, name, f"{name} of {scope}")
                    connection.execute("INSERT INTO facts (scope, name, text) VALUES (?, ?, ?)", bound)
            assert connection.execute("PRAGMA user_version").fetchone() == (request.param,)
        return path

    def test_they_are_still_known(self, former: Path, tmp_path: Path) -> None:
        assert look_at(str(former), str(tmp_path)).clock == "clock of 1", "and looking migrates nothing"
        for scope, base in enumerate((tmp_path, "/other"), 1):
            with closing(open_registry(f"sqlite://{former}", str(base))) as registry:
                told = [registry.read(name, limit=9) for name in ("clock", "adopt", "unknown")]
                assert told == [[(0.0, f"clock of {scope}")], [(0.0, f"adopt of {scope}")], []]
                registry.write("clock", "new", 5.0, keep=1)
                assert registry.read("clock", limit=9) == [(5.0, "new")]
            assert look_at(str(former), str(base)).clock == "new"
        assert execute(former, "PRAGMA user_version") == (migration.current(),)

    def test_an_earlier_version_goes_on_reading_them(self, former: Path, tmp_path: Path) -> None:
        """One that had the file open, or opens it, looks where they were; it writes nothing."""
        query = "SELECT text FROM facts WHERE scope = 1 AND name = 'clock'"
        assert execute(former, query) == ("clock of 1",)
        with closing(open_registry(f"sqlite://{former}", str(tmp_path))) as registry:
            for text in ("older", "newer"):
                registry.write("clock", text, 5.0, keep=2)
        assert execute(former, query) == ("newer",)

    def test_an_earlier_version_writes_nothing(
        self, former: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with closing(open_registry(f"sqlite://{former}", str(tmp_path))) as registry:
            registry.add([new("/p/a")], 1.0)
        newest = migration.current()
        monkeypatch.setattr(migration, "MIGRATIONS", migration.MIGRATIONS[:2])
        with closing(open_registry(f"sqlite://{former}", str(tmp_path))) as registry:
            with pytest.raises(RegistryError, match=rf"newer version \(schema {newest}, this one knows 2\)"):
                registry.add([new("/p/b")], 1.0)
            assert list(registry.files) == ["/p/a"]


MOUNTS = r"""
21 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw
22 21 0:20 / /proc rw,nosuid - proc proc rw
30 21 0:30 / /srv rw - nfs4 host:/export rw,vers=4.2
31 30 0:31 / /srv/local rw - xfs /dev/vdb rw
40 21 0:40 / /win rw master:7 propagate_from:2 - cifs //host/share rw
50 21 0:50 / /over rw - nfs host:/old rw
51 50 0:51 / /over rw - overlay overlay rw,lowerdir=/a,upperdir=/b,workdir=/c
60 21 0:60 / /with\040space\011tab\134040 rw - ceph host:/ rw
61 21 0:61 / /line\012break rw - fuse.sshfs me@host:/ rw
broken line
"""


class TestNetworkFileSystems:
    @pytest.mark.parametrize(
        ("path", "kind"),
        [
            ("/", "ext4"),
            ("/home/x", "ext4"),
            ("/srv", "nfs4"),
            ("/srv/a/b", "nfs4"),
            ("/srv2", "ext4"),
            ("/srv/local", "xfs"),
            ("/srv/local/a", "xfs"),
            ("/srv/locale", "nfs4"),
            ("/win/a", "cifs"),
            ("/over/a", "overlay"),
            ("/with space\ttab\\040/a", "ceph"),
            ("/with space", "ext4"),
            ("/line\nbreak/a", "fuse.sshfs"),
        ],
    )
    def test_the_mount_that_holds_a_path(self, path: str, kind: str) -> None:
        assert mounts.kind_among(MOUNTS, path) == kind

    def test_no_mounts(self) -> None:
        assert mounts.kind_among("", "/a") == ""

    def test_of_this_machine(self, tmp_path: Path) -> None:
        if not os.path.exists("/proc/self/mountinfo"):
            print("not tried: what this machine's kernel says of its mounts, of which there is no list")
            return
        assert mounts.kind("/proc") == mounts.kind("/proc/not/made") == "proc"
        linked = tmp_path / "link"
        linked.symlink_to("/proc")
        assert mounts.kind(str(linked)) == "proc"
        point = tmp_path / "a b\tc\nd\\040"
        point.mkdir()
        if subprocess.run(["mount", "-t", "tmpfs", "none", str(point)], check=False, capture_output=True).returncode:
            assert os.getuid() or "CI" not in os.environ, "root, and cannot mount"
            print("not tried: a mount point whose name is escaped, which takes the right to mount")
            return
        try:
            assert mounts.kind(str(point)) == "tmpfs"
        finally:
            subprocess.run(["umount", "-l", str(point)], check=True)

    @pytest.mark.parametrize("kind", sorted(mounts.NETWORK))
    def test_they_are_refused(self, filled: Path, tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
        """A new file is not even made, and an existing one stays as it is."""
        monkeypatch.setattr(mounts, "kind", lambda _: kind)
        before = filled.read_bytes()
        for path in (filled, tmp_path / "new" / "r.db"):
            with pytest.raises(RegistryError, match=rf"on a network file system \({re.escape(kind)}\).*local disk"):
                open_registry(f"sqlite://{path}", str(tmp_path))
        assert filled.read_bytes() == before
        assert not (tmp_path / "new").exists()

    @pytest.mark.parametrize("kind", ["fuse", "fuse.sshfs", "fuse.s3fs", "fuse.glusterfs", "fuse.something-new"])
    def test_what_may_be_one_is_refused(self, tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
        """Excludes code that takes for local whatever it has no name of."""
        monkeypatch.setattr(mounts, "kind", lambda _: kind)
        expected = rf"a file system that may be a network's \({re.escape(kind)}\).*give a path on a local disk"
        with pytest.raises(RegistryError, match=expected):
            open_registry(f"sqlite://{tmp_path}/new/r.db", str(tmp_path))

    @pytest.mark.parametrize("kind", ["fuseblk", "fuse.bindfs", "btrfs", "zfs", "bcachefs"])
    def test_what_is_known_to_be_local_is_not(self, tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(mounts, "kind", lambda _: kind)
        open_registry(f"sqlite://{tmp_path}/new/r.db", str(tmp_path)).close()

    def test_others_are_not(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Nor what nothing is known of; asked about is the folder, made or not."""
        asked = []

        def kind(path: str) -> str:
            asked.append(path)
            return "" if len(asked) % 2 else "overlay"

        monkeypatch.setattr(mounts, "kind", kind)
        open_registry(f"sqlite://{tmp_path}/new/new/r.db", str(tmp_path))
        assert set(asked) == {f"{tmp_path}/new/new"}


class TestStatements:
    """SQLite is the one that Python was built with: back to 3.24 of 2018."""

    LATER = (
        ("RETURNING", "3.35"), ("MATERIALIZED", "3.35"), ("DROP COLUMN", "3.35"), ("OVER (", "3.25"),
        ("FILTER (", "3.30"), ("NULLS FIRST", "3.30"), ("NULLS LAST", "3.30"), ("GENERATED ALWAYS", "3.31"),
        ("IIF(", "3.32"), ("STRICT", "3.37"), ("->", "3.38"), ("UNIXEPOCH", "3.38"), ("RIGHT JOIN", "3.39"),
        ("FULL JOIN", "3.39"), ("IS DISTINCT FROM", "3.39"), ("JSONB", "3.45"),
    )  # fmt: skip

    def texts(self) -> list[str]:
        found = [path.read_text() for path in SQL.iterdir() if path.name.endswith(".sql")]
        assert len(found) >= 2
        return [re.sub(r"--.*", "", text).upper() for text in found]

    def test_they_use_nothing_new(self) -> None:
        for text in self.texts():
            assert [(word, since) for word, since in self.LATER if word in text] == []
            # UPDATE … FROM is of 3.33.
            updates = [
                statement for statement in re.split(r"\n\s*\n|;", text) if statement.strip().startswith("UPDATE")
            ]
            assert not [update for update in updates if re.search(r"\bFROM\b", re.sub(r"\(.*\)", "", update))]

    def test_each_can_be_run(self, filled: Path) -> None:
        connection = sqlite3.connect(filled)
        statements = load_statements()
        assert len(statements) > 20
        for name, statement in statements.items():
            names = re.findall(r":(\w+)", statement)
            bound: Any = dict.fromkeys(names, 1) if names else (1,) * statement.count("?")
            connection.execute(f"EXPLAIN {statement}", bound), name
        connection.close()

    @pytest.mark.parametrize(
        ("name", "indexes"),
        [
            ("every_oldest", {"files_by_age", "files_with_ttl_by_age"}),
            ("every_by_age", {"files_by_age"}),
            ("every_by_due", {"files_by_due"}),
            ("due_by_age", {"files_by_age"}),
            ("due_by_ttl", {"files_by_due"}),
        ],
    )
    def test_pages_are_read_off_indexes(self, filled: Path, name: str, indexes: set[str]) -> None:
        """In their order, so that the first records cost the same however many there are."""
        statement = load_statements()[name]
        bound = dict.fromkeys(re.findall(r":(\w+)", statement), 1)
        with closing(sqlite3.connect(filled)) as connection:
            plan = [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {statement}", bound)]
        searched = [line for line in plan if line.startswith("SEARCH files")]
        assert {
            found for line in searched for found in re.findall(r"INDEX (files_by\w+|files_with\w+)", line)
        } == indexes
        assert not [line for line in plan if line.startswith("SCAN files")]


def test_the_smallest_file_that_sqlite_makes_is_used(tmp_path: Path) -> None:
    path = tmp_path / "r.db"
    execute(path, "PRAGMA page_size = 512", "VACUUM")
    path.chmod(0o600)
    assert path.stat().st_size == 512
    with closing(SqliteRegistry(str(path), str(tmp_path))) as registry:
        registry.add([new("/s/a")], 1.0)
        assert list(registry.files) == ["/s/a"]


@pytest.mark.parametrize("error", [TypeError, ValueError, IndexError, KeyError])
def test_rows_that_cannot_be_understood_are_damage(error: type[Exception]) -> None:
    with pytest.raises(RegistryError, match=r"/s/r\.db is damaged"), translated("/s/r.db"):
        raise error("no row of ours")


def test_a_newer_version_s_file_keeps_the_journal_it_has(tmp_path: Path) -> None:
    path = tmp_path / "r.db"
    SqliteRegistry(str(path), str(tmp_path)).close()
    execute(path, "PRAGMA journal_mode = DELETE", "PRAGMA user_version = 99")
    with closing(SqliteRegistry(str(path), str(tmp_path))) as registry:
        assert list(registry.files) == []
    assert execute(path, "PRAGMA journal_mode") == ("delete",)


def test_a_look_at_another_programs_database(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "theirs.db")) as connection:
        connection.execute("CREATE TABLE scopes (id, records, base)")
        connection.execute("CREATE TABLE facts (scope, name, text)")
        connection.commit()
    with pytest.raises(RegistryError, match=r"theirs\.db is no registry of this program: give another path"):
        look_at(str(tmp_path / "theirs.db"), str(tmp_path))
