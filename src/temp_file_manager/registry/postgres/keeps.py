"""Pins and holds in the PostgreSQL registry: one table, where a hold has an owner."""

import os
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from temp_file_manager.registry.contract import Holder
from temp_file_manager.registry.postgres.owners import Owners
from temp_file_manager.registry.postgres.scope import Scope
from temp_file_manager.registry.postgres.server import nothing


class PostgresKeeps:
    """Pins and holds of one scope.

    Args:
        scope: Whose.
        owners: Tell the server that this process lives, while it holds anything.
        known: Says under which bytes a path may be on record; None: under none.
        rewind: Lets running sweeps look from the start again.
    """

    def __init__(
        self,
        scope: Scope,
        owners: Owners,
        known: Callable[[str], bytes | None] = os.fsencode,
        rewind: Callable[[], None] = nothing,
    ) -> None:
        self._scope = scope
        self._owners = owners
        self._known = known
        self._rewind = rewind
        self.after_fork()

    def after_fork(self) -> None:
        """Hold nothing: what there is here is the parent's."""
        # One for each: never fewer than there are, as the server would take this process for dead.
        # A list, as what makes it longer or shorter is one step, which neither a thread nor an interrupt divides.
        self._holds: list[object] = []

    def keep(self, paths: Sequence[str], until: float, holder: Holder | None) -> tuple[str, ...]:
        """See ``Keeps.keep``. Waits for nobody: what is claimed is refused."""
        if holder is not None:
            self._holds.extend(self._owners.need() for _ in paths)
        try:
            kept = self._kept(paths, until, holder)
        except Exception:  # nothing was written; an interrupt may come when it was
            self._end(0 if holder is None else len(paths))
            raise
        self._end(0 if holder is None else len(paths) - len(kept))
        return kept

    def _end(self, holds: int) -> None:
        for _ in range(holds):
            self._owners.done(self._holds.pop())

    def _kept(self, paths: Sequence[str], until: float, holder: Holder | None) -> tuple[str, ...]:
        kept = self._change("keep", paths, holder, until=float(until), process=self._scope.process)
        self._rewind()
        return self._among(paths, {place for (place,) in kept})

    def release(self, paths: Sequence[str], holder: Holder | None) -> tuple[str, ...]:
        """See ``Keeps.release``. What is held may have been forgotten meanwhile."""
        ((there, ended),) = self._change("release", paths, holder)
        self._end(ended)
        self._rewind()
        return self._among(paths, there)

    def _change(self, statement: str, paths: Iterable[str], holder: Holder | None, **bound: Any) -> list[Any]:
        self._scope.enter()  # before its number is asked for
        owner = None if holder is None else self._scope.owner
        places = [place for place in map(self._known, paths) if place is not None]
        return self._scope.change(statement, paths=places, holder=owner, **bound)

    def _among(self, paths: Iterable[str], places: Iterable[bytes]) -> tuple[str, ...]:
        there = set(places)
        return tuple(path for path in paths if self._known(path) in there)
