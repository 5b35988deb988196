"""Pins: registered files kept from every sweep for a while, or until somebody lets go."""

import math
import os
from collections.abc import Iterable
from typing import NamedTuple

from temp_file_manager.arguments import seconds
from temp_file_manager.clock import Wall
from temp_file_manager.durations import Duration
from temp_file_manager.errors import InvalidArgumentError
from temp_file_manager.records import is_object
from temp_file_manager.registering.on_record import recorded_paths
from temp_file_manager.registry import Registry

GONE = "it is not there any more"


class Pinned(NamedTuple):
    """Paths by what became of them.

    Attributes:
        kept: Those that no sweep takes now.
        unknown: Those that are not registered.
        gone: Those that are registered, and not there any more; they are not pinned.
    """

    kept: list[str]
    unknown: list[str]
    gone: list[str]


def pin_all(registry: Registry, paths: Iterable[str], until: float | None) -> Pinned:
    """Keep registered files from every sweep.

    Args:
        registry: Where their records are.
        paths: Absolute; each once. Those of the same file by different directories are one.
        until: Seconds since the epoch; None: until they are unpinned.
    """
    asked = recorded_paths(registry, paths)
    known = set(registry.keep(asked, math.inf if until is None else until))
    # Looked at after the pin, which waits for sweeps and is passed by none: what is there now stays.
    gone = [path for path in asked if path in known and not is_object(path) and not os.path.lexists(path)]
    registry.release(gone)
    kept = known.difference(gone)
    return Pinned([path for path in asked if path in kept], [path for path in asked if path not in known], gone)


def unpin_all(registry: Registry, paths: Iterable[str]) -> list[str]:
    """Let sweeps have registered files again; return those of the paths that are not registered."""
    asked = recorded_paths(registry, paths)
    known = set(registry.release(asked))
    return [path for path in asked if path not in known]


def pin(registry: Registry, path: str, ttl: Duration | None, clock: Wall) -> None:
    """Keep a registered file from every sweep for a time, or until it is unpinned.

    Raises:
        InvalidArgumentError: it is not registered, or the time means nothing.
        FileNotFoundError: it is registered, and not there any more.
    """
    until = None if ttl is None else clock.wall() + seconds("ttl", ttl)
    done = pin_all(registry, (path,), until)
    if done.unknown:
        raise _unknown(path)
    if done.gone:
        raise FileNotFoundError(2, GONE, path)


def unpin(registry: Registry, path: str) -> None:
    """Let sweeps have a registered file again.

    Raises:
        InvalidArgumentError: it is not registered.
    """
    if unpin_all(registry, (path,)):
        raise _unknown(path)


def _unknown(path: str) -> InvalidArgumentError:
    return InvalidArgumentError(f"{path!r} is not registered: register it first")
