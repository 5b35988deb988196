"""The one place where what removes files is put together."""

import os
from collections.abc import Callable

from temp_file_manager.settings import Settings
from temp_file_manager.storage.contract import Storage
from temp_file_manager.storage.kernel.leases import InUse
from temp_file_manager.storage.local import LocalStorage
from temp_file_manager.storage.own_files import OWN_DIRECTORY
from temp_file_manager.storage.wrappers.bounded import Abandoning
from temp_file_manager.storage.wrappers.secure import SecureStorage
from temp_file_manager.storage.wrappers.set_aside import ASIDE

PATIENCE = 10.0
"""Seconds one removal may take at most, however long a sweep may: a hang must leave time for the rest of the claim."""


def assemble(settings: Settings, base_dir: str, in_use: Callable[[], InUse] | None = None) -> Storage:
    """Return what removes files as the settings say; with ``in_use``, none that somebody has open."""
    storage: Storage
    if settings.secure_delete:
        storage = SecureStorage(settings.cleanup_threads, in_use, owner_check=settings.owner_check)
    else:
        aside = os.path.join(os.path.abspath(base_dir), OWN_DIRECTORY, ASIDE) if settings.paranoid else None
        storage = LocalStorage(in_use, owner_check=settings.owner_check, aside=aside)
    if settings.cleanup_timeout is None:
        return storage
    return Abandoning(storage, min(settings.cleanup_timeout, PATIENCE))
