"""The command ``hold``: another command, run while no sweep removes a file, as ``flock`` runs one with a lock."""

import argparse
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager

from temp_file_manager.cli import options, render, signals
from temp_file_manager.cli.open_manager import open_manager
from temp_file_manager.cli.options import UsageError
from temp_file_manager.errors import InvalidArgumentError
from temp_file_manager.registering.hold import Hold

NOT_FOUND, NOT_RUNNABLE, KILLED = 127, 126, 128
"""Exit codes as shells give them; to the last the number of the signal is added."""

_PASSED_ON = (signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2)
_BOTH_GET = (signal.SIGINT, signal.SIGQUIT)  # a terminal sends these to the command as well
_AT_ONCE = 64


def add_parser(commands: options.Commands) -> None:
    """Declare the command."""
    parser = options.add_command(
        commands,
        "hold",
        "run a command while no sweep removes a registered file",
        execute,
        more="The exit code is the command's own; 127 when the command is not found, 126 when it cannot be run, "
        "128 plus the signal's number when a signal ended it. It is 1, and the command is not run, when the "
        "file is not registered or not there.",
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
    words = _command(args)
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
        with hold:
            code = _run(words, hold)
    if args.json:
        render.as_json({"path": hold.path, "command": words, "exit_code": code}, indent=None)
    return code


def _command(args: argparse.Namespace) -> list[str]:
    """Return the command; flags between the path and ``--`` are this program's, and go to ``args``.

    Raises:
        UsageError: they are none of its flags, or no ``--`` says where the command begins.
    """
    words: list[str] = args.words
    if not words or not words[0].startswith("-"):
        return words
    if "--" not in words:
        raise UsageError(f"{words[0]!r} stands where the command should: hold PATH [settings] -- COMMAND")
    end = words.index("--")
    if end:
        parser = options.Parser(prog=f"{render.PROGRAM} hold", add_help=False)
        options.add_json(parser)
        options.add_settings(parser)
        parser.parse_args(words[:end], args)
    return words[end + 1 :]


def _run(words: list[str], hold: Hold) -> int:
    import subprocess  # noqa: PLC0415 - no other command needs it, and it loads what only Unix has

    # What is ignored stays so, and is by the command: that is what nohup is for.
    wanted = [number for number in (*_PASSED_ON, *_BOTH_GET) if signal.getsignal(number) is not signal.SIG_IGN]
    with signals.heard((*wanted, signal.SIGCHLD)) as pipe, _open(hold.path) as descriptors:
        try:
            child = subprocess.Popen(words, pass_fds=descriptors)  # noqa: S603 - to run it is what is asked for
        except FileNotFoundError:
            render.problem(f"{words[0]}: not found")
            return NOT_FOUND
        except (OSError, ValueError) as error:
            render.problem(f"{words[0]}: {getattr(error, 'strerror', None) or error}")
            return NOT_RUNNABLE
        while (code := child.poll()) is None:
            for number in os.read(pipe.reader, _AT_ONCE):  # the command's own end is one, too
                if number in _PASSED_ON:
                    child.send_signal(number)
    return code if code >= 0 else KILLED - code


@contextmanager
def _open(path: str) -> Iterator[tuple[int, ...]]:
    """Yield a descriptor for the command to inherit: if this process is killed, the file is still in use."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        yield (descriptor,)
    finally:
        os.close(descriptor)
