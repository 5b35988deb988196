"""The command line: ``temp-file-manager COMMAND``, or ``run`` without a word.

A command is a module named after it (and a ``_`` where Python has that word) with ``add_parser(commands)``,
which declares it and its flags, and ``execute(args)``, which does it and returns the exit code: 0 done, 1 something
failed, 2 bad usage or settings. Listing the module in ``COMMANDS`` is all that makes it one.
"""

import sys
from collections.abc import Iterable, Mapping

from temp_file_manager.cli import render, top
from temp_file_manager.cli.commands import (
    adopt,
    apply,
    cat,
    check,
    completion,
    config,
    doctor,
    exec_,
    export,
    forget,
    health,
    help_,
    hold,
    import_,
    limits,
    list_,
    pin,
    register,
    registry,
    restore,
    rules,
    run,
    session,
    stats,
    status,
    sweep,
    version,
    why,
)
from temp_file_manager.cli.options import Parser, UsageError
from temp_file_manager.clock import Clock
from temp_file_manager.errors import LargeSweepError, RecordClaimedError, RegistryFullError, TempFileError

COMMANDS = (
    run,
    register,
    list_,
    status,
    why,
    sweep,
    apply,
    pin,
    hold,
    restore,
    session,
    exec_,
    forget,
    cat,
    adopt,
    stats,
    limits,
    rules,
    top,
    check,
    health,
    doctor,
    registry,
    export,
    import_,
    config,
    completion,
    help_,
    version,
)

DONE, FAILED, BAD_USAGE = 0, 1, 2


def main(argv: list[str] | None = None, *, clock: Clock | None = None) -> int:
    """Run one command.

    Args:
        argv: The words after the program's name; None for those of this process, which then is taken to end
            with this call: see ``run``.
        clock: What tells every command the time; the registry's, or else the machine's, if None.

    Returns:
        The exit code: 0 done, 1 something failed, 2 bad usage or settings.
    """
    try:
        render.prepare()
        code = _command(sys.argv[1:] if argv is None else argv, ends_process=argv is None, clock=clock)
        render.flush()
    except (RegistryFullError, RecordClaimedError, LargeSweepError) as error:
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


def parsers() -> tuple[Parser, Mapping[str, Parser]]:
    """Return the parser of the whole command line, and by their names those of the commands."""
    program = Parser(
        prog=render.PROGRAM,
        usage="%(prog)s [COMMAND] [flags]",
        description="Removes the temporary files that programs registered and forgot, and says why.",
        epilog="Without a COMMAND: run. help COMMAND explains a command, help settings lists the settings. "
        "Exit codes: 0 done, 1 something failed, 2 bad usage or settings.",
    )
    program.add_argument("--version", action="store_true", help="the same as the command version")
    commands = program.add_subparsers(
        title="commands", dest="command", metavar="COMMAND", required=True, prog=program.prog, parser_class=Parser
    )
    for command in COMMANDS:
        command.add_parser(commands)
    return program, commands.choices


def _command(argv: list[str], *, ends_process: bool, clock: Clock | None) -> int:
    program, known = parsers()
    try:
        args, unknown = program.parse_known_args(_with_command(argv))
    except SystemExit:  # argparse has printed a help; its errors are UsageError, see Parser
        return DONE
    if unknown:
        raise _unknown(unknown, args.command, argv, known)
    args.program, args.parsers, args.ends_process, args.clock = program, known, ends_process, clock
    code: int = args.execute(args)
    return code


def _with_command(argv: list[str]) -> list[str]:
    """Return ``argv`` with the word that it implies."""
    first = argv[0] if argv else "-"
    if first == "--version":
        return ["version", *argv[1:]]
    return ["run", *argv] if first.startswith("-") and first not in ("-h", "--help") else argv


def _unknown(words: list[str], command: str, argv: list[str], known: Iterable[str]) -> UsageError:
    """Return what is wrong with words that the command does not take."""
    meant = next((word for word in words if word in known), None)
    if meant is not None and argv[0] != command:  # flags came first, which implies run
        return UsageError(f"the command must come first: {render.PROGRAM} {meant}, and then its flags")
    see = f"(see {render.PROGRAM} {command} --help)"
    return UsageError(f"{command} does not take {' '.join(words)} {see}")
