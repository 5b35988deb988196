"""What the tests of compression share: managers with a rule that compresses, and the content of files."""

import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

from temp_file_manager import Settings, TempFileManager
from temp_file_manager.records import TempFile
from temp_file_manager.rules.rule import Rule
from temp_file_manager.storage.zstd import library
from temp_file_manager.testing import FakeClock

IDLE, AGE = 600.0, 86400.0
TEXT = b"".join(b"%d,%d,some text\n" % (number, number * number) for number in range(5000))
"""Of more than one block, and worth compressing."""


class Folder:
    """A base directory with files that are idle, by a clock that is ahead of their times."""

    def __init__(self, base: Path, clock: FakeClock) -> None:
        self.base = base
        self.clock = clock
        self._made: list[TempFileManager] = []

    def manager(self, *, rule: dict[str, Any] | None = None, **settings: Any) -> TempFileManager:
        """Return a manager with one rule."""
        one = Rule("logs", **{"age": AGE, "compress": IDLE, **(rule or {})})
        known = Settings(base_dir=str(self.base), registry="sqlite:", rules=(one,), **settings)
        manager = TempFileManager.from_settings(known, clock=self.clock)
        self._made.append(manager)
        return manager

    def add(self, manager: TempFileManager, name: str, content: bytes = TEXT, **how: Any) -> Path:
        """Make and register a file that is idle from now on."""
        path = self.base / name
        path.write_bytes(content)
        self.register(manager, path, **how)
        return path

    def register(self, manager: TempFileManager, path: Path, **how: Any) -> None:
        """Register a file that is idle from now on."""
        manager.register_file(path, **how)
        self.clock.advance(IDLE + 1)

    def left(self) -> list[str]:
        """Return the names of what lies there."""
        return sorted(name for name in os.listdir(self.base) if not name.startswith(".temp"))

    def close(self) -> None:
        for manager in self._made:
            manager.close()


def record(manager: TempFileManager, path: Path) -> TempFile:
    return manager.registry.get((str(path),))[str(path)]


def content(path: Path) -> bytes:
    """Return what a compressed file holds, as other programs read it; where there is none, the library."""
    program = shutil.which("zstd")
    if program is None:
        zstd = library()
        assert zstd is not None
        return bytes(zstd.decompress(path.read_bytes()))
    return subprocess.run([program, "-dcq", path], check=True, capture_output=True).stdout
