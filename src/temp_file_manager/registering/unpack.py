"""Compressed files brought back to what they were, and registered anew."""

import math
import os

from temp_file_manager.clock import Wall
from temp_file_manager.errors import InvalidArgumentError
from temp_file_manager.records import Identity, Nature, TempFile
from temp_file_manager.registering.hold import Hold
from temp_file_manager.registering.register import Registrar
from temp_file_manager.registry import THIS_PROCESS, Registry
from temp_file_manager.storage.contract import NotThatFile
from temp_file_manager.storage.unpacking import uncompress


def unpacked(registry: Registry, registrar: Registrar, clock: Wall, record: TempFile, inside: str | None = None) -> str:
    """Bring a file back that is compressed, and return its path. It is registered anew, with its tags.

    It is on record before it has its name, and held until it is registered, so that no sweep finds the record without
    a file and forgets it. The compressed file is held meanwhile, so that no sweep is at it.

    Args:
        registry: Whose records they are.
        registrar: What registers it.
        clock: What tells the time.
        record: The compressed file's.
        inside: The one directory in which it may be, or below it; None: anywhere.

    Raises:
        FileExistsError: something has its name.
        DamagedFileError: it is cut short or damaged; it stays as it is.
        OSError: it is not there, or cannot be written.
        InvalidArgumentError: it is another file now, or lies elsewhere.
    """
    path = record.origin
    natures = {
        path: Nature(origin=record.path)
    }  # that of a file that is known: it counts as registered when it is back

    def put(identity: Identity, found: os.stat_result) -> None:
        row = (path, None, found.st_size, record.tags, identity, found.st_blocks * 512)
        while True:
            registry.add((row,), clock.wall(), natures=natures)
            if registry.keep((path,), math.inf, THIS_PROCESS):
                return

    with Hold(registry, record.path):
        try:
            uncompress(record, put, inside)
            registrar.many((path,), None, record.tags, allow_system=True)
            registry.forget((record,))
        except NotThatFile as other:
            raise InvalidArgumentError(f"{record.path!r}: {other.outcome(record).reason}") from other
        finally:
            registry.release((path,), THIS_PROCESS)
    return path
