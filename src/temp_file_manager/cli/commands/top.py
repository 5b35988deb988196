"""``top``: how it is at a glance; on a terminal, live."""

import argparse
import os
import sys
from contextlib import closing
from dataclasses import replace
from importlib import import_module

from temp_file_manager.cli import open_manager, options, render
from temp_file_manager.cli.top import plain
from temp_file_manager.cli.top.look import Lookout
from temp_file_manager.settings import DEFAULT, Settings

INTERVAL = 2.0
LEAST, MOST = 0.1, 86400.0
"""Seconds between two looks."""


def add_parser(commands: options.Commands) -> None:
    """Declare the command."""
    parser = options.add_command(
        commands,
        "top",
        "show how it is at a glance, live on a terminal",
        execute,
        words="[--once] [--interval TIME]",
        more="Health, how much there is and was in the last hour, what expires when, which files stand out, and what "
        "the last sweeps did and why, whoever sweeps. It reads, and makes neither the base directory nor a registry. "
        "On a terminal it looks again and again until q or Ctrl-C, for which it needs the extra 'cli'; else once, in "
        "plain text.",
        json="print a JSON object, once",
    )
    parser.add_argument("--once", action="store_true", help="print it in plain text, and end")
    parser.add_argument(
        "--interval",
        type=_interval,
        default=INTERVAL,
        metavar="TIME",
        help=f"look so often; the default is {INTERVAL:g}",
    )
    options.add_settings(parser)


def execute(args: argparse.Namespace) -> int:
    """Show how it is; return 0.

    Raises:
        TempFileError: a setting, the base directory or the registry cannot be used.
    """
    settings, sources = options.effective(args)
    if not open_manager.address_of(settings).outlives_process:
        raise options.UsageError("records in memory are their process's own: give a --registry that others can see")
    asked = not (args.once or args.json)
    live = asked and _can_be_live()
    log = _log(settings, asked=sources["log_level"] != DEFAULT, live=live)
    with open_manager.logging_to(log), closing(Lookout(settings, args.clock)) as lookout:
        if live:
            from temp_file_manager.cli.top.live import show  # noqa: PLC0415 - it needs rich, and a terminal

            show(lookout, args.interval, last=args.ends_process)
            return 0
        *_, picture = lookout.look()
    if args.json:
        found = {"overview": picture.overview, "outlook": picture.outlook, "samples": picture.samples}
        render.as_json(found)
    else:
        plain.tell(picture)
    return 0


def _interval(text: str) -> float:
    """Read the seconds between two looks."""
    value = options.seconds(text)
    if not LEAST <= value <= MOST:
        raise argparse.ArgumentTypeError(f"{text!r} is not from {LEAST:g} to {MOST:g} seconds")
    return value


def _can_be_live() -> bool:
    """Say whether there is a terminal that can be drawn on and typed at, and what draws; if only that lacks, say so."""
    drawn_on = render.on_terminal() and sys.stdin is not None and sys.stdin.isatty()
    capable = os.environ.get("TERM", "dumb") not in ("", "dumb", "unknown")
    # The curve and the bars are no ASCII.
    if not (drawn_on and capable and (sys.stdout.encoding or "").lower().startswith("utf")):
        return False
    try:
        import_module("rich.live")
    except ImportError:
        render.problem("this is how it is now; to see it live: pip install 'temp-file-manager[cli]'")
        return False
    return True


def _log(settings: Settings, *, asked: bool, live: bool) -> Settings:
    """Return the settings with the level to log at: as in ``open_manager``, and nothing across a picture."""
    if live and not settings.log_file:
        return replace(settings, log_level="CRITICAL")  # at which nothing is logged
    return settings if asked else replace(settings, log_level="WARNING")
