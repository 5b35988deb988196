"""The examples that each command's help shows: every one of them is run, as somebody types it."""

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

import command_line
import object_servers
from command_line import MODULE, SECONDS, Say, environment
from monitoring import tool
from temp_file_manager import cli
from temp_file_manager.cli.examples import EXAMPLES, PROGRAM, line

bare, folder, say = command_line.bare, command_line.folder, command_line.say

ON_A_SERVER = ("scope", "registry", "fleet")
COMMANDS = [name for name in EXAMPLES if name not in (*ON_A_SERVER, "object")]


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A directory with what the examples name, and the program on PATH."""
    (tmp_path / "scratch").mkdir()
    for name in ("chart.svg", "report.csv", "scratch/old"):
        (tmp_path / name).write_text(f"{name}\n")
    programs = tmp_path / "bin"
    programs.mkdir()
    for name in ("tfm", "temp-file-manager"):
        program = programs / name
        program.write_text('#!/bin/sh\nexec {} "$@"\n'.format(" ".join(f"'{word}'" for word in MODULE)))
        program.chmod(0o755)
    return tmp_path


def variables_in(place: Path, **others: str) -> dict[str, str]:
    path = f"{place / 'bin'}:{os.environ['PATH']}"
    return environment(TEMP_FILE_BASE_DIR=str(place / "base"), **others) | {"PATH": path}


def run(place: Path, example: str, **variables: str) -> "subprocess.CompletedProcess[str]":
    """Run an example in bash."""
    return subprocess.run(
        [tool("bash"), "-o", "pipefail", "-c", example],
        cwd=place,
        env=variables_in(place, **variables),
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )


def goes_on_until_it_is_ended(place: Path, example: str) -> None:
    words = [tool("bash"), "-c", f"exec {example}"]
    with subprocess.Popen(words, cwd=place, env=variables_in(place), stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        assert any("Running: base_dir" in told for told in process.stderr)
        process.terminate()
        assert process.wait(SECONDS) == 0


BEFORE: Mapping[str, tuple[str, ...]] = {
    "apply": ("tfm sweep --plan plan.jsonl",),
    "import": ("tfm export > records.jsonl", "tfm forget chart.svg report.csv"),
    "restore": ("tfm sweep --config quarantine.toml", "test ! -e chart.svg"),
    "session end nightly": ("tfm session begin nightly --ttl 8h",),
    "restore chart.svg --to again.svg": ("tfm sweep --config quarantine.toml", "test ! -e chart.svg"),
}
"""What has to be done before, so that an example finds what it is about."""


def test_every_command_has_two() -> None:
    assert EXAMPLES.keys() == cli.parsers()[1].keys()
    assert all(len(examples) == 2 for examples in EXAMPLES.values())
    assert len(PROGRAM) == 3


@pytest.mark.parametrize("example", [line(one) for name in COMMANDS for one in EXAMPLES[name]] + [*map(line, PROGRAM)])
def test_it_does_what_it_says(place: Path, say: Say, example: str) -> None:
    """What has to be registered before is typed in this process, as a start of the program takes longer."""
    (place / "quarantine.toml").write_text('[[rule]]\nname = "undo"\nage = 0\nquarantine = "1h"\n')
    words = example.split()
    rules = ("--config", "quarantine.toml") if words[1] == "restore" else ()
    assert say("register", "chart.svg", "report.csv", "--tag", "charts", *rules).code == 0
    for one in BEFORE.get(" ".join(words[1:]), BEFORE.get(words[1], ())):
        done = run(place, one)
        assert done.returncode == 0, done
    if words[1] == "run":
        goes_on_until_it_is_ended(place, f"{example} --base-dir {place / 'base'}".replace("8080", "0"))
        return
    done = run(place, example)
    assert done.returncode in ((0, 1) if words[1] in ("health", "doctor") else (0,)), done
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("command", ON_A_SERVER)
def test_it_does_so_on_a_server(place: Path, database: str, command: str) -> None:
    host, name = (part.partition("=")[2] for part in database.split()[:2])
    address = f"postgresql://postgres@/{name}?host={host}"
    variables = {"TEMP_FILE_REGISTRY": address}
    if command == "fleet":
        variables |= {"TEMP_FILE_FLEET": address, "TEMP_FILE_REGISTRY": "sqlite:"}
    (place / "base").mkdir()
    for example in EXAMPLES[command]:
        more = " --scope volume:scratch --if-unknown 1d" if example == "scope show" else ""
        done = run(place, line(example) + more, **variables)
        assert done.returncode == 0, done


def test_it_does_so_in_a_bucket(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with object_servers.moto() as endpoint:
        variables = object_servers.KEYS | {"AWS_ENDPOINT_URL_S3": endpoint}
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        bucket = object_servers.new_bucket().bucket
        for example in EXAMPLES["object"]:
            done = run(place, line(example).replace("s3://bucket/", f"s3://{bucket}/"), **variables)
            assert done.returncode == 0, done
