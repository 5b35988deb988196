"""The command line: real processes where signals, pipes and start-up matter, ``main`` itself for the rest."""

import io
import json
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

import command_line
import temp_file_manager
from command_line import MODULE, SECONDS, SHIM, environment, files, tfm
from temp_file_manager import TempFileManager, cli, logs
from temp_file_manager.errors import RegistryError, RegistryFullError
from temp_file_manager.settings import FIELDS, variable

bare = command_line.bare
pytestmark = pytest.mark.usefixtures("bare")

COMMANDS = [command.__name__.rpartition(".")[2].rstrip("_") for command in cli.COMMANDS]


@contextmanager
def running(*words: str) -> Iterator[tuple[subprocess.Popen[str], list[str]]]:
    """Start ``run`` and yield it, with the log lines so far, once it says that it runs."""
    process = subprocess.Popen(
        [*MODULE, *words], env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    with process:
        try:
            lines = []
            for line in process.stderr:
                lines.append(line)
                if "Running: base_dir" in line:
                    break
            else:
                pytest.fail(f"it ended before it ran: {lines}")
            yield process, lines
        finally:
            process.kill()


def refused(result: subprocess.CompletedProcess[str]) -> list[str]:
    """Return the problems a process told, having checked that it told them as it should."""
    assert result.returncode == 2, result
    assert result.stdout == ""
    lines = result.stderr.splitlines()
    assert lines
    assert all(line.startswith("temp-file-manager: ") for line in lines), lines
    return lines


# -- run ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_run_ends_at_a_signal_and_removes_nothing(tmp_path: Path, number: signal.Signals) -> None:
    bystander = tmp_path / "bystander.tmp"
    bystander.write_text("mine")
    with running("run", "--base-dir", str(tmp_path), "--max-age", "0") as (process, lines):
        assert re.match(r"\d{4}-.* - aiecs\.tools\.temp_file_manager - INFO - Running", lines[-1])
        assert f"base_dir {tmp_path}, max_age 0 seconds, a sweep every 300 seconds" in lines[-1]
        assert "Records are in sqlite:, shared with other processes, and outlive this one" in lines[-1]
        process.send_signal(number)
        out, err = process.communicate(timeout=SECONDS)
    assert process.returncode == 0
    assert out == f"Stopped by {number.name}: 0 files still registered; nothing removed on the way out.\n"
    assert err == ""
    assert bystander.read_text() == "mine"


def test_run_ends_when_both_signals_come_at_once(tmp_path: Path) -> None:
    for _ in range(10):  # a wait that trusts handlers to wake it hung about once in ten
        with running("run", "--base-dir", str(tmp_path)) as (process, _):
            process.send_signal(signal.SIGTERM)
            process.send_signal(signal.SIGINT)
            assert process.wait(timeout=SECONDS) == 0


def test_flags_alone_mean_run_and_json_means_json(tmp_path: Path) -> None:
    with running("--json", "--base-dir", str(tmp_path)) as (process, lines):
        process.terminate()
        out, err = process.communicate(timeout=SECONDS)
    assert process.returncode == 0
    assert json.loads(out) == {
        "stopped_by": "SIGTERM",
        "registered": 0,
        "records_stay": True,
        "removed_on_exit": 0,
    }
    assert [json.loads(line)["level"] for line in lines + err.splitlines()] == ["INFO"] * len(lines)


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Have ``run`` in this process get its SIGTERM as soon as it runs."""
    monkeypatch.setenv("TEMP_FILE_BASE_DIR", str(tmp_path / "base"))
    monkeypatch.setattr(cli.run, "_started", lambda *_: os.kill(os.getpid(), signal.SIGTERM))


def test_run_leaves_the_process_as_it_was(started: None, capsys: pytest.CaptureFixture[str]) -> None:
    handlers = [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)]
    log = (logs.logger.level, logs.logger.propagate, list(logs.logger.handlers))
    threads = threading.active_count()
    assert cli.main([]) == 0
    assert [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)] == handlers
    assert (logs.logger.level, logs.logger.propagate, logs.logger.handlers) == log
    assert threading.active_count() == threads
    assert signal.set_wakeup_fd(-1) == -1
    assert capsys.readouterr().out.startswith("Stopped by SIGTERM: 0 files")


def test_run_counts_what_is_still_registered_and_leaves_it(
    started: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (young,) = files(tmp_path, "young.tmp")
    with closing(TempFileManager(tmp_path / "base", registry="sqlite:")) as manager:
        manager.register_file(young)
        assert cli.main(["run"]) == 0
        assert manager.is_temp_file(young)
    assert "1 file still registered; nothing removed" in capsys.readouterr().out
    assert os.path.exists(young)


def test_run_sweeps_what_another_process_registers(tmp_path: Path) -> None:
    (old,) = files(tmp_path, "old.tmp")
    base = str(tmp_path / "base")
    with running("run", "--base-dir", base, "--cleanup-interval", "0.05") as (process, _):
        assert tfm("register", old, "--ttl", "0", "--base-dir", base).returncode == 0
        for line in process.stderr:
            if "Cleaned up 1 temporary files" in line:
                break
        assert not os.path.exists(old)


def test_run_in_memory_says_so(tmp_path: Path) -> None:
    with running("run", "--registry", "memory:", "--base-dir", str(tmp_path)) as (process, lines):
        assert lines[-1].endswith("Records are in memory:, for this process alone\n")
        process.terminate()
        out, _ = process.communicate(timeout=SECONDS)
    assert out.startswith("Stopped by SIGTERM: 0 files no longer registered, as records were in memory; nothing")
    assert list(tmp_path.iterdir()) == []


def test_run_logs_to_the_log_file(started: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    log = tmp_path / "logs" / "tfm.log"
    assert cli.main(["run", "--log-file", str(log)]) == 0
    assert "Initialized TempFileManager" in log.read_text()
    assert capsys.readouterr().err == ""


def test_run_that_cannot_sweep_failed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def start(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", start)
    assert cli.main(["run", "--base-dir", str(tmp_path), "--log-level", "ERROR"]) == 1
    assert capsys.readouterr().err == "temp-file-manager: cannot start sweeping: can't start new thread\n"


def test_an_interval_longer_than_any_wait_is_fine(tmp_path: Path) -> None:
    with running("run", "--base-dir", str(tmp_path), "--cleanup-interval", "1e300") as (process, _):
        process.terminate()
        assert process.communicate(timeout=SECONDS)[1] == ""
        assert process.returncode == 0


def test_what_run_cannot_use_is_told_in_a_line(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    for flags in (("--base-dir", str(file)), ("--base-dir", str(file / "below")), ("--log-file", str(file / "log"))):
        (line,) = refused(tfm("run", "--base-dir", str(tmp_path), "--log-level", "ERROR", *flags))
        assert str(file) in line


# -- settings ----------------------------------------------------------------------------------------------


def test_every_problem_is_told_at_once() -> None:
    lines = refused(
        tfm("run", "--max-age", "-5", "--config", "/nowhere.toml", LOG_LEVEL="loud", TEMP_FILE_MAX_AEG="60")
    )
    assert len(lines) == 4
    for expected in ("--max-age is '-5'", "cannot read /nowhere.toml", "LOG_LEVEL is 'loud'", "TEMP_FILE_MAX_AEG"):
        assert sum(expected in line for line in lines) == 1


def test_config_says_where_each_setting_came_from(tmp_path: Path) -> None:
    file = tmp_path / "tfm.toml"
    file.write_text('[manager]\nmax_age = 1\ncleanup_interval = 2\nsize_limit = 3\npermission_mask = "0640"\n')
    words = ("config", "--config", str(file), "--max-age", "7")
    variables = {"TEMP_FILE_MAX_AGE": "8", "TEMP_FILE_CLEANUP_INTERVAL": "9", "MAX_TEMP_FILES": "12"}
    told = json.loads(tfm(*words, "--json", **variables).stdout)
    assert list(told) == list(FIELDS)
    assert {name: (one["value"], one["source"], one["source_name"]) for name, one in told.items()} == {
        name: ([] if field.default == () else field.default, "default", None) for name, field in FIELDS.items()
    } | {
        "max_age": (7, "flag", "--max-age"),
        "cleanup_interval": (9, "variable", "TEMP_FILE_CLEANUP_INTERVAL"),
        "max_files": (12, "variable", "MAX_TEMP_FILES"),
        "size_limit": (3, "file", str(file)),
        "permission_mask": ("0640", "file", str(file)),
    }

    rows = {line.split()[0]: line for line in tfm(*words, **variables).stdout.splitlines()[1:]}
    assert list(rows) == list(FIELDS)
    assert rows["max_age"].split() == ["max_age", "7", "flag", "--max-age"]
    assert rows["permission_mask"].split()[1:4] == ["0640", "file", str(file)]


def test_a_secret_is_shown_by_nothing(tmp_path: Path) -> None:
    secret = "s3cret-and-long-enough"
    for words in (("config",), ("config", "--json"), ("health",), ("doctor",)):
        done = tfm(*words, TEMP_FILE_BASE_DIR=str(tmp_path), TEMP_FILE_API_TOKEN=secret)
        assert secret not in done.stdout + done.stderr
    told = json.loads(tfm("config", "--json", TEMP_FILE_API_TOKEN=secret).stdout)["api_token"]
    assert (told["value"], told["source_name"], told["flag"]) == ("set", "TEMP_FILE_API_TOKEN", None)
    (line,) = refused(tfm("config", TEMP_FILE_API_TOKEN="short-secret"))
    assert "TEMP_FILE_API_TOKEN is not what it can be: give 16 or more" in line
    assert "short-secret" not in line
    assert "does not take --api-token" in refused(tfm("config", "--api-token", secret))[0]


def test_config_escapes_what_a_terminal_would_obey(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TEMP_FILE_BASE_DIR", "/tmp/\x1b[2J\udcff\nforged")
    assert cli.main(["config"]) == 0
    assert r"/tmp/\x1b[2J\udcff\nforged" in capsys.readouterr().out


@pytest.mark.parametrize("command", ["run", "config"])
def test_help_tells_all_about_every_setting(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main([command, "--help"]) == 0
    text = " ".join(capsys.readouterr().out.split())
    for name, field in FIELDS.items():
        default = cli.options.shown(name, field.default)
        flag = f"--{name.replace('_', '-')} VALUE {field.metadata['about']}: {field.metadata['allowed']} "
        assert (flag in text) != field.metadata["secret"]
        assert (f"[{variable(name)}; default {default}]" in text) != field.metadata["secret"]


# -- demo --------------------------------------------------------------------------------------------------


def test_demo_explains_each_outcome_and_leaves_nothing(tmp_path: Path) -> None:
    result = tfm("demo", TMPDIR=str(tmp_path), TEMP_FILE_MAX_AGE="nonsense is not its business")
    assert (result.returncode, result.stderr) == (0, "")
    rows = {line.split("  ")[0]: line for line in result.stdout.split("\n\n")[2].splitlines()[1:]}
    assert re.search(r"removed +removed +2 h 0 min old, more than max_age 1 h 0 min$", rows["chart.svg"])
    assert re.search(r"removed +removed +its ttl ended 1 h 50 min ago$", rows["preview.png"])
    assert re.search(r"kept +kept +its ttl ends in 2[12] h", rows["app.log"])
    assert re.search(r"kept +kept +.* s old, max_age is 1 h 0 min$", rows["report.csv"])
    assert re.search(r"gone +gone +.*; already gone$", rows["vanished.json"])
    assert re.search(r"failed +failed +.*; \[Errno \d+\] [^/]*$", rows["replaced.tmp"])
    assert re.search(r"removed +removed ", rows[r"\x1b[2J\nname.txt"])
    assert "went on reading 'still readable\\n' from it" in result.stdout
    assert "Dry run: 6 removed, 1 already gone, 1 failed, 3 kept." in result.stdout
    assert "Sweep:   6 removed, 1 already gone, 1 failed, 3 kept." in result.stdout
    assert os.listdir(tmp_path) == []


def test_demo_in_a_folder_that_stays(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "new"
    assert cli.main(["demo", "--json", "--dir", str(folder)]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["folder"] == str(folder)
    assert told["dry_run"] == told["sweep"] == {"removed": 6, "gone": 1, "failed": 1}
    outcomes = {file["file"]: file["outcome"] for file in told["files"]}
    assert len(outcomes) == 11
    assert outcomes["\x1b[2J\nname.txt"] == "removed"
    # Leaving the with block retired the three that the sweep had kept; what nobody registered stays.
    left = {name for name in set(told["left"]) - set(os.listdir(folder)) if not name.startswith("tmp")}
    assert left == {"app.log", "report.csv"}
    assert told["held_open"] == {"protected": True, "read_after_removal": "still readable\n"}
    assert (folder / "precious.txt").read_text() == "nobody registered me\n"
    assert logs.logger.handlers == []

    assert cli.main(["demo", "--dir", str(folder)]) == 2
    assert "is not empty" in capsys.readouterr().err


def test_demo_refuses_what_is_no_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "file"
    file.touch()
    assert cli.main(["demo", "--dir", str(file)]) == 2
    assert re.fullmatch(r"temp-file-manager: cannot use --dir '.*/file': .+\n", capsys.readouterr().err)


def test_demo_that_did_not_do_what_it_said_failed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def remove(path: str) -> None:
        raise PermissionError(1, "Operation not permitted", path)

    monkeypatch.setattr("temp_file_manager.storage.local.os.remove", remove)
    assert cli.main(["demo"]) == 1
    assert "Sweep:   0 removed, 1 already gone, 7 failed, 3 kept." in capsys.readouterr().out


# -- everything else ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("start", [MODULE, SHIM])
def test_each_way_to_start_it(start: tuple[str, ...]) -> None:
    result = tfm("version", start=start)
    assert result.returncode == 0
    assert result.stdout.startswith(f"temp-file-manager {temp_file_manager.__version__} (Python 3.")
    assert tfm("--version", start=start).stdout == result.stdout


def test_version_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["version", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert list(told) == ["name", "version", "python", "platform"]
    assert told["version"] == temp_file_manager.__version__


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["sweeep"], "invalid choice: 'sweeep'"),
        (["\x1b[2J\n"], r"invalid choice: '\x1b[2J\n'"),
        (["--max-agee", "3"], "run does not take --max-agee 3 (see temp-file-manager run --help)"),
        (["run", "--max", "3"], "run does not take --max 3"),
        (["version", "\x1bextra"], r"version does not take \x1bextra"),
        (["config", "--max-age"], "--max-age: expected one argument"),
        ([""], "invalid choice: ''"),
    ],
)
def test_garbage_is_told_in_a_line(words: list[str], expected: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(words) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert re.fullmatch(r"temp-file-manager: [^\n\x1b]+\n", err)
    assert expected in err


def test_help_lists_the_commands(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["-h"]) == 0
    out = capsys.readouterr().out
    assert all(re.search(rf"^ +{command}\s", out, re.MULTILINE) for command in COMMANDS)


@pytest.mark.parametrize("command", [("demo",), ("config", "--json")])
def test_a_reader_who_has_seen_enough_is_no_traceback(command: tuple[str, ...]) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    with open(writer, "wb") as out:
        result = subprocess.run(
            [*MODULE, *command], stdout=out, stderr=subprocess.PIPE, env=environment(), timeout=SECONDS, check=False
        )
    assert (result.returncode, result.stderr) == (1, b"")


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="only Linux has /dev/full")
def test_output_that_cannot_be_written_failed() -> None:
    with open("/dev/full", "wb") as out:
        result = subprocess.run(
            [*MODULE, "version"], stdout=out, stderr=subprocess.PIPE, env=environment(), timeout=SECONDS, check=False
        )
    assert (result.returncode, result.stderr) == (1, b"temp-file-manager: No space left on device\n")


def test_names_that_the_terminal_cannot_show_are_escaped() -> None:
    result = tfm("config", TEMP_FILE_BASE_DIR="/tmp/données", PYTHONIOENCODING="ascii")
    assert result.returncode == 0
    assert r"/tmp/donn\xe9es" in result.stdout


def test_an_interruption_is_no_traceback(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def interrupted(_: object) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr(cli.version, "execute", interrupted)
    assert cli.main(["version"]) == 1
    assert capsys.readouterr().err == "temp-file-manager: interrupted\n"


@pytest.mark.parametrize(("error", "code"), [(RegistryFullError, 1), (RegistryError, 2)])
def test_a_full_disk_is_nobodys_bad_usage(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], error: type[RegistryError], code: int
) -> None:
    def fail(_: object) -> int:
        raise error("the reason")

    monkeypatch.setattr(cli.version, "execute", fail)
    assert cli.main(["version"]) == code
    assert capsys.readouterr().err == "temp-file-manager: the reason\n"


def test_without_standard_output_it_still_works(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", None)
    assert cli.main(["version"]) == 0
    monkeypatch.setattr(sys, "stdout", io.StringIO())
    assert cli.main(["version"]) == 0
    assert sys.stdout.getvalue().startswith("temp-file-manager ")


def test_every_command_offers_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    for name, command in zip(COMMANDS, cli.COMMANDS, strict=True):
        assert command.__doc__.startswith(f"``{name}``: ")
        assert callable(command.add_parser)
        assert callable(command.execute)
        assert cli.main([name, "--help"]) == 0
        assert "--json" in capsys.readouterr().out


@pytest.mark.parametrize(
    "command", ["register", "list", "status", "sweep", "forget", "stats", "check", "export", "import"]
)
def test_what_works_on_records_takes_every_setting(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main([command, "--help"]) == 0
    out = capsys.readouterr().out
    assert all(f"--{name.replace('_', '-')} VALUE" in out for name in FIELDS if not FIELDS[name].metadata["secret"])
    assert "--config FILE" in out
