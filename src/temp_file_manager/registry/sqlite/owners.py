"""Lock files that show which owners of claims and holds are alive: the kernel unlocks them when the owner dies."""

import fcntl
import os
import re
import weakref
from collections.abc import Iterator
from contextlib import contextmanager, suppress

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
        self._bequeathed: dict[str, int] = {}  # those of owners whose heirs hold them, too
        self._within: dict[object, int] = {}  # descriptors of what is exclusive at this moment, or was to be
        # Also at the end of a program that closes nothing; a killed one's lock files are found by others.
        weakref.finalize(self, _leave, self._mine)

    def enter(self, number: int) -> None:
        """Say that owner ``number`` lives, in this process; before its first claim or hold."""
        path = self._path(number)
        if path not in self._mine:
            make_private_directory(self._directory)
            self._lock(path, self._mine)

    def bequeath(self, number: int) -> int:
        """Say that owner ``number`` lives as long as this process or any that inherits the descriptor; return that.

        Unlike ``enter`` it is taken back by ``drop`` alone, and a forked child is an heir.
        """
        path = self._path(number)
        make_private_directory(self._directory)
        self._lock(path, self._bequeathed)
        os.set_inheritable(self._bequeathed[path], True)
        return self._bequeathed[path]

    def bequeathed(self, number: int) -> int:
        """Return the descriptor that heirs of owner ``number`` are to inherit; -1 if there is none here."""
        return self._bequeathed.get(self._path(number), -1)

    def let_go(self, number: int) -> None:
        """Leave an owner to its heirs."""
        descriptor = self._bequeathed.pop(self._path(number), -1)
        if descriptor >= 0:
            os.close(descriptor)

    def drop(self, number: int) -> None:
        """Say that an owner that has heirs is not to live any more, whoever has inherited it."""
        path = self._path(number)
        if path in self._bequeathed:
            _drop(path, self._bequeathed.pop(path))

    def renew(self) -> None:
        """Make those of our lock files anew that somebody has deleted: what they guard would be taken for nobody's."""
        for path, descriptor in list(self._mine.items()):
            if not _is_at(path, descriptor):
                os.close(self._mine.pop(path))
                make_private_directory(self._directory)
                self._lock(path, self._mine)

    def _lock(self, path: str, locks: dict[str, int]) -> None:
        while path not in locks:
            descriptor = os.open(path, _FLAGS | os.O_CREAT, 0o600)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX)
                # Between the two calls somebody may have found it unlocked, and removed it.
                if _is_at(path, descriptor):
                    locks[path] = descriptor
            finally:  # an interrupt, too, must not leave a lock that this process would then wait for, nor its file
                if locks.get(path) != descriptor:
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
            free = _locked_now(descriptor)
            if free and remove:
                remove_own(path)
            return not free
        finally:
            os.close(descriptor)

    @contextmanager
    def exclusive(self, name: str) -> Iterator[bool]:
        """Give whether nobody else is within this under this name; see ``Registry.exclusive``.

        The file stays for the next time: on a disk that is full by then none could be made.
        """
        make_private_directory(self._directory)
        path = os.path.join(self._directory, f"{self.registry}-{name}")
        descriptor, me = os.open(path, _FLAGS | os.O_CREAT, 0o600), object()
        self._within[me] = descriptor
        try:
            yield _locked_now(descriptor)
        finally:
            if self._within.pop(me, None) is not None:  # else this is a child that was forked within, and has closed it
                os.close(descriptor)

    def leave(self) -> None:
        """Take back all that ``enter`` said."""
        _leave(self._mine)

    def after_fork(self) -> None:
        """Let go of the parent's locks, which stay locked for it, and would for the child after its death."""
        for descriptor in (*self._mine.values(), *self._within.values()):
            os.close(descriptor)
        self._mine.clear()
        self._bequeathed.clear()  # and not closed: the child is an heir
        self._within.clear()

    def _path(self, number: int) -> str:
        return os.path.join(self._directory, f"{self.registry}-{number}")


def _locked_now(descriptor: int) -> bool:
    """Lock what is open, if nobody else has; say whether it is."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


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
