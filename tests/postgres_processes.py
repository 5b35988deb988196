"""Processes that use the registry on PostgreSQL, and what becomes of what they leave."""

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from types import TracebackType

import psycopg

from patience import PATIENCE
from temp_file_manager.registry.postgres.registry import PostgresRegistry

SCOPE = "volume:v"

_BEGIN = """
import math, os, sys
from temp_file_manager.registry import THIS_PROCESS
from temp_file_manager.registry.postgres.registry import PostgresRegistry
registry = PostgresRegistry(sys.argv[1], sys.argv[2])
def ready():
    print("ready", flush=True)
    sys.stdin.readline()
"""


class Process:
    """Another process, with a registry object of its own; it goes on until ``ready`` and waits there.

    Args:
        database: How libpq reaches the records.
        work: Python text.
    """

    def __init__(self, database: str, work: str) -> None:
        self._process = subprocess.Popen(
            (sys.executable, "-c", _BEGIN + work, database, SCOPE),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout is not None
        assert self._process.stdout.readline() == "ready\n"

    def __enter__(self) -> "Process":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        self.kill()

    def kill(self) -> None:
        """End it without a chance to say anything."""
        self._process.send_signal(signal.SIGKILL)
        self._process.communicate(timeout=PATIENCE)

    def go_on(self) -> int:
        """Let it go on behind ``ready`` to its end; return its exit code."""
        self._process.communicate("\n", timeout=PATIENCE)
        return self._process.returncode


class Records:
    """The database, as a test changes it by hand."""

    def __init__(self, database: str) -> None:
        self.database = database
        self._connection = psycopg.connect(database, autocommit=True)

    def __call__(self, sql: str, *bound: object) -> list[tuple[object, ...]]:
        """Return what a statement does."""
        cursor = self._connection.execute(sql, bound)  # type: ignore[arg-type]
        return cursor.fetchall() if cursor.description else []

    def age(self, registry: PostgresRegistry | None = None, *, seconds: float = 200) -> None:
        """Let an owner not have been seen for so long; None: each, as if their hosts were cut off."""
        owner = 0 if registry is None else registry.scope.owner
        self("UPDATE tfm.owners SET seen_at = seen_at - %s WHERE %s IN (0, id)", seconds, owner)
        self("UPDATE tfm.exclusives SET lapses_at = lapses_at - %s WHERE %s IN (0, owner)", seconds, owner)

    @contextmanager
    def transaction(self) -> Iterator[psycopg.Connection]:
        """Give a transaction beside others, which is committed at the end."""
        with closing(psycopg.connect(self.database)) as connection, connection.transaction():
            yield connection

    def until_locked_out(self, number: int = 1) -> None:
        """Wait until so many are waiting for a lock."""
        while self("SELECT count(*) FROM pg_locks WHERE NOT granted") != [(number,)]:
            pass

    def close(self) -> None:
        self._connection.close()
