"""The command ``apply``: what a plan says, done, and nothing else."""

import argparse

from temp_file_manager import logs
from temp_file_manager.cli import options, plan_files
from temp_file_manager.cli.fleet_policy import heed
from temp_file_manager.cli.open_manager import open_manager
from temp_file_manager.cli.sweep_output import Teller


def add_parser(commands: options.Commands) -> None:
    """Declare the command."""
    parser = options.add_command(
        commands,
        "apply",
        "do what a plan says, and nothing else",
        execute,
        words="[--accept-clock] [--quiet] FILE",
        more="The plan is what sweep --plan FILE has written. Each of its lines is done only if it means the same "
        "record and the same file as then, and nothing keeps that: pins, holds, living sessions, programs that have it "
        "open. What is skipped gets a line with the reason. A plan lasts a day. The exit code is 1 if any removal "
        "failed, and 2 if the plan is refused.",
        json="print one JSON object a line: each outcome, then the totals",
    )
    parser.add_argument("plan", metavar="FILE", help="the plan; - for standard input")
    options.add_accept_clock(parser)
    parser.add_argument("--quiet", action="store_true", help="print the totals alone")
    options.add_settings(parser)


def execute(args: argparse.Namespace) -> int:
    """Apply; return 1 if any removal failed.

    Raises:
        TempFileError: a setting, the registry or the plan cannot be used.
        OSError: the output could not be written; the plan was applied all the same.
    """
    from temp_file_manager.planning.apply import apply  # noqa: PLC0415 - few plan

    teller = Teller(as_json=args.json, quiet=args.quiet)
    with open_manager(args, hooks=[teller], unlogged=(logs.settled,)) as manager, plan_files.opened(args.plan) as file:
        if args.accept_clock:
            manager.context.clock_guard.accept()
        heed(manager.context)
        report = apply(manager.context, file, teller.tell)
    teller.end(report)
    return 1 if report.failed else 0
