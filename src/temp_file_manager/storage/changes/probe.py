"""A probe of what tells of changes here: a real file, which goes at once."""

import os
import threading
from typing import NamedTuple

from temp_file_manager.storage.changes.changes import SOURCES, advice, first_source
from temp_file_manager.storage.changes.contract import Source
from temp_file_manager.storage.changes.hints import Hints
from temp_file_manager.storage.new_files import create_file, discard

PATIENCE = 5.0
"""Seconds that an event may take."""


class Told(NamedTuple):
    """What came of it.

    Attributes:
        source: What told of the file; empty if nothing did.
        reason: Why nothing did.
        advice: What to do about it; may be empty.
    """

    source: str
    reason: str = ""
    advice: str = ""


def probe(directory: str) -> Told:
    """Make an empty file, wait until something tells of it, and remove it."""
    rung = threading.Event()
    try:
        source = first_source(Hints(rung.set), SOURCES)
    except OSError as error:
        return _failed(error)
    try:
        _enter(source, directory)
        discard(*create_file(directory, ".temp-file-manager-doctor-", ""))
        return Told(source.name) if rung.wait(PATIENCE) else Told("", f"{source.name} tells of nothing here")
    except OSError as error:
        return _failed(error)
    finally:
        source.close()


def _enter(source: Source, directory: str) -> None:
    descriptor = os.open(directory, os.O_RDONLY | getattr(os, "O_DIRECTORY", 0) | getattr(os, "O_CLOEXEC", 0))
    try:
        source.enter(directory, "", descriptor)
    finally:
        os.close(descriptor)


def _failed(error: OSError) -> Told:
    return Told("", error.strerror or str(error), advice(error))
