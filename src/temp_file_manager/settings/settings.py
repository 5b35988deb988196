"""Settings: one frozen record, read from variables, a file or flags, with every problem told at once.

A field ``f`` is the variable ``TEMP_FILE_F``, the key ``f`` under ``[manager]`` of a TOML file, and the flag
``--f``. The specification's odd names are aliases, in ``ALIASES`` and nowhere else.
"""

import os
from collections.abc import Callable, Mapping
from dataclasses import Field, dataclass, field, fields
from typing import Any

from temp_file_manager.errors import SettingsError
from temp_file_manager.limits import Limit, Mark
from temp_file_manager.rules.rule import Rule
from temp_file_manager.settings import limits, rules, values
from temp_file_manager.settings.mistakes import nearest, unknown
from temp_file_manager.settings.rules import rules as read_rules
from temp_file_manager.text import masked

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


def _setting(default: Any, parse: Callable[[object], object], allowed: str, about: str, *, secret: bool = False) -> Any:
    metadata = {"parse": parse, "allowed": allowed, "about": about, "secret": secret}
    return field(default=default, repr=not secret, metadata=metadata)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What a manager and the programs around it can be told. Sizes are bytes, times are seconds.

    A field whose metadata say ``secret`` is never shown, and has no flag: everybody sees a process's arguments.

    Attributes:
        limits: Those of a file's tables ``[[limit]]``, and those that ``max_bytes`` and ``min_free`` make.
    """

    base_dir: str = _setting("/tmp/aiecs_temp", values.path, "a path", "where temporary files live")  # noqa: S108 - the specification's
    max_age: float = _setting(
        3600, values.seconds, "seconds, 0 or more", "how long a file without its own ttl may live"
    )
    registry: str | None = _setting(
        None,
        values.registry,
        "memory: or sqlite: or sqlite:///PATH or postgresql://[USER@]HOST[:PORT]/DATABASE",
        "where records live: unset, the command line's in sqlite:, others' in memory:",
    )
    registry_password_file: str | None = _setting(
        None, values.path, "a path", "a file with the password of a registry on a server, read at each connection"
    )
    spool: bool = _setting(
        False, values.switch, "off or on", "what is registered while a registry's server is out of reach waits here"
    )
    spool_file: str | None = _setting(None, values.path, "a path", "where that waits, instead of in this user's state")
    cleanup_interval: float = _setting(
        300, values.positive_seconds, "seconds, more than 0", "between two scheduled sweeps"
    )
    log_level: str = _setting(
        "INFO",
        values.word("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"),
        "DEBUG, INFO, WARNING, ERROR or CRITICAL",
        "the least that is logged",
    )
    log_format: str = _setting("text", values.word("text", "json"), "text or json", "how a line is logged")
    log_file: str | None = _setting(None, values.path, "a path", "where the log goes instead of standard error")
    rules: tuple[Rule, ...] = _setting(
        (),
        read_rules,
        "the path of a TOML file with tables [[rule]]",
        "a file that says which files live how long; the first rule that matches decides",
    )
    max_files: int = _setting(
        10_000,
        values.whole(1),
        "a whole number, 1 or more",
        "with more registered files than this, health is degraded",
    )
    size_limit: int | None = _setting(
        None, values.whole(1), "bytes, 1 or more", "a larger file is registered with a warning"
    )
    max_bytes: int | None = _setting(
        None,
        values.positive_size,
        "bytes, 1 or more, or as 20 GiB",
        "with more than this in registered files, the oldest go before they are due",
    )
    min_free: Mark | None = _setting(  # noqa: RUF009 - it is a field, as the others
        None,
        values.positive_mark,
        "bytes, 1 or more, or a share as 10 %",
        "with less than this free on the base directory's disk, the oldest go before they are due",
    )
    cleanup_batch_size: int = _setting(
        1000,
        values.whole(1, 10_000),
        "a whole number from 1 to 10000",
        "records claimed at a time, at most; `postgresql:` claims no more than 1000, other registries 500",
    )
    cleanup_threads: int = _setting(
        4, values.whole(1, 64), "a whole number from 1 to 64", "threads that overwrite files"
    )
    cleanup_timeout: float | None = _setting(
        None,
        values.positive_seconds,
        "seconds, more than 0",
        "a scheduled sweep stops after this; a removal that hangs is abandoned",
    )
    protect_open: bool = _setting(
        True, values.switch, "true or false", "scheduled sweeps and the command line keep files that somebody has open"
    )
    if_unknown: float | None = _setting(
        None,
        values.age_or_keep,
        "keep, or seconds, 0 or more",
        "the age at which a file goes of which nothing can tell whether it is open",
    )
    paranoid: bool = _setting(
        False,
        values.switch,
        "true or false",
        "move each file into a private folder and compare it there before it goes; on SQLite, without secure_delete",
    )
    secure_delete: bool = _setting(False, values.switch, "true or false", "overwrite files before they are removed")
    permission_mask: int | None = _setting(
        None, values.mode, "an octal mode from 0 to 0777", "the mode a registered file gets"
    )
    owner_check: bool = _setting(False, values.switch, "true or false", "refuse another user's files, and keep them")
    http_host: str = _setting("127.0.0.1", values.host, "a host's name or address", "where run serves its page and API")
    http_port: int | None = _setting(
        8080, values.port, "a port from 0 to 65535, or off", "the port of page and API; 0 is any that is free"
    )
    http_socket: str | None = _setting(
        None, values.path, "a path", "a Unix socket for page and API, instead of host and port"
    )
    http_allowed_hosts: tuple[str, ...] = _setting(
        (), values.hosts, "host names with commas between them", "by what other names page and API may be asked for"
    )
    api_token: str | None = _setting(
        None,
        values.token,
        f"{values.SHORTEST_TOKEN} or more visible ASCII characters: openssl rand -hex 32 makes some",
        "the secret that lets the API change things",
        secret=True,
    )
    api_token_file: str | None = _setting(None, values.path, "a path", "a file with that secret in it")
    metrics: bool = _setting(False, values.switch, "true or false", "run serves metrics, on all interfaces")
    metrics_backend: str = _setting("prometheus", values.word("prometheus"), "prometheus", "which kind of metrics")
    prometheus_port: int = _setting(9090, values.whole(1, 65535), "a port from 1 to 65535", "the port of the metrics")
    plugins: tuple[str, ...] = _setting(
        (), values.names, "names with commas between them", "the plug-ins that are loaded; others are not looked for"
    )
    limits: tuple[Limit, ...] = ()

    def __post_init__(self) -> None:
        """Take values as every source of settings would, ``"0600"`` for a mode included, and refuse the others.

        Raises:
            SettingsError: naming each field that cannot be used.
        """
        problems: list[str] = []
        for f in FIELDS.values():
            value = getattr(self, f.name)
            if value != f.default:
                try:
                    object.__setattr__(self, f.name, f.metadata["parse"](value))  # frozen, and still being made
                except SettingsError as error:
                    problems += _problems(f, f.name, value, error)
                except (ValueError, KeyError, OverflowError):
                    problems.append(_problem(f, f.name, value))
        named = limits.of_settings(self.max_bytes, self.min_free) if not problems else ()
        others = (limit for limit in self.limits if limit.name not in (limits.BYTES, limits.FREE))
        object.__setattr__(self, "limits", (*named, *others))
        problems += limits.wrong(self.limits, any_order=bool(self.plugins))
        problems += rules.wrong(self.rules, secure_delete=self.secure_delete)
        if self.paranoid and self.secure_delete:
            problems.append("paranoid and secure_delete cannot both be on: choose one")
        if self.api_token is not None and self.api_token_file is not None:
            problems.append("api_token and api_token_file are both given: choose one")
        if problems:
            raise SettingsError(problems)

    @classmethod
    def from_env(cls, environ: Mapping[str, str] | None = None) -> "Settings":
        """Read the settings from variables; unset and empty ones keep their default.

        Raises:
            SettingsError: naming each variable that cannot be used, its value and what is allowed.
        """
        return resolve(env_layer(os.environ if environ is None else environ))[0]

    @classmethod
    def from_file(cls, path: str | os.PathLike[str]) -> "Settings":
        """Read the settings from the ``[manager]`` table of a TOML file.

        Raises:
            SettingsError: naming each key that cannot be used, or saying why the file cannot.
        """
        return resolve(file_layer(path))[0]


FIELDS = {f.name: f for f in fields(Settings) if f.metadata}
"""The settings by their names, but for ``limits``, which are tables."""

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
    unknown = sorted(key for key in environ if key.startswith(PREFIX) and key not in known)
    # Only a near miss is a problem: another program's variables may begin alike, a misspelt age must not pass.
    close = ((key, nearest(key, known, 0.85)) for key in unknown)
    return Layer(entries, tuple(f"{key} is no setting: did you mean {near}?" for key, near in close if near))


def file_layer(path: str | os.PathLike[str]) -> Layer:
    """Return what the table ``[manager]`` and the tables ``[[limit]]`` and ``[[rule]]`` of a TOML file say.

    Raises:
        SettingsError: the file cannot be read or is no TOML.
    """
    import tomllib  # noqa: PLC0415 - costs more than the rest of this module, and few have a file

    name = os.fspath(path)
    try:
        with open(path, "rb") as file:
            document = tomllib.load(file)
    except OSError as error:
        raise SettingsError([f"cannot read {name}: {error.strerror}"]) from error
    except (ValueError, RecursionError) as error:  # also what the parser does not call its own
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
    found, wrong = limits.read(document.get("limit", []), name)
    return Layer(entries, (*problems, *wrong), (found, f"file {name}") if found else ((), ""))


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
            except SettingsError as error:
                problems += _problems(FIELDS[name], entry.name, entry.raw, error)
            except (ValueError, KeyError, OverflowError):
                problems.append(_problem(FIELDS[name], entry.name, entry.raw))
            sources[name] = entry.source
    if problems:
        raise SettingsError(problems)
    return Settings(**values), sources


def _problem(known: Field[Any], name: str, raw: object) -> str:
    return f"{_what(known, name, raw)}: give {known.metadata['allowed']}"


def _problems(known: Field[Any], name: str, raw: object, error: SettingsError) -> list[str]:
    """Return what is wrong with a value that names what has problems of its own."""
    return [f"{_what(known, name, raw)}: {problem}" for problem in error.problems]


def _what(known: Field[Any], name: str, raw: object) -> str:
    what = "is not what it can be" if known.metadata["secret"] else f"is {masked(repr(raw))}"
    return f"{name} {what}"
