"""The command ``export``: every record as a line of JSON, for ``import`` or another program."""

import argparse
import math

from temp_file_manager.cli import options, render
from temp_file_manager.cli.open_manager import open_manager
from temp_file_manager.inspection import describe, pages
from temp_file_manager.records import TempFile


def add_parser(commands: options.Commands) -> None:
    """Declare the command."""
    parser = options.add_command(
        commands,
        "export",
        "print every record as a line of JSON",
        execute,
        more="Names that are no text are written as JSON writes lone surrogates; import reads them back byte for byte. "
        "Sessions are not exported: what lives as long as one is to live for max_age. A directory that goes as one is "
        "to be registered anew: import refuses it.",
        json="the same: there is no other form",
    )
    options.add_settings(parser)


def execute(args: argparse.Namespace) -> int:
    """Print the records; return 0.

    Raises:
        TempFileError: a setting or the registry cannot be used.
    """
    with open_manager(args, looking=True) as manager:
        for record in pages.records(manager.context):
            alone = _alone(record)
            render.as_json(describe.stored(alone) | describe.nature(alone), indent=None)
    return 0


def _alone(record: TempFile) -> TempFile:
    """Return a record as it is without its session: where nobody ends that, it would never be due."""
    return record._replace(due_at=None) if record.session and record.due_at == math.inf else record
