"""The identity of a file that callers put on record through ``files``, without ``register_file``."""

import os

from temp_file_manager.records import NOTHING, Identity
from temp_file_manager.storage.identity import Examiner
from temp_file_manager.storage.own_files import is_own


def identify(path: str) -> Identity:
    """Return which file is at ``path``; ``NOTHING`` for what is no path to a file that can be registered.

    ``files`` is a dict, whose keys stay what they are, also relative ones. Which file they mean is decided here, once:
    a sweep in another working directory finds another directory, and leaves alone what bears that name there.
    """
    there = path if os.path.isabs(path) else _from_here(path)
    try:
        found = Examiner().examine(there) if there and not is_own(there) else None
    except OSError:  # what cannot be looked at is no file that could be removed
        found = None
    return NOTHING if found is None or found.own else found.identity


def _from_here(path: str) -> str:
    try:
        return os.path.join(os.getcwd(), path)
    except FileNotFoundError:  # the working directory has been removed
        return ""
