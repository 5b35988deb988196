"""The server's errors in our words: what happened, what is known of it, and what to do."""

import psycopg
from psycopg import errors

from temp_file_manager.errors import RegistryError, RegistryFullError, RegistryUnavailableError

_NO_ROOM = (errors.DiskFull, errors.OutOfMemory, errors.ConfigurationLimitExceeded)

_SCHEMA = (errors.UndefinedFunction, errors.UndefinedTable, errors.UndefinedColumn, errors.InvalidSchemaName)


def in_our_words(where: str, error: psycopg.Error) -> RegistryError:
    """Return what an error of the driver's means for the registry at ``where``."""
    said = str(error).strip()
    if isinstance(error, _NO_ROOM):
        return RegistryFullError(f"{where} has no room: {said}")
    if isinstance(error, errors.ReadOnlySqlTransaction):  # a standby, or what was the primary before a failover
        return RegistryUnavailableError(f"{where} is a standby, which only reads: add target_session_attrs=read-write")
    if isinstance(error, psycopg.OperationalError | psycopg.InterfaceError):
        return RegistryUnavailableError(f"{where} does not answer: {said}")
    if isinstance(error, errors.InsufficientPrivilege):
        return RegistryError(f"{where} refuses: {said}: see which role may do it in docs/postgres.md")
    if isinstance(error, _SCHEMA):
        return RegistryError(f"{where} has another schema: {said}: run tfm registry migrate")
    return RegistryError(f"{where} refuses: {said}")
