"""What the README tells people to type, typed."""

import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from command_line import environment, free_port
from pages import README as PAGE
from pages import blocks, run
from places import ROOT
from temp_file_manager.cli.options import shown
from temp_file_manager.settings import FIELDS, variable

README = PAGE.read_text()


def commands() -> list[str]:
    lines = (line.split("#")[0].strip() for block in blocks(PAGE, "bash") for line in block.splitlines())
    return [line for line in lines if line]


def test_the_example_leaves_nothing(tmp_path: Path) -> None:
    """What it prints, ``test_documented`` compares."""
    run(PAGE, tmp_path)
    assert list((tmp_path / "my_app").iterdir()) == []


@pytest.mark.parametrize("command", [c for c in commands() if c.startswith("make ")])
def test_make_knows_the_target(command: str) -> None:
    """``make run`` and ``make test`` run in CI's clean clone; here, that they are what is meant."""
    dry = subprocess.run([*shlex.split(command), "-n"], cwd=ROOT, capture_output=True, text=True, check=True)
    expected = {"make run": "python examples/tour.py", "make test": "pytest", "make bench": "benchmarks"}
    assert expected[command] in dry.stdout


def test_the_commands_run_one_after_the_other(tmp_path: Path) -> None:
    """From an empty folder. ``run`` runs until it is told to stop, and nothing is there to restore."""
    section = README[README.index("## Command line") : README.index("## Service")]
    lines = [line for line in commands() if line in section and not line.endswith(" run") and " restore " not in line]
    assert len(lines) > 10
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    variables = environment(TEMP_FILE_BASE_DIR=str(tmp_path / "base"), PATH=path)
    work = tmp_path / "work"
    work.mkdir()
    for line in lines:
        done = subprocess.run(["bash", "-c", line], cwd=work, env=variables, capture_output=True, text=True, check=True)
        assert done.stderr == "", line
        silent = line.startswith(("touch", "source", "temp-file-manager cat")) or " > " in line
        assert bool(done.stdout) != silent, line
    assert sorted(path.name for path in work.iterdir()) == ["chart.svg", "plan.jsonl", "records.jsonl", "report.csv"]


def test_the_service_answers_as_it_says(tmp_path: Path) -> None:
    """With other ports and another folder than on the page."""
    (block,) = [block for block in blocks(PAGE, "bash") if "temp-file-manager run &" in block]
    http, metrics = free_port(), free_port()
    program = block.replace("/tmp/aiecs_temp", str(tmp_path / "base"))
    program = (
        program.replace(":8080/", f":{http}/").replace(":9090/", f":{metrics}/").replace("\ncurl ", "\ncurl -fsS ")
    )
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    variables = environment(TEMP_FILE_HTTP_PORT=str(http), PROMETHEUS_PORT=str(metrics), PATH=path)
    words = ["bash", "-emc", f"{program}wait %1"]
    done = subprocess.run(words, cwd=tmp_path, env=variables, capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 0, done.stderr
    assert '"status":"healthy"' in done.stdout
    assert "\ntemp_files_registered_total 0.0\n" in done.stdout
    assert '"registered":1' in done.stdout
    assert "Stopped by SIGTERM: 1 file still registered; nothing removed on the way out.\n" in done.stdout


def test_every_setting_is_in_the_table_with_its_default() -> None:
    table = README[README.index("| variable |") : README.index("## Figures")]
    for name, field in FIELDS.items():
        assert f"`{variable(name)}`" in table
        if shown(name, field.default) != "unset":
            assert f"`{shown(name, field.default)}`" in table
