"""Faults in a scope of the PostgreSQL registry: what the dead have left, and counts that do not fit."""

import os
from collections.abc import Callable, Iterator

from temp_file_manager.registry.postgres.scope import Scope
from temp_file_manager.reports import Finding
from temp_file_manager.text import printable

_DEAD = "its process has not been seen for two minutes"
_COUNTS = {"records": "number of records", "bytes": "sum of their sizes in bytes"}
_TAGGED = {"records": "number of records with the tags {}", "bytes": "sum of the sizes of records with the tags {}"}


def inspect(scope: Scope, *, fix: bool, shown: Callable[[bytes], str] = os.fsdecode) -> Iterator[Finding]:
    """Yield what is not as it should be; with ``fix``, put it right.

    Args:
        scope: Where.
        fix: Whether to; else nothing is changed.
        shown: Returns a stored path as text.
    """
    holds = scope.look("dead_holds")
    if holds and fix:
        scope.change("drop_holds")
    for path, count in holds:
        times = "" if count == 1 else f", {count} times"
        yield Finding("hold of a dead process", shown(path), f"{_DEAD}: nothing is held by it{times}", fix)
    sessions = scope.look("dead_sessions")
    if sessions and fix:
        scope.change("end_dead_sessions", numbers=[number for number, _ in sessions])
    for number, name in sessions:
        yield Finding("session of a dead process", f"{number} {name}", f"{_DEAD}: sweeps end it", fix)
    wrong = scope.look("miscounts")
    if wrong and fix:
        scope.change("recount")
    for name, tags, told, counted in wrong:
        what = _COUNTS[name] if tags is None else _TAGGED[name].format(printable(tags))
        yield Finding("wrong count", what, f"{told:.0f} by its counter, {counted:.0f} by counting", fix)
