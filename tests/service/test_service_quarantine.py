"""Quarantine over HTTP: it is listed, and files come back, in the base directory alone."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from quarantines import AGE, UNDO, away, made, quarantining
from serving import Client, service
from temp_file_manager import TempFileManager
from temp_file_manager.testing import FakeClock


@pytest.fixture
def manager(tmp_path: Path, clock: FakeClock) -> Iterator[TempFileManager]:
    manager = quarantining(tmp_path / "base", clock)
    yield manager
    manager.close()


@pytest.fixture
def client(manager: TempFileManager) -> Iterator[Client]:
    with service(manager) as client:
        yield client


def quarantined(manager: TempFileManager, clock: FakeClock, *files: Path) -> None:
    manager.register_files(files, tags=["t"])
    clock.advance(AGE + 1)
    assert manager.sweep().quarantined == len(files)


def test_it_is_listed_and_comes_back(client: Client, manager: TempFileManager, clock: FakeClock) -> None:
    first, second = made(Path(manager.base_dir), "a", "b")
    quarantined(manager, clock, first, second)
    found = client.get("/v1/quarantine").json["files"]
    assert [(one["path"], one["tags"], one["left"]) for one in found] == [
        (str(first), ["t"], UNDO), (str(second), ["t"], UNDO),
    ]  # fmt: skip
    assert len(client.get("/v1/quarantine?limit=1").json["files"]) == 1
    answer = client.post("/v1/quarantine/restore", {"path": str(first)})
    assert (answer.status, answer.json) == (200, {"restored_to": str(first)})
    assert first.read_text() == "a"
    answer = client.post("/v1/quarantine/restore", {"path": found[1]["quarantined_as"]})
    assert (answer.status, second.read_text(), away(manager)) == (200, "b", [])


def test_it_takes_the_token(client: Client, manager: TempFileManager, clock: FakeClock) -> None:
    (file,) = made(Path(manager.base_dir), "a")
    quarantined(manager, clock, file)
    assert client.post("/v1/quarantine/restore", {"path": str(file)}, token=None).status in (401, 403)
    assert not file.exists()


def test_it_is_refused_with_the_reason(client: Client, manager: TempFileManager, clock: FakeClock) -> None:
    (file,) = made(Path(manager.base_dir), "a")
    for path, status in ((str(file), 404), ("relative", 422)):
        assert client.post("/v1/quarantine/restore", {"path": path}).status == status
    quarantined(manager, clock, file)
    file.write_text("new")
    answer = client.post("/v1/quarantine/restore", {"path": str(file)})
    assert (answer.status, "something is in its place" in answer.json["detail"]) == (409, True)
    assert file.read_text() == "new"


def test_nothing_comes_back_outside_the_base(
    client: Client, manager: TempFileManager, clock: FakeClock, tmp_path: Path
) -> None:
    """Nor by a directory in it that has become a link."""
    (outside,) = made(tmp_path / "data", "a")
    (inside,) = made(Path(manager.base_dir) / "sub", "b")
    quarantined(manager, clock, outside, inside)
    inside.parent.rmdir()
    inside.parent.symlink_to(tmp_path / "data")
    for path in (outside, inside):
        answer = client.post("/v1/quarantine/restore", {"path": str(path)})
        assert (answer.status, "outside the base directory" in answer.json["detail"]) == (422, True)
    assert list((tmp_path / "data").iterdir()) == []
    assert len(away(manager)) == 2
