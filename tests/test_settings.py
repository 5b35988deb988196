"""Settings: each variable of the specification's 7.1, where values come from, and every problem at once."""

import dataclasses
import json
import logging
import math
import re
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from temp_file_manager import Settings, SettingsError, TempFileManager
from temp_file_manager.cli import main
from temp_file_manager.settings import ALIASES, FIELDS, variable

HUGE = "1" + "0" * 400

SPECIFIED = {
    "TEMP_FILE_BASE_DIR": ("base_dir", "/tmp/aiecs_temp", "/tmp/aiecs_temp"),
    "TEMP_FILE_MAX_AGE": ("max_age", "3600", 3600),
    "TEMP_FILE_CLEANUP_INTERVAL": ("cleanup_interval", "300", 300),
    "LOG_LEVEL": ("log_level", "INFO", "INFO"),
    "LOG_FORMAT": ("log_format", "json", "json"),
    "LOG_FILE": ("log_file", "/var/log/aiecs/temp_file_manager.log", "/var/log/aiecs/temp_file_manager.log"),
    "MAX_TEMP_FILES": ("max_files", "10000", 10000),
    "TEMP_FILE_SIZE_LIMIT": ("size_limit", "104857600", 104857600),
    "TEMP_FILE_CLEANUP_BATCH_SIZE": ("cleanup_batch_size", "100", 100),
    "TEMP_FILE_CLEANUP_THREADS": ("cleanup_threads", "4", 4),
    "TEMP_FILE_CLEANUP_TIMEOUT": ("cleanup_timeout", "30", 30),
    "TEMP_FILE_SECURE_DELETE": ("secure_delete", "true", True),
    "TEMP_FILE_PERMISSION_MASK": ("permission_mask", "0600", 0o600),
    "TEMP_FILE_OWNER_CHECK": ("owner_check", "true", True),
    "ENABLE_TEMP_FILE_METRICS": ("metrics", "true", True),
    "METRICS_BACKEND": ("metrics_backend", "prometheus", "prometheus"),
    "PROMETHEUS_PORT": ("prometheus_port", "9090", 9090),
}

BAD = [
    ("TEMP_FILE_MAX_AGE", "-1", "0 or more"),
    ("TEMP_FILE_MAX_AGE", "nan", "0 or more"),
    ("TEMP_FILE_MAX_AGE", "inf", "0 or more"),
    ("TEMP_FILE_MAX_AGE", "1 month", "0 or more"),
    ("TEMP_FILE_MAX_AGE", "9" * 400, "0 or more"),
    ("TEMP_FILE_CLEANUP_INTERVAL", "0", "more than 0"),
    ("LOG_LEVEL", "LOUD", "DEBUG, INFO"),
    ("LOG_FORMAT", "xml", "text or json"),
    ("MAX_TEMP_FILES", "1.5", "whole number"),
    ("TEMP_FILE_SIZE_LIMIT", "0", "1 or more"),
    ("TEMP_FILE_SIZE_LIMIT", "100MX", "1 or more"),
    ("TEMP_FILE_CLEANUP_BATCH_SIZE", "10001", "1 to 10000"),
    ("TEMP_FILE_CLEANUP_THREADS", "0", "1 to 64"),
    ("TEMP_FILE_CLEANUP_TIMEOUT", "0", "more than 0"),
    ("TEMP_FILE_SECURE_DELETE", "maybe", "true or false"),
    ("TEMP_FILE_PERMISSION_MASK", "0888", "octal"),
    ("TEMP_FILE_PERMISSION_MASK", "1777", "octal"),
    ("TEMP_FILE_OWNER_CHECK", "2", "true or false"),
    ("ENABLE_TEMP_FILE_METRICS", "ja", "true or false"),
    ("METRICS_BACKEND", "statsd", "prometheus"),
    ("PROMETHEUS_PORT", "65536", "1 to 65535"),
    ("TEMP_FILE_HTTP_PORT", "http", "0 to 65535, or off"),
    ("TEMP_FILE_HTTP_HOST", "http://localhost", "name or address"),
    ("TEMP_FILE_HTTP_ALLOWED_HOSTS", "a,,b", "commas"),
    ("TEMP_FILE_PLUGINS", "a,,b", "names with commas between them"),
    ("TEMP_FILE_FLEET", "mysql://h/d", "postgresql://HOST/DATABASE"),
    ("TEMP_FILE_TEAM", "a b", "letters, digits"),
    ("TEMP_FILE_PLUGINS", "a b", "names with commas between them"),
    ("TEMP_FILE_MAX_BYTES", "0", "20 GiB"),
    ("TEMP_FILE_MAX_BYTES", "20 G", "20 GiB"),
    ("TEMP_FILE_MAX_BYTES", "10 %", "20 GiB"),
    ("TEMP_FILE_MIN_FREE", "101 %", "10 %"),
    ("TEMP_FILE_MIN_FREE", "0.1", "10 %"),
    ("TEMP_FILE_RULES", "/no/such/file", "a file that can be read"),
    ("TEMP_FILE_RULES", "/dev/null", ": it is no regular file"),
    ("TEMP_FILE_PROTECT_OPEN", "maybe", "true or false"),
    ("TEMP_FILE_SPOOL", "sometimes", "off or on"),
    ("TEMP_FILE_IF_UNKNOWN", "remove", "keep, or seconds"),
    ("TEMP_FILE_SCOPE", "scratch", "volume:NAME"),
    ("TEMP_FILE_SCOPE", "volume:a/b", "volume:NAME"),
    ("TEMP_FILE_REMOVAL_THREADS", "65", "a whole number from 1 to 64"),
    ("TEMP_FILE_REGISTRY", "/var/lib/registry.db", "memory: or sqlite:"),
]


