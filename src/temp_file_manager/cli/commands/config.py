"""The command ``config``: the settings as they would be used, and where each came from."""

import argparse
from collections.abc import Sequence

from temp_file_manager.cli import options, render
from temp_file_manager.cli.open_manager import open_manager, registry_is_there
from temp_file_manager.fleet.policy import Policy
from temp_file_manager.settings import FIELDS, Settings


def add_parser(commands: options.Commands) -> None:
    """Declare the command."""
    parser = options.add_command(
        commands,
        "config",
        "print every setting, its value and where it came from",
        execute,
        more="With a fleet it also prints the policies that win over the settings, as its server has said last.",
        json="print one JSON object, with one object a setting, one for limits and one for policies in it",
    )
    options.add_settings(parser)


def execute(args: argparse.Namespace) -> int:
    """Print the settings; return 0.

    Raises:
        SettingsError: listing every value that cannot be used.
        TempFileError: there is a fleet, and the registry that keeps its policies cannot be read.
    """
    effective, sources = options.effective(args)
    values = {name: getattr(effective, name) for name in FIELDS}
    if args.json:
        limits = {"value": [limit.described() for limit in effective.limits]} | _source(sources["limits"])
        found = [one.described() for one in _policies(args, effective)]
        policies = {"policies": {"value": found, "source": "fleet"}} if effective.fleet else {}
        told = {name: _described(name, value, sources[name]) for name, value in values.items()}
        render.as_json(told | {"limits": limits} | policies)
        return 0
    rows = [(name, options.shown(name, value), sources[name]) for name, value in values.items()]
    rows += [
        (f'limit "{limit.name}"', limit.words(), sources.get(limit.name, sources["limits"]))
        for limit in effective.limits
    ]
    rows += [(f'rule "{rule.name}"', rule.words(), sources["rules"]) for rule in effective.rules]
    rows += [("policy", one.words(), "fleet") for one in _policies(args, effective)]
    render.table(("setting", "value", "from"), rows)
    return 0


def _policies(args: argparse.Namespace, settings: Settings) -> Sequence[Policy]:
    """Return the policies in force; where there is no registry yet, none was ever heard of, and none is made."""
    if settings.fleet is None or not registry_is_there(settings):
        return ()
    with open_manager(args, looking=True) as manager:
        return manager.context.policies.policies.all


def _described(name: str, value: object, source: str) -> dict[str, object]:
    return {"value": options.for_json(name, value)} | _source(source) | options.described(name)


def _source(source: str) -> dict[str, object]:
    kind, _, where = source.partition(" ")  # the kind is flag, variable, file or default
    return {"source": kind, "source_name": where or None}
