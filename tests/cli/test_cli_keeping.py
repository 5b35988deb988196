"""``why``, ``pin``, ``unpin``, ``hold``, and what ``list`` and ``sweep`` have to do with them, as they are typed."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

import command_line
from command_line import MODULE, SECONDS, Say, environment, files
from temp_file_manager import TempFileManager
from temp_file_manager.cli import signals
from temp_file_manager.cli.commands import why
from temp_file_manager.inspection import patience
from temp_file_manager.inspection.prospects import Forecast, Rule
from temp_file_manager.registry.journal import last_line
from temp_file_manager.storage.kernel import leases, processes
from temp_file_manager.storage.kernel.processes import FileUser, FileUsers

bare, folder, say, manager = command_line.bare, command_line.folder, command_line.say, command_line.manager

TRICKY = ["new\nline", "\x1b[2J", "\udcff\udcfe", "with space", "-", "--ttl"]


@pytest.fixture
def old(folder: Path, manager: TempFileManager) -> str:
    """A file that is due."""
    (path,) = files(folder, "old")
    manager.register_file(path, tags=["report"])
    manager.files[path] = time.time() - 7200
    return path


# -- pin and unpin


def test_a_pinned_file_stays_until_unpin(say: Say, old: str) -> None:
    assert say("pin", "old") == (0, "1 file pinned until unpin.\n", "")
    assert say("sweep", "--all", "--even-if-open").lines[-1].startswith("0 removed, 0 failed")
    assert say("list").out.split(" ")[1] == "pinned"
    assert json.loads(say("list", "--json", "--kept").out)["pinned_until"] == "inf"
    assert say("unpin", "old") == (0, "1 file unpinned.\n", "")
    assert say("list", "--kept").out == ""
    assert say("sweep").lines[0] == f"removed {old}"


def test_what_a_sweep_is_at_work_on_is_not_pinned(say: Say, old: str, manager: TempFileManager) -> None:
    """It is no bad usage: the same command may do it a moment later."""
    claim = manager.registry.claim(manager.context.due(), now=0, lease=60, limit=1)
    assert [record.path for record in claim.records] == [old]
    code, _, error = say("pin", "old")
    assert code == 1
    assert f"a sweep is at work on '{old}'" in error


def test_a_pin_may_end(say: Say, old: str, manager: TempFileManager) -> None:
    assert say("pin", "old", "--ttl", "90").out == "1 file pinned for 1 min 30 s.\n"
    record = manager.status(old).record
    assert record is not None
    assert record.pinned_until is not None
    assert 80 < record.pinned_until - time.time() <= 90
    assert say("pin", "old", "--ttl", "0").code == 0
    assert say("list", "--kept").out == ""
    assert say("sweep").lines[0] == f"removed {old}"


def test_what_cannot_be_pinned_is_told(say: Say, old: str, folder: Path, manager: TempFileManager) -> None:
    (gone,) = files(folder, "gone")
    manager.register_file(gone)
    os.rename(gone, f"{gone}.before")
    code, out, err = say("pin", "gone", "old", "stranger")
    assert (code, out) == (1, "1 file pinned until unpin, 2 refused.\n")
    assert err.splitlines() == [
        f"temp-file-manager: {gone}: it is not there any more",
        f"temp-file-manager: {folder}/stranger: not registered",
    ]
    record = manager.status(gone).record
    assert record is not None
    assert record.pinned_until is None  # else its record would stay for ever
    code, out, _ = say("unpin", "old", "stranger", "--json")
    assert (code, json.loads(out)) == (1, {"unpinned": 1, "not_registered": 1})
    code, out, _ = say("pin", "stranger", "--json", "--ttl", "5")
    assert (code, json.loads(out)) == (1, {"pinned": 0, "refused": 1, "ttl": 5.0})


def test_any_name_can_be_kept(say: Say, folder: Path, manager: TempFileManager) -> None:
    made = files(folder, *TRICKY)
    manager.register_files(made)
    text = os.fsencode("\0".join(TRICKY))
    assert say("pin", "-0", "-", stdin=text).out == f"{len(TRICKY)} files pinned until unpin.\n"
    assert len(say("list", "--kept").lines) == len(TRICKY)
    assert [json.loads(line)["rule"] for line in say("why", "--json", "-0", "-", stdin=text).lines] == ["pin"] * 6
    assert say("unpin", "-0", "-", stdin=text).out == f"{len(TRICKY)} files unpinned.\n"
    for name in TRICKY:
        assert say("hold", "--", f"./{name}", "true").code == 0


@pytest.mark.parametrize("command", ["pin", "unpin", "why"])
def test_bad_usage(say: Say, command: str) -> None:
    assert "required: PATH" in say(command).err
    assert say(command, "").err == "temp-file-manager: an empty PATH names no file\n"
    assert say(command, "-", stdin=None) == (2, "", "temp-file-manager: standard input is closed\n")
    assert say(command, "x", "--ttl", "nan").code == 2


# -- sweep --even-if-open


def test_what_is_open_goes_when_somebody_says_so(say: Say, old: str) -> None:
    with open(old):
        assert say("sweep").lines[0].startswith(f"kept {old}: in use")
        assert say("sweep", "-n", "--even-if-open").lines[0] == f"dry run: removed {old}"
        assert say("sweep", "--even-if-open").lines[0] == f"removed {old}"


# -- why


def test_the_story_of_a_young_file(say: Say, folder: Path, manager: TempFileManager) -> None:
    (young,) = files(folder, "young")
    manager.register_file(young, ttl=600, tags=["a", "b"])
    code, out, err = say("why", "young")
    assert (code, err) == (0, "")
    first, *rest = out.splitlines()
    assert first.startswith(f"{young}: stays at least until 2")
    assert ": its ttl ends in " in first
    rows = {line[:17].strip(): line[17:] for line in rest}
    assert rows["decided by"] == "ttl"
    assert rows["due"].endswith(", by its own ttl, 10 min 0 s")
    assert rows["tags"] == "a, b"
    assert rows["size then"] == "5 B"
    assert rows["there now"].startswith("a regular file, 5 B, inode ")
    assert rows["was"].endswith("; now the same file")
    assert rows["open in"].startswith("no process")
    assert rows["last time"] == "no sweep has tried it yet"
    assert rows["run"] == rows["sweep"] == rows["cleanup()"]
    assert rows["run"].startswith("would leave it alone: its ttl ends in ")


def test_the_story_of_one_that_goes(say: Say, old: str) -> None:
    first, *rest = say("why", "old").lines
    assert first == f"{old}: goes with the next sweep: 2 h 0 min old, more than max_age 1 h 0 min"
    assert "  cleanup()      removed: 2 h 0 min old, more than max_age 1 h 0 min" in rest


def test_the_story_of_one_in_use_names_who_has_it(say: Say, old: str) -> None:
    program = "import sys; file = open(sys.argv[1]); print('there', flush=True); input()"
    holder = subprocess.Popen(
        [sys.executable, "-c", program, old], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert holder.stdout is not None
    assert holder.stdout.readline() == "there\n"
    out = say("why", "old").out
    told = json.loads(say("why", "old", "--json").out)
    holder.communicate("\n")
    assert f"{old}: stays: in use: somebody has it open\n" in out
    assert "sweep --even-if-open takes it" in out
    assert f"  open in        process {holder.pid}, open for reading: {sys.executable}" in out
    assert [one["pid"] for one in told["open_in"]] == [holder.pid]
    assert (told["cleanup"]["outcome"], told["sweep"]["outcome"], told["run"]["rule"]) == ("removed", "kept", "in use")


def test_the_story_of_what_is_not_registered(say: Say, folder: Path) -> None:
    files(folder, "there")
    code, out, _ = say("why", "there", "missing", ".")
    assert code == 1
    assert f"{folder}/there: not registered\n" in out
    assert f"{folder}/missing: not registered, and not there\n" in out
    assert "so nothing here ever removes it" in out
    told = [json.loads(line) for line in say("why", "there", "missing", ".", "--json").lines]
    assert [one["kind"] for one in told] == ["a regular file", "nothing", "a directory"]
    assert {one["rule"] for one in told} == {"not registered"}


def test_the_story_of_one_that_was_replaced(say: Say, old: str) -> None:
    os.rename(old, f"{old}.before")
    Path(old).touch()
    out = say("why", "old").out
    assert f"{old}: its record goes with the next sweep: another file has been put in its place" in out
    assert "; now another file\n" in out
    os.rename(old, f"{old}.too")
    assert ": its record goes with the next sweep: already gone\n" in say("why", "old").out


def test_the_story_of_one_whose_directory_is_another(say: Say, folder: Path, manager: TempFileManager) -> None:
    (folder / "d").mkdir()
    (path,) = files(folder, "d/file")
    manager.register_file(path, ttl=0)
    os.rename("d", "before")
    (folder / "d").mkdir()
    os.link("before/file", "d/file")
    assert "; its directory is another one now\n" in say("why", "d/file").out


def test_names_and_commands_move_no_terminal(say: Say, folder: Path, manager: TempFileManager) -> None:
    (path,) = files(folder, "\x1b[2J\nforged")
    manager.register_file(path, ttl=0)
    program = "import sys; file = open(sys.argv[1]); print('there', flush=True); input()"
    holder = subprocess.Popen(
        [sys.executable, "-c", program, path, "\x1b[31m"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert holder.stdout is not None
    assert holder.stdout.readline() == "there\n"
    out = say("why", "-0", "-", stdin=os.fsencode(path)).out
    holder.communicate("\n")
    assert "\x1b" not in out
    assert out.startswith(rf"{folder}/\x1b[2J\nforged: stays: in use")


def test_what_is_no_name_is_refused_and_the_rest_told(say: Say, old: str) -> None:
    code, out, err = say("why", "a\ud800", "old")
    assert code == 1
    assert "no file can be called" in err
    assert old in out


def test_a_clock_that_jumped_is_told_once(say: Say, old: str, manager: TempFileManager) -> None:
    manager.registry.write("clock", "garbage", 0.0, keep=1)
    code, out, err = say("why", "old")
    assert (code, err) == (0, "")
    assert "the wall clock is not trusted" in out
    assert last_line(manager.registry, "clock") == "garbage"


def test_who_cannot_be_seen_is_told() -> None:
    some = (FileUser(7, "cat", ("open for reading",)),)
    assert (
        why.users(FileUsers(some, 9, 2, False), "a regular file")[-1][1] == "2 of 11 processes could not be looked into"
    )
    assert why.users(FileUsers((), 9, 0, False), "a regular file")[-1][1].startswith("there may be processes")
    assert why.users(FileUsers((), 9, 0, True), "a regular file") == [("open in", "no process")]
    assert why.users(FileUsers(), "a link") == []


def test_what_is_told_of_times() -> None:
    assert why.until(Forecast(None, Rule.PIN, "", float("inf")), 0) == " for ever"
    assert why.until(Forecast(None, Rule.SESSION, "", float("inf")), 0) == " until its session ends"
    assert why.until(Forecast(None, Rule.HOLD, ""), 0) == ""
    assert why.until(Forecast(None, Rule.TTL, "", 60.0), 0) == " at least until 1970-01-01 00:01:00Z, for 1 min 0 s"


def test_what_does_not_answer_is_said(say: Say, old: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Once the command waited with it, without an end."""
    back, look = threading.Event(), os.lstat

    def stuck(path: str, **how: int) -> os.stat_result:
        if path == old:
            back.wait(SECONDS)
        return look(path, **how)

    with monkeypatch.context() as patched:
        patched.setattr(patience, "SECONDS", 0.05)
        patched.setattr(os, "lstat", stuck)
        said = say("why", "old")
    back.set()
    assert said.lines[0] == f"{old}: stays: it does not answer"
    assert "  there now      unknown: it does not answer" in said.lines
    assert "open in" not in said.out


