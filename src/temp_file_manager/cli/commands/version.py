"""The command ``version``: the version of the package, of Python and of the platform."""

import argparse

import temp_file_manager
from temp_file_manager.cli import options, render


def add_parser(commands: options.Commands) -> None:
    """Declare the command."""
    about = "print the version of this package, of Python and of the platform"
    parser = commands.add_parser("version", help=about, description=f"{about[:1].upper()}{about[1:]}.")
    options.add_json(parser)
    parser.set_defaults(execute=execute)


def execute(args: argparse.Namespace) -> int:
    """Print the version; return 0."""
    import platform  # noqa: PLC0415 - no other command needs it

    version, python, system = temp_file_manager.__version__, platform.python_version(), platform.platform()
    if args.json:
        render.as_json({"name": render.PROGRAM, "version": version, "python": python, "platform": system}, indent=None)
    else:
        render.line(f"{render.PROGRAM} {version} (Python {python}, {system})")
    return 0
