"""``health``: whether all is well, for people and for a container's health check."""

import argparse
import os
from dataclasses import replace

from temp_file_manager import logs
from temp_file_manager.cli import open_manager, options, render
from temp_file_manager.errors import BaseDirectoryError, InvalidArgumentError, RegistryError
from temp_file_manager.inspection import health
from temp_file_manager.inspection.health import Grade, Health
from temp_file_manager.settings import Settings
from temp_file_manager.storage.base_rules import refuse_unsafe
from temp_file_manager.storage.paths import nearest_existing
from temp_file_manager.text import printable

EXIT = {Grade.HEALTHY: 0, Grade.DEGRADED: 1, Grade.UNHEALTHY: 2}


def add_parser(commands: options.Commands) -> None:
    """Declare the command."""
    parser = options.add_command(
        commands,
        "health",
        "say whether all is well, and if not what to do",
        execute,
        more="It makes neither the base directory nor a registry. The exit code is 0 when it is healthy, 1 when it is "
        "degraded (sweeps go on, somebody should look), 2 when it is unhealthy or cannot be opened. A container's "
        "HEALTHCHECK that puts up with degraded: temp-file-manager health || [ $? -eq 1 ]",
        json="print a JSON object",
    )
    options.add_settings(parser)


def execute(args: argparse.Namespace) -> int:
    """Print a line a reason; return 0, 1 or 2, see ``EXIT``.

    Raises:
        TempFileError: a setting cannot be used.
    """
    settings, _ = options.effective(args)
    found = replace(_examined(args, settings), registry=open_manager.registry_name(settings))
    if args.json:
        render.as_json(found.described())
    elif found.reasons:
        for reason in found.reasons:
            render.line(f"{found.status}: {reason}")
    else:
        render.line(f"{found.status}: {render.count(found.records or 0, 'record')} in {found.base_dir}")
    return EXIT[found.status]


def _examined(args: argparse.Namespace, settings: Settings) -> Health:
    facts = health.surroundings(settings.base_dir, settings.max_age, registry=open_manager.registry_name(settings))
    file = open_manager.registry_file(settings)
    if file is None:  # records in memory are those of other processes, and cannot be seen
        return health.judge(facts, settings)
    try:
        refuse_unsafe(settings.base_dir)
        if not os.path.lexists(file):
            return health.judge(replace(facts, registry_trouble=_why_not_made(file)), settings)
        if facts.base_there and facts.base_writable:
            with open_manager.open_manager(args, told=(logs.registry_read_only,)) as manager:
                return health.examine(manager)
        trouble = ""
    except BaseDirectoryError as error:
        trouble = f"{error.filename}: {error.strerror}"
    except (RegistryError, InvalidArgumentError) as error:
        trouble = str(error)
    # Opening would make the base directory again, or fail for want of it: what is known says enough.
    return health.judge(replace(facts, records=None, registry_trouble=trouble), settings)


def _why_not_made(file: str) -> str:
    there = nearest_existing(os.path.dirname(file))
    if os.access(there, os.W_OK | os.X_OK):
        return ""
    return f"{printable(file)} is not there and cannot be made: let this user write in {printable(there)}"
