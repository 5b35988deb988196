"""Steps of several statements: transactions of one scope."""

from collections.abc import Callable
from typing import Any, TypeVar

import psycopg

from temp_file_manager.registry.postgres.failures import in_our_words
from temp_file_manager.registry.postgres.scope import Scope
from temp_file_manager.registry.postgres.server import Row

Connection = psycopg.Connection[Row]

T = TypeVar("T")


def transaction(scope: Scope, work: Callable[[Connection], T]) -> T:
    """Return what ``work`` does in a transaction that writes: all of it, or nothing."""
    scope.enter()
    return scope.server.writer.transaction(work)


def execute(scope: Scope, connection: Connection, statement: str, **bound: Any) -> list[Row]:
    """Return what a statement of this name does within a transaction."""
    bound |= {"scope": scope.number, "owner": scope.owner}
    try:
        return connection.execute(scope.sql[statement], bound, binary=True).fetchall()
    except psycopg.Error as error:
        raise in_our_words(scope.server.where, error) from error
