"""Directories that this process made: told from others in their place, and removed when they are empty."""

import math
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

from temp_file_manager.storage.kernel.statx import HERE, looker
from temp_file_manager.storage.prune import prune
from temp_file_manager.storage.tree import Tree, is_locked

_FLAGS = getattr(os, "O_PATH", os.O_RDONLY) | getattr(os, "O_DIRECTORY", 0) | getattr(os, "O_CLOEXEC", 0)


class Mark(NamedTuple):
    """Which directory was made; its birth is 0 where the file system does not tell."""

    inode: int
    born: int


def mark(path: str) -> Mark:
    """Return which directory is at a path."""
    seen = looker()(HERE, os.fsencode(path))
    return Mark(seen.inode, seen.born)


def locked(path: str) -> tuple[int, ...]:
    """Lock a directory, together with whoever else does; return the descriptor that holds the lock, if one could."""
    try:
        from fcntl import LOCK_NB, LOCK_SH, flock  # noqa: PLC0415 - only Unix has it

        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except (ImportError, OSError):  # no descriptor to spare
        return ()
    try:
        flock(descriptor, LOCK_SH | LOCK_NB)
    except OSError:  # somebody else has it for their own, or the file system knows no such lock
        os.close(descriptor)
        return ()
    return (descriptor,)


def has_user(path: str) -> bool:
    """Say whether anybody has a directory locked.

    Raises:
        OSError: it is no directory, or is not there.
    """
    with _alone(path) as free:
        return not free


def remove_unused(path: str, made: Mark, tree: Tree) -> None:
    """Remove a directory, and those in it, as far as they are empty, unless somebody has it locked.

    Args:
        path: Absolute.
        made: Which directory is meant.
        tree: The same, held open.
    """
    with _alone(path) as free:  # to the end: whoever makes and then locks one finds that it is gone, or keeps it
        if free:
            below = (
                os.path.relpath(os.path.join(above, name), path) for above, names, _ in os.walk(path) for name in names
            )
            prune(tree, below)
            remove_empty(path, made, math.inf)


@contextmanager
def _alone(path: str) -> Iterator[bool]:
    """Yield whether nobody has a directory locked, and lock it until the block is left."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        yield not is_locked(descriptor)
    finally:
        os.close(descriptor)


def remove_empty(path: str, made: Mark, before: float) -> bool:
    """Remove a directory if nothing is in it, and nothing came or went since.

    Only ``rmdir``, relative to the directory above: whatever turns up meanwhile, none but an empty directory can go.

    Args:
        path: Absolute.
        made: Which directory is meant.
        before: It must have been changed before then; seconds since the epoch.

    Returns:
        Whether there is nothing left to remove: also when another is in its place, which stays.
    """
    above, name = os.path.split(path)
    try:
        directory = os.open(above, _FLAGS)
        try:
            seen = looker()(directory, os.fsencode(name))
            there = Mark(seen.inode, seen.born) == made and stat.S_ISDIR(seen.mode)
            if there and not os.stat(name, dir_fd=directory, follow_symlinks=False).st_mtime < before:
                return False
            if there:
                os.rmdir(name, dir_fd=directory)
        finally:
            os.close(directory)
    except FileNotFoundError:
        return True
    except OSError:  # mostly: it is not empty
        return False
    return True