def test_all_seventeen_variables_of_the_specification() -> None:
    settings = Settings.from_env({name: raw for name, (_, raw, _) in SPECIFIED.items()})
    assert len(SPECIFIED) == 17
    ours = {  # beyond the specification
        "registry": None,
        "registry_password_file": None,
        "spool": False,
        "spool_file": None,
        "protect_open": True,
        "if_unknown": None,
        "paranoid": None,
        "scope": None,
        "removal_threads": None,
        "http_host": "127.0.0.1",
        "http_port": 8080,
        "http_socket": None,
        "http_allowed_hosts": (),
        "api_token": None,
        "api_token_file": None,
        "max_bytes": None,
        "min_free": None,
        "rules": (),
        "plugins": (),
        "fleet": None,
        "team": None,
        "expiring_objects": (),
        "objects_unconditional": False,
        "limits": (),
    }
    assert dataclasses.asdict(settings) == ours | {field: value for field, _, value in SPECIFIED.values()}
    assert {variable(field) for field in FIELDS if field not in ours} == set(SPECIFIED)


def test_defaults_are_frozen() -> None:
    settings = Settings.from_env({})
    assert settings == Settings()
    with pytest.raises(dataclasses.FrozenInstanceError):
        settings.max_age = 1  # type: ignore[misc]  # on purpose


@pytest.mark.parametrize(("name", "raw", "allowed"), BAD)
def test_a_bad_value_is_named_with_what_is_allowed(name: str, raw: str, allowed: str) -> None:
    with pytest.raises(SettingsError) as caught:
        Settings.from_env({name: raw})
    (problem,) = caught.value.problems
    assert problem.startswith(f"{name} is '{raw}'")
    assert allowed in problem


def test_no_credential_is_repeated() -> None:
    with pytest.raises(SettingsError) as caught:
        Settings.from_env({"TEMP_FILE_REGISTRY": "Mysql://user:secret@host/db"})
    assert caught.value.problems == (
        "TEMP_FILE_REGISTRY is 'Mysql://…@host/db': give memory: or sqlite: or sqlite:///PATH or "
        "postgresql://[USER@]HOST[:PORT]/DATABASE",
    )


def test_every_problem_in_one_message() -> None:
    with pytest.raises(SettingsError) as caught:
        Settings.from_env({"TEMP_FILE_MAX_AGE": "-1", "LOG_LEVEL": "LOUD", "PROMETHEUS_PORT": "http"})
    assert len(caught.value.problems) == 3
    assert all(name in str(caught.value) for name in ("TEMP_FILE_MAX_AGE", "LOG_LEVEL", "PROMETHEUS_PORT"))


