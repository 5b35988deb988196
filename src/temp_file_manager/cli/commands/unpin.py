"""The command ``unpin``: pinned files that sweeps may have again."""

import argparse

from temp_file_manager.cli import options, paths
from temp_file_manager.cli.targets import NOT_REGISTERED, Answer, Total, distinct, work_through
from temp_file_manager.manager import TempFileManager
from temp_file_manager.registering.pin import unpin_all
from temp_file_manager.text import count


def add_parser(commands: options.Commands) -> None:
    """Declare the command."""
    parser = options.add_command(
        commands,
        "unpin",
        "let sweeps have pinned files again",
        execute,
        words="[-0] PATH...",
        more="A registered file that is not pinned may be unpinned, too. The exit code is 1 if any of them is not "
        "registered.",
        json="print the counts as a JSON object",
    )
    paths.add_paths(parser)
    options.add_settings(parser)


def execute(args: argparse.Namespace) -> int:
    """Unpin files and print how many; return 1 if any of the paths is not registered.

    Raises:
        TempFileError: a setting, a path or the registry cannot be used.
    """

    def unpin(manager: TempFileManager, batch: list[str]) -> Answer:
        asked = distinct(batch)
        unknown = unpin_all(manager.registry, asked)
        return Answer(len(asked) - len(unknown), [(path, NOT_REGISTERED) for path in unknown])

    def summary(total: Total) -> tuple[dict[str, object], str]:
        counts: dict[str, object] = {"unpinned": total.done, "not_registered": total.refused}
        return counts, f"{count(total.done, 'file')} unpinned."

    return work_through(args, unpin, summary)
