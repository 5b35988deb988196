"""Shared volumes: the marker by which a directory is known to be the volume that is meant, and what lies on it.

A volume that is not mounted is an empty directory, and all files would look gone. So its root holds a marker, which
the registry knows, too.
"""

import os
from collections.abc import Callable
from contextlib import suppress

from temp_file_manager import logs
from temp_file_manager.storage import base_rules
from temp_file_manager.storage.kernel import mounts, renames
from temp_file_manager.storage.own_files import OWN_DIRECTORY, make_private_directory, remove_own
from temp_file_manager.text import printable

MARKER = "volume"
"""The marker's name, in the package's own directory."""

_LONGEST = 256
_READ = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0)


def new_marker(scope: str) -> str:
    """Return a marker that no other volume has."""
    return f"{scope} {os.urandom(12).hex()}"


def scope_of(marker: str) -> str:
    """Return the scope that a marker is of."""
    return marker.partition(" ")[0]


def path_of(root: str) -> str:
    """Return where the marker of a volume is."""
    return os.path.join(root, OWN_DIRECTORY, MARKER)


def read_marker(root: str) -> str:
    """Return the marker of the volume at a directory; empty if it has none.

    Raises:
        OSError: it cannot be read.
    """
    try:
        descriptor = os.open(path_of(root), _READ)
    except (FileNotFoundError, NotADirectoryError):
        return ""
    try:
        return os.read(descriptor, _LONGEST).decode("utf-8", "replace").strip()
    finally:
        os.close(descriptor)


def write_marker(root: str, marker: str) -> str:
    """Give a volume its marker, if it has none; return the one that it has. Killed at any point, it has all or none.

    Raises:
        OSError: it cannot be written.
    """
    own = os.path.join(root, OWN_DIRECTORY)
    make_private_directory(own)
    base_rules.refuse_foreign_private(own)
    name = f"{MARKER}-{os.urandom(8).hex()}"
    directory = os.open(own, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        with open(os.open(name, flags, 0o600, dir_fd=directory), "w", encoding="utf-8") as file:
            file.write(f"{marker}\n")
            file.flush()
            os.fsync(file.fileno())
        with suppress(FileExistsError):
            renames.move(name.encode(), directory, MARKER.encode(), directory)
        os.fsync(directory)
    finally:
        os.close(directory)
        remove_own(os.path.join(own, name))
    return read_marker(root)


class SharedVolume:
    """A volume that hosts share, as it is mounted here. Threads may share it.

    Args:
        root: Where; absolute.
        scope: ``volume:NAME``.

    Attributes:
        expected: Returns the marker that the registry knows of it; empty if it knows none.
    """

    def __init__(self, root: str, scope: str) -> None:
        self.root = root
        self.scope = scope
        self.expected: Callable[[], str] = str
        self._known = ""
        self._told = ""

    def why_absent(self) -> str:
        """Say why this is not the volume that is meant, and what to do; nothing if it is. Tells the log of a change."""
        why = self._why_absent()
        if why != self._told:
            self._told = why
            if why:
                logs.logger.error(f"Nothing is removed, forgotten or registered: {printable(why)}")
            else:
                logs.logger.info(f"The shared volume is there again: {self.scope}")
        return why

    def _why_absent(self) -> str:
        self._known = known = self._known or self.expected()
        root, create = printable(self.root), f"temp-file-manager scope create {self.scope}"
        try:
            found = read_marker(self.root)
        except OSError as error:
            return f"the marker of {self.scope} cannot be read in {root} ({error.strerror})"
        if not known:
            return f"{self.scope} is not in the registry yet: {create} puts it there"
        if not found:
            return f"{self.scope} is not mounted at {root}, which has no marker: mount it"
        if found != known:
            whose = printable(scope_of(found))
            return f"another volume is mounted at {root}, {whose}: mount {self.scope}, or say which scope is meant"
        return ""

    def why_not_below(self, path: str) -> str:
        """Say why what is at a path is none of this volume's; nothing if it is one, and lies in a directory that is."""
        if not path.startswith(f"{self.root.rstrip('/')}/") or ".." in path.split("/"):
            return self._outside
        try:
            descriptor = os.open(os.path.dirname(path), mounts.PATH_ONLY)
        except (FileNotFoundError, NotADirectoryError):
            return ""  # there is nothing to be reached by it
        except OSError as error:
            return f"its directory cannot be looked at ({error.strerror})"
        try:
            return "" if lies_in(descriptor, self.root) else self._outside
        finally:
            os.close(descriptor)

    @property
    def _outside(self) -> str:
        return f"it does not lie below {printable(self.root)}, the root of {self.scope}"


def lies_in(descriptor: int, root: str) -> bool:
    """Say whether an open directory is a root, or lies below it: by what is there, not by what a path says."""
    path = "."
    try:
        top, here = os.stat(root), os.stat(path, dir_fd=descriptor)
        while not os.path.samestat(here, top):
            path += "/.."
            below, here = here, os.stat(path, dir_fd=descriptor)
            if os.path.samestat(here, below):
                return False
    except OSError:  # also where it lies too deep for a path
        return False
    return True
