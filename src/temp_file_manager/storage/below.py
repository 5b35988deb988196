"""A walk through all that is in a directory, however deep that goes, by one open directory at a time.

``tree`` walks where anything may lie, and holds a descriptor for each level. This walks where all is to be seen, or
nothing is believed: what changes on the way, and what cannot be read, ends the walk.
"""

import errno
import os
import stat
from collections.abc import Callable, Iterator
from typing import NamedTuple

from temp_file_manager.causes import Cause
from temp_file_manager.records import Status
from temp_file_manager.storage.contract import NotThatFile
from temp_file_manager.storage.kernel.statx import Listed, listed_looker
from temp_file_manager.storage.tree import is_locked
from temp_file_manager.text import printable

WITHIN = (
    os.O_RDONLY
    | getattr(os, "O_DIRECTORY", 0)
    | getattr(os, "O_NOFOLLOW", 0)
    | getattr(os, "O_CLOEXEC", 0)
    | getattr(os, "O_NONBLOCK", 0)
)
"""How to open a directory of the walk."""

_READ_AND_SEARCH = stat.S_IRUSR | stat.S_IXUSR
_VANISHED = frozenset({errno.ENOENT, errno.ENOTDIR, errno.ELOOP})
"""What opening a directory fails with that has been removed, or exchanged for a file or a link."""


class Totals(NamedTuple):
    """What a whole walk has found.

    Attributes:
        newest: The latest change of anything, of the directory itself, too; nanoseconds since the epoch.
        where: Where that is, relative to the directory; empty for itself.
        disk: What all of it takes on the disk, in bytes; each file's part by the number of its names.
        entries: How much is in it.
    """

    newest: int
    where: str
    disk: int
    entries: int


Visit = Callable[[int, str, Listed], None]
"""Told of each thing: the open directory that it is in, its name, and what it is. It may raise ``NotThatFile``."""


class Level:
    """A directory on the way down.

    Attributes:
        name: Its name.
        place: Which it is.
        below: Those in it that are still to be walked through, and whether they keep this user out.
    """

    __slots__ = ("below", "name", "place")

    def __init__(self, name: str, place: tuple[int, int]) -> None:
        self.name = name
        self.place = place
        self.below: list[tuple[str, bool]] = []


