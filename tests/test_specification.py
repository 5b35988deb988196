"""Every code block of the specification's sections 4, 7.4, 8.2, 8.3 and 8.4, run as it is written there.

The blocks lie in ``specification/``, word for word. Two things are changed while they run: paths under /tmp and
/var/log go to a folder of the test, and waiting is done by moving ``time.time`` on.
"""

import inspect
import logging
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Lock
from typing import Any, Optional, get_type_hints

import pytest

from aiecs.tools.temp_file_manager import TempFileManager, logger
from patience import PATIENCE
from places import SPECIFICATION
from temp_file_manager import Settings, logs

Run = Callable[..., dict[str, Any]]


def block(name: str, folder: Path) -> str:
    text = (SPECIFICATION / f"{name}.txt").read_text()
    return text.replace("/tmp/", f"{folder}/").replace("/var/log/", f"{folder}/")


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run a block and return its names. Waiting moves the wall clock, and files come to be in ``tmp_path``."""
    real, waited = time.time, [0.0]

    def sleep(seconds: float) -> None:
        waited[0] += seconds

    monkeypatch.setattr(time, "sleep", sleep)
    monkeypatch.setattr(time, "time", lambda: real() + waited[0])
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))

    def run_block(name: str, **names: Any) -> dict[str, Any]:
        exec(compile(block(name, tmp_path), name, "exec"), names)
        return names

    return run_block


@pytest.fixture
def manager(tmp_path: Path) -> TempFileManager:
    return TempFileManager(str(tmp_path / "base"))


@pytest.fixture
def spec_log(tmp_path: Path, run: Run) -> Iterator[Path]:
    """Configure logging as 8.4 does; the folder is the caller's to make, as with any FileHandler."""
    (tmp_path / "aiecs").mkdir()
    names = run("8_4_logging")
    yield tmp_path / "aiecs" / "temp_file_manager.log"
    names["temp_logger"].removeHandler(names["file_handler"])
    names["file_handler"].close()
    names["temp_logger"].setLevel(logging.NOTSET)


def some_files(folder: Path, count: int) -> list[str]:
    paths = [folder / f"file_{number}" for number in range(count)]
    for path in paths:
        path.touch()
    return [str(path) for path in paths]


