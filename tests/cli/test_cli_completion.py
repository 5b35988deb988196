"""``completion``: the scripts, run by the shells they are for."""

import json
import os
import shlex
import subprocess
from pathlib import Path

import pytest

import command_line
from command_line import SECONDS, Say, environment, files, tfm
from monitoring import tool
from temp_file_manager import cli
from temp_file_manager.settings import FIELDS

bare, folder, say = command_line.bare, command_line.folder, command_line.say

COMMANDS = list(cli.parsers()[1])
SETTINGS = [f"--{name.replace('_', '-')}" for name, field in FIELDS.items() if not field.metadata["secret"]]


def completed(script: str, folder: Path, *words: str) -> list[str]:
    """Return what bash offers for the last of these words, having sourced the script."""
    program = f"""
        set -eu
        source /dev/stdin <<< {shlex.quote(script)}
        COMP_WORDS=({" ".join(map(shlex.quote, words))})
        COMP_CWORD={len(words) - 1}
        _temp_file_manager
        (( ${{#COMPREPLY[@]}} == 0 )) || printf '%s\\0' "${{COMPREPLY[@]}}"
    """
    done = subprocess.run(
        ["bash", "--norc", "-c", program],
        cwd=folder,
        env=environment(),
        capture_output=True,
        timeout=SECONDS,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, b"")
    return [os.fsdecode(word) for word in done.stdout.split(b"\0")[:-1]]


@pytest.fixture
def bash(say: Say) -> str:
    """The script for bash."""
    code, out, err = say("completion", "bash")
    assert (code, err) == (0, "")
    return out


@pytest.mark.parametrize("program", ["temp-file-manager", "tfm"])
def test_bash_offers_the_commands(bash: str, folder: Path, program: str) -> None:
    files(folder, "stats.txt")
    assert completed(bash, folder, program, "") == COMMANDS
    assert completed(bash, folder, program, "sta") == ["status", "stats"]
    assert completed(bash, folder, program, "nonsense") == []


def test_bash_offers_the_flags_of_the_command(bash: str, folder: Path) -> None:
    assert completed(bash, folder, "tfm", "register", "--t") == ["--ttl", "--tag", "--team"]
    assert completed(bash, folder, "tfm", "sweep", "-n", "--d") == ["--dry-run"]
    assert completed(bash, folder, "tfm", "forget", "x", "--nu") == ["--null"]
    assert set(SETTINGS) < set(completed(bash, folder, "tfm", "list", "--"))
    assert completed(bash, folder, "tfm", "version", "--") == ["--help", "--json"]
    words = {"--help", "--version", "--json", "--config", *SETTINGS}
    assert set(completed(bash, folder, "tfm", "--")) == words
    assert completed(bash, folder, "tfm", "--json", "--max-a") == ["--max-age"]


def test_bash_offers_files_where_files_go(bash: str, folder: Path) -> None:
    files(folder, "one", "one two", "o'ne\"", "other", "--odd")
    (folder / "outer").mkdir()
    files(folder / "outer", "inner")
    expected = {"one", "one two", "o'ne\"", "other", "outer"}
    for command in ("register", "status", "forget", "import"):
        assert set(completed(bash, folder, "tfm", command, "o")) == expected
    for flag in ("--config", "--base-dir", "--log-file", "--under"):
        assert set(completed(bash, folder, "tfm", "list", flag, "o")) == expected
        assert set(completed(bash, folder, "tfm", "list", flag, "=", "o")) == expected
    assert "outer" in completed(bash, folder, "tfm", "list", "--config", "=")
    assert completed(bash, folder, "tfm", "register", "outer/") == ["outer/inner"]
    assert completed(bash, folder, "tfm", "list", "--under", "ou") == ["outer"]


def test_bash_offers_nothing_where_it_knows_nothing(bash: str, folder: Path) -> None:
    files(folder, "one")
    assert completed(bash, folder, "tfm", "register", "--ttl", "") == []
    assert completed(bash, folder, "tfm", "register", "--ttl", "=", "") == []
    assert completed(bash, folder, "tfm", "sweep", "") == []
    assert completed(bash, folder, "tfm", "completion", "") == ["bash", "zsh", "fish"]
    assert completed(bash, folder, "tfm", "help", "s") == [
        *("status", "sweep", "session", "scope", "stats", "settings")
    ]


def test_bash_offers_the_words_that_a_flag_takes(bash: str, folder: Path) -> None:
    files(folder, "mtime", "json")
    assert completed(bash, folder, "tfm", "adopt", "--by", "") == ["change", "mtime"]
    assert completed(bash, folder, "tfm", "adopt", "--by", "=", "m") == ["mtime"]
    assert completed(bash, folder, "tfm", "fleet", "--sort", "b") == ["bytes"]
    assert completed(bash, folder, "tfm", "run", "--log-format", "") == ["text", "json"]
    assert completed(bash, folder, "tfm", "--log-level", "D") == ["DEBUG"]
    assert completed(bash, folder, "tfm", "sweep", "--secure-delete", "") == ["true", "false"]


