"""The command ``help``: the overview, a command's flags, or the list of settings."""

import argparse
from collections import ChainMap

from temp_file_manager.cli import options, render
from temp_file_manager.settings import FIELDS

SETTINGS = "settings"

_ABOUT_SETTINGS = """\
Every command that works on records takes each setting as a flag. A setting may also come from its variable, or from
a file: TOML, with keys such as max_age in the table [manager]. The flag wins over the variable, the variable over the
file, the file over the default. The file is the one that --config names, or the variable TEMP_FILE_CONFIG; without
either there may be two: ~/.config/temp-file-manager/config.toml, which wins, and /etc/temp-file-manager/config.toml."""


def add_parser(commands: options.Commands) -> None:
    """Declare the command."""
    about = "explain a command, or list the settings"
    parser = commands.add_parser(
        "help",
        help=about,
        description=f"{about[:1].upper()}{about[1:]}. Without a word: the overview.",
        usage=f"%(prog)s [--json] [COMMAND | {SETTINGS}]",
    )
    parser.add_argument(
        "topic",
        nargs="?",
        # A view: the commands that are declared after this one are in it, too.
        choices=ChainMap({SETTINGS: None}, commands.choices),
        metavar="TOPIC",
        help=f"a command, or the word {SETTINGS}",
    )
    options.add_json(parser, "print a JSON object")
    parser.set_defaults(execute=execute)


def execute(args: argparse.Namespace) -> int:
    """Print what is asked for; return 0."""
    if args.topic == SETTINGS:
        _settings(as_json=args.json)
        return 0
    lines = (args.parsers[args.topic] if args.topic else args.program).help_lines()
    if args.json:
        render.as_json({"topic": args.topic, "help": "\n".join([*lines, ""])}, indent=None)
    else:
        render.help_text(lines)
    return 0


def _settings(*, as_json: bool) -> None:
    described = {name: options.described(name) for name in FIELDS}
    if as_json:
        render.as_json(described)
        return
    for line in _ABOUT_SETTINGS.splitlines():
        render.line(line)
    for name, about in described.items():
        flag = f"{about['flag']} VALUE" if about["flag"] else "no flag, as everybody sees flags"
        render.line()
        render.line(f"  {flag}  {about['variable']}  default: {options.default_shown(name)}")
        render.line(f"      {about['about']}: {about['allowed']}")
