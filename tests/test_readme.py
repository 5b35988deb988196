"""What the README tells people to type, typed."""

import os
import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from command_line import environment
from pages import README, blocks, run
from places import DOCS, ROOT

LINES = 110


def commands() -> list[str]:
    lines = (line.split("#")[0].strip() for block in blocks(README, "bash") for line in block.splitlines())
    return [line for line in lines if line]


def test_it_is_one_page() -> None:
    assert len(README.read_text().splitlines()) <= LINES


def test_the_example_leaves_nothing(tmp_path: Path) -> None:
    """What it prints, ``test_documented`` compares."""
    run(README, tmp_path)
    assert [path.name for path in (tmp_path / "my_app").iterdir()] == [".temp-file-manager"]


@pytest.mark.parametrize("command", [c for c in commands() if c.startswith("make ")])
def test_make_knows_the_target(command: str) -> None:
    """``make run`` and ``make test`` run in CI's clean clone; here, that they are what is meant."""
    dry = subprocess.run([*shlex.split(command), "-n"], cwd=ROOT, capture_output=True, text=True, check=True)
    assert {"make run": "python examples/tour.py", "make test": "pytest"}[command] in dry.stdout


def test_what_is_installed_is_there_to_be_installed() -> None:
    """``test_packaging`` builds it."""
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    told = [shlex.split(command)[-1] for command in commands() if " pip install " in command]
    assert told[0] == "."
    assert {name.removeprefix(".[").removesuffix("]") for name in told[1:]} <= set(extras)


def test_the_commands_run_one_after_the_other(tmp_path: Path) -> None:
    """From an empty folder; all but what installs and makes."""
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    variables = environment(TEMP_FILE_BASE_DIR=str(tmp_path / "base"), PATH=path)
    work = tmp_path / "work"
    work.mkdir()
    lines = [line for line in commands() if not line.startswith(("make ", "python3 "))]
    assert len(lines) == 5
    printed = []
    for line in lines:
        done = subprocess.run(["bash", "-c", line], cwd=work, env=variables, capture_output=True, text=True, check=True)
        assert done.stderr == "", line
        printed.append(done.stdout)
    assert printed[1] == "1 file registered.\n"
    assert ": stays at least until " in printed[2]
    assert printed[3].startswith("Dry run: 0 removed")
    assert not os.path.exists(printed[4].strip())


def test_the_figures_are_those_of_the_page_that_measures() -> None:
    """Those that miss their goal are bold on both."""
    bold = re.compile(r"\*\*([\d.]+)")
    measured = [float(number) for number in bold.findall((DOCS / "performance.md").read_text())]
    told = bold.findall(README.read_text().partition("## Figures")[2])
    assert len(told) > 5
    for number in told:
        places = len(number.partition(".")[2])
        assert float(number) in [round(each, places) for each in measured], number
