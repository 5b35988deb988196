"""The base directory: made where missing, and for durable registries only where it is safe to remove files."""

import errno
import os
import weakref
from collections.abc import Callable
from typing import TypeVar

from temp_file_manager.errors import BaseDirectoryError, InvalidArgumentError
from temp_file_manager.storage.base_rules import refuse_unsafe
from temp_file_manager.storage.made_directories import locked
from temp_file_manager.storage.shared_volume import SharedVolume

T = TypeVar("T")


class BaseDirectory:
    """A base directory as one manager works in it. Threads may share it.

    A durable registry's is locked for as long as the manager is open, together with all other managers: cleaners that
    heed such locks (systemd-tmpfiles, this package's own ``adopt``) leave it, and what is in it, alone. Others do not
    (tmpreaper, ``find -delete``), so that it is made anew where it is missing.

    That of a shared volume is its root: it is made by nobody, as what is made where no volume is mounted is another.

    Args:
        path: Where.
        durable: Whether its registry outlives the process. In memory callers use whatever directory they like, as they
            do with the published class.
        volume: The shared volume of which it is the root.
    """

    def __init__(self, path: str, *, durable: bool, volume: SharedVolume | None = None) -> None:
        self.path = path
        self._volume = volume
        self._durable = durable
        self._held: list[int] = []
        # Also at the end of a manager that nobody closes.
        weakref.finalize(self, _let_go, self._held)

    def make(self) -> None:
        """Create it and its parents where missing, and hold it.

        Of a durable registry it is refused if it is not ours, and made for this user alone, whatever the umask; one
        that is there keeps its mode.

        Raises:
            BaseDirectoryError: it cannot be created, is no directory, or is refused.
        """
        if self._durable:
            refuse_unsafe(self.path)  # before anything is made below /etc
        if self._volume is not None and not os.path.isdir(self.path):
            message = (
                f"it is to be the root of {self._volume.scope}, and is not there: mount the volume, or make it there"
            )
            raise BaseDirectoryError(errno.ENOENT, message, self.path)
        _make(self.path, private=self._durable)
        if self._durable:
            refuse_unsafe(self.path)  # now that there is something to be judged
            self.close()
            self._hold()

    def within(self, act: Callable[[], T]) -> T:
        """Do something in it; if it turns out to be gone, make it and do it once more.

        Raises:
            BaseDirectoryError: as ``make``; or the volume is not mounted.
            OSError: what ``act`` raises while the directory is there.
        """
        if self._volume is not None and (absent := self._volume.why_absent()):
            raise BaseDirectoryError(errno.ENODEV, absent, self.path)
        if self._durable and not self._held:
            self._hold()  # somebody had it for their own before
        try:
            return act()
        except FileNotFoundError:
            if os.path.isdir(self.path):
                raise
            self.make()
            return act()

    def close(self) -> None:
        """Let go of it."""
        _let_go(self._held)

    def _hold(self) -> None:
        self._held += locked(self.path)


def _let_go(held: list[int]) -> None:
    while held:
        os.close(held.pop())


def _make(path: str, *, private: bool) -> None:
    try:
        if private:
            # Its parents, too, are for nobody else to change, whatever the umask.
            _make_parents(os.path.dirname(os.path.abspath(path)))
        os.makedirs(path, 0o700 if private else 0o777, exist_ok=True)
    except FileExistsError as error:
        raise BaseDirectoryError(error.errno, "the base directory is a file: choose another", path) from error
    except OSError as error:
        message = f"cannot create the base directory ({error.strerror}): choose another, or create it first"
        raise BaseDirectoryError(error.errno, message, path) from error
    except ValueError as error:
        raise InvalidArgumentError(f"base_dir {path!r} holds a NUL character") from error


def _make_parents(path: str) -> None:
    if not os.path.isdir(path):
        _make_parents(os.path.dirname(path))
        os.makedirs(path, 0o755, exist_ok=True)
