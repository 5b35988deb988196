"""The command ``list``: what is on record, or the part of it that is due."""

import argparse
from collections.abc import Callable, Iterator
from itertools import islice

from temp_file_manager.cli import options, render
from temp_file_manager.cli.open_manager import open_manager
from temp_file_manager.inspection import describe, pages, quarantine
from temp_file_manager.manager import TempFileManager
from temp_file_manager.records import Selection, TempFile
from temp_file_manager.rules import due_at
from temp_file_manager.text import human_size, timestamp

_WIDTHS = (12, 14, 10)
_HEADER = ("age", "due", "size", "path")


def add_parser(commands: options.Commands) -> None:
    """Declare the command."""
    parser = options.add_command(
        commands,
        "list",
        "print what is on record",
        execute,
        words="[--due] [--tag TAG] [--under DIR] [--older-than TIME] [--failed] [--kept] [--quarantined] [--limit N]",
        more="The oldest come first; after them those with a ttl, the one that ends next first. With --due "
        "those that wait the longest come first. A terminal gets a table. Otherwise each record is a line: its age in "
        "seconds, when it is due (now, the seconds until then, pinned or held), its bytes or -, and its "
        "path, with a space between them; of a file in quarantine where it was, and (quarantined).",
        json="print one JSON object a line",
    )
    parser.add_argument("--due", action="store_true", help="only files that a cleanup now would take")
    parser.add_argument(
        "--tag",
        action="append",
        default=[],
        dest="tags",
        metavar="TAG",
        help="only files with this tag; repeated: with all of them",
    )
    parser.add_argument("--under", metavar="DIR", help="only files in this directory or below it")
    parser.add_argument(
        "--older-than", type=options.seconds, metavar="TIME", help="only files that were registered longer ago"
    )
    parser.add_argument("--failed", action="store_true", help="only files that could not be removed so far")
    parser.add_argument("--kept", action="store_true", help="only files that a pin or a hold keeps from sweeps")
    parser.add_argument(
        "--quarantined", action="store_true", help="what can be had back by restore: until when, bytes, where it was"
    )
    parser.add_argument("--limit", type=options.whole, metavar="N", help="at most so many")
    options.add_settings(parser)


def execute(args: argparse.Namespace) -> int:
    """Print the records; return 0.

    Raises:
        TempFileError: a setting or the registry cannot be used.
    """
    with open_manager(args, looking=True) as manager:
        due = manager.context.due()
        if args.quarantined:
            _list_quarantined(args, manager, due)
            return 0
        write = _writer(due, as_json=args.json)
        for record in islice(_wanted(args, manager, due), args.limit):
            write(record)
    return 0


def _list_quarantined(args: argparse.Namespace, manager: TempFileManager, due: Selection) -> None:
    filters = list(_filters(args, due))
    found = (record for record in manager.context.restorer.quarantined() if all(wanted(record) for wanted in filters))
    for record in islice(found, args.limit):
        if args.json:
            render.as_json(quarantine.described(record, due.asof), indent=None)
        else:
            until = "-" if record.due_at is None else timestamp(record.due_at)
            render.line(f"{until} {'-' if record.size is None else record.size} {record.origin}")


def _wanted(args: argparse.Namespace, manager: TempFileManager, due: Selection) -> Iterator[TempFile]:
    filters = list(_filters(args, due))
    records = pages.records(manager.context, due if args.due else None)
    return (record for record in records if all(wanted(record) for wanted in filters))


def _filters(args: argparse.Namespace, due: Selection) -> Iterator[pages.Filter]:
    yield pages.wanted(due.asof, tags=args.tags, under=args.under, older_than=args.older_than)
    if args.failed:
        yield lambda record: record.failures > 0
    if args.kept:
        yield lambda record: describe.state(record, due) in ("held", "pinned")


def _writer(due: Selection, *, as_json: bool) -> Callable[[TempFile], None]:
    if as_json:
        return lambda record: render.as_json(describe.described(record, due), indent=None)
    if render.on_terminal():
        render.columns(_HEADER, _WIDTHS, render.Style.HEADING)
        return lambda record: render.columns(_cells(record, due), _WIDTHS)
    return lambda record: render.line(_words(record, due))


def _cells(record: TempFile, due: Selection) -> tuple[str, ...]:
    return describe.age(record, due), describe.when_due(record, due), human_size(record.size), describe.shown(record)


def _words(record: TempFile, due: Selection) -> str:
    age = f"{due.asof - record.registered_at:.0f}"
    when = describe.state(record, due) or f"{due_at(record.registered_at, record.due_at, due.max_age) - due.asof:.0f}"
    size = "-" if record.size is None else str(record.size)
    return f"{age} {when} {size} {describe.shown(record)}"
