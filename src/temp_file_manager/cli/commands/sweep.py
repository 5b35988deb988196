"""The command ``sweep``: what is due removed now, and each outcome told."""

import argparse
from contextlib import nullcontext

from temp_file_manager import logs
from temp_file_manager.cli import options, progress
from temp_file_manager.cli.open_manager import open_manager
from temp_file_manager.cli.sweep_output import Teller
from temp_file_manager.events import Hook


def add_parser(commands: options.Commands) -> None:
    """Declare the command."""
    parser = options.add_command(
        commands,
        "sweep",
        "remove what is due, now",
        execute,
        words="[-n] [--all] [--limit N] [--budget TIME] [--even-if-open] [--allow-large N] [--accept-clock] [--quiet]",
        more="In a pipe each outcome is a line, as it happens; on a terminal only a file that was not simply "
        "removed gets one. The exit code is 1 if any removal failed. A sweep is finished even if nobody "
        "reads its output any more.",
        json="print one JSON object a line: each outcome, then the totals",
    )
    parser.add_argument("-n", "--dry-run", action="store_true", help="change nothing, and print what would be done")
    parser.add_argument("--all", action="store_true", help="take every file on record, whatever its age")
    parser.add_argument(
        "--even-if-open",
        action="store_true",
        help="remove files even if somebody has them open (else TEMP_FILE_PROTECT_OPEN decides)",
    )
    parser.add_argument(
        "--allow-large",
        type=options.whole,
        default=0,
        metavar="N",
        help="remove up to N files that are due only because a setting has changed since the last sweep",
    )
    options.add_accept_clock(parser)
    parser.add_argument("--limit", type=options.whole, metavar="N", help="handle at most so many files")
    parser.add_argument(
        "--budget", type=options.seconds, metavar="TIME", help="begin no new chunk (500 files at most) after so long"
    )
    parser.add_argument("--quiet", action="store_true", help="print the totals alone")
    options.add_settings(parser)


def execute(args: argparse.Namespace) -> int:
    """Sweep; return 1 if any removal failed.

    Raises:
        TempFileError: a setting or the registry cannot be used.
        OSError: the output could not be written; the sweep was finished all the same.
    """
    teller = Teller(as_json=args.json, quiet=args.quiet)
    bar = None if args.dry_run or args.json or args.quiet else progress.bar()
    hooks: list[Hook] = [teller] if bar is None else [bar, teller]
    with open_manager(args, hooks=hooks, unlogged=(logs.settled,)) as manager, bar or nullcontext():
        if args.accept_clock:
            manager.context.clock_guard.accept()
        report = manager.sweep(
            force=args.all,
            dry_run=args.dry_run,
            limit=args.limit,
            budget=args.budget,
            trust_clock=False,
            allow_large=args.allow_large,
            protect_open=manager.context.settings.protect_open and not args.even_if_open,
        )
    teller.end(report)
    return 1 if report.failed else 0
