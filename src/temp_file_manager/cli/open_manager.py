"""The manager that a command works on, and the log beside it."""

import argparse
import logging
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace

from temp_file_manager import logs
from temp_file_manager.cli import options
from temp_file_manager.context import Context
from temp_file_manager.events import Hook
from temp_file_manager.manager import TempFileManager
from temp_file_manager.plugins import load
from temp_file_manager.registry.schemes import SQLITE, Address, parse
from temp_file_manager.settings import DEFAULT, Settings
from temp_file_manager.storage.base_rules import refuse_unsafe


def address_of(settings: Settings) -> Address:
    """Return where the command line's records live: unless something else is said, in SQLite.

    Raises:
        RegistryError: no registry can be at that address.
        SettingsError: a plug-in cannot be used.
    """
    return parse(settings.registry or SQLITE, settings.base_dir, load(settings.plugins).schemes)


def registry_is_there(settings: Settings) -> bool:
    """Say whether the command line's registry is a file that has been made, also a link to nowhere, or on a server."""
    address = address_of(settings)
    return address.outlives_process if address.file is None else _is_there(address.file)


def _is_there(path: str) -> bool:
    """Say whether there is something; also where that may not be looked at, which whoever opens it is told."""
    try:
        os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError:
        return True
    return True


@contextmanager
def open_manager(
    args: argparse.Namespace,
    *,
    hooks: Iterable[Hook] = (),
    unlogged: Iterable[Callable[..., None]] = (),
    looking: bool = False,
) -> Iterator[TempFileManager]:
    """Yield the manager that the settings describe, on the command line's registry, and close it.

    Args:
        args: The parsed flags; see ``options.add_settings``.
        hooks: Callables that hear every event.
        unlogged: Functions of ``logs`` whose lines the command has a better place for: they do not come twice.
        looking: Whether the command only looks: then neither a base directory nor a registry is made. Where there is
            none nothing is on record.

    Raises:
        TempFileError: a setting, the base directory, the log file or the registry cannot be used.
    """
    settings, sources = options.effective(args)
    asked = sources["log_level"] != DEFAULT
    # What a script reads is the output; a person who wants the story asks for it.
    loud = settings if asked else replace(settings, log_level="WARNING")
    with logging_to(loud, unlogged=() if asked or settings.log_file else unlogged):
        manager = TempFileManager.from_context(_context(args, settings, hooks, looking=looking))
        try:
            yield manager
        finally:
            manager.close()


def _context(args: argparse.Namespace, settings: Settings, hooks: Iterable[Hook], *, looking: bool) -> Context:
    file = address_of(settings).file
    if looking and file is not None and not _is_there(file):
        refuse_unsafe(os.path.abspath(settings.base_dir))  # as those who make it would be
        return Context.beside(settings, clock=args.clock, hooks=hooks)
    registry = settings.registry or SQLITE
    return Context.open(settings, registry=registry, hooks=hooks, clock=args.clock, make=not looking)


@contextmanager
def open_context_beside(
    args: argparse.Namespace,
    settings: Settings,
    *,
    hooks: Iterable[Hook] = (),
    unlogged: Iterable[Callable[..., None]] = (),
) -> Iterator[Context]:
    """Yield a context that looks at a base directory and makes nothing, no registry either; log as a manager's does.

    Raises:
        UsageError: the log file cannot be written.
    """
    asked = args.log_level is not None
    with logging_to(settings if asked else replace(settings, log_level="WARNING"), unlogged=unlogged):
        yield Context.beside(settings, clock=args.clock, hooks=hooks)


@contextmanager
def logging_to(settings: Settings, *, unlogged: Iterable[Callable[..., None]] = ()) -> Iterator[None]:
    """Log as the settings say, except what the functions ``unlogged`` say; on leaving, all is as before.

    Raises:
        UsageError: the log file cannot be written.
    """
    level, propagate = logs.logger.level, logs.logger.propagate
    try:
        handler = logs.configure(settings)
    except OSError as error:
        raise options.UsageError(f"cannot write the log file {settings.log_file}: {error.strerror}") from error
    handler.addFilter(_by_others({function.__name__ for function in unlogged}))
    try:
        yield
    finally:
        logs.logger.removeHandler(handler)
        handler.close()
        logs.logger.setLevel(level)
        logs.logger.propagate = propagate


def _by_others(names: set[str]) -> Callable[[logging.LogRecord], bool]:
    return lambda record: record.funcName not in names
