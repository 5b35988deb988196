"""Layers of settings: what flags, variables and a file say, the first of which wins, with every problem told at once.

A field ``f`` is the variable ``TEMP_FILE_F``, the key ``f`` under ``[manager]`` of a TOML file, and the flag
``--f``. The specification's odd names are aliases, in ``ALIASES`` and nowhere else.
"""

import os
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

from temp_file_manager.errors import SettingsError
from temp_file_manager.limits import Limit
from temp_file_manager.rules.rule import Rule
from temp_file_manager.settings import limits, mistakes, rules
from temp_file_manager.settings.mistakes import nearest, unknown
from temp_file_manager.settings.settings import FIELDS, Settings
from temp_file_manager.settings.toml_file import CONFIG, SYSTEM_CONFIG, TomlFile, places, read_toml

PREFIX = "TEMP_FILE_"

ALIASES = {
    "log_level": "LOG_LEVEL",
    "log_format": "LOG_FORMAT",
    "log_file": "LOG_FILE",
    "max_files": "MAX_TEMP_FILES",
    "metrics": "ENABLE_TEMP_FILE_METRICS",
    "metrics_backend": "METRICS_BACKEND",
    "prometheus_port": "PROMETHEUS_PORT",
}


_MANAGER = "manager"
_TABLES = (_MANAGER, limits.TABLE, rules.TABLE)
_LIMITS = "limits"


class Source(NamedTuple):
    """Where a value comes from.

    Attributes:
        kind: What says it: flag, variable, file or default.
        name: Which one; empty for a default.
        line: The line of the file; None where that is not known.
    """

    kind: str
    name: str = ""
    line: int | None = None

    def __str__(self) -> str:
        """Return it in words: ``flag --max-age``, ``file config.toml:3``, ``default``."""
        line = "" if self.line is None else f":{self.line}"
        return f"{self.kind} {self.name}{line}".strip()


DEFAULT = Source("default")


class Entry(NamedTuple):
    """One raw value, the name its reader gave it, for messages, and where it comes from.

    Attributes:
        parts: Where each rule or limit in it comes from, by what ``titled`` calls it.
    """

    name: str
    raw: object
    source: Source
    parts: Mapping[str, Source] = MappingProxyType({})


class Layer(NamedTuple):
    """Raw values from one place, by field, and its ``limits``; ``problems`` are those found while reading it."""

    entries: Mapping[str, Entry]
    problems: tuple[str, ...] = ()


def variable(name: str) -> str:
    """Return the variable of a field, as the specification writes it."""
    return ALIASES.get(name, PREFIX + name.upper())


def env_layer(environ: Mapping[str, str]) -> Layer:
    """Return what the variables say. A field's own variable wins over its alias; an empty one is unset."""
    entries = {}
    for name in FIELDS:
        for key in (PREFIX + name.upper(), ALIASES.get(name, "")):
            if environ.get(key):
                entries[name] = Entry(key, environ[key], Source("variable", key))
                break
    known = {PREFIX + name.upper() for name in FIELDS}
    unknown = sorted(
        key for key in environ if key.startswith(PREFIX) and key not in known and key not in (CONFIG, SYSTEM_CONFIG)
    )
    # Only a near miss is a problem: another program's variables may begin alike, a misspelt age must not pass.
    close = ((key, nearest(key, known, 0.85)) for key in unknown)
    return Layer(entries, tuple(f"{key} is no setting: did you mean {near}?" for key, near in close if near))


def file_layers(environ: Mapping[str, str], named: str | None = None) -> list[Layer]:
    """Return what files say: the one that is named, this user's and the machine's, each with its problems.

    Args:
        environ: The variables, of which ``TEMP_FILE_CONFIG`` names a file.
        named: The file that a flag names, which the variable's then does not count beside.
    """
    first = named if named is not None else environ.get(CONFIG) or None
    # One that is named is trusted, also where it would have been found.
    above = None if first is None else os.path.realpath(first)
    found = [path for path in places(environ) if os.path.lexists(path) and os.path.realpath(path) != above]
    layers = [] if first is None else [_layer_or_problems(first, found=False)]
    return [*layers, *(_layer_or_problems(path, found=True) for path in found)]


def _layer_or_problems(path: str, *, found: bool) -> Layer:
    try:
        return file_layer(path, found=found)
    except SettingsError as error:  # told together with the problems of the others
        return Layer({}, error.problems)


