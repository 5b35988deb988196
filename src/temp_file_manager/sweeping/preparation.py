"""The preparation of a sweep that somebody has asked for: sessions end, and rules are put in force."""

from temp_file_manager.records import Selection
from temp_file_manager.registry import Registry
from temp_file_manager.sweeping.ruling import RulesInForce
from temp_file_manager.sweeping.sessions import end_first
from temp_file_manager.sweeping.sweep import NO_MORE, Bounds, Foretold


def prepare(
    registry: Registry, rules: RulesInForce, due: Selection, bounds: Bounds, *, allow: int | None, dry_run: bool
) -> tuple[Bounds, Foretold]:
    """Make a sweep ready; before a dry run change nothing.

    Args:
        registry: Whose records it is about.
        rules: What puts rules in force.
        due: What it wants.
        bounds: How far it may go.
        allow: As in ``RulesInForce.put``.
        dry_run: Whether nothing is to be changed.

    Returns:
        What the bounds leave to the sweep; and what a dry run is to foretell beside what is due.

    Raises:
        LargeSweepError: rules have changed, and would take more than is allowed.
    """
    foretold = end_first(registry, due, dry_run=dry_run)
    if dry_run:
        return bounds, Foretold(tuple(foretold), rules.foresight(due))
    return rules.put(due, bounds, allow=allow), NO_MORE
