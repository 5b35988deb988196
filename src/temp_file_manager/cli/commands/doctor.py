"""The command ``doctor``: what this machine and file system let the package do, and what to grant or change."""

import argparse
from dataclasses import asdict

from temp_file_manager.cli import options, render
from temp_file_manager.inspection.doctor import Check, Level, examine
from temp_file_manager.plugins import load
from temp_file_manager.registry.schemes import SQLITE


def add_parser(commands: options.Commands) -> None:
    """Declare the command."""
    parser = options.add_command(
        commands,
        "doctor",
        "say what this machine and file system can tell, and what to grant or change",
        execute,
        words="[DIR]",
        more="It makes a file in DIR (or, where DIR is missing, in the nearest directory above it) and removes it "
        "at once; it makes no registry. The exit code is 1 when it finds a problem.",
        json="print a JSON object",
    )
    parser.add_argument("directory", nargs="?", metavar="DIR", help="where to look, instead of the base directory")
    options.add_settings(parser)


def execute(args: argparse.Namespace) -> int:
    """Examine a directory; return 1 if something is a problem.

    Raises:
        TempFileError: a setting cannot be used, or the directory is no path.
    """
    settings, _ = options.effective(args)
    directory = settings.base_dir if args.directory is None else args.directory
    registry = settings.registry or SQLITE
    checks = examine(
        directory,
        registry=registry,
        clock=args.clock,
        protect_open=settings.protect_open,
        plugins=load(settings.plugins),
    )
    worst = max((check.level for check in checks), key=list(Level).index)
    if args.json:
        render.as_json({"directory": directory, "worst": worst, "checks": [asdict(check) for check in checks]})
    else:
        _tell(checks)
    return 1 if worst is Level.PROBLEM else 0


def _tell(checks: tuple[Check, ...]) -> None:
    for check in checks:
        render.line(f"{check.level:<9}{check.name}: {check.found}")
        if check.follows:
            render.line(f"{'':<9}so: {check.follows}")
        if check.advice:
            render.line(f"{'':<9}do: {check.advice}")
    counts = [sum(check.level is level for check in checks) for level in (Level.WARNING, Level.PROBLEM)]
    render.line(f"{render.count(counts[0], 'warning')}, {render.count(counts[1], 'problem')}.")
