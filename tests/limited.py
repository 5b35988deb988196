"""What the tests of limits share: files of a size, managers with limits, what is left of the files."""

import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from temp_file_manager import Settings, TempFileManager
from temp_file_manager.limits import Limit, Mark, Measure
from temp_file_manager.testing import FakeClock

BLOCK = 4096


def limit(measure: Measure, mark: float, to: float | None = None, *, name: str = "base", **how: Any) -> Limit:
    return Limit(name, measure, Mark(mark), Mark(mark if to is None else to), **{"spare": 0.0, **how})


class Place:
    """Files in a folder, put on record one second after the other."""

    def __init__(self, folder: Path, clock: FakeClock, registry: str = "sqlite:") -> None:
        self.folder = folder / "files"
        self.folder.mkdir()
        self._base = folder / "base"
        self._clock = clock
        self._registry = registry
        self._managers: list[TempFileManager] = []

    def manager(self, *limits: Limit, **how: Any) -> TempFileManager:
        """Return a manager with these limits, of the same records as the others where those outlive a process."""
        hooks = how.pop("hooks", ())
        settings = Settings(**{"base_dir": str(self._base), "max_age": 1e6, "limits": limits, **how})
        manager = TempFileManager.from_settings(settings, registry=self._registry, clock=self._clock, hooks=hooks)
        self._managers.append(manager)
        return manager

    def add(self, manager: TempFileManager, *names: str, blocks: int = 1, **how: Any) -> None:
        for name in names:
            path = self.path(name)
            Path(path).write_bytes(bytes(blocks * BLOCK))
            manager.register_file(path, **how)
            self._clock.advance(1)

    def path(self, name: str) -> str:
        return str(self.folder / name)

    def left(self) -> list[str]:
        return sorted(os.listdir(self.folder))

    def close(self) -> None:
        for manager in self._managers:
            manager.close()


def names(paths: Iterable[str]) -> list[str]:
    return [os.path.basename(path) for path in paths]


def told(caplog: Any, words: str) -> list[str]:
    return [message for message in caplog.messages if words in message]


Make = Callable[..., TempFileManager]
