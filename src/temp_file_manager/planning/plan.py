"""Making a plan: a dry run whose every outcome is written to a file."""

from typing import IO

from temp_file_manager.context import Context
from temp_file_manager.errors import PlanError
from temp_file_manager.planning.foretell import foretell
from temp_file_manager.planning.plan_file import Asked, Header, Writer
from temp_file_manager.records import Selection
from temp_file_manager.registry import Registry
from temp_file_manager.reports import SweepReport
from temp_file_manager.sweeping.sweep import Bounds


def refuse_unplannable(registry: Registry) -> None:
    """Refuse a registry whose records a plan could not mean for certain.

    Raises:
        PlanError: it keeps them no longer than its process, or not which files they are of.
    """
    card = registry.properties
    if not (card.outlives_process and card.keeps_identity):
        raise PlanError(
            f"{card.address} does not keep which file a record is of beyond this process, so a plan could mean another "
            "one: set registry to sqlite:"
        )


def name_of(registry: Registry) -> str:
    """Return what tells a registry from others."""
    return registry.number or registry.properties.address


def plan(context: Context, asked: Asked, file: IO[bytes]) -> SweepReport:
    """Write what a sweep would do, limits included, and change nothing.

    Args:
        context: Whose records and limits.
        asked: What the sweep is asked.
        file: What is written to; where this is interrupted, the missing last line says so.

    Raises:
        PlanError: the registry cannot tell records for certain.
        OSError: it cannot be written.
    """
    registry = context.registry
    refuse_unplannable(registry)
    due = Selection(context.clock_guard.read().asof, asked.max_age, asked.force)
    header = Header(name_of(registry), registry.properties.address, context.base_dir, due.asof, asked)
    writer = Writer(file, header)
    bounds = Bounds.of(asked.limit, asked.budget, lambda: False)
    with context.age.being(asked.max_age):  # rules ask for it, too
        report = foretell(context, due, bounds, protect_open=asked.protect_open, tell=writer.tell)
    writer.end()
    return report