def file_layer(path: str | os.PathLike[str], *, found: bool = False) -> Layer:
    """Return what the table ``[manager]`` and the tables ``[[limit]]`` and ``[[rule]]`` of a TOML file say.

    Args:
        path: Where it is.
        found: Whether nobody has named it; see ``read_toml``.

    Raises:
        SettingsError: the file cannot be read, is no TOML, or was found and could have been written by others.
    """
    file = _readable(path, found=found)
    document = file.tables
    table = document.get(_MANAGER, {})
    near = [(key, meant) for key in document if key not in _TABLES and (meant := nearest(key, _TABLES, 0.85))]
    if document and not near and not document.keys() & set(_TABLES):
        raise SettingsError([f"{file.name} has no table [manager]: put the settings under that heading"])
    if not isinstance(table, dict):
        raise SettingsError([f"{file.place(_MANAGER)}: [manager] is a table"])
    at = {key: file.place(_MANAGER, key) for key in table}
    entries = {
        key: Entry(f"{at[key]}: {key}", raw, _source(file, _MANAGER, key))
        for key, raw in table.items()
        if key in FIELDS
    }
    problems = [f"{at[key]}: {unknown(key, FIELDS, 'setting')}" for key in table if key not in FIELDS]
    # Other programs' tables may stand beside; a misspelt one of ours must not pass.
    problems += [f"{file.place(key)}: {key} is no table of ours: did you mean {meant}?" for key, meant in near]
    ruled, bad_rules = rules.read(file)
    limited, bad_limits = limits.read(file)
    if rules.TABLE in document and "rules" in table:
        also = "rules names a file of rules, and there are tables [[rule]] here, too: choose one"
        problems.append(f"{at['rules']}: {also}")
    if rules.TABLE in document:
        entries["rules"] = _tables(file, rules.TABLE, ruled)
    if limited:
        entries[_LIMITS] = _tables(file, limits.TABLE, limited)
    return Layer(entries, (*problems, *bad_rules, *bad_limits))


def _readable(path: str | os.PathLike[str], *, found: bool) -> TomlFile:
    try:
        return read_toml(path, found=found)
    except OSError as error:
        # Nobody has named it, so it may be news that there is one, and that it counts.
        undo = ": let this user read it, as it counts for every command, or take it away" if found else ""
        raise SettingsError([f"cannot read {os.fspath(path)}: {error.strerror}{undo}"]) from error
    except ValueError as error:
        raise SettingsError([f"{os.fspath(path)} is no TOML: {error}"]) from error


def titled(kind: str, name: str) -> str:
    """Return what a rule or a limit is called among where settings come from."""
    return f'{kind} "{name}"'


def _source(file: TomlFile, *path: str | int) -> Source:
    return Source("file", file.name, file.lines.get(path))


def _tables(file: TomlFile, kind: str, read: Iterable[Rule | Limit]) -> Entry:
    parts = {titled(kind, one.name): _source(file, kind, number) for number, one in enumerate(read, 1)}
    return Entry(kind, tuple(read), Source("file", file.name), parts)


def flag_layer(values: Mapping[str, object]) -> Layer:
    """Return what command-line flags say: fields with a value that is not None."""
    entries = {}
    for name, raw in values.items():
        if name in FIELDS and raw is not None:
            flag = "--" + name.replace("_", "-")
            entries[name] = Entry(flag, raw, Source("flag", flag))
    return Layer(entries)


def resolve(*layers: Layer) -> tuple[Settings, dict[str, Source]]:
    """Return the settings of these layers, the first winning, and where each came from; also each rule and limit.

    Raises:
        SettingsError: listing every problem of every layer.
    """
    problems = [problem for layer in layers for problem in layer.problems]
    values: dict[str, Any] = {}
    said: dict[str, Entry] = {}
    for layer in reversed(layers):
        for name, entry in layer.entries.items():
            try:
                values[name] = entry.raw if name == _LIMITS else FIELDS[name].metadata["parse"](entry.raw)
            except (ValueError, KeyError, OverflowError) as error:
                problems += mistakes.of_value(FIELDS[name], entry.name, entry.raw, error)
            said[name] = entry
    if problems:
        raise SettingsError(problems)
    sources = dict.fromkeys((*FIELDS, _LIMITS), DEFAULT) | {name: entry.source for name, entry in said.items()}
    for entry in said.values():
        sources |= entry.parts
    return Settings(**values), sources
