"""New files that are on record before they have a name: killed at whatever point, nothing leaks."""

import errno
import math
import os
from typing import IO, Any

from temp_file_manager.arguments import seconds
from temp_file_manager.clock import Clock
from temp_file_manager.events import FilesRegistered, Hooks
from temp_file_manager.records import PENDING, Identity
from temp_file_manager.registering.register import Registrar
from temp_file_manager.registry import THIS_PROCESS, Registry
from temp_file_manager.storage import new_files
from temp_file_manager.storage.base_directory import BaseDirectory
from temp_file_manager.storage.identity import Examiner


class Creator:
    """What ``TempFileManager.mkstemp`` and ``open`` do.

    In a registry that keeps identities the record comes first. A file without a name is made, put on record under the
    name it is to have, and then given it: the kernel drops it when the process dies before. Until it has its name it is
    held, so that no sweep finds the record without a file and forgets it. Where files without a name cannot be made,
    the record is a *pending* one, which is no ground for removal, and which ``check`` reports when its process has
    died.
    """

    def __init__(
        self, directory: BaseDirectory, registry: Registry, clock: Clock, hooks: Hooks, registrar: Registrar
    ) -> None:
        self._directory = directory
        self._base_dir = directory.path
        self._registry = registry
        self._clock = clock
        self._hooks = hooks
        self._registrar = registrar

    def create(self, suffix: str, prefix: str, ttl: float | None) -> tuple[int, str]:
        """Create and register an empty file; return its open descriptor and its path."""
        if ttl is not None:
            seconds("ttl", ttl)
        return self._directory.within(lambda: self._created(suffix, prefix, ttl))

    def directory(self, suffix: str, prefix: str) -> str:
        """Create an empty directory and return its path."""
        return self._directory.within(lambda: new_files.create_directory(self._base_dir, prefix, suffix))

    def _created(self, suffix: str, prefix: str, ttl: float | None) -> tuple[int, str]:
        if not self._registry.properties.keeps_identity:
            fd, path = new_files.create_file(self._base_dir, prefix, suffix)
            try:
                self._registrar.one(path, ttl, ())
            except BaseException:
                new_files.discard(fd, path)
                raise
            return fd, path
        nameless = new_files.create_nameless(self._base_dir)
        fd, path = (
            self._pending(suffix, prefix, ttl) if nameless is None else self._linked(nameless, suffix, prefix, ttl)
        )
        if self._hooks.hooks:
            self._hooks.emit(FilesRegistered((path,)))
        return fd, path

    def open(self, mode: str, suffix: str, ttl: float | None, encoding: str | None) -> IO[Any]:
        """Create, register and open a file."""
        fd, path = self.create(suffix, "tmp", ttl)
        try:
            return new_files.named_file(fd, path, mode, encoding)
        except BaseException:
            new_files.discard(fd, path)  # first: killed in between, a record is left, and no file
            self._registry.forget((path,))
            raise

    def _linked(self, fd: int, suffix: str, prefix: str, ttl: float | None) -> tuple[int, str]:
        try:
            identity = Examiner().examine_open(fd, os.path.abspath(self._base_dir))
            while True:
                path = new_files.random_path(self._base_dir, prefix, suffix)
                self._reserve(path, identity, ttl)
                try:
                    new_files.give_name(fd, path)
                except FileExistsError:
                    self._registry.forget((path,))
                else:
                    return fd, path
                finally:
                    self._registry.release((path,), THIS_PROCESS)
        except BaseException:
            os.close(fd)
            raise

    def _pending(self, suffix: str, prefix: str, ttl: float | None) -> tuple[int, str]:
        while True:
            path = new_files.random_path(self._base_dir, prefix, suffix)
            self._reserve(path, PENDING, ttl)
            try:
                fd = new_files.create_exclusively(path)
            except FileExistsError:
                self._registry.forget((path,))
                continue
            registered = False
            try:
                registered = self._registrar.many((path,), ttl, ()).registered == 1
            finally:
                if not registered:
                    new_files.discard(fd, path)
                    self._registry.forget((path,))
                self._registry.release((path,), THIS_PROCESS)
            if not registered:
                raise OSError(errno.EPERM, "the file was created and could not be registered: see the log", path)
            return fd, path

    def _reserve(self, path: str, identity: Identity, ttl: float | None) -> None:
        """Put a path on record and hold it, however many sweeps come between the two."""
        now = self._clock.wall()
        due_at = None if ttl is None else now + ttl
        while True:
            self._registry.add(((path, due_at, 0, (), identity),), now)
            if self._registry.keep((path,), math.inf, THIS_PROCESS):
                return
