"""Limits over HTTP: how far it is to each."""

import os
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from serving import Client, service
from temp_file_manager import TempFileManager
from temp_file_manager.errors import RegistryError
from temp_file_manager.limits import Limit, Mark, Measure
from temp_file_manager.settings import Settings

BLOCK = 1 << 16  # takes as much on the disk, whatever the file system


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[TempFileManager]:
    limits = (
        Limit("few", Measure.FILES, Mark(2), Mark(1), tags=("cache", "\x1b"), refuse=True),
        Limit("much", Measure.FREE, Mark(1, share=True), Mark(1, share=True)),
    )
    settings = Settings(base_dir=str(tmp_path / "base"), max_bytes=4 * BLOCK, limits=limits)
    with closing(TempFileManager.from_settings(settings, registry="sqlite:")) as manager:
        yield manager


@pytest.fixture
def client(manager: TempFileManager) -> Iterator[Client]:
    with service(manager) as client:
        yield client


def make(manager: TempFileManager, *names: str, tags: tuple[str, ...] = ()) -> list[str]:
    paths = [os.path.join(manager.base_dir, name) for name in names]
    for path in paths:
        Path(path).write_bytes(bytes(BLOCK))
    manager.register_files(paths, tags=tags)
    return paths


def test_each_limit_in_its_own_unit(client: Client, manager: TempFileManager) -> None:
    make(manager, "a", "b")
    make(manager, "c", tags=("cache",))
    told = client.get("/v1/limits").json
    assert told["measured_age"] is None
    size, few, much = told["limits"]
    assert size == {
        "name": "max_bytes", "measure": "bytes", "tags": [], "order": "oldest", "mark": 4 * BLOCK,
        "to": int(4 * BLOCK * 0.9), "value": 3 * BLOCK, "over": False, "unmet": "", "refuse": False,
    }  # fmt: skip
    assert few == {
        "name": "few", "measure": "files", "tags": ["cache", "\x1b"], "order": "oldest", "mark": 2, "to": 1,
        "value": 1, "over": False, "unmet": "", "refuse": True,
    }  # fmt: skip
    assert (much["measure"], much["over"]) == ("free", True)
    disk = client.get("/v1/overview").json["disk"]["size"]
    assert (much["mark"], much["to"]) == (disk, disk)
    assert 0 < much["value"] < disk


def test_what_cannot_be_met_is_told_with_the_reason(client: Client, manager: TempFileManager) -> None:
    for path in make(manager, *"abcde"):
        manager.pin(path)
    manager.sweep()
    told = client.get("/v1/limits").json["limits"][0]
    assert (told["over"], told["value"]) == (True, 5 * BLOCK)
    assert "pinned" in told["unmet"]
    assert client.get("/v1/overview").json["limits"]["limits"][0] == told
    assert f'limit "max_bytes" is not met: {told["unmet"]}' in " ".join(client.get("/health").json["reasons"])
    metrics = client.get("/metrics").body.decode()
    assert 'temp_file_limit_ratio{limit="max_bytes"} 1.25\n' in metrics
    assert 'temp_file_limit_unmet{limit="max_bytes"} 1.0\n' in metrics
    assert 'temp_file_limit_unmet{limit="few"} 0.0\n' in metrics


def test_what_went_for_a_limit_is_counted(client: Client, manager: TempFileManager) -> None:
    paths = make(manager, *"abcde")
    for path in paths:
        manager.files[path] -= 600
    report = client.post("/v1/sweep", {}).json
    assert (report["removed"], report["evicted"]) == (2, 2)
    assert client.get("/v1/overview").json["stats"]["evicted"] == 2
    assert "temp_files_evicted_total 2.0\n" in client.get("/metrics").body.decode()


def test_how_old_the_knowledge_is(client: Client, manager: TempFileManager) -> None:
    make(manager, "a")
    manager.context.measuring.slice(lambda: False)
    assert 0 <= client.get("/v1/limits").json["measured_age"] < 60
    assert "temp_files_measured_age_seconds " in client.get("/metrics").body.decode()


def test_without_limits_there_are_none(tmp_path: Path) -> None:
    with closing(TempFileManager(tmp_path / "base")) as manager, service(manager) as client:
        assert client.get("/v1/limits").json == {"measured_age": None, "limits": []}


def test_what_is_refused(client: Client, manager: TempFileManager, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise RegistryError("see /mat")

    assert client.get("/v1/limits?x=1").status == 422
    assert client.post("/v1/limits", {}).status == 405
    monkeypatch.setattr(manager.registry, "stats", broken)
    answer = client.get("/v1/limits")
    assert answer.status == 503
    assert b"mat" not in answer.body
