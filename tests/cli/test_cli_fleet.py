"""The command ``fleet``, and what other commands do under its policies."""

import json
from contextlib import closing
from pathlib import Path

import psycopg
import pytest

import command_line
from command_line import Say
from postgres_server import PostgresServer
from temp_file_manager import cli

bare, folder, say = command_line.bare, command_line.folder, command_line.say


@pytest.fixture
def address(folder: Path, postgres: PostgresServer, monkeypatch: pytest.MonkeyPatch) -> str:
    """A server's address, which is set."""
    url = postgres.url(postgres.new_database())
    monkeypatch.setenv("TEMP_FILE_FLEET", url)
    monkeypatch.setenv("TEMP_FILE_TEAM", "build")
    return url


@pytest.fixture
def old_file(folder: Path, say: Say) -> Path:
    """A file that is due."""
    path = folder / "old"
    path.touch()
    assert say("register", str(path), "--ttl", "0").code == 0
    return path


def test_without_a_server_it_says_what_to_set(say: Say) -> None:
    said = say("fleet")
    assert said.code == 2
    assert "TEMP_FILE_FLEET=postgresql://" in said.err


def test_a_server_that_does_not_answer(say: Say, folder: Path) -> None:
    said = say("fleet", "--fleet", f"postgresql:///x?host={folder}")
    assert (said.code, said.out) == (1, "")
    assert "does not answer" in said.err


def test_a_schema_that_is_missing_says_what_to_run(say: Say, folder: Path, postgres: PostgresServer) -> None:
    said = say("fleet", "--fleet", postgres.url(postgres.new_database("template1")))
    assert said.code == 2
    assert "tfm registry migrate" in said.err


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("policy", "say what to do"),
        ("policy set", "name the target"),
        ("policy set team:a", "say what is to hold"),
        ("policy set build --paused", "is no target"),
        ("policy set team: --paused", "is no target"),
        ("policy set team:* --paused", "is no target"),
        ("policy show team:a", "takes no TARGET"),
        ("policy show --paused", "go with fleet policy set"),
        ("policy set team:a --max-age soon", "--max-age is 'soon'"),
        ("policy set team:a --max-bytes 0", "--max-bytes is '0'"),
        ("policy set team:a --max-files 1.5", "--max-files is '1.5'"),
    ],
)
def test_nonsense(say: Say, address: str, words: str, told: str) -> None:
    said = say("fleet", *words.split())
    assert (said.code, said.out) == (2, "")
    assert told in said.err


def test_a_mark_beyond_what_the_server_counts_to(say: Say, address: str) -> None:
    said = say("fleet", "policy", "set", "team:a", "--max-files", "1" + "0" * 20)
    assert (said.code, said.out) == (2, "")
    assert "out of range" in said.err


def test_policies_are_set_shown_and_cleared(say: Say, address: str) -> None:
    assert say("fleet", "policy", "show").out == "There are no policies.\n"
    assert say("fleet", "policy", "journal").out == "No policy was ever changed.\n"
    said = say("fleet", "policy", "set", "team:build", "--max-age", "1h", "--max-bytes", "20GiB", "--json")
    made = json.loads(said.out)
    assert (made["target"], made["max_age"], made["max_bytes"], made["set_by"]) == (
        "team:build",
        3600,
        20 * 2**30,
        "postgres",
    )
    assert "team:build: max_age at most 1 h" in say("fleet", "policy", "show").out
    assert say("fleet", "policy", "set", "scope:*", "--paused", "--max-files", "9").code == 0
    assert [one["target"] for one in json.loads(say("fleet", "policy", "show", "--json").out)] == [
        "scope:*",
        "team:build",
    ]
    assert say("fleet", "policy", "clear", "scope:*").code == 0
    again = say("fleet", "policy", "clear", "scope:*")
    assert again.code == 1
    assert "has no policy" in again.err
    told = json.loads(say("fleet", "policy", "journal", "--json").out)
    assert [(one["target"], one["policy"] is None) for one in told] == [
        ("scope:*", True),
        ("scope:*", False),
        ("team:build", False),
    ]
    assert len(say("fleet", "policy", "journal").lines) == 3


def test_hosts(say: Say, address: str, old_file: Path) -> None:
    assert "No host reports to" in say("fleet").out
    assert say("sweep").code == 0  # which reports
    said = say("fleet")
    assert said.code == 0
    assert said.lines[0].split() == [
        *("overdue", "files", "size", "failed", "swept"),
        *("seen", "health", "team", "host", "scope"),
    ]
    assert "1 scope of 1 host: " in said.out
    told = json.loads(say("fleet", "--json", "--sort", "bytes").out)
    assert (told["totals"]["hosts"], told["hosts"][0]["team"], told["missing"]) == (1, "build", [])
    with closing(psycopg.connect(address, autocommit=True)) as server:
        server.execute("UPDATE tfm.hosts SET seen_at = seen_at - 500")
    said = say("fleet")
    assert said.code == 1
    assert "(missing)" in said.out
    assert "Not seen for 8 min 2" in said.out


def test_a_pause_stops_a_sweep_that_somebody_asks_for(say: Say, address: str, old_file: Path, folder: Path) -> None:
    assert say("fleet", "policy", "set", "team:build", "--paused").code == 0
    for words in (("sweep",), ("sweep", "--all"), ("adopt", str(folder), "--once", "--yes")):
        said = say(*words)
        assert said.code == 1
        assert "sweeps are paused by fleet policy team:build" in said.err
    assert old_file.exists()
    assert say("sweep", "--dry-run").code == 0
    said = say("why", str(old_file))
    assert "stays: sweeps are paused by fleet policy team:build" in said.lines[0]
    assert "It goes with the first sweep after the pause" in said.out
    assert "sweeps are paused by fleet policy team:build" in say("health").out
    assert "team:build: paused" in say("config").out
    assert [one["target"] for one in json.loads(say("config", "--json").out)["policies"]["value"]] == ["team:build"]
    assert say("fleet", "policy", "clear", "team:build").code == 0
    assert say("sweep").code == 0
    assert not old_file.exists()


def test_a_cap_is_named(say: Say, address: str, folder: Path) -> None:
    path = folder / "new"
    path.touch()
    assert say("register", str(path)).code == 0
    assert say("fleet", "policy", "set", "scope:*", "--max-age", "60").code == 0
    assert say("sweep").code == 0
    for command in ("why", "status"):
        assert "max_age, 1 min 0 s, capped by fleet policy scope:*" in say(command, str(path)).out
    assert json.loads(say("why", "--json", str(path)).out)["capped_by"] == "scope:*"


def test_a_sweep_without_the_server_goes_by_what_was_known_last(
    say: Say, address: str, old_file: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert say("fleet", "policy", "set", "team:build", "--paused").code == 0
    assert say("sweep").code == 1
    monkeypatch.setenv("TEMP_FILE_FLEET", f"postgresql:///x?host={folder}")
    said = say("sweep")
    assert said.code == 1
    assert "cannot be asked" in said.err
    monkeypatch.delenv("TEMP_FILE_FLEET")  # the way out
    assert say("sweep").code == 0
    assert not old_file.exists()


def test_every_command_has_a_help(say: Say) -> None:
    assert "policy set TARGET" in say("fleet", "--help").out
    assert "fleet" in cli.parsers()[1]
