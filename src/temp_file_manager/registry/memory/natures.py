"""Natures in the registry in memory: what rules decide about records, and which records stand for others."""

import math
from collections import Counter
from collections.abc import Collection, Iterable

from temp_file_manager.records import PLAIN, Kind, Nature, Ruled, TempFile
from temp_file_manager.registry.groups import Group, grouped
from temp_file_manager.registry.memory.changes import Changes
from temp_file_manager.registry.memory.files import Details, Stamp, make_stamp
from temp_file_manager.registry.memory.queue import DueQueue, overdue_since


class MemoryNatures(Changes):
    """See ``Natures``. Whatever asks walks through all records."""

    def ruled(self, found: Iterable[Ruled]) -> None:
        """See ``Natures.ruled``."""
        wanted = list(found)

        def changed() -> None:
            for one in wanted:
                _rule(self._queue, one)
            self._queue.shrink()

        self.mended(changed)

    def rules(self) -> dict[str, int]:
        """See ``Natures.rules``."""
        return dict(Counter(nature.rule for _, nature in self._uncommon() if nature.rule))

    def beyond(self, rule: str, count: int, limit: int) -> tuple[TempFile, ...]:
        """See ``Natures.beyond``."""
        found = [stamp for stamp, nature in self._uncommon() if nature.rule == rule]
        endless = [stamp for stamp in found if overdue_since(stamp, 0.0) == math.inf]
        newest_first = sorted(endless, key=float)[::-1]
        return tuple(map(self._queue.record, newest_first[count : count + limit]))

    def successors(self, origins: Iterable[str]) -> dict[str, tuple[TempFile, ...]]:
        """See ``Natures.successors``."""
        wanted = set(origins)
        found: dict[str, tuple[TempFile, ...]] = {}
        for stamp, nature in self._uncommon():
            if nature.origin in wanted:
                found[nature.origin] = (self._queue.record(stamp), *found.get(nature.origin, ()))
        return found

    def kept_below(self, directory: str, asof: float, rules: Collection[str] = ()) -> TempFile | None:
        """See ``Natures.kept_below``."""
        below = f"{directory.rstrip('/')}/"
        for stamp in self.stamps():
            if not stamp.path.startswith(below):
                continue
            if self._queue.is_kept(stamp.path, asof) or _is_in_session(stamp, asof) or _is_under(stamp, rules):
                return self._queue.record(stamp)
        return None

    def stamps(self) -> list[Stamp]:
        """Return all records as they are held, in the order in which they were put on record."""
        return self._inside.do(lambda: list(self._queue.files.values()))  # type: ignore[arg-type]  # they are Stamps

    def groups(self, limit: int) -> tuple[Group, ...]:
        """See ``Groups.groups``."""
        return grouped(map(_of, self.stamps()), limit)

    def _uncommon(self) -> list[tuple[Stamp, Nature]]:
        """Return those that are not plain."""
        found = [(stamp, stamp.details.nature) for stamp in self.stamps() if stamp.details is not None]
        return [(stamp, nature) for stamp, nature in found if nature != PLAIN]


def _of(stamp: Stamp) -> tuple[str, tuple[str, ...], int, Kind, int]:
    """Return what groups a record, and no bytes: sizes are not kept here."""
    details = stamp.details
    if details is None:
        return stamp.path, (), 0, Kind.FILE, 0
    return stamp.path, details.tags, details.session, details.nature.kind, 0


def _is_in_session(stamp: Stamp, asof: float) -> bool:
    """Say whether a record is in a session that lives."""
    details = stamp.details
    return details is not None and bool(details.session) and details.due_at is not None and details.due_at > asof


def _is_under(stamp: Stamp, rules: Collection[str]) -> bool:
    """Say whether a record is under one of some rules."""
    return stamp.details is not None and stamp.details.nature.rule in rules


def _rule(queue: DueQueue, found: Ruled) -> None:
    """Note what a rule decides about a record, unless it is another by now, is out, or has an end of its own."""
    stamp = queue.files.get(found.record.path)
    if stamp is not found.record.registered_at or not isinstance(stamp, Stamp) or queue.claims_on(stamp.path):
        return
    details = stamp.details or Details()
    if details.session or (details.due_at is not None and not details.nature.rule):
        return
    nature = details.nature._replace(rule=found.rule)
    queue.files.put(make_stamp(stamp.path, stamp, details._replace(due_at=found.due_at, nature=nature)))
