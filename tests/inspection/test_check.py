"""What check finds after a crash, what it puts right, and what it never touches."""

import json
import os
import shutil
import signal
import sqlite3
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

from contexts import timed
from temp_file_manager import TempFileManager
from temp_file_manager.errors import RecordClaimedError, RegistryError
from temp_file_manager.inspection.check import check
from temp_file_manager.records import NewFile, Selection, TempFile
from temp_file_manager.registry.sqlite.registry import SqliteRegistry
from temp_file_manager.reports import Finding
from temp_file_manager.testing import FakeClock, in_child

ALL = Selection(1e9, 0, force=True)


@pytest.fixture
def base(tmp_path: Path) -> Path:
    return tmp_path / "base"


@pytest.fixture
def place(base: Path) -> Path:
    return base / ".temp-file-manager" / "registry.db"


@pytest.fixture
def manager(base: Path) -> Iterator[TempFileManager]:
    manager = TempFileManager(base, registry="sqlite:")
    yield manager
    manager.close()


def make(manager: TempFileManager, directory: Path, *names: str) -> list[str]:
    """Make files and register them."""
    directory.mkdir(exist_ok=True)
    paths = [str(directory / name) for name in names]
    for path in paths:
        Path(path).write_text("registered")
    assert manager.register_files(paths).registered == len(paths)
    return paths


def replace(path: str) -> None:
    """Put another file in the place of a registered one."""
    os.remove(path)
    Path(path).write_text("another one's")


def in_doubt(path: str) -> None:
    """Put the very file into a directory that has taken the place of the one it was registered in."""
    directory, name = os.path.split(path)
    os.rename(directory, f"{directory}-before")
    os.mkdir(directory)
    os.link(f"{directory}-before/{name}", path)


def execute(path: Path, *statements: str) -> Any:
    connection = sqlite3.connect(path, isolation_level=None)
    try:
        for statement in statements:
            row = connection.execute(statement).fetchone()
    finally:
        connection.close()
    return row


def dump(path: Path) -> list[str]:
    connection = sqlite3.connect(path)
    try:
        return list(connection.iterdump())
    finally:
        connection.close()


def tree(directory: Path) -> dict[str, object]:
    """Return all there is to be known of what is in a directory; of SQLite's shared memory only that it is there."""
    found: dict[str, object] = {}
    for path in sorted(directory.rglob("*")):
        seen = path.lstat()
        is_file = path.is_file() and not path.is_symlink()
        content = path.read_bytes() if is_file and not path.name.endswith("-shm") else b""
        known = (seen.st_mode, seen.st_ino, seen.st_nlink, content)
        found[str(path)] = known if path.name.endswith("-shm") else (*known, seen.st_mtime_ns, seen.st_ctime_ns)
    return found


def is_claimed(manager: TempFileManager, path: str) -> bool:
    """Say whether a sweep keeps everybody else from a path, as this thread's own claim does at once."""
    try:
        manager.registry.forget([path], keeps=True)
    except RecordClaimedError:
        return True
    return False


def leave_a_claim(manager: TempFileManager) -> int:
    """Claim everything in a process that is then killed; return how much it was."""
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            claim = TempFileManager(manager.base_dir, registry="sqlite:").registry.claim(ALL, now=0, lease=60, limit=99)
            os.write(writer, bytes([len(claim.records)]))
            signal.pause()
        finally:
            os._exit(1)
    os.close(writer)
    with open(reader, "rb") as pipe:
        (count,) = pipe.read(1)
        os.kill(pid, signal.SIGKILL)
    assert os.waitpid(pid, 0)[1] == signal.SIGKILL
    return count


def brief(findings: Iterable[Finding]) -> list[tuple[str, str, bool]]:
    assert all(finding.explanation for finding in findings)
    return sorted((finding.kind, finding.subject, finding.fixed) for finding in findings)


def at(seconds: float) -> FakeClock:
    return FakeClock(elapsed=seconds)


