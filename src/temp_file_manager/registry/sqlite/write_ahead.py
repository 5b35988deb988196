"""SQLite's log of changes and its index in shared memory, and the file systems where that would end the process."""

import itertools
import os
import sqlite3
import time

from temp_file_manager.registry.sqlite.errors import PATIENCE

MOVING = frozenset({"bcachefs", "btrfs", "f2fs", "nilfs2", "ubifs"})
"""File systems that write a page of a mapped file to a new place each time.

On a full disk there is none, and the kernel ends whoever writes by SIGBUS: no error, no clean-up, no application. Room
taken beforehand (``posix_fallocate``) is of no use there, as the page that has it is not the one that is written to.
"""

LOG_KEPT = 1 << 20
"""Bytes of SQLite's log that stay when what is in it has been merged; what is longer is given back to the disk."""

_PAUSE = 0.01


def may_be_mapped(directory: str, kind: str) -> bool:
    """Say whether a file in a directory can be mapped and written to without danger on a full disk.

    Args:
        directory: It is there.
        kind: Its file system, as ``mount`` names it.
    """
    if kind == "overlay":
        # It passes on what its upper layer says of itself, and of all kinds btrfs alone counts no inodes.
        return os.statvfs(directory).f_files > 0
    return kind not in MOVING


def map_nothing(connection: sqlite3.Connection) -> None:
    """Read what may have a log without mapping its index: it is kept in memory, and everybody else out."""
    connection.execute("PRAGMA locking_mode = EXCLUSIVE")


def use_journal(connection: sqlite3.Connection) -> None:
    """Have former pages written to a journal before new ones are written to the file, and let others in again.

    Each change then waits for the disk three times, and for whoever is reading. (Also possible: the log, with the file
    opened anew for each transaction; every one would read the whole log first, and write it back at its end.)
    """
    connection.execute("PRAGMA journal_mode = TRUNCATE")
    connection.execute("PRAGMA locking_mode = NORMAL")
    connection.execute("SELECT count(*) FROM sqlite_master").fetchone()  # until now it was locked


def use_log(connection: sqlite3.Connection) -> None:
    """Have changes written to a log, which SQLite refuses at once, without waiting, while others have the file open."""
    for attempt in itertools.count():
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute(f"PRAGMA journal_size_limit = {LOG_KEPT}")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorname != "SQLITE_BUSY" or attempt * _PAUSE >= PATIENCE:
                raise
            time.sleep(_PAUSE)
        else:
            return
