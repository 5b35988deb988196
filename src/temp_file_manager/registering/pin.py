"""Pins: registered files kept from every sweep for a while, or until somebody lets go."""

import math
import os

from temp_file_manager.errors import InvalidArgumentError
from temp_file_manager.registry import Registry
from temp_file_manager.storage.in_flight import IN_FLIGHT


def pin(registry: Registry, path: str, until: float | None) -> None:
    """Keep a registered file from every sweep.

    Args:
        registry: Where its record is.
        path: Absolute.
        until: Seconds since the epoch; None: until ``unpin``.

    Raises:
        InvalidArgumentError: it is not registered.
        FileNotFoundError: it is registered, and not there any more.
    """
    if not registry.keep((path,), math.inf if until is None else until):
        raise _unknown(path)
    # Looked at after the pin, which no sweep that begins from here on passes: what is there now stays.
    IN_FLIGHT.wait(path)
    if not os.path.lexists(path):
        registry.release((path,))
        raise FileNotFoundError(2, "it is not there any more", path)


def unpin(registry: Registry, path: str) -> None:
    """Let sweeps have a registered file again.

    Raises:
        InvalidArgumentError: it is not registered.
    """
    if not registry.release((path,)):
        raise _unknown(path)


def _unknown(path: str) -> InvalidArgumentError:
    return InvalidArgumentError(f"{path!r} is not registered: register it first")
