"""A survey of a directory: files that can be adopted, and why the others cannot.

A file is as old as the latest of its birth, its last writing and its last change: one that was copied in yesterday is
a day old, whatever date it carries. A date that is still to come says nothing: then it is as old as its adoption.
"""

import errno
import fnmatch
import math
import os
import re
import stat
from collections import Counter
from collections.abc import Callable, Generator, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from itertools import accumulate
from typing import NamedTuple

from temp_file_manager.arguments import seconds
from temp_file_manager.durations import Duration
from temp_file_manager.errors import BaseDirectoryError, InvalidArgumentError
from temp_file_manager.records import Identity, TempFile
from temp_file_manager.rules import is_too_old
from temp_file_manager.storage.base_rules import refuse_unsafe
from temp_file_manager.storage.identity import is_same_directory
from temp_file_manager.storage.own_files import OwnFiles, is_called
from temp_file_manager.storage.paths import AnyPath, absolute
from temp_file_manager.storage.system_files import SystemFiles
from temp_file_manager.storage.tree import LONGEST, WHOLE, Entry, Part, Skip, Tree

_AHEAD = 60.0
"""Seconds that the clock of a file system may be ahead of ours: what it dates so was touched just now."""

TAG = "adopted"
"""The one tag of a record that adoption made: if its file is touched, adopting again restarts its age."""


class By(StrEnum):
    """Times of a file that its age can count from."""

    CHANGE = "change"
    MTIME = "mtime"


class Passed(NamedTuple):
    """Something that is passed by: its path, and the reason."""

    path: str
    reason: str


Known = Callable[[Iterable[str]], Mapping[str, TempFile]]
"""Says which of these paths are on record, as ``on_record`` does."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to be adopted.

    Attributes:
        directory: Absolute, links not followed.
        exclude: Patterns as the shell has them; what matches by its name or its path in the directory stays, and
            so does all below it.
        ttl: Seconds after its last change at which a file is due; None: the ``max_age`` of whoever sweeps.
        spared: Absolute paths of files that this program itself works with, and what begins like them and a ``-``.
        place: The directory's inode and birth; another that takes its place is not meant. None: whatever is there.
        watch: Whether what comes to be there is adopted at once, where anything tells of it.
        units: Not files are meant, but each directory directly in it, as a whole.
        by: What a file's age counts from: the latest of its birth, last writing and last change, or its last writing
            alone.
    """

    directory: str
    exclude: tuple[str, ...] = ()
    ttl: float | None = None
    spared: tuple[str, ...] = ()
    place: tuple[int, int] | None = None
    watch: bool = False
    units: bool = False
    by: By = By.CHANGE

    def opened(self, spared: Callable[[str], Skip | None], skip: Callable[[str, Skip], None]) -> Tree:
        """Return the directory held open, as ``Tree`` takes the rest.

        Raises:
            BaseDirectoryError: it cannot be read, or is another one by now.
        """
        tree = Tree(self.directory, spared, skip)
        if self.place is None or is_same_directory(self.place, tree.place):
            return tree
        tree.close()
        advice = "another directory has taken its place: adopt from it anew if it is meant, too"
        raise BaseDirectoryError(errno.ESTALE, advice, self.directory)


class Chosen(NamedTuple):
    """A file that can be adopted: where, since when it is as it is, and how large.

    Attributes:
        again: It is on record, and has been touched since.
        disk: As in ``TempFile``.
        fresh: That was a moment ago: of its record the time alone is to be changed.
        otherwise: ``registered_at`` if its age counted from what ``By`` has besides; None: nobody asks.
    """

    path: str
    registered_at: float
    size: int
    identity: Identity
    again: bool
    disk: int
    fresh: bool = False
    otherwise: float | None = None

    def due(self, asof: float, max_age: float) -> bool:
        """Say whether a sweep at that moment would take it."""
        return is_too_old(self.registered_at, asof, max_age)


