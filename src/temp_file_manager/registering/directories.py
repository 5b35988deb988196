"""Directories for callers, which go with the sweeps of the manager that made them, or with their session."""

import math
import os
from typing import Self

from temp_file_manager import logs
from temp_file_manager.records import Selection
from temp_file_manager.storage.base_directory import BaseDirectory
from temp_file_manager.storage.made_directories import Mark, locked, mark, remove_empty
from temp_file_manager.storage.new_files import create_directory


class MadeDirectories:
    """What ``TempFileManager.mkdtemp`` made. They are on no record: what a dead process made stays.

    Args:
        directory: Where they are made.
        locks: Whether cleaners that heed locks are to leave them.
    """

    def __init__(self, directory: BaseDirectory, *, locks: bool = False) -> None:
        self._directory = directory
        self._made: dict[str, Mark] = {}
        self._locks: list[int] | None = [] if locks else None

    def held(self) -> Self:
        """Return the directories of a session, of which there are none yet."""
        return type(self)(self._directory, locks=True)

    def create(self, suffix: str, prefix: str) -> str:
        """Create an empty directory with mode 0700 and return its absolute path."""
        path = self._directory.within(lambda: create_directory(self._directory.path, prefix, suffix))
        self._made[path] = mark(path)
        if self._locks is not None:
            self._locks += locked(path)
        return path

    def leave_to(self, others: "MadeDirectories") -> None:
        """Let go of all, remove those that are empty, and leave the rest to others: they go when they are empty."""
        while self._locks:
            os.close(self._locks.pop())
        self.remove(Selection(0.0, 0.0, force=True))
        others.take(self._made)
        self._made.clear()

    def take(self, made: dict[str, Mark]) -> None:
        """Have these, too."""
        self._made |= made

    def remove(self, due: Selection) -> None:
        """Remove those that are empty, and that nothing came into or went from for as long as a file may live."""
        before = math.inf if due.force else due.asof - due.max_age
        for path, made in list(self._made.items()):
            if remove_empty(path, made, before):
                self._made.pop(path, None)
                logs.directory_removed(path)
