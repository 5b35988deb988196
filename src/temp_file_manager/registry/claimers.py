"""Who claims, and whether it lives: a lock file for each claimer, locked by the system for as long as it does."""

import fcntl
import os
import weakref

from temp_file_manager.storage import local


class Claimers:
    """Lock files in one directory, named by the claimers' numbers.

    The kernel lets go of a lock when the process that held it dies, however it dies; so a lock that can be had is
    a dead claimer's. (A lease alone would keep what it claimed from everybody for another minute.)
    """

    def __init__(self, directory: str) -> None:
        self._directory = directory
        self._mine: dict[int, int] = {}  # numbers, and the descriptors that hold their locks
        # Also at the end of a program that closes nothing; a killed one's lock files are found by others.
        weakref.finalize(self, _leave, directory, self._mine)

    def enter(self, number: int) -> None:
        """Say that claimer ``number`` lives, in this process; before its first claim."""
        if number in self._mine:
            return
        local.make_private_directory(self._directory)
        path = self._path(number)
        while number not in self._mine:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            # Between the two calls somebody may have found it unlocked, and removed it.
            if os.path.exists(path) and os.path.samestat(os.fstat(descriptor), os.stat(path)):
                self._mine[number] = descriptor
            else:
                os.close(descriptor)

    def alive(self, number: int, *, remove: bool = False) -> bool:
        """Say whether a claimer lives; with ``remove``, the file of one that does not goes."""
        if number in self._mine:
            return True
        try:
            descriptor = os.open(self._path(number), os.O_RDWR | os.O_CLOEXEC)
        except FileNotFoundError:
            return False
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        else:
            if remove:
                local.remove_own(self._path(number))
            return False
        finally:
            os.close(descriptor)

    def dead(self, *, remove: bool) -> list[int]:
        """Return the numbers of lock files whose claimers are dead; with ``remove``, the files go."""
        try:
            names = os.listdir(self._directory)
        except FileNotFoundError:
            return []
        numbers = sorted(int(name) for name in names if name.isdigit())
        return [number for number in numbers if not self.alive(number, remove=remove)]

    def leave(self) -> None:
        """Take back all that ``enter`` said."""
        _leave(self._directory, self._mine)

    def after_fork(self) -> None:
        """Let go of the parent's locks, which stay locked for it, and would for the child after its death."""
        for descriptor in self._mine.values():
            os.close(descriptor)
        self._mine.clear()

    def _path(self, number: int) -> str:
        return os.path.join(self._directory, str(number))


def _leave(directory: str, locks: dict[int, int]) -> None:
    while locks:
        number, descriptor = locks.popitem()
        local.remove_own(os.path.join(directory, str(number)))
        os.close(descriptor)
