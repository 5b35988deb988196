"""Rules in their order, made ready to say fast which of them decides about a file."""

import math
import re
import sys
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence

from temp_file_manager.rules.patterns import Scope, expression, scope
from temp_file_manager.rules.rule import Rule

_MOST = 256
"""So many answers about tags are kept: with more, they are found anew."""


class Book:
    """Rules in their order; the first that is about a file decides.

    Args:
        rules: In order, each with a name of its own.
        base_dir: Where patterns without a leading slash match; absolute.

    Attributes:
        rules: The same.
        base_dir: The same.
    """

    def __init__(self, rules: Iterable[Rule], base_dir: str) -> None:
        self.rules: tuple[Rule, ...] = tuple(rules)
        self.base_dir = base_dir
        self._places = {rule.name: place for place, rule in enumerate(self.rules)}
        self._tags = frozenset(tag for rule in self.rules for tag in rule.tags)
        self._sizes = sorted({rule.larger for rule in self.rules if rule.larger is not None})
        self._about: dict[tuple[tuple[str, ...], int], _Expressions] = {}
        self._made: dict[tuple[frozenset[str], int], _Expressions] = {}

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self.rules)

    @property
    def asks_for_sizes(self) -> bool:
        """Whether any rule is about files of some size alone."""
        return bool(self._sizes)

    def decide(self, path: str, tags: tuple[str, ...] = (), room: int | None = None) -> Rule | None:
        """Return the rule that decides about a file; None if none does.

        Args:
            path: Absolute, as it is on record.
            tags: The file's.
            room: Bytes that it takes on the disk; None: nobody knows, and it is no large one.
        """
        key = (tags, bisect_right(self._sizes, room) if room is not None and self._sizes else 0)
        about = self._about.get(key)
        if about is None:
            about = self._learn(key)
        return about.first(path)

    def named(self, name: str) -> Rule | None:
        """Return a rule by its name; None if there is none."""
        place = self._places.get(name)
        return None if place is None else self.rules[place]

    def place(self, rule: Rule) -> int:
        """Return the place of a rule in the order; the first has 1."""
        return self._places[rule.name] + 1

    def _learn(self, key: tuple[tuple[str, ...], int]) -> "_Expressions":
        """Find out what is asked about files with these tags, of this size. Callers may have any number of tags."""
        tags, level = key
        known = (self._tags.intersection(tags), level)
        about = self._made.get(known)
        if about is None:
            if len(self._made) >= _MOST:
                self._made.clear()
            about = self._made[known] = _Expressions(self._of(*known), self.base_dir)
        if len(self._about) >= _MOST:
            self._about.clear()
        self._about[key] = about
        return about

    def _of(self, tags: frozenset[str], level: int) -> Iterator[Rule]:
        """Yield the rules about files with these tags, of this size: what is left to ask of them is the path."""
        most = self._sizes[level - 1] if level else -math.inf
        for rule in self.rules:
            if (not rule.tags or not tags.isdisjoint(rule.tags)) and (rule.larger is None or rule.larger <= most):
                yield rule


class _Expressions:
    """Finds the first rule with a pattern that matches a path: one expression for each scope says so at once."""

    def __init__(self, rules: Iterable[Rule], base_dir: str) -> None:
        self._base = base_dir.rstrip("/") + "/"
        self._answers: list[Rule | None] = [*rules, None]
        self._otherwise = next(place for place, rule in enumerate(self._answers) if rule is None or not rule.match)
        told: dict[Scope, list[tuple[int, str]]] = {each: [] for each in Scope}
        for place, rule in enumerate(self._answers[: self._otherwise]):
            for pattern in rule.match if rule is not None else ():
                told[scope(pattern)].append((place, expression(pattern)))
        self._names, self._local, self._whole = (_finder(told[each]) for each in Scope)

    def first(self, path: str) -> Rule | None:
        """Return the first rule about a path."""
        place = self._otherwise
        if self._names is not None:
            place = min(place, self._names(path, path.rfind("/") + 1))
        if self._local is not None and path.startswith(self._base):
            place = min(place, self._local(path, len(self._base)))
        if self._whole is not None:
            place = min(place, self._whole(path, 0))
        return self._answers[place]


def _finder(told: Sequence[tuple[int, str]]) -> Callable[[str, int], int] | None:
    """Return what says the place of the first rule that one of its expressions matches; None if there are none.

    Args:
        told: The expressions in the order of their rules, each with its rule's place.
    """
    if not told:
        return None
    places, none = list(dict.fromkeys(place for place, _ in told)), sys.maxsize
    groups = ("|".join(each for of, each in told if of == place) for place in places)
    match = re.compile("|".join(f"({group})" for group in groups), re.DOTALL).fullmatch

    def first(path: str, begin: int) -> int:
        found = match(path, begin)
        return none if found is None or found.lastindex is None else places[found.lastindex - 1]

    return first
