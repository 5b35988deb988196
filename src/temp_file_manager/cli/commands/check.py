"""The command ``check``: what a crash, a full disk or somebody's hand left behind, and how to mend it."""

import argparse
from dataclasses import asdict

from temp_file_manager.cli import options, render
from temp_file_manager.cli.open_manager import open_manager
from temp_file_manager.inspection.check import check
from temp_file_manager.reports import Finding
from temp_file_manager.text import count


def add_parser(commands: options.Commands) -> None:
    """Declare the command."""
    parser = options.add_command(
        commands,
        "check",
        "look for what does not fit together, and mend it with --fix",
        execute,
        words="[--fix]",
        more="The exit code is 0 when nothing is wrong, or when nothing is wrong any more.",
        json="print the findings as a JSON object",
    )
    parser.add_argument("--fix", action="store_true", help="mend what can be mended")
    options.add_settings(parser)


def execute(args: argparse.Namespace) -> int:
    """Print the findings; return 1 if any of them stays.

    Raises:
        TempFileError: a setting or the registry cannot be used.
    """
    with open_manager(args, looking=not args.fix) as manager:
        findings = check(manager.context, fix=args.fix)
    if args.json:
        render.as_json({"findings": [asdict(finding) for finding in findings]})
    else:
        _tell(findings)
    return 0 if all(finding.fixed for finding in findings) else 1


def _tell(findings: tuple[Finding, ...]) -> None:
    for finding in findings:
        render.line(f"{finding.kind}: {finding.subject}")
        render.line(f"  {'fixed: ' if finding.fixed else ''}{finding.explanation}")
    fixed = sum(finding.fixed for finding in findings)
    if findings:
        render.line(f"{count(len(findings), 'finding')}, {fixed} fixed.")
    else:
        render.line("Nothing found.")
