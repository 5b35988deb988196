"""Removal by way of a private folder: a file is moved there, compared there, and only then removed."""

import errno
import os
from collections.abc import Iterable, Sequence
from types import TracebackType
from typing import Self

from temp_file_manager.causes import Cause
from temp_file_manager.chunks import Place
from temp_file_manager.records import Identity, Status
from temp_file_manager.storage.ancestors import look_open
from temp_file_manager.storage.base_rules import refuse_foreign
from temp_file_manager.storage.contract import NotThatFile
from temp_file_manager.storage.identity import same_file
from temp_file_manager.storage.kernel import renames
from temp_file_manager.storage.kernel.statx import Listed, Look, listed_looker, looker
from temp_file_manager.storage.paths import nearest_existing

ASIDE = "aside"
"""The folder's name, in the package's own directory."""

ORIGINS = "origins"
"""The name, in a batch's directory, of the file that says where everything in it comes from."""

NEEDED_BY = "a paranoid removal"

OPEN = os.O_RDONLY | getattr(os, "O_DIRECTORY", 0) | getattr(os, "O_NOFOLLOW", 0) | os.O_CLOEXEC
FULL = frozenset({errno.ENOSPC, errno.EDQUOT})


class Aside:
    """A directory of one batch's own, in a folder in which nobody else can rename anything. For one thread.

    Between the comparison of an entry and its removal whoever may rename in its directory can put another file in its
    place. So it is moved here by its name, whatever it is by then, and compared here. What is not the registered file
    is moved back. Costs two system calls more a file, and works on the folder's own mount alone.

    Killed in between, a sweep leaves the file here. Where it comes from has been written down before, so that whoever
    sweeps next, in whatever way, puts it back (``put_back``). The directory is locked for as long as its batch lasts,
    and no other batch has it: two registries of one base directory use the same numbers.

    Args:
        folder: Made, for this user alone, when first needed.
        column: What the batch is to remove; a path alone is never moved.
    """

    def __init__(self, folder: str, column: Sequence[Place | str]) -> None:
        self._folder = folder
        self._column = column
        self._above: int | None = None
        self._here: int | None = None
        self._batch = ""
        self._prefix = ""
        self._look: Look = looker()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._above is None:
            return
        if self._here is not None and self._here != self._above:
            remove_if_empty(self._batch, self._here, self._above)
            os.close(self._here)
        os.close(self._above)

    def remove(self, at: int, identity: Identity, directory: int, name: bytes) -> None:
        """Remove an entry if it is the file that was registered.

        Args:
            at: Its position in the batch.
            identity: That file.
            directory: An open directory.
            name: The entry in it.

        Raises:
            NotThatFile: it was another; that one is back in its place, or the reason says where it is.
            OSError: it cannot be moved.
        """
        here = self._opened()
        number = f"{self._prefix}{at}".encode()
        try:
            os.rename(name, number, src_dir_fd=directory, dst_dir_fd=here)  # nobody else has a name there
        except OSError as error:
            if error.errno == errno.EXDEV:
                raise out_of_reach(self._folder, NEEDED_BY) from error
            raise
        same = same_file(identity, self._look(here, number))
        if same:
            os.unlink(number, dir_fd=here)
            return
        give_back(name, directory, number, here, os.path.join(self._folder, self._batch))
        raise not_moved(same)

    def _opened(self) -> int:
        if self._above is None:
            os.makedirs(self._folder, 0o700, exist_ok=True)
            self._above = opened(self._folder)
        while self._here is None:
            self._here = self._begun(self._above)
        return self._here

    def _begun(self, above: int) -> int | None:
        batch = os.urandom(8).hex()
        try:
            here = _made(batch, above, self._column)
            self._batch = batch
        except FileNotFoundError:
            return None  # empty and not locked yet, it was tidied away
        except OSError as error:
            if error.errno not in FULL:
                raise
            # A disk that is full is what sweeps are for. Killed now, a sweep leaves a file of which nothing tells
            # where it was: ``check`` shows it.
            self._prefix = f"{batch}-"
            return above
        return here


def give_back(name: bytes, directory: int, number: bytes, here: int, folder: str) -> None:
    """Move an entry back that was moved to a folder, open as ``here``, and is not the registered file.

    Raises:
        NotThatFile: it cannot be, as something has taken its place; the detail says where it is.
    """
    try:
        renames.move(number, here, name, directory)
    except OSError as error:
        kept = os.path.join(folder, os.fsdecode(number))
        detail = f"another file was in its place, cannot be put back there ({error.strerror}), and is {kept}"
        raise NotThatFile(Status.REPLACED, Cause.REPLACED, detail) from error


