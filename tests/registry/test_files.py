"""``files``, which is a dict in memory and must be one elsewhere, in all that a caller can tell."""

import copy
import functools
import json
import math
import os
import pickle
import time
from collections.abc import Callable, Iterator, MutableMapping
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from contexts import MakeManager
from interrupts import everywhere, interrupted
from temp_file_manager import TempFileManager
from temp_file_manager.errors import InvalidArgumentError
from temp_file_manager.records import NOTHING, Identity
from temp_file_manager.registry import MemoryRegistry, Registry
from temp_file_manager.registry.files import PAGE, StoredFiles
from temp_file_manager.registry.sqlite.registry import SqliteRegistry
from temp_file_manager.testing import NOW, FakeClock
from trees import numbered

Files = MutableMapping[str, float]

HUGE = "1" + "0" * 400


@pytest.fixture(params=["memory", "sqlite", "mapping over memory"])
def files(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Files]:
    """The mapping of each registry; and the one of SQLite's over the records of another."""
    registry: Registry = MemoryRegistry()
    if request.param == "sqlite":
        registry = SqliteRegistry(str(tmp_path / "registry.db"), str(tmp_path))
    yield StoredFiles(registry, lambda _: NOTHING) if "over" in request.param else registry.files
    registry.close()


def test_setdefault_gives_what_a_dict_gives_whoever_comes_between(files: Files) -> None:
    """Once, a sweep that retired the record between two lines made it raise KeyError; a dict never does."""

    within = "memory/files.py" if isinstance(files, dict) else "registry/files.py"

    def at(point: int, meanwhile: Callable[[], object]) -> bool:
        files.clear()
        with interrupted(point, within, meanwhile) as reached:
            assert files.setdefault("/f/a", 5.0) in {5.0, 7.0}
        return reached()

    assert everywhere(lambda point: at(point, lambda: files.pop("/f/a", None))) > 3
    write = functools.partial(files.update, {"/f/a": 7.0})
    assert everywhere(lambda point: at(point, write) and files["/f/a"] == 7.0) > 3, "what is there is not changed"


@pytest.mark.parametrize("bad", [math.nan, "12", None], ids=str)
def test_an_update_with_one_bad_time_records_nothing(files: Files, bad: Any) -> None:
    files["/f/a"] = 1.0
    for step in (lambda: files.update({"/f/a": 2.0, "/f/b": 3.0, "/f/c": bad}), lambda: ior(files, [("/f/b", bad)])):
        with pytest.raises((TypeError, ValueError)):
            step()
    assert dict(files) == {"/f/a": 1.0}


def told(step: Callable[[Any], Any], files: Any) -> Any:
    """Return what a step returns, or the kind of its error."""
    try:
        found = step(files)
    except (KeyError, TypeError, ValueError) as error:
        return KeyError if isinstance(error, KeyError) else type(error) if isinstance(error, TypeError) else ValueError
    return found if isinstance(found, int | float | str | tuple | dict | list | type(None)) else list(found)


def ior(files: Any, other: Any) -> Any:
    before = files
    files |= other
    assert files is before
    return len(files)


