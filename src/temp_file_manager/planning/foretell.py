"""A dry run: what a sweep that is asked for would do, limits included."""

from temp_file_manager.context import Context
from temp_file_manager.records import Selection
from temp_file_manager.reports import SweepReport
from temp_file_manager.sweeping.foretold import Tell
from temp_file_manager.sweeping.sessions import foretold
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
    told = context.evictor.foretold(due, tell)
    storage = context.storage_for(protect_open=protect_open)
    report = context.sweeper.foretell((due, *foretold(context.registry, due)), bounds, storage, told.swept)
    return report + context.evictor.evict(due, bounds.after(report), foretold=told)
