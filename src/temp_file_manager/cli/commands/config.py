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
        json="print one JSON object, with one object a setting and one for the limits in it",
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
        limits = {"value": [limit.described() for limit in effective.limits]} | _source(sources["limits"])
        told = {name: _described(name, value, sources[name]) for name, value in values.items()}
        render.as_json(told | {"limits": limits})
        return 0
    rows = [(name, options.shown(name, value), sources[name]) for name, value in values.items()]
    rows += [
        (f'limit "{limit.name}"', limit.words(), sources.get(limit.name, sources["limits"]))
        for limit in effective.limits
    ]
    rows += [(f'rule "{rule.name}"', rule.words(), sources["rules"]) for rule in effective.rules]
    render.table(("setting", "value", "from"), rows)
    return 0


def _described(name: str, value: object, source: str) -> dict[str, object]:
    return {"value": options.for_json(name, value)} | _source(source) | options.described(name)


def _source(source: str) -> dict[str, object]:
    kind, _, where = source.partition(" ")  # the kind is flag, variable, file or default
    return {"source": kind, "source_name": where or None}
