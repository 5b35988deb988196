"""The server's errors in our words: what happened, what is known of it, and what to do."""

import psycopg
from psycopg import errors

from temp_file_manager.errors import RegistryError, RegistryFullError, RegistryUnavailableError

_OUT_OF_REACH = "{where} does not answer: {said}"
_REFUSED = "{where} refuses: {said}"

# The first that fits: the driver counts most of the others among the operational ones.
_MEANINGS: tuple[tuple[type[psycopg.Error], type[RegistryError], str], ...] = (
    (errors.DiskFull, RegistryFullError, "{where} has no room: {said}"),
    (errors.OutOfMemory, RegistryFullError, "{where} has no room: {said}"),
    (errors.ConfigurationLimitExceeded, RegistryFullError, "{where} has no room: {said}"),
    (errors.ProgramLimitExceeded, RegistryError, _REFUSED),  # what no index takes, and no waiting helps
    (
        errors.ReadOnlySqlTransaction,  # a standby, or what was the primary before a failover
        RegistryUnavailableError,
        "{where} is a standby, which only reads: add target_session_attrs=read-write",
    ),
    (psycopg.OperationalError, RegistryUnavailableError, _OUT_OF_REACH),
    (psycopg.InterfaceError, RegistryUnavailableError, _OUT_OF_REACH),
    (errors.InsufficientPrivilege, RegistryError, f"{_REFUSED}: see which role may do it in docs/postgres.md"),
    *(
        (kind, RegistryError, "{where} has another schema: {said}: run tfm registry migrate")
        for kind in (errors.UndefinedFunction, errors.UndefinedTable, errors.UndefinedColumn, errors.InvalidSchemaName)
    ),
    (psycopg.Error, RegistryError, _REFUSED),
)


def in_our_words(where: str, error: psycopg.Error) -> RegistryError:
    """Return what an error of the driver's means for the registry at ``where``."""
    made, words = next((made, words) for kind, made, words in _MEANINGS if isinstance(error, kind))
    return made(words.format(where=where, said=str(error).strip()))
