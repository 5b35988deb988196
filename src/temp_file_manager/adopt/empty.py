"""Directories in which nothing was before anything was removed: found on the walk that looks for files."""

import itertools
import os
from collections.abc import Callable
from contextlib import suppress

from temp_file_manager.adopt.survey import By, Known, registered_at
from temp_file_manager.rules import is_too_old


class EmptyDirectories:
    """A ``Part.enter`` that notes which directories are empty, this user's own, and as old as a file that is due.

    A younger one was made to be filled.

    Args:
        asof: The moment that ages are read at, seconds since the epoch.
        max_age: Seconds.
        by: As of ``Wanted``. Of its birth nobody asks: a directory was never changed before it was born.

    Attributes:
        paths: Their relative paths.
    """

    def __init__(self, asof: float, max_age: float, by: By) -> None:
        self.paths: set[str] = set()
        self._asof = asof
        self._max_age = max_age
        self._by_writing = by is By.MTIME
        self._uid = os.geteuid()

    def __call__(self, path: str, directory: int) -> None:
        """Look at an open directory that is about to be listed."""
        facts = os.fstat(directory)
        latest = facts.st_mtime_ns if self._by_writing else max(facts.st_mtime_ns, facts.st_ctime_ns)
        if not path or facts.st_uid != self._uid:
            return
        if is_too_old(registered_at(latest, self._asof), self._asof, self._max_age):
            # By a descriptor a listing is put back to its start when it is closed. What cannot be read is not known.
            with suppress(OSError), os.scandir(directory) as listing:
                if next(listing, None) is None:
                    self.paths.add(path)


def recorded(directory: str, known: Known) -> Callable[[str], bool]:
    """Return what says whether a directory in another one is on record, as a whole, or lies in one that is.

    Args:
        directory: The other one; absolute.
        known: Says what is on record.
    """
    base = directory.rstrip("/")

    def asked(path: str) -> bool:
        above = itertools.accumulate(path.split("/"), "{}/{}".format)
        return bool(known([f"{base}/{one}" for one in above]))

    return asked
