"""Mounts that tests make and take away again."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


@contextmanager
def mounted(directory: Path, *commands: list[str]) -> Iterator[None]:
    """Mount over ``directory`` by these commands, and unmount whatever happens."""
    done = [subprocess.run(command, capture_output=True, text=True, check=False) for command in commands]
    try:
        if any(one.returncode for one in done):
            print(f"not tried: {commands}: {done[-1].stderr}")
            pytest.skip("cannot mount here")
        yield
    finally:
        for one in done:
            if one.returncode == 0 and "remount" not in str(one.args):
                subprocess.run(["umount", "-l", directory], check=True)