def not_moved(same: bool | None) -> NotThatFile:
    """Return why what was moved is back in its place; ``same`` is what ``same_file`` has said of it."""
    if same is None:
        return NotThatFile(Status.KEPT, Cause.IDENTITY_UNKNOWN)
    detail = "another file was put in its place at that moment, and is back there"
    return NotThatFile(Status.REPLACED, Cause.REPLACED, detail)


def opened(folder: str) -> int:
    """Return the folder open, if it and the package's own directory, in which it lies, are nobody else's.

    In a base directory that is sticky, or that nobody has judged, as with records in memory, anybody can have made
    them, and could have us move files of theirs anywhere. What is open is judged: it cannot be exchanged.

    Raises:
        BaseDirectoryError: it is another's, or open to others.
        OSError: it is not there, or cannot be opened.
    """
    own, name = os.path.split(folder)
    above = os.open(own, OPEN)
    try:
        refuse_foreign(look_open(above), own)
        return opened_in(above, name, folder)
    finally:
        os.close(above)


def opened_in(above: int, name: str, path: str) -> int:
    """Return a directory in an open one open, if it is nobody else's; see ``opened``."""
    here = os.open(name, OPEN, dir_fd=above)
    try:
        refuse_foreign(look_open(here), path)
    except BaseException:
        os.close(here)
        raise
    return here


def foretell(folder: str, directory: int, needed_by: str = NEEDED_BY) -> None:
    """Return if the entries of a directory can be moved to a folder, as far as looking can tell. Makes none.

    Args:
        folder: Where it will be, if it is not there yet.
        directory: An open one.
        needed_by: What it is for, in words.

    Raises:
        NotThatFile: they lie on another mount.
        OSError: it cannot be told.
    """
    there = os.open(nearest_existing(folder), OPEN & ~getattr(os, "O_NOFOLLOW", 0))
    try:
        look = listed_looker()
        if _mount(look(there, b"."), there) != _mount(look(directory, b"."), directory):
            raise out_of_reach(folder, needed_by)
    finally:
        os.close(there)


def _mount(found: Listed, descriptor: int) -> tuple[int, int]:
    # Of one mount a part can be a file system of its own (btrfs), and of one file system there can be two mounts.
    return found.mount, os.fstat(descriptor).st_dev


def out_of_reach(folder: str, needed_by: str) -> NotThatFile:
    """Return why a file is left where it is that cannot be moved to a folder by a rename."""
    detail = f"it lies on another file system or mount than {folder}, which {needed_by} needs"
    return NotThatFile(Status.KEPT, Cause.OTHER_FILE_SYSTEM, detail)


def _made(batch: str, above: int, column: Iterable[Place | str]) -> int:
    """Make a batch's directory, lock it and write down what is to come there; return it open.

    Raises:
        OSError: it cannot be made; FileNotFoundError if somebody has removed it meanwhile.
    """
    from fcntl import LOCK_EX, flock  # noqa: PLC0415 - only Unix has it

    os.mkdir(batch, 0o700, dir_fd=above)
    here = os.open(batch, OPEN, dir_fd=above)
    try:
        flock(here, LOCK_EX)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        with open(os.open(ORIGINS, flags, 0o600, dir_fd=here), "w", encoding="utf-8") as file:
            file.write(origins_of(column))
    except BaseException:
        remove_if_empty(batch, here, above)
        os.close(here)
        raise
    return here


def origins_of(column: Iterable[Place | str]) -> str:
    """Return what is written down of each: its path, and which directory it lies in."""
    from json import dumps  # noqa: PLC0415 - slow to import, and few are paranoid

    return dumps([
        None if isinstance(where, str) or where[2] is None else
        [os.fsdecode(where[0] + b"/" + where[1]), where[2].parent_inode, where[2].parent_born]
        for where in column
    ])  # fmt: skip


def remove_if_empty(batch: str, here: int, above: int) -> None:
    """Remove a batch's directory, open as ``here``, from the folder open as ``above``, if nothing is left in it."""
    try:
        left = os.listdir(here)
        if set(left) - {ORIGINS}:
            return
        if left:
            os.unlink(ORIGINS, dir_fd=here)
        os.rmdir(batch, dir_fd=above)
    except OSError:  # a disk or a mount that fails: whoever comes next tries again
        return
