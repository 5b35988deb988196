"""The command ``status``: files' records, when they are due, and what the command ``sweep`` would do with them now."""

import argparse

from temp_file_manager import logs
from temp_file_manager.cli import options, paths, render
from temp_file_manager.cli.targets import Answer, nameable, work_through
from temp_file_manager.inspection import describe
from temp_file_manager.inspection.prospects import Forecast, Prospects, prospects
from temp_file_manager.manager import TempFileManager
from temp_file_manager.records import Selection, Status, TempFile
from temp_file_manager.rules import verdict, waits
from temp_file_manager.text import human_size, span, timestamp


def add_parser(commands: options.Commands) -> None:
    """Declare the command."""
    parser = options.add_command(
        commands,
        "status",
        "say whether files are registered and due, and why",
        execute,
        words="[-0] PATH...",
        more="It is quick with many files; the command why tells more about each, and whether a limit is about to take "
        "it. The exit code is 1 if any of them is not registered.",
        json="print one JSON object a line",
    )
    paths.add_paths(parser)
    options.add_settings(parser)


def execute(args: argparse.Namespace) -> int:
    """Say what is known about files; return 1 if any of them is not registered.

    Raises:
        TempFileError: a setting, a path or the registry cannot be used.
    """

    def status(manager: TempFileManager, batch: list[str]) -> Answer:
        names, refused = nameable(batch)
        found = prospects(manager.context, names)
        for one in found:
            _tell(one, as_json=args.json)
        return Answer(refused=refused, unregistered=sum(one.record is None for one in found))

    return work_through(args, status, unlogged=(logs.clock_distrusted, logs.clock_trusted), looking=True)


def _tell(found: Prospects, *, as_json: bool) -> None:
    record, due = found.record, Selection(found.asof, found.max_age)
    would = _would(found.command_line)
    if as_json:
        known = {} if record is None else describe.described(record, due) | {"if_swept_now": would}
        render.as_json({"path": found.path, "registered": record is not None} | known, indent=None)
        return
    render.line(found.path if record else f"{found.path}: {found.command_line.reason}")
    for name, value in [] if record is None else [*_explained(record, due, found.capped_by), ("if swept now", would)]:
        render.line(f"  {name:<15}{value}")


def _explained(record: TempFile, due: Selection, capped_by: str) -> list[tuple[str, str]]:
    return [
        ("registered", f"{describe.age(record, due)} ago, {timestamp(record.registered_at)}"),
        ("due", f"{describe.when_due(record, due)}: {verdict(record, due).reason}"),
        ("ttl", _life(record, due, capped_by)),
        ("size", human_size(record.size)),
        ("tags", ", ".join(record.tags) or "none"),
        ("failures", _failures(record, due)),
        ("identity", describe.identity(record.identity)),
    ]


def _failures(record: TempFile, due: Selection) -> str:
    if record.retry_at is None or not waits(record.retry_at, due.asof):
        return str(record.failures)
    return f"{record.failures}; scheduled sweeps leave it alone for {span(record.retry_at - due.asof)}"


def _would(forecast: Forecast) -> str:
    # Why a file goes is said under "due".
    reason = forecast.caveat if forecast.status is Status.REMOVED else forecast.reason
    would = str(forecast.status or "left alone")
    return f"{would}: {reason}" if reason else would


def _life(record: TempFile, due: Selection, capped_by: str) -> str:
    if record.session:
        return "its session's"
    if record.due_at is None:
        return describe.max_age(due.max_age, capped_by)
    if record.rule:
        return f'none: rule "{record.rule}" decides'
    return f"its own, {span(record.due_at - record.registered_at)}"
