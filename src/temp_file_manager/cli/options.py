"""Flags that several commands share, and the errors of wrong ones."""

import argparse
import os
import re
from collections.abc import Callable, Iterable
from typing import Any, NoReturn

from temp_file_manager import durations, sizes
from temp_file_manager.cli import render
from temp_file_manager.cli.examples import line
from temp_file_manager.errors import TempFileError
from temp_file_manager.limits import Mark
from temp_file_manager.rules.rule import Rule
from temp_file_manager.settings import DEFAULT, FIELDS, Entry, Layer, Settings, Source, layers, values

Commands = Any
"""What ``add_subparsers`` returns; argparse has no public name for it."""

TIMES = "A TIME is a text such as 90s, 30m, 2h30m, 7d or '1 week', or a number of seconds. "

_WRITERS: dict[object, Callable[[Any], str]] = {
    **dict.fromkeys((values.seconds, values.positive_seconds, values.age_or_keep), durations.written),
    values.positive_size: sizes.written,
}
"""By what reads a setting: what writes it."""

LONGEST_NUMBER = 18
"""Digits that certainly fit into 64 bits, which is what a database counts with."""


class UsageError(TempFileError):
    """The command line asks for something that cannot be; the exit code is 2."""


class Parser(argparse.ArgumentParser):
    """A parser whose errors are exceptions, and whose flags are never guessed from their first letters.

    An abbreviation that works today becomes ambiguous, or another flag, when a later version adds one.
    """

    def __init__(self, *, examples: tuple[str, ...] = (), **keywords: Any) -> None:
        super().__init__(allow_abbrev=False, **keywords)
        self.examples = examples

    def help_lines(self) -> list[str]:
        """Return its help, with the examples at the end."""
        shown = ["", "examples:", *(f"  {line(example)}" for example in self.examples)] if self.examples else []
        return [*self.format_help().splitlines(), *shown]

    def print_help(self, file: Any = None) -> None:  # noqa: ARG002, D102 - as in argparse, which gives no file
        render.help_text(self.help_lines())

    def error(self, message: str) -> NoReturn:  # noqa: D102 - as in argparse
        raise UsageError(f"{_corrected(message)} (see {self.prog} --help)")


def _corrected(message: str) -> str:
    """Return a message of argparse's; with one word that is like a wrong one, where there is one, instead of all."""
    word, choose, words = message.rpartition(" (choose from ")
    _, invalid, wrong = word.partition("invalid choice: ")
    question = meant(wrong.strip("'"), re.findall(r"[\w:-]+", words)) if choose and invalid else ""
    return f"{word}{question}" if question else message


def meant(word: str, words: Iterable[str]) -> str:
    """Return a question after what may have been meant; nothing if nothing is like it."""
    from difflib import get_close_matches  # noqa: PLC0415 - who types rightly does not need it

    known = list(words)
    same_letters = [one for one in known if sorted(one) == sorted(word)]  # two that were swapped: lits is list
    found = same_letters or get_close_matches(word, known, n=1, cutoff=0.7)
    return f": did you mean {found[0]}?" if found else ""


def add_command(
    commands: Commands,
    name: str,
    about: str,
    execute: Callable[[argparse.Namespace], int],
    *,
    words: str = "",
    more: str = "",
    json: str = "print JSON",
) -> argparse.ArgumentParser:
    """Declare a command that takes the settings, and return its parser for the flags of its own and for theirs.

    Args:
        commands: What ``add_subparsers`` returned.
        name: What people type.
        about: What it does, in one line.
        execute: Does it and returns the exit code.
        words: Its own flags and arguments, as the line of usage shows them.
        more: What its help says beyond ``about``.
        json: What ``--json`` does.
    """
    parser: argparse.ArgumentParser = commands.add_parser(
        name,
        help=about,
        description=f"{about[:1].upper()}{about[1:]}. {more}".strip(),
        usage=" ".join(f"%(prog)s {words} [--json] [--config FILE] [settings]".split()),
    )
    add_json(parser, json)
    parser.set_defaults(execute=execute)
    return parser


def add_json(parser: argparse.ArgumentParser, about: str = "print JSON") -> None:
    """Add ``--json``, which every command has."""
    parser.add_argument("--json", action="store_true", help=about)


