"""What the log says, in both formats, whatever a file is called, and where it goes."""

import json
import logging
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from temp_file_manager import Settings, TempFileManager, logs
from temp_file_manager.text import printable

NASTY = ["new\nline", "\x1b[2Jclear", "\u202eright-to-left", os.fsdecode(b"not\xffutf-8"), "tab\tand\rreturn"]


@pytest.fixture(params=["text", "json"])
def log(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Path]:
    """Configure the log as the command line does, in a folder that is not there yet."""
    file = tmp_path / "logs" / "deep" / "manager.log"
    yield from configured(Settings(log_file=str(file), log_format=request.param, log_level="DEBUG"), file)


def configured(settings: Settings, file: Path) -> Iterator[Path]:
    handler = logs.configure(settings)
    yield file
    logs.logger.removeHandler(handler)
    handler.close()
    logs.logger.setLevel(logging.NOTSET)
    logs.logger.propagate = True


def sweep_one_and_fail_one(folder: Path, *names: str) -> None:
    manager = TempFileManager(str(folder / "base"))
    for name in (*names, "stubborn"):
        (folder / name).touch()
        manager.register_file(str(folder / name))
    manager.register_file(str(folder / "missing"))
    (folder / "stubborn").unlink()
    (folder / "stubborn").mkdir()
    manager.clear_all()
    manager.cleanup()  # idle: says nothing


def test_every_pattern_once_at_its_level(log: Path, tmp_path: Path) -> None:
    sweep_one_and_fail_one(tmp_path, "file")
    lines = log.read_text().splitlines()
    for pattern, level, count in [
        ("Registered temporary file", "DEBUG", 2),
        ("Removed temporary file", "DEBUG", 1),
        ("Failed to remove temporary file", "ERROR", 1),
        ("Attempted to register non-existent file", "WARNING", 1),
        ("Cleaned up 1 temporary files", "INFO", 1),
        ("Initialized TempFileManager", "INFO", 1),
    ]:
        matches = [line for line in lines if pattern in line]
        assert len(matches) == count, pattern
        assert all(level in line for line in matches)
    assert len(lines) == 7


@pytest.mark.parametrize("name", NASTY)
def test_a_name_cannot_forge_a_line(log: Path, tmp_path: Path, name: str) -> None:
    sweep_one_and_fail_one(tmp_path, name)
    text = log.read_text()
    assert len(text.splitlines()) == 7
    assert all(line.isprintable() for line in text.splitlines())
    shown = printable(str(tmp_path / name))
    assert shown != str(tmp_path / name)
    assert sum(shown in (json.loads(line)["message"] if line[0] == "{" else line) for line in text.splitlines()) == 2


def test_a_line_of_someone_elses_is_escaped_too(log: Path) -> None:
    logs.logger.warning("from %s", "an application\n\x1b\u202e")
    (line,) = log.read_text().splitlines()
    message = json.loads(line)["message"] if line[0] == "{" else line
    assert message.endswith(r"from an application\n\x1b\u202e")


def test_an_ordinary_name_in_any_script_stays_as_it_is() -> None:
    assert printable("/tmp/Отчёт 日本語 ü.csv") == "/tmp/Отчёт 日本語 ü.csv"
    assert printable("a\nb\x1b\u202e\udcff") == r"a\nb\x1b\u202e\udcff"


def test_text_is_the_specifications_format(tmp_path: Path) -> None:
    for log in configured(Settings(log_file=str(tmp_path / "log")), tmp_path / "log"):
        TempFileManager(str(tmp_path / "base"))
        date, name, level, message = log.read_text().split(" - ", 3)
        assert (name, level) == ("aiecs.tools.temp_file_manager", "INFO")
        assert message == f"Initialized TempFileManager with base_dir: {tmp_path}/base, max_age: 3600 seconds\n"
        assert date[4] == date[7] == "-"


def test_json_is_one_object_a_line_also_with_a_traceback(tmp_path: Path) -> None:
    settings = Settings(log_file=str(tmp_path / "log"), log_format="json")
    for log in configured(settings, tmp_path / "log"):
        logs.sweep_failed(OSError("a\nb").with_traceback(None))
        (line,) = log.read_text().splitlines()
        entry = json.loads(line)
        assert entry["message"] == r"Scheduled sweep failed: OSError('a\nb')"
        assert entry["exception"] == "OSError: a\nb"
        assert entry["timestamp"].endswith("+00:00")


def test_the_level_is_obeyed(tmp_path: Path) -> None:
    for log in configured(Settings(log_file=str(tmp_path / "log"), log_level="ERROR"), tmp_path / "log"):
        sweep_one_and_fail_one(tmp_path, "file")
        (line,) = log.read_text().splitlines()
        assert "Failed to remove" in line


def test_a_rotated_log_is_left_alone(log: Path, tmp_path: Path) -> None:
    logs.logger.info("before")
    log.rename(tmp_path / "rotated")
    logs.logger.info("after")
    assert "after" not in (tmp_path / "rotated").read_text()
    assert "after" in log.read_text()


def test_a_log_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match="file"):
        logs.configure(Settings(log_file=str(tmp_path / "file" / "log")))
