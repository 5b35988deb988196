"""A registry on PostgreSQL, opened as its address and the settings say."""

from collections.abc import Callable, Mapping
from functools import partial

from psycopg.conninfo import make_conninfo

from temp_file_manager.errors import RegistryError, SettingsError
from temp_file_manager.registry.contract import Identify
from temp_file_manager.registry.postgres.registry import PostgresRegistry
from temp_file_manager.registry.postgres.server import Server, no_password
from temp_file_manager.settings.secret_file import read_secret


def server_of(said: Mapping[str, str], password_file: str) -> Server:
    """Return a server as an address says, not yet asked anything.

    Args:
        said: What ``address.read`` returned.
        password_file: The file with the password, read before each connection is made; empty: libpq finds it.
    """
    return Server(make_conninfo(**said), password=_asked(password_file))


def open_postgres(said: Mapping[str, str], password_file: str, scope: str, identify: Identify) -> PostgresRegistry:
    """Return the registry of a scope.

    Args:
        said: As ``server_of``.
        password_file: As ``server_of``.
        scope: ``local:MACHINE:BASE`` or ``volume:NAME``.
        identify: As ``open_registry``.

    Raises:
        RegistryError: its schema is older than this version needs: what to run.
        RegistryUnavailableError: the server does not answer.
    """
    registry = PostgresRegistry(make_conninfo(**said), scope, identify=identify, password=_asked(password_file))
    try:
        registry.server.refuse_older()
    except BaseException:
        registry.close()
        raise
    return registry


def _asked(password_file: str) -> Callable[[], str | None]:
    return partial(_password, password_file) if password_file else no_password


def _password(path: str) -> str:
    """Read the password anew each time: whoever changes it changes the file."""
    try:
        return read_secret("registry_password_file", path)
    except SettingsError as error:
        raise RegistryError(str(error)) from error
