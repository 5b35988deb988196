"""The command line: real processes where signals, pipes and start-up matter, ``main`` itself for the rest."""

import io
import json
import logging
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

import command_line
import temp_file_manager
from command_line import MODULE, SECONDS, SHIM, Say, environment, files, tfm
from container import until
from temp_file_manager import TempFileManager, cli, logs
from temp_file_manager.cli.commands import version
from temp_file_manager.cli.examples import EXAMPLES, PROGRAM, line
from temp_file_manager.errors import RegistryError, RegistryFullError
from temp_file_manager.settings import FIELDS, Settings, variable
from temp_file_manager.testing import FakeClock, in_child
from terminal import on, terminal

bare, folder, say = command_line.bare, command_line.folder, command_line.say
pytestmark = pytest.mark.usefixtures("bare")

COMMANDS = list(cli.parsers()[1])


@contextmanager
def running(
    *words: str, start: Sequence[str] = MODULE, env: dict[str, str] | None = None, **how: Any
) -> Iterator[tuple[subprocess.Popen[str], list[str]]]:
    """Start ``run`` and yield it, with the log lines so far, once it says that it runs."""
    process = subprocess.Popen(
        [*start, *words], env=env or environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **how
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


def test_run_without_a_terminal_goes_on_after_a_hangup(tmp_path: Path) -> None:
    """Logrotate sends it. A death by it counts as a clean end to systemd, which starts nothing again."""
    with running("run", "--base-dir", str(tmp_path), start_new_session=True) as (process, _):
        process.send_signal(signal.SIGHUP)
        for line in process.stderr:
            if "Settings were read again" in line:
                break
        process.terminate()
        out, _ = process.communicate(timeout=SECONDS)
    assert process.returncode == 0
    assert out.startswith("Stopped by SIGTERM")


def test_run_ends_with_its_terminal_and_not_while_that_is_there(tmp_path: Path) -> None:
    log = tmp_path / "log"
    words = ("run", "--base-dir", str(tmp_path / "base"), "--log-file", str(log))
    screen = ExitStack()
    made = screen.enter_context(terminal())
    with screen, on(made, *MODULE, *words, env=environment(), cwd=tmp_path) as run:
        until(lambda: log.exists() and "Running:" in log.read_text())
        run.send_signal(signal.SIGHUP)
        until(lambda: "Settings were read again" in log.read_text())
        screen.close()
        assert run.wait(timeout=SECONDS) in (0, 1), "1 as nobody is there who could be told"


def test_run_that_was_told_to_ignore_hangups_does(tmp_path: Path) -> None:
    """By nohup."""
    with running("run", "--base-dir", str(tmp_path), preexec_fn=ignore_hangups) as (process, _):
        process.send_signal(signal.SIGHUP)
        process.terminate()
        out, _ = process.communicate(timeout=SECONDS)
    assert out.startswith("Stopped by SIGTERM")


def ignore_hangups() -> None:
    signal.signal(signal.SIGHUP, signal.SIG_IGN)


def test_run_ends_when_both_signals_come_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In forked processes: ten starts of the program would take longer than all the rest."""
    monkeypatch.setenv("TEMP_FILE_BASE_DIR", str(tmp_path))

    def both(record: logging.LogRecord) -> bool:
        if record.getMessage().startswith("Running: "):
            subprocess.Popen(["sh", "-c", f"kill -TERM {os.getpid()}; kill -INT {os.getpid()}"])
        return True

    monkeypatch.setattr(logs.logger, "filters", [both])
    for _ in range(10):  # a wait that trusts handlers to wake it hung about once in ten
        assert in_child(lambda: cli.main(["run", "--log-level", "INFO"])) == 0


def test_run_as_json(tmp_path: Path) -> None:
    with running("run", "--json", "--base-dir", str(tmp_path)) as (process, lines):
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

    def told(record: logging.LogRecord) -> bool:
        if record.getMessage().startswith("Running: "):
            os.kill(os.getpid(), signal.SIGTERM)
        return True

    monkeypatch.setattr(logs.logger, "filters", [told])


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


def test_config_says_where_each_setting_came_from(say: Say, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "tfm.toml"
    file.write_text('[manager]\nmax_age = 1\ncleanup_interval = 2\nsize_limit = 3\npermission_mask = "0640"\n')
    defaults = {name: getattr(Settings(), name) for name in FIELDS}
    words = ("config", "--config", str(file), "--max-age", "7")
    variables = {"TEMP_FILE_MAX_AGE": "8", "TEMP_FILE_CLEANUP_INTERVAL": "9", "MAX_TEMP_FILES": "12"}
    monkeypatch.delenv("TEMP_FILE_BASE_DIR")
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    told = json.loads(say(*words, "--json").out)
    assert told.pop("limits") == {"value": [], "source": "default", "source_name": None, "line": None}
    assert list(told) == list(FIELDS)
    assert {name: one["line"] for name, one in told.items() if one["line"]} == {"size_limit": 4, "permission_mask": 5}
    assert {name: (one["value"], one["source"], one["source_name"]) for name, one in told.items()} == {
        name: ([] if value == () else value, "default", None) for name, value in defaults.items()
    } | {
        "max_age": (7, "flag", "--max-age"),
        "cleanup_interval": (9, "variable", "TEMP_FILE_CLEANUP_INTERVAL"),
        "max_files": (12, "variable", "MAX_TEMP_FILES"),
        "size_limit": (3, "file", str(file)),
        "permission_mask": ("0640", "file", str(file)),
    }

    rows = {line.split()[0]: line for line in say(*words).lines[1:]}
    assert list(rows) == list(FIELDS)
    assert rows["max_age"].split() == ["max_age", "7s", "flag", "--max-age"]
    assert rows["permission_mask"].split()[1:4] == ["0640", "file", f"{file}:5"]


def test_a_secret_is_shown_by_nothing(say: Say, monkeypatch: pytest.MonkeyPatch) -> None:
    secret = "s3cret-and-long-enough"
    monkeypatch.setenv("TEMP_FILE_API_TOKEN", secret)
    for words in (("config",), ("health",), ("doctor",)):
        said = say(*words)
        assert secret not in said.out + said.err
    said = say("config", "--json")
    assert secret not in said.out + said.err
    told = json.loads(said.out)["api_token"]
    assert (told["value"], told["source_name"], told["flag"]) == ("set", "TEMP_FILE_API_TOKEN", None)
    assert "does not take --api-token" in say("config", "--api-token", secret).err
    (line,) = refused(tfm("config", TEMP_FILE_API_TOKEN="short-secret"))
    assert "TEMP_FILE_API_TOKEN is not what it can be: give 16 or more" in line
    assert "short-secret" not in line


def test_config_escapes_what_a_terminal_would_obey(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TEMP_FILE_BASE_DIR", "/tmp/\x1b[2J\udcff\nforged")
    assert cli.main(["config"]) == 0
    assert r"/tmp/\x1b[2J\udcff\nforged" in capsys.readouterr().out


def test_help_settings_tells_all_about_every_setting(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["help", "settings"]) == 0
    blocks = capsys.readouterr().out.split("\n\n")[1:]
    for block, (name, field) in zip(blocks, FIELDS.items(), strict=True):
        head, about = (line.strip() for line in block.splitlines())
        flag = "no flag, as everybody sees flags" if field.metadata["secret"] else f"{cli.options.flag(name)} VALUE"
        assert head.split("  ") == [flag, variable(name), f"default: {cli.options.default_shown(name)}"]
        assert about == f"{field.metadata['about']}: {field.metadata['allowed']}"


def test_help_settings_for_programs(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["help", "settings", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert list(told) == list(FIELDS)
    assert told["max_age"]["flag"] == "--max-age"
    assert cli.main(["config", "--json"]) == 0
    configured = json.loads(capsys.readouterr().out)
    for name, one in ((name, configured[name]) for name in told):
        assert told[name].items() <= one.items()


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
        (["lsit"], "there is no command 'lsit': did you mean list? (see temp-file-manager help)"),
        (["list", "--garbage"], "list does not take --garbage (see temp-file-manager help list)"),
        (["lits"], "there is no command 'lits': did you mean list? (see temp-file-manager help)"),
        (["\x1b[2J\n"], r"there is no command '\x1b[2J\n' (see"),
        (["--verison"], "there is no flag --verison: did you mean --version?"),
        (["--max-agee", "3"], "there is no flag --max-agee: did you mean --max-age?"),
        (["--basedir", "x", "list"], "there is no flag --basedir: did you mean --base-dir?"),
        (["run", "--max", "3"], "run does not take --max 3"),
        (
            ["sweep", "--dryrun"],
            "sweep does not take --dryrun: did you mean --dry-run? (see temp-file-manager help sweep)",
        ),
        (["run", "--max-aeg=3"], "run does not take --max-aeg=3: did you mean --max-age?"),
        (["version", "\x1bextra"], r"version does not take \x1bextra"),
        (["config", "--max-age"], "--max-age: expected one argument"),
        ([""], "there is no command '' (see"),
        (["--json"], "say which command, as in: temp-file-manager run --json"),
        (["--max-age", "stats"], "say which command, as in: temp-file-manager run --max-age stats"),
        (["--limit", "5", "list", "--due"], "--limit belongs behind its command: temp-file-manager list --limit"),
        (["--", "list"], "there is no flag --"),
        (["run", "stats"], "run does not take stats (see temp-file-manager help run)"),
        (["help", "sweeep"], "argument TOPIC: invalid choice: 'sweeep': did you mean sweep?"),
        (["completion", "fisch"], "invalid choice: 'fisch': did you mean fish?"),
        (["help", "nothing-like-it"], "(choose from "),
    ],
)
def test_garbage_is_told_in_a_line(words: list[str], expected: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(words) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert re.fullmatch(r"temp-file-manager: [^\n\x1b]+\n", err)
    assert expected in err


@pytest.mark.parametrize("command", ["register", "list", "pin", "sweep", "session", "exec", "top"])
def test_help_says_what_a_time_is(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["help", command]) == 0
    assert "A TIME is a text such as 90s" in capsys.readouterr().out


@pytest.mark.parametrize("words", [["-h"], ["help"], []])
def test_help_lists_the_commands(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(words) == 0
    out = capsys.readouterr().out
    assert all(re.search(rf"^ +{command}\s", out, re.MULTILINE) for command in COMMANDS)
    assert "help settings" in out
    assert out.endswith("".join(f"  tfm {example}\n" for example in PROGRAM))


@pytest.mark.parametrize(
    "words", [["--base-dir", "B", "stats", "--json"], ["--json", "--base-dir=B", "--max-age", "7", "stats"]]
)
def test_a_setting_may_come_before_the_command(
    words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main([word.replace("B", str(tmp_path / "base")) for word in words]) == 0
    assert json.loads(capsys.readouterr().out)["base_dir"] == str(tmp_path / "base")


@pytest.mark.parametrize(
    ("start", "words"),
    [
        (MODULE, ()),  # as CMD ["temp-file-manager"] of a container, with its settings in the environment
        (MODULE, ("--max-age", "7")),
        (SHIM, ()),
    ],
)
def test_a_service_without_a_command_runs(tmp_path: Path, start: Sequence[str], words: tuple[str, ...]) -> None:
    with running(*words, start=start, env=environment(TEMP_FILE_BASE_DIR=str(tmp_path))) as (process, _):
        process.terminate()
        process.communicate(timeout=SECONDS)
    assert process.returncode == 0


def test_the_specifications_module_runs_without_settings_too(tmp_path: Path) -> None:
    with running("--base-dir", str(tmp_path), start=SHIM) as (process, _):
        process.terminate()
        process.communicate(timeout=SECONDS)
    assert process.returncode == 0


@pytest.mark.parametrize("command", COMMANDS)
def test_help_of_a_command_is_its_own(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main([command, "--help"]) == 0
    out = capsys.readouterr().out
    assert "--json" in out
    assert " VALUE" not in out  # what flags of settings take, which stand in ``help settings``
    assert ("help settings" in out) == ("--config FILE" in out)
    assert cli.main(["help", command]) == 0
    assert capsys.readouterr().out == out
    assert out.endswith("".join(f"  {line(example)}\n" for example in EXAMPLES[command]))
    assert cli.main(["help", command, "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"topic": command, "help": out}


@pytest.mark.parametrize("command", [("help", "settings"), ("config", "--json")])
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

    monkeypatch.setattr(version, "execute", interrupted)
    assert cli.main(["version"]) == 1
    assert capsys.readouterr().err == "temp-file-manager: interrupted\n"


@pytest.mark.parametrize(("error", "code"), [(RegistryFullError, 1), (RegistryError, 2)])
def test_a_full_disk_is_nobodys_bad_usage(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], error: type[RegistryError], code: int
) -> None:
    def fail(_: object) -> int:
        raise error("the reason")

    monkeypatch.setattr(version, "execute", fail)
    assert cli.main(["version"]) == code
    assert capsys.readouterr().err == "temp-file-manager: the reason\n"


def test_without_standard_output_it_still_works(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", None)
    assert cli.main(["version"]) == 0
    monkeypatch.setattr(sys, "stdout", io.StringIO())
    assert cli.main(["version"]) == 0
    assert sys.stdout.getvalue().startswith("temp-file-manager ")


def test_one_clock_drives_every_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """No command asks the machine what time it is."""
    monkeypatch.setenv("TEMP_FILE_BASE_DIR", str(tmp_path / "base"))
    monkeypatch.setattr(time, "time", pytest.fail)
    path, kept = files(tmp_path, "file", "kept")
    clock = FakeClock()

    def said(*words: str) -> list[str]:
        assert cli.main(list(words), clock=clock) == 0
        return capsys.readouterr().out.splitlines()

    assert said("register", path, kept, "--ttl", "600") == ["2 files registered."]
    assert said("pin", kept, "--ttl", "1000") == ["1 file pinned for 16 min 40 s."]
    clock.advance(599)
    assert said("list") == [f"599 1 5 {path}", f"599 pinned 5 {kept}"]
    assert said("sweep", "--json")[:-1] == []
    assert said("why", path)[0] == f"{path}: stays at least until 1970-01-12 13:56:40Z, for 1 s: its ttl ends in 1 s"
    clock.advance(2)
    assert f"  {'due':<15}now: its ttl ended 1 s ago" in said("status", path)
    assert said("why", kept)[0].endswith(", for 6 min 39 s: pinned for another 6 min 39 s")
    assert said("sweep")[0] == f"removed {path}"
    clock.advance(400)
    assert said("list", "--due", "--json") != []
    assert said("sweep")[0] == f"removed {kept}"
    assert said("list") == []


def test_every_module_is_a_command() -> None:
    for name in cli.COMMANDS:
        command = import_module(f"temp_file_manager.cli.commands.{name}")
        assert re.match(rf"(The command )?``{name.rstrip('_')}``", command.__doc__ or "")
    modules = {file.stem for file in Path(cli.__file__).parent.glob("commands/*.py")} - {"__init__"}
    assert sorted(modules) == sorted(cli.COMMANDS)


def test_no_command_is_imported_but_the_one_that_is_asked_for() -> None:
    told = """
import sys
from temp_file_manager.cli import main
main(["version"])
print([name for name in sys.modules if name.startswith("temp_file_manager.cli.commands.")])
"""
    done = subprocess.run([sys.executable, "-c", told], capture_output=True, text=True, check=True, timeout=SECONDS)
    assert done.stdout.splitlines()[-1] == "['temp_file_manager.cli.commands.version']"


@pytest.mark.parametrize("command", sorted(set(COMMANDS) - {"completion", "help", "version"}))
def test_what_works_on_records_takes_every_setting(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    flags = [flag for name in FIELDS if not FIELDS[name].metadata["secret"] for flag in (cli.options.flag(name), "\t")]
    operands = {
        "hold": ["x", "true"],
        "exec": ["true"],
        "session": ["list"],
        "object": ["sweep", "s3://bucket/x"],
        "registry": ["status"],
        "scope": ["list"],
        "adopt": ["x"],
        "apply": ["x"],
    }.get(command, [])
    paths = ["x"] if command in ("register", "cat", "restore", "status", "why", "pin", "unpin", "forget") else []
    assert cli.main([command, *flags, *operands, *paths]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert lines
    assert all(re.match(r"temp-file-manager: --[a-z-]+ is '\\t': give ", line) for line in lines), lines
