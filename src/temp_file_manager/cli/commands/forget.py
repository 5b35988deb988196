"""``forget``: drop records, leave their files."""

import argparse

from temp_file_manager.cli import open_manager, options, paths, render
from temp_file_manager.storage.paths import absolute_all


def add_parser(commands: options.Commands) -> None:
    """Declare the command."""
    parser = options.add_command(
        commands,
        "forget",
        "take files off the record; the files stay",
        execute,
        words="[-0] PATH...",
        more="The exit code is 1 if none of them was registered.",
        json="print the counts as a JSON object",
    )
    paths.add_paths(parser)
    options.add_settings(parser)


def execute(args: argparse.Namespace) -> int:
    """Forget records and print how many; return 1 if none of the paths had one.

    Raises:
        TempFileError: a setting, a path or the registry cannot be used.
    """
    refuse = paths.Refusals()
    forgotten = 0
    with open_manager.open_manager(args) as manager:
        for batch in paths.batches(args, refuse):
            asked = list(dict.fromkeys(absolute_all(batch, "forget")))
            known = manager.registry.get(asked)
            forgotten += manager.registry.forget(known)
            for path in asked:
                if path not in known:
                    refuse(path, "not registered")
    if args.json:
        render.as_json({"forgotten": forgotten, "not_registered": refuse.count}, indent=None)
    else:
        render.line(f"{render.count(forgotten, 'record')} forgotten; no file was touched.")
    return 1 if refuse.count and not forgotten else 0
