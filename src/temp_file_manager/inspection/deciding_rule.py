"""The rule about one file: which it is, what it asks of the file's times, and what becomes of the file by it."""

import math
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import NamedTuple

from temp_file_manager.context import Context
from temp_file_manager.inspection.patience import Patience
from temp_file_manager.inspection.prospects import records_of
from temp_file_manager.records import Kind, TempFile
from temp_file_manager.rules.book import Book
from temp_file_manager.rules.life import Action, Step, Used, step
from temp_file_manager.rules.rule import By, Rule
from temp_file_manager.storage.choice import used_at
from temp_file_manager.storage.kernel import mounts
from temp_file_manager.storage.kernel.mounts import Reading
from temp_file_manager.storage.kernel.statx import HERE, looker
from temp_file_manager.storage.unit_rules import UnitRefusedError, examine
from temp_file_manager.text import json_number, ordinal, span, timestamp


class Times(NamedTuple):
    """What a look at a file says of what rules ask for.

    Attributes:
        used: When it was used; None: it cannot be looked at.
        reading: How its mount notes that it is read.
        room: Bytes that it takes on the disk; None: as of ``used``.
    """

    used: Used | None = None
    reading: Reading = Reading.UNKNOWN
    room: int | None = None


class Passed(NamedTuple):
    """A rule before the one that decides, and why it is not about the file."""

    rule: Rule
    reason: str


@dataclass(frozen=True, slots=True)
class RuleAbout:
    """The rule about a file.

    Attributes:
        rule: Which; None: none is.
        place: Its place in the order; the first has 1. 0: as above.
        of: How many rules there are.
        instead: What decides in its stead: ``its own ttl``; empty: nothing does.
        times: What a look said, where the rule asks for it.
        step: What a sweep would do if it came to the file now.
        end: When its age makes it due, by its times now; seconds since the epoch. None: no rule is about it.
        asof: The moment of all this.
        passed: The rules before it.
    """

    rule: Rule | None
    place: int
    of: int
    instead: str
    times: Times | None
    step: Step | None
    end: float | None
    asof: float
    passed: tuple[Passed, ...]

    @property
    def name(self) -> str:
        """The rule by its name and place: ``"charts" (2nd of 5)``."""
        return "" if self.rule is None else f'"{self.rule.name}" ({ordinal(self.place)} of {self.of})'

    def rows(self) -> list[tuple[str, str]]:
        """Return it as rows of a name and a value; none where there are no rules."""
        if self.rule is None:
            return [("rule", f"none of {self.of} is about it: max_age decides")] if self.of else []
        if self.instead:
            return [("rule", f"none is asked, as {self.instead} decides; else {self.name} would")]
        rows = [("rule", f"{self.name}: {self.rule.does}")]
        rows += [("used", self._used(self.times))] if self.times is not None else []
        rows += [("goes", self._goes())] if self.end is not None else []
        rows += [("compressed", words)] if (words := self._compressed()) else []
        if self.rule.quarantine is not None:
            rows.append(("then", f"in quarantine for {_span(self.rule.quarantine)}: till then restore brings it back"))
        return rows

    def described(self) -> dict[str, object] | None:
        """Return it for programs; None where no rule is about the file."""
        if self.rule is None:
            return None
        used = None if self.times is None else self.times.used
        return {
            "name": self.rule.name,
            "place": self.place,
            "of": self.of,
            "does": self.rule.does,
            "instead": self.instead or None,
            "action": None if self.step is None else str(self.step.action),
            "end": json_number(self.end),
            "written_at": None if used is None else used.written_at,
            "used_at": None if used is None else used.used_at,
            "reading": None if self.times is None else str(self.times.reading),
        }

    def _used(self, times: Times) -> str:
        if times.used is None:
            return "nothing tells, as it cannot be looked at: it counts from its registration"
        written, used = times.used
        told = f"last written {self._moment(written)}"
        if self.rule is not None and self.rule.by is By.WRITE and self.rule.compress is None:
            return told
        read = f", last read {self._moment(used)}" if used > written else ""
        return f"{told}{read}; {times.reading.words}"

    def _goes(self) -> str:
        if self.end == math.inf:
            last = None if self.rule is None else self.rule.keep_last
            return "never by its age" if last is None else f"when {last:,} newer ones are on record"
        return self._moment(self.end or 0.0)

    def _compressed(self) -> str:
        if self.step is None:
            return ""
        if self.step.action is Action.COMPRESS:
            return "with the next sweep"
        # What is kept is looked at when it is due, or before that, to be compressed.
        sooner = self.step.action is Action.KEEP and self.step.due_at != self.end
        return self._moment(self.step.due_at) if sooner else ""

    def _moment(self, when: float) -> str:
        left = when - self.asof
        return f"{timestamp(when)}, {f'in {_span(left)}' if left > 0 else f'{_span(-left)} ago'}"


