"""Lock files that show which owners of claims and holds are alive: the kernel unlocks them when the owner dies."""

import fcntl
import os
import re
import weakref
from contextlib import suppress

from temp_file_manager.storage.own_files import make_private_directory, remove_own

_NAME = re.compile(r"[0-9a-f]+-[0-9]+")
_FLAGS = os.O_RDWR | os.O_CLOEXEC | getattr(os, "O_NOFOLLOW", 0)


class Owners:
    """Lock files in one directory, named by the registry file and the owners' numbers.

    The kernel lets go of a lock when the process that held it dies, however it dies; so a lock that can be had is
    a dead owner's. (A lease alone would keep what it claimed from everybody for another minute.)
    """

    def __init__(self, directory: str) -> None:
        self.registry = ""  # whoever reads the file says which as soon as it has
        self._directory = directory
        self._mine: dict[str, int] = {}  # paths, and the descriptors that hold their locks
        # Also at the end of a program that closes nothing; a killed one's lock files are found by others.
        weakref.finalize(self, _leave, self._mine)

    def enter(self, number: int) -> None:
        """Say that owner ``number`` lives, in this process; before its first claim or hold."""
        path = self._path(number)
        if path not in self._mine:
            make_private_directory(self._directory)
            self._lock(path)

    def renew(self) -> None:
        """Make those of our lock files anew that somebody has deleted: what they guard would be taken for nobody's."""
        for path, descriptor in list(self._mine.items()):
            if not _is_at(path, descriptor):
                os.close(self._mine.pop(path))
                make_private_directory(self._directory)
                self._lock(path)

    def _lock(self, path: str) -> None:
        while path not in self._mine:
            descriptor = os.open(path, _FLAGS | os.O_CREAT, 0o600)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX)
                # Between the two calls somebody may have found it unlocked, and removed it.
                if _is_at(path, descriptor):
                    self._mine[path] = descriptor
            finally:  # an interrupt, too, must not leave a lock that this process would then wait for, nor its file
                if self._mine.get(path) != descriptor:
                    _drop(path, descriptor)

    def alive(self, number: int) -> bool:
        """Say whether an owner lives."""
        return self._locked(self._path(number), remove=False)

    def dead(self, *, remove: bool) -> list[str]:
        """Return the names of lock files whose owners are dead; with ``remove``, the files go."""
        try:
            names = sorted(os.listdir(self._directory))
        except FileNotFoundError:
            return []
        ours = [name for name in names if _NAME.fullmatch(name)]
        return [name for name in ours if not self._locked(os.path.join(self._directory, name), remove=remove)]

    def _locked(self, path: str, *, remove: bool) -> bool:
        if path in self._mine:
            return True
        try:
            descriptor = os.open(path, _FLAGS)
        except FileNotFoundError:
            return False
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        else:
            if remove:
                remove_own(path)
            return False
        finally:
            os.close(descriptor)

    def leave(self) -> None:
        """Take back all that ``enter`` said."""
        _leave(self._mine)

    def after_fork(self) -> None:
        """Let go of the parent's locks, which stay locked for it, and would for the child after its death."""
        for descriptor in self._mine.values():
            os.close(descriptor)
        self._mine.clear()

    def _path(self, number: int) -> str:
        return os.path.join(self._directory, f"{self.registry}-{number}")


def _leave(locks: dict[str, int]) -> None:
    while locks:
        path, descriptor = locks.popitem()
        _drop(path, descriptor)


def _drop(path: str, descriptor: int) -> None:
    try:
        with suppress(OSError):  # the next sweep removes it: what says that we live is the lock
            remove_own(path)
    finally:
        os.close(descriptor)


def _is_at(path: str, descriptor: int) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), os.lstat(path))
    except FileNotFoundError:
        return False
