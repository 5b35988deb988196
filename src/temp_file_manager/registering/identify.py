"""The identity of a file that callers put on record through ``files``, without ``register_file``."""

import os

from temp_file_manager.records import NOTHING, Identity
from temp_file_manager.storage.identity import Examiner
from temp_file_manager.storage.own_files import is_own


def identify(path: str) -> Identity:
    """Return which file is at ``path``; ``NOTHING`` for what is no absolute path to a file that can be registered."""
    found = Examiner().examine(path) if os.path.isabs(path) and not is_own(path) else None
    return NOTHING if found is None else found.identity
