"""The file that a SQLite registry was opened at, to notice when that is taken away."""

import os

from temp_file_manager.errors import RegistryGoneError
from temp_file_manager.text import printable


class OpenedFile:
    """The file that was opened first, for as long as it is in use.

    SQLite goes on writing to a file that was removed, or that a copy has taken the place of: nobody else would ever
    find what was acknowledged then.

    Args:
        path: Where it is; absolute.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self._number: tuple[int, int] | None = None

    def remember(self) -> None:
        """Take what is there now for it, unless one is known."""
        if self._number is None:
            self._number = _number(self._path)

    def forget(self) -> None:
        """Take whatever is opened next for it."""
        self._number = None

    def trouble(self) -> str:
        """Return why it must not be used any more, if the path leads to it no longer; else nothing."""
        if self._number is None:
            return ""
        try:
            if _number(self._path) == self._number:
                return ""
            what = "is another file by now"
        except (FileNotFoundError, NotADirectoryError):
            what = "is not there any more"
        path = printable(self._path)
        return f"{path} {what}: put it back, or start this process again and adopt what it had on record"

    def refuse_another(self) -> None:
        """Return if the path still leads to it.

        Raises:
            RegistryGoneError: it does not.
        """
        try:
            found = os.stat(self._path)
            if self._number == (found.st_dev, found.st_ino):
                return
        except OSError:
            pass  # ``trouble`` knows which
        trouble = self.trouble()
        if trouble:
            raise RegistryGoneError(trouble)


def _number(path: str) -> tuple[int, int]:
    found = os.stat(path)
    return found.st_dev, found.st_ino
