"""The preparation of a sweep that somebody has asked for: sessions end, and rules are put in force."""

from temp_file_manager.records import Selection
from temp_file_manager.registry import Registry
from temp_file_manager.sweeping.foreseen import Coming
from temp_file_manager.sweeping.ruling import RulesInForce
from temp_file_manager.sweeping.sessions import end_over, of_dead_owners
from temp_file_manager.sweeping.sweep import Bounds


def prepare(registry: Registry, rules: RulesInForce, due: Selection, bounds: Bounds, *, allow: int | None) -> Bounds:
    """Make a sweep ready; return what the bounds leave to it.

    Args:
        registry: Whose records it is about.
        rules: What puts rules in force.
        due: What it wants.
        bounds: How far it may go.
        allow: As in ``RulesInForce.put``.

    Raises:
        LargeSweepError: rules have changed, and would take more than is allowed.
    """
    end_over(registry, due.asof)
    return rules.put(due, bounds, allow=allow)


def foresee(registry: Registry, rules: RulesInForce, due: Selection) -> Coming:
    """Return what would be due after that beside what is; change nothing. The arguments are those of ``prepare``."""
    return Coming(tuple(of_dead_owners(registry, due)), rules.foresight(due))
