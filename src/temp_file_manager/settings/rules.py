"""Rules as a settings file has them, or a file of their own: a table ``[[rule]]`` each, in their order."""

import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from temp_file_manager.errors import SettingsError
from temp_file_manager.rules.patterns import why_not
from temp_file_manager.rules.rule import By, Rule
from temp_file_manager.settings import values
from temp_file_manager.settings.mistakes import unknown
from temp_file_manager.settings.tables import Table, alike, are_tables, flag, words
from temp_file_manager.settings.toml_file import TomlFile, read_toml
from temp_file_manager.text import span

TABLE = "rule"

_MOST = 1_000_000_000
"""More files than any registry has; a registry need not be able to count to more."""

_NAME = re.compile(r"\w(?:[\w .-]{0,62}\w)?")
"""It stands in log lines, in labels of metrics and in the registry."""


def _some(raw: object) -> tuple[str, ...]:
    """Read words, one at least: no words would mean any file, and not none."""
    found = words(raw)
    if not found:
        raise ValueError(raw)
    return found


def _by(raw: object) -> By:
    return By(str(raw).strip().lower())


_READERS: dict[str, tuple[Callable[[object], Any], str]] = {
    "match": (_some, "a list of patterns, or leave it out for any path"),
    "tags": (_some, "a list of tags, or leave it out for any"),
    "larger": (values.positive_size, 'bytes, 1 or more, or a text such as "100 MiB"'),
    "age": (values.seconds, values.A_TIME),
    "by": (_by, f"{', '.join(By)}"),
    "keep": (flag, "true or false"),
    "keep_last": (values.whole(1, _MOST), f"a whole number, 1 or more, {_MOST} at most"),
    "compress": (values.positive_seconds, values.SOME_TIME),
    "quarantine": (values.positive_seconds, values.SOME_TIME),
}


def rules(raw: object) -> tuple[Rule, ...]:
    """Read rules that somebody has made, or the path of a file with tables of them.

    Raises:
        SettingsError: listing every problem with the file.
        ValueError: it is neither.
    """
    if isinstance(raw, tuple | list) and all(isinstance(rule, Rule) for rule in raw):
        return tuple(raw)
    return _of_file(values.path(raw))


def _of_file(path: str) -> tuple[Rule, ...]:
    try:
        file = read_toml(path)
    except OSError as error:
        raise SettingsError([f"give a file that can be read: {error.strerror}"]) from error
    except ValueError as error:
        raise SettingsError([f"give a file that is TOML: {error}"]) from error
    found, problems = read(file)
    others = [key for key in file.tables if key != TABLE]
    problems += [f"{file.place(key)}: {unknown(key, (TABLE,), 'table of rules')}" for key in others]
    if not file.tables:
        problems.append("it has no rules: head each with [[rule]]")
    if problems:
        raise SettingsError(problems)
    return found


def read(file: TomlFile) -> tuple[tuple[Rule, ...], list[str]]:
    """Return the rules that the tables ``[[rule]]`` of a file describe, and every problem with them."""
    tables = file.tables.get(TABLE, [])
    if not are_tables(tables):
        return (), [f"{file.place(TABLE)}: rule is a list of tables: head each with [[rule]]"]
    found, problems = [], []
    for number in range(1, len(tables) + 1):
        one = Table(file, TABLE, number)
        one.check_keys(("name", *_READERS))
        given = {key: value for key, reader in _READERS.items() if (value := one.value(key, *reader)) is not None}
        rule = Rule(one.name, **given)
        for problem in () if one.problems else _wrong(rule):
            one.problem(problem)
        problems += one.problems
        found.append(rule)
    same = alike(TABLE, (rule.name for rule in found if rule.name))
    return tuple(found), [*problems, *(f"{file.name}: {problem}" for problem in same)]


def wrong(rules: Iterable[Rule], *, secure_delete: bool = False) -> Iterator[str]:
    """Yield what makes no sense about rules, however they were made.

    Args:
        rules: Which.
        secure_delete: Whether files are overwritten before they are removed.
    """
    rules = tuple(rules)
    yield from alike(TABLE, (rule.name for rule in rules))
    for rule in rules:
        yield from (f'rule "{rule.name}": {problem}' for problem in _wrong(rule))
        if secure_delete and rule.quarantine is not None:
            yield f'rule "{rule.name}": quarantine leaves the content, and secure_delete is on: choose one'
        if secure_delete and rule.compress is not None:
            yield f'rule "{rule.name}": compress leaves what the file was on, and secure_delete is on: choose one'


def _wrong(rule: Rule) -> Iterator[str]:
    if not _NAME.fullmatch(rule.name):
        yield "its name is not of letters, digits, and spaces, points or dashes between them, 64 at most"
    for pattern in rule.match:
        if why := why_not(pattern):
            yield f"{pattern!r} in match matches nothing: {why}"
    if rule.keep:
        others = {"age": rule.age, "keep_last": rule.keep_last, "quarantine": rule.quarantine}
        told = [key for key, value in others.items() if value is not None]
        told += ["by"] if rule.by is not By.REGISTRATION else []
        if told:
            yield f"keep means that age never makes its files due, and it has {' and '.join(told)}: choose"
    elif rule.by is not By.REGISTRATION and rule.age is None:
        yield f"by is {rule.by} without an age that counts from there: give age, too"
    if rule.keep_last is not None and not 1 <= rule.keep_last <= _MOST:
        yield f"keep_last is {rule.keep_last}: give a whole number, 1 or more, {_MOST} at most"
    compress, age = rule.compress, rule.age
    if compress is not None and rule.keep_last is not None:
        # The end of a record under keep_last says that it is not among the newest; that of one to be compressed, when.
        yield "keep_last says of files that they have no end yet, and compress when to look at them: choose"
    elif compress is not None and age is not None and compress >= age:
        given = f"compress is {span(compress, zero=False)} and age {span(age, zero=False)}"
        yield f"{given}, so its files are gone before: give less to compress, or more to age"
