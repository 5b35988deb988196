"""The wheel and the sources, built of a tree by what is installed here."""

import subprocess
import sys
import zipfile
from pathlib import Path


def build(tree: Path, folder: Path) -> None:
    """Build both, as a front end would that makes no environment of its own."""
    command = [sys.executable, "-m", "hatchling", "build", "-d", str(folder)]
    done = subprocess.run(command, cwd=tree, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def contents(folder: Path) -> dict[str, bytes]:
    """Return what is in a folder's wheel, by name."""
    (file,) = folder.glob("*.whl")
    with zipfile.ZipFile(file) as wheel:
        return {name: wheel.read(name) for name in wheel.namelist()}
