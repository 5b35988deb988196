"""Decisions that rules make about records, and how much would become due by them."""

import math
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

from temp_file_manager.records import Kind, Ruled, Selection, TempFile
from temp_file_manager.registry import Registry
from temp_file_manager.rules import verdict
from temp_file_manager.rules.life import Action, Used, first_look, step
from temp_file_manager.rules.rule import By, Rule
from temp_file_manager.rules.ruling import Ruling

Digests = Mapping[str, str]
"""Rules by their names, in their order, each with a digest of what it says."""

Look = Callable[[str], Used | None]
"""Says when the file at a path was last used."""

_NEVER = (Kind.UNIT, Kind.GOING, Kind.QUARANTINED, Kind.OBJECT)
"""Kinds that no rule is about: what has been moved away has its end, and a unit is asked about as a whole."""


def digests(ruling: Ruling | None) -> Digests:
    """Return the digests of the rules there are."""
    from hashlib import sha256  # noqa: PLC0415 - few have rules
    from json import dumps  # noqa: PLC0415 - as above

    if ruling is None:
        return {}
    max_age = ruling.max_age()
    told = {
        rule.name: rule.described() | ({"max_age": max_age} if rule.takes_max_age else {}) for rule in ruling.book.rules
    }
    return {name: sha256(dumps(one, sort_keys=True).encode()).hexdigest()[:16] for name, one in told.items()}


def are_same(one: Digests, other: Digests) -> bool:
    """Say whether two say the same, in the same order: the first that is about a file decides."""
    return list(one.items()) == list(other.items())


def unchanged(before: Digests, now: Digests) -> set[str]:
    """Return the names of the rules that say what they said before."""
    return {name for name, digest in now.items() if before.get(name) == digest}


def may_be_ruled(record: TempFile) -> bool:
    """Say whether rules are asked about a record: it has no end of its own, and no session."""
    if record.session or record.kind in _NEVER:
        return False
    return bool(record.rule) or record.due_at is None


def deciding(ruling: Ruling | None, record: TempFile) -> Rule | None:
    """Return the rule that decides about a record that rules are asked about; None: ``max_age`` does."""
    if ruling is None:
        return None
    return ruling.book.decide(record.origin or record.path, record.tags, record.room)


def decided(ruling: Ruling | None, record: TempFile, same: Collection[str]) -> Ruled | None:
    """Return what is to be noted about a record; None if it stays as it is.

    Args:
        ruling: The rules; None: there are none any more.
        record: Which.
        same: The names of the rules that say what they said before: what they have decided stays decided.
    """
    if not may_be_ruled(record):
        return None
    rule = deciding(ruling, record)
    if rule is None or ruling is None:
        return Ruled(record, "", None) if record.rule else None
    if record.rule == rule.name and rule.name in same:
        return None
    end = first_look(rule, record.registered_at, ruling.max_age(), record.kind)
    return None if (record.rule, record.due_at) == (rule.name, end) else Ruled(record, rule.name, end)


def as_decided(found: Ruled) -> TempFile:
    """Return a record as it will stand when that is noted."""
    return found.record._replace(rule=found.rule, due_at=found.due_at)


def end_beyond(rule: Rule, record: TempFile, asof: float) -> float:
    """Return the end of a record that is not among the newest of its rule any more; seconds since the epoch."""
    return max(asof, record.registered_at + (rule.age or 0.0))


def as_beyond(
    registry: Registry, rules: Iterable[Rule], records: Mapping[str, TempFile], asof: float
) -> dict[str, TempFile]:
    """Return records with the ends that a sweep would first give to those not among the newest of their rule."""
    found = dict(records)
    for rule in (rule for rule in rules if rule.keep_last is not None):
        spared = {path: one for path, one in records.items() if one.rule == rule.name and one.due_at == math.inf}
        last = registry.beyond(rule.name, (rule.keep_last or 0) - 1, 1) if spared else ()
        for path, one in spared.items():
            if last and _newness(one) < _newness(last[0]):
                found[path] = one._replace(due_at=end_beyond(rule, one, asof))
    return found


def _newness(record: TempFile) -> tuple[float, int]:
    return record.registered_at, record.generation


class _Last(NamedTuple):
    """How many there are of those of which some are kept: in all, and too young to go."""

    total: int = 0
    young: int = 0


class More:
    """Counts what would be due only because rules have changed.

    Args:
        ruling: The rules that are new; None: there are none any more.
        same: As in ``decided``.
        due: What a sweep would take.
        look: Asked where an age counts from a use: what is used is not due.

    Attributes:
        looked_at: How many records were looked at.
    """

    def __init__(self, ruling: Ruling | None, same: Collection[str], due: Selection, look: Look) -> None:
        self._ruling = ruling
        self._same = same
        self._due = due
        self._look = look
        self.looked_at = 0
        self._count = 0
        self._last: defaultdict[str, _Last] = defaultdict(_Last)

    @property
    def count(self) -> int:
        """How many there are so far."""
        return self._count + sum(self._beyond(name, last) for name, last in self._last.items())

    def add(self, records: Sequence[TempFile]) -> None:
        """Count more records."""
        self.looked_at += len(records)
        for found in (decided(self._ruling, record, self._same) for record in records):
            if found is None or verdict(found.record, self._due).due:
                continue
            if found.due_at != math.inf:
                self._count += self._goes(found)
            elif (rule := self._named(found.rule)) is not None and rule.keep_last is not None:
                total, young = self._last[rule.name]
                too_young = found.record.registered_at + (rule.age or 0.0) > self._due.asof
                self._last[rule.name] = _Last(total + 1, young + too_young)

    def _goes(self, found: Ruled) -> bool:
        """Say whether a sweep would take a record away that it would not have."""
        after, rule = as_decided(found), self._named(found.rule)
        if rule is None:
            return verdict(after, self._due).due
        # By what is there when it goes: what is compressed stays.
        rule = replace(rule, compress=None)
        if not verdict(after, replace(self._due, force=True)).due or not self._is_over(rule, after, None):
            return False
        return rule.by is By.REGISTRATION or self._is_over(rule, after, self._look(after.path))

    def _is_over(self, rule: Rule, record: TempFile, used: Used | None) -> bool:
        max_age = 0.0 if self._ruling is None else self._ruling.max_age()
        return step(rule, record, used, self._due.asof, max_age).action in (Action.REMOVE, Action.QUARANTINE)

    def _named(self, name: str) -> Rule | None:
        return None if self._ruling is None or not name else self._ruling.book.named(name)

    def _beyond(self, name: str, last: _Last) -> int:
        rule = self._named(name)
        kept = 0 if rule is None or rule.keep_last is None else rule.keep_last
        return max(0, last.total - max(kept, last.young))
