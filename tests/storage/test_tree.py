"""A walk through a tree: what it leaves open, and where it does not go."""

import os
import subprocess
from pathlib import Path

import pytest

from mounts import mounted
from temp_file_manager.storage.tree import Tree


def test_a_directory_that_was_mounted_over_meanwhile_is_closed_again(tmp_path: Path) -> None:
    point = tmp_path / "point"
    point.mkdir()
    with (
        Tree(str(tmp_path), lambda _: None, lambda *_: None) as tree,
        mounted(point, ["mount", "-t", "tmpfs", "tmpfs", str(point)]),
    ):
        before = len(os.listdir("/dev/fd"))
        with pytest.raises(OSError, match="cross-device"):
            tree.open("point")
        assert len(os.listdir("/dev/fd")) <= before