def test_processes_that_do_not_answer_are_said(say: Say, old: str, monkeypatch: pytest.MonkeyPatch) -> None:
    back = threading.Event()
    with monkeypatch.context() as patched:
        patched.setattr(patience, "SECONDS", 1.0)
        patched.setattr(processes, "opened_looker", lambda: lambda _: back.wait(SECONDS))
        said = say("why", "old")
    back.set()
    assert "  there now      a regular file" in said.out
    assert "  open in        unknown: a process does not answer" in said.lines


def test_each_rule_that_needs_advice_has_it() -> None:
    assert set(Rule) - set(why.ADVICE) == {Rule.TTL, Rule.MAX_AGE}


def test_what_doctor_helps_with_says_so(say: Say, old: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leases, "take_lease", lambda _: None)
    monkeypatch.setattr(processes, "sees_all_processes", lambda: False)
    assert "The command doctor says what to grant" in say("why", "old").out


def test_json_has_no_infinity(say: Say, old: str, monkeypatch: pytest.MonkeyPatch) -> None:
    say("pin", "old")
    json.loads(say("why", "old", "--json", "--max-age", "1e308").out, parse_constant=pytest.fail)
    assert why.Rule.PIN == "pin"


# -- hold


@contextmanager
def held(folder: Path, *words: str, **streams: int) -> Iterator[subprocess.Popen[str]]:
    """Type ``hold`` in a process group of its own, which ends with the block, whatever the command does."""
    variables = environment(TEMP_FILE_BASE_DIR=str(folder / "base"))
    process = subprocess.Popen(
        [*MODULE, "hold", *words], env=variables, cwd=folder, text=True, process_group=0, **streams
    )
    try:
        with process:
            try:
                yield process
            finally:
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
    finally:
        assert process.poll() is not None


