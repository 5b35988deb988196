"""A dry run: what a sweep that is asked for would do, limits included."""

from temp_file_manager.context import Context
from temp_file_manager.records import Selection
from temp_file_manager.reports import SweepReport
from temp_file_manager.sweeping.foretold import Tell
from temp_file_manager.sweeping.preparation import foresee
from temp_file_manager.sweeping.sweep import Bounds


def foretell(
    context: Context, due: Selection, bounds: Bounds, *, protect_open: bool, tell: Tell = lambda _, __: None
) -> SweepReport:
    """Report what ``TempFileManager.sweep`` would do, and change nothing.

    Args:
        context: Whose records and limits.
        due: What is to be swept.
        bounds: How far to go.
        protect_open: Keep files that somebody has open, or of which nothing can tell.
        tell: Hears every outcome, a page at a time; the report has the first alone.
    """
    coming = foresee(context.registry, context.ruling, due)
    told = context.evictor.foretold(due, tell, coming.foreseen)
    storage = context.storage_for(protect_open=protect_open, force=due.force)
    report = context.sweeper.foretell(due, bounds, storage, told.swept, coming)
    return report + context.evictor.evict(due, bounds.after(report), foretold=told)
