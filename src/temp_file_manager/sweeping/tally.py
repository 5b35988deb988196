"""The tally of a sweep: how many records became what, the first of them, and why."""

from collections.abc import Sequence

from temp_file_manager.causes import sentence
from temp_file_manager.records import Outcome, Status
from temp_file_manager.reports import OUTCOMES_IN_A_REPORT, REASONS_IN_A_REPORT, Reason, SweepReport

_EXPLAINED = (Status.REPLACED, Status.KEPT, Status.FAILED)


class Tally:
    """The report in the making."""

    def __init__(self) -> None:
        self.counts = dict.fromkeys(Status, 0)
        self.outcomes: list[Outcome] = []
        self.reasons: dict[tuple[Status, str], Reason] = {}

    @property
    def handled(self) -> int:
        """How many were handled, whatever became of them."""
        return sum(self.counts.values()) - self.counts[Status.SKIPPED]

    def add(self, outcomes: Sequence[Outcome], told: Sequence[Outcome]) -> None:
        """Add what became of records; ``told`` are those that were not simply removed."""
        self.counts[Status.REMOVED] += len(outcomes) - len(told)
        for outcome in told:
            self.counts[outcome.status] += 1
            self._explain(outcome)
        if len(self.outcomes) < OUTCOMES_IN_A_REPORT:
            self.outcomes += outcomes[: OUTCOMES_IN_A_REPORT - len(self.outcomes)]

    def report(self, stopped: str, duration: float) -> SweepReport:
        """Return what it has come to."""
        return SweepReport(
            removed=self.counts[Status.REMOVED],
            gone=self.counts[Status.GONE],
            replaced=self.counts[Status.REPLACED],
            quarantined=self.counts[Status.QUARANTINED],
            compressed=self.counts[Status.COMPRESSED],
            kept=self.counts[Status.KEPT],
            failed=self.counts[Status.FAILED],
            skipped=self.counts[Status.SKIPPED],
            outcomes=tuple(self.outcomes),
            reasons=tuple(self.reasons.values()),
            stopped=stopped,
            duration=duration,
        )

    def _explain(self, outcome: Outcome) -> None:
        if outcome.status not in _EXPLAINED:
            return
        words = sentence(outcome.cause, outcome.detail)
        known = self.reasons.get((outcome.status, words))
        if known is not None:
            self.reasons[outcome.status, words] = known._replace(files=known.files + 1)
        elif len(self.reasons) < REASONS_IN_A_REPORT:
            path = str(outcome.record.path)  # callers may have put anything into ``files``
            self.reasons[outcome.status, words] = Reason(str(outcome.status), words, 1, path, str(outcome.cause))