def add_accept_clock(parser: argparse.ArgumentParser) -> None:
    """Add ``--accept-clock``, for commands that distrust a clock that has jumped."""
    parser.add_argument(
        "--accept-clock", action="store_true", help="believe the clock as it is now, although it has jumped"
    )


def add_settings(parser: argparse.ArgumentParser) -> None:
    """Add one flag a setting, which ``help settings`` explains once for all commands, and ``--config``.

    ``effective`` reads them.
    """
    parser.add_argument(
        "--config",
        metavar="FILE",
        help="a TOML file with settings in its table [manager], limits in tables [[limit]], rules in [[rule]]",
    )
    for name, field in FIELDS.items():
        if not field.metadata["secret"]:
            parser.add_argument(flag(name), metavar="VALUE", help=argparse.SUPPRESS)
    timed = "TIME" in (parser.usage or "")
    parser.epilog = f"{TIMES if timed else ''}Each setting is a flag, too: {render.PROGRAM} help settings lists them."


def effective(args: argparse.Namespace) -> tuple[Settings, dict[str, Source]]:
    """Return the settings of flags, variables, files and defaults, and where each came from.

    Raises:
        SettingsError: listing every problem of all of them, also when the file cannot be read.
    """
    said = (layers.flag_layer(vars(args)), layers.env_layer(os.environ), *layers.file_layers(os.environ, args.config))
    return layers.resolve(*said, Layer({"base_dir": Entry("base_dir", args.base, DEFAULT)} if args.base else {}))


def seconds(text: str) -> float:
    """Read a flag's length of time: a finite number of seconds, 0 or more, or a text as ``6h`` or ``1 d``."""
    try:
        return values.seconds(text)
    except (ValueError, OverflowError):
        message = f"{text!r} is no time: give {values.A_TIME}"
        raise argparse.ArgumentTypeError(message) from None


def whole(text: str) -> int:
    """Read a flag's whole number, 0 or more."""
    if not (text.isascii() and text.isdecimal()) or len(text) > LONGEST_NUMBER:
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number, 0 or more")
    return int(text)


def flag(name: str) -> str:
    """Return the flag of a field."""
    return "--" + name.replace("_", "-")


def described(name: str) -> dict[str, object]:
    """Return what there is to say about a setting, whatever its value, for JSON."""
    metadata = FIELDS[name].metadata
    return {
        "default": metadata["shown"] or for_json(name, FIELDS[name].default),
        "variable": layers.variable(name),
        "flag": None if metadata["secret"] else flag(name),
        "about": metadata["about"],
        "allowed": metadata["allowed"],
    }


def for_json(name: str, value: object) -> object:
    """Return a setting's value for JSON."""
    if isinstance(value, Mark):
        return value.described()
    if name == "rules" and isinstance(value, tuple):
        return [rule.described() for rule in value]
    # As a string, because JSON has no octal numbers: 384 tells nobody that it is 0600. A secret is not shown either.
    as_text = value is not None and (name == "permission_mask" or FIELDS[name].metadata["secret"])
    return shown(name, value) if as_text else value


def default_shown(name: str) -> str:
    """Return a setting's default, as documents have it: the same for every user."""
    return str(FIELDS[name].metadata["shown"]) or shown(name, FIELDS[name].default)


def shown(name: str, value: object) -> str:
    """Return a setting's value as it would be written in a variable."""
    if value is None:
        return "off" if name == "http_port" else "unset"
    if FIELDS[name].metadata["secret"]:
        return "set"
    if isinstance(value, tuple) and not isinstance(value, Mark):
        return ",".join(map(_name, value)) or "unset"
    write = _WRITERS.get(FIELDS[name].metadata["parse"])
    if write is not None and isinstance(value, float | int):
        return write(value)
    if name == "permission_mask":
        return f"{value:04o}"
    return _word(value)


def _word(value: object) -> str:
    if isinstance(value, Mark):
        return str(value.described())
    return str(value).lower() if isinstance(value, bool) else str(value)


def _name(part: object) -> str:
    return part.name if isinstance(part, Rule) else str(part)
