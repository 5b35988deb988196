"""``demo``: a real folder, files of several kinds, a dry run, a sweep, and why each file went or stayed."""

import argparse
import logging
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from temp_file_manager import logs
from temp_file_manager.cli import options, render
from temp_file_manager.manager import TempFileManager
from temp_file_manager.records import Status
from temp_file_manager.reports import SweepReport
from temp_file_manager.text import span

if TYPE_CHECKING:
    from temp_file_manager.cli.commands.demo_play import Result


def add_parser(commands: options.Commands) -> None:
    """Declare the command."""
    about = "create, register and sweep files in a folder of its own, and explain each outcome"
    parser = commands.add_parser("demo", help=about, description=about)
    options.add_json(parser)
    parser.add_argument(
        "--dir", metavar="DIR", help="an empty or absent folder to use, which stays; default: one that goes"
    )
    parser.set_defaults(execute=execute)


def execute(args: argparse.Namespace) -> int:
    """Run the demo.

    Returns:
        0, or 1 when the sweep did something else than the dry run said.

    Raises:
        UsageError: ``--dir`` cannot be used.
    """
    from temp_file_manager.cli.commands.demo_play import HOUR, play  # noqa: PLC0415 - no other command needs it

    with _quiet(), _folder(args.dir) as folder:
        with TempFileManager(folder, HOUR) as manager:
            result = play(manager)
        if args.json:
            render.as_json(_as_json(folder, result))
        else:
            _tell(folder, result, stays=args.dir is not None)
    return 0 if result.as_told else 1


def _tell(folder: str, result: "Result", *, stays: bool) -> None:
    rows = result.rows
    kept = sum(row.outcome == Status.KEPT for row in rows)
    render.line(f"A real folder: {folder}")
    render.line(
        f"{len(rows)} files registered, max_age {span(result.max_age)}; most of them are made to look 2 hours old."
    )
    render.line()
    render.line(f"Dry run: {_counts(result.planned)}, {kept} kept. Nothing was changed.")
    render.line(f"Sweep:   {_counts(result.done)}, {kept} kept.")
    render.line()
    header = ("file", "what it is", "dry run", "outcome", "why")
    render.table(header, [(row.file, row.about, row.dry_run, row.outcome, row.why) for row in rows])
    render.line()
    render.line("The file held open was due, and stays: the kernel was asked who has it open. (The scheduler and the")
    render.line("command sweep always ask; a bare cleanup() does not, as the class it replaces does not.)")
    render.line(f"Its holder went on reading {result.read_after_removal!r} from it.")
    render.line()
    render.line("Left after the sweep:")
    states = {row.file: f"registered, {row.outcome}" for row in rows if row.outcome in (Status.KEPT, Status.FAILED)}
    states[result.outside] = "never registered: only the link to it was, and only the link went"
    render.table(("  file", "state"), [(f"  {name}", states.get(name, "never registered")) for name in result.left])
    render.line()
    render.line("Leaving the manager's with block then retired what was still registered and could be removed.")
    render.line("The folder stays, as it was given." if stays else "The demo's folder, which it made itself, goes now.")


def _counts(report: SweepReport) -> str:
    return f"{report.removed} removed, {report.gone} already gone, {report.failed} failed"


def _as_json(folder: str, result: "Result") -> dict[str, object]:
    return {
        "folder": folder,
        "files": [row._asdict() for row in result.rows],
        "dry_run": _numbers(result.planned),
        "sweep": _numbers(result.done),
        "left": result.left,
        "held_open": {"protected": result.done.kept == 1, "read_after_removal": result.read_after_removal},
        "as_told": result.as_told,
    }


def _numbers(report: SweepReport) -> dict[str, int]:
    return {"removed": report.removed, "gone": report.gone, "failed": report.failed}


@contextmanager
def _folder(given: str | None) -> Iterator[str]:
    """Yield the folder to use; one that was given stays, one of our own goes."""
    if given is None:
        with tempfile.TemporaryDirectory(prefix="temp-file-manager-demo-") as folder:
            yield folder
        return
    try:
        os.makedirs(given, exist_ok=True)
        occupied = bool(os.listdir(given))
    except OSError as error:
        raise options.UsageError(f"cannot use --dir {given!r}: {error.strerror}") from error
    if occupied:
        raise options.UsageError(f"--dir {given!r} is not empty: give an empty or absent folder")
    yield os.path.abspath(given)


@contextmanager
def _quiet() -> Iterator[None]:
    """Log nowhere: the failure the demo stages is in its table."""
    # Propagation stays as it is, so an application's own handlers would still hear.
    handler = logging.NullHandler()
    logs.logger.addHandler(handler)
    try:
        yield
    finally:
        logs.logger.removeHandler(handler)
