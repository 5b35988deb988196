"""The pages that people meet first: what they tell to type is typed, and prints what stands below it."""

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from command_line import environment, free_port
from pages import blocks
from patience import PATIENCE
from places import DEPLOY, DOCS, ROOT

COMMAND_LINE = DOCS / "command-line.md"
SERVICE = DOCS / "a-service.md"
TYPED = [DOCS / f"{name}.md" for name in ("getting-started", "a-job", "a-container")]

NEXT = "-- next --"


def variables(base: Path, **more: str) -> dict[str, str]:
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    return environment(TEMP_FILE_BASE_DIR=str(base), PATH=path, **more)


def steps(page: Path) -> list[tuple[str, str | None]]:
    """Return what a page tells to type, and what it says that this prints, if it says so."""
    pattern = r"```bash\n(.*?)```\n(?:\n```text\n(.*?)```\n)?"
    return [(typed, told or None) for typed, told in re.findall(pattern, page.read_text(), re.DOTALL)]


def matches(told: str, printed: str) -> bool:
    """Say whether output is what a page says; ``…`` is anything in a line, and alone in one any lines."""
    lines = ["(?:.*\n)*" if line == "…" else re.escape(line).replace("…", ".*") + "\n" for line in told.splitlines()]
    return re.fullmatch("".join(lines), printed) is not None


@pytest.mark.parametrize("page", TYPED, ids=lambda page: page.stem)
def test_what_is_typed_prints_what_the_page_says(page: Path, tmp_path: Path) -> None:
    """In one shell on a terminal without colours, from an empty folder."""
    (tmp_path / "work").mkdir()
    (tmp_path / "typed").write_text(f"\necho '{NEXT}'\n".join(typed for typed, _ in steps(page)))
    done = subprocess.run(
        ["script", "-qec", f"bash -euo pipefail {tmp_path}/typed", os.devnull],
        cwd=tmp_path / "work",
        env=variables(tmp_path / "base", TERM="dumb"),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    printed = done.stdout.split(f"{NEXT}\n")  # the terminal's ends of lines are read as others
    assert len(printed) == len(steps(page))
    wrong = [
        (told, out) for (_, told), out in zip(steps(page), printed, strict=True) if told and not matches(told, out)
    ]
    assert wrong == []


def test_the_extras_are_those_that_there_are() -> None:
    """``test_packaging`` builds what is installed with them."""
    table = re.findall(r"^\| `(\w+)` \|", (DOCS / "getting-started.md").read_text(), re.MULTILINE)
    assert table == [*tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]]


def test_the_lines_for_an_image_are_those_of_an_image_that_works(tmp_path: Path) -> None:
    """Those of ``deploy/docker``, which ``test_deploy`` builds and runs, with another directory."""
    (lines,) = blocks(DOCS / "a-container.md", "dockerfile")
    (tmp_path / "Dockerfile").write_text(f"FROM python:3.13-slim\n{lines}")
    hadolint = Path(sys.executable).parent / "hadolint"
    done = subprocess.run([hadolint, tmp_path / "Dockerfile"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    image = (DEPLOY / "docker" / "Dockerfile").read_text().replace("/tmp/aiecs_temp", "/tmp/my_app")
    known = set(re.sub(r"HEALTHCHECK .*\\\n\s*", "HEALTHCHECK ", image).splitlines())
    assert set(lines.splitlines()) - known == set()


def test_another_output_is_noticed() -> None:
    assert matches("kept …: in use\n…\n", "kept /a: in use\n  more\nand more\n")
    assert not matches("kept …: in use\n", "kept /a: in use\n  more\n")
    assert not matches("1 removed\n", "11 removed\n")


def test_the_commands_run_one_after_the_other(tmp_path: Path) -> None:
    """From an empty folder. ``run`` runs until it is told to stop, and nothing is there to restore."""
    told = [line.split("#")[0].strip() for block in blocks(COMMAND_LINE, "bash") for line in block.splitlines()]
    lines = [line for line in told if line and not line.endswith(" run") and " restore " not in line]
    assert len(lines) > 10
    work = tmp_path / "work"
    work.mkdir()
    for line in lines:
        done = subprocess.run(
            ["bash", "-c", line], cwd=work, env=variables(tmp_path / "base"), capture_output=True, text=True, check=True
        )
        assert done.stderr == "", line
        silent = line.startswith(("touch", "source", "temp-file-manager cat")) or " > " in line
        assert bool(done.stdout) != silent, line
    assert sorted(path.name for path in work.iterdir()) == ["chart.svg", "plan.jsonl", "records.jsonl", "report.csv"]


def test_the_service_answers_as_it_says(tmp_path: Path) -> None:
    """With other ports and another folder than on the page."""
    (block,) = blocks(SERVICE, "bash")
    http, metrics = free_port(), free_port()
    program = block.replace("/tmp/aiecs_temp", str(tmp_path / "base"))
    program = (
        program.replace(":8080/", f":{http}/").replace(":9090/", f":{metrics}/").replace("\ncurl ", "\ncurl -fsS ")
    )
    done = subprocess.run(
        ["bash", "-emc", f"{program}wait %1"],
        cwd=tmp_path,
        env=variables(tmp_path / "base", TEMP_FILE_HTTP_PORT=str(http), PROMETHEUS_PORT=str(metrics)),
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert '"status":"healthy"' in done.stdout
    assert "\ntemp_files_registered_total 0.0\n" in done.stdout
    assert '"registered":1' in done.stdout
    assert "Stopped by SIGTERM: 1 file still registered; nothing removed on the way out.\n" in done.stdout
