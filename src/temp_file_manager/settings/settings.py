"""Settings: one frozen record, whose values are read and judged in one place, whatever they come from."""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from temp_file_manager.errors import SettingsError
from temp_file_manager.limits import Limit, Mark
from temp_file_manager.rules.rule import Rule
from temp_file_manager.settings import limits, mistakes, rules, values
from temp_file_manager.settings.default_base import SHOWN, default_base
from temp_file_manager.settings.rules import rules as read_rules
from temp_file_manager.text import brief, masked


def _setting(
    default: Any,
    parse: Callable[[object], object],
    allowed: str,
    about: str,
    *,
    secret: bool = False,
    shown: str = "",
) -> Any:
    metadata = {"parse": parse, "allowed": allowed, "about": about, "secret": secret, "shown": shown}
    if shown:  # asked each time: a service may become another user after it was imported
        return field(default_factory=default, metadata=metadata)
    return field(default=default, repr=not secret, metadata=metadata)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What a manager and the programs around it can be told. Sizes are bytes, times are seconds.

    A field whose metadata say ``secret`` is never shown, and has no flag: everybody sees a process's arguments. What
    they say is ``shown`` stands for a default that is another one for each user, and is asked for each time.

    Attributes:
        limits: Those of a file's tables ``[[limit]]``, and those that ``max_bytes`` and ``min_free`` make.
    """

    base_dir: str = _setting(default_base, values.path, "a path", "where temporary files live", shown=SHOWN)
    max_age: float = _setting(3600, values.seconds, values.A_TIME, "how long a file without its own ttl may live")
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
    fleet: str | None = _setting(
        None, values.server, "postgresql://HOST/DATABASE", "the server that is told how it is here, and sets policies"
    )
    team: str | None = _setting(
        None, values.team, "up to 63 letters, digits, dots, dashes and underscores", "whose it is, for fleet policies"
    )
    scope: str | None = _setting(
        None, values.scope, "volume:NAME", "the volume that hosts share; unset, this base directory of this machine"
    )
    cleanup_interval: float = _setting(300, values.positive_seconds, values.SOME_TIME, "between two sweeps")
    log_level: str = _setting(
        "INFO",
        values.Word(("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")),
        "DEBUG, INFO, WARNING, ERROR or CRITICAL",
        "the least that is logged",
    )
    log_format: str = _setting("text", values.Word(("text", "json")), "text or json", "how a line is logged")
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
        None, values.positive_size, "bytes, 1 or more, or as 20 GiB", "a larger file is registered with a warning"
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
        values.SOME_TIME,
        "a scheduled sweep stops after this; a removal that hangs is abandoned",
    )
    removal_threads: int | None = _setting(
        None, values.whole(1, 64), "a whole number from 1 to 64", "threads that remove files: unset, 1; 16 in a volume"
    )
    protect_open: bool = _setting(
        True, values.switch, "true or false", "scheduled sweeps and the command line keep files that somebody has open"
    )
    if_unknown: float | None = _setting(
        None,
        values.age_or_keep,
        f"keep, or {values.A_TIME}",
        "the age at which a file goes of which nothing can tell whether it is open",
    )
    paranoid: bool | None = _setting(
        None,
        values.switch,
        "true or false",
        "move each file into a private folder and compare it there before it goes, without secure_delete: "
        "unset, in a volume alone",
    )
    secure_delete: bool = _setting(False, values.switch, "true or false", "overwrite files before they are removed")
    permission_mask: int | None = _setting(
        None, values.mode, "an octal mode from 0 to 0777", "the mode a registered file gets"
    )
    owner_check: bool | None = _setting(
        None, values.switch, "true or false", "refuse another user's files, and keep them: unset, in a volume alone"
    )
    objects_unconditional: bool = _setting(
        False,
        values.switch,
        "true or false",
        "where a bucket obeys no condition, look at a registered object, and delete it whatever comes in between",
    )
    expiring_objects: tuple[str, ...] = _setting(
        (),
        values.buckets,
        "addresses s3://BUCKET/PREFIX with commas between them",
        "where run and started managers delete the objects whose keys have expired",
    )
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
    metrics_backend: str = _setting("prometheus", values.Word(("prometheus",)), "prometheus", "which kind of metrics")
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
                except (ValueError, KeyError, OverflowError) as error:
                    problems += mistakes.of_value(f, f.name, value, error)
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

    def __repr__(self) -> str:
        shown = [one for one in fields(self) if one.repr]
        values = {one.name: getattr(self, one.name) for one in shown}
        defaults = {one.name: default_base() if one.metadata.get("shown") else one.default for one in shown}
        return masked(brief(type(self).__name__, values, defaults))

    @classmethod
    def from_env(cls, environ: Mapping[str, str] | None = None) -> "Settings":
        """Read the settings from variables; unset and empty ones keep their default.

        Raises:
            SettingsError: naming each variable that cannot be used, its value and what is allowed.
        """
        from temp_file_manager.settings import layers  # noqa: PLC0415 - it makes these records

        return layers.resolve(layers.env_layer(os.environ if environ is None else environ))[0]

    @classmethod
    def from_file(cls, path: str | os.PathLike[str]) -> "Settings":
        """Read the settings from the ``[manager]`` table of a TOML file.

        Raises:
            SettingsError: naming each key that cannot be used, or saying why the file cannot.
        """
        from temp_file_manager.settings import layers  # noqa: PLC0415 - it makes these records

        return layers.resolve(layers.file_layer(path))[0]


FIELDS = {f.name: f for f in fields(Settings) if f.metadata}
"""The settings by their names, but for ``limits``, which are tables."""
