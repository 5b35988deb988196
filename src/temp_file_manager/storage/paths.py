"""Paths as callers give them, and as messages tell them."""

import os
import stat
from collections.abc import Iterable

from temp_file_manager.records import is_object
from temp_file_manager.storage.own_files import OURS, is_own

AnyPath = str | bytes | os.PathLike[str] | os.PathLike[bytes]


def absolute(path: AnyPath) -> str:
    """Return ``path`` as an absolute, normalised string, links not followed.

    Raises:
        TypeError: it is no path.
    """
    # Most paths are absolute and normalised as they come; finding that out costs a third of normalising.
    if type(path) is str and path[:1] == "/" and path[-1] != "/" and "//" not in path and "/." not in path:
        return path
    return os.path.abspath(os.fsdecode(path))


def as_recorded(path: AnyPath) -> str:
    """Return the path by which something may be on record: of an object in a bucket its name, as it stands.

    What is to be put on record is never taken so: below a directory ``s3:`` it would be a file by a relative path.

    Raises:
        TypeError: it is no path.
    """
    return path if isinstance(path, str) and is_object(path) else absolute(path)


def absolute_all(paths: Iterable[AnyPath], single: str) -> list[str]:
    """Return each of ``paths`` made ``absolute``.

    Raises:
        TypeError: it is one path, whose letters would become the paths (``single`` takes that), or one is no path.
    """
    return [absolute(path) for path in _collection(paths, single)]


def all_as_recorded(paths: Iterable[AnyPath], single: str) -> list[str]:
    """Return each of ``paths`` as ``as_recorded`` does; arguments and errors as of ``absolute_all``."""
    return [as_recorded(path) for path in _collection(paths, single)]


def _collection(paths: Iterable[AnyPath], single: str) -> Iterable[AnyPath]:
    if isinstance(paths, str | bytes) or not isinstance(paths, Iterable):
        raise TypeError(f"file_paths is a collection of paths: {single} takes a single one")
    return paths


def why_not_regular(path: str) -> str:
    """Say, for a message, what ``path`` is instead of a regular file."""
    if is_own(path):
        return OURS
    try:
        mode = os.stat(path).st_mode
    except UnicodeEncodeError:
        return "no file name can hold such characters"
    except ValueError:
        return "the path holds a NUL character"
    except OSError as error:
        return error.strerror or str(error)
    kinds = ((stat.S_ISDIR, "a directory"), (stat.S_ISSOCK, "a socket"), (stat.S_ISFIFO, "a pipe"))
    return next((f"it is {kind}" for test, kind in kinds if test(mode)), "it is no regular file")


def size_of(path: str) -> int | None:
    """Return the bytes in ``path``, or None when it cannot be told."""
    try:
        return os.stat(path).st_size
    except OSError:
        return None


def nearest_existing(path: str) -> str:
    """Return the first directory above ``path`` that is there; absolute."""
    found = os.path.abspath(path)
    while not os.path.isdir(found):
        found = os.path.dirname(found)
    return found