@pytest.mark.parametrize(("field", "alias"), ALIASES.items())
def test_a_fields_own_variable_wins_over_its_alias(field: str, alias: str) -> None:
    raw = {"log_level": "DEBUG", "log_format": "json", "metrics": "true", "metrics_backend": "prometheus"}
    own = f"TEMP_FILE_{field.upper()}"
    value = getattr(Settings.from_env({own: raw.get(field, "11"), alias: "12"}), field)
    assert value == getattr(Settings.from_env({own: raw.get(field, "11")}), field)


def test_an_empty_variable_is_unset() -> None:
    assert Settings.from_env({"TEMP_FILE_SIZE_LIMIT": "", "TEMP_FILE_MAX_AGE": ""}) == Settings()


def test_a_near_miss_is_a_problem_and_a_stranger_is_not() -> None:
    with pytest.raises(SettingsError, match="TEMP_FILE_MAXAGE is no setting: did you mean TEMP_FILE_MAX_AGE"):
        Settings.from_env({"TEMP_FILE_MAXAGE": "1"})
    assert Settings.from_env({"TEMP_FILE_OF_ANOTHER_PROGRAM": "1"}) == Settings()


ALLOWED: dict[str, Callable[[Any], bool]] = {
    "base_dir": lambda value: isinstance(value, str) and value != "" and "\0" not in value,
    "max_age": lambda value: 0 <= float(value) < math.inf,
    "registry_password_file": lambda value: value is None or (value != "" and "\0" not in value),
    "registry": lambda value: value is None or value.startswith(("memory:", "sqlite:")),
    "paranoid": lambda value: value is None or type(value) is bool,
    "scope": lambda value: value is None or value.startswith("volume:"),
    "removal_threads": lambda value: value is None or (type(value) is int and 1 <= value <= 64),
    "spool": lambda value: type(value) is bool,
    "spool_file": lambda value: value is None or (value != "" and "\0" not in value),
    "protect_open": lambda value: type(value) is bool,
    "if_unknown": lambda value: value is None or 0 <= float(value) < math.inf,
    "cleanup_interval": lambda value: 0 < float(value) < math.inf,
    "log_level": lambda value: value in {"DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"},
    "log_format": lambda value: value in {"text", "json"},
    "log_file": lambda value: value is None or (isinstance(value, str) and value != "" and "\0" not in value),
    "max_files": lambda value: type(value) is int and value >= 1,
    "size_limit": lambda value: value is None or (type(value) is int and value >= 1),
    "max_bytes": lambda value: value is None or (type(value) is int and 1 <= value < 2**63),
    "min_free": lambda value: value is None or (0 < value.value <= 1 if value.share else 1 <= value.value < 2**63),
    "rules": lambda value: value == (),  # no such file is there
    "cleanup_batch_size": lambda value: type(value) is int and 1 <= value <= 10_000,
    "cleanup_threads": lambda value: type(value) is int and 1 <= value <= 64,
    "cleanup_timeout": lambda value: value is None or 0 < float(value) < math.inf,
    "secure_delete": lambda value: type(value) is bool,
    "permission_mask": lambda value: value is None or (type(value) is int and 0 <= value <= 0o777),
    "owner_check": lambda value: value is None or type(value) is bool,
    "metrics": lambda value: type(value) is bool,
    "metrics_backend": lambda value: value == "prometheus",
    "prometheus_port": lambda value: type(value) is int and 1 <= value <= 65535,
    "http_host": lambda value: value != "" and not set(value) & set(" /[]@\0"),
    "http_port": lambda value: value is None or (type(value) is int and 0 <= value <= 65535),
    "http_socket": lambda value: value is None or (value != "" and "\0" not in value),
    "http_allowed_hosts": lambda value: type(value) is tuple and all(type(host) is str and host for host in value),
    "api_token": lambda value: value is None or (len(value) >= 16 and value.isascii() and value.isprintable()),
    "api_token_file": lambda value: value is None or (value != "" and "\0" not in value),
    "fleet": lambda value: value is None or value.startswith("postgresql://"),
    "team": lambda value: value is None or bool(re.fullmatch(r"[\w.-]{1,63}", value, re.ASCII)),
    "expiring_objects": lambda value: type(value) is tuple and all(url.startswith("s3://") for url in value),
    "objects_unconditional": lambda value: type(value) is bool,
    "plugins": lambda value: type(value) is tuple and all(re.fullmatch(r"[\w.-]+", name, re.ASCII) for name in value),
}

