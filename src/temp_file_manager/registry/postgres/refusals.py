"""Refusals: what the functions in the database raise, as this package's errors."""

from json import loads
from typing import NamedTuple

import psycopg
from psycopg.errors import DeadlockDetected, SerializationFailure

from temp_file_manager.errors import RegistryError

CLAIMED, MOVED, NO_SESSION = "TFM01", "TFM02", "TFM03"


class ClaimsEndedError(Exception):
    """Claims have ended since a look, so many by now. It never leaves this package."""

    def __init__(self, settlements: int) -> None:
        super().__init__(settlements)
        self.settlements = settlements


class Met(NamedTuple):
    """A record that is claimed: its path as it is stored, the claim, whose that is, and whether that owner lives."""

    path: bytes
    claim: int
    claimer: int
    alive: bool


def code_of(error: RegistryError) -> str:
    """Return the server's code of an error; empty: it is none of the server's."""
    cause = error.__cause__
    return cause.sqlstate or "" if isinstance(cause, psycopg.Error) else ""


def is_passing(error: RegistryError) -> bool:
    """Say whether the server has undone a change, as two waited for each other, and only one may be undone."""
    return isinstance(error.__cause__, (DeadlockDetected, SerializationFailure))


def settlements_in(error: RegistryError) -> int:
    """Return how many claims have ended, as an error of this kind says."""
    return int(_detail(error))


def met_in(error: RegistryError) -> list[Met]:
    """Return the claimed records that an error of this kind tells of."""
    return [Met(bytes.fromhex(path), *rest) for path, *rest in loads(_detail(error))]


def _detail(error: RegistryError) -> str:
    cause = error.__cause__
    return cause.diag.message_detail or "" if isinstance(cause, psycopg.Error) else ""
