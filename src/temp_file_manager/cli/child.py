"""Another program, run by a command until it ends, as ``flock`` runs one: signals are passed on, and its exit code."""

import argparse
import os
import signal
from collections.abc import Iterable, Mapping

from temp_file_manager.cli import options, render, signals
from temp_file_manager.cli.options import UsageError

NOT_FOUND, NOT_RUNNABLE, KILLED = 127, 126, 128
"""Exit codes as shells give them; to the last the number of the signal is added."""

EXIT_CODES = (
    "The exit code is the command's own; 127 when the command is not found, 126 when it cannot be run, "
    "128 plus the signal's number when a signal ended it."
)

_PASSED_ON = (signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2)
_BOTH_GET = (signal.SIGINT, signal.SIGQUIT)  # a terminal sends these to the command as well
_AT_ONCE = 64


def words_after(args: argparse.Namespace, command: str, before: str) -> list[str]:
    """Return the program to run; flags before ``--`` are this program's own, and go to ``args``.

    Args:
        args: What is parsed already; ``words`` is the rest.
        command: The command of this program.
        before: What stands before ``--`` in its line of usage.

    Raises:
        UsageError: they are none of its flags, or no ``--`` says where the program begins.
    """
    words: list[str] = args.words
    if not words or not words[0].startswith("-"):
        return words
    if "--" not in words:
        raise UsageError(f"{words[0]!r} stands where the command should: {command} {before} -- COMMAND")
    end = words.index("--")
    if end:
        parser = options.Parser(prog=f"{render.PROGRAM} {command}", add_help=False)
        options.add_json(parser)
        options.add_settings(parser)
        parser.parse_args(words[:end], args)
    return words[end + 1 :]


def run(words: list[str], descriptors: Iterable[int], environment: Mapping[str, str] | None = None) -> int:
    """Run a program, and return its exit code.

    Args:
        words: The program and its arguments.
        descriptors: What it is to inherit.
        environment: Its variables; None: those of this process.
    """
    import subprocess  # noqa: PLC0415 - few commands need it, and it loads what only Unix has

    # What is ignored stays so, and is by the command: that is what nohup is for.
    wanted = [number for number in (*_PASSED_ON, *_BOTH_GET) if signal.getsignal(number) is not signal.SIG_IGN]
    with signals.heard((*wanted, signal.SIGCHLD)) as pipe:
        try:
            child = subprocess.Popen(words, pass_fds=tuple(descriptors), env=environment)  # noqa: S603 - it is asked for
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
