"""The command ``register``: files put on record."""

import argparse

from temp_file_manager import logs
from temp_file_manager.cli import options, paths, render
from temp_file_manager.cli.targets import Answer, Total, work_through
from temp_file_manager.manager import TempFileManager


def add_parser(commands: options.Commands) -> None:
    """Declare the command."""
    parser = options.add_command(
        commands,
        "register",
        "put files on record, to be removed when they are due",
        execute,
        words="[-0] [--ttl SECONDS] [--tag TAG] PATH...",
        more="Registering a file again restarts its age. A file that is refused is told on standard error, with "
        "the reason, and makes the exit code 1.",
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

    def register(manager: TempFileManager, batch: list[str]) -> Answer:
        report = manager.register_files(batch, ttl=args.ttl, tags=args.tags)
        return Answer(report.registered, report.refused, oversized=report.oversized)

    return work_through(args, register, _summary, unlogged=(logs.refused,))


def _summary(total: Total) -> tuple[dict[str, object], str]:
    counts: dict[str, object] = {
        "registered": total.done,
        "refused": total.refused,
        "oversized": total.oversized,
    }
    more = {"refused": total.refused, "larger than size_limit": total.oversized}
    but = "".join(f", {number} {what}" for what, number in more.items() if number)
    return counts, f"{render.count(total.done, 'file')} registered{but}."