def wanted(
    directory: AnyPath,
    exclude: Iterable[str] = (),
    *,
    ttl: Duration | None = None,
    spared: Iterable[str] = (),
    watch: bool = False,
    by: By = By.CHANGE,
    base_dir: str = "",
    allow_system: bool = False,
) -> Wanted:
    """Return what is to be adopted, if it may be. Most arguments are as in ``Wanted``.

    Args:
        directory: Where.
        exclude: See ``Wanted``.
        ttl: Likewise.
        spared: Likewise.
        watch: Likewise.
        by: Likewise.
        base_dir: A base directory, in which nothing counts as a system file.
        allow_system: Also where system files are, as ``SystemFiles`` knows them. What can be no base directory is
            refused all the same.

    Raises:
        BaseDirectoryError: the directory is one that nobody should clean up, or is not there.
        InvalidArgumentError: a pattern can match nothing, or ``ttl`` means nothing.
    """
    if not directory:
        raise InvalidArgumentError("an empty path names no directory")
    path = absolute(directory)
    refuse_unsafe(path)
    if not os.path.isdir(path):
        raise BaseDirectoryError(errno.ENOENT, "there is no such directory", path)
    reason = "" if allow_system else SystemFiles(base_dir and absolute(base_dir)).why_not_all(path)
    if reason:
        raise BaseDirectoryError(errno.EPERM, f"not to be adopted from: {reason}", path)
    with Tree(path, lambda _: None, lambda _, __: None) as tree:
        place = tree.place
    patterns = tuple(map(_pattern, exclude))
    limit = None if ttl is None else seconds("ttl", ttl)
    return Wanted(path, patterns, limit, tuple(spared), place, watch, by=by)


def _pattern(glob: str) -> str:
    # Silently protecting nothing is the worst that an exception can do.
    if not glob or glob.startswith(("/", "./", "../")) or glob.endswith("/"):
        raise InvalidArgumentError(
            f"nothing can match {glob!r}: give a name, or a path relative to the directory, without a / at either end"
        )
    return glob


class Survey:
    """One walk through a directory, and the count of what it passes by.

    Args:
        what: Where, and what not.
        known: Says what is on record.
        now: Seconds since the epoch.
        renew: Choose also what was adopted before and touched since.
        recent: Seconds; what was touched later than so long ago is left for another time. What is on record is given
            its new age at once all the same, and what is watched is put on record.
        part: Which part of the directory.
        tell: Told of each thing that is passed by.
    """

    def __init__(
        self,
        what: Wanted,
        known: Known,
        now: float,
        *,
        renew: bool = True,
        recent: float = 0.0,
        part: Part = WHOLE,
        tell: Callable[[Passed], None] = lambda _: None,
    ) -> None:
        self.skipped: Counter[str] = Counter()
        self._what = what
        self._known = known
        self._part = part
        self._now = now
        self._renew = renew
        self._latest = (now - recent) * 1e9 if recent else math.inf
        self._to_come = (now + _AHEAD) * 1e9
        self._excluded = Exclusion(what.exclude)
        self._tell = tell
        self._by_writing = what.by is By.MTIME
        self._base = what.directory.rstrip("/")
        self._own = OwnFiles(what.spared)

    def batches(self, size: int) -> Generator[list[Chosen], None, None]:
        """Yield what can be adopted, at most ``size`` files at a time.

        Raises:
            BaseDirectoryError: the directory cannot be read.
        """
        uid = os.geteuid()
        with self._what.opened(self._spared, self._skip) as tree:
            batch = []
            for entry in tree.entries(self._part):
                reason = unfit(entry, tree.mount, uid) or self._unwanted(entry)
                if reason:
                    self._skip(entry.path, reason)
                    continue
                batch.append(entry)
                if len(batch) == size:
                    yield self._unknown(batch)
                    batch = []
            yield self._unknown(batch)

    def _spared(self, relative: str) -> Skip | None:
        if self._what.spared:
            path = f"{self._base}/{relative}"
            if any(path == one or path.startswith(f"{one}-") for one in self._what.spared):
                return Skip.OURS
        return Skip.EXCLUDED if self._excluded.takes(relative) else None

    def _unwanted(self, entry: Entry) -> Skip | None:
        """Say why an entry is not to be adopted by this survey; None if it may be."""
        directory, _, name = f"{self._base}/{entry.path}".rpartition("/")
        if len(os.fsencode(f"{directory}/{name}")) > LONGEST:
            return Skip.LONG
        own = self._own.names_in(directory, entry.identity.parent_inode, entry.identity.parent_born)
        return Skip.OURS if is_called(name, own) else None

    def _skip(self, relative: str, reason: Skip) -> None:
        words = self._excluded.words(relative) if reason is Skip.EXCLUDED else reason
        self.skipped[words] += 1
        self._tell(Passed(f"{self._base}/{relative}" if relative else self._what.directory, words))

    def _unknown(self, batch: list[Entry]) -> list[Chosen]:
        paths = [f"{self._base}/{entry.path}" for entry in batch]
        records, whole = self._known(paths), self._on_record_as_a_whole(batch)
        chosen = []
        for path, entry in zip(paths, batch, strict=True):
            in_one = entry.path.rpartition("/")[0] in whole
            found = Skip.KNOWN if in_one else self._chosen(path, entry, records.get(path))
            if isinstance(found, Chosen):
                chosen.append(found)
            else:
                self._skip(entry.path, found)
        return chosen

    def _on_record_as_a_whole(self, batch: list[Entry]) -> set[str]:
        """Return those of the directories of a batch that are units, or lie in one: what is in them goes with them."""
        directories = {directory for entry in batch if (directory := entry.path.rpartition("/")[0])}
        above = {one: list(accumulate(one.split("/"), "{}/{}".format)) for one in directories}
        known = self._known([f"{self._base}/{one}" for one in set().union(*above.values())]) if above else {}
        return {one for one, all_above in above.items() if any(f"{self._base}/{up}" in known for up in all_above)}

    def _chosen(self, path: str, entry: Entry, record: TempFile | None) -> Chosen | Skip:
        """Return a file as it is to be adopted; or why it is left as it is, with this record or none."""
        recent = self._latest < entry.latest <= self._to_come
        at, other = (entry.written, entry.latest) if self._by_writing else (entry.latest, entry.written)
        since, otherwise = registered_at(at, self._now), registered_at(other, self._now)
        if record is None:
            if recent and not self._what.watch:
                return Skip.RECENT
            return Chosen(path, since, entry.size, entry.identity, again=False, disk=entry.disk, otherwise=otherwise)
        if not (self._renew and touched(record, at, self._now)):
            return Skip.KNOWN
        if recent:
            # Just so much older than it is that it still counts as touched, and the rest is renewed another time.
            since = math.nextafter(at / 1e9, 0)
            is_the_same = record.identity is not None and record.identity.inode == entry.identity.inode
            if record.registered_at >= since or not is_the_same:
                return Skip.RECENT
        # Whoever adopted it may have called it otherwise.
        return Chosen(record.path, since, entry.size, entry.identity, True, entry.disk, recent, otherwise)


