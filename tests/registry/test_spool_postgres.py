"""Registering while a real server is stopped."""

import os
from collections.abc import Iterator
from pathlib import Path
from threading import Thread

import pytest

from postgres_server import PostgresServer
from temp_file_manager import TempFileManager
from temp_file_manager.errors import RegistryUnavailableError
from temp_file_manager.inspection import doctor, health
from temp_file_manager.inspection.doctor import Level
from temp_file_manager.inspection.metrics import ManagerCollector, render
from temp_file_manager.registry.answers import Spooled
from temp_file_manager.registry.postgres.registry import PostgresRegistry
from temp_file_manager.registry.spool.file import SpoolFile
from temp_file_manager.registry.spool.opening import beside
from temp_file_manager.registry.spool.registry import SpooledRegistry
from temp_file_manager.settings import Settings
from temp_file_manager.testing import NOW


@pytest.fixture
def started(postgres: PostgresServer) -> Iterator[PostgresServer]:
    """The server, which is started again whatever becomes of the test."""
    stopped: list[bool] = []
    stop, start = postgres.stop, postgres.start

    class Switch:
        def stop(self) -> None:
            stop()
            stopped.append(True)

        def start(self) -> None:
            start()
            stopped.clear()

    yield Switch()  # type: ignore[misc]  # as much of it as is needed
    if stopped:
        start()


@pytest.fixture
def url(postgres: PostgresServer) -> str:
    return postgres.url(postgres.new_database())


def settings(url: str, tmp_path: Path, **more: object) -> Settings:
    places = {"base_dir": str(tmp_path / "base"), "spool_file": str(tmp_path / "spool.db")}
    return Settings(registry=url, spool=True, **places, **more)  # type: ignore[arg-type]


def test_a_manager_registers_while_the_server_is_stopped(url: str, started: PostgresServer, tmp_path: Path) -> None:
    said = settings(url, tmp_path)
    told = {"spool": "on", "spool_file": str(tmp_path / "spool.db")}
    paths = [tmp_path / name for name in "abc"]
    for path in paths:
        path.write_text("content")
    with TempFileManager.from_settings(said) as manager:
        registry = manager.registry
        assert isinstance(registry, SpooledRegistry)
        manager.register_file(paths[0])
        assert registry.spooled() == (0, None)
        started.stop()
        manager.register_file(paths[1], ttl=50)
        manager.register_files(paths[2:])
        with pytest.raises(RegistryUnavailableError):
            manager.open()
        waiting = registry.spooled()
        assert waiting.records == 2
        found = health.examine(manager.context)
        assert any("2 registrations wait on this machine" in reason for reason in found.reasons)
        assert b"temp_file_spooled_records 2.0" in render(ManagerCollector(manager.context))
        (check,) = [c for c in doctor.examine(said.base_dir, registry=url, told=told) if c.name == "spool"]
        assert (check.level, "2 registrations wait" in check.found) == (Level.WARNING, True)
        started.start()
        registry.drain.once()
        assert registry.spooled() == (0, None)
        records = registry.get(map(str, paths))
        assert len(records) == 3
        assert records[str(paths[1])].due_at == pytest.approx(records[str(paths[1])].registered_at + 50)
        assert b"temp_file_spooled_age_seconds 0.0" in render(ManagerCollector(manager.context))
        (check,) = [c for c in doctor.examine(said.base_dir, registry=url, told=told) if c.name == "spool"]
        assert check.level == Level.OK
        assert manager.cleanup(force=True) == 3


def test_many_threads_and_many_records_at_the_server(database: str, started: PostgresServer, tmp_path: Path) -> None:
    registry = beside(PostgresRegistry(database, "volume:v"), "volume:v", str(tmp_path / "spool.db"))
    started.stop()

    def register(thread: int) -> None:
        for number in range(400):
            registry.add([(f"/d/{thread}/{number}", None, 1, ("tag",), None, None)], NOW + number / 1000)

    threads = [Thread(target=register, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert registry.spooled() == Spooled(1600, NOW)
    started.start()
    while registry.spooled().records:
        registry.drain.once()
    assert registry.stats().records == 1600
    assert registry.get(["/d/3/399"])["/d/3/399"].registered_at == NOW + 0.399
    registry.close()


def test_what_a_process_has_left_is_sent_by_the_next(database: str, tmp_path: Path) -> None:
    file = str(tmp_path / "spool.db")
    target = PostgresRegistry(database, "volume:v")
    left = SpoolFile(file, f"{target.properties.address} volume:v")
    left.add([("/d/a", None, 1, (), None, None)], NOW, {})
    left.close()
    registry = beside(target, "volume:v", file)
    registry.close()  # at once: a batch is sent all the same
    assert registry.spooled() == (0, None)
    assert set(registry.get(["/d/a"])) == {"/d/a"}
    registry.close()


def test_off_is_the_default(url: str, tmp_path: Path) -> None:
    with TempFileManager.from_settings(Settings(registry=url, base_dir=str(tmp_path / "base"))) as manager:
        assert isinstance(manager.registry, PostgresRegistry)
    assert not os.path.exists(tmp_path / "spool.db")


def test_the_usual_place_is_in_this_users_state(url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    with TempFileManager.from_settings(Settings(registry=url, spool=True, base_dir=str(tmp_path / "base"))):
        (file,) = (tmp_path / "state" / "temp-file-manager").glob("spool-*.db")
        assert file.stat().st_mode & 0o777 == 0o600
