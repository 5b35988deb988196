"""The command ``forget``: records dropped, their files left."""

import argparse

from temp_file_manager.cli import options, paths
from temp_file_manager.cli.targets import NOT_REGISTERED, Answer, Total, distinct, work_through
from temp_file_manager.manager import TempFileManager
from temp_file_manager.registering.on_record import on_record
from temp_file_manager.text import count


def add_parser(commands: options.Commands) -> None:
    """Declare the command."""
    parser = options.add_command(
        commands,
        "forget",
        "take files off the record; the files stay",
        execute,
        words="[-0] PATH...",
        more="The exit code is 1 if none of them was registered.",
        json="print the counts as a JSON object",
    )
    paths.add_paths(parser)
    options.add_settings(parser)


def execute(args: argparse.Namespace) -> int:
    """Forget records and print how many; return 1 if none of the paths had one.

    Raises:
        TempFileError: a setting, a path or the registry cannot be used.
    """
    return work_through(args, _forget, _summary, some_suffice=True)


def _forget(manager: TempFileManager, batch: list[str]) -> Answer:
    asked = distinct(batch)
    known = on_record(manager.registry, asked)
    unknown = [(path, NOT_REGISTERED) for path in asked if path not in known]
    return Answer(manager.registry.forget({record.path for record in known.values()}), unknown)


def _summary(total: Total) -> tuple[dict[str, object], str]:
    counts: dict[str, object] = {"forgotten": total.done, "not_registered": total.refused}
    return counts, f"{count(total.done, 'record')} forgotten; no file was touched."
