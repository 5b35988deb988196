"""Removal by way of a private folder: a file is moved there, compared there, and only then removed."""

import errno
import os
import stat
from types import TracebackType
from typing import Self

from temp_file_manager.records import Cause, Status, TempFile
from temp_file_manager.storage.contract import NotThatFile
from temp_file_manager.storage.identity import same_file
from temp_file_manager.storage.kernel.statx import Look, looker
from temp_file_manager.storage.paths import nearest_existing

ASIDE = "aside"
"""The folder's name, in the package's own directory."""


class Aside:
    """A folder of our own, in which nobody else can rename anything.

    Between the comparison of an entry and its removal whoever may rename in its directory can put another file in its
    place. So it is moved here by its name, whatever it is by then, and compared here. What is not the registered file
    is linked back. Costs two system calls more, and works on the folder's own file system alone.

    Killed in between, a sweep leaves the file here, under its record's number: the next sweep of that record finds it.
    (What is here and no record's file is never removed; ``check`` shows it.) For one batch and one thread.

    Args:
        folder: Made, for this user alone, when first needed.
    """

    def __init__(self, folder: str) -> None:
        self._folder = folder
        self._descriptor: int | None = None
        self._look: Look = looker()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)

    def remove(self, record: TempFile, directory: int, name: bytes) -> None:
        """Remove an entry if it is the file that was registered.

        Raises:
            NotThatFile: it was another; that one is back in its place, or the reason says where it is.
            OSError: it cannot be moved.
        """
        here, number = self._opened(), str(record.generation).encode()
        try:
            os.rename(name, number, src_dir_fd=directory, dst_dir_fd=here)
        except OSError as error:
            if error.errno == errno.EXDEV:
                raise self._out_of_reach() from error
            raise
        self._finish(record, directory, name)

    def foretell(self, directory: int) -> None:
        """Return if the entries of a directory can be moved here, as far as looking can tell. Makes no folder.

        Raises:
            NotThatFile: they lie on another file system.
        """
        if os.fstat(directory).st_dev != os.stat(nearest_existing(self._folder)).st_dev:
            raise self._out_of_reach()

    def _out_of_reach(self) -> NotThatFile:
        detail = f"it lies on another file system than {self._folder}, which a paranoid removal needs"
        return NotThatFile(Status.KEPT, Cause.OTHER_FILE_SYSTEM, detail)

    def finishes(self, record: TempFile) -> bool:
        """Remove what a killed sweep has left here of a record; say whether there was its file."""
        if record.identity is None or not os.path.lexists(os.path.join(self._folder, str(record.generation))):
            return False
        here, number = self._opened(), str(record.generation).encode()
        same = same_file(record.identity, self._look(here, number)) is True
        if same:
            os.unlink(number, dir_fd=here)
        return same

    def _finish(self, record: TempFile, directory: int, name: bytes) -> None:
        here, number = self._opened(), str(record.generation).encode()
        assert record.identity is not None  # noqa: S101 - what is removed by its path alone never comes here
        seen = self._look(here, number)
        same = same_file(record.identity, seen)
        if same:
            os.unlink(number, dir_fd=here)
            return
        self._put_back(number, directory, name, is_directory=stat.S_ISDIR(seen.mode))
        if same is None:
            raise NotThatFile(Status.KEPT, Cause.IDENTITY_UNKNOWN)
        detail = "another file was put in its place at that moment, and is back there"
        raise NotThatFile(Status.REPLACED, Cause.REPLACED, detail)

    def _put_back(self, number: bytes, directory: int, name: bytes, *, is_directory: bool) -> None:
        here = self._opened()
        try:
            if is_directory:
                os.rename(number, name, src_dir_fd=here, dst_dir_fd=directory)
                return
            # Not renamed back: that would take the place of whatever has come there meanwhile.
            os.link(number, name, src_dir_fd=here, dst_dir_fd=directory, follow_symlinks=False)
        except OSError as error:
            kept = os.path.join(self._folder, number.decode())
            detail = f"another file was in its place, cannot be put back there ({error.strerror}), and is {kept}"
            raise NotThatFile(Status.REPLACED, Cause.REPLACED, detail) from error
        os.unlink(number, dir_fd=here)

    def _opened(self) -> int:
        if self._descriptor is None:
            os.makedirs(self._folder, 0o700, exist_ok=True)
            flags = os.O_RDONLY | getattr(os, "O_DIRECTORY", 0) | getattr(os, "O_NOFOLLOW", 0) | os.O_CLOEXEC
            self._descriptor = os.open(self._folder, flags)
        return self._descriptor
