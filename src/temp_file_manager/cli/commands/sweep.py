"""The command ``sweep``: what is due removed now, and each outcome told."""

import argparse
from contextlib import nullcontext

from temp_file_manager import logs
from temp_file_manager.cli import options, plan_files, progress, render
from temp_file_manager.cli.fleet_policy import heed
from temp_file_manager.cli.open_manager import open_manager
from temp_file_manager.cli.sweep_output import Teller
from temp_file_manager.context import Context
from temp_file_manager.events import Hook


def add_parser(commands: options.Commands) -> None:
    """Declare the command."""
    parser = options.add_command(
        commands,
        "sweep",
        "remove what is due, now",
        execute,
        words="[-n | --plan FILE] [--all] [--limit N] [--budget TIME] [--even-if-open] [--allow-large N] "
        "[--accept-clock] [--quiet]",
        more="In a pipe each outcome is a line, as it happens; on a terminal only a file that was not simply "
        "removed gets one. The exit code is 1 if any removal failed. A sweep is finished even if nobody "
        "reads its output any more. A plan is done by the command apply.",
        json="print one JSON object a line: each outcome, then the totals",
    )
    parser.add_argument("-n", "--dry-run", action="store_true", help="change nothing, and print what would be done")
    parser.add_argument(
        "--plan", metavar="FILE", help="change nothing, and write what would be done to a new file; - for the output"
    )
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
    if args.plan is not None:
        return _plan(args)
    teller = Teller(as_json=args.json, quiet=args.quiet)
    bar = None if args.dry_run or args.json or args.quiet else progress.bar()
    hooks: list[Hook] = [teller] if bar is None else [bar, teller]
    opened = open_manager(args, hooks=hooks, unlogged=(logs.settled,), looking=args.dry_run)
    with opened as manager, bar or nullcontext():
        if bar is not None:
            bar.left = lambda: _left(manager.context, everything=args.all)
        if args.accept_clock:
            manager.context.clock_guard.accept()
        if not args.dry_run:
            heed(manager.context)
        report = manager.sweep(
            force=args.all,
            dry_run=args.dry_run,
            limit=args.limit,
            budget=args.budget,
            trust_clock=False,
            allow_large=args.allow_large,
            protect_open=_protects(manager.context, args),
        )
    teller.end(report)
    return 1 if report.failed else 0


def _left(context: Context, *, everything: bool) -> int:
    """Return how many records a sweep may still take up."""
    registry = context.registry
    return registry.stats().records if everything else registry.forecast(context.due(), (0.0,)).files[0]


def _protects(context: Context, args: argparse.Namespace) -> bool:
    return context.settings.protect_open and not args.even_if_open


def _plan(args: argparse.Namespace) -> int:
    from temp_file_manager.planning.plan import plan, refuse_unplannable  # noqa: PLC0415 - few sweeps are planned
    from temp_file_manager.planning.plan_file import Asked  # noqa: PLC0415 - likewise

    with open_manager(args) as manager:
        context = manager.context
        refuse_unplannable(context.registry)  # before anything is made
        if args.accept_clock:
            context.clock_guard.accept()
        asked = Asked(context.max_age, args.all, _protects(context, args), args.limit, args.budget)
        with plan_files.made(args.plan) as file:
            report = plan(context, asked, file)
    if args.plan != plan_files.STANDARD_OUTPUT:
        Teller(as_json=args.json, quiet=True).end(report)
        if not args.json and not args.quiet:
            render.line(f"Written to {args.plan}: {render.PROGRAM} apply {args.plan} does that, and nothing else.")
    return 0
