"""The files that get removed: all made before the first removal, each contestant's in a directory of its own.

ext4 does not hand out an inode again within five seconds of its removal; files created right after a mass
removal cost 25 times as much as others, and so may their neighbours. So nothing is created between removals.
"""

import os
import shutil
import sys
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass


@dataclass(frozen=True)
class Tree:
    """A flat directory of empty files."""

    directory: str
    count: int

    def names(self) -> list[str]:
        """Return the files' names in the order of creation."""
        return [f"tmp{number:07d}" for number in range(self.count)]

    def paths(self) -> list[str]:
        """Return the files' absolute paths, made anew: held all the time they would burden every gc."""
        return [f"{self.directory}/{name}" for name in self.names()]

    def left(self) -> int:
        """Count what is still there."""
        return len(os.listdir(self.directory)) if os.path.isdir(self.directory) else 0


class Forest:
    """Makes trees below one temporary root."""

    def __init__(self, root: str) -> None:
        self.root = root
        self._trees: dict[tuple[str, int], Tree] = {}

    def plant(self, wanted: Iterable[tuple[str, int, int]]) -> None:
        """Make a tree for each (name, round, number of files), and tell on stderr how far it is."""
        wanted = list(wanted)
        for number, (name, turn, count) in enumerate(wanted):
            print(f"\rcreating files: directory {number + 1} of {len(wanted)}", end="", file=sys.stderr)
            tree = Tree(os.path.join(self.root, f"{number:03d}"), count)
            _create(tree)
            self._trees[name, turn] = tree
        if wanted:
            print(file=sys.stderr)
        os.sync()  # the write-back of all that belongs to the creation, not to whoever comes first

    def tree(self, name: str, turn: int = 0) -> Tree:
        """Return a planted tree."""
        return self._trees[name, turn]


def _create(tree: Tree) -> None:
    os.mkdir(tree.directory)
    directory = os.open(tree.directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        for name in tree.names():
            os.close(os.open(name, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600, dir_fd=directory))
    finally:
        os.close(directory)


@contextmanager
def forest(parent: str | None) -> Iterator[Forest]:
    """Give a forest under ``parent`` (default: the system's temporary directory), and remove it at the end."""
    root = os.path.realpath(tempfile.mkdtemp(prefix="tfm-bench-", dir=parent))
    try:
        yield Forest(root)
    finally:
        shutil.rmtree(root, ignore_errors=True)
