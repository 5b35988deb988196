"""The private folder that units are moved to before they are removed."""

import errno
import os
from collections.abc import Callable
from typing import NamedTuple

from temp_file_manager.causes import Cause
from temp_file_manager.records import Kind, Nature, Status
from temp_file_manager.storage.below import make_accessible
from temp_file_manager.storage.contract import NotThatFile
from temp_file_manager.storage.identity import parent_of
from temp_file_manager.storage.kernel import renames
from temp_file_manager.storage.kernel.statx import looker
from temp_file_manager.storage.successors import Succession, successor
from temp_file_manager.storage.unit_place import Unit, keeps_out
from temp_file_manager.storage.unit_question import Terms
from temp_file_manager.storage.wrappers.set_aside import opened
from temp_file_manager.text import printable


class Removing(NamedTuple):
    """What the removal of units works with.

    Attributes:
        folder: Where units are moved to; made, for this user alone, when first needed.
        terms: On which they go.
        succession: What keeps on record where they are then.
        elapsed: What tells the time; seconds on a clock that nobody sets.
        destroys: Whether content is to be destroyed, which is not done to what is in units: their outcomes say so.
    """

    folder: str
    terms: Terms
    succession: Succession
    elapsed: Callable[[], float]
    destroys: bool = False


class Folder:
    """The folder that units are moved to, opened when first needed; and where they are, until they are removed."""

    def __init__(self, removing: Removing) -> None:
        self._removing = removing
        self._look = looker()
        self._here: int | None = None
        self._done: list[str] = []

    def close(self) -> None:
        """Forget the successors of what is not there, and close the folder."""
        if self._done:
            self._removing.succession.withdraw(self._done)
        if self._here is not None:
            os.close(self._here)

    @property
    def real(self) -> str:
        """Its path with links resolved."""
        return os.path.realpath(self._removing.folder)

    def path(self, name: bytes) -> str:
        """Return the path of what has a name in it."""
        return os.path.join(self._removing.folder, os.fsdecode(name))

    def take(self, unit: Unit) -> bytes:
        """Move a unit here, and return its name.

        Raises:
            NotThatFile: it cannot be moved here, or it was another at that moment.
            OSError: it cannot be moved.
            RegistryFullError: it cannot be put on record where it will be.
        """
        here = self._opened()
        # With the number of the directory: two registries of one base directory use the same generations.
        name = f"{unit.record.generation}-{unit.seen.inode & (1 << 64) - 1}".encode()
        parent = parent_of(self._look, os.fsencode(self._removing.folder))
        nature = Nature(kind=Kind.GOING, origin=unit.record.path)
        due_at = self._removing.terms.asof()
        if not unit.seen.born:  # a rename moves the one time that is left to tell it by
            raise NotThatFile(Status.KEPT, Cause.IDENTITY_UNKNOWN)
        row = successor(unit.record, self.path(name), unit.seen, parent, nature, due_at)
        self._removing.succession.succeed((row,))
        self._done.append(self.path(name))
        if keeps_out(unit.above, unit.name, os.W_OK):  # a move writes to what is moved: where its ``..`` leads
            make_accessible(unit.above, os.fsdecode(unit.name))
        try:
            renames.move(unit.name, unit.above, name, here)
        except OSError as error:
            if error.errno == errno.EXDEV:
                detail = f"it lies on another file system or mount than {printable(self._removing.folder)}"
                raise NotThatFile(Status.KEPT, Cause.OTHER_FILE_SYSTEM, detail) from error
            raise
        if self._look(here, name).inode != unit.seen.inode:
            self.put_back(name, unit, "another directory was put in its place")
            raise NotThatFile(Status.KEPT, Cause.CHANGING)
        return name

    def put_back(self, name: bytes, unit: Unit, why: str) -> None:
        """Move something back to the place of a unit.

        Raises:
            NotThatFile: it cannot be; it says where it is.
        """
        assert self._here is not None  # noqa: S101 - something has been moved here
        try:
            renames.move(name, self._here, unit.name, unit.above)
        except OSError as error:
            self._done.remove(self.path(name))
            detail = f"{why}; it cannot be put back ({error.strerror}), and is {printable(self.path(name))}"
            raise NotThatFile(Status.REPLACED, Cause.REPLACED, detail) from error

    def drop(self, name: bytes) -> None:
        """Remove an empty directory; what is not empty stays on record."""
        assert self._here is not None  # noqa: S101 - see put_back
        os.rmdir(name, dir_fd=self._here)

    def leave(self, name: bytes) -> None:
        """Leave what is here to its own record."""
        self._done.remove(self.path(name))

    def _opened(self) -> int:
        if self._here is None:
            os.makedirs(self._removing.folder, 0o700, exist_ok=True)
            self._here = opened(self._removing.folder)
        return self._here

    def elapsed(self) -> float:
        """Return the time on the clock that nobody sets."""
        return self._removing.elapsed()
