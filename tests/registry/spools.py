"""Spools for tests: a registry behind a switch, and what is put beside it."""

import math
import threading
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from temp_file_manager.errors import RegistryUnavailableError
from temp_file_manager.records import Identity, NewFile
from temp_file_manager.registry.spool.file import MOST, SpoolFile
from temp_file_manager.registry.spool.registry import SpooledRegistry
from temp_file_manager.registry.sqlite.registry import SqliteRegistry
from temp_file_manager.testing import FakeClock

FILE = Identity(7, 1, 1, 2, 1)

SERVER = ("add", "add_one", "add_late", "get", "page", "amend", "forget", "stats", "claim", "keep", "read", "write")


class Killed(BaseException):
    """The end of a process, as far as one that goes on can play it."""


class SwitchedRegistry(SqliteRegistry):
    """A registry whose server can be taken away."""

    down = False
    asked = 0
    left = math.inf
    """How often it is asked before the process that asks it is killed."""

    def __getattribute__(self, name: str) -> Any:
        if name in SERVER:
            # What drains beside the test is not what is killed: it would end a thread of this process.
            self.asked += threading.current_thread().name != "temp-file-spool"
            if self.asked > self.left and threading.current_thread().name != "temp-file-spool":
                raise Killed
            if self.down:
                raise RegistryUnavailableError("no server")
        return super().__getattribute__(name)


def registry_in(place: Path) -> SwitchedRegistry:
    return SwitchedRegistry(str(place / "registry.db"), str(place))


def spooled(target: SwitchedRegistry, place: Path, clock: FakeClock | None = None, most: int = MOST) -> SpooledRegistry:
    return SpooledRegistry(target, SpoolFile(str(place / "spool.db"), "server scope", most), clock or FakeClock())


def named(*paths: str, identity: Identity = FILE) -> Iterable[NewFile]:
    return [(path, None, 1, (), identity, None) for path in paths]