def test_bash_knows_the_command_behind_settings(bash: str, folder: Path) -> None:
    files(folder, "one")
    assert completed(bash, folder, "tfm", "--base-dir", "x", "swe") == ["sweep"]
    assert completed(bash, folder, "tfm", "--base-dir", "=", "x", "--json", "swe") == ["sweep"]
    assert completed(bash, folder, "tfm", "--base-dir", "x", "sweep", "--dry") == ["--dry-run"]
    assert completed(bash, folder, "tfm", "--base-di") == ["--base-dir"]
    assert completed(bash, folder, "tfm", "--ver") == ["--version"]
    assert completed(bash, folder, "tfm", "--config", "on") == ["one"]


def test_bash_offers_words_first_and_then_files(bash: str, folder: Path) -> None:
    files(folder, "from-a-file", "test-file")
    assert completed(bash, folder, "tfm", "rules", "") == ["test", "from-tmpfiles"]
    assert completed(bash, folder, "tfm", "rules", "f") == ["from-tmpfiles"]
    assert completed(bash, folder, "tfm", "rules", "--ta") == ["--tag"]
    assert completed(bash, folder, "tfm", "rules", "test", "f") == ["from-a-file"]
    assert completed(bash, folder, "tfm", "rules", "test", "--tag", "") == []


def test_bash_registers_it_for_both_names(bash: str, folder: Path) -> None:
    done = subprocess.run(
        ["bash", "--norc", "-c", f"source /dev/stdin <<< {shlex.quote(bash)}; complete -p tfm temp-file-manager"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.splitlines() == [
        "complete -F _temp_file_manager tfm",
        "complete -F _temp_file_manager temp-file-manager",
    ]


def test_zsh_knows_all_words(say: Say, folder: Path) -> None:
    script = say("completion", "zsh").out
    assert script.startswith("#compdef temp-file-manager tfm\n")
    for name in COMMANDS:
        assert f"\n        '{name}:" in script
        assert f"\n    {name})\n" in script
    assert all(f"{flag}=[" in script for flag in SETTINGS)
    assert "--api-token=" not in script
    assert "'(--max-age)--max-age=[how long a file without its own ttl may live]:VALUE: '" in script
    assert "]:VALUE:(text json)'" in script
    assert "]:TIME:(change mtime)'" in script
    assert "=[]" not in script
    assert "==SUPPRESS==" not in script
    assert "'*--tag=[a word of your own]:TAG: '" in script
    about = r"a TOML file with settings in its table \[manager\], limits in tables \[\[limit\]\], rules in \[\[rule\]\]"
    assert f"'(--config)--config=[{about}]:FILE:_files'" in script
    subprocess.run([tool("zsh"), "-n"], input=script, text=True, check=True)


def offered(folder: Path, words: str) -> list[str]:
    """Return what fish offers after some words."""
    script = folder / "completions.fish"
    script.write_text(tfm("completion", "fish").stdout)
    program = f"source {script}; complete --do-complete={shlex.quote(words)}"
    done = subprocess.run(
        [tool("fish"), "--no-config", "-c", program], cwd=folder, capture_output=True, text=True, check=True
    )
    assert done.stderr == ""
    return [line.partition("\t")[0] for line in done.stdout.splitlines()]


def test_fish_offers_commands_flags_words_and_files(folder: Path) -> None:
    files(folder, "one.csv", "only.txt")
    assert set(offered(folder, "tfm ")) == set(COMMANDS)
    assert offered(folder, "temp-file-manager swe") == ["sweep"]
    assert offered(folder, "tfm sweep --dry") == ["--dry-run"]
    assert offered(folder, "tfm sweep --max-a") == ["--max-age"]
    assert offered(folder, "tfm register o") == ["one.csv", "only.txt"]
    assert offered(folder, "tfm sweep o") == []
    assert offered(folder, "tfm completion f") == ["fish"]
    assert offered(folder, "tfm help sett") == ["settings"]
    assert offered(folder, "tfm list --under o") == ["one.csv", "only.txt"]
    assert offered(folder, "tfm adopt --by ") == ["change", "mtime"]
    assert offered(folder, "tfm adopt --by=m") == ["--by=mtime"]
    assert set(offered(folder, "tfm run --log-format ")) == {"json", "text"}


def test_a_program_gets_the_script_as_json(say: Say, bash: str) -> None:
    assert json.loads(say("completion", "bash", "--json").out) == {"shell": "bash", "script": bash}


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ((), "the following arguments are required: shell"),
        (("tcsh",), "argument shell: invalid choice: 'tcsh'"),
        (("bash", "zsh"), "completion does not take zsh"),
        (("bash", "--max-age", "5"), "completion does not take --max-age 5"),
    ],
)
def test_bad_usage(say: Say, words: tuple[str, ...], expected: str) -> None:
    code, out, err = say("completion", *words)
    assert (code, out) == (2, "")
    assert expected in err
