"""Journals and counters in the PostgreSQL registry."""

from collections.abc import Mapping

from temp_file_manager.registry.answers import Note
from temp_file_manager.registry.postgres.scope import Scope


class PostgresJournal:
    """Journals and counters of one scope. Each owner counts in rows of its own; ``tfm.fold`` gathers them."""

    def __init__(self, scope: Scope) -> None:
        self._scope = scope

    def write(self, journal: str, line: str | None, at: float, keep: int, counters: Mapping[str, float]) -> None:
        """See ``Journal.write``."""
        names, more = list(counters), [float(value) for value in counters.values()]
        self._scope.change("note", journal=journal, line=line, at=float(at), keep=keep, names=names, more=more)

    def read(self, journal: str, since: float, limit: int) -> list[Note]:
        """See ``Journal.read``."""
        return [Note(*row) for row in self._scope.look("notes", journal=journal, since=float(since), limit=limit)]
