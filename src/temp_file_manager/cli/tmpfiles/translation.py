"""Rules that say what ``tmpfiles.d`` lines say about ages."""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import NamedTuple

from temp_file_manager.cli.tmpfiles import globs
from temp_file_manager.cli.tmpfiles.ages import Age
from temp_file_manager.cli.tmpfiles.lines import Line, Refused
from temp_file_manager.rules.patterns import literal
from temp_file_manager.rules.rule import By, Rule

_DIRECTORIES = frozenset("dDevqQC")
"""Types whose age is that of what is in a directory."""
_INHERITABLE = _DIRECTORIES - {"e", "C"}
"""Types whose age lines of type ``X`` below them have."""
_CLEANED = _DIRECTORIES | {"x", "X"}
_ONE_A_PATH = frozenset("fFwdDevqQpLcbCxXrR")
"""Types of which systemd-tmpfiles takes one a path, the first."""


class Told(NamedTuple):
    """A rule, and the line that it is made of."""

    rule: Rule
    line: Line


class Translation(NamedTuple):
    """What became of lines.

    Attributes:
        rules: In the order that they are to have: the deeper path before the one above it.
        refused: What no rule says.
    """

    rules: tuple[Told, ...]
    refused: tuple[Refused, ...]


def translate(read: Iterable[Line | Refused]) -> Translation:
    """Return rules for lines.

    A directory's age is that of all that is below it but for what another line is about, whatever that line says: to
    systemd-tmpfiles, and so in the rules. Lines that neither have an age nor stand below one that has are left out.
    """
    told: list[Told] = []
    lines, refused = _effective(read)
    for line in lines:
        try:
            told += [Told(rule, line) for rule in _rules(line, lines)]
        except ValueError as error:
            refused.append(line.refused(str(error)))
    told.sort(key=lambda one: (-len(one.line.parts), one.line.is_glob))
    return Translation(tuple(_named(told)), tuple(sorted(refused, key=lambda one: (one.file, one.number))))


def _effective(read: Iterable[Line | Refused]) -> tuple[list[Line], list[Refused]]:
    """Return the lines that systemd-tmpfiles heeds when it cleans, and those of the others that seem to ask for it."""
    lines: list[Line] = []
    refused: list[Refused] = []
    first: dict[tuple[bool, str], Line] = {}
    for line in read:
        if isinstance(line, Refused):
            refused.append(line)
        elif line.at_boot:
            if line.age is not None:
                refused.append(line.refused("systemd-tmpfiles heeds it at boot alone (!), and goes by no age then"))
        elif line.type in _ONE_A_PATH and (line.is_glob, line.path) in first:
            where = first[line.is_glob, line.path]
            refused.append(line.refused(f"{where.file}:{where.number} is about the same path, and comes first"))
        else:
            lines.append(line)
            if line.type in _ONE_A_PATH:
                first[line.is_glob, line.path] = line
    return lines, refused


def _rules(line: Line, lines: Iterable[Line]) -> Iterator[Rule]:
    """Yield what rules there are to be for a line among others.

    Raises:
        ValueError: there is no rule that says the same.
    """
    itself = Rule("", (_wide(line),), keep=True)
    if line.type == "X":
        yield itself
        yield from _contents(line, line.age or _inherited(line, lines))
    elif line.age is not None and (line.type in _DIRECTORIES or (line.type == "x" and not _has_wildcards(line))):
        yield from _contents(line, line.age)
        if line.type == "x":
            yield itself
    elif line.type == "x" or any(
        one.age is not None and one.type in _CLEANED and _may_be_below(line, one) for one in lines
    ):
        yield replace(itself, match=(*itself.match, f"{itself.match[0]}/**"))


def _contents(line: Line, age: Age | None) -> Iterator[Rule]:
    """Yield the rules for what is in a directory; none where nothing is said of its age.

    Raises:
        ValueError: there is no rule that says the same.
    """
    if age is None:
        return
    if line.type == "e" and "{" in line.path:
        raise ValueError("it has braces, which patterns have not: give a line for each path")
    if line.varies and line.age is not None:
        raise ValueError("its path is another with each boot or version of the system, which rules outlive")
    paths = globs.narrow(line.path) if line.is_glob else [literal(line.path)]
    below = tuple(f"{path.rstrip('/')}/" for path in paths)
    inner = "*/" if age.inner else ""
    rule = Rule("", tuple(f"{path}{inner}**" for path in below))
    yield replace(rule, keep=True) if age.seconds is None else replace(rule, age=age.seconds, by=age.by)
    if age.inner:
        yield replace(rule, match=tuple(f"{path}*" for path in below), keep=True)


def _inherited(line: Line, lines: Iterable[Line]) -> Age | None:
    """Return the age of the nearest directory at or above a path, and nothing else of that line.

    Raises:
        ValueError: there is none.
    """
    above = [one for one in lines if one.type in _INHERITABLE and line.parts[: len(one.parts)] == one.parts]
    if not above:
        raise ValueError("its content has the age of a line for a directory above, and there is none in these files")
    nearest = max(above, key=lambda one: len(one.parts)).age
    return None if nearest is None else Age(nearest.microseconds, By.USE, inner=False)


def _wide(line: Line) -> str:
    return globs.wide(line.path) if line.is_glob else literal(line.path)


def _has_wildcards(line: Line) -> bool:
    return _wide(line) != literal(line.path)


def _may_be_below(line: Line, one: Line) -> bool:
    """Say whether a path may lie below another; a part with wildcards may be whatever part."""
    if len(line.parts) <= len(one.parts):
        return False
    wild = [any(character in part for character in "*?[") for part in line.parts]
    others = [one.is_glob and any(character in part for character in "*?[") for part in one.parts]
    return all(
        mine == other or (line.is_glob and wild[at]) or others[at]
        for at, (mine, other) in enumerate(zip(line.parts, one.parts, strict=False))
    )


_LONGEST = 48
"""Letters of a name that are of a path."""


def _named(told: Sequence[Told]) -> Iterator[Told]:
    """Yield the rules, each with a name of its own, made of its path."""
    taken: dict[str, int] = {}
    for rule, line in told:
        words = "-".join(re.findall(r"\w+", line.path))[:_LONGEST].strip("-") or "root"
        name = f"{words} stays" if rule.keep else words
        taken[name] = taken.get(name, 0) + 1
        yield Told(replace(rule, name=f"{name} {taken[name]}" if taken[name] > 1 else name), line)
