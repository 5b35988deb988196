"""Files that sweeps have left though they are due, and the cause of each."""

from collections.abc import Iterable, Iterator, Sequence

from temp_file_manager.causes import Cause, sentence
from temp_file_manager.context import Context
from temp_file_manager.records import Order, Selection, Status, TempFile
from temp_file_manager.sweeping.history import Sweep

MOST = 20
"""Files that are told of."""

_LOOKED_AT = 500
"""Due files among which those are found that a sweep has kept: they come first to be tried again, or last."""

_SWEEPS = 20


def unremoved(context: Context, due: Selection) -> list[tuple[TempFile, str]]:
    """Return due files that failed or were kept when a sweep took them up last, those that failed first.

    With each comes the cause in words, as far as it is on record; empty: ask ``why``, which looks at the file.

    Raises:
        RegistryError: the registry cannot be read.
    """
    registry, sweeps = context.registry, context.history.sweeps(_SWEEPS)
    failing = registry.page(Selection(due.asof, due.max_age, order=Order.FAILING), now=0.0, limit=MOST).records
    waiting = registry.page(due, now=context.clock.elapsed(), limit=_LOOKED_AT).records
    kept = [record for record in waiting if not record.failures and (record.retry_at is not None or record.kept_for)]
    return [(record, _cause(record, sweeps)) for record in (*failing, *kept)[:MOST]]


def _cause(record: TempFile, sweeps: Sequence[Sweep]) -> str:
    """Return why a record was left: as it has it, as a sweep has told of this file, or as all sweeps tell alike."""
    if record.kept_for:
        return sentence(Cause(record.kept_for)) or record.kept_for
    told = list(_told(sweeps, Status.FAILED if record.failures else Status.KEPT))
    mine = [reason for reason, example in told if example == record.path]
    alike = {reason for reason, _ in told}
    return next(iter(mine or (alike if len(alike) == 1 else ())), "")


def _told(sweeps: Iterable[Sweep], status: Status) -> Iterator[tuple[str, str]]:
    for sweep in sweeps:
        for reason in sweep.reasons:
            if reason.status == status:
                yield reason.reason, reason.example
