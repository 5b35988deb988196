"""The command ``config``: the settings as they would be used, and where each came from."""

import argparse

from temp_file_manager.cli import options, render
from temp_file_manager.settings import FIELDS


def add_parser(commands: options.Commands) -> None:
    """Declare the command."""
    parser = options.add_command(
        commands,
        "config",
        "print every setting, its value and where it came from",
        execute,
        json="print one JSON object, with one object a setting in it",
    )
    options.add_settings(parser)


def execute(args: argparse.Namespace) -> int:
    """Print the settings; return 0.

    Raises:
        SettingsError: listing every value that cannot be used.
    """
    effective, sources = options.effective(args)
    values = {name: getattr(effective, name) for name in FIELDS}
    if args.json:
        render.as_json({name: _described(name, value, sources[name]) for name, value in values.items()})
        return 0
    rows = [(name, options.shown(name, value), sources[name]) for name, value in values.items()]
    render.table(("setting", "value", "from"), rows)
    return 0


def _described(name: str, value: object, source: str) -> dict[str, object]:
    kind, _, where = source.partition(" ")  # the kind is flag, variable, file or default
    found = {"value": options.for_json(name, value), "source": kind, "source_name": where or None}
    return found | options.described(name)
