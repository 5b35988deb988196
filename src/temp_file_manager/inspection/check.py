"""Traces of a crash: found, explained, and put right on request. No file of anybody's is removed."""

import os
from collections.abc import Iterable, Iterator
from itertools import groupby

from temp_file_manager.context import Context
from temp_file_manager.errors import RecordClaimedError
from temp_file_manager.inspection.quarantine import strays
from temp_file_manager.records import Kind, Outcome, Status, TempFile
from temp_file_manager.reports import Finding
from temp_file_manager.storage import LocalStorage
from temp_file_manager.storage.contract import Storage
from temp_file_manager.storage.own_files import OWN_DIRECTORY
from temp_file_manager.storage.wrappers.put_back import stranded
from temp_file_manager.storage.wrappers.set_aside import ASIDE

PAGE = 1000
_KINDS = {
    Status.GONE: "record without a file",
    Status.REPLACED: "record of another file",
    Status.KEPT: "record in doubt",
}
_ADVICE = {
    Status.GONE: "a killed sweep or somebody else removed it; the record can go, and goes with the next sweep",
    Status.REPLACED: "the record can go, the file there stays",
    Status.KEPT: "no sweep removes it: register the file again if it is yours, or forget it",
}


def check(context: Context, *, fix: bool = False) -> tuple[Finding, ...]:
    """Look for what a crash left behind: records without files, claims of dead sweeps, and the like.

    Args:
        context: Whose registry to look at.
        fix: Forget records whose file is gone or another one, end claims that have lapsed, put the registry's own
            counts and files right, and put back what was set aside.

    Returns:
        What was found; nothing found is the normal state.

    Raises:
        RegistryError: the registry is damaged, or cannot be changed.
    """
    now, absent = context.clock.elapsed(), context.volume and context.volume.why_absent()
    if absent:
        advice = "its records are looked at when it is there"
        away = Finding("volume not there", context.base_dir, f"{absent}; {advice}")
        return (*context.registry.check(now=now, fix=fix), away)
    # The registry first: what it ends may be about records that are looked at next. Then what was set aside: put back,
    # it is no record's missing file any more.
    return (
        *context.registry.check(now=now, fix=fix),
        *_set_aside(context.base_dir, fix),
        *_records(context, now, fix),
        *strays(context),
    )


def _set_aside(base_dir: str, fix: bool) -> Iterator[Finding]:
    folder = os.path.join(os.path.abspath(base_dir), OWN_DIRECTORY, ASIDE)
    for path, origin, trouble in stranded(folder, put_back=fix):
        returned = fix and not trouble
        why = (
            f"a paranoid sweep that was killed, or could not put it back, left it here; it was {origin or 'elsewhere'}"
        )
        advice = "and is back there" if returned else f"{trouble}: look, and move it back" if trouble else "see --fix"
        yield Finding("file set aside", path, f"{why}; {advice}", returned)


def _records(context: Context, now: float, fix: bool) -> Iterator[Finding]:
    cursor: object | None = None
    while True:
        page = context.registry.page(None, now=now, limit=PAGE, after=cursor)
        for outcome in _predicted(context, page.records):
            if outcome.status in _KINDS:
                yield _finding(context, outcome, fix)
        cursor = page.cursor
        if cursor is None:
            return


def _predicted(context: Context, records: Iterable[TempFile]) -> Iterator[Outcome]:
    """Yield what becomes of records, as far as looking can tell; of what is in quarantine, there."""
    below = None if context.volume is None else context.volume.root
    plain = LocalStorage(base=context.base_dir, below=below)
    apart: dict[Kind, Storage] = {Kind.QUARANTINED: LocalStorage(base=context.base_dir, within=context.restorer.folder)}
    apart[Kind.OBJECT] = context.storage_for(protect_open=False)
    for storage, some in groupby(records, lambda record: apart.get(record.kind, plain)):
        yield from storage.predict(some)


def _finding(context: Context, outcome: Outcome, fix: bool) -> Finding:
    record, status = outcome.record, outcome.status
    forgotten = fix and outcome.retired and _forgotten(context, record)
    return Finding(_KINDS[status], record.path, f"{outcome.reason}; {_ADVICE[status]}", forgotten)


def _forgotten(context: Context, record: TempFile) -> bool:
    try:
        return context.registry.forget((record,)) == 1
    except RecordClaimedError:  # by the sweep that is about to find out the same
        return False
