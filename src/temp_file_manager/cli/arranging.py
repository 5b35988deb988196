"""Words of a command line in the order that the parsers expect: the command first, whatever comes before it."""

import os
import sys
from collections.abc import Callable, Collection, Iterable

from temp_file_manager.cli import options, render
from temp_file_manager.cli.options import Parser, UsageError, meant
from temp_file_manager.settings import FIELDS, layers
from temp_file_manager.settings.toml_file import CONFIG

_SETTINGS = {options.flag(name) for name, field in FIELDS.items() if not field.metadata["secret"]}
_TAKING_VALUES = _SETTINGS | {"--config"}
_ALONE = {"-h": "help", "--help": "help", "--version": "version"}
_SHARED = _TAKING_VALUES | {"--json"}
"""The flags that every command has, and that so may come before its name."""


def arranged(
    argv: list[str], commands: Collection[str], parser: Callable[[str], Parser], default: str = ""
) -> list[str]:
    """Return the words with the command first, and the flags that came before it behind it.

    Without any word that is ``help``; unless a container or a service seems to have started the program, with settings
    in its environment and no terminal: then it is ``run``, as those who wrote ``CMD ["temp-file-manager"]`` mean.

    Args:
        argv: As typed.
        commands: The names of all commands.
        parser: Returns a command's parser.
        default: The command that is meant where none is named.

    Raises:
        UsageError: there is no such command, or a flag before it is none of those that every command has.
    """
    at = _of_command(argv, commands, parser)
    if at is not None and argv[at] in _ALONE:
        return [_ALONE[argv[at]], *(word for word in argv if word == "--json")]
    if at is None:
        default = default or ("run" if _is_started_by_a_service() else "" if argv else "help")
        if not default:
            raise UsageError(f"say which command, as in: {render.PROGRAM} run {' '.join(argv)}")
        return [default, *argv]
    if argv[at] not in commands:
        raise UsageError(f"there is no command {argv[at]!r}{meant(argv[at], commands)} (see {render.PROGRAM} help)")
    return [argv[at], *argv[:at], *argv[at + 1 :]]


def _of_command(argv: list[str], commands: Collection[str], parser: Callable[[str], Parser]) -> int | None:
    """Return where the first word is that is neither a flag nor its value; None: nowhere."""
    at = 0
    while at < len(argv):
        word = argv[at]
        if not word.startswith("-") or word in _ALONE:
            return at
        name, _, _ = word.partition("=")
        if name not in _SHARED:
            command = next((later for later in argv[at:] if later in commands), "")
            if command and name in _flags(parser(command)):
                raise UsageError(f"{name} belongs behind its command: {render.PROGRAM} {command} {name}")
            raise UsageError(f"there is no flag {name}{meant(name, {*_SHARED, '--version', '--help'})}")
        takes_next = name == word and name in _TAKING_VALUES
        if takes_next and at + 1 == len(argv):
            raise UsageError(f"argument {name}: expected one argument")
        at += 2 if takes_next else 1
    return None


def _is_started_by_a_service() -> bool:
    """Say whether there are settings in the environment, and nobody is there who could have typed this."""
    streams = (sys.stdin, sys.stdout, sys.stderr)  # all: a person's output may go to a pager
    seen = any(stream is not None and not stream.closed and stream.isatty() for stream in streams)
    return not seen and any(name in os.environ for name in (CONFIG, *map(layers.variable, FIELDS)))


def unknown(words: list[str], command: str, parser: Parser) -> UsageError:
    """Return what is wrong with words that a command does not take."""
    flag, _, _ = next((word for word in words if word.startswith("--")), "").partition("=")
    question = meant(flag, _flags(parser)) if flag else ""
    return UsageError(f"{command} does not take {' '.join(words)}{question} (see {render.PROGRAM} help {command})")


def _flags(parser: Parser) -> Iterable[str]:
    from temp_file_manager.cli.completion import grammar  # noqa: PLC0415 - who types rightly needs none of it

    (command,) = grammar.commands({"": parser})
    return [name for flag in command.flags for name in flag.names]
