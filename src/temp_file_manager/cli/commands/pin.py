"""``pin``: keep files from every sweep, for a while or until ``unpin``."""

import argparse
import math
import os

from temp_file_manager.cli import open_manager, options, paths, render
from temp_file_manager.storage.paths import absolute_all
from temp_file_manager.text import span


def add_parser(commands: options.Commands) -> None:
    """Declare the command."""
    parser = options.add_command(
        commands,
        "pin",
        "keep registered files from every sweep, until unpin",
        execute,
        words="[-0] [--ttl SECONDS] PATH...",
        more="A pin outlasts this command, a restart and a new registration of the file. The exit code is 1 if any of "
        "them is not registered, or not there any more.",
        json="print the counts as a JSON object",
    )
    paths.add_paths(parser)
    parser.add_argument("--ttl", type=options.seconds, metavar="SECONDS", help="how long, instead of until unpin")
    options.add_settings(parser)


def execute(args: argparse.Namespace) -> int:
    """Pin files and print how many; return 1 if any of the paths was refused.

    Raises:
        TempFileError: a setting, a path or the registry cannot be used.
    """
    refuse = paths.Refusals()
    pinned = 0
    with open_manager.open_manager(args) as manager:
        registry = manager.registry
        for batch in paths.batches(args, refuse):
            asked = list(dict.fromkeys(absolute_all(batch, "pin")))
            known = registry.get(asked)
            until = math.inf if args.ttl is None else args.clock.wall() + args.ttl
            registry.keep(known, until)
            # Looked at after the pin, which no sweep that begins from here on passes: what is there now stays.
            gone = [path for path in known if not os.path.lexists(path)]
            registry.release(gone)
            pinned += len(known) - len(gone)
            for path in asked:
                if path not in known or path in gone:
                    refuse(path, "it is not there any more" if path in known else "not registered")
    _tell(args, pinned, refuse.count)
    return 1 if refuse.count else 0


def _tell(args: argparse.Namespace, pinned: int, refused: int) -> None:
    if args.json:
        render.as_json({"pinned": pinned, "refused": refused, "ttl": args.ttl}, indent=None)
        return
    until = "until unpin" if args.ttl is None else f"for {span(args.ttl)}"
    render.line(f"{render.count(pinned, 'file')} pinned {until}{f', {refused} refused' if refused else ''}.")
