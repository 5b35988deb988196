"""The command ``config``: the settings as they would be used, and where each came from."""

import argparse
from collections.abc import Iterable, Mapping, Sequence

from temp_file_manager.cli import options, render
from temp_file_manager.cli.open_manager import open_manager, registry_is_there
from temp_file_manager.fleet.policy import Policy
from temp_file_manager.limits import Limit
from temp_file_manager.rules.rule import Rule
from temp_file_manager.settings import FIELDS, Settings, Source, titled


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
    limits = [(limit, _of_limit(limit, sources)) for limit in effective.limits]
    rules = [(rule, sources.get(titled("rule", rule.name), sources["rules"])) for rule in effective.rules]
    if args.json:
        told = {name: _described(name, value, sources[name]) for name, value in values.items()}
        told["rules"]["value"] = _parts(rules)
        told["limits"] = {"value": _parts(limits)} | _source(sources["limits"])
        if effective.fleet:
            policies = [one.described() for one in _policies(args, effective)]
            told["policies"] = {"value": policies, "source": "fleet"}
        render.as_json(told)
        return 0
    rows = [(name, options.shown(name, value), str(sources[name])) for name, value in values.items()]
    rows += [(titled("limit", limit.name), limit.words(), str(source)) for limit, source in limits]
    rows += [(titled("rule", rule.name), rule.words(), str(source)) for rule, source in rules]
    rows += [("policy", one.words(), "fleet") for one in _policies(args, effective)]
    render.table(("setting", "value", "from"), rows)
    return 0


def _policies(args: argparse.Namespace, settings: Settings) -> Sequence[Policy]:
    """Return the policies in force; where there is no registry yet, none was ever heard of, and none is made."""
    if settings.fleet is None or not registry_is_there(settings):
        return ()
    with open_manager(args, looking=True) as manager:
        return manager.context.policies.policies.all


def _of_limit(limit: Limit, sources: Mapping[str, Source]) -> Source:
    """Return where a limit comes from: a table, or one of the two settings that make one."""
    table = titled("limit", limit.name)
    return sources[table if table in sources else limit.name]


def _described(name: str, value: object, source: Source) -> dict[str, object]:
    return {"value": options.for_json(name, value)} | _source(source) | options.described(name)


def _parts(parts: Iterable[tuple[Rule | Limit, Source]]) -> list[dict[str, object]]:
    return [part.described() | _source(source) for part, source in parts]


def _source(source: Source) -> dict[str, object]:
    return {"source": source.kind, "source_name": source.name or None, "line": source.line}