def run(folder: Path, *words: str) -> tuple[int, str, str]:
    with held(folder, *words, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        out, err = process.communicate(timeout=SECONDS)
    return process.returncode, out, err


@pytest.mark.parametrize(
    ("command", "code"),
    [
        (["true"], 0),
        (["sh", "-c", "exit 7"], 7),
        (["sh", "-c", "exit 255"], 255),
        (["sh", "-c", "kill -KILL $$"], 137),
        (["sh", "-c", "kill -TERM $$"], 143),
        (["no-such-command"], 127),
        (["/etc/passwd"], 126),
        (["/"], 126),
        (["a\udcffb"], 127),
    ],
)
def test_the_commands_code_is_passed_on(say: Say, old: str, command: list[str], code: int) -> None:
    assert say("hold", "old", "--", *command).code == code
    assert say("hold", "old", *command).code == code
    assert say("sweep").lines[0] == f"removed {old}"


def test_while_it_runs_no_sweep_takes_the_file(old: str, folder: Path) -> None:
    script = "{0} sweep --all --even-if-open --json; {0} list --kept".format(" ".join(MODULE))
    code, out, err = run(folder, old, "--", "sh", "-c", script)
    assert (code, err) == (0, "")
    totals, listed = out.splitlines()
    assert json.loads(totals)["removed"] == 0
    assert listed.split(" ")[1] == "held"
    assert os.path.exists(old)


def test_the_commands_words_are_its_own(old: str, folder: Path) -> None:
    code, out, _ = run(folder, "--log-level", "ERROR", old, "--", "printf", "%s|", "--json", "--", "-n", "a b")
    assert (code, out) == (0, "--json|--|-n|a b|")


def test_json_comes_at_the_end(old: str, folder: Path) -> None:
    code, out, _ = run(folder, "--json", old, "--", "sh", "-c", "echo said; exit 3")
    said, told = out.splitlines()
    assert (code, said) == (3, "said")
    assert json.loads(told) == {"path": old, "command": ["sh", "-c", "echo said; exit 3"], "exit_code": 3}


def test_the_command_reads_what_is_piped_in(old: str, folder: Path) -> None:
    with held(folder, old, "--", "cat", stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        out, _ = process.communicate("through", timeout=SECONDS)
    assert (process.returncode, out) == (0, "through")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1])
