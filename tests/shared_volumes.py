"""A volume that hosts share: a directory, a database, and managers as each host has its own."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from temp_file_manager import TempFileManager
from temp_file_manager.registering import shared_volume
from temp_file_manager.registry.postgres.registry import PostgresRegistry
from temp_file_manager.settings import Settings

SCOPE = "volume:scratch"


class Volume:
    """A volume with its scope made, unless ``made`` is false; close it in the end."""

    def __init__(self, root: Path, database: str, scope: str = SCOPE, *, made: bool = True) -> None:
        self.root = root
        self.database = database
        self.scope = scope
        self._managers: list[TempFileManager] = []
        root.mkdir(mode=0o700, exist_ok=True)
        if made:
            self.make()

    def registry(self, root: Path | None = None) -> PostgresRegistry:
        return PostgresRegistry(self.database, self.scope, root=str(root or self.root))

    def make(self, root: Path | None = None) -> shared_volume.MadeScope:
        registry = self.registry(root)
        try:
            return shared_volume.create(registry, str(root or self.root), self.scope)
        finally:
            registry.close()

    def manager(self, root: Path | None = None, **settings: Any) -> TempFileManager:
        """Return a manager as another host has it, by its own registry object."""
        how = Settings(**{"scope": self.scope, "if_unknown": 0, "max_age": 100} | settings)
        where = root or self.root
        manager = TempFileManager(where, registry=self.registry(where), settings=how)
        self._managers.append(manager)
        return manager

    def files(self, count: int, folder: str = "files") -> list[Path]:
        (self.root / folder).mkdir(exist_ok=True)
        paths = [self.root / folder / f"{number:04}" for number in range(count)]
        for path in paths:
            path.write_bytes(b"registered")
        return paths

    def close(self) -> None:
        for manager in self._managers:
            manager.close()
            manager.registry.close()


def volume(root: Path, database: str, **how: Any) -> Iterator[Volume]:
    """Be a fixture's body."""
    made = Volume(root, database, **how)
    yield made
    made.close()