@pytest.mark.parametrize("fix", [False, True])
class TestNothingFound:
    @pytest.mark.parametrize("registry", ["memory:", "sqlite:"])
    def test_when_all_is_well(self, base: Path, tmp_path: Path, registry: str, fix: bool) -> None:
        """With a link to a file, a file that has grown, one that was removed and forgotten, and a directory's mode."""
        manager = TempFileManager(base, registry=registry)
        paths = make(manager, tmp_path / "files", "a", "b", "c")
        link = tmp_path / "link"
        link.symlink_to(paths[0])
        manager.register_file(link)
        with open(paths[0], "a") as file:
            file.write("more")
        os.remove(paths[1])
        manager.registry.forget(paths[1:2])
        os.chmod(tmp_path / "files", 0o750)
        manager.sweep(force=True, limit=1)
        assert check(manager.context, fix=fix) == ()
        assert len(manager.files) == 2
        manager.close()
        assert check(manager.context, fix=fix) == ()

    def test_of_an_empty_registry(self, manager: TempFileManager, fix: bool) -> None:
        assert check(manager.context, fix=fix) == ()
        assert len(manager.files) == 0

    def test_while_a_sweep_of_another_process_lives(self, manager: TempFileManager, tmp_path: Path, fix: bool) -> None:
        """Neither its claim nor its lock file is taken for what a crash left."""
        make(manager, tmp_path / "files", "a", "b")
        claim = manager.registry.claim(ALL, now=0, lease=60, limit=1)

        def other() -> list[object]:
            return brief(check(timed(TempFileManager(manager.base_dir, registry="sqlite:"), at(59)), fix=fix))

        assert in_child(other) == []
        assert check(timed(manager, at(59)), fix=fix) == ()
        assert is_claimed(manager, claim.records[0].path)

    def test_of_another_base_in_the_same_file(self, tmp_path: Path, place: Path, fix: bool) -> None:
        """Its records are its own."""
        theirs = TempFileManager(tmp_path / "theirs", registry=f"sqlite://{place}")
        (path,) = make(theirs, tmp_path / "files", "a")
        os.remove(path)
        ours = TempFileManager(tmp_path / "ours", registry=f"sqlite://{place}")
        make(ours, tmp_path / "files", "b")
        assert check(ours.context, fix=fix) == ()
        assert brief(check(theirs.context)) == [("record without a file", path, False)]


@pytest.mark.parametrize("registry", ["memory:", "sqlite:"])
def test_a_record_without_a_file(base: Path, tmp_path: Path, registry: str) -> None:
    manager = TempFileManager(base, registry=registry)
    gone, there = make(manager, tmp_path / "files", "gone", "there")
    os.remove(gone)
    assert brief(check(manager.context)) == [("record without a file", gone, False)]
    assert sorted(manager.files) == [gone, there]
    assert brief(check(manager.context, fix=True)) == [("record without a file", gone, True)]
    assert list(manager.files) == [there]
    assert check(manager.context) == ()


def test_a_record_whose_directory_is_gone(manager: TempFileManager, tmp_path: Path) -> None:
    (path,) = make(manager, tmp_path / "files", "a")
    shutil.rmtree(tmp_path / "files")
    (tmp_path / "files").write_text("a file now")
    assert brief(check(manager.context, fix=True)) == [("record without a file", path, True)]
    assert check(manager.context) == ()
    assert (tmp_path / "files").read_text() == "a file now"


def test_a_record_of_another_file(manager: TempFileManager, tmp_path: Path) -> None:
    path, there = make(manager, tmp_path / "files", "a", "there")
    replace(path)
    assert brief(check(manager.context)) == [("record of another file", path, False)]
    assert brief(check(manager.context, fix=True)) == [("record of another file", path, True)]
    assert Path(path).read_text() == "another one's"
    assert list(manager.files) == [there]
    assert check(manager.context) == ()


def test_a_record_in_doubt(manager: TempFileManager, tmp_path: Path) -> None:
    """Nobody but its owner can say, and registering it again is how."""
    (path,) = make(manager, tmp_path / "files", "a")
    in_doubt(path)
    for fix in (False, True):
        assert brief(check(manager.context, fix=fix)) == [("record in doubt", path, False)]
        assert list(manager.files) == [path]
        assert Path(path).read_text() == "registered"
    manager.register_file(path)
    assert check(manager.context) == ()


def test_a_claim_of_a_killed_process(manager: TempFileManager, tmp_path: Path) -> None:
    paths = make(manager, tmp_path / "files", "a", "b")
    assert leave_a_claim(manager) == 2
    found = check(timed(manager, at(1)))
    assert [finding.kind for finding in found] == ["lapsed claim", "leftover lock file"]
    assert not any(finding.fixed for finding in found)
    fixed = check(timed(manager, at(1)), fix=True)
    assert brief(fixed) == [(kind, subject, True) for kind, subject, _ in brief(found)]
    assert check(timed(manager, at(1))) == ()
    assert [record.path for record in manager.registry.claim(ALL, now=1, lease=60, limit=9).records] == paths


