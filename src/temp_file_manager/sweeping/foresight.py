"""Foresight: what a dry run is to know of rules that the same sweep would first put in force."""

import math
from collections.abc import Collection, Iterable, Iterator, Sequence

from temp_file_manager.clock import Clock
from temp_file_manager.records import Selection, TempFile
from temp_file_manager.registry import Registry
from temp_file_manager.rules import verdict
from temp_file_manager.rules.rule import Rule
from temp_file_manager.rules.ruling import Ruling
from temp_file_manager.sweeping.decisions import as_decided, decided, end_beyond
from temp_file_manager.sweeping.walk import PAGE, Walk


class Foresight:
    """What a dry run is to know of rules that are not in force yet for all records.

    Args:
        registry: Whose records.
        clock: What tells the time.
        ruling: The rules; None: there are none any more.
        due: What the sweep wants.
        same: As in ``decisions.decided``.
        since: The generation up to which they are in force.
    """

    def __init__(
        self,
        registry: Registry,
        clock: Clock,
        ruling: Ruling | None,
        due: Selection,
        same: Collection[str],
        since: int,
    ) -> None:
        self._registry = registry
        self._clock = clock
        self._ruling = ruling
        self._due = due
        self._same = same
        self._since = since
        self._numbered = registry.properties.keeps_identity

    def as_swept(self, records: Sequence[TempFile]) -> list[TempFile]:
        """Return records that are due as they will be; those that will not be due any more are left out."""
        found = map(self.as_ruled, records)
        return [record for record in found if verdict(record, self._due).due]

    def as_ruled(self, record: TempFile) -> TempFile:
        """Return a record as it will be, but for what is no more among the newest of a rule."""
        if self._numbered and record.generation <= self._since:
            return record
        found = decided(self._ruling, record, self._same)
        return record if found is None else as_decided(found)

    def is_of_newest(self, record: TempFile) -> bool:
        """Say whether a record, as it will be, is of a rule that keeps the newest."""
        return any(record.rule == rule.name for rule in self._last_rules())

    def others(self) -> Iterator[list[TempFile]]:
        """Yield what is not due yet, and will be, as it will be then."""
        walk = Walk(self._registry, self._since, math.inf)
        last: dict[str, list[TempFile]] = {rule.name: [] for rule in self._last_rules()}
        while not walk.at_end:
            records = walk.next(self._clock.elapsed())
            after = [self.as_ruled(record) for record in records]
            for record in after:
                if record.rule in last and record.due_at == math.inf:
                    last[record.rule].append(record)
            yield self._free(
                later
                for record, later in zip(records, after, strict=True)
                if not verdict(record, self._due).due and verdict(later, self._due).due
            )
        for rule in self._last_rules():
            yield self._free(self._beyond(rule, last[rule.name]))

    def _last_rules(self) -> tuple[Rule, ...]:
        rules = () if self._ruling is None else self._ruling.book.rules
        return tuple(rule for rule in rules if rule.keep_last is not None)

    def _beyond(self, rule: Rule, come: list[TempFile]) -> Iterator[TempFile]:
        """Yield what will not be among the newest of a rule, and be due."""
        known = {record.path for record in come}
        there: list[TempFile] = []
        while page := self._registry.beyond(rule.name, len(there), PAGE):
            there += page
        stay = [record for record in there if record.path not in known and self.as_ruled(record).rule == rule.name]
        newest = sorted([*reversed(stay), *come], key=lambda record: (record.registered_at, record.generation))[::-1]
        for record in newest[rule.keep_last :]:
            later = record._replace(due_at=end_beyond(rule, record, self._due.asof))
            if verdict(later, self._due).due:
                yield later

    def _free(self, records: Iterable[TempFile]) -> list[TempFile]:
        """Return those that no other sweep has."""
        found = list(records)
        claimed = self._registry.claimed([record.path for record in found], now=self._clock.elapsed())
        return [record for record in found if record.path not in claimed]
