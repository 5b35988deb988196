"""Files on this machine: the one module that removes anything."""

import errno
import os
import stat
from collections.abc import Callable, Iterable, Iterator
from contextlib import nullcontext
from typing import IO, Any

from temp_file_manager.errors import InvalidArgumentError
from temp_file_manager.records import Outcome, Status, TempFile
from temp_file_manager.storage.aside import Aside
from temp_file_manager.storage.directories import Directories, NotThatFile
from temp_file_manager.storage.in_use import InUse
from temp_file_manager.storage.own import is_own

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


def absolute_all(paths: Iterable[AnyPath], single: str) -> list[str]:
    """Return each of ``paths`` made ``absolute``.

    Raises:
        TypeError: it is one path, whose letters would become the paths (``single`` takes that), or one is no path.
    """
    if isinstance(paths, str | bytes):
        raise TypeError(f"file_paths is a collection of paths: {single} takes a single one")
    return [absolute(path) for path in paths]


def why_not_regular(path: str) -> str:
    """Say, for a message, what ``path`` is instead of a regular file."""
    if is_own(path):
        return "it is one of this package's own files"
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


def size(path: str) -> int | None:
    """Return the bytes in ``path``, or None when it cannot be told."""
    try:
        return os.stat(path).st_size
    except OSError:
        return None


def make_private_directory(path: str, *, exist_ok: bool = True) -> None:
    """Create a directory of the package's own, for nobody else, and its parents where missing.

    Raises:
        OSError: it cannot be created, or is there and no directory.
    """
    os.makedirs(os.path.dirname(path), exist_ok=True)
    try:
        os.mkdir(path, 0o700)
    except FileExistsError:
        if not exist_ok or not os.path.isdir(path):
            raise


def create_private_file(path: str) -> None:
    """Create an empty file of the package's own with mode 0600; one that is there is left as it is."""
    try:
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600))
    except FileExistsError:
        return


def make_reserve(path: str, size: int) -> None:
    """Create a file that takes ``size`` bytes of the disk, if there is none and there is plenty of room."""
    try:
        if os.path.exists(path) or not _has_room(os.path.dirname(path), 4 * size):
            return
        descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600)
    except OSError:  # a disk that cannot be written to
        return
    try:
        complete = os.write(descriptor, bytes(size)) == size
    except OSError:
        complete = False
    finally:
        os.close(descriptor)
    if not complete:
        remove_own(path)


def _has_room(directory: str, size: int) -> bool:
    if not hasattr(os, "statvfs"):
        return True
    found = os.statvfs(directory)
    return found.f_bavail * found.f_frsize >= size


def why_not_writable(path: str) -> str:
    """Say, for a message, why a file of the package's own cannot be opened; nothing when it could be."""
    if os.path.isdir(path):
        return "it is a directory"
    what = path if os.path.exists(path) else os.path.dirname(path)
    if not os.access(what, os.R_OK):
        return "this user may not read it"
    return "" if os.access(what, os.W_OK) else "this user may not write there, or it is mounted read-only"


def _told(error: Exception, path: str) -> str:
    """Return an error in words. One that names the file as it was asked for, in bytes and bare, names the path."""
    if isinstance(error, OSError) and isinstance(error.filename, bytes):
        return f"[Errno {error.errno}] {error.strerror}: {path!r}"
    return str(error)


def remove_own(path: str) -> None:
    """Remove a file of the package's own; one that is not there is no error."""
    try:
        os.remove(path)
    except FileNotFoundError:
        return


def nearest_existing(path: str) -> str:
    """Return the first directory above ``path`` that is there; absolute."""
    found = os.path.abspath(path)
    while not os.path.isdir(found):
        found = os.path.dirname(found)
    return found


def create_file(directory: str, prefix: str, suffix: str) -> tuple[int, str]:
    """Create an empty file with mode 0600 and return its descriptor and absolute path."""
    import tempfile  # noqa: PLC0415 - slow to import, and many only register

    return tempfile.mkstemp(suffix, prefix, os.path.abspath(directory))


def create_nameless(directory: str) -> int | None:
    """Create an empty file without a name, mode 0600, and return its descriptor; None where that cannot be done."""
    if not hasattr(os, "O_TMPFILE") or not os.path.exists("/proc/self/fd"):
        return None
    try:
        return os.open(directory, os.O_TMPFILE | os.O_RDWR | os.O_CLOEXEC, 0o600)
    except OSError as error:
        if error.errno in (errno.EOPNOTSUPP, errno.EISDIR, errno.ENOENT, errno.EINVAL) and os.path.isdir(directory):
            return None
        raise


