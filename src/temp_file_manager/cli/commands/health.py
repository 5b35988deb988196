"""The command ``health``: the state of all there is, for people and for a container's health check."""

import argparse
import os
from dataclasses import replace

from temp_file_manager import logs
from temp_file_manager.cli import options, render
from temp_file_manager.cli.open_manager import address_of, open_context_beside, open_manager
from temp_file_manager.errors import BaseDirectoryError, InvalidArgumentError, RegistryError
from temp_file_manager.inspection import health
from temp_file_manager.inspection.health import Grade, Health
from temp_file_manager.settings import Settings
from temp_file_manager.storage.base_rules import refuse_unsafe
from temp_file_manager.storage.paths import nearest_existing
from temp_file_manager.text import count, printable

EXIT = {Grade.HEALTHY: 0, Grade.DEGRADED: 1, Grade.UNHEALTHY: 2}


def add_parser(commands: options.Commands) -> None:
    """Declare the command."""
    parser = options.add_command(
        commands,
        "health",
        "say whether all is well, and if not what to do",
        execute,
        more="It makes neither the base directory nor a registry. The exit code is 0 when it is healthy, 1 when it is "
        "degraded (sweeps go on, somebody should look), 2 when it is unhealthy or cannot be opened. For a "
        "container's HEALTHCHECK that tolerates degraded: temp-file-manager health || [ $? -eq 1 ]",
        json="print a JSON object",
    )
    options.add_settings(parser)


def execute(args: argparse.Namespace) -> int:
    """Print a line a reason; return 0, 1 or 2, see ``EXIT``.

    Raises:
        TempFileError: a setting cannot be used.
    """
    settings, _ = options.effective(args)
    found = replace(_examined(args, settings), registry=address_of(settings).shown)
    if args.json:
        render.as_json(found.described())
    elif found.reasons:
        for reason in found.reasons:
            render.line(f"{found.status}: {reason}")
    else:
        render.line(f"{found.status}: {count(found.records or 0, 'record')} in {found.base_dir}")
    return EXIT[found.status]


def _examined(args: argparse.Namespace, settings: Settings) -> Health:
    address = address_of(settings)
    with open_context_beside(args, settings) as context:
        if address.file is None and not address.outlives_process:  # those of other processes, which cannot be seen
            return health.examine(context)
        try:
            refuse_unsafe(settings.base_dir)
            if address.file is not None and not os.path.lexists(address.file):
                return health.examine(context, trouble=_why_not_made(address.file))
            if os.path.isdir(settings.base_dir) and os.access(settings.base_dir, os.W_OK | os.X_OK):
                with open_manager(args, unlogged=(logs.registry_read_only,)) as manager:
                    return health.examine(manager.context)
            trouble = ""
        except BaseDirectoryError as error:
            trouble = f"{error.filename}: {error.strerror}"
        except (RegistryError, InvalidArgumentError) as error:
            trouble = str(error)
        # Opening would make the base directory again, or fail for want of it: what is known says enough.
        return replace(health.examine(context, trouble=trouble), records=None)


def _why_not_made(file: str) -> str:
    there = nearest_existing(os.path.dirname(file))
    if os.access(there, os.W_OK | os.X_OK):
        return ""
    return f"{printable(file)} is not there and cannot be made: let this user write in {printable(there)}"
