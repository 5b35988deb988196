"""Registered files opened to be read, be they there or compressed, and held for as long as they are open."""

import errno
import io
import os
from contextlib import suppress
from typing import IO, Any

from temp_file_manager.clock import Wall
from temp_file_manager.errors import InvalidArgumentError, RegistryError
from temp_file_manager.records import Kind, Measured, TempFile
from temp_file_manager.registering.hold import Hold
from temp_file_manager.registering.on_record import on_record
from temp_file_manager.registering.restore import away_from
from temp_file_manager.registry import Registry
from temp_file_manager.storage.measure import use
from temp_file_manager.storage.paths import AnyPath, absolute
from temp_file_manager.storage.unpacking import UnpackedReader

_TRIES = 3
"""A sweep may compress a file, or somebody have it back, between the look at the records and the hold."""

_MODES = ("r", "rt", "rb")


class _Held:
    """A file whose end is the end of a hold."""

    hold: Hold | None = None

    def close(self) -> None:
        super().close()  # type: ignore[misc]  # a file comes after this
        if self.hold is not None:
            self.hold.close()

    def __del__(self) -> None:
        # The garbage collector may come while locks are held: what nobody has closed ends its hold as it thinks best.
        self.hold = None
        super().__del__()  # type: ignore[misc]


class _Bytes(_Held, io.BufferedReader):
    pass


class _Text(_Held, io.TextIOWrapper):
    pass


def reopen(registry: Registry, path: AnyPath, mode: str, encoding: str | None, clock: Wall) -> IO[Any]:
    """Do what ``TempFileManager.reopen`` says."""
    if mode not in _MODES:
        raise InvalidArgumentError(f"mode is {mode!r}: give 'rb' for bytes, or 'r' for text")
    if encoding is not None and mode == "rb":
        raise InvalidArgumentError("bytes have no encoding: give mode 'r' with it")
    name = absolute(path)
    record, hold = _held(registry, name)
    try:
        file, disk = _opened(record, mode, encoding, clock, packed=record.path != name)
    except BaseException:
        hold.close()
        raise
    file.hold = hold
    with suppress(RegistryError):  # a full disk: then its own times tell, and measuring notes it
        registry.measured((Measured(record, disk, clock.wall()),))
    return file


def _opened(
    record: TempFile, mode: str, encoding: str | None, clock: Wall, *, packed: bool
) -> tuple[_Bytes | _Text, int]:
    """Return a file open, and what it takes on the disk; its own times say that it was used."""
    raw = io.FileIO(record.path)
    try:
        disk = use(raw.fileno(), clock.wall())
        file = _Bytes(UnpackedReader(raw) if packed and record.kind is Kind.COMPRESSED else raw)
        return file if mode == "rb" else _Text(file, encoding=encoding), disk
    except BaseException:
        raw.close()
        raise


def _held(registry: Registry, name: str) -> tuple[TempFile, Hold]:
    """Return the record of a file or of its compressed form, and a hold on that.

    Raises:
        OSError: it is not there.
        InvalidArgumentError: it is not registered, or is another file now.
    """
    trouble: Exception = FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), name)
    for _ in range(_TRIES):
        for record in _records(registry, name):
            try:
                return record, Hold(registry, record.path)
            except (FileNotFoundError, InvalidArgumentError) as error:
                trouble = error
    raise trouble


def _records(registry: Registry, name: str) -> list[TempFile]:
    """Return the records of a file: its own, and those of its compressed form.

    Raises:
        FileNotFoundError, InvalidArgumentError: it has none; what it says instead.
    """
    found = list(on_record(registry, (name,)).values())
    others = away_from(registry, (name,)).get(name, ())
    found += (other for other in others if other.kind is Kind.COMPRESSED)
    if found:
        return found
    if any(other.kind is Kind.QUARANTINED for other in others):
        raise FileNotFoundError(errno.ENOENT, "it is in quarantine: have it back by the command restore first", name)
    if os.path.lexists(name):
        raise InvalidArgumentError(f"{name!r} is not registered: open it as any other file")
    raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), name)
