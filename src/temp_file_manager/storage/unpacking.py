"""Compressed files read as what they were, and brought back to that."""

import io
import os
import stat
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from temp_file_manager.chunks import place_of
from temp_file_manager.errors import DamagedFileError, InvalidArgumentError
from temp_file_manager.records import Identity, TempFile
from temp_file_manager.storage import new_files
from temp_file_manager.storage.compare import Directories
from temp_file_manager.storage.compressed_copy import make_alike, nameless
from temp_file_manager.storage.kernel.statx import HERE, looker, signed
from temp_file_manager.storage.restoring import lies_within
from temp_file_manager.storage.zstd import MISSING, PART, library

_READ = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0)

Put = Callable[[Identity, os.stat_result], None]
"""Puts a file that has no name yet on record, under the name that it is to have."""


class UnpackedReader(io.RawIOBase):
    """What a compressed file holds, read from an open one.

    Args:
        file: The compressed file; closed with this.

    Raises:
        InvalidArgumentError: nothing here can read it.
        DamagedFileError: by ``read`` and ``seek``: it is cut short or damaged.
    """

    def __init__(self, file: io.FileIO) -> None:
        zstd = library()
        if zstd is None:
            raise InvalidArgumentError(MISSING)
        self._file = file
        self._zstd = zstd
        self._unpacked = zstd.ZstdFile(file)
        self.name = file.name

    def readable(self) -> bool:  # noqa: D102 - see io.RawIOBase
        return True

    def seekable(self) -> bool:  # noqa: D102 - see io.RawIOBase
        return True

    def fileno(self) -> int:
        """Return the descriptor of the compressed file."""
        return self._file.fileno()

    def readinto(self, buffer: Any) -> int:  # noqa: D102 - see io.RawIOBase
        return int(self._try(lambda: self._unpacked.readinto(buffer)))

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Go to a place in what it holds; to go back, it is read from its beginning."""
        return int(self._try(lambda: self._unpacked.seek(offset, whence)))

    def tell(self) -> int:  # noqa: D102 - see io.RawIOBase
        return int(self._unpacked.tell())

    def close(self) -> None:  # noqa: D102 - see io.RawIOBase
        if not self.closed:
            self._unpacked.close()
            self._file.close()
        super().close()

    def _try(self, work: Callable[[], int]) -> int:
        try:
            return work()
        except EOFError as error:
            raise DamagedFileError(self.name, "it is cut short") from error
        except self._zstd.ZstdError as error:
            raise DamagedFileError(self.name, f"it is damaged ({error})") from error


def uncompress(record: TempFile, put: Put, inside: str | None = None) -> None:
    """Let what a compressed file holds have its former name again; the compressed file goes.

    It is written to a file without a name, put on record, and given that. Killed before, this leaves the compressed
    file; killed after, both, which are on record.

    Args:
        record: The compressed file's.
        put: Puts the file on record.
        inside: The one directory in which it may be, or below it; None: anywhere.

    Raises:
        FileExistsError: something has its name.
        InvalidArgumentError: it lies elsewhere.
        DamagedFileError: it is cut short or damaged; it stays as it is.
        NotThatFile, OSError: as ``Directories.compared``, or it cannot be written.
    """
    with Directories() as directories:
        directory, seen = directories.compared(place_of(record))
        name, origin = os.fsencode(os.path.basename(record.path)), os.path.basename(record.origin)
        if inside is not None and not lies_within(directory, inside):
            raise InvalidArgumentError(f"{os.path.dirname(record.path)!r} lies outside the base directory")
        if os.path.lexists(record.origin):
            raise FileExistsError(17, "something has its name", record.origin)
        with io.FileIO(record.path, opener=lambda *_: os.open(name, _READ, dir_fd=_at(directory))) as source:
            found = os.fstat(source.fileno())
            if signed(found.st_ino) != seen.inode or not stat.S_ISREG(found.st_mode):
                raise FileNotFoundError(2, "it was replaced while it was opened", record.path)
            copy = nameless(directory)
            if copy is None:
                raise OSError(95, "its file system makes no files without a name", record.path)
            try:
                _unpack(source, copy)
                make_alike(copy, source.fileno(), found)
                os.fsync(copy)
                made = looker()(copy, b"")
                identity = (record.identity or Identity(0, 0, 0, 0, 0))._replace(
                    inode=made.inode, born=made.born, changed=made.changed
                )
                put(identity, os.fstat(copy))
                new_files.give_name(copy, f"/proc/self/fd/{directory}/{origin}")
            finally:
                os.close(copy)
        with suppress(FileNotFoundError):
            if looker()(directory, name).inode == seen.inode:
                os.unlink(name, dir_fd=directory)


def _unpack(source: io.FileIO, target: int) -> None:
    reader = UnpackedReader(io.FileIO(os.dup(source.fileno())))
    reader.name = source.name
    with reader:
        while part := reader.read(PART):
            left = memoryview(part)
            while left:
                left = left[os.write(target, left) :]


def _at(directory: int) -> int | None:
    return None if directory == HERE else directory
