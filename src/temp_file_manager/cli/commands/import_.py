"""The command ``import``: the output of ``export`` put on record again, with old age, ttl, tags and pins."""

import argparse
import math
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import BinaryIO

from temp_file_manager.cli import exported_record, options, paths, render
from temp_file_manager.cli.exported_record import Exported, NotImportedError
from temp_file_manager.cli.open_manager import open_manager
from temp_file_manager.context import Context
from temp_file_manager.manager import TempFileManager
from temp_file_manager.records import PENDING, PLAIN, Identity, Kind, NewFile
from temp_file_manager.registering.register import Found, Judge, anything
from temp_file_manager.storage.identity import Examiner, same_file
from temp_file_manager.storage.kernel.statx import Seen
from temp_file_manager.storage.own_files import OWN_DIRECTORY, QUARANTINE, OwnFiles
from temp_file_manager.text import count

LONGEST_LINE = 1 << 20
"""Bytes; a path's worth of escapes and many tags."""


def add_parser(commands: options.Commands) -> None:
    """Declare the command."""
    parser = options.add_command(
        commands,
        "import",
        "put on record what export printed, with its old age, ttl, tags and pin",
        execute,
        words="[--allow-system] [FILE]",
        more="It refuses a file that is gone, that is no longer the one that was exported, that was registered again "
        "since, or that is in a living session, and a line that is no record, each with the reason on standard error. "
        "It imports all others.",
        json="print the counts as a JSON object",
    )
    parser.add_argument("file", nargs="?", default="-", metavar="FILE", help="what to read; - is standard input")
    paths.add_allow_system(parser)
    options.add_settings(parser)


def execute(args: argparse.Namespace) -> int:
    """Import records and print how many; return 1 if any was refused.

    Raises:
        TempFileError: a setting or the registry cannot be used.
        OSError: the file cannot be read.
    """
    refuse = paths.Refusals()
    imported = 0
    with _opened(args.file) as stream, open_manager(args) as manager:
        judge = anything if args.allow_system else manager.context.registrar.system
        for lines in paths.pieces(stream, b"\n", LONGEST_LINE, refuse):
            imported += _imported(manager, lines, refuse, judge)
    if args.json:
        render.as_json({"imported": imported, "refused": refuse.count}, indent=None)
    else:
        render.line(f"{count(imported, 'record')} imported, {refuse.count} refused.")
    return 1 if refuse.count else 0


def _imported(manager: TempFileManager, lines: Iterable[bytes], refuse: paths.Refusals, judge: Judge) -> int:
    """Import some lines, in one step those of the same time; return how many."""
    accepted = list(_accepted(manager.context, lines, refuse, judge))
    rows: dict[float, list[NewFile]] = {}
    pinned: dict[float, list[str]] = {}
    natures = {record.path: record.nature for record, _ in accepted if record.nature != PLAIN}
    for record, row in accepted:
        rows.setdefault(record.registered_at, []).append(row)
        if record.pinned_until is not None:
            pinned.setdefault(record.pinned_until, []).append(record.path)
    for until, names in pinned.items():
        # First as what is still to come, which no sweep removes: none must come between a record and its pin.
        unknown = set(names).difference(manager.registry.keep(names, until))
        if unknown:
            manager.registry.add([(path, math.inf, 0, (), PENDING, 0) for path in unknown], 0.0)
            manager.registry.keep(unknown, until)
    for registered_at, those in rows.items():
        apart = [row for row in those if row[0] in natures]
        if apart:
            manager.registry.add(apart, registered_at, natures=natures)
        if len(apart) < len(those):
            manager.context.registrar.put([row for row in those if row[0] not in natures], registered_at)
    return len(accepted)


def _accepted(
    context: Context, lines: Iterable[bytes], refuse: paths.Refusals, judge: Judge
) -> Iterator[tuple[Exported, NewFile]]:
    records = list(_records(lines, refuse))
    known = context.registry.get([record.path for record in records])
    living = {session.number for session in context.registry.sessions()}
    for record in records:
        there = known.get(record.path)
        if there is not None and there.registered_at > record.registered_at:
            refuse(record.path, "registered again since")
            continue
        if there is not None and there.session in living:
            refuse(record.path, "in a session that lives, which it would leave")
            continue
        try:
            yield record, _row(record, context, judge)
        except NotImportedError as error:
            refuse(record.path, str(error))


def _records(lines: Iterable[bytes], refuse: paths.Refusals) -> Iterator[Exported]:
    for line in lines:
        try:
            yield exported_record.read(line)
        except NotImportedError as error:
            refuse(error.path or render.beginning(line), str(error))


def _row(record: Exported, context: Context, also: Judge) -> NewFile:
    """Return the row of a file that is still the one that was exported, and that may be registered.

    Raises:
        NotImportedError: it is not.
    """

    def judge(path: str, now: Identity | None) -> str:
        if now is not None and not _is_the_same(record.identity, now):
            return "another file by now"
        return also(path, now)

    away = record.nature.kind is Kind.QUARANTINED
    found = _looked(record, context.base_dir) if away else context.registrar.look(judge)(record.path)
    if found is None:
        raise NotImportedError("gone, or no regular file")
    if isinstance(found, str):
        raise NotImportedError(found)
    return record.path, record.due_at, found[0], record.tags, *found[1:]


def _looked(record: Exported, base_dir: str) -> Found | str | None:
    """Return what is at the path of a record that is said to be in quarantine; or why it is not of this one."""
    if os.path.dirname(record.path) != os.path.join(base_dir, OWN_DIRECTORY, QUARANTINE):
        return "in no quarantine of this base directory"
    found = Examiner(OwnFiles()).examine(record.path)
    if found is None:
        return None
    known = found.identity
    return (found.size, known, found.disk) if _is_the_same(record.identity, known) else "another file by now"


def _is_the_same(then: Identity, now: Identity) -> bool:
    return same_file(then, Seen(0, now.inode, 0, now.born, now.changed)) is True


@contextmanager
def _opened(name: str) -> Iterator[BinaryIO]:
    if name == paths.STANDARD_INPUT:
        yield paths.standard_input()
    else:
        with open(name, "rb") as stream:
            yield stream
