"""Applying a plan: its lines are done, and nothing else, each only if it is still as the plan says."""

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import groupby, islice
from typing import IO, NamedTuple

from temp_file_manager import logs
from temp_file_manager.causes import Cause
from temp_file_manager.context import Context
from temp_file_manager.errors import PlanError
from temp_file_manager.planning.plan import name_of, refuse_unplannable
from temp_file_manager.planning.plan_file import AGAIN, NOTHING_DONE, Header, Line, checked, lines
from temp_file_manager.records import Kind, Outcome, Selection, Status, TempFile
from temp_file_manager.registry.card import CHUNK
from temp_file_manager.reports import SweepReport
from temp_file_manager.rules import verdict
from temp_file_manager.storage.quarantine import name_in_quarantine
from temp_file_manager.sweeping.candidates import Candidate
from temp_file_manager.sweeping.preparation import prepare
from temp_file_manager.sweeping.sweep import Bounds, Stop, Tell
from temp_file_manager.text import span

LASTS = 86_400.0
"""Seconds after which a plan is too old."""


def apply(context: Context, file: IO[bytes], tell: Tell = lambda _: None, stop: Stop = lambda: False) -> SweepReport:
    """Do what a plan says of each record, if that is still the record and the file that the plan means.

    What is pinned, held, in a living session, in use or no longer due stays, as in any sweep.

    Args:
        context: What to work with: of the registry and the base directory that the plan is of.
        file: The plan; it is read twice.
        tell: Hears what was skipped, with the reason; hooks hear of the rest.
        stop: Asked between chunks; True ends it there.

    Raises:
        PlanError: the plan is not whole, of another registry, of a newer format or too old; nothing was done.
        LargeSweepError: rules that have changed would make more files due than the plan has lines; no file was removed.
    """
    refuse_unplannable(context.registry)
    header, count = checked(file)
    asof, asked = context.clock_guard.read().asof, header.asked
    _refuse(context, header, asof)
    due, total = Selection(asof, asked.max_age, asked.force), SweepReport()
    with context.age.being(asked.max_age):  # rules ask for it, too
        prepare(context.registry, context.ruling, due, Bounds(stop=stop), allow=count)
        step = _Step(context, due, asked.protect_open, stop)
        try:
            for chunk in _chunks(line for line in lines(file) if line.status not in NOTHING_DONE):
                if stop():
                    total = replace(total, stopped="stopped")
                    break
                done, skipped = step.do(chunk)
                tell(skipped)
                total += done + SweepReport(skipped=len(skipped), outcomes=tuple(skipped))
        finally:
            logs.swept(total, asked.force)
            context.sweeper.tell(total, scheduled=False)
    return total


def _refuse(context: Context, header: Header, asof: float) -> None:
    address, age = context.registry.properties.address, asof - header.asof
    if (header.registry, header.base_dir) != (name_of(context.registry), context.base_dir):
        raise PlanError(
            f"the plan is of {header.base_dir} in {header.address}, and this is {context.base_dir} in {address}: apply "
            "it with the plan's --base-dir and --registry"
        )
    if not 0 <= age <= LASTS:
        when = f"{span(age)} old, and a plan lasts {span(LASTS)}" if age > 0 else "from the future by this clock"
        raise PlanError(f"the plan is {when}: {AGAIN}")


def _chunks(wanted: Iterable[Line]) -> Iterator[list[Line]]:
    """Yield lines that are alike together, so many as a sweep claims at a time."""
    for _, alike in groupby(wanted, lambda line: bool(line.limit)):
        while chunk := list(islice(alike, CHUNK)):
            yield chunk


class _Step(NamedTuple):
    """What a chunk of lines is done with.

    Attributes:
        context: The parts.
        due: What the plan's sweep takes, by now.
        protect_open: As the plan was asked.
        stop: See ``apply``.
    """

    context: Context
    due: Selection
    protect_open: bool
    stop: Stop

    def do(self, chunk: Sequence[Line]) -> tuple[SweepReport, list[Outcome]]:
        """Do lines that are alike; return what was done, and what was skipped."""
        context, is_limit = self.context, bool(chunk[0].limit)
        force = is_limit or self.due.force
        due = replace(self.due, force=force)
        storage = context.storage_for(protect_open=is_limit or self.protect_open, force=force)
        known = self._known(chunk)
        outlook = {_file(one.record): one for one in context.sweeper.outlook(due, storage, list(known.values()))}
        why = {line: _why_not(line, known.get(line.path), outlook, due) for line in chunk}
        going = tuple(known[line.path] for line in chunk if not why[line])
        if not going:
            done = SweepReport()
        elif is_limit:
            done = context.evictor.take(due, [Candidate(record, record) for record in going], self.stop)
        else:
            bounds = Bounds(limit=len(going), stop=self.stop)  # no further claim when all have been handled
            done = context.sweeper.part(replace(due, only=going), bounds, storage)
            done = replace(done, stopped="" if done.stopped == "limit" else done.stopped)
        # What a sweep was to take, and has not: it was stopped, or somebody was faster.
        handled = {outcome.record.path for outcome in done.outcomes}
        for line in () if done.stopped else chunk:
            if not why[line] and known[line.path].path not in handled:
                why[line] = "it is in another sweep, or has changed at this very moment"
        skipped = [line for line in chunk if why[line]]
        return done, [Outcome(_record(one, known), Status.SKIPPED, Cause.NOT_AS_PLANNED, why[one]) for one in skipped]

    def _known(self, chunk: Sequence[Line]) -> dict[str, TempFile]:
        """Return what is on record of lines, by the path that they name."""
        registry, folder = self.context.registry, self.context.restorer.folder
        known = registry.get([line.path for line in chunk])
        # What goes for a limit may have been moved by an earlier line, which makes another record of it.
        moved = {
            os.path.join(folder, name_in_quarantine(line.generation, line.identity.inode, kind)): line.path
            for line in chunk
            if line.limit and line.identity and not _is_same(line, known.get(line.path))
            for kind in (Kind.FILE, Kind.COMPRESSED)
        }
        there = registry.get(list(moved)) if moved else {}
        return {**known, **{moved[path]: record for path, record in there.items() if record.origin == moved[path]}}


_File = tuple[str, int, object]


def _file(record: TempFile | Line) -> _File:
    return record.path, record.generation, record.identity


def _is_same(line: Line, record: TempFile | None) -> bool:
    return record is not None and record.generation == line.generation


def _why_not(line: Line, record: TempFile | None, outlook: dict[_File, Outcome], due: Selection) -> str:
    """Say why a line is not to be done; nothing if it is."""
    if record is None:
        return "it is on record no more"
    kept = _why_kept(line, record, due)
    if kept:
        return kept
    found = outlook.get(_file(record if record.path != line.path else line))
    if found is None:
        return "another file is on record by now"
    if found.status != line.status:
        return f"the plan says {line.status}, and it would be {found.status}" + (found.reason and f": {found.reason}")
    return ""


def _why_kept(line: Line, record: TempFile, due: Selection) -> str:
    """Say why a sweep would not take what a line means; nothing if it would."""
    if record.path == line.path and not _is_same(line, record):
        return "it was registered again, or given another time, since the plan was made"
    # What a living session has stays, also where everything is to go.
    found = verdict(record, replace(due, force=False) if record.session else due)
    return "" if found.due else found.reason


def _record(line: Line, known: dict[str, TempFile]) -> TempFile:
    record = known.get(line.path)
    return record or TempFile(line.path, 0.0, generation=line.generation, identity=line.identity)
