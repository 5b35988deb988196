"""The storage of files on this machine: they are compared with their records, and removed."""

import os
import stat
from collections.abc import Callable, Iterable, Iterator
from contextlib import nullcontext

from temp_file_manager.records import Cause, Outcome, Status, TempFile, failed
from temp_file_manager.storage.compare import Directories
from temp_file_manager.storage.contract import Gate, NotThatFile
from temp_file_manager.storage.kernel.leases import InUse
from temp_file_manager.storage.own_files import is_own
from temp_file_manager.storage.wrappers.set_aside import Aside


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
    """

    def __init__(
        self, in_use: Callable[[], InUse] | None = None, *, owner_check: bool = False, aside: str | None = None
    ) -> None:
        self._in_use = in_use
        self._aside = aside
        self._owner_check = owner_check

    def remove(self, records: Iterable[TempFile], gate: Gate) -> Iterator[Outcome]:
        """Remove one file a record, and yield what became of it before the next one is looked at.

        Args:
            records: What to remove.
            gate: Asked about each at the last moment, when only the removal itself is left to do.
        """
        in_use = self._in_use() if self._in_use else None
        aside = None if self._aside is None else Aside(self._aside)
        with Directories(owner_check=self._owner_check) as directories, aside or nullcontext():
            for record in records:
                if record.identity is not None or in_use is not None or self._owner_check:
                    yield _remove_compared(record, directories, gate, in_use, aside)
                    continue
                cause = gate(record)
                if cause:
                    yield Outcome(record, Status.SKIPPED, cause)
                    continue
                try:
                    if is_own(record.path):
                        yield Outcome(record, Status.KEPT, Cause.OWN)
                        continue
                    # One argument, looked up at each call: callers' tests replace os.remove. No exists() before
                    # it: that is a system call more, and its answer is old by the time of the removal.
                    os.remove(record.path)
                except (FileNotFoundError, NotADirectoryError):
                    yield Outcome(record, Status.GONE, Cause.GONE)
                except Exception as error:  # one bad file never stops a sweep
                    yield failed(record, error)
                else:
                    # Past the named tuple's own constructor, which takes twice as long; once a file, that shows.
                    yield _new_outcome(Outcome, (record, Status.REMOVED, Cause.NONE, ""))

    def predict(self, records: Iterable[TempFile]) -> Iterator[Outcome]:
        """Yield what ``remove`` would, as far as looking can tell: a directory's flags stay unseen."""
        in_use = self._in_use() if self._in_use else None
        aside = None if self._aside is None else Aside(self._aside)
        with Directories(owner_check=self._owner_check) as directories:
            for record in records:
                yield _predicted(record, directories, in_use, aside)


def _remove_compared(
    record: TempFile, directories: Directories, gate: Gate, in_use: InUse | None, aside: Aside | None
) -> Outcome:
    held = None
    try:
        directory, name, seen = directories.compared(record)
        if in_use is not None:
            held = in_use.secured(record, directory, name, seen)
            if record.identity is not None:
                # Opening took time: whoever may rename here can have put another file in its place.
                directories.compared(record)
        cause = gate(record)
        if cause:
            return Outcome(record, Status.SKIPPED, cause)
        if record.identity is None:
            os.remove(record.path)
        elif aside is not None:
            aside.remove(record, directory, name)
        else:
            os.unlink(name, dir_fd=directory)
    except NotThatFile as other:
        return other.outcome(record)
    except (FileNotFoundError, NotADirectoryError):
        if aside is None or not aside.finishes(record):
            return Outcome(record, Status.GONE, Cause.GONE)
    except Exception as error:  # one bad file never stops a sweep
        return failed(record, error)
    finally:
        if held is not None:
            os.close(held)
    return _new_outcome(Outcome, (record, Status.REMOVED, Cause.NONE, ""))


def _predicted(record: TempFile, directories: Directories, in_use: InUse | None, aside: Aside | None) -> Outcome:
    try:
        directory, name, seen = directories.compared(record)
        if stat.S_ISDIR(seen.mode):
            return Outcome(record, Status.FAILED, Cause.DIRECTORY)
        held = None if in_use is None else in_use.secured(record, directory, name, seen)
        if held is not None:
            os.close(held)
        if aside is not None and record.identity is not None:
            aside.foretell(directory)
    except NotThatFile as other:
        return other.outcome(record)
    except (FileNotFoundError, NotADirectoryError):
        return Outcome(record, Status.GONE, Cause.GONE)
    except (OSError, TypeError, ValueError) as error:
        return failed(record, error)
    if not os.access(os.path.dirname(record.path) or ".", os.W_OK | os.X_OK):
        return Outcome(record, Status.FAILED, Cause.OBSTACLE, "its directory may not be written to")
    return Outcome(record, Status.REMOVED)


_new_outcome = tuple.__new__
