"""Bad input: a clear error that says what to do, and nothing lost."""

import asyncio
import logging
import math
import os
import re
import socket
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from temp_file_manager import InvalidArgumentError, RegistryError, TempFileError, TempFileManager, aio


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[TempFileManager]:
    """Yield a manager that knows one file, and look afterwards whether it still knows that one, and has it."""
    manager = TempFileManager(str(tmp_path / "base"))
    (tmp_path / "known").touch()
    manager.register_file(tmp_path / "known")
    yield manager
    assert list(manager.files) == [str(tmp_path / "known")]
    assert (tmp_path / "known").exists()
    assert os.listdir(manager.base_dir) == []
    assert (manager.clear_all(), manager.files) == (1, {})


def make_socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda _: None, "No such file or directory"),
        (Path.mkdir, "it is a directory"),
        (make_socket, "it is a socket"),
        (os.mkfifo, "it is a pipe"),
        (lambda path: path.symlink_to("nowhere"), "No such file or directory"),
        (lambda path: path.symlink_to("/dev/null"), "it is no regular file"),
    ],
)
def test_what_is_no_file_is_refused(
    manager: TempFileManager,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    make: Callable[[Path], None],
    reason: str,
) -> None:
    monkeypatch.chdir(tmp_path)  # a socket's path has little room
    make(Path("x"))
    path = str(tmp_path / "x")
    with caplog.at_level(logging.WARNING):
        manager.register_file("x")
        report = manager.register_files([path])
    assert caplog.messages == [f"Attempted to register non-existent file: {path}"] * 2
    assert report.refused == ((path, reason),)


@pytest.mark.parametrize(("path", "shown"), [("", ""), ("a\0b", r"/a\x00b")])
def test_an_empty_path_and_one_with_nul(
    manager: TempFileManager, caplog: pytest.LogCaptureFixture, path: str, shown: str
) -> None:
    with caplog.at_level(logging.WARNING):
        assert manager.register_file(path) is None
    assert caplog.messages == [f"Attempted to register non-existent file: {os.getcwd()}{shown}"]
    assert len(manager.register_files([path]).refused) == 1
    assert not manager.is_temp_file(path)
    assert manager.get_file_age(path) is None
    assert manager.status(path).reason == "not registered"


@pytest.mark.parametrize("path", [None, 5, 1.5, ["a"], object()])
def test_what_is_no_path(manager: TempFileManager, path: Any) -> None:
    for call in (manager.register_file, manager.is_temp_file, manager.get_file_age, manager.status):
        with pytest.raises(TypeError, match="PathLike"):
            call(path)


def test_one_path_is_no_collection(manager: TempFileManager) -> None:
    with pytest.raises(TypeError, match="register_file takes a single one"):
        manager.register_files("/tmp/file")
    with pytest.raises(TypeError, match="status takes a single one"):
        manager.statuses("/tmp/file")


@pytest.mark.parametrize("bad", [None, 5, object()])
def test_a_batch_with_something_that_is_no_path_registers_nothing(
    manager: TempFileManager, tmp_path: Path, bad: Any
) -> None:
    (tmp_path / "good").touch()
    with pytest.raises(TypeError, match="PathLike"):
        manager.register_files([tmp_path / "good", bad])
    with pytest.raises(TypeError, match="tags"):
        manager.register_files([tmp_path / "good"], tags="single")


@pytest.mark.parametrize(
    ("age", "error"),
    [
        (-1, ValueError),
        (math.nan, ValueError),
        (10**400, ValueError),
        ("soon", ValueError),
        ([9], TypeError),
        (True, TypeError),
    ],
)
def test_an_age_that_is_none(manager: TempFileManager, tmp_path: Path, age: Any, error: type[Exception]) -> None:
    known = tmp_path / "known"
    calls: list[Callable[[], object]] = [
        lambda: TempFileManager(tmp_path / "other", age),
        lambda: setattr(manager, "max_age", age),
        lambda: manager.register_file(known, ttl=age),
        lambda: manager.register_files([known], ttl=age),
        lambda: manager.mkstemp(ttl=age),
        lambda: manager.open(ttl=age),
        lambda: manager.sweep(budget=age),
    ]
    for call in calls:
        with pytest.raises(error, match="seconds") as caught:
            call()
        assert isinstance(caught.value, TempFileError if error is ValueError else TypeError)
    assert manager.max_age == 3600
    assert manager.status(known).record.due_at is None  # type: ignore[union-attr]  # it is registered
    assert not (tmp_path / "other").exists()


@pytest.mark.parametrize("limit", [-1, 1.5, True, "3"])
def test_a_limit_that_is_none(manager: TempFileManager, limit: Any) -> None:
    with pytest.raises(InvalidArgumentError, match=r"limit is .*: give a whole number"):
        manager.sweep(limit=limit, force=True)
    with pytest.raises(InvalidArgumentError, match=r"allow_large is .*: give a whole number"):
        manager.sweep(allow_large=limit, force=True)


