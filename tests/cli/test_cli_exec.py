"""``exec``: a command whose temporary files go when it and all that it started have ended."""

import fcntl
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

import command_line
from command_line import MODULE, SECONDS, Say, environment
from temp_file_manager import TempFileManager, jobs
from temp_file_manager.adopt.scratch import NAME, clear_left, scratch
from temp_file_manager.sessions import HEIRS
from temp_file_manager.storage import made_directories

bare, folder, say, manager = command_line.bare, command_line.folder, command_line.say, command_line.manager


def started(*words: str, **how: Any) -> subprocess.Popen[str]:
    """Type ``exec`` in a process of its own, and of its own group."""
    return subprocess.Popen(
        [*MODULE, "exec", *words],
        env=environment(TEMP_FILE_BASE_DIR=os.environ["TEMP_FILE_BASE_DIR"]),
        text=True,
        start_new_session=True,
        **how,
    )


def left(folder: Path) -> list[str]:
    """Return what is in scratch directories, and they themselves."""
    above = folder / "base" / NAME
    return sorted(str(path.relative_to(above)) for path in above.rglob("*"))


CHAIN = """
import os, signal, subprocess, sys
print(os.getpid(), flush=True)
if sys.argv[1] != "1":
    subprocess.Popen([sys.executable, sys.argv[0], str(int(sys.argv[1]) - 1)], close_fds=False)
else:
    open(os.path.join(os.environ["TMPDIR"], "file"), "w").close()
    print(os.environ["TMPDIR"], flush=True)
signal.pause()
"""
"""A process that starts another, which inherits all it has, and so on; each goes on whatever becomes of the others."""


@pytest.fixture
def chain(folder: Path) -> Iterator[tuple[subprocess.Popen[str], list[int], str]]:
    """``exec`` of a chain of three: that process, the numbers of the three, and their file."""
    (folder / "chain.py").write_text(CHAIN)
    with started("--", sys.executable, str(folder / "chain.py"), "3", stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        pids = [int(process.stdout.readline()) for _ in range(3)]
        yield process, pids, f"{process.stdout.readline().strip()}/file"
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)


