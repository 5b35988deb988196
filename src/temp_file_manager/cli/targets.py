"""Targets of a command: the loop over its PATH arguments, which tells what is refused and counts the rest."""

import argparse
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from temp_file_manager.cli import paths, render
from temp_file_manager.cli.open_manager import open_manager
from temp_file_manager.errors import InvalidArgumentError
from temp_file_manager.inspection.prospects import named
from temp_file_manager.manager import TempFileManager
from temp_file_manager.storage.paths import as_recorded

NOT_REGISTERED = "not registered"


@dataclass(frozen=True, slots=True)
class Answer:
    """Answer of a command to a batch of paths: what became of them.

    Attributes:
        done: How many the command did what it is for.
        refused: Those it refused, with the reasons; they are told on standard error, and are a failure.
        unregistered: How many are not registered, where the output says so itself; they are a failure, too.
        oversized: How many of those done are larger than ``size_limit``.
    """

    done: int = 0
    refused: Iterable[tuple[str, str]] = ()
    unregistered: int = 0
    oversized: int = 0


@dataclass(slots=True)
class Total:
    """Counts of all the paths of a command; see ``Answer``."""

    done: int = 0
    refused: int = 0
    unregistered: int = 0
    oversized: int = 0


Work = Callable[[TempFileManager, list[str]], Answer]
Summary = Callable[[Total], tuple[dict[str, object], str]]
"""Returns what is said at the end: as a JSON object, and as a sentence."""


def work_through(
    args: argparse.Namespace,
    work: Work,
    summary: Summary | None = None,
    *,
    some_suffice: bool = False,
    unlogged: Iterable[Callable[..., None]] = (),
    looking: bool = False,
) -> int:
    """Do a command's work on its PATH arguments, a batch at a time; say at the end how many, if there is a summary.

    Args:
        args: The parsed flags, with those of ``paths.add_paths``.
        work: What the command does with a batch.
        summary: What it says at the end.
        some_suffice: It failed only if it did nothing: some that are refused are no failure.
        unlogged: As in ``open_manager``.
        looking: Likewise.

    Returns:
        The exit code.

    Raises:
        TempFileError: a setting, a path or the registry cannot be used.
    """
    refuse = paths.Refusals()
    total = Total()
    with open_manager(args, unlogged=unlogged, looking=looking) as manager:
        for batch in paths.batches(args, refuse):
            answer = work(manager, batch)
            for path, reason in answer.refused:
                refuse(path, reason)
            total.done += answer.done
            total.unregistered += answer.unregistered
            total.oversized += answer.oversized
    total.refused = refuse.count  # also of what cannot be a path
    if summary is not None:
        _tell(*summary(total), as_json=args.json)
    failures = total.refused + total.unregistered
    return 1 if failures and not (some_suffice and total.done) else 0


def distinct(batch: Iterable[str]) -> list[str]:
    """Return paths made absolute, each once, in their order."""
    return list(dict.fromkeys(map(as_recorded, batch)))


def nameable(batch: Iterable[str]) -> tuple[list[str], list[tuple[str, str]]]:
    """Return paths made absolute, and those that no file can have, with the reasons."""
    names: list[str] = []
    refused: list[tuple[str, str]] = []
    for path in batch:
        try:
            names.append(named(path))
        except InvalidArgumentError as error:
            refused.append((path, str(error)))
    return names, refused


def _tell(counts: dict[str, object], sentence: str, *, as_json: bool) -> None:
    if as_json:
        render.as_json(counts, indent=None)
    else:
        render.line(sentence)
