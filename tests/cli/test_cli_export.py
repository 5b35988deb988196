"""``export`` and ``import``: what goes out comes back, and nothing else does."""

import json
import os
import shutil
import stat
import time
from pathlib import Path
from typing import Any

import pytest

import command_line
from command_line import Say, files
from contexts import MakeManager
from temp_file_manager import TempFileManager
from temp_file_manager.cli import exported_record, main, paths
from temp_file_manager.inspection import describe
from temp_file_manager.records import Identity, TempFile
from temp_file_manager.registry.sqlite.registry import SqliteRegistry
from temp_file_manager.text import printable

bare, folder, say, manager = command_line.bare, command_line.folder, command_line.say, command_line.manager

NAMES = ("plain", "new\nline", "\x1b[2J", "\udcff\udcfe", "ünïcödé")


@pytest.fixture
def made(folder: Path, manager: TempFileManager) -> list[str]:
    """Files with old times, ttls, tags and names of every kind, on record."""
    made = files(folder, *NAMES)
    manager.register_files(made[:3], ttl=60, tags=["a", "\udcff", 'quo"te'])
    manager.register_files(made[3:])
    manager.files[made[0]] = 1234567.25
    manager.registry.keep(made[2:4], float("inf"))
    return made


def line(path: str, /, **changes: Any) -> bytes:
    """Return an exported line for a file that is there, changed."""
    found = os.stat(path)
    identity = {"inode": found.st_ino, "born": 0, "changed": found.st_ctime_ns, "parent_inode": 0, "parent_born": 0}
    record = {"path": path, "registered_at": 1000.5, "due_at": None, "tags": [], "identity": identity}
    return json.dumps(record | changes).encode() + b"\n"


def test_what_goes_out_comes_back(say: Say, made: list[str], manager: TempFileManager) -> None:
    before = manager.registry.get(made)
    code, out, err = say("export")
    assert (code, err) == (0, "")
    assert out.isascii()
    assert [json.loads(text)["path"] for text in out.splitlines()] == [*made[3:], made[0], *made[1:3]]
    assert say("export", "--json").out == out
    manager.registry.forget(made)
    assert say("import", stdin=out.encode()) == (0, "5 records imported, 0 refused.\n", "")
    after = manager.registry.get(made)
    for path in made:
        assert after[path]._replace(generation=0) == before[path]._replace(generation=0)
    assert json.loads(say("import", "-", "--json", stdin=out.encode()).out) == {"imported": 5, "refused": 0}


def test_a_file_is_read_too(say: Say, made: list[str], manager: TempFileManager, folder: Path) -> None:
    (folder / "records.jsonl").write_text(say("export").out)
    manager.registry.forget(made)
    assert say("import", "records.jsonl").code == 0
    assert len(manager.registry.get(made)) == 5
    assert say("import", "nowhere") == (1, "", "temp-file-manager: nowhere: No such file or directory\n")
    assert say("import", ".") == (1, "", "temp-file-manager: .: Is a directory\n")


def test_another_registry_takes_it_over(say: Say, made: list[str], folder: Path) -> None:
    out = say("export").out
    elsewhere = f"sqlite://{folder}/other.db"
    assert say("import", "--registry", elsewhere, stdin=out.encode()).code == 0
    assert say("export", "--registry", elsewhere).out == out


def test_sessions_stay_behind(say: Say, folder: Path, manager: TempFileManager) -> None:
    """What lives in one stays in it; where there is no such session ``max_age`` decides, lest it stay for ever."""
    endless, timed = files(folder, "endless", "timed")
    with manager.session() as session:
        session.register_file(endless)
        number = manager.registry.begin("", now=time.time(), ends_at=5e9, owner=None).number
        manager.context.registrar.one(timed, None, (), number)
        out = say("export").out
        code, told, err = say("import", stdin=out.encode())
        assert (code, told) == (1, "0 records imported, 2 refused.\n")
        assert "in a session that lives" in err
        found = manager.registry.get([endless, timed])
        assert [found[path].session for path in (endless, timed)] == [session.number, number]
        manager.registry.forget([endless, timed])
        assert say("import", stdin=out.encode()).code == 0
        found = manager.registry.get([endless, timed])
        assert [found[path].due_at for path in (endless, timed)] == [None, 5e9]


