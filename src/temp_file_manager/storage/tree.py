"""A walk through a directory and all below it, whatever others do to the tree meanwhile.

As ``fts`` and GNU ``find`` do it: every directory is opened relative to the one above it, links not followed, so that
one that is swapped for a link leads nowhere. Entries come as they are read: a million files cost what one does.
"""

import errno
import os
import stat
from collections.abc import Callable, Iterator
from enum import StrEnum
from types import TracebackType
from typing import NamedTuple, Self

from temp_file_manager.errors import BaseDirectoryError
from temp_file_manager.records import Identity
from temp_file_manager.storage.kernel.statx import Listed, listed_looker
from temp_file_manager.storage.kernel.volumes import volume
from temp_file_manager.storage.own_files import OWN_DIRECTORY

DEEPEST = 200
"""Directories within directories; each is an open descriptor, of which a process often has 1024."""

LONGEST = 4095
"""Bytes of a path that the kernel takes; a walk from directory to directory finds files that no path leads to."""

_UP = os.O_RDONLY | getattr(os, "O_DIRECTORY", 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NONBLOCK", 0)
_WITHIN = _UP | getattr(os, "O_NOFOLLOW", 0)


class Skip(StrEnum):
    """Why something in the tree is passed by."""

    EXCLUDED = "excluded"
    OURS = "one of this package's own files"
    LINK = "a link"
    SPECIAL = "no regular file"
    LINKS = "has other names (hard links)"
    OWNER = "another user's"
    MOUNT = "on another mount"
    KNOWN = "already on record"
    RECENT = "touched a moment ago"
    UNREADABLE = "cannot be read"
    VANISHED = "vanished or changed meanwhile"
    LOCKED = "locked by somebody (flock)"
    DEEP = f"more than {DEEPEST} directories deep"
    LONG = "its path is longer than the system takes"


def _nobody(path: str, directory: int) -> None:
    """Tell nobody."""


class Part(NamedTuple):
    """A part of a tree.

    Attributes:
        path: Where a walk begins, relative; empty for the tree itself.
        whole: Also all that is below.
        enter: Told of each directory that is about to be listed: its relative path, and its descriptor.
    """

    path: str = ""
    whole: bool = True
    enter: Callable[[str, int], None] = _nobody


WHOLE = Part()


_UNWALKED = {OWN_DIRECTORY: Skip.OURS, "": Skip.VANISHED, ".": Skip.VANISHED, "..": Skip.VANISHED}
"""Names of directories that are not gone into; all but the first are none, and lead elsewhere."""


class Entry(NamedTuple):
    """What is in a directory and is no directory itself.

    Attributes:
        path: Relative to the tree.
        mode: As ``os.stat`` tells it, links not followed.
        links: How many names it has.
        owner: Its user's number.
        mount: Equal for what lies on the same mount; where no kernel tells, on the same device.
        size: Bytes.
        latest: The latest of its birth, its last writing and its last change, nanoseconds since the epoch.
        identity: Which file it is.
        disk: What it takes on the disk in bytes, divided by the number of its names.
        written: Its last writing, nanoseconds since the epoch.
    """

    path: str
    mode: int
    links: int
    owner: int
    mount: int
    size: int
    latest: int
    identity: Identity
    disk: int = 0
    written: int = 0


class Tree:
    """A directory held open, and what is below it. For one thread; closed on leaving the ``with`` block.

    Args:
        path: The directory. It may be, or lie below, a link; nothing in it is followed.
        spared: Says why a relative path is not to be looked at, nor anything below it; None if it is.
        skip: Told of each thing that is not yielded, by its relative path, with the reason.

    Attributes:
        mount: What it lies on; see ``Entry``.
        place: Its inode and its birth, 0 if unknown: which directory it is.

    Raises:
        BaseDirectoryError: it is no directory, or cannot be read.
    """

    def __init__(self, path: str, spared: Callable[[str], Skip | None], skip: Callable[[str, Skip], None]) -> None:
        try:
            self._root = os.open(path, _UP)
        except OSError as error:
            raise BaseDirectoryError(error.errno, f"{error.strerror}: give a directory that is there", path) from error
        except ValueError as error:
            raise BaseDirectoryError(0, "the path holds a NUL character", path) from error
        self._path = path
        self._spared = spared
        self._skip = skip
        self._look = listed_looker()
        try:
            here = self._look(self._root, b".")
            self._volume = volume(self._look, self._root)
        except BaseException:
            self.close()
            raise
        self.mount = here.mount
        self.place = here.inode, here.born

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the directory."""
        os.close(self._root)

    def entries(self, part: Part = WHOLE) -> Iterator[Entry]:
        """Yield what is no directory, at whatever depth, as it is read; the order is the file system's.

        Args:
            part: Where; what leads there is judged as on a walk from the top.
        """
        root = os.open(".", _WITHIN, dir_fd=self._root)  # not a duplicate, which would share its place in the listing
        try:
            # Our own managers share a lock on their base directory, which is adopted from like any other.
            if is_locked(root, shared=os.path.isdir(f"{self._path}/{OWN_DIRECTORY}")):
                self._skip("", Skip.LOCKED)
                return
            names = part.path.split("/") if part.path else []
            yield from self._down(root, "", names, part)
        finally:
            os.close(root)

    def _down(self, directory: int, path: str, names: list[str], part: Part) -> Iterator[Entry]:
        """Go down to where a part begins, and yield what is in it."""
        if not names:
            yield from self._within(directory, path, path.count("/") + bool(path), part)
            return
        relative = f"{path}/{names[0]}" if path else names[0]
        reason = _UNWALKED.get(names[0]) or self._spared(relative)
        inner = reason or self._unlocked(directory, names[0], relative.count("/"))
        if isinstance(inner, Skip):
            self._skip(relative, inner)
            return
        try:
            yield from self._down(inner, relative, names[1:], part)
        finally:
            os.close(inner)

    def open(self, path: str) -> int:
        """Open the directory at a relative path; whoever asked closes it.

        Raises:
            OSError: a part of it is gone, a link, or on another mount.
        """
        here = os.dup(self._root)
        for name in path.split("/") if path else ():
            try:
                there = self._opened(here, name)
            finally:
                os.close(here)
            here = there
        return here

    def is_my_directory(self, above: int, name: str) -> bool:
        """Say whether an entry of an open directory is a directory of our user's on the tree's mount."""
        facts = self._look(above, os.fsencode(name))
        return stat.S_ISDIR(facts.mode) and facts.owner == os.geteuid() and facts.mount == self.mount

    def _opened(self, above: int, name: str) -> int:
        directory = os.open(name, _WITHIN, dir_fd=above)
        try:
            here = self._look(directory, b".").mount == self.mount
        except BaseException:
            os.close(directory)
            raise
        if here:
            return directory
        os.close(directory)
        raise _MountedOverError(errno.EXDEV, os.strerror(errno.EXDEV), name)

    def _within(self, directory: int, path: str, depth: int, part: Part) -> Iterator[Entry]:
        part.enter(path, directory)
        below: list[str] = []
        try:
            yield from self._listed(directory, path, below)
        except OSError:
            self._skip(path, Skip.UNREADABLE)
        # Opened one after the other, when the listing is over: two descriptors a level would halve the depth.
        for name in below if part.whole else ():
            relative = f"{path}/{name}" if path else name
            inner = self._unlocked(directory, name, depth)
            if isinstance(inner, Skip):
                self._skip(relative, inner)
                continue
            try:
                yield from self._within(inner, relative, depth + 1, part)
            finally:
                os.close(inner)

    def _unlocked(self, above: int, name: str, depth: int) -> int | Skip:
        """Open a directory that nobody has locked, below one at that depth."""
        inner = self._entered(above, name) if depth < DEEPEST else Skip.DEEP
        if isinstance(inner, int) and is_locked(inner):
            os.close(inner)
            return Skip.LOCKED
        return inner

    def _entered(self, above: int, name: str) -> int | Skip:
        try:
            return self._opened(above, name)
        except _MountedOverError:
            return Skip.MOUNT
        except OSError as error:
            # ENOTDIR and ELOOP: a file or a link by now.
            vanished = error.errno in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP)
            return Skip.VANISHED if vanished else Skip.UNREADABLE

    def _listed(self, directory: int, path: str, below: list[str]) -> Iterator[Entry]:
        here = self._look(directory, b".")
        with os.scandir(directory) as listing:
            for found in listing:
                relative = f"{path}/{found.name}" if path else found.name
                reason = self._spared(relative)
                if reason is None:
                    entry = self._seen(directory, found.name, relative, here)
                    if isinstance(entry, Entry):
                        yield entry
                        continue
                    if entry is None:
                        below.append(found.name)
                        continue
                    reason = entry
                self._skip(relative, reason)

    def _seen(self, directory: int, name: str, relative: str, here: Listed) -> Entry | Skip | None:
        """Return what an entry is: None for a directory to be walked through."""
        try:
            facts = self._look(directory, os.fsencode(name))
        except OSError:
            return Skip.VANISHED
        if not stat.S_ISDIR(facts.mode):
            return entry_of(relative, facts, here, self._volume)
        if name == OWN_DIRECTORY:
            return Skip.OURS
        return None if facts.mount == self.mount else Skip.MOUNT


def is_locked(directory: int, *, shared: bool = False) -> bool:
    """Say whether somebody has locked an open directory, who thereby asks cleaners to leave it and all below alone.

    Otherwise it is locked, as systemd-tmpfiles does it, until it is closed: whoever comes to lock it waits for that.

    Args:
        directory: Its descriptor.
        shared: Mind only a lock that is to be one's alone.
    """
    try:
        from fcntl import LOCK_EX, LOCK_NB, LOCK_SH, flock  # noqa: PLC0415 - only Unix has it

        flock(directory, (LOCK_SH if shared else LOCK_EX) | LOCK_NB)
    except BlockingIOError:
        return True
    except (ImportError, OSError):  # a file system without such locks
        return False
    return False


class _MountedOverError(OSError):
    """Something was mounted there."""


def entry_of(path: str, facts: Listed, parent: Listed, volume: int) -> Entry:
    """Return the entry at a relative path, as it and its directory were found."""
    mode, links, owner, mount, inode, size, born, changed, written, disk = facts
    # Old by one of the three is not old: a copy keeps when it was written, a file moved in when it was born.
    latest = max(written, changed, born or written)
    identity = _new(Identity, (inode, born, changed, parent.inode, parent.born, volume))
    return _new(Entry, (path, mode, links, owner, mount, size, latest, identity, disk, written))


_new = tuple.__new__
