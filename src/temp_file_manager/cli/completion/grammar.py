"""Grammar of the command line, as the parsers declare it: commands, their flags and what these take."""

import argparse
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from temp_file_manager.settings import FIELDS, values

_FILES = ("PATH", "FILE", "DIR")
"""Metavars of what is a file or a directory."""


@dataclass(frozen=True, slots=True)
class Flag:
    """A flag of a command.

    Attributes:
        names: All that mean it: ``-n``, ``--dry-run``.
        about: What it does, in a few words.
        value: What its value is called; empty when it takes none.
        files: Whether its value is a file or a directory.
        choices: What its value may be, where that is a few words.
        repeatable: Whether it may come more than once.
        setting: Whether it is one of those that set a setting, which commands share.
    """

    names: tuple[str, ...]
    about: str
    value: str
    files: bool
    choices: tuple[str, ...]
    repeatable: bool
    setting: bool


@dataclass(frozen=True, slots=True)
class Command:
    """A command.

    Attributes:
        name: What is typed.
        about: What it does, in a line.
        flags: Its flags.
        files: Whether its arguments are files.
        choices: What its arguments may be, where that is a few words; if some are files, what the first may be.
    """

    name: str
    about: str
    flags: tuple[Flag, ...]
    files: bool
    choices: tuple[str, ...]


def commands(parsers: Mapping[str, argparse.ArgumentParser]) -> tuple[Command, ...]:
    """Return the commands of these parsers, by name."""
    return tuple(_command(name, parser) for name, parser in parsers.items())


def _command(name: str, parser: argparse.ArgumentParser) -> Command:
    actions = list(_actions(parser))
    arguments = [action for action in actions if not action.option_strings]
    return Command(
        name,
        _brief(parser.description, ". "),
        tuple(_flag(action) for action in actions if action.option_strings),
        any(_takes_files(action) for action in arguments),
        tuple(str(choice) for action in arguments for choice in action.choices or ()),
    )


def _actions(parser: argparse.ArgumentParser) -> Iterator[argparse.Action]:
    # argparse tells nobody what it was told; every generator of completions reads this list.
    yield from parser._actions


def _flag(action: argparse.Action) -> Flag:
    takes_value = action.nargs != 0
    return Flag(
        tuple(action.option_strings),
        _brief(_about(action), ": ", "; "),
        (str(action.metavar or action.dest.upper())) if takes_value else "",
        takes_value and _takes_files(action),
        _choices(action),
        isinstance(action, argparse._AppendAction),
        action.dest in FIELDS,
    )


def _about(action: argparse.Action) -> str | None:
    # The flags of settings have no help of their own, as ``help settings`` explains them once for all commands.
    setting = FIELDS.get(action.dest)
    return action.help if setting is None else str(setting.metadata["about"])


def _choices(action: argparse.Action) -> tuple[str, ...]:
    setting = FIELDS.get(action.dest)
    return tuple(map(str, action.choices or ())) if setting is None else values.choices(setting.metadata["parse"])


def _takes_files(action: argparse.Action) -> bool:
    setting = FIELDS.get(action.dest)
    return action.metavar in _FILES or (setting is not None and setting.metadata["allowed"] == "a path")


def _brief(text: str | None, *ends: str) -> str:
    whole = (text or "").replace("%%", "%")
    for end in ends:
        whole = whole.partition(end)[0]
    return whole
