"""The command ``limits``: how far each limit is from its mark, what goes next, and what protects the rest."""

import argparse

from temp_file_manager.cli import options, render
from temp_file_manager.cli.open_manager import open_manager
from temp_file_manager.inspection.limits import MOST, LimitStatus, limits
from temp_file_manager.limits import Measure
from temp_file_manager.text import span


def add_parser(commands: options.Commands) -> None:
    """Declare the command."""
    parser = options.add_command(
        commands,
        "limits",
        "say how far each limit is from its mark, what goes next, and what protects the rest",
        execute,
        more="Limits are the settings max_bytes and min_free, and tables [[limit]] of the file that --config names "
        f"(docs/limits.md). It looks at {MOST:,} records at most. The exit code is 1 if a limit could not be kept.",
        json="print a JSON list of the limits",
    )
    options.add_settings(parser)


def execute(args: argparse.Namespace) -> int:
    """Tell how the limits stand; return 1 if one could not be kept.

    Raises:
        TempFileError: a setting or the registry cannot be used.
    """
    with open_manager(args, looking=True) as manager:
        found = limits(manager.context)
    if args.json:
        render.as_json([one.described() for one in found])
    else:
        for one in found:
            _tell(one)
        if not found:
            render.line("There are no limits: set max_bytes or min_free, or write tables [[limit]].")
    return 1 if any(one.unmet for one in found) else 0


def _tell(status: LimitStatus) -> None:
    render.line(f"{status.limit.name}: {_headline(status)}")
    for name, value in _rows(status):
        render.line(f"  {name:<10}{value}")


def _headline(status: LimitStatus) -> str:
    if status.value is None:
        return "its measure cannot be told here"
    words = status.limit.measure.words
    state = "not met" if status.unmet else "passed" if status.over else "kept"
    of = "" if status.capacity is None else f" of {words(status.capacity)}"
    return f"{state}: {words(status.value)}{of}{' are free' if status.limit.measure.is_room else ''}"


def _rows(status: LimitStatus) -> list[tuple[str, str]]:
    words = status.limit.measure.words
    least = "" if status.complete else "at least "
    rows = [("limit", status.limit.words())]
    if status.mark is not None and status.to is not None and status.limit.mark.share:
        rows.append(("marks", f"{words(status.mark)}, to {words(status.to)}"))
    rows += [("unmet", status.unmet)] if status.unmet else []
    rows += [("goes next" if not place else "", path) for place, path in enumerate(status.next)]
    rows.append(("may go", f"{least}{Measure.FILES.words(status.free)}"))
    for one in status.protected:
        amount = "" if status.limit.measure.is_count else f", {words(one.amount)}"
        rows.append(("stays", f"{least}{Measure.FILES.words(one.files)}{amount}: {one.by}"))
    known = "as registered, nobody has measured since" if status.known_for is None else f"{span(status.known_for)} old"
    return [*rows, ("sizes", known)]