SCRIPT: dict[str, Callable[[Any], Any]] = {
    "set": lambda files: files.__setitem__("/f/a", 1),
    "set another": lambda files: files.__setitem__("/f/b", 2.5),
    "set again": lambda files: files.__setitem__("/f/b", -math.inf),
    "get": lambda files: files["/f/b"],
    "get the unknown": lambda files: files["/f/x"],
    "get with a default": lambda files: (files.get("/f/x"), files.get("/f/x", 7), files.get("/f/a", 7)),
    "in": lambda files: ("/f/a" in files, "/f/x" in files, "" in files, 5 in files, None in files),
    "update with a dict": lambda files: files.update({"/f/c": 3, "/f/d": 4}),
    "update with pairs": lambda files: files.update([("/f/e", 5)]),
    "update with words": lambda files: files.update(word=6),
    "update with what is neither": lambda files: files.update([("only",)]),
    "update with a number": lambda files: files.update(5),
    "|= with a dict": lambda files: ior(files, {"/f/f": 7}),
    "|= with pairs": lambda files: ior(files, [("/f/g", 8)]),
    "|": lambda files: files | {"/f/a": 100.0, "/f/x": 1.0},
    "| the other way": lambda files: {"/f/a": 100.0, "/f/x": 1.0} | files,
    "| with pairs": lambda files: files | [("/f/a", 1.0)],
    "what | makes is plain": lambda files: type(files | {}).__name__,
    "setdefault of the unknown": lambda files: files.setdefault("/f/h", 9),
    "setdefault of the known": lambda files: files.setdefault("/f/h", 10),
    "setdefault without a time": lambda files: files.setdefault("/f/x"),
    "pop": lambda files: files.pop("/f/h"),
    "pop the unknown": lambda files: files.pop("/f/h"),
    "pop the unknown with a default": lambda files: (files.pop("/f/h", None), files.pop("/f/h", 1.5)),
    "del": lambda files: files.__delitem__("/f/g"),
    "del the unknown": lambda files: files.__delitem__("/f/g"),
    "a relative name": lambda files: files.__setitem__("name", 20),
    "the same at the root": lambda files: files.__setitem__("/name", 21),
    "relative below": lambda files: files.update({"a/name": 22, "./name": 23, "..": 24, ".": 25, "": 26, "a/": 27}),
    "as they were written": lambda files: [files[path] for path in ("name", "/name", "a/name", "./name", "", "a/")],
    "a relative name goes": lambda files: (files.pop("name"), files.pop(""), "name" in files, "/name" in files),
    "strange names": lambda files: files.update({"/\udcff": 1, "/f/a\nb": 2, "/f/ß": 3, "//f//a": 4, "/": 5}),
    "a time that is none": lambda files: files.__setitem__("/f/x", "12"),
    "not a number": lambda files: files.__setitem__("/f/x", math.nan),
    "nothing": lambda files: files.__setitem__("/f/x", None),
    "as JSON": lambda files: json.dumps(dict(files)),
    "items": lambda files: list(files.items()),
    "keys": lambda files: list(files.keys()),
    "values": lambda files: list(files.values()),
    "items as a set": lambda files: (("/f/a", 1) in files.items(), len(files.items() & {("/f/a", 1), ("/f/b", 1)})),
    "iteration": list,
    "backwards": lambda files: list(reversed(files)),
    "length": len,
    "truth": bool,
    "a copy": lambda files: files.copy(),
    "its kind": lambda files: [type(made).__name__ for made in (files.copy(), copy.copy(files), copy.deepcopy(files))],
    "a copy is apart": lambda files: files.copy().update({"/f/x": 1}),
    "pickled": lambda files: pickle.loads(pickle.dumps(files)),
    "equal": lambda files: (files == files.copy(), files.copy() == files, files == {}, files != {}, files == 5),
    "hash": hash,
    "popitem": lambda files: (files.popitem(), files.popitem()),
    "filtered": lambda files: {path: when for path, when in files.items() if when < 3},
    "clear": lambda files: files.clear(),
    "clear again": lambda files: files.clear(),
    "popitem of nothing": lambda files: files.popitem(),
    "falsehood": bool,
    "equal to nothing": lambda files: (files == {}, len(files), list(files)),
}  # fmt: skip


def test_one_script_for_a_dict_and_for_each_mapping(files: Files) -> None:
    """Each step tells, and leaves, what it does with a dict of numbers."""
    model: dict[str, float] = MemoryRegistry().files
    plain: dict[str, float] = {}
    unlike_plain = {"setdefault without a time", "a time that is none", "not a number", "nothing"}
    for name, step in SCRIPT.items():
        expected = told(step, model)
        assert told(step, files) == expected, name
        if name not in unlike_plain:
            assert told(step, plain) == expected, f"{name}: what a dict does, this test has wrong"
        else:
            plain = dict(model)
        assert dict(files) == dict(model) == plain, name


