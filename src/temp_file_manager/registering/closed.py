"""Files that were made here and have been closed, with what they measured then, until the registry is told."""

import os
from collections import deque
from contextlib import suppress
from typing import IO, Any, NamedTuple

from temp_file_manager.clock import Wall
from temp_file_manager.errors import RegistryError
from temp_file_manager.records import Measured
from temp_file_manager.registry import Registry
from temp_file_manager.storage.kernel.statx import Used, used_looker
from temp_file_manager.storage.measure import measured
from temp_file_manager.storage.new_files import on_close

MANY = 100
"""As many are told together: to tell of one alone takes a transaction, and more time than to close it."""


class _Closed(NamedTuple):
    path: str
    found: Used


class ClosedFiles:
    """Measures files as they are closed, and tells the registry later.

    To close is often left to the garbage collector, which may come in the middle of what its thread does in the
    registry, and a signal's handler closes files, too. So closing looks at the file and notes what it found, which
    waits for nobody.

    Args:
        registry: That is told.
        clock: What tells the time.
    """

    def __init__(self, registry: Registry, clock: Wall) -> None:
        self._registry = registry
        self._clock = clock
        self._noted = deque[_Closed]()

    def measure(self, file: IO[Any], path: str) -> None:
        """Measure an open file when it is closed. In a registry that keeps no sizes, do nothing."""
        if self._registry.properties.keeps_identity:
            noted = self._noted

            def closing(descriptor: int) -> None:
                with suppress(OSError):  # somebody has closed its descriptor
                    if os.fstat(descriptor).st_nlink:  # else it has been removed, and its record is soon to go
                        noted.append(_Closed(path, used_looker()(descriptor, b"")))

            on_close(file, closing)

    def tell(self, at_least: int = 1) -> None:
        """Tell the registry of what was closed since it was told last, if that is as much.

        What it cannot take is left to measuring: neither closing nor making a file is to fail for that.
        """
        if len(self._noted) < at_least:
            return
        found = dict[str, Used]()
        with suppress(IndexError):  # all of it is taken, by this thread or others
            while True:
                path, used = self._noted.popleft()
                found[path] = used
        asof = self._clock.wall()
        with suppress(RegistryError):
            looks = [measured(record, found[path], asof) for path, record in self._registry.get(found).items()]
            self._registry.measured([one for one in looks if isinstance(one, Measured)])
