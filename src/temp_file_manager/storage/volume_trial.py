"""A trial of a file system that hosts are to share: the properties that it shows to one of them."""

import os
import statistics
import time
from contextlib import suppress
from typing import NamedTuple

from temp_file_manager.storage.kernel import renames
from temp_file_manager.storage.kernel.statx import looker, marker
from temp_file_manager.storage.new_files import create_exclusively
from temp_file_manager.storage.own_files import OWN_DIRECTORY, make_private_directory, remove_own

_REMOVALS = 8


class Trial(NamedTuple):
    """What was found, with files of the package's own.

    Attributes:
        born: Whether birth times are told.
        handle: Whether a file's handle is told, and stays when the file is written to, renamed and changes its mode.
        reused: Whether a new file was never taken for one that was removed before it.
        renames: Whether a rename can be told to take nothing's place.
        links: Whether a file can have two names.
        open_after_removal: Whether a file that is removed while it is open can still be read.
        remains: What is left in the directory then, as NFS leaves a name of its own; empty: nothing.
        locks: Whether a lock is seen by another opening of the file, on this host.
        ahead: Seconds by which the clock that stamps files is ahead of this host's.
        removal: Seconds that a removal took, as a median.
    """

    born: bool
    handle: bool
    reused: bool
    renames: bool
    links: bool
    open_after_removal: bool
    remains: tuple[str, ...]
    locks: bool
    ahead: float
    removal: float


def try_out(root: str) -> Trial:
    """Try a file system with files of the package's own, which are removed at once.

    Raises:
        OSError: no file can be made there.
    """
    name = f"trial-{os.urandom(8).hex()}"
    own = os.path.join(root, OWN_DIRECTORY)
    make_private_directory(own)
    folder = os.path.join(own, name)
    os.mkdir(folder, 0o700)
    try:
        return _tried(folder)
    finally:
        for left in os.listdir(folder):
            remove_own(os.path.join(folder, left))
        with suppress(OSError):  # NFS keeps a name of what is open a little longer
            os.rmdir(folder)


def _tried(folder: str) -> Trial:
    path, other = os.path.join(folder, "a"), os.path.join(folder, "b")
    here = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    descriptor = create_exclusively(path)
    try:
        before = time.time()
        ahead = os.fstat(descriptor).st_mtime - before
        handle = marker()
        first, born = handle(here, b"a"), looker()(here, b"a").born > 0
        os.write(descriptor, b"tried")
        os.fchmod(descriptor, 0o640)
        renamed = _renames(here)
        lasts = bool(first) and handle(here, b"b" if renamed else b"a") == first
        if renamed:
            os.rename(other, path)
        links, locks = _links(path, other), _locks(path)
        remove_own(path)
        readable = os.pread(descriptor, 5, 0) == b"tried"
        remains = tuple(os.listdir(folder))
    finally:
        os.close(descriptor)
        os.close(here)
    return Trial(born, lasts, _is_told(folder), renamed, links, readable, remains, locks, ahead, _latency(folder))


def _renames(here: int) -> bool:
    try:
        renames.move(b"a", here, b"b", here)
    except OSError:
        return False
    return True


def _links(path: str, other: str) -> bool:
    try:
        os.link(path, other)
    except OSError:
        return False
    remove_own(other)
    return True


def _locks(path: str) -> bool:
    from fcntl import LOCK_EX, LOCK_NB, flock  # noqa: PLC0415 - only Unix has it

    one, another = os.open(path, os.O_RDWR | os.O_CLOEXEC), os.open(path, os.O_RDWR | os.O_CLOEXEC)
    try:
        flock(one, LOCK_EX | LOCK_NB)
        refused = True
        with suppress(OSError):  # as it should be
            flock(another, LOCK_EX | LOCK_NB)
            refused = False
    except OSError:  # not even one
        return False
    else:
        return refused
    finally:
        os.close(one)
        os.close(another)


def _is_told(folder: str) -> bool:
    """Say whether a file is told from one that had its name, and may have its number."""
    look, seen = looker(), set()
    path = os.path.join(folder, "again")
    for _ in range(_REMOVALS):
        os.close(create_exclusively(path))
        found = look(-100, os.fsencode(path))
        seen.add((found.inode, found.born))
        remove_own(path)
    return len(seen) == _REMOVALS


def _latency(folder: str) -> float:
    paths = [os.path.join(folder, f"removed-{number}") for number in range(_REMOVALS)]
    for path in paths:
        os.close(create_exclusively(path))
    took = []
    for path in paths:
        began = time.monotonic()
        remove_own(path)
        took.append(time.monotonic() - began)
    return statistics.median(took)
