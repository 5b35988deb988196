"""``config``: the settings as they would be used, and where each came from."""

import argparse

from temp_file_manager.cli import options, render
from temp_file_manager.settings import FIELDS, settings


def add_parser(commands: options.Commands) -> None:
    """Declare the command."""
    about = "print every setting, its value and where it came from"
    parser = commands.add_parser(
        "config", help=about, description=about, usage="%(prog)s [--json] [--config FILE] [settings]"
    )
    options.add_json(parser, "print one JSON object, with one object a setting in it")
    options.add_settings(parser)
    parser.set_defaults(execute=execute)


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
    kind, _, where = source.partition(" ")
    metadata = FIELDS[name].metadata
    return {
        "value": _json(name, value),
        "source": kind,  # flag, variable, file or default
        "source_name": where or None,
        "default": _json(name, FIELDS[name].default),
        "variable": settings.variable(name),
        "flag": None if metadata["secret"] else options.flag(name),
        "about": metadata["about"],
        "allowed": metadata["allowed"],
    }


def _json(name: str, value: object) -> object:
    # As a string, because JSON has no octal numbers: 384 tells nobody that it is 0600. A secret is not shown either.
    as_text = value is not None and (name == "permission_mask" or FIELDS[name].metadata["secret"])
    return options.shown(name, value) if as_text else value
