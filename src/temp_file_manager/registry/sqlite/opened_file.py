"""The files that a SQLite registry was opened at, to notice when one is taken away, replaced or cut short."""

import os
from dataclasses import dataclass

from temp_file_manager.errors import RegistryGoneError
from temp_file_manager.registry.sqlite import log_index
from temp_file_manager.storage.own_files import restore_length
from temp_file_manager.text import printable

_LOG, _INDEX = "-wal", "-shm"


@dataclass(slots=True)
class _Known:
    """A file as it was last found.

    Attributes:
        path: Where it is.
        number: Which it is.
        size: So many bytes it had.
        cut: Whether it was found shorter than it may be.
    """

    path: str
    number: tuple[int, int]
    size: int = 0
    cut: bool = False

    def trouble(self) -> str:
        """Return what has become of it; nothing if it is as it should be."""
        size = self.size  # before the look: another thread may look at this moment, and find more
        try:
            found = os.stat(self.path)
            if (found.st_dev, found.st_ino) != self.number:
                return "is another file by now"
            if found.st_size < size and not self.cut:
                self.cut = self._is_cut(size)
        except (FileNotFoundError, NotADirectoryError):
            return "is not there any more"
        except OSError as error:
            return f"cannot be looked at ({error.strerror})"
        if self.cut:
            return "was cut short"
        self.size = found.st_size
        return ""

    def _is_cut(self, _: int) -> bool:
        """Say whether it is damaged, as it is shorter than it was. How long a registry must be is in it, for SQLite."""
        return False


@dataclass(slots=True)
class _Index(_Known):
    """The index of a log, which SQLite never cuts while it has it mapped."""

    def _is_cut(self, size: int) -> bool:
        # Closing it would end the process if it did not get its length back. SQLite reads the log again to fill it.
        restore_length(self.path, size)
        return True


@dataclass(slots=True)
class _Log(_Known):
    """A log, which whoever uses the registry may cut once all of it is in the file (``PRAGMA wal_checkpoint``)."""

    index: tuple[int, int] = (0, 0)

    def _is_cut(self, _: int) -> bool:
        return not log_index.allows(self.index, lambda: os.stat(self.path).st_size)


class OpenedFile:
    """The file that was opened first, and SQLite's own beside it, for as long as they are in use.

    SQLite goes on writing to a file that was removed, or that a copy has taken the place of: nobody else would ever
    find what was acknowledged then. So, too, with its log and the index of that. (No file is opened to look at it: to
    close one takes away every lock that SQLite has on it in this process.)

    Args:
        path: Where it is, as it was given; absolute.
        real: Where it is, links resolved: SQLite's own are beside that.
    """

    def __init__(self, path: str, real: str) -> None:
        self._path = path
        self._real = real
        self._file: tuple[_Known, ...] = ()
        self._known: tuple[_Known, ...] = ()
        self._to_acknowledge: tuple[_Known, ...] = ()

    def remember(self) -> None:
        """Take what is there now for it, unless one is known, and SQLite's own for those that belong to it."""
        self._file = self._file or (_Known(self._path, _number(self._path)),)
        log, index = self._real + _LOG, self._real + _INDEX
        if os.path.exists(log) and os.path.exists(index):
            which = _number(index)
            self._know((*self._file, _Log(log, _number(log), index=which), _Index(index, which)))
        else:
            self._know(self._file)

    def _know(self, known: tuple[_Known, ...]) -> None:
        self._known = known
        self._to_acknowledge = tuple(one for one in known if not isinstance(one, _Index))

    def forget_beside(self) -> None:
        """Take whatever is opened next for SQLite's own: with the last connection those go."""
        self._know(self._file)

    def forget(self) -> None:
        """Take whatever is opened next for it."""
        self._file = ()
        self._know(())

    def trouble(self) -> str:
        """Return why it must not be used any more, if the path leads to it no longer; else nothing."""
        return _trouble_of(self._known)

    def refuse_another(self) -> None:
        """Return if the path still leads to it, and what belongs to it is there.

        Raises:
            RegistryGoneError: it does not.
        """
        _refuse(self._known)

    def refuse_to_acknowledge(self) -> None:
        """Return if others find what was written: in the file, and in the log, whose index they can make anew."""
        _refuse(self._to_acknowledge)


def _number(path: str) -> tuple[int, int]:
    found = os.stat(path)
    return found.st_dev, found.st_ino


def _trouble_of(files: tuple[_Known, ...]) -> str:
    for known in files:
        what = known.trouble()
        if what:
            path = printable(known.path)
            return f"{path} {what}: put it back, or start this process again and adopt what it had on record"
    return ""


def _refuse(files: tuple[_Known, ...]) -> None:
    trouble = _trouble_of(files)
    if trouble:
        raise RegistryGoneError(trouble)