def test_more_than_a_page(files: Files) -> None:
    expected = {f"/f/{number}": float(number) for number in range(PAGE + PAGE // 2)}
    files.update(expected)
    assert list(files.items()) == list(expected.items())
    assert list(files) == list(expected)
    for path in files:
        if path.endswith("7"):
            break
    assert len(files) == len(expected)
    files.clear()
    assert not files


def test_a_default_is_returned_when_another_is_faster() -> None:
    """Between looking and deleting, somebody else deletes."""

    class Raced(MemoryRegistry):
        def get(self, paths: Any) -> Any:
            found = super().get(paths)
            self.files.clear()
            return found

    files = StoredFiles(Raced(), lambda _: NOTHING)
    files["/f/a"] = NOW
    assert files.pop("/f/a", 5) == 5
    files["/f/a"] = NOW
    with pytest.raises(KeyError):
        files.pop("/f/a")


@pytest.mark.parametrize("write", ["files", "replace"])
def test_what_is_unknown_is_identified_by_whoever_opens_the_registry(tmp_path: Path, write: str) -> None:
    asked: list[str] = []

    def identify(path: str) -> Identity:
        asked.append(path)
        return Identity(1, 2, 3, 4, 5)

    registry = SqliteRegistry(str(tmp_path / "registry.db"), str(tmp_path), identify=identify)
    registry.add([("/f/known", None, 7, (), Identity(9, 9, 9, 9, 9), None)], NOW)
    for _ in range(2):
        new = {"/f/known": NOW + 1, "/f/new": NOW + 2}
        registry.files.update(new) if write == "files" else registry.replace(list(new.items()))
    assert asked == ["/f/new"]
    found = registry.get(["/f/known", "/f/new"])
    assert [record.identity for record in found.values()] == [Identity(9, 9, 9, 9, 9), Identity(1, 2, 3, 4, 5)]
    registry.close()


def test_replacing_refuses_what_is_no_time(tmp_path: Path) -> None:
    registry = SqliteRegistry(str(tmp_path / "registry.db"), str(tmp_path))
    registry.files["/f/a"] = NOW
    with pytest.raises(InvalidArgumentError, match="NaN"):
        registry.replace([("/f/b", NOW), ("/f/c", math.nan)])
    assert dict(registry.files) == {"/f/a": NOW}
    registry.close()


@pytest.mark.parametrize("address", ["memory:", "sqlite:"])
def test_a_relative_name_is_not_a_name_at_the_root(
    address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is the file of that name in the directory in which it was written."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "name").touch()
    with closing(TempFileManager(tmp_path / "base", registry=address)) as manager:
        manager.files["name"] = 0.0
        assert list(manager.files) == ["name"]
        assert manager.registry.get(["/name"]) == {}
        report = manager.sweep()
        assert [outcome.record.path for outcome in report.outcomes] == ["name"]
        assert not (tmp_path / "name").exists()


def test_a_missing_path_among_those_assigned_spoils_no_directory(make_manager: MakeManager, file: Path) -> None:
    """Once, what had no identity of its own left its directory without one, and nothing in it could be removed."""
    manager = make_manager()
    manager.register_file(file)
    manager.files = {str(file): 0.0, str(file.with_name("missing")): 0.0}
    report = manager.sweep()
    assert (report.removed, report.gone, report.kept) == (1, 1, 0)


@pytest.mark.parametrize(
    "write",
    [
        pytest.param(lambda manager, _: setattr(manager, "files", dict(manager.files)), id="assign"),
        pytest.param(lambda manager, path: manager.files.update({path: 0.0}), id="backdate"),
    ],
)
def test_leaving_spares_what_another_registered(
    make_manager: MakeManager, file: Path, write: Callable[[TempFileManager, str], object]
) -> None:
    """Once, whoever wrote to ``files`` became the owner of what was in it, and took it along."""
    make_manager().register_file(file)
    with make_manager() as manager:
        write(manager, str(file))
    assert file.exists()


def test_a_time_of_hundreds_of_digits(tmp_path: Path) -> None:
    (path,) = numbered(tmp_path, 1)
    manager = TempFileManager(tmp_path / "base")
    manager.register_file(path, ttl=60)
    before = manager.files[path]
    with pytest.raises(ValueError, match="too large"):
        manager.files[path] = int(HUGE)
    assert manager.files == {path: before}


def test_a_ttl_outlives_filtering_and_assigning_files(tmp_path: Path) -> None:
    """The specification's own recipe in 8.3."""
    short, long = numbered(tmp_path, 2)
    clock = FakeClock()
    manager = TempFileManager(tmp_path / "base", clock=clock)
    manager.register_file(short, ttl=60)
    manager.register_file(long, ttl=86400)
    manager.files = {path: when for path, when in manager.files.items() if os.path.exists(path)}
    clock.advance(4000)
    assert manager.cleanup() == 1
    assert list(manager.files) == [long]


def test_infinite_times_on_a_file_with_a_ttl(tmp_path: Path) -> None:
    (path,) = numbered(tmp_path, 1)
    manager = TempFileManager(tmp_path / "base")
    manager.register_file(path, ttl=60)
    manager.files[path] = math.inf
    assert not manager.status(path).due
    manager.files[path] = time.time() - 7200
    assert manager.status(path).due
    assert manager.cleanup() == 1
