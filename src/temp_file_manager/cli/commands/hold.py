"""The command ``hold``: another command, run while no sweep removes a file, as ``flock`` runs one with a lock."""

import argparse
import os
from collections.abc import Iterator
from contextlib import contextmanager

from temp_file_manager.cli import child, options, render
from temp_file_manager.cli.open_manager import open_manager
from temp_file_manager.cli.options import UsageError
from temp_file_manager.errors import InvalidArgumentError


def add_parser(commands: options.Commands) -> None:
    """Declare the command."""
    parser = options.add_command(
        commands,
        "hold",
        "run a command while no sweep removes a registered file",
        execute,
        more=f"{child.EXIT_CODES} It is 1, and the command is not run, when the file is not registered or not there.",
        json="print a JSON object at the end, after what the command printed",
    )
    parser.usage = "%(prog)s [--json] [--config FILE] [settings] PATH [settings] -- COMMAND..."
    parser.add_argument("path", metavar="PATH", help="a registered file")
    parser.add_argument("words", nargs=argparse.REMAINDER, metavar="COMMAND", help="what to run, and its arguments")
    options.add_settings(parser)


def execute(args: argparse.Namespace) -> int:
    """Run a command while a file is held; return its exit code.

    Raises:
        TempFileError: a setting or the registry cannot be used, or no command is given.
    """
    words = child.words_after(args, "hold", "PATH [settings]")
    if not words or not words[0]:
        raise UsageError("name a COMMAND after the PATH: hold PATH -- COMMAND")
    if not args.path:
        raise UsageError("an empty PATH names no file")
    with open_manager(args) as manager:
        try:
            hold = manager.hold(args.path)
        except (InvalidArgumentError, OSError) as error:
            render.problem(error)
            return 1
        with hold, _open(hold.path) as descriptor:
            code = child.run(words, (descriptor,))
    if args.json:
        render.as_json({"path": hold.path, "command": words, "exit_code": code}, indent=None)
    return code


@contextmanager
def _open(path: str) -> Iterator[int]:
    """Yield a descriptor for the command to inherit: if this process is killed, the file is still in use."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        yield descriptor
    finally:
        os.close(descriptor)
