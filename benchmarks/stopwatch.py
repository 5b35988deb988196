"""Stopwatches: seconds and calls that pass in something, measured by wrapping what is public of it."""

import re
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any

_SHOWN = 56


@dataclass
class Stopwatch:
    """What has passed so far."""

    seconds: float = 0.0
    calls: int = 0

    def around(self, call: Callable[..., Any]) -> Callable[..., Any]:
        """Return a function that does the same, and is timed."""

        def timed(*arguments: Any, **others: Any) -> Any:
            began = perf_counter()
            try:
                return call(*arguments, **others)
            finally:
                self.seconds += perf_counter() - began
                self.calls += 1

        return timed

    @contextmanager
    def on(self, *places: tuple[Any, str]) -> Iterator[None]:
        """Time what objects have under these names, until the block is left."""
        before = [(thing, name, vars(thing).get(name)) for thing, name in places]
        for thing, name, _ in before:
            setattr(thing, name, self.around(getattr(thing, name)))
        try:
            yield
        finally:
            for thing, name, own in before:
                delattr(thing, name)  # what an object has from its class comes back by itself
                if own is not None:
                    setattr(thing, name, own)


@dataclass
class Statements:
    """What SQLite was asked, by whichever connection: a stopwatch for each statement."""

    watches: dict[str, Stopwatch] = field(default_factory=dict)

    def watch(self, statement: str) -> Stopwatch:
        """Return the stopwatch of a statement."""
        found = self.watches.get(statement)
        return found or self.watches.setdefault(statement, Stopwatch())

    def reset(self) -> None:
        """Forget what has passed."""
        self.watches.clear()

    @property
    def seconds(self) -> float:
        """Of all statements."""
        return sum(watch.seconds for watch in self.watches.values())

    def by_words(self) -> dict[str, Stopwatch]:
        """Return the stopwatches by the beginning of each statement."""
        found: dict[str, Stopwatch] = {}
        for statement, watch in self.watches.items():
            words = " ".join(re.sub(r"--.*", "", statement).split())
            one = found.setdefault(words if len(words) <= _SHOWN else f"{words[:_SHOWN]}…", Stopwatch())
            one.seconds += watch.seconds
            one.calls += watch.calls
        return found


class _Cursor(sqlite3.Cursor):
    """A cursor that times the statement it runs, and the rows that are fetched of it."""

    statements: Statements
    statement = ""

    def _run(self, call: Callable[..., Any], statement: str, *arguments: Any) -> Any:
        self.statement = statement
        return self.statements.watch(statement).around(call)(statement, *arguments)

    def _fetch(self, call: Callable[..., Any], *arguments: Any) -> Any:
        began = perf_counter()
        try:
            return call(*arguments)
        finally:
            self.statements.watch(self.statement).seconds += perf_counter() - began

    def execute(self, sql: str, *arguments: Any) -> Any:
        return self._run(super().execute, sql, *arguments)

    def executemany(self, sql: str, *arguments: Any) -> Any:
        return self._run(super().executemany, sql, *arguments)

    def fetchone(self) -> Any:
        return self._fetch(super().fetchone)

    def fetchmany(self, *arguments: Any) -> Any:
        return self._fetch(super().fetchmany, *arguments)

    def fetchall(self) -> Any:
        return self._fetch(super().fetchall)

    def __next__(self) -> Any:
        return self._fetch(super().__next__)


@contextmanager
def statements() -> Iterator[Statements]:
    """Time every statement of connections that are opened until the block is left."""
    found = Statements()

    class Cursor(_Cursor):
        statements = found

    class Connection(sqlite3.Connection):
        def cursor(self, factory: type[sqlite3.Cursor] = Cursor) -> sqlite3.Cursor:
            return super().cursor(factory)

        def execute(self, *arguments: Any) -> Any:
            return self.cursor().execute(*arguments)

        def executemany(self, *arguments: Any) -> Any:
            return self.cursor().executemany(*arguments)

    connect = sqlite3.connect
    sqlite3.connect = lambda *arguments, **others: connect(*arguments, factory=Connection, **others)
    try:
        yield found
    finally:
        sqlite3.connect = connect
