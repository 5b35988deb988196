"""The library that signs requests: botocore, which the extra ``objects`` brings. Imported when it is first used."""

import functools
from importlib import import_module
from typing import Any

from temp_file_manager.errors import ObjectStoreError

MISSING = "buckets take the extra: pip install 'temp-file-manager[objects]'"


@functools.cache
def module(name: str) -> Any:
    """Return a module of botocore.

    Raises:
        ObjectStoreError: it is not installed.
    """
    try:
        return import_module(name)
    except ImportError as error:
        raise ObjectStoreError(MISSING) from error


def is_there() -> bool:
    """Say whether the library is installed."""
    try:
        module("botocore.auth")
    except ObjectStoreError:
        return False
    return True
