"""Sweeping a directory without putting anything on record: what is found to be due goes at once.

Each file is compared before it goes, as a record's is: it must still be the one that was found, and untouched.
"""

import os
from collections import Counter
from collections.abc import Generator
from contextlib import closing
from dataclasses import dataclass

from temp_file_manager import logs
from temp_file_manager.adopt.plan import BATCH, Plan
from temp_file_manager.adopt.survey import Chosen, Known, Survey
from temp_file_manager.clock import Clock, SystemClock
from temp_file_manager.events import Hooks, RecordsSettled, SweepFinished
from temp_file_manager.records import Cause, Outcome, Status, TempFile
from temp_file_manager.reports import OUTCOMES_IN_A_REPORT, SweepReport
from temp_file_manager.storage import LocalStorage
from temp_file_manager.storage.prune import prune
from temp_file_manager.storage.tree import Tree
from temp_file_manager.sweeping.sweep import CHUNK


@dataclass(frozen=True, slots=True)
class Done:
    """What ``sweep_once`` did: the sweep, and how many directories it left empty and removed."""

    report: SweepReport
    pruned: int


def sweep_once(
    planned: Plan,
    storage: LocalStorage,
    *,
    known: Known = lambda _: {},
    hooks: Hooks | None = None,
    clock: Clock | None = None,
    pruning: bool = False,
) -> Done:
    """Remove what a plan counts as due, and what has become so; the directory is walked through anew.

    Args:
        planned: What ``adoption.plan`` returned.
        storage: What removes.
        known: Says what is on record somewhere: it stays.
        hooks: Hear of outcomes as they do of a sweep's.
        clock: What tells how long it took.
        pruning: Also remove directories that this leaves empty.

    Raises:
        BaseDirectoryError: the directory cannot be read any more.
    """
    elapsed, told = (clock or SystemClock()).elapsed, hooks or Hooks()
    began = elapsed()
    survey = Survey(planned.wanted, known, planned.asof, renew=False)
    counts: Counter[Status] = Counter()
    listed: list[Outcome] = []
    emptied: set[str] = set()
    with closing(_chunks(survey, planned)) as chunks:
        for records in chunks:
            outcomes = list(storage.remove(records, _gate))
            logs.settled(outcomes)
            if told.hooks:
                told.emit(RecordsSettled(tuple(outcomes)))
            counts.update(outcome.status for outcome in outcomes)
            listed += outcomes[: OUTCOMES_IN_A_REPORT - len(listed)]
            if pruning:
                removed = (outcome.record.path for outcome in outcomes if outcome.status is Status.REMOVED)
                emptied.update(_inside(planned, os.path.dirname(path)) for path in removed)
    report = _report(counts, listed, elapsed() - began)
    logs.swept(report, force=False)
    if told.hooks:
        told.emit(SweepFinished(report))
    return Done(report, _pruned(planned, emptied))


def _report(counts: Counter[Status], listed: list[Outcome], duration: float) -> SweepReport:
    return SweepReport(
        removed=counts[Status.REMOVED],
        gone=counts[Status.GONE],
        replaced=counts[Status.REPLACED],
        kept=counts[Status.KEPT],
        failed=counts[Status.FAILED],
        skipped=counts[Status.SKIPPED],
        outcomes=tuple(listed),
        duration=duration,
    )


def _chunks(survey: Survey, planned: Plan) -> Generator[list[TempFile], None, None]:
    with closing(survey.batches(BATCH)) as batches:
        for batch in batches:
            due = [_record(file) for file in batch if file.due(planned.asof, planned.max_age)]
            for start in range(0, len(due), CHUNK):
                yield due[start : start + CHUNK]


def _record(file: Chosen) -> TempFile:
    return TempFile(file.path, file.registered_at, size=file.size, identity=file.identity)


def _gate(record: TempFile) -> Cause | None:
    # The identity is that of the file, also of one that somebody has begun to use again; its change time is not.
    identity = record.identity
    same = identity is not None and os.lstat(record.path).st_ctime_ns == identity.changed
    return None if same else Cause.TOUCHED


def _inside(planned: Plan, path: str) -> str:
    return path.removeprefix(planned.wanted.directory.rstrip("/")).removeprefix("/")


def _pruned(planned: Plan, emptied: set[str]) -> int:
    if not emptied:
        return 0
    with Tree(planned.wanted.directory, lambda _: None, lambda _, __: None) as tree:
        return prune(tree, emptied)
