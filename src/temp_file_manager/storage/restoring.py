"""The way back of files from a private folder, to where they were or to another place."""

import errno
import os
import stat
from collections.abc import Callable

from temp_file_manager.chunks import place_of
from temp_file_manager.errors import InvalidArgumentError
from temp_file_manager.records import Identity, TempFile
from temp_file_manager.storage.compare import Directories, is_in_own_directory
from temp_file_manager.storage.identity import parent_of
from temp_file_manager.storage.kernel import mounts, renames
from temp_file_manager.storage.kernel.statx import Seen, looker

Before = Callable[[Identity], None]
"""Told which file will be in its place, just before it is moved there."""


def bring_back(folder: str, record: TempFile, target: str, before: Before, inside: str | None = None) -> None:
    """Move a file from a folder of the package's own to a place where nothing is.

    Args:
        folder: That folder.
        record: Of what is there.
        target: Where it is to be, absolute.
        before: Puts it on record.
        inside: The one directory in which it may be, or below it; None: anywhere.

    Raises:
        NotThatFile: what is in the folder is not what is on record.
        OSError: it cannot be moved; FileExistsError if something is there, FileNotFoundError if it is gone, or its
            directory.
        InvalidArgumentError: the directory is none to move it to.
    """
    look, (above, name) = looker(), os.path.split(target)
    with Directories(within=folder) as directories:
        here, seen = directories.compared(place_of(record))
        there = os.open(above, mounts.PATH_ONLY)
        try:
            refuse_directory(there, above, seen)
            if inside is not None and not lies_within(there, inside):
                raise InvalidArgumentError(f"{above!r} lies outside the base directory")
            if _is_there(there, name):
                raise FileExistsError(errno.EEXIST, "something is in its place", target)
            before(Identity(seen.inode, seen.born, seen.changed, *parent_of(look, os.fsencode(above))))
            renames.move(os.fsencode(os.path.basename(record.path)), here, os.fsencode(name), there)
        finally:
            os.close(there)


def refuse_directory(directory: int, path: str, seen: Seen) -> None:
    """Return if an open directory is one that a file may be moved to.

    Whoever owns a file, and could rename what lies above its place, could lead us to a directory in which only we may
    write. So a file of another user's goes to where that one could have put it.

    Raises:
        InvalidArgumentError: it is not.
    """
    if is_in_own_directory(directory):
        raise InvalidArgumentError(f"{path!r} is a directory of this package's own: name another")
    found = os.fstat(directory)
    if seen.owner not in (os.geteuid(), found.st_uid) and not found.st_mode & stat.S_IWOTH:
        raise InvalidArgumentError(f"{path!r} belongs to another user than the file: name another directory")


def lies_within(directory: int, above: str) -> bool:
    """Say whether an open directory is another one or lies below it, whatever names lead there."""
    top, path = os.stat(above), "."
    here = os.stat(path, dir_fd=directory)
    while not os.path.samestat(here, top):
        path += "/.."
        below, here = here, os.stat(path, dir_fd=directory)
        if os.path.samestat(here, below):
            return False
    return True


def _is_there(directory: int, name: str) -> bool:
    try:
        os.stat(name, dir_fd=directory, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return True
