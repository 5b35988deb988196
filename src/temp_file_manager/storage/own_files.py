"""The package's own files, in each base directory: never registered, listed or removed by a sweep."""

import os

from temp_file_manager.storage.kernel.space import has_room


def make_private_directory(path: str, *, exist_ok: bool = True) -> None:
    """Create a directory of the package's own, for nobody else, and its parents where missing.

    Raises:
        OSError: it cannot be created, or is there and no directory.
    """
    os.makedirs(os.path.dirname(path), exist_ok=True)
    try:
        os.mkdir(path, 0o700)
    except FileExistsError:
        if not exist_ok or not os.path.isdir(path):
            raise


def create_private_file(path: str) -> None:
    """Create an empty file of the package's own with mode 0600; one that is there is left as it is."""
    try:
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600))
    except FileExistsError:
        return


def make_reserve(path: str, size: int) -> None:
    """Create a file that takes ``size`` bytes of the disk, if there is none and there is plenty of room."""
    try:
        if os.path.exists(path) or not has_room(os.path.dirname(path), 4 * size):
            return
        descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600)
    except OSError:  # a disk that cannot be written to
        return
    try:
        complete = os.write(descriptor, bytes(size)) == size
    except OSError:
        complete = False
    finally:
        os.close(descriptor)
    if not complete:
        remove_own(path)


def restore_length(path: str, size: int) -> None:
    """Give a file of the package's own that somebody has cut short its length back, filled with zeros."""
    if os.stat(path).st_size < size:
        os.truncate(path, size)


def why_not_writable(path: str) -> str:
    """Say, for a message, why a file of the package's own cannot be opened; nothing when it could be."""
    if os.path.isdir(path):
        return "it is a directory"
    what = path if os.path.exists(path) else os.path.dirname(path)
    if not os.access(what, os.R_OK):
        return "this user may not read it"
    return "" if os.access(what, os.W_OK) else "this user may not write there, or it is mounted read-only"


def remove_own(path: str) -> None:
    """Remove a file of the package's own; one that is not there is no error."""
    try:
        os.remove(path)
    except FileNotFoundError:
        return


OWN_DIRECTORY = ".temp-file-manager"
"""Where the registry, its side files and what was set aside lie."""


_OWN = f"/{OWN_DIRECTORY}/"


def is_own(path: str) -> bool:
    """Say whether an absolute path is one of the package's own files, in whichever base directory."""
    return _OWN in path