RAW = st.one_of(
    st.text("0123456789.-+einfaxo_ \0ü", max_size=8),
    st.text(),
    st.integers().map(str),
    st.floats().map(str),
    st.sampled_from(["9" * 400, "9" * 5000, "1e999", "-0", "٣", "on", "OFF", "0o600", "debug", "Json"]),
)
OWN = sorted({*SPECIFIED, *(f"TEMP_FILE_{field.upper()}" for field in FIELDS)})


def all_allowed(settings: Settings) -> bool:
    return all(allowed(getattr(settings, field)) for field, allowed in ALLOWED.items())


def read(source: Callable[[], Settings]) -> tuple[Settings | None, tuple[str, ...]]:
    """Return the settings, or the problems; any other error is a failure of the test."""
    try:
        return source(), ()
    except SettingsError as error:
        return None, error.problems


@given(st.dictionaries(st.sampled_from(OWN), RAW, min_size=1, max_size=3))
def test_whatever_a_variable_says_is_allowed_or_refused(environ: dict[str, str]) -> None:
    assert set(ALLOWED) == set(FIELDS)
    settings, problems = read(lambda: Settings.from_env(environ))
    assert settings is None or all_allowed(settings)
    for problem in problems:
        assert "choose one" in problem or any(problem.startswith(f"{name} is ") for name in environ)


TOML = st.one_of(
    RAW,
    st.text(st.characters(categories=["L", "N", "P"])).map(json.dumps),
    st.sampled_from(["true", "[]", "{}", "[[1]]", "1979-05-27", "07:32:00", "nan", "-inf", "0xff", "0o1777", '"0600"']),
    st.just("[" * 3000),
)


@given(st.sampled_from(sorted(FIELDS)), TOML)
def test_whatever_a_file_says_is_allowed_or_refused(field: str, text: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "settings.toml"
        file.write_bytes(f"[manager]\n{field} = {text}\n".encode(errors="surrogatepass"))
        settings, problems = read(lambda: Settings.from_file(file))
    assert all_allowed(settings) if settings else problems


def test_from_file(tmp_path: Path) -> None:
    file = tmp_path / "settings.toml"
    file.write_text('[manager]\nmax_age = 60\npermission_mask = "0640"\nsecure_delete = true\n[other]\nx = 1\n')
    assert Settings.from_file(file) == Settings(max_age=60, permission_mask=0o640, secure_delete=True)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[manager]\nmax_aeg = 60\n", "max_aeg is no setting: did you mean max_age"),
        ("[manager]\nmax_age = true\n", "max_age is True: give seconds"),
        ("[manager]\nmax_age = [1]\n", "give seconds"),
        ("[manager]\nbase_dir = 7\n", "give a path"),
        ("manager = 1\n", "is a table"),
        ("[manager\n", "is no TOML"),
        ("\x00", "is no TOML"),
    ],
)
def test_a_bad_file(tmp_path: Path, text: str, message: str) -> None:
    file = tmp_path / "settings.toml"
    file.write_text(text)
    with pytest.raises(SettingsError, match=message):
        Settings.from_file(file)


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"cannot read .*none.toml: No such file"):
        Settings.from_file(tmp_path / "none.toml")


def test_from_env_makes_a_manager(tmp_path: Path) -> None:
    manager = TempFileManager.from_env({"TEMP_FILE_BASE_DIR": str(tmp_path / "base"), "TEMP_FILE_MAX_AGE": "7"})
    assert (manager.base_dir, manager.max_age) == (str(tmp_path / "base"), 7)


