"""SQLite's errors in our words: what happened, what did not, and what to do."""

import errno
import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

from temp_file_manager.errors import BaseDirectoryError, RegistryError, RegistryFullError
from temp_file_manager.storage.kernel import space
from temp_file_manager.storage.own_files import why_not_writable
from temp_file_manager.text import printable

PATIENCE = 60.0
"""Seconds to wait for other processes' transactions, each of which takes milliseconds."""

_SMALLEST = 512  # bytes of a SQLite file


@contextmanager
def translated(file: str) -> Iterator[None]:
    """Turn errors of SQLite's and the system's, about the registry in ``file``, into ours."""
    try:
        yield
    except sqlite3.Error as error:
        raise in_our_words(file, error) from error
    except BaseDirectoryError:
        raise
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise full(file) from error
        raise RegistryError(f"{printable(file)} cannot be opened: {error.strerror}") from error


def in_our_words(file: str, error: sqlite3.Error) -> RegistryError:
    """Return what an error of SQLite's means for the registry in ``file``."""
    path, name = printable(file), getattr(error, "sqlite_errorname", "")
    no_room = name.startswith(("SQLITE_FULL", "SQLITE_IOERR_SHMSIZE"))
    if no_room or (name.startswith("SQLITE_CANTOPEN") and space.is_full(os.path.dirname(file))):
        return full(file)
    if name.startswith(("SQLITE_CORRUPT", "SQLITE_NOTADB")):
        return RegistryError(
            f"{path} is damaged ({error}) and was left as it is: move it away and start anew, or put a copy back; "
            "files that only it knew of stay on the disk"
        )
    if name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
        return RegistryError(f"{path} has been held by another process for {PATIENCE:.0f} s: find it with fuser {path}")
    why = why_not_writable(file) if name.startswith(("SQLITE_CANTOPEN", "SQLITE_READONLY")) else ""
    return RegistryError(f"{path} cannot be used: {why or error}")


def full(file: str) -> RegistryFullError:
    """Return the error that says that the disk of ``file`` is full."""
    return RegistryFullError(
        f"the disk of {printable(file)} is full: nothing of this call was recorded, and nothing known was "
        "lost; make room (temp-file-manager sweep works on a full disk) and try again"
    )


def refuse_what_is_no_database(path: str) -> None:
    """Say what SQLite would not: it takes a file of one byte for an empty one, and follows links to nowhere."""
    if os.path.islink(path) and not os.path.exists(path):
        raise RegistryError(f"{printable(path)} is a link that leads nowhere: give the path itself")
    if os.path.isfile(path) and 0 < os.path.getsize(path) < _SMALLEST:
        raise RegistryError(f"{printable(path)} is no database, and was left as it is: give another path")
