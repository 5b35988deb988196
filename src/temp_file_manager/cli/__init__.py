"""The command line: ``temp-file-manager COMMAND``.

A command is a module in ``commands`` that is named after it (and a ``_`` where Python has that word) with
``add_parser(commands)``, which declares it and its flags, and ``execute(args)``, which does it and returns the exit
code: 0 done, 1 something failed, 2 bad usage or settings. Naming the module in ``COMMANDS`` is all that makes it one.
Only the module of the command that is asked for is imported: all of them took a fifth of a command's start.
"""

import sys
from collections.abc import Iterable, Mapping
from importlib import import_module

from temp_file_manager.cli import render
from temp_file_manager.cli.arranging import arranged, unknown
from temp_file_manager.cli.examples import EXAMPLES, PROGRAM
from temp_file_manager.cli.options import Parser
from temp_file_manager.clock import Clock
from temp_file_manager.errors import (
    LargeSweepError,
    ObjectStoreError,
    PausedError,
    RecordClaimedError,
    RegistryFullError,
    RegistryUnavailableError,
    TempFileError,
)

COMMANDS = (
    "run",
    "register",
    "list_",
    "status",
    "why",
    "sweep",
    "object_",
    "apply",
    "pin",
    "unpin",
    "hold",
    "restore",
    "session",
    "scope",
    "exec_",
    "forget",
    "cat",
    "adopt",
    "stats",
    "limits",
    "rules",
    "fleet",
    "top",
    "check",
    "health",
    "doctor",
    "registry",
    "export",
    "import_",
    "config",
    "completion",
    "help_",
    "version",
)
"""The modules of the commands, in the order of the overview."""

ABOUT_ALL = frozenset({"help", "completion"})
"""The commands that tell of all of them."""

DONE, FAILED, BAD_USAGE = 0, 1, 2


_FAILURES = (
    RegistryFullError,
    RegistryUnavailableError,
    RecordClaimedError,
    LargeSweepError,
    PausedError,
    ObjectStoreError,
)
"""Errors of what was asked for rightly, and could not be done."""


def main(argv: list[str] | None = None, *, default: str = "", base: str = "", clock: Clock | None = None) -> int:
    """Run one command.

    Args:
        argv: The words after the program's name; None for those of this process, which then is taken to end
            with this call: see ``run``.
        default: The command that is meant where none is named; empty: see ``arranging``.
        base: The base directory where none is named; empty: see ``settings.default_base``.
        clock: What tells every command the time; the registry's, or else the machine's, if None.

    Returns:
        The exit code: 0 done, 1 something failed, 2 bad usage or settings.
    """
    try:
        render.prepare()
        words = sys.argv[1:] if argv is None else argv
        code = _command(words, default, ends_process=argv is None, clock=clock, base=base)
        render.flush()
    except _FAILURES as error:
        render.problem(error)
        return FAILED
    except TempFileError as error:
        render.problem(error)
        return BAD_USAGE
    except BrokenPipeError:
        # Whoever read the output has seen enough: no word about it, but not everything was delivered.
        render.abandon()
        return FAILED
    except OSError as error:
        render.problem(error)
        render.abandon()
        return FAILED
    except KeyboardInterrupt:
        render.problem("interrupted")
        return FAILED
    return code


def parsers(modules: Iterable[str] = COMMANDS) -> tuple[Parser, Mapping[str, Parser]]:
    """Return the parser of the command line, and by their names those of the commands.

    Args:
        modules: Those of the commands that it is to know.
    """
    program = Parser(
        prog=render.PROGRAM,
        usage="%(prog)s COMMAND [flags]",
        description="Removes the temporary files that programs registered and forgot, and says why.",
        epilog="help COMMAND explains a command, help settings lists the settings. tfm is a shorter name of this "
        "program. Exit codes: 0 done, 1 something failed, 2 bad usage or settings.",
        examples=PROGRAM,
    )
    program.add_argument("--version", action="store_true", help="the same as the command version")
    commands = program.add_subparsers(
        title="commands", dest="command", metavar="COMMAND", required=True, prog=program.prog, parser_class=Parser
    )
    for module in modules:
        import_module(f"{__name__}.commands.{module}").add_parser(commands)
    for name, parser in commands.choices.items():
        parser.examples = EXAMPLES.get(name, ())
    return program, commands.choices


def _command(argv: list[str], default: str, *, ends_process: bool, clock: Clock | None, base: str) -> int:
    modules = {module.rstrip("_"): module for module in COMMANDS}
    try:
        words = arranged(argv, modules, lambda name: parsers([modules[name]])[1][name], default)
        program, known = parsers(COMMANDS if words[0] in ABOUT_ALL else [modules[words[0]]])
        args, others = program.parse_known_args(words)
    except SystemExit:  # argparse has printed a help; its errors are UsageError, see Parser
        return DONE
    if others:
        raise unknown(others, args.command, known[args.command])
    args.program, args.parsers, args.ends_process, args.clock, args.base = program, known, ends_process, clock, base
    code: int = args.execute(args)
    return code