@pytest.mark.parametrize(("raw", "port"), [("8080", 8080), ("0", 0), ("off", None), (" OFF ", None), ("65535", 65535)])
def test_a_port_or_none(raw: str, port: int | None) -> None:
    assert Settings.from_env({"TEMP_FILE_HTTP_PORT": raw}).http_port == port
    assert Settings(http_port=port).http_port == port


def test_a_home_is_meant_as_in_a_shell(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/somebody")
    assert Settings.from_env({"TEMP_FILE_BASE_DIR": "~/x", "LOG_FILE": "x/~"}) == Settings(
        base_dir="/home/somebody/x", log_file="x/~"
    )


def test_hosts(tmp_path: Path) -> None:
    settings = Settings.from_env({"TEMP_FILE_HTTP_HOST": "[::1]", "TEMP_FILE_HTTP_ALLOWED_HOSTS": "Files.Example, tfm"})
    assert settings.http_host == "::1"
    assert settings.http_allowed_hosts == ("files.example", "tfm")
    file = tmp_path / "settings.toml"
    file.write_text('[manager]\nhttp_allowed_hosts = ["files.example", "tfm"]\nhttp_port = "off"\n')
    assert Settings.from_file(file) == Settings(http_allowed_hosts=("files.example", "tfm"), http_port=None)


def test_a_token_is_in_no_repr_and_comes_from_one_place() -> None:
    token = "0123456789abcdef"
    assert token not in repr(Settings(api_token=token))
    with pytest.raises(SettingsError, match="api_token and api_token_file are both given: choose one"):
        Settings(api_token=token, api_token_file="/run/secrets/token")


def test_a_file_over_the_size_limit_is_registered_and_counted(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    manager = TempFileManager.from_settings(Settings(base_dir=str(tmp_path / "base"), size_limit=3))
    paths = [tmp_path / name for name in ("small", "large")]
    for path, size in zip(paths, (3, 4), strict=True):
        path.write_bytes(b"x" * size)
    with caplog.at_level(logging.WARNING):
        report = manager.register_files(paths)
        manager.register_file(paths[1])
    assert (report.registered, report.oversized, report.refused) == (2, 1, ())
    line = f"Temporary file larger than the limit: {paths[1]} (4 bytes, limit 3)"
    assert caplog.messages == [line, line]


def test_settings_made_by_hand_are_checked() -> None:
    with pytest.raises(SettingsError, match="cleanup_batch_size is 0: give a whole number") as caught:
        Settings(cleanup_batch_size=0, max_age=math.nan)
    assert len(caught.value.problems) == 2


def test_settings_made_by_hand_are_read_like_any_other() -> None:
    settings = Settings(log_level="debug", permission_mask="0600", secure_delete="no", size_limit="5")  # type: ignore[arg-type]  # on purpose
    assert (settings.log_level, settings.permission_mask) == ("DEBUG", 0o600)
    assert (settings.secure_delete, settings.size_limit) == (False, 5)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("[other]\nmax_age = 86400\n", "has no table [manager]"),
        ("[manger]\nmax_age = 86400\n", "manger is no table of ours: did you mean manager?"),
        ('[[limits]]\nname = "few"\nfiles = 3\n', "limits is no table of ours: did you mean limit?"),
        (f"[manager]\nmax_age = {HUGE}\n", "give seconds"),
        (f"[manager]\nmax_age = {'1' * 5000}\n", "is no TOML"),
        ("[manager]\nx = " + "[" * 5000 + "]" * 5000, "is no TOML"),
    ],
)
def test_a_file_that_means_harm(tmp_path: Path, capsys: pytest.CaptureFixture[str], content: str, message: str) -> None:
    file = tmp_path / "settings.toml"
    file.write_text(content)
    assert main(["config", "--config", str(file)]) == 2
    assert message in capsys.readouterr().err


def test_an_age_of_hundreds_of_digits(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["config", "--max-age", HUGE]) == 2
    assert "give seconds" in capsys.readouterr().err
    with pytest.raises(ValueError, match="max_age"):
        TempFileManager(tmp_path, int(HUGE))
