"""Settings that are others where hosts share a volume, unless somebody has said what they are."""

from temp_file_manager.settings.settings import Settings

THREADS = 16
"""Removals at a time in a volume: each waits for a server, and does nothing meanwhile."""


def sets_aside(settings: Settings) -> bool:
    """Say whether files are moved away and compared again before they go.

    In a volume they are: another host can put a file in the place of one between a comparison and a removal, and a
    removal that a dead server has been told may come late.
    """
    if settings.paranoid is not None:
        return settings.paranoid
    return settings.scope is not None and not settings.secure_delete


def checks_owner(settings: Settings) -> bool:
    """Say whether another user's files are refused, and kept: in a volume, whoever may write records is many."""
    return settings.scope is not None if settings.owner_check is None else settings.owner_check


def removal_threads(settings: Settings) -> int:
    """Return how many threads remove files."""
    if settings.removal_threads is not None:
        return settings.removal_threads
    return 1 if settings.scope is None else THREADS
