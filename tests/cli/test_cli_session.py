"""``session``, and registering in one."""

import json
import os
import subprocess
from pathlib import Path

import pytest

import command_line
from command_line import Say, files
from temp_file_manager import TempFileManager
from temp_file_manager.storage.kernel.process_identity import identity_of

bare, folder, say, manager = command_line.bare, command_line.folder, command_line.say, command_line.manager


def test_a_life_of_a_session(say: Say, folder: Path) -> None:
    (path,) = files(folder, "a")
    assert say("session", "list") == (0, "No session lives.\n", "")
    assert say("session", "begin", "job", "--ttl", "3600") == (0, "Session 'job' lives for 1 h 0 min.\n", "")
    assert say("session", "begin", "job", "--ttl", "3600").code == 1
    assert say("register", "a", "--session", "job", "--tag", "x").code == 0
    assert say("why", "a").lines[0].startswith(f"{path}: stays at least until 2")
    assert 'its session "job" lives since 2' in say("why", "a").out
    assert say("sweep").out.startswith("0 removed")
    assert say("session", "renew", "job", "--ttl", "7200") == (0, "Session 'job' lives for another 2 h 0 min.\n", "")
    listed = json.loads(say("session", "list", "--json").out)
    assert (listed["name"], listed["owner"], listed["alive"], listed["records"]) == ("job", "nobody", None, 1)
    assert 7199 <= listed["ends_at"] - listed["began_at"] <= 7300
    row = say("session", "list").lines[1].split()
    assert (row[0], row[5:]) == (str(listed["number"]), ["1", "nobody", "job"])
    assert say("session", "end", "job") == (0, "Session 'job' has ended: 1 file due.\n", "")
    assert 'its session "job" ended at 2' in say("why", "a").out
    assert say("sweep").lines[0] == f"removed {path}"
    for words in (("end", "job"), ("renew", "job", "--ttl", "1")):
        code, out, err = say("session", *words)
        assert (code, out) == (1, "")
        assert "no session 'job' lives" in err


def test_a_name_is_free_when_the_time_of_its_session_is_up(say: Say) -> None:
    """Once it was so only after a sweep."""
    for _ in range(2):
        assert say("session", "begin", "job", "--ttl", "0").code == 0
    assert say("session", "begin", "job", "--ttl", "9").code == 0
    assert say("session", "begin", "job", "--ttl", "9").code == 1


def test_json_says_which(say: Say, folder: Path) -> None:
    files(folder, "a")
    begun = json.loads(say("session", "begin", "job", "--ttl", "9", "--json").out)
    assert begun["name"] == "job"
    say("register", "a", "--session", "job")
    assert json.loads(say("session", "renew", "job", "--ttl", "9", "--json").out) == {"renewed": [begun["number"]]}
    assert json.loads(say("why", "a", "--json").out)["session"] == begun["number"]
    assert json.loads(say("session", "end", "job", "--json").out) == {"ended": [begun["number"]], "due": 1}
    assert say("session", "list", "--json") == (0, "", "")


def test_files_may_live_as_long_as_a_process(say: Say, folder: Path, manager: TempFileManager) -> None:
    one, other = files(folder, "a", "b")
    with subprocess.Popen(["sleep", "600"]) as process:
        pid = str(process.pid)
        assert say("register", "--until-exit", pid, "a").code == 0
        assert say("register", "--until-exit", pid, "b").code == 0
        (session,) = manager.registry.sessions()
        assert session.owner == identity_of(process.pid)
        assert f'its session "process {pid}" lives with process {pid} since 2' in say("why", "a").out
        assert "due            when its session ends, by its session" in say("why", "a").out
        assert "ttl            its session's" in say("status", "a").out
        assert say("sweep").lines[0].startswith("0 removed")
        process.kill()
    assert f'its session "process {pid}" ends with the next sweep: its process is gone' in say("why", "a").lines[0]
    assert say("session", "list").lines[1].split()[3:] == f"2 process {pid}, which has ended process {pid}".split()
    assert set(say("sweep", "--dry-run").lines[:2]) == {f"dry run: removed {one}", f"dry run: removed {other}"}
    assert set(say("sweep").lines[:2]) == {f"removed {one}", f"removed {other}"}
    code, _, err = say("register", "--until-exit", pid, "a")
    assert (code, err) == (2, f"temp-file-manager: there is no process {pid}\n")


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("session",), "ACTION"),
        (("session", "nonsense"), "invalid choice: 'nonsense'"),
        (("session", "begin"), "name the session: session begin NAME"),
        (("session", "begin", "a"), "say how long it is to live"),
        (("session", "end", "a", "--ttl", "3"), "session end takes no --ttl"),
        (("session", "list", "a"), "list takes no NAME"),
        (("session", "list", "--ttl", "3"), "session list takes no --ttl"),
        (("register", "a", "--session", "x"), "no session 'x' lives"),
        (("register", "a", "--session", "x", "--ttl", "3"), "exclude each other"),
        (("register", "a", "--session", "x", "--until-exit", "3"), "exclude each other"),
        (("register", "a", "--until-exit", "0"), "0 is not the number of a process"),
    ],
)
def test_words_that_do_not_fit(say: Say, folder: Path, words: tuple[str, ...], expected: str) -> None:
    files(folder, "a")
    code, out, err = say(*words)
    assert (code, out) == (2, "")
    assert expected in err


def test_a_name_that_two_sessions_have_is_no_name(say: Say, folder: Path, manager: TempFileManager) -> None:
    files(folder, "a")
    with manager.session("request"), manager.session("request"):
        code, _, err = say("register", "a", "--session", "request")
        assert (code, "2 sessions 'request' live" in err) == (2, True)
        assert "a process" in say("session", "list").out
    assert os.path.exists("a")
