"""SQLite's errors in our words: what happened, what did not, and what to do."""

import errno
import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

from temp_file_manager.errors import RegistryError, RegistryFullError, TempFileError
from temp_file_manager.storage.kernel import space
from temp_file_manager.storage.own_files import why_not_writable
from temp_file_manager.text import printable

PATIENCE = 60.0
"""Seconds to wait for other processes' transactions, each of which takes milliseconds."""

_SMALLEST = 512  # bytes of a SQLite file

UNWRITABLE = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO})
"""What the system says where nothing more can be written: no room, no quota, ``ulimit -f``, a disk that fails."""

# SQLite tells a full disk from all else that keeps it from writing, and says of that only what it was doing.
_WRITING = ("WRITE", "FSYNC", "DIR_FSYNC", "TRUNCATE", "DELETE", "SHMOPEN", "SHMSIZE", "SHMMAP", "COMMIT_ATOMIC")
_NO_ROOM = ("SQLITE_FULL", *(f"SQLITE_IOERR_{doing}" for doing in _WRITING))


@contextmanager
def translated(file: str) -> Iterator[None]:
    """Turn errors of SQLite's and the system's, about the registry in ``file``, into ours.

    So, too, what comes of rows that are not as this program writes them: SQLite checks pages, and no values.
    """
    try:
        yield
    except sqlite3.Error as error:
        raise in_our_words(file, error) from error
    except TempFileError:
        raise
    except OSError as error:
        if error.errno in UNWRITABLE:
            raise full(file, error.strerror or "") from error
        raise RegistryError(f"{printable(file)} cannot be opened: {error.strerror}") from error
    except UnicodeEncodeError:  # of a path that was given to us
        raise
    except (TypeError, ValueError, LookupError) as error:
        raise damaged(file, f"{type(error).__name__}: {error}") from error


def in_our_words(file: str, error: sqlite3.Error) -> RegistryError:
    """Return what an error of SQLite's means for the registry in ``file``."""
    path, name = printable(file), getattr(error, "sqlite_errorname", "")
    no_room = name in _NO_ROOM
    if no_room or (name.startswith("SQLITE_CANTOPEN") and space.is_full(os.path.dirname(file))):
        return full(file, "" if name == "SQLITE_FULL" else str(error))
    if name.startswith(("SQLITE_CORRUPT", "SQLITE_NOTADB")):
        return damaged(file, str(error))
    if name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
        return RegistryError(f"{path} has been held by another process for {PATIENCE:.0f} s: find it with fuser {path}")
    why = ""
    if name.startswith(("SQLITE_CANTOPEN", "SQLITE_READONLY")):
        why = _why_log_unreadable(file) or why_not_writable(file)
    return RegistryError(f"{path} cannot be used: {why or error}")


def _why_log_unreadable(file: str) -> str:
    """Say why a registry with a log cannot be looked at where nothing can be made, and what to do; else nothing."""
    left_alone = os.path.exists(f"{file}-wal") and not os.path.exists(f"{file}-shm")
    if not left_alone or os.access(os.path.dirname(file), os.W_OK):
        return ""
    return (
        f"to read its log, {printable(file)}-wal, SQLite makes an index beside it, and here nothing can be made: copy "
        "both to a directory of your own, and name the copy by --registry sqlite:///ABSOLUTE/PATH"
    )


def damaged(file: str, how: str) -> RegistryError:
    """Return the error that says that ``file`` is damaged, and how that shows."""
    return RegistryError(
        f"{printable(file)} is damaged ({printable(how)}) and was left as it is: move it away and start anew, or put a "
        "copy back; files that only it knew of stay on the disk"
    )


def full(file: str, why: str = "") -> RegistryFullError:
    """Return the error that says that the disk of ``file`` is full, or takes no more of us: ``why``."""
    because = f" ({printable(why)})" if why else ""
    return RegistryFullError(
        f"the disk of {printable(file)} is full{because}: nothing of this call was recorded, and nothing known was "
        "lost; make room (temp-file-manager sweep works on a full disk) and try again"
    )


def refuse_what_is_no_database(path: str) -> None:
    """Say what SQLite would not: it takes a file of one byte for an empty one."""
    if os.path.isfile(path) and 0 < os.path.getsize(path) < _SMALLEST:
        raise RegistryError(f"{printable(path)} is no database, and was left as it is: give another path")
