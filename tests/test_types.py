"""What type checkers make of the published package, as a program sees it that uses it."""

import json
import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from places import DOCS, ROOT, TESTS
from wheels import build


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a directory with what the wheel has, and nothing else."""
    dist, there = tmp_path_factory.mktemp("dist"), tmp_path_factory.mktemp("installed")
    build(ROOT, dist)
    with zipfile.ZipFile(next(dist.glob("*.whl"))) as wheel:
        wheel.extractall(there)
    return there


def checked(installed: Path, *command: str) -> subprocess.CompletedProcess[str]:
    paths = os.pathsep.join((os.path.dirname(sys.executable), os.environ["PATH"]))
    return subprocess.run(
        [sys.executable, "-m", *command],
        cwd=installed,
        # By its place in PATH pyright knows which Python has the packages that ours is used with.
        env=os.environ | {"PATH": paths, "PYTHONPATH": str(installed)},
        capture_output=True,
        text=True,
        check=False,
    )


def test_every_type_of_the_api_is_known(installed: Path) -> None:
    """Of what ``docs/api.md`` lists, and of all that it leads to: a part that is unknown makes the whole unknown.

    A type that each checker infers as it thinks best is none that is known.
    """
    listed = re.findall(r"auto(module|class):: (temp_file_manager[\w.]*)", (DOCS / "api.md").read_text())
    modules = {name if kind == "module" else name.rpartition(".")[0] for kind, name in listed}
    assert {"temp_file_manager", "temp_file_manager.aio", "temp_file_manager.testing"} <= modules
    done = checked(installed, "pyright", "--verifytypes", "temp_file_manager", "--ignoreexternal", "--outputjson")
    symbols = json.loads(done.stdout)["typeCompleteness"]["symbols"]
    there = {name: symbol for symbol in symbols for name in (symbol["name"], *symbol.get("alternateNames", ()))}
    public = {name for name in there if name.rpartition(".")[0] in modules}
    assert {"temp_file_manager.TempFileManager", "temp_file_manager.testing.FakeClock"} <= public
    told = [f"{symbol['name']}: {found['message']}" for symbol in symbols for found in symbol["diagnostics"]]
    assert [name for name in public if not there[name]["isTypeKnown"]] == [], "\n".join(told)


@pytest.mark.parametrize("command", [("pyright",), ("mypy", "--strict", "--cache-dir", os.devnull)])
def test_what_programs_get_has_the_type_that_it_says(installed: Path, command: tuple[str, ...]) -> None:
    done = checked(installed, *command, str(TESTS / "typed_usage.py"))
    assert done.returncode == 0, done.stdout + done.stderr