def test_what_is_no_longer_that_file_is_refused(say: Say, made: list[str], manager: TempFileManager) -> None:
    out = say("export").out
    manager.registry.forget(made)
    gone, replaced, directory, grown, kept = made
    shutil.move(gone, f"{gone}.moved")
    shutil.move(replaced, f"{replaced}.moved")
    Path(replaced).touch()
    shutil.move(directory, f"{directory}.moved")
    os.mkdir(directory)
    with open(grown, "ab") as file:
        file.write(b"more")
    code, told, err = say("import", stdin=out.encode())
    assert (code, told) == (1, "2 records imported, 3 refused.\n")
    assert dict(text.removeprefix("temp-file-manager: ").split(": ") for text in err.splitlines()) == {
        gone: "gone, or no regular file",
        printable(replaced): "another file by now",
        printable(directory): "gone, or no regular file",
    }
    assert set(manager.registry.get(made)) == {grown, kept}
    assert manager.registry.get([grown])[grown].size == 9


def test_without_a_birth_time_the_change_time_decides(say: Say, folder: Path, manager: TempFileManager) -> None:
    one, two = files(folder, "one", "two")
    lines = line(one) + line(two)
    os.utime(two)
    code, _, err = say("import", stdin=lines)
    assert (code, err) == (1, f"temp-file-manager: {two}: another file by now\n")
    assert list(manager.registry.get([one, two])) == [one]


def test_a_younger_record_is_not_made_older(say: Say, folder: Path, manager: TempFileManager) -> None:
    (path,) = files(folder, "file")
    exported_then = line(path)
    manager.register_file(path)
    code, _, err = say("import", stdin=exported_then)
    assert (code, err) == (1, f"temp-file-manager: {path}: registered again since\n")
    assert manager.registry.get([path])[path].registered_at > time.time() - 60


BAD_LINES = [
    (b"\xff\xfe\xfd\n", "no JSON: "),
    (b"\xff" * 500 + b"\n", "no JSON: "),
    (b"{\n", "no JSON: "),
    (b"[" * 100_000 + b"\n", "no JSON: "),
    (b"[]\n", "no record: not a JSON object"),
    (b"null\n", "no record: not a JSON object"),
    (b"9" * 10_000 + b"\n", "no JSON: "),
    (b"{}\n", "no record: it has no path"),
    (b'{"path": 5}\n', "no record: it has no path"),
    (b'{"path": ""}\n', "no record: it has no path"),
    (b'{"path": "relative"}\n', "not an absolute, normalised path"),
    (b'{"path": "/tmp/../etc/passwd"}\n', "not an absolute, normalised path"),
    (b'{"path": "/\\ud800"}\n', "no file can have this name"),
    (b'{"path": "/x"}\n', "registered_at is no time"),
    (b"x" * (1 << 20) + b"y\n", "longer than 1048576 bytes"),
]


@pytest.mark.parametrize(("bad", "reason"), BAD_LINES, ids=range(len(BAD_LINES)))
def test_a_bad_line_is_refused_and_the_others_are_imported(
    say: Say, folder: Path, manager: TempFileManager, bad: bytes, reason: str
) -> None:
    one, two = files(folder, "one", "two")
    code, out, err = say("import", stdin=line(one) + bad + b"\n" + line(two).rstrip())
    assert (code, out) == (1, "2 records imported, 1 refused.\n")
    assert reason in err
    assert err.count("\n") == 1
    assert err.isascii() or "…" in err
    assert len(err) < 500
    assert set(manager.registry.get([one, two])) == {one, two}


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"registered_at": True}, "registered_at is no time"),
        ({"registered_at": "1000"}, "registered_at is no time"),
        ({"registered_at": float("nan")}, "registered_at is no time"),
        ({"registered_at": 10**400}, "registered_at is no time"),
        ({"due_at": []}, "due_at is no time"),
        ({"pinned_until": "always"}, "pinned_until is no time"),
        ({"tags": "word"}, "tags are no list of strings"),
        ({"tags": [1]}, "tags are no list of strings"),
        ({"identity": None}, "its identity is unknown, so it may be another file: register it instead"),
        ({"identity": {"inode": 5}}, "its identity lacks one of inode, born, "),
        ({"identity": [1, 2, 3, 4, 5]}, "its identity lacks one of inode, born, "),
        ({"identity": dict.fromkeys(Identity._fields, 10**30)}, "another file by now"),
        ({"identity": dict.fromkeys(Identity._fields, 0)}, "another file by now"),
        ({"path": "/a\0b"}, "gone, or no regular file"),
    ],
)
def test_a_record_that_says_nonsense_is_refused(say: Say, folder: Path, changes: dict[str, Any], reason: str) -> None:
    (path,) = files(folder, "file")
    code, out, err = say("import", stdin=line(path, **changes))
    assert (code, out) == (1, "0 records imported, 1 refused.\n")
    assert reason in err