def look(path: str) -> Times:
    """Look at what a rule may ask of a file; moves no time of it. May hang where its disk does."""
    return Times(used_at(path), mounts.reading(os.path.dirname(path)), _room(path))


def look_of(record: TempFile, asof: float) -> Times:
    """Look at what is on record; a unit was used when anything in it was last changed. May hang as ``look``.

    Args:
        record: Its record.
        asof: Now, seconds since the epoch.
    """
    if record.kind is not Kind.UNIT:
        return look(record.path)
    above = os.path.dirname(record.path)
    reading = mounts.reading(above)
    try:
        found = examine(record.path, above, asof)
    except (UnitRefusedError, OSError):  # whoever sweeps it says why
        return Times(reading=reading)
    newest = None if found.newest is None else Used(found.newest, found.newest)
    return Times(newest, reading, found.disk)


def _room(path: str) -> int | None:
    try:
        return None if "\0" in path else looker()(HERE, os.fsencode(path)).disk
    except OSError:
        return None


def about(context: Context, record: TempFile, times: Times) -> RuleAbout:
    """Return the rule about a file.

    Args:
        context: Whose rules count.
        record: Its record, or what it would be.
        times: As ``look`` found them.
    """
    asof, rules = context.clock.wall(), context.settings.rules
    book = Book(rules, context.base_dir)
    path = record.origin or record.path
    rule = book.decide(path, record.tags, record.room)
    before = rules[: book.place(rule) - 1] if rule is not None else rules
    passed = tuple(Passed(one, mismatch(one, path, record, context.base_dir)) for one in before)
    instead = _instead(record)
    if rule is None:
        return RuleAbout(None, 0, len(rules), instead, None, None, None, asof, passed)
    seen = times if rule.by is not By.REGISTRATION or rule.compress is not None else None
    now = step(rule, record, seen and seen.used, asof, context.max_age)
    return RuleAbout(
        rule,
        book.place(rule),
        len(rules),
        instead,
        seen,
        None if instead else now,
        _end(rule, record, seen and seen.used, context.max_age),
        asof,
        passed,
    )


def mismatch(rule: Rule, path: str, record: TempFile, base_dir: str) -> str:
    """Return why a rule is not about a file."""
    if Book((replace(rule, tags=(), larger=None),), base_dir).decide(path) is None:
        return f"its path is none of {', '.join(rule.match)}"
    if rule.tags and not set(rule.tags) & set(record.tags):
        return f"it has no tag of {', '.join(rule.tags)}"
    return "it is not so large" if record.room is not None else "nobody knows how large it is"


def _instead(record: TempFile) -> str:
    if record.session:
        return "its session"
    if record.kind in _ENDS:
        return _ENDS[record.kind]
    if record.due_at is not None and not record.rule:
        return "its own ttl"
    return _BY_AGE.get(record.kind, "")


_BY_AGE = {Kind.UNIT: "max_age (for what goes as a whole)", Kind.OBJECT: "max_age (for objects in buckets)"}


_ENDS = {Kind.GOING: "its removal, which has begun,", Kind.QUARANTINED: "the end of its time in quarantine"}


def _end(rule: Rule, record: TempFile, used: Used | None, max_age: float) -> float:
    """Return when age makes a file due, by its times now."""
    found = step(replace(rule, compress=None), record, used, -math.inf, max_age)
    return found.due_at


def _span(seconds: float) -> str:
    return span(seconds, zero=False)


# -- tried on paths


@dataclass(frozen=True, slots=True)
class Tried:
    """Rules tried on a path.

    Attributes:
        path: Absolute.
        registered: Whether it is on record.
        tags: Those that the rules were asked with.
        room: Bytes on the disk that they were asked with; None: nobody knows.
        about: What they say.
    """

    path: str
    registered: bool
    tags: tuple[str, ...]
    room: int | None
    about: RuleAbout

    def described(self) -> dict[str, object]:
        """Return it for programs."""
        return {
            "path": self.path,
            "registered": self.registered,
            "tags": list(self.tags),
            "room": self.room,
            "instead": self.about.instead or None,
            "rule": self.about.described(),
            "passed": [{"name": one.rule.name, "reason": one.reason} for one in self.about.passed],
        }


def tried(context: Context, names: Sequence[str], tags: tuple[str, ...] | None) -> Iterator[Tried]:
    """Yield which rule decides about each of some paths, on record or not.

    Args:
        context: Whose rules and records count.
        names: As ``prospects.named`` returns them.
        tags: As if the files had these; None: those on record.

    Raises:
        RegistryError: the registry cannot be read.
    """
    looks = Patience(context.clock)
    known = records_of(context.registry, names, looks)
    for name in names:
        record = known.get(name)
        asof = context.clock.wall()
        times = looks.ask(partial(look, name) if record is None else partial(look_of, record, asof), Times())
        asked = record or TempFile(name, asof, disk=times.room)
        asked = asked._replace(tags=asked.tags if tags is None else tags)
        yield Tried(name, record is not None, asked.tags, asked.room, about(context, asked, times))