def unfit(entry: Entry, mount: int, uid: int) -> Skip | None:
    """Say why an entry is not to be adopted; None if it may be."""
    if not stat.S_ISREG(entry.mode):
        return Skip.LINK if stat.S_ISLNK(entry.mode) else Skip.SPECIAL
    if entry.mount != mount:
        return Skip.MOUNT
    if entry.owner != uid:
        return Skip.OWNER
    return Skip.LINKS if entry.links != 1 else None


def touched(record: TempFile, latest: int, now: float) -> bool:
    """Say whether a file was touched since it was adopted. Whatever else registered a file decides alone on its age."""
    return record.tags == (TAG,) and record.registered_at < latest / 1e9 <= now


def registered_at(latest: int, now: float) -> float:
    """Return what counts as the time of registration of a file that was last changed at ``latest``, in nanoseconds.

    The second that it ended in: a registry takes those of the same time in one step, and nothing is taken for older
    than it is. What carries a date to come is taken for new: left alone until then, it might stay for ever.
    """
    return min(float(-(-latest // 1_000_000_000)), now)


class Exclusion:
    """The patterns of what is left out.

    Args:
        globs: As of ``Wanted``.
    """

    def __init__(self, globs: Iterable[str]) -> None:
        self._globs = {glob: re.compile(fnmatch.translate(glob)).match for glob in globs}
        pattern = "|".join(map(fnmatch.translate, self._globs))
        self._any = re.compile(pattern).match if pattern else None

    def takes(self, relative: str) -> bool:
        """Say whether a relative path matches one of them, as it is or by its last name."""
        match = self._any
        return match is not None and bool(match(relative) or match(relative.rpartition("/")[2]))

    def words(self, relative: str) -> str:
        """Return the reason for leaving out what one of them takes: the first that does."""
        name = relative.rpartition("/")[2]
        by = next((glob for glob, match in self._globs.items() if match(relative) or match(name)), None)
        return Skip.EXCLUDED if by is None else f"{Skip.EXCLUDED} by {by}"
