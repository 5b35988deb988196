"""Questions about all that is in one unit: who uses it, what is mounted in it, and whose it is."""

import os
import stat
from collections.abc import Callable
from typing import NamedTuple

from temp_file_manager.causes import Cause, sentence
from temp_file_manager.chunks import Other
from temp_file_manager.records import Status, TempFile
from temp_file_manager.storage.below import Below, Totals
from temp_file_manager.storage.contract import NotThatFile
from temp_file_manager.storage.kernel.leases import InUse
from temp_file_manager.storage.kernel.statx import Listed, Seen, listed_looker, signed
from temp_file_manager.storage.own_files import OWN_DIRECTORY
from temp_file_manager.storage.permissions import foreign
from temp_file_manager.text import printable


class Given(NamedTuple):
    """What is known of the moment.

    Attributes:
        busy: The numbers of what processes work in or have open.
        asof: What ages are read at, seconds since the epoch.
        owner_check: Whether what is another user's stays.
        only_looking: Whether nothing may be changed, not even for a moment.
    """

    busy: set[int]
    asof: float
    owner_check: bool
    only_looking: bool


class Asker:
    """Asks about all that is in one unit.

    Args:
        given: What is known of the moment.
        record: The unit's.
        mount: What it lies on.
        in_use: Tells whether a file is in use; None: nobody asks.
        bar: What has changed since then is too new, nanoseconds since the epoch: then nobody asks any more who uses
            what, which is a question for another time.
    """

    def __init__(self, given: Given, record: TempFile, mount: int, in_use: InUse | None, bar: int | None) -> None:
        self._given = given
        self._record = record
        self._mount = mount
        self._in_use = in_use
        self._bar = bar
        self._owner_check = given.owner_check
        self._below: Below | None = None

    def walk(self, root: int, sign: Callable[[], object], top: Listed, *, lend: bool) -> Totals:
        """Walk through it; see ``Below.totals``."""
        self._below = Below(root, self._visit, sign=sign, lend=lend)
        return self._below.totals(self._given.asof, top)

    def list(self, root: int, sign: Callable[[], object], used: set[int], *, leases: bool) -> None:
        """Return if nothing in it is used, by the numbers that listings tell, which on some file systems are those.

        Args:
            root: It, open.
            sign: Called now and then.
            used: The numbers of what is.
            leases: Whether each file is asked about as well.
        """
        look = listed_looker()
        self._below = below = Below(root, self._visit, sign=sign, lend=not self._given.only_looking)
        for here, level in below.directories():
            sign()
            if look(here, b".").mount != self._mount:
                raise mounted_at(below.where())
            with os.scandir(here) as listing:
                for found in listing:
                    name, number = found.name, signed(found.inode())
                    if number in used:
                        raise _in_use(below.where(name))
                    if found.is_dir(follow_symlinks=False):
                        if name == OWN_DIRECTORY:
                            raise _base(below.where(name))
                        level.below.append((name, False))
                    elif leases and self._in_use is not None and found.is_file(follow_symlinks=False):
                        seen = Seen(stat.S_IFREG, number, 0, 1, 0, os.geteuid())
                        self._refuse_used(self._in_use, here, name, seen)

    def refuse_busy(self, facts: Listed, where: str) -> None:
        """Return if no process is known to work in a directory, or to have it open."""
        if facts.inode in self._given.busy:
            raise NotThatFile(Status.KEPT, Cause.IN_USE, f"a process works in {where}, or has it open")

    def _visit(self, directory: int, name: str, facts: Listed) -> None:
        below, in_use = self._below, self._in_use
        assert below is not None  # noqa: S101 - it is what calls this
        if facts.mount != self._mount:
            raise mounted_at(below.where(name))
        if name == OWN_DIRECTORY:
            raise _base(below.where(name))
        if self._owner_check and (reason := foreign(facts.owner)):
            raise NotThatFile(Status.KEPT, Cause.FOREIGN, f"{printable(below.where(name))} in it: {reason}")
        if in_use is None:
            return
        if self._bar is not None and below.newest >= self._bar:
            below.lend = False
            return
        if stat.S_ISREG(facts.mode):
            self._refuse_used(in_use, directory, name, facts)
        elif not stat.S_ISLNK(facts.mode):
            self.refuse_busy(facts, f"{printable(below.where(name))} in it")

    def _refuse_used(self, in_use: InUse, directory: int, name: str, facts: Seen | Listed) -> None:
        looking = self._given.only_looking
        try:
            held = in_use.secured((self._record,), 0, directory, os.fsencode(name), facts, only_looking=looking)
        except NotThatFile as other:
            raise self._within(other.other, name) from other
        if held is not None:
            os.close(held)

    def _within(self, other: Other, name: str) -> NotThatFile:
        assert self._below is not None  # noqa: S101 - see _visit
        where = printable(self._below.where(name))
        return NotThatFile(other.status, other.cause, f"{where} in it: {sentence(other.cause, other.detail)}")


def _in_use(where: str) -> NotThatFile:
    return NotThatFile(Status.KEPT, Cause.IN_USE, f"{printable(where)} in it: {sentence(Cause.IN_USE)}")


def mounted_at(where: str) -> NotThatFile:
    """Return the answer that something is mounted in a unit."""
    return NotThatFile(Status.KEPT, Cause.OTHER_FILE_SYSTEM, f"something is mounted at {printable(where)} in it")


def _base(where: str) -> NotThatFile:
    return NotThatFile(Status.KEPT, Cause.OWN, f"{printable(where)} in it is this package's own: a base directory is")
