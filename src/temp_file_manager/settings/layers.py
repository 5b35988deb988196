"""Layers of settings: what flags, variables and a file say, the first of which wins, with every problem told at once.

A field ``f`` is the variable ``TEMP_FILE_F``, the key ``f`` under ``[manager]`` of a TOML file, and the flag
``--f``. The specification's odd names are aliases, in ``ALIASES`` and nowhere else.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from temp_file_manager.errors import SettingsError
from temp_file_manager.limits import Limit
from temp_file_manager.settings import limits, mistakes, rules
from temp_file_manager.settings.mistakes import nearest, unknown
from temp_file_manager.settings.settings import FIELDS, Settings
from temp_file_manager.settings.toml_file import CONFIG, places, read_toml

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


_TABLES = ("manager", "limit", "rule")


@dataclass(frozen=True, slots=True)
class Entry:
    """One raw value and the name its reader gave it, for messages."""

    name: str
    raw: object
    source: str


@dataclass(frozen=True, slots=True)
class Layer:
    """Raw values from one place, by field; ``problems`` are those found while reading it.

    Attributes:
        limits: What the place says of limits, and what it is called.
    """

    entries: Mapping[str, Entry]
    problems: tuple[str, ...] = ()
    limits: tuple[tuple[Limit, ...], str] = ((), "")


def variable(name: str) -> str:
    """Return the variable of a field, as the specification writes it."""
    return ALIASES.get(name, PREFIX + name.upper())


def env_layer(environ: Mapping[str, str]) -> Layer:
    """Return what the variables say. A field's own variable wins over its alias; an empty one is unset."""
    entries = {}
    for name in FIELDS:
        for key in (PREFIX + name.upper(), ALIASES.get(name, "")):
            if environ.get(key):
                entries[name] = Entry(key, environ[key], f"variable {key}")
                break
    known = {PREFIX + name.upper() for name in FIELDS}
    unknown = sorted(key for key in environ if key.startswith(PREFIX) and key not in known and key != CONFIG)
    # Only a near miss is a problem: another program's variables may begin alike, a misspelt age must not pass.
    close = ((key, nearest(key, known, 0.85)) for key in unknown)
    return Layer(entries, tuple(f"{key} is no setting: did you mean {near}?" for key, near in close if near))


def found_layers(environ: Mapping[str, str]) -> list[Layer]:
    """Return what the file says that ``TEMP_FILE_CONFIG`` names; else what this user's and the machine's say.

    Raises:
        SettingsError: one that is there cannot be read, is no TOML, or could have been written by others.
    """
    if environ.get(CONFIG):
        return [file_layer(environ[CONFIG])]
    return [file_layer(path, found=True) for path in places(environ) if os.path.lexists(path)]


def file_layer(path: str | os.PathLike[str], *, found: bool = False) -> Layer:
    """Return what the table ``[manager]`` and the tables ``[[limit]]`` and ``[[rule]]`` of a TOML file say.

    Args:
        path: Where it is.
        found: Whether nobody has named it; see ``read_toml``.

    Raises:
        SettingsError: the file cannot be read, is no TOML, or was found and could have been written by others.
    """
    name = os.fspath(path)
    try:
        document = read_toml(path, found=found)
    except OSError as error:
        raise SettingsError([f"cannot read {name}: {error.strerror}"]) from error
    except ValueError as error:
        raise SettingsError([f"{name} is no TOML: {error}"]) from error
    table = document.get("manager", {})
    near = [(key, meant) for key in document if key not in _TABLES and (meant := nearest(key, _TABLES, 0.85))]
    if document and not near and not document.keys() & set(_TABLES):
        raise SettingsError([f"{name} has no table [manager]: put the settings under that heading"])
    if not isinstance(table, dict):
        raise SettingsError([f"{name}: [manager] is a table"])
    entries = {key: Entry(key, raw, f"file {name}") for key, raw in table.items() if key in FIELDS}
    problems = [f"{name}: {unknown(key, FIELDS, 'setting')}" for key in table if key not in FIELDS]
    # Other programs' tables may stand beside; a misspelt one of ours must not pass.
    problems += [f"{name}: {key} is no table of ours: did you mean {meant}?" for key, meant in near]
    if "rule" in document:
        ruled, mistakes = rules.read(document["rule"])
        problems += [f"{name}: {mistake}" for mistake in mistakes]
        if "rules" in table:
            problems.append(f"{name}: rules names a file of rules, and there are tables [[rule]] here, too: choose one")
        entries["rules"] = Entry("rule", ruled, f"file {name}")
    limited, wrong = limits.read(document.get("limit", []), name)
    return Layer(entries, (*problems, *wrong), (limited, f"file {name}") if limited else ((), ""))


def flag_layer(values: Mapping[str, object]) -> Layer:
    """Return what command-line flags say: fields with a value that is not None."""
    entries = {}
    for name, raw in values.items():
        if name in FIELDS and raw is not None:
            flag = "--" + name.replace("_", "-")
            entries[name] = Entry(flag, raw, f"flag {flag}")
    return Layer(entries)


def resolve(*layers: Layer) -> tuple[Settings, dict[str, str]]:
    """Return the settings of these layers, the first winning, and where each came from; ``limits`` of the tables.

    Raises:
        SettingsError: listing every problem of every layer.
    """
    problems = [problem for layer in layers for problem in layer.problems]
    values: dict[str, Any] = {}
    sources = dict.fromkeys((*FIELDS, "limits"), "default")
    for layer in reversed(layers):
        if layer.limits[0]:
            values["limits"], sources["limits"] = layer.limits
        for name, entry in layer.entries.items():
            try:
                values[name] = FIELDS[name].metadata["parse"](entry.raw)
            except (ValueError, KeyError, OverflowError) as error:
                problems += mistakes.of_value(FIELDS[name], entry.name, entry.raw, error)
            sources[name] = entry.source
    if problems:
        raise SettingsError(problems)
    return Settings(**values), sources
