"""Files in hand that are to be compressed, and the judge of which can be."""

import errno
import os
import stat
from collections.abc import Sequence

from temp_file_manager.chunks import Place, place_of
from temp_file_manager.records import Identity, Kind, TempFile
from temp_file_manager.storage.compare import Directories
from temp_file_manager.storage.compressed_copy import SUFFIX
from temp_file_manager.storage.contract import NotThatFile
from temp_file_manager.storage.kernel.leases import InUse, end_lease
from temp_file_manager.storage.kernel.statx import Seen, looker, signed
from temp_file_manager.storage.packing_plan import TAKEN, WRITTEN_TO, LeftError, Plan
from temp_file_manager.storage.successors import Succession
from temp_file_manager.storage.zstd import Packer

SMALLEST = 8192
"""Bytes; below, no block of the disk is gained."""

_BLOCK = 512  # bytes, of ``st_blocks``


_NOT_LOOKED_AT = os.stat_result(range(10))


class Packed:
    """A file in hand, and its compressed copy."""

    def __init__(self, record: TempFile, place: Place, identity: Identity, directory: int) -> None:
        self.at = -1
        self.plan = Plan("", 0.0, 0.0)
        self.record = record
        self.place = place
        self.identity = identity
        self.directory = directory
        self.held = self.copy = -1
        self.found = _NOT_LOOKED_AT
        self.is_on_record = False
        self.has_name = False

    @property
    def name(self) -> bytes:
        """The name of the compressed file."""
        return self.place[1] + os.fsencode(SUFFIX)

    @property
    def path(self) -> str:
        """The path of the compressed file."""
        return self.record.path + SUFFIX

    def is_succeeded_by(self, other: TempFile) -> bool:
        """Say whether a record is of a compressed file that was made of this one."""
        return (other.kind, other.origin) == (Kind.COMPRESSED, self.record.path)

    def close(self) -> None:
        """Let go of both files; may be called again."""
        held, self.held = self.held, -1
        copy, self.copy = self.copy, -1
        try:
            if held >= 0:
                end_lease(held)
        finally:
            for descriptor in (held, copy):
                if descriptor >= 0:
                    os.close(descriptor)


class Judge:
    """Judges files of one batch, and opens those that can be compressed. For one thread."""

    def __init__(self, directories: Directories, in_use: InUse, succession: Succession) -> None:
        self._directories = directories
        self._in_use = in_use
        self.succession = succession
        self.look = looker()
        self.packer = Packer()

    def opened(self, records: Sequence[TempFile], at: int, place: Place, *, only_looking: bool = False) -> Packed:
        """Return a file that can be compressed, as far as looking tells, open; nobody else has it open.

        Raises:
            LeftError: it is better left as it is.
            NotThatFile, OSError: as ``Directories.compared``.
        """
        directory, seen = self._directories.compared(place)
        identity = place[2]
        if identity is None:
            raise LeftError("nothing tells it from another file")
        if stat.S_ISLNK(seen.mode):
            raise LeftError("of a link the link alone is registered")
        file = Packed(records[at], place, identity, directory)
        try:
            held = self._in_use.secured(records, at, directory, place[1], seen, only_looking=only_looking)
            if held is None:  # without a lease nothing would tell that somebody comes to write
                raise LeftError("its file system does not tell when somebody opens it")  # noqa: TRY301 - as any other
            file.held = held  # at once: an interrupt must not come between
            file.found = os.fstat(held)
            self._directories.confirm(place)
            refuse(file.found)
            self._free_name(file, seen.born, only_looking=only_looking)
            _leave_no_trace(held)
        except BaseException:
            file.close()
            raise
        return file

    def foretell(self, record: TempFile, place: Place) -> None:
        """Return if a file would be compressed; it raises what ``opened`` does."""
        file = self.opened((record,), 0, place, only_looking=True)
        try:
            self.packer.judge(file.held, file.found.st_size)
        finally:
            file.close()

    def confirm(self, file: Packed) -> None:
        """Return if a file is what it was when it was opened, and has its name.

        Raises:
            LeftError: it is not.
            NotThatFile, OSError: as ``Directories.compared``.
        """
        _, seen = self._directories.compared(file.place)
        now = os.fstat(file.held)
        if _times(now) != _times(file.found) or seen.inode != signed(now.st_ino):
            raise LeftError(WRITTEN_TO, for_now=True)

    def _free_name(self, file: Packed, born: int, *, only_looking: bool) -> None:
        """Return if the compressed file can have its name; what a killed sweep has left under it goes.

        That is what has been put on record as this file's successor while this file's own record is still there, and
        was made later than this file: nothing is in it that was not in this file.

        Raises:
            LeftError: something else has it, or no file can.
        """
        try:
            found = self.look(file.directory, file.name)
        except FileNotFoundError:
            return
        except OSError as error:
            if error.errno != errno.ENAMETOOLONG:
                raise
            raise LeftError(f"its name is too long for {SUFFIX} behind it") from error
        other = self.succession.known((file.path,)).get(file.path)
        ours = other is not None and file.is_succeeded_by(other) and other.generation > file.record.generation
        kept = other is not None and (other.held or other.pinned_until is not None)
        if other is None or not ours or kept or not self._is_younger(other, found, born):
            raise LeftError(TAKEN)
        if not only_looking:
            os.unlink(file.name, dir_fd=file.directory)
            self.succession.withdraw((other,))

    def _is_younger(self, other: TempFile, found: Seen, born: int) -> bool:
        """Say whether what was found is the file of a record, and was born later."""
        try:
            _, there = self._directories.compared(place_of(other))
        except (NotThatFile, OSError):
            return False
        return there.inode == found.inode and 0 < born < there.born


def refuse(found: os.stat_result) -> None:
    """Return if a regular file can be compressed, by what a look at it tells.

    Raises:
        LeftError: it is better left as it is.
    """
    if found.st_size < SMALLEST:
        raise LeftError(f"it is smaller than {SMALLEST} bytes: nothing would be gained")
    if found.st_nlink > 1:
        raise LeftError("it has other names, by which its content would be kept")
    if found.st_blocks * _BLOCK < found.st_size:
        raise LeftError("it has holes, or its file system compresses it")
    if found.st_uid != os.geteuid() and os.geteuid():
        raise LeftError("it belongs to another user, and only root could leave that as it is")


def _times(found: os.stat_result) -> tuple[int, int, int]:
    return found.st_size, found.st_mtime_ns, found.st_ctime_ns


def _leave_no_trace(descriptor: int) -> None:
    """Have reading move no time of a file; ours, or we are root."""
    if hasattr(os, "O_NOATIME"):
        from fcntl import F_GETFL, F_SETFL, fcntl  # noqa: PLC0415 - only Unix has it

        fcntl(descriptor, F_SETFL, fcntl(descriptor, F_GETFL) | os.O_NOATIME)