def test_a_claim_of_a_killed_process_hides_no_record(manager: TempFileManager, tmp_path: Path) -> None:
    """What is wrong with the records that it held is found as soon as it is ended, in the same run."""
    (path,) = make(manager, tmp_path / "files", "a")
    leave_a_claim(manager)
    os.remove(path)
    assert "record without a file" in [finding.kind for finding in check(timed(manager, at(1)), fix=True)]
    assert check(manager.context) == ()


def test_a_claim_that_has_lapsed(manager: TempFileManager, tmp_path: Path) -> None:
    """Of a sweep that lives, and stalled: its claim goes, its lock file stays, and it removes nothing any more."""
    make(manager, tmp_path / "files", "a")
    claim = manager.registry.claim(ALL, now=0, lease=60, limit=1)
    path = claim.records[0].path
    (lock,) = (tmp_path / "base" / ".temp-file-manager" / "registry.db-claimers").iterdir()
    assert [(finding.kind, finding.fixed) for finding in check(timed(manager, at(60)))] == [("lapsed claim", False)]
    assert is_claimed(manager, path)
    assert [(f.kind, f.fixed) for f in check(timed(manager, at(60)), fix=True)] == [("lapsed claim", True)]
    assert not is_claimed(manager, path)
    assert lock.exists()
    assert check(timed(manager, at(60))) == ()


def test_a_lock_file_left_over(manager: TempFileManager, place: Path) -> None:
    """And what else lies in the directory is nobody's business."""
    claimers = Path(f"{place}-claimers")
    claimers.mkdir(mode=0o700)
    (claimers / "0badcafe-999").touch()
    (claimers / "notes").touch()
    assert brief(check(manager.context)) == [("leftover lock file", "0badcafe-999", False)]
    assert brief(check(manager.context, fix=True)) == [("leftover lock file", "0badcafe-999", True)]
    assert os.listdir(claimers) == ["notes"]
    assert check(manager.context) == ()


@pytest.mark.parametrize("wrong", [0, 1, 7, -1])
def test_a_wrong_counter(manager: TempFileManager, tmp_path: Path, place: Path, wrong: int) -> None:
    make(manager, tmp_path / "files", "a", "b")
    execute(place, f"UPDATE scopes SET records = {wrong}")
    (finding,) = check(manager.context)
    assert (finding.kind, finding.fixed) == ("wrong count", False)
    assert finding.explanation == f"{wrong} by its counter, 2 by counting"
    assert manager.registry.stats().records == wrong
    (finding,) = check(manager.context, fix=True)
    assert (finding.kind, finding.fixed) == ("wrong count", True)
    assert manager.registry.stats().records == len(manager.files) == 2
    assert check(manager.context) == ()


@pytest.mark.parametrize("fix", [False, True])
class TestDamage:
    def test_a_page(self, manager: TempFileManager, tmp_path: Path, place: Path, fix: bool) -> None:
        make(manager, tmp_path / "files", "a", "b")
        manager.close()
        (page,) = execute(place, "SELECT rootpage FROM sqlite_master WHERE name = 'files_by_age'")
        (size,) = execute(place, "PRAGMA page_size")
        with open(place, "r+b") as file:
            file.seek((page - 1) * size)
            file.write(b"\xff" * size)
        before = place.read_bytes()
        with pytest.raises(RegistryError, match=f"{place} is damaged"):
            check(manager.context, fix=fix)
        manager.close()
        assert place.read_bytes() == before

    def test_what_only_a_look_at_all_of_it_tells(
        self, manager: TempFileManager, tmp_path: Path, place: Path, fix: bool
    ) -> None:
        """Every page can be read, and a column that is never empty is."""
        make(manager, tmp_path / "files", "a", "b")
        manager.close()
        (text,) = execute(place, "SELECT sql FROM sqlite_master WHERE name = 'files'")
        loose = text.replace("registered_at REAL NOT NULL", "registered_at REAL").replace("'", "''")
        assert loose != text
        write = "PRAGMA writable_schema = ON"
        execute(place, write, f"UPDATE sqlite_master SET sql = '{loose}' WHERE name = 'files'")
        execute(place, "UPDATE files SET registered_at = NULL WHERE id = (SELECT max(id) FROM files)")
        strict = text.replace("'", "''")
        execute(place, write, f"UPDATE sqlite_master SET sql = '{strict}' WHERE name = 'files'")
        before = dump(place)
        with pytest.raises(RegistryError, match=r"registry\.db is damaged: .*registered_at.*put a copy back"):
            check(manager.context, fix=fix)
        assert dump(place) == before


