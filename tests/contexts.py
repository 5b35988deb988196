"""Managers and contexts of which one part is another."""

from collections.abc import Callable
from dataclasses import replace

from temp_file_manager import TempFileManager, jobs
from temp_file_manager.clock import Clock
from temp_file_manager.context import Context
from temp_file_manager.storage.contract import Storage
from temp_file_manager.storages import Storages

MakeManager = Callable[..., TempFileManager]
"""Takes a base directory's name, and what a manager takes."""


def jobs_of(manager: TempFileManager) -> int:
    """Return how many threads a manager has once it is started; each waits for the clock."""
    return len(jobs.jobs(manager.context))


def timed(manager: TempFileManager, clock: Clock) -> Context:
    """Return what a manager is made of, at another time."""
    known = manager.context
    return Context.open(
        known.settings, base_dir=known.base_dir, max_age=known.max_age, registry=known.registry, clock=clock
    )


def removing_by(manager: TempFileManager, storage: Storage) -> TempFileManager:
    """Return a manager of the same parts but for what removes, whether open files are protected or not."""
    return TempFileManager.from_context(replace(manager.context, storages=Storages.of(storage)))