def give_name(descriptor: int, path: str) -> None:
    """Give a file that was made without a name one.

    Raises:
        FileExistsError: somebody has that name.
    """
    directory = os.open(os.path.dirname(path), os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        # Relative to a directory: else Python calls link(), which does not follow what stands in /proc.
        os.link(f"/proc/self/fd/{descriptor}", os.path.basename(path), dst_dir_fd=directory, follow_symlinks=True)
    finally:
        os.close(directory)


def create_exclusively(path: str) -> int:
    """Create an empty file with mode 0600 under a name that nobody has, and return its descriptor."""
    return os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)


def random_path(directory: str, prefix: str, suffix: str) -> str:
    """Return a path that nobody can guess."""
    import secrets  # noqa: PLC0415 - slow to import, and many only register

    if os.sep in prefix or os.sep in suffix:
        raise InvalidArgumentError("prefix and suffix are parts of a name: they hold no /")
    return os.path.join(os.path.abspath(directory), f"{prefix}{secrets.token_hex(8)}{suffix}")


def create_directory(directory: str, prefix: str, suffix: str) -> str:
    """Create an empty directory with mode 0700 and return its absolute path."""
    import tempfile  # noqa: PLC0415

    return tempfile.mkdtemp(suffix, prefix, os.path.abspath(directory))


def named_file(fd: int, path: str, mode: str, encoding: str | None) -> IO[Any]:
    """Return an open file on ``fd`` whose ``name`` is ``path``; when it cannot be made, ``fd`` stays open."""
    # On a duplicate: a text layer that fails (an unknown encoding) closes the descriptor it was given.
    file = open(path, mode, encoding=encoding, opener=lambda *_: os.dup(fd))  # noqa: SIM115 - the caller closes it
    os.close(fd)
    return file


def discard(fd: int, path: str) -> None:
    """Undo ``create_file``: nobody but its creator has seen the file yet."""
    os.close(fd)
    os.remove(path)


Gate = Callable[[TempFile], str]
"""Says why a record's file must stay after all; nothing when it may go."""


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
                reason = gate(record)
                if reason:
                    yield Outcome(record, Status.SKIPPED, reason)
                    continue
                try:
                    if is_own(record.path):
                        yield Outcome(record, Status.KEPT, "it is one of this package's own files")
                        continue
                    # One argument, looked up at each call: callers' tests replace os.remove. No exists() before
                    # it: that is a system call more, and its answer is old by the time of the removal.
                    os.remove(record.path)
                except (FileNotFoundError, NotADirectoryError):
                    yield Outcome(record, Status.GONE, "already gone")
                except Exception as error:  # one bad file never stops a sweep
                    yield Outcome(record, Status.FAILED, str(error))
                else:
                    # Past the named tuple's own constructor, which takes twice as long; once a file, that shows.
                    yield _new_outcome(Outcome, (record, Status.REMOVED, ""))

    def predict(self, records: Iterable[TempFile]) -> Iterator[Outcome]:
        """Yield what ``remove`` would, as far as looking can tell: a directory's flags stay unseen."""
        in_use = self._in_use() if self._in_use else None
        with Directories(owner_check=self._owner_check) as directories:
            for record in records:
                yield _predicted(record, directories, in_use)


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
        reason = gate(record)
        if reason:
            return Outcome(record, Status.SKIPPED, reason)
        if record.identity is None:
            os.remove(record.path)
        elif aside is not None:
            aside.remove(record, directory, name)
        else:
            os.unlink(name, dir_fd=directory)
    except NotThatFile as other:
        return Outcome(record, other.status, other.reason)
    except (FileNotFoundError, NotADirectoryError):
        if aside is None or not aside.finishes(record):
            return Outcome(record, Status.GONE, "already gone")
    except Exception as error:  # one bad file never stops a sweep
        return Outcome(record, Status.FAILED, _told(error, record.path))
    finally:
        if held is not None:
            os.close(held)
    return _new_outcome(Outcome, (record, Status.REMOVED, ""))


def _predicted(record: TempFile, directories: Directories, in_use: InUse | None) -> Outcome:
    try:
        directory, name, seen = directories.compared(record)
        if stat.S_ISDIR(seen.mode):
            return Outcome(record, Status.FAILED, "it is a directory")
        held = None if in_use is None else in_use.secured(record, directory, name, seen)
        if held is not None:
            os.close(held)
    except NotThatFile as other:
        return Outcome(record, other.status, other.reason)
    except (FileNotFoundError, NotADirectoryError):
        return Outcome(record, Status.GONE, "already gone")
    except (OSError, TypeError, ValueError) as error:
        return Outcome(record, Status.FAILED, str(error))
    if not os.access(os.path.dirname(record.path) or ".", os.W_OK | os.X_OK):
        return Outcome(record, Status.FAILED, "its directory may not be written to")
    return Outcome(record, Status.REMOVED)


_new_outcome = tuple.__new__
