"""Files that are made on record: killed at whatever point, nothing leaks."""

import os
import signal
import stat
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

import pytest

from contexts import MakeManager
from temp_file_manager import InvalidArgumentError, TempFileManager
from temp_file_manager.errors import RegistryFullError
from temp_file_manager.events import Event, FilesRegistered
from temp_file_manager.inspection.check import check
from temp_file_manager.settings import Settings
from temp_file_manager.storage import new_files
from temp_file_manager.testing import in_child

ROUNDS = 40


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[TempFileManager]:
    manager = TempFileManager(tmp_path / "base", registry="sqlite:")
    yield manager
    manager.close()


@pytest.fixture(params=["without a name first", "by a pending record"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Both ways of creating; the second is that of file systems on which no file can be without a name."""
    if request.param == "by a pending record":
        monkeypatch.setattr(new_files, "create_nameless", lambda _: None)
    return str(request.param)


def files(manager: TempFileManager) -> list[str]:
    return [entry.path for entry in os.scandir(manager.base_dir) if entry.is_file()]


def test_what_is_created_is_on_record_and_that_very_file(manager: TempFileManager, way: str) -> None:
    fd, path = manager.mkstemp(".svg", "chart-", ttl=60)
    os.write(fd, b"x")
    os.close(fd)
    name = os.path.basename(path)
    assert name.startswith("chart-")
    assert name.endswith(".svg")
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o600
    record = manager.status(path).record
    assert record is not None
    assert record.due_at is not None
    assert not record.held
    assert manager.sweep(force=True).removed == 1
    assert check(manager.context) == ()


def test_an_open_file_is_named_and_registered(manager: TempFileManager, way: str) -> None:
    with manager.open("w", ".txt") as file:
        file.write("x")
    assert manager.is_temp_file(file.name)
    with pytest.raises(LookupError):
        manager.open("w", encoding="no such encoding")
    assert files(manager) == [file.name]


def test_hooks_hear_of_it(tmp_path: Path, way: str) -> None:
    heard: list[Event] = []
    manager = TempFileManager(tmp_path / "base", registry="sqlite:", hooks=[heard.append])
    fd, path = manager.mkstemp()
    os.close(fd)
    assert FilesRegistered((path,)) in heard
    manager.close()


def test_a_part_of_a_name_holds_no_slash(manager: TempFileManager, way: str) -> None:
    with pytest.raises(InvalidArgumentError, match="no /"):
        manager.mkstemp("/../x")
    with pytest.raises(ValueError, match="ttl"):
        manager.mkstemp(ttl=-1)
    assert (files(manager), len(manager.files)) == ([], 0)


def test_a_name_that_is_taken_is_not_used(manager: TempFileManager, way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    taken = os.path.join(manager.base_dir, "taken")
    with open(taken, "w") as file:
        file.write("somebody else's")
    names = iter([taken, os.path.join(manager.base_dir, "free")])
    monkeypatch.setattr(new_files, "random_path", lambda *_: next(names))
    fd, path = manager.mkstemp()
    os.close(fd)
    assert os.path.basename(path) == "free"
    assert list(manager.files) == [path]
    with open(taken) as file:
        assert file.read() == "somebody else's"


def test_a_sweep_meanwhile_forgets_no_file_that_is_being_made(
    manager: TempFileManager, way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def swept_before(real: str) -> None:
        made = getattr(new_files, real)

        def making(*arguments: object) -> object:
            other = TempFileManager(manager.base_dir, registry="sqlite:")
            other.clear_all()
            other.close()
            return made(*arguments)

        monkeypatch.setattr(new_files, real, making)

    swept_before("give_name" if way.startswith("without") else "create_exclusively")
    fd, path = manager.mkstemp()
    os.close(fd)
    assert manager.is_temp_file(path)
    assert files(manager) == [path]


def test_killed_at_whatever_point_nothing_leaks(manager: TempFileManager, way: str) -> None:
    random = Random(7)
    pending = 0
    for _ in range(ROUNDS):
        reader, writer = os.pipe()
        pid = os.fork()
        if pid == 0:
            try:
                making = TempFileManager(manager.base_dir, registry="sqlite:")
                while True:
                    making.mkstemp()
                    os.write(writer, b".")
            finally:
                os._exit(0)
        os.close(writer)
        for _ in range(random.randrange(1, 6)):
            os.read(reader, 1)
        for _ in range(random.randrange(2000)):  # somewhere in the next one
            pass
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        os.close(reader)
        on_record = manager.registry.get(files(manager))
        assert set(on_record) == set(files(manager)), "a file that nobody knows"
        manager.clear_all()
        left = files(manager)
        assert set(left) == set(manager.files), "what no sweep removes is still on record"
        pending += len(left)
        assert {finding.kind for finding in check(manager.context) if finding.subject in left} <= {"record in doubt"}
        for path in left:  # a person has looked at what check says
            manager.register_file(path)
        manager.clear_all()
        assert (files(manager), len(manager.files)) == ([], 0)
    assert way == "by a pending record" or not pending, "what has no name is gone with its process"


def test_a_forked_child_makes_its_own(manager: TempFileManager, way: str) -> None:
    def child() -> str:
        fd, path = manager.mkstemp()
        os.close(fd)
        return path

    path = in_child(child)
    assert manager.is_temp_file(path)


def test_a_file_that_cannot_be_registered_leaves_nothing(
    make_manager: MakeManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once, where files without a name cannot be made, its descriptor, the file and a pending record were left."""
    manager = make_manager()

    def fails(*_: object, **__: object) -> None:
        raise RegistryFullError("on purpose")

    monkeypatch.setattr(new_files, "create_nameless", lambda _: None)
    monkeypatch.setattr(manager.context.registrar, "many", fails)
    descriptors = []
    for _ in range(2):  # the first opens what the registry keeps open
        with pytest.raises(RegistryFullError, match="on purpose"):
            manager.mkstemp()
        assert (dict(manager.files), os.listdir(manager.base_dir)) == ({}, [".temp-file-manager"])
        descriptors.append(len(os.listdir("/proc/self/fd")))
    assert descriptors[1] <= descriptors[0]  # less: others of earlier tests may be collected


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()], ids=["full", "ctrl-c"])
@pytest.mark.parametrize("when", ["before", "after"])
def test_a_file_that_gets_no_name_leaves_nothing(
    manager: TempFileManager, way: str, monkeypatch: pytest.MonkeyPatch, error: BaseException, when: str
) -> None:
    """Once, a link that failed left the record of a file that never was."""
    name = "give_name" if way.startswith("without") else "create_exclusively"
    real = getattr(new_files, name)
    descriptors: list[int] = []

    def fails(*arguments: Any) -> object:
        if when == "after" and name == "give_name":
            real(*arguments)
        raise error

    monkeypatch.setattr(new_files, name, fails)
    for _ in range(2):  # the first opens what the registry keeps open
        with pytest.raises(type(error)):
            manager.mkstemp()
        assert (dict(manager.files), files(manager)) == ({}, [])
        descriptors.append(len(os.listdir("/proc/self/fd")))
    assert descriptors[1] <= descriptors[0]
    monkeypatch.undo()
    assert check(manager.context) == ()