class TestCommand:
    """What the command gets, and what it says."""

    def test_its_temporary_directory_goes_with_it(self, say: Say, folder: Path) -> None:
        script = (
            'test "$TMPDIR" = "$TMP" && test "$TMP" = "$TEMP" && stat -c %a "$TMPDIR" > mode && '
            'mkdir -p "$TMPDIR/a/b" && mktemp > made && touch "$TMPDIR/a/x" && exit 7'
        )
        assert say("exec", "--", "sh", "-c", script).code == 7
        assert (folder / "mode").read_text() == "700\n"
        made = (folder / "made").read_text().strip()
        assert made.startswith(f"{folder}/base/{NAME}/")
        assert left(folder) == []

    @pytest.mark.parametrize(
        ("command", "code"), [(["sh", "-c", "kill -TERM $$"], 143), (["no-such-command"], 127), (["/"], 126)]
    )
    def test_its_code_is_passed_on(self, say: Say, folder: Path, command: list[str], code: int) -> None:
        assert say("exec", "--", *command).code == code
        assert say("exec", *command).code == code
        assert left(folder) == []

    def test_its_arguments_may_be_no_text(self, say: Say, folder: Path) -> None:
        assert say("exec", "--", "touch", os.fsdecode(bytes(folder / "caf") + b"\xe9")).code == 0
        assert b"caf\xe9" in os.listdir(bytes(folder))

    @pytest.mark.usefixtures("folder")
    def test_signals_are_passed_on(self) -> None:
        script = "trap 'echo caught; exit 9' TERM; echo ready; while :; do sleep 0.01; done"
        with started("--", "sh", "-c", script, stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
            process.send_signal(signal.SIGTERM)
            assert process.stdout.readline() == "caught\n"
            assert process.wait(timeout=SECONDS) == 9

    def test_it_has_a_session_meanwhile(self, say: Say, folder: Path, manager: TempFileManager) -> None:
        script = " ".join((*MODULE, "session list --json > listed"))
        code, out, err = say("exec", "--ttl", "1000", "--json", "--", "sh", "-c", script)
        told = json.loads(out)
        assert (code, err, told["exit_code"], told["command"]) == (0, "", 0, ["sh", "-c", script])
        listed = json.loads((folder / "listed").read_text())
        assert listed["name"].startswith("sh -c ")
        assert (listed["number"], listed["alive"]) == (told["session"], True)
        assert 999 <= listed["ends_at"] - listed["began_at"] <= 1000
        assert manager.registry.sessions() == ()

    def test_what_it_registers_in_its_session_goes(self, say: Say, folder: Path) -> None:
        """Wherever that is."""
        (folder / "gone").touch()
        program = "import os; from temp_file_manager import TempFileManager as M\n"
        program += "m = M(os.environ['TEMP_FILE_BASE_DIR'], registry='sqlite:'); (s,) = m.registry.sessions()\n"
        program += "m.context.registrar.one('gone', None, (), s.number)"
        assert say("exec", "--", sys.executable, "-c", program).code == 0
        assert not (folder / "gone").exists()

    @pytest.mark.parametrize(
        ("words", "expected"),
        [
            ((), "name a COMMAND"),
            (("--",), "name a COMMAND"),
            (("--nonsense", "--", "true"), "exec does not take --nonsense"),
            (("--ttl", "-1", "--", "true"), "'-1' is no time: give seconds"),
        ],
    )
    def test_it_wants_a_command(self, say: Say, words: tuple[str, ...], expected: str) -> None:
        code, out, err = say("exec", *words)
        assert (code, out) == (2, "")
        assert expected in err


class TestEnds:
    """Ends of processes, which come in any order."""

    @pytest.mark.parametrize("order", [(0, 1, 2, 3), (3, 2, 1, 0), (1, 3, 0, 2), (1, 2, 3, 0)])
    def test_its_files_live_until_the_last_process_has_ended(
        self, chain: tuple[subprocess.Popen[str], list[int], str], manager: TempFileManager, order: tuple[int, ...]
    ) -> None:
        """Killed one after the other, this program among them."""
        process, others, file = chain
        pids = [process.pid, *others]
        for number in order:
            if number or process.poll() is None:
                os.kill(pids[number], signal.SIGKILL)
                while _lives(pids[number]):
                    process.poll()
            planned = manager.sweep(dry_run=True).outcomes
            if any(map(_lives, others)):
                assert (len(planned), manager.sweep().retired) == (0, 0)
                assert [session.alive for session in manager.registry.sessions()] == [True]
                assert os.path.exists(file)
        process.wait(timeout=SECONDS)
        manager.sweep()
        assert not os.path.exists(os.path.dirname(file))
        assert manager.registry.sessions() == ()

    def test_a_daemon_keeps_them_that_lives_on(self, say: Say, folder: Path, manager: TempFileManager) -> None:
        """The command itself has ended, and this program with it."""
        script = "touch $TMPDIR/file; sleep 600 > /dev/null 2>&1 & echo $! > pid"
        assert say("exec", "--", "sh", "-c", script).code == 0
        (session,) = manager.registry.sessions()
        assert (session.owner, session.alive) == (HEIRS, True)
        assert manager.sweep().retired == 0
        assert len(left(folder)) == 2
        pid = int((folder / "pid").read_text())
        os.kill(pid, signal.SIGKILL)
        _gone(pid)
        assert say("sweep").lines[0].endswith("/file")
        assert left(folder) == []
        assert manager.registry.sessions() == ()


def _lives(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def _gone(pid: int) -> None:
    while _lives(pid):
        pass


class TestScratch:
    """Directories of commands, and what is removed of them."""

    def test_what_is_no_plain_file_stays(self, manager: TempFileManager, folder: Path) -> None:
        """And what was registered goes when it is due; the rest goes, at whatever depth and of whatever age."""
        with scratch(manager.context) as (path, _):
            inner = Path(path, "a", "b")
            inner.mkdir(parents=True)
            for name in ("file", "old", "to come"):
                (inner / name).touch()
            os.utime(inner / "old", (1, 1))
            os.utime(inner / "to come", (4e9, 4e9))
            os.symlink("file", Path(path, "link"))
            Path(path, "empty", "deep").mkdir(parents=True)
            registered = Path(path, "registered")
            registered.touch()
            manager.register_file(registered)
            with socket.socket(socket.AF_UNIX) as listener:
                listener.bind(os.path.relpath(Path(path, "socket")))
        name = os.path.basename(path)
        assert left(folder) == [name, f"{name}/link", f"{name}/registered", f"{name}/socket"]
        assert clear_left(manager.context, lambda: True) == []
        manager.clear_all()
        assert left(folder) == [name, f"{name}/link", f"{name}/socket"]
        os.remove(Path(path, "link"))
        os.remove(Path(path, "socket"))
        manager.sweep(limit=5)
        manager.sweep(dry_run=True)
        assert left(folder) == [name]
        manager.sweep()
        assert left(folder) == []

    def test_a_user_with_a_base_directory_in_it_keeps_it(self, manager: TempFileManager) -> None:
        """Its own managers lock that together: that is no reason to take it for nobody's."""
        with scratch(manager.context) as (path, lock):
            Path(path, "file").touch()
            os.mkdir(os.path.join(path, ".temp-file-manager"))
            another = os.dup(lock)
        try:
            manager.sweep()
            assert Path(path, "file").exists()
        finally:
            os.close(another)
        manager.sweep()
        assert not Path(path, "file").exists()

    def test_so_does_a_scheduled_sweep(self, manager: TempFileManager, folder: Path) -> None:
        with scratch(manager.context) as (path, lock):
            Path(path, "file").touch()
            another = os.dup(lock)
        jobs.sweep(manager.context, lambda: False)
        assert Path(path, "file").exists()
        os.close(another)
        jobs.sweep(manager.context, lambda: False)
        assert left(folder) == []

    def test_only_our_own_are_looked_into(self, manager: TempFileManager, folder: Path) -> None:
        """Neither what others can change, nor what lies behind a link, nor a file."""
        above = folder / "base" / NAME
        above.mkdir(mode=0o700)
        (above / "file").touch()
        outside = folder / "outside"
        outside.mkdir()
        (outside / "file").touch()
        (above / "link").symlink_to(outside)
        (above / "dir").mkdir()
        inner = above / "dir" / "file"
        inner.touch()
        above.chmod(0o777)
        manager.sweep()
        assert inner.exists()
        above.chmod(0o700)
        manager.sweep()
        assert not inner.exists()
        assert (outside / "file").exists()
        assert left(folder) == ["file", "link"]

    @pytest.mark.parametrize("whose", ["open to all", "behind a link"])
    def test_none_is_made_where_others_could_exchange_it(self, say: Say, folder: Path, whose: str) -> None:
        """In a base directory that everybody may write to a stranger can have been there first."""
        above, elsewhere = folder / "base" / NAME, folder / "elsewhere"
        elsewhere.mkdir()
        if whose == "open to all":
            above.mkdir(parents=True)
            above.chmod(0o777)
        else:
            above.parent.mkdir(exist_ok=True)
            above.symlink_to(elsewhere)
        code, _, err = say("exec", "--", "touch", str(folder / "ran"))
        assert (code, f"{above}: " in err) == (2, True)
        assert not (folder / "ran").exists()
        assert list(above.iterdir()) == []

    def test_where_records_are_in_memory_there_are_none(self, folder: Path) -> None:
        """The base directory may be anybody's."""
        file = folder / NAME / "dir" / "file"
        file.parent.mkdir(parents=True, mode=0o700)
        (folder / NAME).chmod(0o700)
        file.touch()
        TempFileManager(folder).clear_all()
        assert file.exists()

    def test_one_that_is_removed_before_it_is_locked_is_made_again(
        self, manager: TempFileManager, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """By a sweep, to which it looks as if nobody had it."""
        made = []

        def locked(path: str) -> tuple[int, ...]:
            made.append(path)
            if len(made) == 1:
                clear_left(manager.context, lambda: False)
                assert not os.path.exists(path)
            return real(path)

        real = made_directories.locked
        monkeypatch.setattr("temp_file_manager.adopt.scratch.locked", locked)
        with scratch(manager.context) as (path, lock):
            assert made == [made[0], path]
            clear_left(manager.context, lambda: False)
            assert os.path.isdir(path)
            other = os.open(path, os.O_RDONLY)
            with pytest.raises(BlockingIOError):
                fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.close(other)
            assert lock >= 0
