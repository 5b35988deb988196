"""One time that limits are kept, and what a dry run has foretold by then."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field

from temp_file_manager.limits import Limit
from temp_file_manager.records import RETIRED, Outcome, Selection, Status, TempFile
from temp_file_manager.sweeping.candidates import Candidate, Near
from temp_file_manager.sweeping.foreseen import Foreseen
from temp_file_manager.sweeping.sweep import Bounds


@dataclass(frozen=True, slots=True)
class Turn:
    """One time that limits are kept.

    Attributes:
        due: What the sweep before has taken; in a dry run, would have.
        bounds: How far to go.
        allow: So many files may go for a limit that is new or lowered, whatever their share; None: any number.
        dry_run: Whether nothing is to change.
        scheduled: Whether nobody has asked.
        foretold: The paths of what a dry run has foretold to go, so far.
        foreseen: What a dry run knows of what the sweep would have done first; None: nothing.
        moved: Those of them, by number, that are then in quarantine, and take the same room there.
        stays: What a dry run has foretold that the sweep leaves, by path, as it is then.
        gains: What that takes off the measure, by limit.
    """

    due: Selection
    bounds: Bounds
    allow: int | None
    dry_run: bool
    scheduled: bool
    foreseen: Foreseen | None = None
    foretold: set[str] = field(default_factory=set)
    moved: dict[int, TempFile] = field(default_factory=dict)
    stays: dict[str, TempFile] = field(default_factory=dict)
    gains: defaultdict[str, float] = field(default_factory=lambda: defaultdict(float))

    def as_swept(self, record: TempFile) -> TempFile:
        """Return a record as it would be by then."""
        left = self.stays.get(record.path)
        if left is not None or self.foreseen is None:
            return left or record
        return self.foreseen.as_ruled(record)

    def foretell(self, gone: Iterable[Candidate], limits: Iterable[Limit], near: Near) -> None:
        """Note that these go."""
        for one in gone:
            self.foretold.add(one.record.path)
            self.moved.pop(one.record.generation, None)
            for limit in limits:
                self.gains[limit.name] += one.weight(limit, near)

    def foretell_sweep(self, outcomes: Iterable[Outcome], limits: Iterable[Limit], near: Near) -> None:
        """Note what a sweep makes of records: what it quarantines takes as much room there."""
        outcomes = list(outcomes)
        retired = [one for one in outcomes if one.status in RETIRED]
        moved = [one.record for one in retired if one.status is Status.QUARANTINED]
        self.foretold.update(record.path for record in moved)
        self.stays.update((one.record.path, as_left(one)) for one in outcomes if one.status not in RETIRED)
        self.moved.update((record.generation, record) for record in moved)
        gone = (one.record for one in retired if one.status is not Status.QUARANTINED)
        self.foretell((Candidate(record, record) for record in gone), limits, near)


def as_left(outcome: Outcome) -> TempFile:
    """Return a record as a sweep leaves it: when to look at it again, where rules keep it."""
    if outcome.due_at is None:
        return outcome.record
    return outcome.record._replace(due_at=outcome.due_at if outcome.rule else None, rule=outcome.rule)
