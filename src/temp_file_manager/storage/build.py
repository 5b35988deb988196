"""Storages, put together from the settings: the one place that knows which wrapper goes around which."""

import functools
import os
from collections.abc import Callable, Iterable

from temp_file_manager.clock import Clock
from temp_file_manager.settings import Settings
from temp_file_manager.storage.contract import Storage
from temp_file_manager.storage.gone import GoneFiles
from temp_file_manager.storage.kernel.leases import InUse
from temp_file_manager.storage.local import LocalStorage
from temp_file_manager.storage.own_files import OWN_DIRECTORY
from temp_file_manager.storage.wrappers.bounded import Abandoning
from temp_file_manager.storage.wrappers.isolated import Isolated, Wrap
from temp_file_manager.storage.wrappers.put_back import PuttingBack
from temp_file_manager.storage.wrappers.secure import SecureStorage
from temp_file_manager.storage.wrappers.set_aside import ASIDE

PATIENCE = 10.0
"""Seconds one removal may take at most, however long a sweep may: a hang must leave time for the rest of the claim."""


Wrapper = Callable[[Storage, Settings, Clock], Storage]
"""Returns a storage around another, or that one as it is if the settings want none."""


def _bounded(storage: Storage, settings: Settings, clock: Clock) -> Storage:
    if settings.cleanup_timeout is None:
        return storage
    return Abandoning(storage, min(settings.cleanup_timeout, PATIENCE), clock)


WRAPPERS: tuple[Wrapper, ...] = (_bounded,)
"""The innermost first."""


def build(
    settings: Settings,
    base_dir: str,
    clock: Clock,
    asof: Callable[[], float],
    *,
    protect_open: bool = False,
    plugged: Iterable[tuple[str, Wrap]] = (),
) -> Storage:
    """Return what removes files as the settings say.

    Args:
        settings: Which wrappers there are to be.
        base_dir: Whose private folder may be used, and in which rewritten files stay on record.
        clock: What tells the time.
        asof: What ages are read at: the wall clock, unless that has jumped.
        protect_open: Keep files that somebody has open, or of which nothing can tell.
        plugged: What plug-ins put around it, the innermost first, each with the plug-in's name.

    Raises:
        SettingsError: what a plug-in puts around it is no storage.
    """
    in_use = functools.partial(InUse, settings.if_unknown, asof) if protect_open else None
    storage: Storage
    if settings.secure_delete:
        storage = SecureStorage(settings.cleanup_threads, in_use, owner_check=settings.owner_check, base=base_dir)
    else:
        aside = _folder(base_dir) if settings.paranoid else None
        storage = LocalStorage(in_use, owner_check=settings.owner_check, aside=aside, base=base_dir)
    return _wrapped(storage, settings, base_dir, clock, plugged)


def build_gone(settings: Settings, base_dir: str, clock: Clock) -> Storage:
    """Return what removes nothing, and notes which files are gone; arguments as of ``build``."""
    return _wrapped(GoneFiles(base_dir), settings, base_dir, clock)


def _wrapped(
    storage: Storage, settings: Settings, base_dir: str, clock: Clock, plugged: Iterable[tuple[str, Wrap]] = ()
) -> Storage:
    # Putting back whether or not this storage sets aside: one before may have.
    storage = PuttingBack(storage, _folder(base_dir))
    for name, wrap in plugged:
        storage = Isolated(storage, wrap, name)
    for wrapped in WRAPPERS:
        storage = wrapped(storage, settings, clock)
    return storage


def _folder(base_dir: str) -> str:
    return os.path.join(os.path.abspath(base_dir), OWN_DIRECTORY, ASIDE)
