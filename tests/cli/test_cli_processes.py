"""Commands in processes of their own: what one records another sees, and what happens to pipes and terminals."""

import json
import os
import pty
import signal
import subprocess
import threading
from pathlib import Path

import pytest

import command_line
from command_line import MODULE, SECONDS, Say, environment, files, tfm
from temp_file_manager import TempFileManager

bare, folder, manager, say = command_line.bare, command_line.folder, command_line.manager, command_line.say


def typed(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return tfm(*words, TEMP_FILE_BASE_DIR=str(folder / "base"))


def started(folder: Path, *words: str, **streams: int) -> subprocess.Popen[bytes]:
    variables = environment(TEMP_FILE_BASE_DIR=str(folder / "base"))
    return subprocess.Popen([*MODULE, *words], env=variables, cwd=folder, **streams)


def test_what_one_registers_another_sweeps(folder: Path, say: Say) -> None:
    one, two = files(folder, "one", "two")
    assert typed(folder, "register", one, "--ttl", "0", "--tag", "x").stdout == "1 file registered.\n"
    assert typed(folder, "register", two).returncode == 0
    assert [json.loads(line)["path"] for line in typed(folder, "list", "--json").stdout.splitlines()] == [two, one]
    assert say("list", "--tag", "x").out.endswith(f" now 5 {one}\n")
    assert say("status", one, two).code == 0
    swept = typed(folder, "sweep")
    assert (swept.returncode, swept.stderr) == (0, "")
    assert swept.stdout.startswith(f"removed {one}\n1 removed, 0 failed in ")
    exported = typed(folder, "export").stdout
    assert json.loads(exported)["path"] == two
    assert say("forget", two).code == 0
    Path("records").write_text(exported)
    assert typed(folder, "import", "records").returncode == 0
    assert json.loads(say("stats", "--json").out)["records"] == 1
    assert say("check").out == "Nothing found.\n"
    assert os.path.exists(two)


def test_memory_is_for_one_process(folder: Path) -> None:
    (one,) = files(folder, "one")
    assert typed(folder, "register", one, "--registry", "memory:").returncode == 0
    assert typed(folder, "list", "--registry", "memory:").stdout == ""
    assert not (folder / "base" / ".temp-file-manager").exists()


def test_paths_are_registered_as_they_come(folder: Path, manager: TempFileManager) -> None:
    """A pipe from something that watches a directory may never end."""
    one, two = files(folder, "one", "two")
    with started(folder, "register", "-", stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        for path in (one, two):
            process.stdin.write(f"{path}\n".encode())
            process.stdin.flush()
            _until(lambda path=path: manager.is_temp_file(path))
        out, _ = process.communicate(timeout=SECONDS)
    assert (process.returncode, out) == (0, b"2 files registered.\n")


def _until(true: object) -> None:
    pause = threading.Event()
    for _ in range(int(SECONDS * 100)):
        if true():
            return
        pause.wait(0.01)
    pytest.fail("it never came")


def test_commands_at_once_lose_nothing(folder: Path) -> None:
    made = files(folder, *(f"file{number}" for number in range(40)))
    several = [started(folder, "register", *made[n::4], stdout=subprocess.DEVNULL) for n in range(4)]
    assert [process.wait(timeout=SECONDS) for process in several] == [0] * 4
    several = [started(folder, "sweep", "--all", "--json", stdout=subprocess.PIPE) for _ in range(4)]
    told = [process.communicate(timeout=SECONDS)[0].splitlines() for process in several]
    removed = [json.loads(line).get("path") for lines in told for line in lines[:-1]]
    assert sorted(removed) == sorted(made)
    assert sum(json.loads(lines[-1])["removed"] for lines in told) == 40


@pytest.mark.parametrize("command", ["list", "export", "stats", "status", "check", "sweep"])
def test_a_reader_who_has_seen_enough_is_no_traceback(folder: Path, command: str) -> None:
    (one,) = files(folder, "one")
    assert typed(folder, "register", one, "--ttl", "0").returncode == 0
    reader, writer = os.pipe()
    os.close(reader)
    words = [command, one] if command == "status" else [command]
    with started(folder, *words, stdout=writer, stderr=subprocess.PIPE) as process:
        os.close(writer)
        assert process.communicate(timeout=SECONDS)[1] == b""
    assert process.returncode == 1
    assert os.path.exists(one) == (command != "sweep")


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="only Linux has /dev/full")
def test_output_that_cannot_be_written_failed(folder: Path) -> None:
    (one,) = files(folder, "one")
    assert typed(folder, "register", one, "--ttl", "0").returncode == 0
    for command in ("list", "sweep"):
        with open("/dev/full", "wb") as full, started(folder, command, stdout=full, stderr=subprocess.PIPE) as process:
            assert process.communicate(timeout=SECONDS)[1] == b"temp-file-manager: No space left on device\n"
        assert process.returncode == 1


def test_an_interruption_while_reading_is_no_traceback(folder: Path, manager: TempFileManager) -> None:
    (one,) = files(folder, "one")
    streams = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with started(folder, "register", "-", **streams) as process:
        process.stdin.write(f"{one}\n".encode())
        process.stdin.flush()
        _until(lambda: manager.is_temp_file(one))
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=SECONDS)
    assert (process.returncode, out, err) == (1, b"", b"temp-file-manager: interrupted\n")


def on_terminal(folder: Path, *words: str) -> str:
    """Return what a command shows on a terminal."""
    here, there = pty.openpty()
    with started(folder, *words, stdout=there, stderr=there, stdin=subprocess.DEVNULL) as process:
        os.close(there)
        shown = b""
        try:
            while chunk := os.read(here, 4096):
                shown += chunk
        except OSError:  # how Linux says that the other side is closed
            assert process.wait(timeout=SECONDS) == 0
    os.close(here)
    return shown.decode()


def test_a_terminal_is_for_people(folder: Path) -> None:
    (one,) = files(folder, "one")
    assert typed(folder, "register", one, "--ttl", "0").returncode == 0
    header, row = on_terminal(folder, "list").splitlines()
    header = header.removeprefix("\x1b[1m").removesuffix("\x1b[0m")
    assert header.split() == ["age", "due", "size", "path"]
    assert row.index(one) == header.index("path")
    assert on_terminal(folder, "sweep").startswith("1 removed, 0 failed in ")
