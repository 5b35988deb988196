"""Return of what killed paranoid sweeps had set aside, each file to where it was; see ``set_aside``."""

import errno
import os
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from temp_file_manager import logs
from temp_file_manager.records import Outcome, TempFile
from temp_file_manager.storage.contract import Removal, Storage
from temp_file_manager.storage.identity import is_same_directory
from temp_file_manager.storage.kernel import renames
from temp_file_manager.storage.kernel.statx import looker
from temp_file_manager.storage.wrappers.set_aside import ORIGINS, opened, opened_in, remove_if_empty

_PARENT = getattr(os, "O_PATH", os.O_RDONLY) | getattr(os, "O_DIRECTORY", 0) | getattr(os, "O_CLOEXEC", 0)
_Origin = tuple[str, int, int]


class Stranded(NamedTuple):
    """A file that was set aside, by a sweep that is no more.

    Attributes:
        path: Where it is, or was until it was put back.
        origin: Where it comes from; empty if nothing tells.
        trouble: Why it cannot be put back; empty if it was, or has not been tried.
    """

    path: str
    origin: str
    trouble: str = ""


class PuttingBack:
    """A storage that puts back, before it removes anything, what killed sweeps have set aside.

    Otherwise a sweep would find nothing in the places of those files, forget their records, and leak them.

    Args:
        storage: What removes.
        folder: Where paranoid sweeps of the same base directory set files aside.
    """

    def __init__(self, storage: Storage, folder: str) -> None:
        self._storage = storage
        self._folder = folder

    def remove(self, removal: Removal) -> None:
        """Put back, and then remove; see ``Storage``."""
        for one in stranded(self._folder, put_back=True):
            if not one.trouble:
                logs.put_back(one.origin)
        self._storage.remove(removal)

    def predict(self, records: Iterable[TempFile]) -> Iterator[Outcome]:
        """Yield what the storage foretells; see ``Storage``."""
        return self._storage.predict(records)


def stranded(folder: str, *, put_back: bool) -> list[Stranded]:
    """Return what killed sweeps have set aside in a folder, and with ``put_back`` put each back where it was.

    Nothing takes the place of anything, and only the very directory that a file was in gets it back: a path alone
    could be led elsewhere by now. What a living sweep is at is left alone.
    """
    try:
        above = opened(folder)
    except OSError:  # nobody was paranoid here; or it is another's, or unreadable, and nothing in it is believed
        return []
    try:
        return [one for name in sorted(os.listdir(above)) for one in _in_batch(folder, name, above, put_back=put_back)]
    finally:
        os.close(above)


def _in_batch(folder: str, name: str, above: int, *, put_back: bool) -> list[Stranded]:
    from fcntl import LOCK_EX, LOCK_NB, flock  # noqa: PLC0415 - only Unix has it

    path = os.path.join(folder, name)
    try:
        here = opened_in(above, name, path)
    except FileNotFoundError:  # its sweep has ended
        return []
    except OSError:
        return [Stranded(path, "", "nothing tells where it was")]
    try:
        flock(here, LOCK_EX | LOCK_NB)
        found = _left_in(path, here, put_back)
        if put_back:
            remove_if_empty(name, here, above)
    except OSError:  # its sweep lives
        return []
    finally:
        os.close(here)
    return found


def _left_in(path: str, here: int, put_back: bool) -> list[Stranded]:
    origins = _read(here)
    found = []
    for name in sorted(set(os.listdir(here)) - {ORIGINS}):
        origin = origins.get(name)
        aside = os.path.join(path, name)
        if origin is None:
            found.append(Stranded(aside, "", "nothing tells where it was"))
        else:
            found.append(Stranded(aside, origin[0], _returned(here, name, origin) if put_back else ""))
    return found


def _read(here: int) -> dict[str, _Origin]:
    from json import loads  # noqa: PLC0415 - slow to import, and few are paranoid

    try:
        with open(os.open(ORIGINS, os.O_RDONLY | os.O_CLOEXEC, dir_fd=here), encoding="utf-8") as file:
            listed = loads(file.read())
        return {str(at): (str(one[0]), int(one[1]), int(one[2])) for at, one in enumerate(listed) if one is not None}
    except (OSError, ValueError, TypeError, IndexError):  # a disk that lost it
        return {}


def _returned(here: int, name: str, origin: _Origin) -> str:
    """Put a file back; say why it cannot be, or nothing."""
    path, inode, born = origin
    try:
        directory = os.open(os.path.dirname(path) or "/", _PARENT)
    except OSError as error:
        return f"its directory cannot be opened ({error.strerror})"
    try:
        there = looker()(directory, b".")
        if not is_same_directory((inode, born), (there.inode, there.born)):
            return "another directory is where its own was"
        renames.move(name.encode(), here, os.fsencode(os.path.basename(path)), directory)
    except OSError as error:
        taken = error.errno == errno.EEXIST
        return "another file is in its place" if taken else error.strerror or str(error)
    finally:
        os.close(directory)
    return ""
