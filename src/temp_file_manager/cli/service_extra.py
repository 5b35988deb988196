"""Services that ``run`` offers beside its sweeps: page, API and metrics, as far as they are asked for and can be."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from temp_file_manager import logs
from temp_file_manager.errors import SettingsError
from temp_file_manager.manager import TempFileManager
from temp_file_manager.settings import DEFAULT, FIELDS, Settings, Source, values, variable
from temp_file_manager.settings.secret_file import read_secret
from temp_file_manager.text import printable

HTTP = ("http_host", "http_port", "http_socket", "http_allowed_hosts", "api_token", "api_token_file")
"""Whoever sets one of these has asked for page and API; else they are there if they can be."""

PACKAGES = ("msgspec", "prometheus_client", "starlette", "uvicorn")
EXTRA = "pip install 'temp-file-manager[service]'"


@contextmanager
def serving(
    manager: TempFileManager, settings: Settings, sources: Mapping[str, Source]
) -> Iterator[Callable[[TempFileManager, Settings], None]]:
    """Serve what can be served while the block runs; yield what serves another manager from then on.

    Args:
        manager: What is shown.
        settings: Where.
        sources: Where each setting came from: what somebody asked for and cannot be is an error, what is merely the
            default is left away with a line in the log.

    Raises:
        SettingsError: what was asked for cannot be, and why.
    """
    token = read_token(settings)
    http = settings.http_socket is not None or settings.http_port is not None
    asked = http and any(sources[name] != DEFAULT for name in HTTP)
    if not (http or settings.metrics):
        yield _nothing
        return
    try:
        from temp_file_manager.service import run as service  # noqa: PLC0415 - only where the extra is
    except ModuleNotFoundError as error:
        if error.name not in PACKAGES:
            raise
        without = f"{error.name} is not installed: {EXTRA} adds it"
        if settings.metrics or asked:
            what = "metrics" if settings.metrics else next(name for name in HTTP if sources[name] != DEFAULT)
            raise SettingsError([f"{variable(what)} cannot be had: {without}"]) from error
        logs.http_off(without)
        yield _nothing
        return
    with service.serving(manager, settings, token=token, asked=asked) as shown:
        yield lambda other, told: shown.put(other, told, read_token(told))


def _nothing(manager: TempFileManager, settings: Settings) -> None:
    """Serve nobody."""


def read_token(settings: Settings) -> str | None:
    """Return the secret of the API, from wherever it is.

    Raises:
        SettingsError: its file cannot be read, holds no such secret, or can be written to by other users.
    """
    path = settings.api_token_file
    if path is None:
        return settings.api_token
    allowed = FIELDS["api_token"].metadata["allowed"]
    secret = read_secret("api_token_file", path, allowed)
    try:
        return values.token(secret)
    except ValueError as error:
        raise SettingsError([f"{variable('api_token_file')}: {printable(path)} must hold {allowed}"]) from error
