"""The pages of reference that are made from the code: ``python -m docs.reference`` writes them.

They are committed, so that they can be read without the site; a test holds them equal to what this makes.
"""

import argparse
import re
from collections.abc import Callable
from itertools import zip_longest
from pathlib import Path
from typing import Any

from temp_file_manager import cli
from temp_file_manager.cli import options
from temp_file_manager.settings import FIELDS, variable

MORE = {
    "base_dir": "It is made if it is missing. See [deployment](deployment.md).",
    "registry": "See [Python](python.md#where-records-live) and [PostgreSQL](postgres.md).",
    "registry_password_file": "See [PostgreSQL](postgres.md).",
    "spool": "See [outages](outages.md).",
    "spool_file": "See [outages](outages.md).",
    "fleet": "See [many hosts](fleet.md).",
    "team": "See [policies](fleet.md#policies).",
    "scope": "See [shared volumes](volumes.md).",
    "log_level": "Of the command line; a program sets up a [log](python.md#the-log) of its own.",
    "log_format": "`json` is one object a line.",
    "rules": "See [rules](rules.md).",
    "max_bytes": "See [limits](limits.md).",
    "min_free": "See [limits](limits.md).",
    "cleanup_timeout": "It begins no new chunk after that time. At most ten removals that hang are abandoned.",
    "paranoid": "Not for records in memory. See [shared volumes](volumes.md).",
    "owner_check": "See [shared volumes](volumes.md).",
    "removal_threads": "See [shared volumes](volumes.md#how-many-threads).",
    "if_unknown": "Unset, it is kept: `keep`.",
    "objects_unconditional": "See [buckets](buckets.md).",
    "expiring_objects": "See [buckets](buckets.md).",
    "http_host": "See [who may what](deployment.md#who-may-what).",
    "api_token": "See [who may what](deployment.md#who-may-what).",
    "metrics": "See [what `run` serves](service.md#metrics).",
    "plugins": "See [plug-ins](writing-a-plugin.md).",
}
"""What this page says of a setting beyond what the code says of it: mostly, where to read on."""

SETTINGS = """# Settings

This page is made from the code. `temp-file-manager help settings` prints the same, and `temp-file-manager config` says
which value each setting has, and where the value comes from; of a file with the line.

A setting is a field of `Settings` in [Python](python.md#settings), a variable, a key in the table `[manager]` of a TOML
file, and a flag of each command. A flag wins over a variable, a variable over a file, a file over the default.

The command line reads up to three files. Each wins over the ones below it:

1. the file that `--config` names, or else the variable `TEMP_FILE_CONFIG`;
2. this user's, `~/.config/temp-file-manager/config.toml` (or below what `XDG_CONFIG_HOME` says);
3. the machine's, `/etc/temp-file-manager/config.toml` (or where `TEMP_FILE_SYSTEM_CONFIG` says).

Rules go together, and so do limits: the first file that has tables `[[rule]]` gives all rules, and the first that has
tables `[[limit]]` all limits.

This user's file and the machine's are found without being named. So they are refused if they belong to another user
than this one or root, or if all users or another group may write to them; unless such a file is named. A program in
Python reads what it is told to: `Settings.from_env`, `Settings.from_file`.

The default base directory is one for each user, `/tmp/temp-file-manager-UID`. The specification's module
(`python -m aiecs.tools.temp_file_manager`) has the specification's, `/tmp/aiecs_temp`.

All problems come in one message. A `~` at the beginning of a path is a home directory. Whether there is a registry at
an address is found out when it is opened. [Limits](limits.md) and [rules](rules.md) have tables of their own in the
file.
"""

COMMANDS = """# Commands

This page is made from the code; `temp-file-manager help COMMAND` prints the same. [The command line](command-line.md)
shows the commands at work. `tfm` is a shorter name of `temp-file-manager`.
"""


class Markdown(argparse.HelpFormatter):
    """What a parser says of itself, as Markdown, but for the flags that are settings, which are on the page of those.

    (Tried before: what ``--help`` prints, as it is. It differs from one version of Python to the next.)
    """

    def __init__(self, prog: str) -> None:
        super().__init__(prog)
        self._program = prog
        self._parts: list[str] = []
        self._rows: list[str] = []

    def add_usage(self, usage: str | None, *_: Any, **__: Any) -> None:  # noqa: D102 - as in argparse
        if usage:
            self._parts.append(f"```text\n{usage % {'prog': self._program}}\n```")

    def add_text(self, text: str | None) -> None:  # noqa: D102 - as in argparse
        if text:
            self._parts.append(prose(text % {"prog": self._program}))

    def add_argument(self, action: argparse.Action) -> None:  # noqa: D102 - as in argparse
        if action.help is not None and action.help != argparse.SUPPRESS and action.dest not in {"help", "config"}:
            value = f" {metavar(action)}" if action.option_strings and action.nargs != 0 else ""
            names = ", ".join(action.option_strings) + value or metavar(action)
            keywords = {name: each for name, each in vars(action).items() if each is not argparse.SUPPRESS}
            self._rows.append(row(f"`{names}`", prose(action.help % keywords)))

    def format_help(self) -> str:  # noqa: D102 - as in argparse
        table = "\n".join(["| | |", "|---|---|", *self._rows]) if self._rows else ""
        return "\n\n".join(filter(None, [*self._parts[:2], table, *self._parts[2:]])) + "\n"


def metavar(action: argparse.Action) -> str:
    """Return what a flag's value, or an argument, is called."""
    words = action.metavar or action.dest.upper()
    return words if isinstance(words, str) else " ".join(words)


def prose(text: str) -> str:
    """Return text of the code as Markdown that shows the same, with flags as code."""
    parts = re.split(r"(`[^`]*`|(?<![\w-])--[a-z][\w-]*)", " ".join(text.split()))
    plain = [re.sub(r"[*_<>\[\]|\\]", r"\\\g<0>", part) for part in parts[::2]]
    code = [f"`{part.strip('`')}`" for part in parts[1::2]]
    return "".join(part for pair in zip_longest(plain, code, fillvalue="") for part in pair)


def row(*cells: str) -> str:
    """Return a row of a table."""
    return f"| {' | '.join(cells)} |"


def commands() -> str:
    """Return the page of the commands."""
    parts = [COMMANDS]
    for name, parser in sorted(cli.parsers()[1].items()):
        parser.formatter_class = Markdown
        parser.epilog = None  # which says of every command where its settings are
        parts.append(f"## {name}\n\n{parser.format_help()}")
    return "\n".join(parts)


def settings() -> str:
    """Return the page of the settings."""
    parts = [SETTINGS]
    for name in FIELDS:
        said = options.described(name)
        default = options.default_shown(name)
        flag = f"`{said['flag']}`" if said["flag"] else "none, as everybody sees a process's flags"
        about = f"{said['about']}"
        lines = [
            f"## `{variable(name)}`\n",
            f"{prose(about[:1].upper() + about[1:])}. {MORE.get(name, '')}".strip() + "\n",
            f"- default: {default if default == 'unset' else f'`{default}`'}",
            f"- what it may be: {prose(str(said['allowed']))}",
            f"- flag: {flag}; key: `{name}`\n",
        ]
        parts.append("\n".join(lines))
    return "\n".join(parts)


PAGES: dict[str, Callable[[], str]] = {"commands.md": commands, "settings.md": settings}

if __name__ == "__main__":
    for page, made in PAGES.items():
        Path(__file__).with_name(page).write_text(made())
