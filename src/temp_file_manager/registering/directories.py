"""Directories for callers, which go with the sweeps of the manager that made them."""

import math

from temp_file_manager import logs
from temp_file_manager.records import Selection
from temp_file_manager.storage.base_directory import BaseDirectory
from temp_file_manager.storage.made_directories import Mark, mark, remove_empty
from temp_file_manager.storage.new_files import create_directory
from temp_file_manager.sweeping.limit_states import LimitStates


class MadeDirectories:
    """What ``TempFileManager.mkdtemp`` made. They are on no record: what a dead process made stays.

    Args:
        directory: Where they are made.
        limits: What may refuse new ones; None where there are no limits.
    """

    def __init__(self, directory: BaseDirectory, limits: LimitStates | None = None) -> None:
        self._directory = directory
        self._limits = limits
        self._made: dict[str, Mark] = {}

    def create(self, suffix: str, prefix: str) -> str:
        """Create an empty directory with mode 0700 and return its absolute path.

        Raises:
            LimitError: a limit is passed that is to refuse new files.
        """
        if self._limits is not None:
            self._limits.admit()
        path = self._directory.within(lambda: create_directory(self._directory.path, prefix, suffix))
        self._made[path] = mark(path)
        return path

    def remove(self, due: Selection) -> None:
        """Remove those that are empty, and that nothing came into or went from for as long as a file may live."""
        before = math.inf if due.force else due.asof - due.max_age
        for path, made in list(self._made.items()):
            if remove_empty(path, made, before):
                self._made.pop(path, None)
                logs.directory_removed(path)