def test_the_registry_itself_is_no_temporary_file(say: Say, folder: Path, manager: TempFileManager) -> None:
    own = str(folder / "base" / ".temp-file-manager" / "registry.db")
    assert say("import", stdin=line(own)) == (
        1,
        "0 records imported, 1 refused.\n",
        f"temp-file-manager: {own}: it is one of this package's own files\n",
    )
    assert say("register", own).code == 1


def test_nothing_to_import(say: Say) -> None:
    assert say("import") == (0, "0 records imported, 0 refused.\n", "")
    assert say("import", stdin=b"\n\n").code == 0
    assert say("import", stdin=None) == (2, "", "temp-file-manager: standard input is closed\n")
    assert say("export") == (0, "", "")


def test_one_step_for_those_of_one_time(
    say: Say, made: list[str], manager: TempFileManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = say("export").out
    manager.registry.forget(made)
    added = []
    add = type(manager.registry).add
    monkeypatch.setattr(
        type(manager.registry),
        "add",
        lambda self, rows, now, **how: (added.append(len(rows)), add(self, rows, now, **how)),
    )
    assert say("import", stdin=out.encode()).code == 0
    assert added == [2, 2, 1, 2], "what is pinned first as what is pending"
    assert manager.registry.stats().counters["registered"] == 2 * len(made), "once, what is pinned counted twice"
    monkeypatch.setattr(paths, "CHUNK", 100)
    assert say("import", stdin=out.encode()).out == "5 records imported, 0 refused.\n"


def test_what_may_not_be_registered_is_not_imported(say: Say, made: list[str], manager: TempFileManager) -> None:
    """Once, import passed by the owner check, and left the modes as they were."""
    out = say("export").out.encode()
    manager.registry.forget(made)
    assert say("import", "--permission-mask", "640", stdin=out).code == 0
    assert {stat.S_IMODE(os.stat(path).st_mode) for path in made} == {0o640}
    assert {record.pinned_until for record in manager.registry.get(made[2:4]).values()} == {float("inf")}
    assert manager.sweep(force=True, dry_run=True).removed == 3, "each is the file that it was imported as"
    manager.registry.forget(made)
    if os.geteuid():
        pytest.skip("making a file another user's takes root")
    os.chown(made[0], 65534, -1)
    code, told, err = say("import", "--owner-check", "true", stdin=out)
    assert (code, told) == (1, "4 records imported, 1 refused.\n")
    assert "it belongs to user 65534" in err
    assert not manager.is_temp_file(made[0])


def test_infinite_times_are_json_that_everybody_reads() -> None:
    record = TempFile("/x", float("-inf"), float("inf"), identity=Identity(1, 2, 3, 4, 5))
    text = json.dumps(describe.stored(record), allow_nan=False)
    assert exported_record.read(text.encode()) == ("/x", float("-inf"), float("inf"), (), record.identity, None)


def test_an_imported_pin_is_there_before_its_record_is_due(
    make_manager: MakeManager,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    file: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Once, a sweep between the record and its pin removed the file."""
    manager = make_manager()
    manager.register_file(file)
    manager.files[str(file)] = 0.0
    manager.pin(file)
    assert main(["export", "--base-dir", manager.base_dir]) == 0
    exported = tmp_path / "exported"
    exported.write_text(capsys.readouterr().out)
    manager.registry.forget([str(file)])
    real, retired = SqliteRegistry.keep, []

    def keep(*args: Any) -> tuple[str, ...]:
        retired.append(manager.cleanup())
        return real(*args)

    monkeypatch.setattr(SqliteRegistry, "keep", keep)
    assert main(["import", "--base-dir", manager.base_dir, str(exported)]) == 0
    assert retired == [0, 0]
    assert file.exists()
    assert manager.files == {str(file): 0.0}
