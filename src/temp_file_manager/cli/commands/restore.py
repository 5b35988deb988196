"""The command ``restore``: files had back from quarantine, or from their compressed form."""

import argparse

from temp_file_manager.cli import options, paths, render
from temp_file_manager.cli.targets import Answer, nameable, work_through
from temp_file_manager.errors import InvalidArgumentError, RecordClaimedError
from temp_file_manager.manager import TempFileManager
from temp_file_manager.storage.paths import absolute


def add_parser(commands: options.Commands) -> None:
    """Declare the command."""
    parser = options.add_command(
        commands,
        "restore",
        "bring files back from quarantine, or from their compressed form",
        execute,
        words="[-0] [--to PATH] PATH...",
        more="A PATH is where the file was, or where it is now; of several that were there, the last is brought back. "
        "It is on record anew, and its age begins anew. Nothing is overwritten. What is in quarantine is what list "
        "--quarantined prints; what is compressed is beside where it was. The exit code is 1 if any of them could not "
        "be brought back.",
        json="print one JSON object a file",
    )
    paths.add_paths(parser)
    parser.add_argument("--to", metavar="PATH", help="where to, instead of where it was; for one file")
    options.add_settings(parser)


def execute(args: argparse.Namespace) -> int:
    """Bring files back; return 1 if any could not be brought back.

    Raises:
        TempFileError: a setting, a path or the registry cannot be used.
    """
    if args.to is not None and len(args.paths) != 1:
        raise options.UsageError("--to says where one file goes: give one PATH with it")
    to = None if args.to is None else absolute(args.to)

    def restore(manager: TempFileManager, batch: list[str]) -> Answer:
        names, refused = nameable(batch)
        failed = list(refused)
        for name in names:
            try:
                target = manager.context.restorer.restore(name, to)
            except (InvalidArgumentError, RecordClaimedError) as error:
                failed.append((name, str(error)))
            except FileNotFoundError as error:
                what = f"there is no {error.filename!r}"
                failed.append((name, f"{what}: make the directory, or name another place by --to"))
            except OSError as error:
                failed.append((name, f"{error.strerror}: {error.filename!r}" if error.filename else str(error)))
            else:
                _tell(name, target, as_json=args.json)
        return Answer(len(batch) - len(failed), failed)

    return work_through(args, restore)


def _tell(path: str, target: str, *, as_json: bool) -> None:
    if as_json:
        render.as_json({"path": path, "restored_to": target}, indent=None)
    else:
        render.line(f"restored {target}")
