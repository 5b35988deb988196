"""The storage of files on this machine: they are compared with their records, and removed."""

import os
import stat
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import nullcontext

from temp_file_manager.causes import Cause
from temp_file_manager.chunks import Place, failed, place_at, place_of
from temp_file_manager.records import Outcome, Status, TempFile
from temp_file_manager.storage.compare import Directories, may_be_removed
from temp_file_manager.storage.contract import NotThatFile, Removal
from temp_file_manager.storage.kernel.file_flags import sticks
from temp_file_manager.storage.kernel.leases import InUse
from temp_file_manager.storage.own_files import OwnPaths
from temp_file_manager.storage.wrappers.set_aside import Aside, foretell


class LocalStorage:
    """Removes files, as ``os.remove`` does: a link is removed, never its target.

    A record without an identity is removed by its path. One with an identity is removed only if the file is still
    that one: its directory is opened once for the batch, must be the directory it was registered in, and the entry
    is compared and unlinked relative to that descriptor, so that whoever renames what lies above changes nothing.
    Between the comparison and the removal of that one entry lies one system call.

    Args:
        in_use: Makes what tells whether a file is in use; such a file is kept. None: nobody asks.
        owner_check: Keep files that belong to another user.
        aside: A private folder; files with an identity are moved there and compared again before they go.
        base: A directory in which a file that was rewritten stays on record as it is now; None: nowhere.
        within: The one folder of the package's own from which files are removed, and from nowhere else; None: from
            everywhere else.
        below: The one directory below which files are removed; None: anywhere.
    """

    def __init__(
        self,
        in_use: Callable[[], InUse] | None = None,
        *,
        owner_check: bool = False,
        aside: str | None = None,
        base: str | None = None,
        within: str | None = None,
        below: str | None = None,
    ) -> None:
        self._within = within
        self._below = below
        self._in_use = in_use
        self._aside = aside
        self._owner_check = owner_check
        self._base = base

    def _directories(self) -> Directories:
        return Directories(owner_check=self._owner_check, base=self._base, within=self._within, below=self._below)

    def remove(self, removal: Removal) -> None:
        """Remove one file a record, in order, until all are done or it is enough; see ``Storage``."""
        places = removal.records.places()
        in_use = self._in_use() if self._in_use else None
        if places is None and in_use is None and not self._owner_check and self._below is None:
            _remove_by_path(removal)
            return
        column: Sequence[Place | str] = removal.records.paths() if places is None else places
        aside = None if self._aside is None else Aside(self._aside, column)
        with self._directories() as directories, aside or nullcontext():
            _remove_compared(removal, column, directories, in_use, aside)

    def predict(self, records: Iterable[TempFile]) -> Iterator[Outcome]:
        """Yield what ``remove`` would, as far as looking can tell: a directory's flags stay unseen."""
        in_use = self._in_use() if self._in_use else None
        with self._directories() as directories:
            for record in records:
                yield _predicted(record, directories, in_use, self._aside)


def _remove_by_path(removal: Removal) -> None:
    own = OwnPaths()
    for at, path in removal.each(removal.records.paths()):
        try:
            if path in own:
                removal.note(at, Status.KEPT, Cause.OWN)
            elif not may_be_removed(os.lstat(path).st_mode):
                removal.note(at, Status.FAILED, Cause.NOT_REGULAR)
            elif removal.may_go(at):
                # One argument, looked up at each call: callers' tests replace os.remove.
                os.remove(path)
        except (FileNotFoundError, NotADirectoryError):
            removal.note(at, Status.GONE, Cause.GONE)
        except Exception as error:  # one bad file never stops a sweep
            removal.others[at] = failed(error)


def _remove_compared(
    removal: Removal, column: Sequence[Place | str], directories: Directories, in_use: InUse | None, aside: Aside | None
) -> None:
    compared, may_go, records = directories.compared, removal.may_go, removal.records
    for at, where in removal.each(column):
        held = None
        try:
            place = place_at(where)
            directory, seen = compared(place)
            _, name, identity, _ = place
            if in_use is not None:
                held = in_use.secured(records, at, directory, name, seen)
                # Opening took time: whoever may rename here can have put another file in its place.
                directories.confirm(place)
            if not may_go(at):
                continue
            if identity is None:
                os.remove(os.fsdecode(name))
            elif aside is not None:
                aside.remove(at, identity, directory, name)
            else:
                os.unlink(name, dir_fd=directory)
        except NotThatFile as other:
            removal.others[at] = other.other
        except (FileNotFoundError, NotADirectoryError):
            removal.note(at, Status.GONE, Cause.GONE)
        except Exception as error:  # one bad file never stops a sweep
            removal.others[at] = failed(error)
        finally:
            if held is not None:
                os.close(held)


def _predicted(record: TempFile, directories: Directories, in_use: InUse | None, aside: str | None) -> Outcome:
    try:
        place = place_of(record)
        directory, seen = directories.compared(place)
        if stat.S_ISDIR(seen.mode):
            return Outcome(record, Status.FAILED, Cause.DIRECTORY)
        held = None if in_use is None else in_use.secured((record,), 0, directory, place[1], seen, only_looking=True)
        if held is not None:
            os.close(held)
        if aside is not None and record.identity is not None:
            foretell(aside, directory)
        blocked = _why_not(os.path.dirname(record.path) or ".", seen.owner)
    except NotThatFile as other:
        return other.outcome(record)
    except (FileNotFoundError, NotADirectoryError):
        return Outcome(record, Status.GONE, Cause.GONE)
    except (OSError, TypeError, ValueError) as error:
        return Outcome(record, *failed(error))
    if blocked:
        return Outcome(record, Status.FAILED, Cause.OBSTACLE, blocked)
    return Outcome(record, Status.REMOVED)


def _why_not(directory: str, owner: int) -> str:
    if not os.access(directory, os.W_OK | os.X_OK):
        return "its directory may not be written to"
    return sticks(os.stat(directory), owner)