def test_a_disk_too_full_to_forget_hides_no_error(
    manager: TempFileManager, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    """The record is left, and a sweep finds that there is no file."""

    def fails(*_: object) -> None:
        raise RegistryFullError("on purpose")

    def refused(*_: object) -> None:
        raise OSError(28, "No space left on device")

    for name in ("give_name", "create_exclusively"):
        monkeypatch.setattr(new_files, name, refused)
    monkeypatch.setattr(type(manager.registry), "forget", fails)
    with pytest.raises(OSError, match="No space"):
        manager.mkstemp()
    assert files(manager) == []


@pytest.mark.parametrize("registry", ["memory:", "sqlite:"])
def test_what_is_created_is_told_once_and_gets_its_mode(
    make_manager: MakeManager, caplog: pytest.LogCaptureFixture, way: str, registry: str
) -> None:
    """Once, with SQLite, the mask was left out, the log said nothing, or the hooks heard of it twice."""
    heard: list[Event] = []
    settings = Settings(permission_mask=0o640)
    manager = make_manager(registry=registry, settings=settings, hooks=[heard.append])
    caplog.set_level("DEBUG")
    fd, path = manager.mkstemp()
    os.close(fd)
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o640
    assert [text for text in caplog.messages if "Registered temporary file" in text and path in text][1:] == []
    assert any("Registered temporary file" in text and path in text for text in caplog.messages)
    assert heard == [FilesRegistered((path,))]
    assert manager.registry.stats().counters["registered"] == 1, "once, what was pending before counted twice"
    assert manager.sweep(force=True).removed == 1


@pytest.mark.parametrize("registry", ["memory:", "sqlite:"])
def test_a_file_that_is_being_discarded_is_on_record(
    make_manager: MakeManager, monkeypatch: pytest.MonkeyPatch, registry: str
) -> None:
    """Once, its record went first: who was killed between the two left a file that nobody would ever remove."""

    manager = make_manager(registry=registry)

    def killed(fd: int, path: str) -> None:
        os.close(fd)
        raise KeyboardInterrupt

    monkeypatch.setattr(new_files, "discard", killed)
    with pytest.raises(KeyboardInterrupt):
        manager.open("w", encoding="no such encoding")
    names = [name for name in os.listdir(manager.base_dir) if name != ".temp-file-manager"]
    assert len(names) == 1
    assert [os.path.basename(path) for path in manager.files] == names
