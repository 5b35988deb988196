"""The PATH arguments of a command: from its words, or from standard input, for as long as it flows."""

import argparse
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from typing import BinaryIO

from temp_file_manager.cli import render
from temp_file_manager.cli.options import UsageError

STANDARD_INPUT = "-"

LONGEST_PATH = 1 << 16
"""Bytes; far more than any system takes, and all that a line that never ends may cost."""

CHUNK = 1 << 16
"""Bytes read from standard input at a time."""


class Refusals:
    """Says on standard error what a command refuses, a line each, and counts them."""

    def __init__(self) -> None:
        self.count = 0

    def __call__(self, subject: str, reason: str) -> None:
        """Refuse one."""
        self.count += 1
        render.problem(f"{subject}: {reason}")


def add_paths(parser: argparse.ArgumentParser) -> None:
    """Add the PATH arguments, and ``--null``."""
    parser.add_argument(
        "paths",
        nargs="+",
        metavar="PATH",
        help="a file; - reads paths from standard input, one a line (./- is a file called -)",
    )
    parser.add_argument(
        "-0",
        "--null",
        action="store_true",
        help="paths on standard input end with a NUL character, as find -print0 writes them",
    )


def add_allow_system(parser: argparse.ArgumentParser) -> None:
    """Add ``--allow-system``, for commands that put on record what lies anywhere."""
    parser.add_argument(
        "--allow-system",
        action="store_true",
        help="take system files, too: below /etc, /usr, /var/lib and the like, and what is hidden in a home",
    )


def batches(args: argparse.Namespace, refuse: Callable[[str, str], None]) -> Iterator[list[str]]:
    """Yield the paths, some at a time; those from standard input as soon as they are there.

    Args:
        args: The parsed flags of ``add_paths``.
        refuse: Told of what cannot be a path, with the reason.

    Raises:
        UsageError: a path is empty, or standard input is asked for and closed.
    """
    if "" in args.paths:
        raise UsageError("an empty PATH names no file")
    named: list[str] = []
    for path in args.paths:
        if path != STANDARD_INPUT:
            named.append(path)
            continue
        if named:
            yield named
            named = []
        for lines in pieces(standard_input(), b"\0" if args.null else b"\n", LONGEST_PATH, refuse):
            yield [os.fsdecode(line) for line in lines]
    if named:
        yield named


def standard_input() -> BinaryIO:
    """Return standard input as bytes.

    Raises:
        UsageError: it is closed.
    """
    if sys.stdin is None:
        raise UsageError("standard input is closed")
    return sys.stdin.buffer


def pieces(stream: BinaryIO, end: bytes, longest: int, refuse: Callable[[str, str], None]) -> Iterator[list[bytes]]:
    """Yield what ``end`` separates, without the empty ones, as many at a time as a read brings.

    Args:
        stream: To read from.
        end: One byte.
        longest: Bytes that a piece may have; of a longer one only the beginning is kept, for ``refuse``.
        refuse: Told of those that are too long, with the reason.
    """
    begun = b""
    while chunk := _read(stream):
        *whole, begun = (begun + chunk).split(end)
        yield list(_fitting(whole, longest, refuse))
        # Its length goes on telling that it is too long; what it would have said is not kept.
        begun = begun[: longest + 1]
    yield list(_fitting([begun], longest, refuse))


def _read(stream: BinaryIO) -> bytes:
    # read() waits until the whole chunk is there, which from a tail -f it may never be.
    read_some: Callable[[int], bytes] = getattr(stream, "read1", stream.read)
    return read_some(CHUNK)


def _fitting(found: Iterable[bytes], longest: int, refuse: Callable[[str, str], None]) -> Iterator[bytes]:
    for piece in found:
        if len(piece) > longest:
            refuse(render.beginning(piece), f"longer than {longest} bytes")
        elif piece:
            yield piece
