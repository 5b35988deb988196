"""Paths as the registry stores them: those of a shared volume below its root, as hosts mount it in different places."""

import os

from temp_file_manager.errors import InvalidArgumentError


class Paths:
    """Paths of one scope.

    Args:
        root: Where the volume is mounted here; empty: paths are stored as they are.
    """

    def __init__(self, root: str = "") -> None:
        self.root = os.fsencode(root.rstrip("/"))
        self._prefix = self.root + b"/" if root else b""
        self._text = os.fsdecode(self._prefix)

    def stored(self, path: str) -> bytes:
        """Return a path as it is stored.

        Raises:
            InvalidArgumentError: it lies outside the root.
        """
        if not self._prefix:
            return os.fsencode(path)
        if not path.startswith(self._text) or len(path) == len(self._text):
            raise InvalidArgumentError(f"{path!r} is not below {self._text}, the root of the shared volume")
        return os.fsencode(path)[len(self._prefix) :]

    def known(self, path: str) -> bytes | None:
        """Return a path as it may be on record; None: it lies outside the root, and is not."""
        try:
            return self.stored(path)
        except InvalidArgumentError:
            return None

    def origin(self, path: str) -> bytes:
        """Return where something was before, which may lie outside: such a path begins with a slash."""
        found = self.known(path)
        return os.fsencode(path) if found is None else found

    def here(self, stored: bytes) -> bytes:
        """Return a stored path as this host has it."""
        return stored if stored.startswith(b"/") else self._prefix + stored

    def shown(self, stored: bytes) -> str:
        """Return a stored path as this host has it, as text."""
        return os.fsdecode(self.here(stored))
