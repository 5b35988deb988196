"""The package's own files, in each base directory: never registered, listed or removed by a sweep."""

import os
from collections.abc import Iterable

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

QUARANTINE = "quarantine"
"""The name, in there, of the folder of files that can be had back."""

GOING = "going"
"""The name, in there, of the folder of units that are being removed."""


_OWN = f"/{OWN_DIRECTORY}/"


def is_own(path: str) -> bool:
    """Say whether an absolute path is one of the package's own files, in whichever base directory."""
    return _OWN in path


class OwnFiles:
    """The package's own files, by whatever path of their directory they are reached.

    Args:
        files: Absolute paths of those that lie outside ``OWN_DIRECTORY``. What is called like one of them and goes on
            with a ``-`` belongs to it: a file beside it, or all that is in a directory of that name.
    """

    def __init__(self, files: Iterable[str] = ()) -> None:
        self._files = [(directory, name) for directory, _, name in (path.rpartition("/") for path in files)]
        self._known: dict[tuple[str, int, int], tuple[str, ...] | None] = {}

    def names_in(self, directory: str, inode: int, born: int) -> tuple[str, ...] | None:
        """Return what own files in a directory are called; ``ALL`` where whatever is there is one, None where none is.

        Args:
            directory: Absolute. It is looked at once, as long as its number and its birth are the same.
            inode: Its number.
            born: Its birth, as identities say it.
        """
        place = directory, inode, born
        if place not in self._known or not born:
            if len(self._known) >= _MOST_KNOWN:
                self._known.clear()
            try:
                self._known[place] = self._names_in(directory)
            except OSError:  # somebody exchanges links on the way: for now, whatever is there is to be left alone
                return ALL
        return self._known[place]

    def has(self, path: str) -> bool:
        """Say whether an absolute path leads to one."""
        directory, _, name = path.rpartition("/")
        try:
            return is_called(name, self._names_in(directory))
        except OSError:  # as in ``names_in``
            return True

    def _names_in(self, directory: str) -> tuple[str, ...] | None:
        real = os.path.realpath(directory or "/")
        if is_own(f"{real}/"):
            return ALL
        found = []
        for own, name in self._files:
            place = os.path.realpath(own or "/")
            if f"{real}/".startswith(f"{place.rstrip('/')}/{name}-"):
                return ALL
            if real == place or _is_same(directory or "/", place):  # the same by another mount
                found.append(name)
        return tuple(found) or None


_MOST_KNOWN = 1000

ALL = ("",)

OURS = "it is one of this package's own files"


def is_called(name: str, own: tuple[str, ...] | None) -> bool:
    """Say whether a name is among those that ``names_in`` has returned."""
    return own is not None and (own is ALL or any(name == one or name.startswith(f"{one}-") for one in own))


def _is_same(directory: str, other: str) -> bool:
    try:
        return os.path.samefile(directory, other)
    except OSError:
        return False


class OwnPaths:
    """Says of one path after another whether it is the package's own, by its directory: each is resolved once."""

    def __init__(self) -> None:
        self._known: dict[str, bool] = {}

    def __contains__(self, path: str) -> bool:
        directory = path[: path.rfind("/") + 1]
        own = self._known.get(directory)
        if own is None:
            try:
                own = self._known[directory] = is_own(f"{os.path.realpath(directory)}/")
            except OSError:  # as in ``OwnFiles.names_in``
                return True
        return own
