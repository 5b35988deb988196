"""Natures in the PostgreSQL registry: what rules decide about records, and which records stand for others."""

import os
from collections.abc import Callable, Collection, Iterable

from temp_file_manager.records import Ruled, TempFile
from temp_file_manager.registry.natures import Natures
from temp_file_manager.registry.postgres.paths import Paths
from temp_file_manager.registry.postgres.rows import record_of
from temp_file_manager.registry.postgres.scope import Scope
from temp_file_manager.registry.postgres.server import Row, nothing


class PostgresNatures(Natures):
    """See ``Natures``. Takes no lock of the registry's: paths and times of registration stay as they are.

    Args:
        scope: Whose.
        paths: How paths are stored.
        rewind: Lets running sweeps look from the start again.
    """

    def __init__(self, scope: Scope, paths: Paths, rewind: Callable[[], None] = nothing) -> None:
        self._scope = scope
        self._paths = paths
        self._rewind = rewind

    def ruled(self, found: Iterable[Ruled]) -> None:
        """See ``Natures.ruled``."""
        wanted = {one.record.generation: one for one in found}
        if not wanted:
            return
        ((done,),) = self._scope.change(
            "rule",
            numbers=list(wanted),
            rules=[one.rule or None for one in wanted.values()],
            ends=[None if one.due_at is None else float(one.due_at) for one in wanted.values()],
        )
        if done:
            self._rewind()

    def rules(self) -> dict[str, int]:
        """See ``Natures.rules``."""
        return dict(self._scope.look("rules"))

    def beyond(self, rule: str, count: int, limit: int) -> tuple[TempFile, ...]:
        """See ``Natures.beyond``."""
        return tuple(map(self._record, self._scope.look("beyond", rule=rule, count=count, limit=limit)))

    def successors(self, origins: Iterable[str]) -> dict[str, tuple[TempFile, ...]]:
        """See ``Natures.successors``."""
        wanted = {self._paths.origin(path): path for path in origins}
        found: dict[str, tuple[TempFile, ...]] = {}
        for record in map(self._record, self._scope.look("successors", origins=list(wanted))):
            found[record.origin] = (*found.get(record.origin, ()), record)
        return found

    def kept_below(self, directory: str, asof: float, rules: Collection[str] = ()) -> TempFile | None:
        """See ``Natures.kept_below``."""
        path = os.fsencode(directory.rstrip("/"))
        stored = b"" if path == self._paths.root else self._paths.known(os.fsdecode(path))
        if stored is None:
            return None
        # All that begins with a slash more: a zero is what comes after that. Below a root: all.
        first, behind = (stored + b"/", stored + b"0") if stored or not self._paths.root else (b"", b"\xff" * 8)
        rows = self._scope.look("kept_below", first=first, behind=behind, asof=float(asof), rules=list(rules))
        return self._record(rows[0]) if rows else None

    def _record(self, row: Row) -> TempFile:
        return record_of(row, self._paths)
