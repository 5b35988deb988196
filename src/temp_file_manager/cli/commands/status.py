"""``status``: what is known about files, and why a cleanup would take them or not."""

import argparse

from temp_file_manager.cli import open_manager, options, paths, render
from temp_file_manager.inspection import describe
from temp_file_manager.records import Selection, TempFile
from temp_file_manager.reports import FileStatus
from temp_file_manager.storage.contract import Storage
from temp_file_manager.text import human_size, span, timestamp


def add_parser(commands: options.Commands) -> None:
    """Declare the command."""
    parser = options.add_command(
        commands,
        "status",
        "explain files: registered or not, due or not, and why",
        execute,
        words="[-0] PATH...",
        more="The exit code is 1 if any of them is not registered.",
        json="print one JSON object a line",
    )
    paths.add_paths(parser)
    options.add_settings(parser)


def execute(args: argparse.Namespace) -> int:
    """Explain files; return 1 if any of them is not registered.

    Raises:
        TempFileError: a setting, a path or the registry cannot be used.
    """
    refuse = paths.Refusals()
    unregistered = 0
    with open_manager.open_manager(args) as manager:
        context = manager.context
        storage = context.storage_for(protect_open=context.settings.protect_open)
        for batch in paths.batches(args, refuse):
            due = context.due()
            report = manager.statuses(batch)
            unregistered += report.unregistered
            for status in report.files:
                _tell(status, due, storage, as_json=args.json)
    return 1 if unregistered or refuse.count else 0


def _tell(status: FileStatus, due: Selection, storage: Storage, *, as_json: bool) -> None:
    record = status.record
    if as_json:
        known = (
            {} if record is None else describe.described(record, due) | {"if_swept_now": _prediction(record, storage)}
        )
        render.as_json({"path": status.path, "registered": record is not None} | known, indent=None)
        return
    render.line(status.path if record else f"{status.path}: not registered")
    for name, value in [] if record is None else _explained(record, status, due, storage):
        render.line(f"  {name:<15}{value}")


def _explained(record: TempFile, status: FileStatus, due: Selection, storage: Storage) -> list[tuple[str, str]]:
    ttl = None if record.due_at is None else record.due_at - record.registered_at
    return [
        ("registered", f"{describe.age(record, due)} ago, {timestamp(record.registered_at)}"),
        ("due", f"{describe.when_due(record, due)}: {status.reason}"),
        ("ttl", f"max_age, {span(due.max_age)}" if ttl is None else f"its own, {span(ttl)}"),
        ("size", human_size(record.size)),
        ("tags", ", ".join(record.tags) or "none"),
        ("failures", _failures(record, due)),
        ("identity", describe.identity(record.identity)),
        ("if swept now", _prediction(record, storage)),
    ]


def _failures(record: TempFile, due: Selection) -> str:
    if record.retry_at is None or record.retry_at <= due.asof:
        return str(record.failures)
    return f"{record.failures}; scheduled sweeps leave it alone for {span(record.retry_at - due.asof)}"


def _prediction(record: TempFile, storage: Storage) -> str:
    (outcome,) = storage.predict((record,))
    return f"{outcome.status}: {outcome.reason}" if outcome.reason else str(outcome.status)
