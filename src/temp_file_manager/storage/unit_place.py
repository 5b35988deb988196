"""A unit in its place, held open."""

import os
import stat

from temp_file_manager.causes import Cause
from temp_file_manager.chunks import place_of
from temp_file_manager.records import Status, TempFile
from temp_file_manager.storage.below import WITHIN, make_accessible
from temp_file_manager.storage.compare import Directories
from temp_file_manager.storage.contract import NotThatFile
from temp_file_manager.storage.kernel.statx import Seen, listed_looker, looker


class Unit:
    """A unit in its place, held open.

    Args:
        record: Its record.
        directories: By way of which it is found.
        lend: As of ``opened_as``.

    Attributes:
        above: The directory that it is in, open.
        name: Its name there.
        seen: What it is.
        facts: The same with what else a walk asks; before it is opened, which may change its mode, and so its age.
        root: It, open.

    Raises:
        NotThatFile: it is not what was registered, or not all the time; or see ``opened_as``.
        OSError: it cannot be opened; FileNotFoundError when it is gone.
    """

    def __init__(self, record: TempFile, directories: Directories, *, lend: bool = True) -> None:
        place = place_of(record)
        self.record = record
        self.name = place[1]
        self.above, self.seen = directories.compared(place)
        self.facts = listed_looker()(self.above, self.name)
        if self.facts.inode != self.seen.inode:  # whose age it would be nobody knows
            raise NotThatFile(Status.KEPT, Cause.CHANGING)
        self.root = opened_as(self.above, self.name, self.seen, lend=lend)

    def __enter__(self) -> "Unit":
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self.root)


def opened_as(above: int, name: bytes, seen: Seen, *, lend: bool = True) -> int:
    """Open what was seen in an open directory.

    Args:
        above: That directory.
        name: Its name there.
        seen: What was seen.
        lend: Whether one of this user's that keeps it out becomes readable to it.

    Raises:
        NotThatFile: it is no directory, or another by now; or it keeps this user out, who may change that.
        OSError: it cannot be opened.
    """
    if not stat.S_ISDIR(seen.mode):
        raise NotThatFile(Status.FAILED, Cause.NOT_REGULAR, "it is no directory")
    if keeps_out(above, name, os.R_OK | os.X_OK):
        if not lend and seen.owner == os.geteuid():  # as directories in it that a look passes by
            raise NotThatFile(Status.REMOVED, Cause.NONE)
        make_accessible(above, os.fsdecode(name))
    root = os.open(name, WITHIN, dir_fd=above)
    if looker()(root, b"").inode == seen.inode:
        return root
    os.close(root)
    raise NotThatFile(Status.KEPT, Cause.CHANGING)


def keeps_out(above: int, name: bytes, wanted: int) -> bool:
    """Say whether a directory in an open one does not give this user some of the rights of ``os.access``."""
    return os.geteuid() != 0 and not os.access(name, wanted, dir_fd=above)
