"""The command ``cat``: registered files written to standard output, be they there or compressed."""

import argparse
import sys
from collections.abc import Callable, Iterator
from typing import IO, Any

from temp_file_manager.cli import options, paths, render
from temp_file_manager.cli.targets import Answer, work_through
from temp_file_manager.errors import InvalidArgumentError
from temp_file_manager.manager import TempFileManager
from temp_file_manager.storage.paths import absolute

_PART = 1 << 18  # bytes at a time


def add_parser(commands: options.Commands) -> None:
    """Declare the command."""
    parser = options.add_command(
        commands,
        "cat",
        "print what registered files hold, also of those that a rule has compressed",
        execute,
        words="[-0] PATH...",
        more="PATH is the name that a file had before it was compressed. While it is read, no sweep removes it. "
        "The exit code is 1 if any of them could not be read.",
        json="print a JSON object a file instead: where its content is now, and how many bytes that is",
    )
    paths.add_paths(parser)
    options.add_settings(parser)


def execute(args: argparse.Namespace) -> int:
    """Print files; return 1 if any could not be read.

    Raises:
        TempFileError: a setting, a path or the registry cannot be used.
        OSError: standard output cannot be written.
    """
    write = _measured if args.json else _written

    def show(manager: TempFileManager, batch: list[str]) -> Answer:
        refused = [(path, why) for path in batch if (why := _shown(manager, path, write))]
        return Answer(refused=refused)

    return work_through(args, show)


Write = Callable[[str, IO[Any], Iterator[bytes]], None]
"""Says what there is to say of a path, by what is open and its parts."""


def _shown(manager: TempFileManager, path: str, write: Write) -> str:
    """Print a file; return why it could not be read, or nothing."""
    troubles: list[str] = []

    def parts(file: IO[Any]) -> Iterator[bytes]:
        # What reading raises is this file's, what writing raises is everybody's.
        try:
            while part := file.read(_PART):
                yield part
        except OSError as error:
            troubles.append(error.strerror or str(error))

    try:
        file = manager.reopen(path)
    except (InvalidArgumentError, OSError) as error:
        return str(error) if isinstance(error, InvalidArgumentError) else error.strerror or str(error)
    with file:
        write(path, file, parts(file))
    return "; ".join(troubles)


def _written(_: str, file: IO[Any], parts: Iterator[bytes]) -> None:
    del file
    for part in parts:
        sys.stdout.buffer.write(part)
    sys.stdout.buffer.flush()


def _measured(path: str, file: IO[Any], parts: Iterator[bytes]) -> None:
    size = sum(map(len, parts))
    render.as_json({"path": absolute(path), "content_in": file.name, "bytes": size}, indent=None)
