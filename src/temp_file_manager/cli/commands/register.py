"""``register``: put files on record."""

import argparse

from temp_file_manager import logs
from temp_file_manager.cli import open_manager, options, paths, render


def add_parser(commands: options.Commands) -> None:
    """Declare the command."""
    parser = options.add_command(
        commands,
        "register",
        "put files on record, to be removed when they are due",
        execute,
        words="[-0] [--ttl SECONDS] [--tag TAG] PATH...",
        more="Registering a file again restarts its age. What is refused is told on standard error, with the reason.",
        json="print the counts as a JSON object",
    )
    paths.add_paths(parser)
    parser.add_argument(
        "--ttl", type=options.seconds, metavar="SECONDS", help="how long these files may live, instead of max_age"
    )
    parser.add_argument(
        "--tag", action="append", default=[], dest="tags", metavar="TAG", help="a word of your own; may be repeated"
    )
    options.add_settings(parser)


def execute(args: argparse.Namespace) -> int:
    """Register files and print how many; return 1 if any was refused.

    Raises:
        TempFileError: a setting, a path or the registry cannot be used.
    """
    refuse = paths.Refusals()
    registered = oversized = 0
    with open_manager.open_manager(args, told=(logs.refused,)) as manager:
        for batch in paths.batches(args, refuse):
            report = manager.register_files(batch, ttl=args.ttl, tags=args.tags)
            registered += report.registered
            oversized += report.oversized
            for path, reason in report.refused:
                refuse(path, reason)
    if args.json:
        counts = {"registered": registered, "refused": refuse.count, "oversized": oversized}
        render.as_json(counts, indent=None)
    else:
        render.line(f"{render.count(registered, 'file')} registered{_but(refuse.count, oversized)}.")
    return 1 if refuse.count else 0


def _but(refused: int, oversized: int) -> str:
    more = {"refused": refused, "larger than size_limit": oversized}
    return "".join(f", {number} {what}" for what, number in more.items() if number)