@pytest.mark.parametrize("tags", ["single", [1], 5])
def test_tags_that_are_none(manager: TempFileManager, tmp_path: Path, tags: Any) -> None:
    with pytest.raises(TypeError):
        manager.register_file(tmp_path / "known", tags=tags)


@pytest.mark.parametrize(("when", "error"), [(math.nan, ValueError), ("12", TypeError), (None, TypeError)])
def test_a_time_that_is_none(manager: TempFileManager, tmp_path: Path, when: Any, error: type[Exception]) -> None:
    path = str(tmp_path / "known")
    before = manager.files[path]
    with pytest.raises(error):
        manager.files[path] = when
    with pytest.raises(error):
        manager.files = {path: when}
    assert manager.files == {path: before}


@pytest.mark.parametrize("base", ["file/below", "file", "/proc/nowhere", "a\0b"])
def test_a_base_that_cannot_be(tmp_path: Path, base: str) -> None:
    (tmp_path / "file").touch()
    with pytest.raises((OSError, InvalidArgumentError), match="base") as caught:
        TempFileManager(os.path.join(tmp_path, base))
    assert isinstance(caught.value, TempFileError)
    if isinstance(caught.value, OSError):
        assert caught.value.errno
        assert caught.value.filename == os.path.join(tmp_path, base)


def test_a_registry_that_is_none_does_not_give_its_password_away(tmp_path: Path) -> None:
    with pytest.raises(RegistryError) as caught:
        TempFileManager(tmp_path, registry="redis://user:secret@host/0")
    assert "redis" in str(caught.value)
    assert "secret" not in str(caught.value)


WRONG: list[tuple[Callable[[TempFileManager], object], type[Exception], str]] = [
    (lambda manager: manager.register_files(None), TypeError, "register_file takes a single one"),  # type: ignore[arg-type]
    (lambda manager: manager.statuses(Path("a")), TypeError, "status takes a single one"),  # type: ignore[arg-type]
    (lambda manager: manager.mkstemp(tags=7), TypeError, "not int: leave it out for none"),  # type: ignore[arg-type]
    (lambda manager: manager.mkstemp(None), TypeError, "not NoneType: leave them out for none"),  # type: ignore[arg-type]
    (lambda manager: manager.path("a/b"), ValueError, "they hold no /"),
    (lambda manager: manager.open(prefix="../a"), ValueError, "they hold no /"),
    (lambda manager: manager.mkdtemp("a/b"), ValueError, "they hold no /"),
    (lambda manager: manager.mkdtemp(prefix=b"a"), TypeError, "are text, not bytes"),  # type: ignore[arg-type]
    (lambda manager: manager.session(7).number, TypeError, "a session's name is text, not int"),  # type: ignore[arg-type]
    (lambda manager: manager.temporary(7), TypeError, "write @manager.temporary above a function"),  # type: ignore[arg-type]
    (lambda manager: setattr(manager, "files", 7), TypeError, "files is a mapping of paths to times"),
    (lambda manager: setattr(manager, "files", {7: 7.0}), TypeError, "a path in files is text, not int"),
    (lambda manager: manager.files.update({Path("/a"): 7.0}), TypeError, "text, not PosixPath"),  # type: ignore[dict-item]
    (lambda manager: manager.files.setdefault(b"/a", 7.0), TypeError, "text, not bytes"),  # type: ignore[call-overload]
    (lambda manager: TempFileManager(manager.base_dir, settings={}), TypeError, "write Settings(name=value"),  # type: ignore[arg-type]
    (lambda manager: TempFileManager(manager.base_dir, hooks=print), TypeError, "write (hook,) for a single"),  # type: ignore[arg-type]
    (lambda manager: aio.TempFileManager(manager.base_dir), TypeError, "write await"),  # type: ignore[arg-type]
]


@pytest.mark.parametrize("registry", ["memory:", "sqlite:"])
@pytest.mark.parametrize(("call", "kind", "says"), WRONG)
def test_what_is_of_the_wrong_type_is_told_by_its_name(
    tmp_path: Path, registry: str, call: Callable[[TempFileManager], object], kind: type[Exception], says: str
) -> None:
    with closing(TempFileManager(tmp_path / "base", registry=registry)) as manager:
        with pytest.raises(kind, match=re.escape(says)):
            call(manager)
        assert dict(manager.files) == {}
        assert [name for name in os.listdir(tmp_path / "base") if not name.startswith(".")] == []


def test_a_session_that_has_ended_makes_no_directory_and_has_no_block(tmp_path: Path) -> None:
    """Nobody would have removed the directory."""
    manager = TempFileManager(tmp_path / "base")
    with manager.session("job") as session:
        pass
    for attempt in (session.mkdtemp, session.__enter__, lambda: asyncio.run(session.__aenter__())):
        with pytest.raises(InvalidArgumentError, match="the session 'job' has ended: begin another"):
            attempt()
    assert os.listdir(tmp_path / "base") == []
