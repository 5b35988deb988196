"""``export``: every record as a line of JSON, for ``import`` or another program."""

import argparse

from temp_file_manager import facts
from temp_file_manager.cli import opening, options, render, walking


def add_parser(commands: options.Commands) -> None:
    """Declare the command."""
    parser = options.add_command(
        commands,
        "export",
        "print every record as a line of JSON",
        execute,
        more="Names that are no text come as JSON writes lone surrogates; import reads them back to the byte.",
        json="the same, as there is no other form",
    )
    options.add_settings(parser)


def execute(args: argparse.Namespace) -> int:
    """Print the records; return 0.

    Raises:
        TempFileError: a setting or the registry cannot be used.
    """
    with opening.open_manager(args) as manager:
        for record in walking.every(manager):
            render.as_json(facts.stored(record), indent=None)
    return 0
