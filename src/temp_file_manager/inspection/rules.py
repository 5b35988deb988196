"""Rules as they stand: how many records each decides about, and what makes one that is not what it seems."""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from temp_file_manager.context import Context
from temp_file_manager.inspection.doctor import Check, Level
from temp_file_manager.rules.book import Book
from temp_file_manager.rules.patterns import Scope, is_unclosed, literal, scope
from temp_file_manager.rules.rule import By, Rule
from temp_file_manager.storage.kernel import mounts
from temp_file_manager.storage.kernel.mounts import Reading
from temp_file_manager.storage.paths import nearest_existing

REST = 100
"""So many times what it took an answer is good that looks at every record."""

_WILD = frozenset("*?[")


@dataclass(frozen=True, slots=True)
class RuleStatus:
    """A rule as it stands.

    Attributes:
        rule: Which.
        place: Its place in the order; the first has 1.
        records: How many records it decides about.
        warnings: What is not as whoever wrote it may think, each in a sentence without the rule's name.
    """

    rule: Rule
    place: int
    records: int
    warnings: tuple[str, ...]

    def described(self) -> dict[str, object]:
        """Return it for programs."""
        return self.rule.described() | {
            "place": self.place,
            "records": self.records,
            "about": self.rule.about,
            "does": self.rule.does,
            "warnings": list(self.warnings),
        }


class Counts:
    """How many records each rule decides about. To know it all of them are looked at, so it is asked now and then.

    Args:
        context: Whose records count.
    """

    def __init__(self, context: Context) -> None:
        self._context = context
        self._found: dict[str, int] = {}
        self._good_until = -math.inf

    def read(self) -> Mapping[str, int]:
        """Return them by the names of the rules, in the order of these; an answer is good for ``REST`` times its cost.

        Raises:
            RegistryError: the registry cannot be read.
        """
        clock = self._context.clock
        if clock.elapsed() >= self._good_until:
            began = clock.elapsed()
            counts = self._context.registry.rules() if self._context.settings.rules else {}
            self._found = {rule.name: counts.get(rule.name, 0) for rule in self._context.settings.rules}
            self._good_until = clock.elapsed() + REST * (clock.elapsed() - began)
        return self._found


def rules(context: Context, adopted: Iterable[str] = ()) -> tuple[RuleStatus, ...]:
    """Return the rules as they stand, in their order.

    Args:
        context: Whose settings and records count.
        adopted: Directories whose files are put on record by themselves; absolute.

    Raises:
        RegistryError: the registry cannot be read.
    """
    if not context.settings.rules:
        return ()
    counts = context.registry.rules()
    some = context.registry.stats().records > 0
    places = (context.base_dir, *adopted)
    found = []
    for place, rule in enumerate(context.settings.rules, 1):
        known = counts.get(rule.name, 0)
        told = [*_of_settings(context.settings.rules, place - 1, places, known)]
        told += _of_tags(context, rule) if some and not known else ()
        found.append(RuleStatus(rule, place, known, tuple(told)))
    return tuple(found)


def unread(rules: Sequence[Rule], base_dir: str, adopted: Iterable[str] = ()) -> tuple[RuleStatus, ...]:
    """Return the rules with what can be said of them where there are no records yet; arguments as of ``rules``."""
    places = (base_dir, *adopted)
    return tuple(
        RuleStatus(rule, place, 0, tuple(_of_settings(rules, place - 1, places, 0)))
        for place, rule in enumerate(rules, 1)
    )


def checks(found: Sequence[RuleStatus], base_dir: str) -> Iterator[Check]:
    """Yield what ``doctor`` says of rules: what is doubtful about each, and whether the machine tells what they ask.

    Args:
        found: The rules.
        base_dir: Where files are read whose times count; absolute.
    """
    for one in found:
        if one.warnings:
            follows = "what it was written for may go by another rule, or by max_age"
            advice = "see what decides about a file: temp-file-manager rules test PATH"
            yield Check(f'rule "{one.rule.name}"', Level.WARNING, "; ".join(one.warnings), follows, advice)
    if any(_asks_for_reading(one.rule) for one in found):
        reading = mounts.reading(nearest_existing(base_dir))
        early = "a file that is read twice in a day may go up to a day early by a rule about its use"
        follows = early if reading is Reading.DAILY else ""
        yield Check("reading", Level.OK, reading.words, follows)
    elif found and not any(one.warnings for one in found):
        yield Check("rules", Level.OK, f"{len(found)}, as they seem to be meant")


def _asks_for_reading(rule: Rule) -> bool:
    return rule.by is By.USE or rule.compress is not None


def _of_settings(rules: Sequence[Rule], at: int, places: Sequence[str], known: int) -> Iterator[str]:
    """Yield what the rules alone say about one of them, at this position."""
    rule = rules[at]
    for place, before in enumerate(rules[:at], 1):
        if _covers(before, rule, places[0]):
            yield f'it decides about nothing: all that it is about comes under "{before.name}", rule {place}, before'
            return
    for pattern in () if known else rule.match:
        if scope(pattern) is Scope.WHOLE and not any(_may_meet(pattern, place) for place in places):
            yield f"{pattern} lies neither in the base directory nor in one that is adopted"
    for pattern in filter(is_unclosed, rule.match):
        yield f"{pattern} has a [ that no ] closes, so that stands for itself: close it, or write [[] for it"
    if _asks_for_reading(rule) and mounts.reading(places[0]) is Reading.NEVER:
        yield f"it asks when files were read, and {Reading.NEVER.words}"


def _of_tags(context: Context, rule: Rule) -> Iterator[str]:
    for tag in rule.tags:
        if not context.registry.sums((tag,)).records:
            yield f"no file on record has the tag {tag}"


# -- a rule behind another


def _covers(wider: Rule, rule: Rule, base_dir: str) -> bool:
    """Say whether all that a rule is about another one is about for sure."""
    if wider.tags and not (rule.tags and set(rule.tags) <= set(wider.tags)):
        return False
    if wider.larger is not None and (rule.larger is None or rule.larger < wider.larger):
        return False
    if not wider.match:
        return True
    return bool(rule.match) and all(
        any(_holds(other, pattern, base_dir) for other in wider.match) for pattern in rule.match
    )


def _holds(wider: str, pattern: str, base_dir: str) -> bool:
    """Say whether a pattern matches whatever another one does, as far as that can be seen."""
    if wider == pattern or wider in ("*", "**", "/**"):
        return True
    if scope(wider) is Scope.NAME:  # the last part of the other is then a name, if it has no wildcard
        name = pattern.rpartition("/")[2]
        found = None if _WILD & set(name) else Book((Rule("", (wider,)),), "/").decide(f"/{name}")
        return name == wider or found is not None
    if scope(pattern) is Scope.NAME:
        return False
    folder = _absolute(wider, base_dir).removesuffix("/**")
    return folder != _absolute(wider, base_dir) and _absolute(pattern, base_dir).startswith(f"{folder}/")


def _absolute(pattern: str, base_dir: str) -> str:
    return pattern if pattern.startswith("/") else f"{literal(base_dir.rstrip('/'))}/{pattern}"


# -- a pattern where nothing is


def _may_meet(pattern: str, directory: str) -> bool:
    """Say whether a pattern of whole paths may match something in a directory."""
    parts, names = pattern.split("/"), directory.rstrip("/").split("/")
    for part, name in zip(parts[:-1], names, strict=False):
        if _WILD & set(part):
            return True
        if part != name:
            return False
    return len(parts) > len(names) or "**" in parts[-1]
