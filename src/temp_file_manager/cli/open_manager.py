"""Opening the manager that a command works on, and the log beside it."""

import argparse
import logging
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace

from temp_file_manager import logs
from temp_file_manager.cli import options
from temp_file_manager.events import Hook
from temp_file_manager.manager import TempFileManager
from temp_file_manager.settings import Settings
from temp_file_manager.storage.own_files import OWN_DIRECTORY
from temp_file_manager.text import masked

REGISTRY = "sqlite:"
"""Where the command line's records live when nothing else is said: a command's process ends before the next begins."""


def registry_address(settings: Settings) -> str:
    """Return where the command line's records live."""
    return settings.registry or REGISTRY


def registry_name(settings: Settings) -> str:
    """Return ``registry_address`` as it may be shown."""
    return masked(registry_address(settings))


def registry_file(settings: Settings) -> str | None:
    """Return the file that the command line's records live in, made or not; None when they live in none."""
    scheme, _, address = registry_address(settings).partition(":")
    if scheme != "sqlite":
        return None
    path = address.partition("?")[0].strip("/")
    return f"/{path}" if path else os.path.join(os.path.abspath(settings.base_dir), OWN_DIRECTORY, "registry.db")


@contextmanager
def open_manager(
    args: argparse.Namespace, *, hooks: Iterable[Hook] = (), told: Iterable[Callable[..., None]] = ()
) -> Iterator[TempFileManager]:
    """Yield the manager that the settings describe, on the command line's registry, and close it.

    Args:
        args: The parsed flags; see ``options.add_settings``.
        hooks: Callables that hear every event.
        told: Functions of ``logs`` whose lines the command has a better place for: they do not come twice.

    Raises:
        TempFileError: a setting, the base directory, the log file or the registry cannot be used.
    """
    settings, sources = options.effective(args)
    asked = sources["log_level"] != "default"
    # What a script reads is the output; a person who wants the story asks for it.
    loud = settings if asked else replace(settings, log_level="WARNING")
    with logging_to(loud, without=() if asked or settings.log_file else told):
        manager = TempFileManager.from_settings(settings, registry=registry_address(settings), hooks=hooks)
        try:
            yield manager
        finally:
            manager.close()


@contextmanager
def logging_to(settings: Settings, *, without: Iterable[Callable[..., None]] = ()) -> Iterator[None]:
    """Log as the settings say, except what the functions ``without`` say; on leaving, all is as before.

    Raises:
        UsageError: the log file cannot be written.
    """
    level, propagate = logs.logger.level, logs.logger.propagate
    try:
        handler = logs.configure(settings)
    except OSError as error:
        raise options.UsageError(f"cannot write the log file {settings.log_file}: {error.strerror}") from error
    handler.addFilter(_by_others({function.__name__ for function in without}))
    try:
        yield
    finally:
        logs.logger.removeHandler(handler)
        handler.close()
        logs.logger.setLevel(level)
        logs.logger.propagate = propagate


def _by_others(names: set[str]) -> Callable[[logging.LogRecord], bool]:
    return lambda record: record.funcName not in names
