"""The command ``exec``: another command, whose temporary files go when it and all that it started have ended."""

import argparse
import math
import os
import shlex

from temp_file_manager.adopt.scratch import scratch
from temp_file_manager.cli import child, options, render
from temp_file_manager.cli.open_manager import open_manager
from temp_file_manager.cli.options import UsageError
from temp_file_manager.manager import TempFileManager
from temp_file_manager.records import Selection
from temp_file_manager.sessions import HEIRS
from temp_file_manager.sweeping.sessions import end_over
from temp_file_manager.sweeping.sweep import Bounds
from temp_file_manager.text import printable

VARIABLES = ("TMPDIR", "TMP", "TEMP")
"""What programs look up for a directory of temporary files."""

LONGEST_NAME = 100


def add_parser(commands: options.Commands) -> None:
    """Declare the command."""
    parser = options.add_command(
        commands,
        "exec",
        "run a command whose temporary files go when it and all that it started have ended",
        execute,
        more=f"TMPDIR, TMP and TEMP are a directory of its own, in a session of its own. {child.EXIT_CODES}",
        json="print a JSON object at the end, after what the command printed",
    )
    parser.usage = "%(prog)s [--ttl TIME] [--json] [--config FILE] [settings] -- COMMAND..."
    parser.add_argument(
        "--ttl", type=options.seconds, metavar="TIME", help="its files go after so long, even if the command still runs"
    )
    parser.add_argument("words", nargs=argparse.REMAINDER, metavar="COMMAND", help="what to run, and its arguments")
    options.add_settings(parser)


def execute(args: argparse.Namespace) -> int:
    """Run a command in a session of its own; return its exit code.

    Raises:
        TempFileError: a setting or the registry cannot be used, or no command is given.
    """
    words = child.words_after(args, "exec", "[settings]")
    if not words or not words[0]:
        raise UsageError("name a COMMAND: exec -- COMMAND")
    with open_manager(args) as manager:
        code, number, path = _run(manager, words, args.ttl)
    if args.json:
        render.as_json({"session": number, "directory": path, "command": words, "exit_code": code}, indent=None)
    return code


def _run(manager: TempFileManager, words: list[str], ttl: float | None) -> tuple[int, int, str]:
    context, registry = manager.context, manager.registry
    now, name = context.clock_guard.wall(), printable(shlex.join(words))[:LONGEST_NAME]
    with scratch(context) as (path, lock):
        ends_at = math.inf if ttl is None else now + ttl
        session = registry.begin(name, now=now, ends_at=ends_at, owner=HEIRS)
        try:
            environment = os.environ | dict.fromkeys(VARIABLES, path)
            code = child.run(words, (session.descriptor, lock), environment)
        finally:
            registry.let_go(session.number)
        asof = context.clock_guard.read().asof
        if session.number in {one.number for one in end_over(registry, asof)}:  # nobody who inherited it lives on
            due = Selection(asof, context.max_age, force=True, session=session.number)
            storage = context.storage_for(protect_open=context.settings.protect_open, force=True)
            context.sweeper.run(due, Bounds(), storage)
    return code, session.number, path