def test_4_1_registration(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    path = run("4_1_registration")["temp_file_path"]
    assert os.path.exists(path)
    registered, managed, age = capsys.readouterr().out.splitlines()
    assert (registered, managed) == (f"File registered: {path}", "File is being managed")
    assert re.fullmatch(r"File age: \d+\.\d\d seconds", age), "0.00, or what a busy machine makes of it"


def test_4_2_cleanup(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    names = run("4_2_cleanup", tempfile=tempfile)  # this block goes on where the one before it ended
    assert (names["removed_count"], names["remaining_count"]) == (5, 0)
    assert not any(os.path.exists(path) for path in names["temp_files"])
    assert capsys.readouterr().out.splitlines() == [
        "Registered 5 temporary files",
        "Waiting for files to expire...",
        "Cleaned up 5 expired files",
        "Force cleaned 0 remaining files",
    ]


def test_4_3_status(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    run("4_3_status")
    managed, age, later = capsys.readouterr().out.splitlines()
    assert managed == "Is file managed: True"
    assert re.fullmatch(r"File age: \d+\.\d\d seconds", age), "0.00, or what a busy machine makes of it"
    assert 10 <= float(later.removeprefix("File age after 10 seconds: ").removesuffix(" seconds")) < 10 + PATIENCE


def test_4_4_batch(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    names = run("4_4_batch")
    assert len(names["managed_files"]) == 10
    assert all(os.path.exists(path) for path in names["file_paths"])
    assert capsys.readouterr().out.endswith("Number of files being managed: 10\nBatch cleaned 0 files\n")


class Specified:
    """The signatures of section 5.1, as they are written there."""

    def __init__(self, base_dir: str, max_age: int = 3600): ...
    def register_file(self, file_path: str) -> None: ...
    def cleanup(self, force: bool = False) -> int: ...
    def get_file_age(self, file_path: str) -> Optional[float]: ...  # noqa: UP045 - as written
    def is_temp_file(self, file_path: str) -> bool: ...
    def clear_all(self) -> int: ...


@pytest.mark.parametrize("name", ["__init__", "register_file", "cleanup", "get_file_age", "is_temp_file", "clear_all"])
def test_5_1_signatures(name: str) -> None:
    written, mine = getattr(Specified, name), getattr(TempFileManager, name)
    parameters = inspect.signature(mine).parameters.values()
    positional = [(p.name, p.default) for p in parameters if p.kind is p.POSITIONAL_OR_KEYWORD]
    assert positional == [(p.name, p.default) for p in inspect.signature(written).parameters.values()]
    beyond = [p for p in parameters if p.kind is not p.POSITIONAL_OR_KEYWORD]
    assert all(p.kind is p.KEYWORD_ONLY and p.default is not p.empty for p in beyond)  # none has to be given
    if name != "__init__":
        assert get_type_hints(mine)["return"] == get_type_hints(written)["return"]


def test_5_2_attributes(tmp_path: Path) -> None:
    manager = TempFileManager(str(tmp_path / "new" / "base"))
    assert manager.base_dir == str(tmp_path / "new" / "base")
    assert os.path.isdir(manager.base_dir)
    assert manager.max_age == 3600
    assert type(manager.max_age) is int
    assert isinstance(manager.files, dict)
    assert manager.files == {}
    assert type(manager.lock) is type(Lock())


def test_7_4_metrics() -> None:
    # In a process of its own: the library keeps one registry of names for the whole process.
    program = block("7_4_metrics", Path("/nowhere")) + "\nfrom prometheus_client import generate_latest\n"
    done = subprocess.run(
        [sys.executable, "-c", program + "print(generate_latest().decode())"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert "temp_files_registered_total 0.0" in done.stdout
    assert "temp_file_cleanup_duration_seconds_count 0.0" in done.stdout


def test_7_4_health(run: Run, manager: TempFileManager, tmp_path: Path) -> None:
    names = run("7_4_health", os=os, time=time, manager=manager, MAX_TEMP_FILES=2)
    health_check = names["health_check"]
    manager.register_files(some_files(tmp_path, 2))
    healthy = health_check()
    assert healthy.pop("timestamp") == pytest.approx(time.time(), abs=60)
    assert healthy == {"status": "healthy", "active_files": 2, "base_dir": manager.base_dir, "max_age": 3600}
    manager.register_files(some_files(tmp_path, 3))
    assert health_check() == {"status": "degraded", "warning": "Too many temp files: 3"}
    os.rmdir(manager.base_dir)
    assert health_check()["status"] == "unhealthy"


def test_8_2_1_failure(run: Run, manager: TempFileManager, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    names = run("8_2_1_failure")
    (path,) = some_files(tmp_path, 1)
    os.chmod(path, 0o600)
    assert names["check_file_permissions"](path)
    assert not names["check_file_permissions"](path + "-missing")
    manager.register_file(path)
    names["force_cleanup_with_retry"](manager)
    assert not os.path.exists(path)
    out = capsys.readouterr().out
    assert "File permissions: -rw-------\n" in out
    assert out.endswith("Successfully cleaned 1 files\n")


def test_8_2_2_memory(run: Run, manager: TempFileManager, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    old, young = some_files(tmp_path, 2)
    manager.register_files([old, young])
    manager.files[old] = time.time() - 7201
    run("8_2_2_memory", time=time)["analyze_memory_usage"](manager)
    assert capsys.readouterr().out.endswith("Cleaned up 1 expired file records\n")
    assert list(manager.files) == [young]
    assert manager.clear_all() == 1
    assert os.path.exists(old)  # whose record was dropped is nobody's business any more


def test_8_2_3_concurrency(
    run: Run, manager: TempFileManager, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run("8_2_3_concurrency")["test_concurrent_access"](manager)
    assert capsys.readouterr().out == "Concurrent test completed, registered files: 1000\n"
    assert manager.clear_all() == 1000
    assert not list(tmp_path.glob("test_*"))


def test_8_3_batch(run: Run, manager: TempFileManager, tmp_path: Path) -> None:
    batch_cleanup = run("8_3_batch", os=os, time=time, logger=logger)["batch_cleanup"]
    paths = some_files(tmp_path, 150)
    manager.register_files(paths)
    manager.files.update(dict.fromkeys(paths[:120], time.time() - 7200))
    assert [batch_cleanup(manager), batch_cleanup(manager), batch_cleanup(manager)] == [100, 20, 0]
    assert list(manager.files) == paths[120:]
    assert manager.clear_all() == 30


def test_8_3_memory(run: Run, manager: TempFileManager, tmp_path: Path) -> None:
    gone, here = some_files(tmp_path, 2)
    manager.register_files([gone, here])
    manager.files[here] = time.time() - 7200
    os.remove(gone)
    run("8_3_memory", os=os, logger=logger)["optimize_memory_usage"](manager)
    assert list(manager.files) == [here]
    assert manager.cleanup() == 1  # what was assigned is live: its age still counts
    assert not os.path.exists(here)


def clean_one_and_fail_one(manager: TempFileManager, folder: Path) -> list[str]:
    path, stubborn = paths = some_files(folder, 2)
    manager.register_files(paths)
    os.remove(stubborn)
    os.mkdir(stubborn)
    assert manager.clear_all() == 1
    assert not os.path.exists(path)
    return paths


def grepped(folder: Path) -> tuple[str, str, list[str]]:
    """Run the patterns of 8.4: the cleanups, the number of failures, the registrations."""
    greps = block("8_4_patterns", folder)
    done = subprocess.run(["sh", "-c", greps], capture_output=True, text=True, check=True)
    cleaned, failures, *registered = done.stdout.splitlines()
    return cleaned, failures.strip(), registered


@pytest.mark.parametrize("level", [logging.INFO, logging.DEBUG])
def test_8_4_log_patterns(spec_log: Path, manager: TempFileManager, tmp_path: Path, level: int) -> None:
    logger.setLevel(level)
    paths = clean_one_and_fail_one(manager, tmp_path)
    cleaned, failures, registered = grepped(tmp_path)
    assert cleaned.endswith(
        "aiecs.tools.temp_file_manager - INFO - Cleaned up 1 temporary files (force=True), 1 failed"
    )
    assert failures == "1"
    expected = paths if level == logging.DEBUG else []
    assert [line.rsplit(": ")[-1] for line in registered] == expected


@pytest.mark.parametrize("log_format", ["text", "json"])
def test_8_4_patterns_in_our_own_log_file(manager: TempFileManager, tmp_path: Path, log_format: str) -> None:
    file = tmp_path / "aiecs" / "temp_file_manager.log"  # in a folder that is made
    handler = logs.configure(Settings(log_file=str(file), log_format=log_format, log_level="DEBUG"))
    try:
        paths = clean_one_and_fail_one(manager, tmp_path)
    finally:
        logger.removeHandler(handler)
        handler.close()
        logger.setLevel(logging.NOTSET)
        logger.propagate = True
    cleaned, failures, registered = grepped(tmp_path)
    assert "Cleaned up 1 temporary files (force=True), 1 failed" in cleaned
    assert failures == "1"
    assert len(registered) == len(paths)
    assert all(f"Registered temporary file: {path}" in line for path, line in zip(paths, registered, strict=True))