def test_signals_are_passed_on(old: str, folder: Path, number: signal.Signals) -> None:
    script = f"trap 'echo caught; exit 9' {number.name[3:]}; echo ready; while :; do sleep 0.01; done"
    with held(folder, old, "--", "sh", "-c", script, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        process.send_signal(number)
        assert process.stdout.readline() == "caught\n"
        assert process.wait(timeout=SECONDS) == 9


def test_ctrl_c_is_the_commands_affair(old: str, folder: Path) -> None:
    """A terminal sends it to both; the command has it by default, also when its parent has a handler."""
    script = "trap 'echo caught; exit 9' INT; echo ready; while :; do sleep 0.01; done"
    with held(folder, old, "--", "sh", "-c", script, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        os.killpg(process.pid, signal.SIGINT)
        assert process.communicate(timeout=SECONDS)[0] == "caught\n"
        assert process.returncode == 9


def test_what_is_ignored_stays_ignored(old: str, folder: Path) -> None:
    """As ``nohup`` wants it."""
    former = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        script = "kill -HUP $$; kill -HUP $PPID; echo lives"
        with held(folder, old, "--", "sh", "-c", script, stdout=subprocess.PIPE) as process:
            assert process.communicate(timeout=SECONDS)[0] == "lives\n"
            assert process.returncode == 0
    finally:
        signal.signal(signal.SIGHUP, former)


def test_a_killed_hold_leaves_the_file_in_use(say: Say, old: str, folder: Path) -> None:
    """The hold ends with its process; what the command has inherited keeps it from sweeps that protect open files."""
    streams = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with held(folder, old, "--", "sh", "-c", "echo ready; read line", **streams) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        process.kill()
        process.wait(timeout=SECONDS)
        assert say("sweep", "--all").lines[0].startswith(f"kept {old}: in use")
        process.communicate("\n", timeout=SECONDS)  # until the command has closed its output; its other files are next
        while say("sweep", "--all").lines[0].startswith(f"kept {old}: in use"):
            pass
    assert not os.path.exists(old)


def test_what_cannot_be_held(say: Say, old: str, folder: Path) -> None:
    assert say("hold", "stranger", "--", "touch", "ran").err.startswith(
        f"temp-file-manager: '{folder}/stranger' is not registered"
    )
    os.rename(old, f"{old}.before")
    assert say("hold", "old", "--", "touch", "ran") == (
        1,
        "",
        f"temp-file-manager: {old}: No such file or directory\n",
    )
    assert not os.path.exists("ran")


def test_settings_may_follow_the_path(say: Say, old: str, folder: Path) -> None:
    """Excludes code that takes them for the command: it would look for the record in another registry, and run them."""
    base = os.environ["TEMP_FILE_BASE_DIR"]
    for words in (("old", "--base-dir", base), ("--base-dir", base, "old")):
        assert say("hold", *words, "--", "true") == (0, "", "")
    assert say("hold", "old", "--base-dir", f"{folder}/other", "--", "true").code == 1
    told = json.loads(say("hold", "old", "--json", "--base-dir", base, "--", "true", "--", "--json").out)
    assert told["command"] == ["true", "--", "--json"]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ((), "required: PATH"),
        (("old",), "name a COMMAND"),
        (("old", "--"), "name a COMMAND"),
        (("old", "--", ""), "name a COMMAND"),
        (("", "--", "true"), "an empty PATH"),
        (("--nonsense", "old", "true"), "hold does not take --nonsense"),
        (("old", "--nonsense", "--", "true"), "unrecognized arguments: --nonsense"),
        (("old", "--json", "true"), "'--json' stands where the command should"),
    ],
)
def test_hold_wants_a_path_and_a_command(say: Say, old: str, words: tuple[str, ...], expected: str) -> None:
    code, out, err = say("hold", *words)
    assert (code, out) == (2, "")
    assert expected in err


def test_signals_that_came_before_the_command_are_not_lost() -> None:
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP)}
    with signals.heard(before) as pipe:
        os.kill(os.getpid(), signal.SIGTERM)
        os.kill(os.getpid(), signal.SIGHUP)
        assert set(os.read(pipe.reader, 64)) == {signal.SIGTERM, signal.SIGHUP}
    assert {number: signal.getsignal(number) for number in before} == before


def test_a_signal_at_any_moment_is_passed_on(say: Say, old: str) -> None:
    """The one that comes as this process begins to wait, too; see ``signals.heard``."""
    script = (
        "import os, signal, sys, time; signal.signal(signal.SIGUSR1, lambda *_: sys.exit(9))\n"
        "os.kill(os.getppid(), signal.SIGUSR1)\nwhile True: time.sleep(0.01)"
    )
    for _ in range(30):
        assert say("hold", old, "--", sys.executable, "-Sc", script).code == 9
