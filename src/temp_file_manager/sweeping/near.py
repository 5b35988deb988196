"""Directories that are near: on the file system that is limited."""

import os

_MOST_DIRECTORIES = 10_000


class Near:
    """Says of directories whether they lie on the file system of another one; looks at each once."""

    def __init__(self, base_dir: str) -> None:
        self._base = _device(base_dir)
        self._known: dict[str, bool] = {}

    def __call__(self, directory: str) -> bool:
        """Say so; what cannot be looked at does not."""
        known = self._known.get(directory)
        if known is None:
            if len(self._known) >= _MOST_DIRECTORIES:
                self._known.clear()
            known = self._known[directory] = self._base is not None and _device(directory) == self._base
        return known


def _device(directory: str) -> int | None:
    try:
        return os.stat(directory).st_dev
    except (OSError, ValueError):
        return None
