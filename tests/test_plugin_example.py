"""The example of a plug-in, installed as anybody would, keeps its own tests and works with every command."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

from command_line import environment
from patience import PATIENCE
from places import ROOT

EXAMPLE = ROOT / "examples" / "acme-plugin"
SECONDS = PATIENCE


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder into which the example was installed; without a network."""
    if importlib.util.find_spec("hatchling") is None:
        pytest.skip("takes hatchling, to build the example")
    site = tmp_path_factory.mktemp("site")
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-index", "--no-deps", "--no-build-isolation"]
    run(*pip, "--no-warn-script-location", "--target", str(site), str(EXAMPLE))
    return site


def run(*words: str, site: Path | None = None, folder: Path | None = None, **variables: str) -> str:
    path = os.pathsep.join(filter(None, [site and str(site), str(ROOT / "src"), *sys.path]))
    done = subprocess.run(
        words,
        cwd=folder,
        env=environment(PYTHONPATH=path, **variables),
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_its_own_tests_pass(site: Path, tmp_path: Path) -> None:
    words = (
        "-m",
        "pytest",
        "-q",
        "-W",
        "error",
        "-p",
        "no:cacheprovider",
        "-c",
        os.devnull,
        "--rootdir",
        str(tmp_path),
    )
    said = run(sys.executable, *words, str(EXAMPLE / "tests"), site=site, folder=tmp_path, PYTHONDONTWRITEBYTECODE="1")
    assert " passed in " in said.splitlines()[-1]


def test_every_command_knows_it(site: Path, tmp_path: Path) -> None:
    for name in ("a", "b", "c"):
        (tmp_path / name).write_bytes(bytes(5000 if name == "b" else 10))
    (tmp_path / "settings.toml").write_text(
        '[manager]\nbase_dir = "base"\nplugins = ["acme"]\n'
        '[[limit]]\nname = "few"\nfiles = 2\nto = 1\norder = "cheapest"\nspare = 0\n'
    )

    def tfm(command: str, *words: str) -> str:
        program = [sys.executable, "-m", "temp_file_manager", command, *words]
        return run(*program, "--config", "settings.toml", site=site, folder=tmp_path)

    assert (
        "plug-in acme: acme-temp-files 1.0.0 brings registry acme:, order cheapest, 1 storage wrapper, 1 hook"
        in tfm("doctor")
    )
    tfm("register", "a", "b")
    tfm("register", "c", "--tag", "preview")
    assert sorted(tfm("sweep").splitlines()[:-1]) == [f"removed {tmp_path}/b", f"removed {tmp_path}/c"]
