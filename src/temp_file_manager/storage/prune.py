"""Removal of directories that a sweep has left empty."""

import os
from collections.abc import Callable, Iterable
from heapq import heapify, heappop, heappush

from temp_file_manager.storage.own_files import OWN_DIRECTORY
from temp_file_manager.storage.tree import Tree

_UNTOUCHED = frozenset({OWN_DIRECTORY, "", ".", ".."})
"""Names that no path in question has: our own folder, the tree itself, and what lies outside."""


def prune(tree: Tree, left: Iterable[str], spared: Callable[[str], bool] = lambda _: False) -> int:
    """Remove directories if they are empty, and then those above them if they are, but never the tree's own.

    Only ``rmdir``, relative to the directory above, which is opened without following links: whatever else turns up
    meanwhile, nothing but an empty directory can go.

    Args:
        tree: Where.
        left: Relative paths of directories from which something was removed, or that were empty.
        spared: Says of a relative path whether it stays in any case.

    Returns:
        How many were removed.
    """
    deepest = [(-path.count("/"), path) for path in set(left)]
    heapify(deepest)
    removed, before = 0, ""
    while deepest:
        path = heappop(deepest)[1]
        if path == before or not _UNTOUCHED.isdisjoint(path.split("/")):
            continue
        before = path
        if not spared(path) and _removed(tree, path):
            removed += 1
            above = path.rpartition("/")[0]
            heappush(deepest, (-above.count("/"), above))
    return removed


def _removed(tree: Tree, path: str) -> bool:
    above, _, name = path.rpartition("/")
    try:
        directory = tree.open(above)
    except OSError:
        return False
    try:
        if not tree.is_my_directory(directory, name):
            return False
        os.rmdir(name, dir_fd=directory)
    except OSError:  # mostly: it is not empty
        return False
    finally:
        os.close(directory)
    return True
