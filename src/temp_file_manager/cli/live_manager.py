"""The manager that ``run`` works with, and the one that takes its place when the settings are read again."""

import argparse
from collections.abc import Callable, Iterable
from dataclasses import replace

from temp_file_manager.cli import options
from temp_file_manager.errors import SettingsError, TempFileError
from temp_file_manager.events import Hook
from temp_file_manager.logs import logger
from temp_file_manager.manager import TempFileManager
from temp_file_manager.registry.schemes import SQLITE
from temp_file_manager.settings import Settings, variable
from temp_file_manager.text import printable

Show = Callable[[TempFileManager, Settings], None]
"""Serves another manager from now on, or raises a ``SettingsError`` and changes nothing."""

FIXED = (
    "base_dir",
    "registry",
    "registry_password_file",
    "spool",
    "spool_file",
    "scope",
    "log_file",
    "log_format",
    "http_host",
    "http_port",
    "http_socket",
    "metrics",
    "metrics_backend",
    "prometheus_port",
)
"""Settings that are open for as long as the process lives: a registry, a log, a port."""

PATIENCE = 5.0
"""Seconds to wait for the end of what the former manager does. What hangs then ends by itself, if it does: claims keep
it and the new one from each other's files."""


class LiveManager:
    """A manager that gives way to another one over the same registry, once settings that were read again can be used.

    All is put together anew, as at a start: so whatever can be told at a start can be told again, by the same judgement
    of the settings and the same guard of large sweeps, and nothing has to know that settings may change.

    Args:
        args: The parsed flags.
        settings: What they, the variables and the files say.
        hooks: Callables that hear every event.
    """

    def __init__(self, args: argparse.Namespace, settings: Settings, hooks: Iterable[Hook]) -> None:
        self._args = args
        self._hooks = tuple(hooks)
        self.settings = settings
        self.manager = TempFileManager.from_settings(
            settings, registry=settings.registry or SQLITE, hooks=self._hooks, clock=args.clock
        )

    def reload(self, show: Show) -> str:
        """Read the settings again, and work by them from now on; if they cannot be used, by the former ones.

        Args:
            show: Serves the new manager.

        Returns:
            What became of it, in words.

        Raises:
            RuntimeError: there can be no more threads; nothing sweeps any more.
        """
        former = self.manager
        try:
            settings = _with_what_is_fixed(options.effective(self._args)[0], self.settings)
            manager = TempFileManager.from_settings(
                settings, registry=former.registry, hooks=self._hooks, clock=self._args.clock
            )
            show(manager, settings)
        except TempFileError as error:
            return self._refused(error)
        self.manager, self.settings = manager, settings
        former.stop(PATIENCE)
        former.context.directory.close()
        logger.setLevel(settings.log_level)
        manager.start()
        said = f"Settings were read again: max_age {manager.max_age} seconds, a sweep every {settings.cleanup_interval}"
        logger.info(f"{said} seconds, rules: {len(settings.rules)}, limits: {len(settings.limits)}")
        return "Running by the settings that were read again"

    def stop(self) -> None:
        """End its sweeps after the chunk in hand."""
        self.manager.stop()

    def _refused(self, error: TempFileError) -> str:
        problems = error.problems if isinstance(error, SettingsError) else (str(error),)
        why = printable("; ".join(problems))
        self.manager.context.applied.refused = why
        logger.error(f"Settings were read again and refused, the former are in force: {why}")
        return f"Settings were refused, the former are in force: {why}"


def _with_what_is_fixed(settings: Settings, former: Settings) -> Settings:
    """Return settings with the former values of those that a running process cannot change; say which they are."""
    changed = [name for name in FIXED if getattr(settings, name) != getattr(former, name)]
    if not changed:
        return settings
    names = ", ".join(map(variable, changed))
    logger.warning(f"These settings were changed and take a restart, the former are in force: {names}")
    return replace(settings, **{name: getattr(former, name) for name in changed})
