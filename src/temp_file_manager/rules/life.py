"""The life of a file under a rule: what is next, and when, as pure functions."""

import math
from enum import StrEnum
from typing import NamedTuple

from temp_file_manager.records import Kind, TempFile
from temp_file_manager.rules.rule import By, Rule


class Action(StrEnum):
    """What a sweep does with a file that it has come to."""

    KEEP = "keep"
    REMOVE = "remove"
    QUARANTINE = "quarantine"
    COMPRESS = "compress"


class Step(NamedTuple):
    """What is to be done with a file.

    Attributes:
        action: What.
        due_at: When to look next at what is kept, at what was quarantined, or at what was compressed; seconds since the
            epoch. What is removed has none.
    """

    action: Action
    due_at: float = math.inf


class Used(NamedTuple):
    """When a file was last used, as its times say; seconds since the epoch.

    Attributes:
        written_at: When its content was changed.
        used_at: When it was read or written.
    """

    written_at: float
    used_at: float


def first_look(rule: Rule, registered_at: float, max_age: float, kind: Kind = Kind.FILE) -> float:
    """Return when a file is to be looked at that comes under a rule: its ``due_at`` until then.

    Args:
        rule: Which.
        registered_at: Seconds since the epoch.
        max_age: Seconds; the age of rules that give none.
        kind: What it is; only files are compressed.
    """
    end = _end(rule, registered_at, None, max_age)
    return end if rule.compress is None or kind is not Kind.FILE else min(end, registered_at + rule.compress)


def step(rule: Rule, record: TempFile, used: Used | None, asof: float, max_age: float) -> Step:
    """Return what is to be done with a file under a rule.

    Args:
        rule: Which decides.
        record: Its record.
        used: What a look has found; None: nobody has looked, and it counts as used when it was registered.
        asof: Seconds since the epoch.
        max_age: Seconds; the age of rules that give none.
    """
    end = _end(rule, record.registered_at, record.due_at if record.rule == rule.name else None, max_age, used)
    if end <= asof:
        if rule.quarantine is None:
            return Step(Action.REMOVE)
        return Step(Action.QUARANTINE, asof + rule.quarantine)
    if rule.compress is None or record.kind is not Kind.FILE:
        return Step(Action.KEEP, end)
    idle_at = _since(By.USE, record.registered_at, used) + rule.compress
    if idle_at <= asof:
        return Step(Action.COMPRESS, end)
    return Step(Action.KEEP, min(end, idle_at))


def _since(by: By, registered_at: float, used: Used | None) -> float:
    """Return the moment that an age counts from."""
    if used is None or by is By.REGISTRATION:
        return registered_at
    return max(registered_at, used.written_at, used.used_at if by is By.USE else -math.inf)


def _end(rule: Rule, registered_at: float, due_at: float | None, max_age: float, used: Used | None = None) -> float:
    """Return when a file is due by a rule; ``due_at`` is what the rule has said so far."""
    if rule.keep:
        return math.inf
    if rule.keep_last is not None and (due_at is None or due_at == math.inf):
        return math.inf  # until it is found not to be among the last
    age = rule.age if rule.age is not None else 0.0 if rule.keep_last is not None else max_age
    return _since(rule.by, registered_at, used) + age
