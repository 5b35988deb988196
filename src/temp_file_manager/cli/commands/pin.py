"""The command ``pin``: files kept from every sweep, for a while or until ``unpin``."""

import argparse

from temp_file_manager.cli import options, paths
from temp_file_manager.cli.targets import NOT_REGISTERED, Answer, Total, distinct, work_through
from temp_file_manager.manager import TempFileManager
from temp_file_manager.registering.pin import GONE, pin_all
from temp_file_manager.text import count, span


def add_parser(commands: options.Commands) -> None:
    """Declare the command."""
    parser = options.add_command(
        commands,
        "pin",
        "keep registered files from every sweep, until unpin",
        execute,
        words="[-0] [--ttl TIME] PATH...",
        more="A pin outlasts this command, a restart and a new registration of the file. The exit code is 1 if any of "
        "them is not registered, or not there any more.",
        json="print the counts as a JSON object",
    )
    paths.add_paths(parser)
    parser.add_argument("--ttl", type=options.seconds, metavar="TIME", help="how long, instead of until unpin")
    options.add_settings(parser)


def execute(args: argparse.Namespace) -> int:
    """Pin files and print how many; return 1 if any of the paths was refused.

    Raises:
        TempFileError: a setting, a path or the registry cannot be used.
    """

    def pin(manager: TempFileManager, batch: list[str]) -> Answer:
        until = None if args.ttl is None else manager.context.clock_guard.wall() + args.ttl
        pinned = pin_all(manager.registry, distinct(batch), until)
        unknown, gone = ([(path, NOT_REGISTERED) for path in pinned.unknown], [(path, GONE) for path in pinned.gone])
        return Answer(len(pinned.kept), gone + unknown)

    def summary(total: Total) -> tuple[dict[str, object], str]:
        counts = {"pinned": total.done, "refused": total.refused, "ttl": args.ttl}
        until = "until unpin" if args.ttl is None else f"for {span(args.ttl)}"
        refused = f", {total.refused} refused" if total.refused else ""
        return counts, f"{count(total.done, 'file')} pinned {until}{refused}."

    return work_through(args, pin, summary)