class TestEverythingAtOnce:
    @pytest.fixture
    def wrong(self, manager: TempFileManager, tmp_path: Path, place: Path) -> list[tuple[str, str]]:
        """Break all that can be broken; return what is to be found."""
        make(manager, tmp_path / "held", "a", "b")
        assert leave_a_claim(manager) == 2
        (claim,) = execute(place, "SELECT id FROM claims")
        (lock,) = os.listdir(f"{place}-claimers")
        gone, replaced, _ = make(manager, tmp_path / "files", "gone", "replaced", "sound")
        (doubtful,) = make(manager, tmp_path / "doubt", "a")
        os.remove(gone)
        replace(replaced)
        in_doubt(doubtful)
        execute(place, "UPDATE scopes SET records = 77")
        return sorted(
            [
                ("lapsed claim", f"claim {claim}"),
                ("leftover lock file", lock),
                ("wrong count", "number of records"),
                ("record without a file", gone),
                ("record of another file", replaced),
                ("record in doubt", doubtful),
            ]
        )

    def test_looking_changes_nothing_at_all(
        self, manager: TempFileManager, tmp_path: Path, place: Path, wrong: list[tuple[str, str]]
    ) -> None:
        len(manager.files)  # opened again, after the fork
        before = dump(place), tree(tmp_path)
        for _ in range(2):
            assert brief(check(timed(manager, at(1)))) == [(*what, False) for what in wrong]
        assert tree(tmp_path) == before[1]
        assert dump(place) == before[0]

    def test_fixing_puts_right_what_it_says_and_removes_no_file(
        self, manager: TempFileManager, tmp_path: Path, wrong: list[tuple[str, str]]
    ) -> None:
        def files() -> dict[str, object]:
            return {path: known for path, known in tree(tmp_path).items() if ".temp-file-manager" not in path}

        before = files()
        fixed = [(*what, what[0] != "record in doubt") for what in wrong]
        assert brief(check(timed(manager, at(1)), fix=True)) == fixed
        assert files() == before
        assert brief(check(timed(manager, at(1)), fix=True)) == [what for what in fixed if not what[2]]
        assert sorted(manager.files) == sorted(
            str(tmp_path / name) for name in ("held/a", "held/b", "files/sound", "doubt/a")
        )
        assert len(manager.files) == 4


class _Late(SqliteRegistry):
    """Just before it forgets, somebody makes the file anew and registers it, from a process of its own."""

    def __init__(self, path: str, base: str) -> None:
        super().__init__(path, base)
        self.base = base

    def forget(self, what: Iterable[str | TempFile], *, keeps: bool = False) -> int:
        records = [one for one in what if isinstance(one, TempFile)]
        path, base = self.transactions.database.path, self.base

        def register() -> int:
            for record in records:
                Path(record.path).write_text("made anew")
            manager = TempFileManager(base, registry=f"sqlite://{path}")
            return manager.register_files(record.path for record in records).registered

        assert in_child(register) == len(records)
        return super().forget(records, keeps=keeps)


def test_what_is_registered_again_between_looking_and_fixing_is_spared(base: Path, tmp_path: Path) -> None:
    manager = TempFileManager(base, registry=_Late(str(tmp_path / "r.db"), str(base)))
    gone, replaced = make(manager, tmp_path / "files", "gone", "replaced")
    os.remove(gone)
    replace(replaced)
    assert brief(check(manager.context, fix=True)) == [
        ("record of another file", replaced, False),
        ("record without a file", gone, False),
    ]
    assert sorted(manager.files) == [gone, replaced]
    assert check(manager.context) == ()


def test_more_records_than_a_page(manager: TempFileManager, tmp_path: Path) -> None:
    """Found and forgotten while the pages are turned: none is passed over."""
    gone = [f"/nowhere/{number:04}" for number in range(2500)]
    rows: list[NewFile] = [(path, None if int(path[-1]) % 2 else 5.0, None, (), None, None) for path in gone]
    manager.registry.add(rows, 1.0)
    (sound,) = make(manager, tmp_path / "files", "a")
    assert [finding.subject for finding in check(manager.context)] == sorted(
        gone, key=lambda path: int(path[-1]) % 2 == 0
    )
    fixed = check(manager.context, fix=True)
    assert sorted(finding.subject for finding in fixed if finding.fixed) == gone
    assert list(manager.files) == [sound]
    assert check(manager.context) == ()


def test_names_are_given_as_they_are(manager: TempFileManager, tmp_path: Path) -> None:
    """Escaping them is for whoever shows them."""
    (path,) = make(manager, tmp_path / "files", "a\n\x1b[2J\udcff")
    os.remove(path)
    (finding,) = check(manager.context, fix=True)
    assert finding.subject == path
    assert json.dumps(finding.explanation).isprintable()
    assert check(manager.context) == ()
