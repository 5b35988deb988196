"""Directories for callers: on record as a whole, or gone with the manager or the session that made them, when empty."""

import math
import os
from collections.abc import Callable, Iterable
from typing import Self

from temp_file_manager import logs
from temp_file_manager.durations import Duration
from temp_file_manager.errors import InvalidArgumentError
from temp_file_manager.records import Selection
from temp_file_manager.storage.base_directory import BaseDirectory
from temp_file_manager.storage.made_directories import Mark, locked, mark, remove_empty
from temp_file_manager.storage.new_files import create_directory
from temp_file_manager.sweeping.limit_states import LimitStates


class MadeDirectories:
    """What ``TempFileManager.mkdtemp`` made. All but units are on no record: what a dead process made stays.

    Args:
        directory: Where they are made.
        limits: What may refuse new ones; None where there are no limits.
        locks: Whether cleaners that heed locks are to leave them.
    """

    def __init__(self, directory: BaseDirectory, limits: LimitStates | None = None, *, locks: bool = False) -> None:
        self._directory = directory
        self._limits = limits
        self._made: dict[str, Mark] = {}
        self._locks: list[int] | None = [] if locks else None

    def held(self) -> Self:
        """Return the directories of a session, of which there are none yet."""
        return type(self)(self._directory, self._limits, locks=True)

    def create(self, suffix: str, prefix: str) -> str:
        """Create an empty directory with mode 0700 and return its absolute path.

        Raises:
            LimitError: a limit is passed that is to refuse new files.
        """
        path = self._created(suffix, prefix)
        self._made[path] = mark(path)
        return path

    def create_unit(self, suffix: str, prefix: str, register: Callable[[str], None]) -> str:
        """Create one that goes as a whole by its record; nothing is left if it cannot be put on record.

        Killed in between, it leaves an empty directory.
        """
        path = self._created(suffix, prefix)
        try:
            register(path)
        except BaseException:
            remove_empty(path, mark(path), math.inf)
            raise
        return path

    def take_back(self, path: str) -> None:
        """Remove one that was made here, if it is empty."""
        made = self._made.pop(path, None)
        if made is not None and remove_empty(path, made, math.inf):
            logs.directory_removed(path)

    def _created(self, suffix: str, prefix: str) -> str:
        if self._limits is not None:
            self._limits.admit()
        path = self._directory.within(lambda: create_directory(self._directory.path, prefix, suffix))
        if self._locks is not None:
            self._locks += locked(path)
        return path

    def let_go(self) -> None:
        """Unlock them: others may have them, and sweeps may remove them."""
        while self._locks:
            os.close(self._locks.pop())

    def leave_to(self, others: "MadeDirectories") -> None:
        """Let go of all, remove those that are empty, and leave the rest to others: they go when they are empty."""
        self.let_go()
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


def refuse_words(ttl: Duration | None, tags: Iterable[str]) -> None:
    """Raise InvalidArgumentError if a directory is to have a ttl or tags that is on no record."""
    for name, given in (("a ttl", ttl is not None), ("tags", bool(tags))):
        if given:
            raise InvalidArgumentError(
                f"a directory has {name} as a unit alone: give unit=True, or give {name} to the files in it"
            )
