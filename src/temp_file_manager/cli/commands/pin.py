"""The commands ``pin`` and ``unpin``: files kept from every sweep for a while, or from one to the other."""

import argparse

from temp_file_manager.cli import options, paths
from temp_file_manager.cli.targets import NOT_REGISTERED, Answer, Total, distinct, work_through
from temp_file_manager.manager import TempFileManager
from temp_file_manager.registering.pin import GONE, pin_all, unpin_all
from temp_file_manager.text import count, span


def add_parser(commands: options.Commands) -> None:
    """Declare both commands."""
    pin = options.add_command(
        commands,
        "pin",
        "keep registered files from every sweep, until unpin",
        execute,
        words="[-0] [--ttl TIME] PATH...",
        more="A pin outlasts this command, a restart and a new registration of the file. The exit code is 1 if any of "
        "them is not registered, or not there any more.",
        json="print the counts as a JSON object",
    )
    paths.add_paths(pin)
    pin.add_argument("--ttl", type=options.seconds, metavar="TIME", help="how long, instead of until unpin")
    options.add_settings(pin)
    unpin = options.add_command(
        commands,
        "unpin",
        "let sweeps have pinned files again",
        execute_unpin,
        words="[-0] PATH...",
        more="A registered file that is not pinned may be unpinned, too. The exit code is 1 if any of them is not "
        "registered.",
        json="print the counts as a JSON object",
    )
    paths.add_paths(unpin)
    options.add_settings(unpin)


def execute(args: argparse.Namespace) -> int:
    """Pin files and print how many; return 1 if any of the paths was refused.

    Raises:
        TempFileError: a setting, a path or the registry cannot be used.
    """

    def pin(manager: TempFileManager, batch: list[str]) -> Answer:
        until = None if args.ttl is None else manager.context.clock_guard.wall() + args.ttl
        pinned = pin_all(manager.registry, distinct(batch), until)
        unknown, gone = ([(path, NOT_REGISTERED) for path in pinned.unknown], [(path, GONE) for path in pinned.gone])
        return Answer(len(pinned.kept), gone + unknown)

    def summary(total: Total) -> tuple[dict[str, object], str]:
        counts = {"pinned": total.done, "refused": total.refused, "ttl": args.ttl}
        until = "until unpin" if args.ttl is None else f"for {span(args.ttl)}"
        refused = f", {total.refused} refused" if total.refused else ""
        return counts, f"{count(total.done, 'file')} pinned {until}{refused}."

    return work_through(args, pin, summary)


def execute_unpin(args: argparse.Namespace) -> int:
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
