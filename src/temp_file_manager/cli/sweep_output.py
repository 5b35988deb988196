"""Lines that ``sweep`` prints: one an outcome as it happens, then the totals."""

from collections.abc import Iterable

from temp_file_manager.cli import render
from temp_file_manager.events import Event, RecordsSettled
from temp_file_manager.records import Outcome, Status
from temp_file_manager.reports import SweepReport
from temp_file_manager.text import human_size, span

_NOTEWORTHY = (Status.FAILED, Status.KEPT, Status.REPLACED)


class Teller:
    """A hook that prints outcomes, and ``end``, which prints the totals.

    Args:
        as_json: One JSON object a line.
        quiet: The totals alone.
    """

    def __init__(self, *, as_json: bool, quiet: bool) -> None:
        self._as_json = as_json
        self._quiet = quiet
        self._brief = render.on_terminal() and not as_json
        self._error: OSError | None = None

    def __call__(self, event: Event) -> None:
        """Print the outcomes of a chunk; on a terminal those that are not simply done."""
        if isinstance(event, RecordsSettled):
            self.tell(outcome for outcome in event.outcomes if not self._brief or outcome.status in _NOTEWORTHY)

    def tell(self, outcomes: Iterable[Outcome]) -> None:
        """Print outcomes."""
        if self._quiet or self._error:
            return
        try:
            self._lines(outcomes)
            render.flush()
        except OSError as error:
            # A hook cannot end a sweep: told in ``end``, when the sweep has.
            self._error = error

    def end(self, report: SweepReport) -> None:
        """Print the totals; of a dry run, which no hook hears of, the outcomes as well.

        Raises:
            OSError: an outcome before could not be printed.
        """
        if self._error:
            raise self._error
        listed = report.outcomes if report.dry_run and not self._quiet else ()
        self._lines(listed, "dry run: " if report.dry_run else "")
        unlisted = _handled(report) - len(listed) if listed else 0
        if self._as_json:
            render.as_json(_numbers(report) | ({"unlisted": unlisted} if listed else {}), indent=None)
            return
        if unlisted:
            render.line(f"dry run: and {unlisted} more, which are not listed")
        render.line(_totals(report))

    def _lines(self, outcomes: Iterable[Outcome], before: str = "") -> None:
        for outcome in outcomes:
            path, status, reason = outcome.record.path, outcome.status, outcome.reason
            if self._as_json:
                render.as_json({"outcome": status, "path": path, "reason": reason}, indent=None)
            else:
                reason = reason or (f"{human_size(outcome.saved)} saved" if outcome.saved else "")
                render.line(f"{before}{status} {path}{f': {reason}' if reason else ''}")


def _handled(report: SweepReport) -> int:
    return report.retired + report.replaced + report.compressed + report.kept + report.failed + report.skipped


def _numbers(report: SweepReport) -> dict[str, object]:
    counts = {str(status): getattr(report, status) for status in Status}
    return counts | {
        "evicted": report.evicted,
        "stopped": report.stopped,
        "dry_run": report.dry_run,
        "seconds": report.duration,
    }


def _totals(report: SweepReport) -> str:
    counts = {
        "quarantined": report.quarantined,
        "compressed": report.compressed,
        "already gone": report.gone,
        "replaced": report.replaced,
        "kept": report.kept,
        "skipped": report.skipped,
    }
    rest = "".join(f", {number} {what}" for what, number in counts.items() if number)
    before = "Dry run: " if report.dry_run else ""
    after = f"; stopped by its {report.stopped}, more may be due" if report.stopped else ""
    rest = f" ({report.evicted} for limits){rest}" if report.evicted else rest
    return f"{before}{report.removed} removed{rest}, {report.failed} failed in {span(report.duration)}{after}."