class Below:
    """A walk. For one thread, and one round.

    Args:
        root: The directory, open.
        visit: Told of all that is in it.
        sign: Called now and then, to say that it gets on.
        heed_locks: Whether a directory that somebody has locked ends it.

    Attributes:
        lend: Whether directories of this user that it may not read become readable to it. (A mode that is changed for
            a walk alone is changed all the same, and for good if that is killed.) Otherwise they are passed by.
        newest: As in ``Totals``, of what it has come to.
    """

    def __init__(
        self, root: int, visit: Visit, *, sign: Callable[[], object] = int, heed_locks: bool = True, lend: bool = False
    ) -> None:
        self.lend = lend
        self.newest = 0
        self._root = root
        self._visit = visit
        self._sign = sign
        self._heed_locks = heed_locks
        self._look = listed_looker()
        self._way: list[Level] = []
        self._user = os.geteuid()

    def where(self, name: str = "") -> str:
        """Return where something in the directory is that the walk has come to, relative to where it began."""
        return "/".join([*(level.name for level in self._way[1:]), *([name] if name else [])])

    def totals(self, asof: float, top: Listed | None = None) -> Totals:
        """Walk through all, and return what there is.

        Args:
            asof: Now, seconds since the epoch; what carries a later time has that of its last change alone.
            top: The directory itself, if somebody has looked at it before it was opened.

        Raises:
            NotThatFile: something changes meanwhile, is locked or mounted, or cannot be read; or what ``visit`` says.
            OSError: something cannot be looked at.
        """
        facts, now, look, visit = top or self._look(self._root, b"."), int(asof * 1e9), self._look, self._visit
        where, disk, entries = "", facts.disk, 0
        self.newest = max(facts.changed, _by(facts.written, now))
        for here, level in self.directories():
            self._sign()
            with os.scandir(here) as listing:
                for found in listing:
                    name = found.name
                    try:
                        facts = look(here, os.fsencode(name))
                    except FileNotFoundError:
                        raise changing(self.where(name)) from None
                    entries += 1
                    disk += facts.disk
                    latest = max(facts.changed, _by(facts.written, now))
                    if latest > self.newest:
                        self.newest, where = latest, self.where(name)
                    visit(here, name, facts)
                    if stat.S_ISDIR(facts.mode):
                        level.below.append((name, self._is_closed(facts)))
        return Totals(self.newest, where, disk, entries)

    def _is_closed(self, facts: Listed) -> bool:
        """Say whether a directory of this user's keeps it out."""
        closed = facts.mode & _READ_AND_SEARCH != _READ_AND_SEARCH
        return closed and facts.owner == self._user and self._user != 0

    def directories(self) -> Iterator[tuple[int, Level]]:
        """Yield each directory, open, when it is its turn; those in it come after it that are added to its level."""
        here = os.open(".", WITHIN, dir_fd=self._root)
        try:
            self._way = [Level("", place(here))]
            yield here, self._way[-1]
            while self._way:
                level = self._way[-1]
                if level.below:
                    name, closed = level.below.pop()
                    inner = self._opened(here, name, closed=closed)
                    if inner is not None:
                        os.close(here)
                        here = inner
                        self._way.append(Level(name, place(here)))
                        yield here, self._way[-1]
                    continue
                self._way.pop()
                if self._way:
                    here = up(here, self._way[-1].place)
        finally:
            os.close(here)

    def _opened(self, above: int, name: str, *, closed: bool) -> int | None:
        """Open a directory; None if it is to be passed by."""
        if closed:
            if not self.lend:
                return None
            make_accessible(above, name)
        try:
            inner = os.open(name, WITHIN, dir_fd=above)
        except PermissionError as error:
            detail = f"{printable(self.where(name))} in it cannot be read"
            raise NotThatFile(Status.KEPT, Cause.USE_UNKNOWN, detail) from error
        except OSError as error:
            if error.errno in _VANISHED:
                raise changing(self.where(name)) from error
            raise
        if self._heed_locks and is_locked(inner):
            os.close(inner)
            raise NotThatFile(Status.KEPT, Cause.IN_USE, f"{printable(self.where(name))} in it is locked by somebody")
        return inner


def place(directory: int) -> tuple[int, int]:
    """Return which directory is open."""
    found = os.fstat(directory)
    return found.st_dev, found.st_ino


def up(here: int, above: tuple[int, int]) -> int:
    """Open the directory above an open one, and close that.

    Raises:
        NotThatFile: it is another than it was; nothing is closed.
    """
    there = os.open("..", WITHIN, dir_fd=here)
    if place(there) != above:
        os.close(there)
        raise changing("a directory")
    os.close(here)
    return there


def make_accessible(above: int, name: str) -> None:
    """Give this user all rights on its own directory, by way of a descriptor that only points at it.

    Where that cannot be done nothing is: to open it, or to remove from it, says why.
    """
    if not hasattr(os, "O_PATH"):
        return
    try:
        pointer = os.open(name, os.O_PATH | WITHIN & ~os.O_NONBLOCK, dir_fd=above)
    except OSError:
        return
    try:
        found = os.fstat(pointer)
        if found.st_uid == os.geteuid() and stat.S_ISDIR(found.st_mode):
            os.chmod(f"/proc/self/fd/{pointer}", stat.S_IMODE(found.st_mode) | stat.S_IRWXU)
    except OSError:
        return
    finally:
        os.close(pointer)


def changing(where: str) -> NotThatFile:
    """Return the answer that something in a directory has changed while it was walked through."""
    return NotThatFile(Status.KEPT, Cause.CHANGING, f"{printable(where)} in it changed while it was looked at")


def _by(written: int, now: int) -> int:
    # Anybody can give a file a date to come. When that was done its last change tells.
    return written if written <= now else 0
