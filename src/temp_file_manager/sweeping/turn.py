"""One time that limits are kept, and what a dry run has foretold by then."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field

from temp_file_manager.limits import Limit
from temp_file_manager.records import RETIRED, Outcome, Selection, Status, TempFile
from temp_file_manager.sweeping.candidates import Candidate, Near
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
        moved: Those of them, by number, that are then in quarantine, and take the same room there.
        gains: What that takes off the measure, by limit.
    """

    due: Selection
    bounds: Bounds
    allow: int | None
    dry_run: bool
    scheduled: bool
    foretold: set[str] = field(default_factory=set)
    moved: dict[int, TempFile] = field(default_factory=dict)
    gains: defaultdict[str, float] = field(default_factory=lambda: defaultdict(float))

    def foretell(self, gone: Iterable[Candidate], limits: Iterable[Limit], near: Near) -> None:
        """Note that these go."""
        for one in gone:
            self.foretold.add(one.record.path)
            self.moved.pop(one.record.generation, None)
            for limit in limits:
                self.gains[limit.name] += one.weight(limit, near)

    def foretell_sweep(self, outcomes: Iterable[Outcome], limits: Iterable[Limit], near: Near) -> None:
        """Note what a sweep makes of records: what it quarantines takes as much room there."""
        retired = [one for one in outcomes if one.status in RETIRED]
        moved = [one.record for one in retired if one.status is Status.QUARANTINED]
        self.foretold.update(record.path for record in moved)
        self.moved.update((record.generation, record) for record in moved)
        gone = (one.record for one in retired if one.status is not Status.QUARANTINED)
        self.foretell((Candidate(record, record) for record in gone), limits, near)
