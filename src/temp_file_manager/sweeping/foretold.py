"""The course of a dry run: what it has foretold so far, which later parts of it take to have gone."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence

from temp_file_manager.limits import Limit
from temp_file_manager.records import RETIRED, Outcome, Selection
from temp_file_manager.rules import has_come
from temp_file_manager.sweeping.candidates import Candidate, Near
from temp_file_manager.sweeping.limits import Reading

Tell = Callable[[Sequence[Outcome], str], object]
"""Hears what would become of records, and for which limit; of what is due that is empty."""


class Foretold:
    """What a dry run has foretold so far.

    Args:
        due: What the sweep would take before limits are kept.
        limits: Those for which files may go.
        near: Says of a directory whether it lies on the file system that is limited.
        tell: Hears every outcome.

    Attributes:
        paths: Of what would go although it is not due: what is due goes for no limit in any case.
    """

    def __init__(self, due: Selection, limits: Iterable[Limit], near: Near, tell: Tell) -> None:
        self._due = due
        self._limits = tuple(limits)
        self._near = near
        self._tell = tell
        self._gains: defaultdict[str, float] = defaultdict(float)
        self.paths: set[str] = set()

    def swept(self, outcomes: Sequence[Outcome]) -> None:
        """Note what a sweep would do."""
        self._tell(outcomes, "")
        if self._limits:
            self._gone(Candidate(one.record, one.record) for one in outcomes if one.status in RETIRED)

    def evicted(self, limit: Limit, outcomes: Sequence[Outcome], gone: Iterable[Candidate]) -> None:
        """Note what would be done for a limit, and which of its candidates would be gone by that."""
        self._tell(outcomes, limit.name)
        self._gone(gone)

    def _gone(self, candidates: Iterable[Candidate]) -> None:
        for one in candidates:
            if not has_come(one.record, self._due):
                self.paths.add(one.record.path)
            for limit in self._limits:
                self._gains[limit.name] += one.weight(limit, self._near)

    def reading(self, limit: Limit, now: Reading) -> Reading:
        """Return what a limit's measure would be by now, which is ``now`` as nothing has gone."""
        gain = self._gains[limit.name]
        return now._replace(value=now.value + (gain if limit.measure.is_room else -gain)) if gain else now
