"""A sweep of a directory that puts nothing on record: files found to be due go at once."""

import itertools
import os
from collections.abc import Callable, Generator
from contextlib import closing
from dataclasses import dataclass

from temp_file_manager.adopt.empty import EmptyDirectories, recorded
from temp_file_manager.adopt.plan import BATCH, Plan
from temp_file_manager.adopt.survey import Chosen, Known, Survey
from temp_file_manager.causes import Cause
from temp_file_manager.chunks import Made
from temp_file_manager.context import Context
from temp_file_manager.records import Selection, Status, TempFile
from temp_file_manager.registry import Claim, Page, Settlement
from temp_file_manager.reports import SweepReport
from temp_file_manager.storage.prune import prune
from temp_file_manager.storage.tree import WHOLE, Part
from temp_file_manager.sweeping.sweep import Bounds, Sweeper


@dataclass(frozen=True, slots=True)
class Done:
    """What ``sweep_once`` did: the sweep, and how many empty directories it removed."""

    report: SweepReport
    pruned: int


def sweep_once(
    context: Context,
    planned: Plan,
    *,
    known: Known = lambda _: {},
    pruning: bool = False,
    stop: Callable[[], bool] = lambda: False,
) -> Done:
    """Remove what a plan counts as due, and what has become so; the directory is walked through anew.

    It is an ordinary sweep, by the settings of the context: only its records come from the walk.

    Args:
        context: What removes, and who hears of it.
        planned: What ``plan`` returned.
        known: Says what is on record somewhere: it stays.
        pruning: Also remove directories that this leaves empty, and those that were empty and as old as what is due.
        stop: Asked between chunks whether to leave it at that.

    Raises:
        BaseDirectoryError: the directory cannot be read any more.
    """
    due = Selection(planned.asof, planned.max_age)
    empty = EmptyDirectories(planned.asof, planned.max_age, planned.wanted.by)
    part = Part(enter=empty) if pruning else WHOLE
    with closing(FoundRecords(planned, known, part)) as found:
        sweeper = Sweeper(found, context.clock, context.hooks)
        # No rule is asked: whoever has this done says by what age, and nothing of it is on record.
        storage = context.storage_for(protect_open=context.settings.protect_open, force=True)
        report = sweeper.run(due, Bounds(stop=stop), storage)
    return Done(report, _pruned(planned, found.emptied | empty.paths, known) if pruning else 0)


class FoundRecords:
    """What a walk through a directory finds due, as records for a sweep.

    Args:
        planned: Where, and what counts as due.
        known: Says what is on record.
        part: As in ``Survey``.

    Attributes:
        emptied: Directories, relative to the planned one, from which something was removed.
    """

    def __init__(self, planned: Plan, known: Known, part: Part = WHOLE) -> None:
        self.emptied: set[str] = set()
        self._planned = planned
        self._base = planned.wanted.directory.rstrip("/")
        self._walk = self._found(Survey(planned.wanted, known, planned.asof, renew=False, part=part))
        self._again: list[TempFile] = []
        self._begun: set[int] = set()

    def _found(self, survey: Survey) -> Generator[TempFile, None, None]:
        numbers = itertools.count(1)
        with closing(survey.batches(BATCH)) as batches:
            for batch in batches:
                for file in batch:
                    if file.due(self._planned.asof, self._planned.max_age):
                        yield _record(file, next(numbers))

    def close(self) -> None:
        """End the walk."""
        self._walk.close()

    def page(self, due: Selection | None, *, now: float, limit: int, after: object | None = None) -> Page:
        """Return the next records of the walk."""
        del due, now, after
        records = tuple(itertools.islice(self._walk, limit))
        return Page(records, self if len(records) == limit else None)

    def claim(
        self,
        due: Selection,
        *,
        now: float,
        lease: float,
        limit: int,
        after: object | None = None,
        settling: Settlement | None = None,
        into: list[Claim] | None = None,
    ) -> Claim:
        """Return the next records of the walk, which nobody else has; first what there was no time for before."""
        del due, now, lease, after
        if settling is not None:
            self.settle(settling)
        again, self._again = self._again[:limit], self._again[limit:]
        records = [*again, *itertools.islice(self._walk, limit - len(again))]
        claim = Claim(Made(records), self, still=lambda at: self._is_untouched(records[at]))
        if into is not None:
            into[:] = [claim]
        return claim

    def _is_untouched(self, record: TempFile) -> bool:
        """Say whether nobody has touched a file since it was found.

        The identity is that of the file, also of one that somebody has begun to use again; its change time is not.
        Asked a second time, it has been overwritten by us, which moves that time: whether it is the same file, the
        storage itself has looked.
        """
        identity = record.identity
        if identity is None or record.generation in self._begun:
            return identity is not None
        untouched = os.lstat(record.path).st_ctime_ns == identity.changed
        if untouched:
            self._begun.add(record.generation)
        return untouched

    def settle(self, settlement: Settlement) -> None:
        """Note where something was removed, and what there was no time for."""
        records, others = settlement.claim.records, settlement.others
        for at, record in enumerate(records[: settlement.done]):
            other = others.get(at)
            if other is not None and other.cause is Cause.LEASE_ENDED:
                self._again.append(record)
                continue
            self._begun.discard(record.generation)
            if other is None or other.status is Status.REMOVED:
                self.emptied.add(os.path.dirname(record.path).removeprefix(self._base).removeprefix("/"))
        self._again += records[settlement.done :]


def _record(file: Chosen, number: int) -> TempFile:
    return TempFile(file.path, file.registered_at, size=file.size, identity=file.identity, generation=number)


def _pruned(planned: Plan, emptied: set[str], known: Known) -> int:
    """Remove what is empty, but for what is on record as a whole, and what lies in that."""
    if not emptied:
        return 0
    spared = recorded(planned.wanted.directory, known)
    with planned.wanted.opened(lambda _: None, lambda _, __: None) as tree:
        return prune(tree, emptied, spared)
