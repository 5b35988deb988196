"""Files to make, in directories or whole trees, and what a look at them tells."""

import os
import socket
import stat
from pathlib import Path

from temp_file_manager.storage.tree import Skip

DAY = 86400.0
LATER = 10 * DAY
"""A file cannot be made to look old, which is the point: so the tests look at it from a time to come."""


def snapshot(tree: Path) -> dict[str, tuple[int, ...]]:
    """What there is, with everything that a change would leave a trace in."""
    found = {}
    for path in [tree, *tree.rglob("*")]:
        s = path.lstat()
        found[os.fsdecode(path)] = (s.st_ino, s.st_mode, s.st_nlink, s.st_size, s.st_mtime_ns, s.st_ctime_ns)
    return found


def make(tree: Path, *names: str) -> list[Path]:
    paths = [tree / name for name in names]
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"12345")
    return paths


def special(path: Path, kind: str) -> str:
    """Put something of this kind at a path, and return the reason it is passed by."""
    if kind == "link":
        path.symlink_to(path.parent / "file")
    elif kind == "dangling link":
        path.symlink_to("nowhere")
    elif kind == "link to a directory":
        path.symlink_to("/")
    elif kind == "pipe":
        os.mkfifo(path)
    elif kind == "socket":
        with socket.socket(socket.AF_UNIX) as listening:
            here = os.getcwd()
            os.chdir(path.parent)  # a socket's name is at most 107 bytes long
            try:
                listening.bind(path.name)
            finally:
                os.chdir(here)
    elif kind == "device":
        os.mknod(path, stat.S_IFCHR | 0o600, os.makedev(1, 3))
    return Skip.LINK if "link" in kind else Skip.SPECIAL


def numbered(folder: Path, count: int) -> list[str]:
    """Make empty files that are called by their numbers, of three digits or more; return their paths."""
    folder.mkdir(exist_ok=True)
    paths = [folder / f"{number:03}" for number in range(count)]
    for path in paths:
        path.touch()
    return [str(path) for path in paths]
