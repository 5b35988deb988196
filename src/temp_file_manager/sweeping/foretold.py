"""The course of a dry run: what it has foretold so far, which later parts of it take to have come about."""

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence

from temp_file_manager.limits import Limit
from temp_file_manager.records import RETIRED, Outcome, Selection, Status, TempFile
from temp_file_manager.rules import has_come, renewed
from temp_file_manager.sweeping.candidates import Candidate
from temp_file_manager.sweeping.foreseen import Foreseen
from temp_file_manager.sweeping.limits import Reading
from temp_file_manager.sweeping.near import Near
from temp_file_manager.sweeping.upcoming import turn_of

Tell = Callable[[Sequence[Outcome], str], object]
"""Hears what would become of records, and for which limit; of what is due that is empty."""


class Foretold:
    """What a dry run has foretold so far.

    Args:
        due: What the sweep would take before limits are kept.
        limits: Those for which files may go.
        near: Says of a directory whether it lies on the file system that is limited.
        tell: Hears every outcome.
        foreseen: What is known of rules that the sweep would first put in force; None: there are none.

    Attributes:
        paths: Of what would be gone or in quarantine, but for what goes for no limit in any case, as it is due.
        moved: What would be in quarantine by number, and take the same room there.
        left: What else the sweep would have found changed, or changed itself, by path, as it would be by now.
    """

    def __init__(
        self,
        due: Selection,
        limits: Iterable[Limit],
        near: Near,
        tell: Tell,
        foreseen: Foreseen | None = None,
    ) -> None:
        self._due = due
        self._limits = tuple(limits)
        self._near = near
        self._tell = tell
        self._foreseen = foreseen
        self._gains: defaultdict[str, float] = defaultdict(float)
        self.paths: set[str] = set()
        self.moved: dict[int, TempFile] = {}
        self.left: dict[str, TempFile] = {}

    def swept(self, outcomes: Sequence[Outcome]) -> None:
        """Note what a sweep would do."""
        self._tell(outcomes, "")
        for one in outcomes if self._limits else ():
            self._swept(one)

    def evicted(self, limit: Limit, outcomes: Sequence[Outcome], gone: Iterable[Candidate]) -> None:
        """Note what would be done for a limit, and which of its candidates would be gone by that."""
        self._tell(outcomes, limit.name)
        for candidate in gone:
            self.paths.add(candidate.record.path)
            self._gone(candidate)

    def reading(self, limit: Limit, now: Reading) -> Reading:
        """Return what a limit's measure would be by now, which is ``now`` as nothing has gone."""
        gain = self._gains[limit.name]
        return now._replace(value=now.value + (gain if limit.measure.is_room else -gain)) if gain else now

    def as_swept(self, record: TempFile) -> TempFile:
        """Return a record as it would be by now."""
        known = self.moved.get(record.generation) or self.left.get(record.path)
        if known is not None or self._foreseen is None:
            return known or record
        return self._foreseen.as_ruled(record)

    def as_moved(self) -> list[TempFile]:
        """Return what would be in quarantine, in the order in which it would have come there."""
        return sorted(self.moved.values(), key=lambda record: turn_of(record, self._due.max_age))

    def _swept(self, one: Outcome) -> None:
        record = one.record
        if one.status is Status.QUARANTINED:
            self._leave_out(record)
            self.moved[record.generation] = record
        elif one.status is Status.COMPRESSED:
            # It stays, smaller by what nobody knows before, and may go for a limit.
            self.left[record.path] = record._replace(due_at=math.inf)
        elif one.status in RETIRED:
            self._leave_out(record)
            self._gone(Candidate(record, record))
        elif one.found is not None:
            self.left[record.path] = renewed(record, one.found, self._due.asof)
        elif one.due_at is not None or self._is_of_newest(record):
            self.left[record.path] = _as_left(one)

    def _gone(self, one: Candidate) -> None:
        self.moved.pop(one.record.generation, None)
        for limit in self._limits:
            self._gains[limit.name] += one.weight(limit, self._near)

    def _leave_out(self, record: TempFile) -> None:
        """Leave a record out of what may go for limits, unless it is due by its record: those would be too many."""
        if self._is_of_newest(record) or not has_come(record, self._due):
            self.paths.add(record.path)

    def _is_of_newest(self, record: TempFile) -> bool:
        return self._foreseen is not None and self._foreseen.is_of_newest(record)


def _as_left(outcome: Outcome) -> TempFile:
    """Return a record as a sweep leaves it: when to look at it again, where rules keep it."""
    if outcome.due_at is None:
        return outcome.record
    return outcome.record._replace(due_at=outcome.due_at if outcome.rule else None, rule=outcome.rule)


class AsForetold:
    """A ``Foreseen`` of records that are chosen: as the sweep before would have left them."""

    def __init__(self, foretold: Foretold) -> None:
        self.as_ruled = foretold.as_swept

    def as_swept(self, records: Sequence[TempFile]) -> list[TempFile]:
        """Return all of them, as they would be by then."""
        return [self.as_ruled(record) for record in records]

    def is_of_newest(self, record: TempFile) -> bool:
        """Say no: nothing is left to be found out."""
        del record
        return False

    def others(self) -> Iterator[Sequence[TempFile]]:
        """Yield nothing: what was not chosen stays."""
        return iter(())
