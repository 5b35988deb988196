"""Transactions of one registry object on its SQLite file, with its scope, its number, and what they have in common."""

import math
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from json import dumps
from sqlite3 import Connection
from types import MappingProxyType
from typing import TypeVar

from temp_file_manager.records import Kind, Nature, NewFile
from temp_file_manager.registry.files import Timed
from temp_file_manager.registry.natures import nature_of
from temp_file_manager.registry.sessions import no_such_session
from temp_file_manager.registry.sqlite.database import Database, nothing
from temp_file_manager.registry.sqlite.errors import translated
from temp_file_manager.registry.sqlite.inserts import Whose, add_files, drop_empty, take_numbers, take_out
from temp_file_manager.registry.sqlite.owners import Owners
from temp_file_manager.registry.sqlite.place import CLAIMERS
from temp_file_manager.registry.sqlite.rows import Row, consecutive, place_of
from temp_file_manager.registry.sqlite.sql import load_statements

_NOBODY = 0

T = TypeVar("T")


class Transactions:
    """Transactions of one registry object, and what is done in more than one kind of them.

    Attributes:
        sql: The statements by name.
        scope: The number of the base directory; 0, which is nobody's, until it has had a record.
        owner: The number of this object in this process; 0 until its first change.
        epoch: Grows with whatever puts a due record behind the position of a running sweep.
        latest: The latest moment that a sweep has read ages at.
        settlements: How many claims had ended when this object last asked; see ``Records.settlements``.
        owners: Which owners live.
    """

    def __init__(self, path: str, base_dir: str, synchronous: str, after_fork: Callable[[], None]) -> None:
        self.sql = load_statements()
        self.scope = 0
        self.settlements = 0
        self._base = os.fsencode(os.path.realpath(base_dir))
        self._after_fork = after_fork
        self.database = Database(path, synchronous, self._in_child)
        self.owners = Owners(self.database.path + CLAIMERS)
        self._begin()

    def _begin(self) -> None:
        self.owner = 0
        self.epoch = 0
        self.latest = -math.inf

    def _in_child(self) -> None:
        self.owners.after_fork()
        self._begin()
        self._after_fork()

    def write(self, work: Callable[[Connection], T], *, held: bool = False, undo: Callable[[], None] = nothing) -> T:
        """Return what ``work`` does in a transaction that writes: all of it, or nothing. See ``Database.write``."""
        entered, scope = False, 0

        def undo_all() -> None:
            # Numbers that were taken in a transaction that came to nothing are given to somebody else. A scope that
            # was there before stays known: threads read by it at this moment.
            if entered:
                self.scope, self.owner = scope, 0
                self.owners.leave()
            undo()

        def enter_and_work(connection: Connection) -> T:
            nonlocal entered, scope
            self.owners.renew()
            if not self.owner:
                entered, scope = True, self._known_scope(connection)
                self._enter(connection)
            return work(connection)

        return self.database.write(enter_and_work, undo_all, held=held)

    def _known_scope(self, connection: Connection) -> int:
        found = connection.execute(self.sql["scope"], {"base": self._base}).fetchone()
        return int(found[0]) if found else 0

    def _enter(self, connection: Connection) -> None:
        connection.execute(self.sql["add_scope"], {"base": self._base})
        self.scope = self._known_scope(connection)
        (self.owners.registry,) = connection.execute(self.sql["registry"]).fetchone()
        self.owner = take_numbers(connection, self.sql, 1)

    @contextmanager
    def reading(self, *, long: bool = False) -> Iterator[Connection]:
        """Give a connection to read from; ``long``: at every record, beside whoever else reads."""
        with self.database.looking() if long else self.database.reading() as connection:
            if not self.scope:
                found = self._known_scope(connection)
                if found:  # else 0 as it was, or what a thread that writes has just made it
                    self.scope = found
                (self.owners.registry,) = connection.execute(self.sql["registry"]).fetchone()
            yield connection

    @contextmanager
    def exclusive(self, name: str) -> Iterator[bool]:
        """Give whether nobody else of this scope is within this under this name."""
        with self.reading():
            known = bool(self.scope)
        if not known:
            self.write(nothing)
        with ExitStack() as stack:
            with translated(self.database.path):
                alone = stack.enter_context(self.owners.exclusive(f"{self.scope}-{name}"))
            yield alone

    def place(self, path: str) -> dict[str, object]:
        """Return the parameters that say which path is meant."""
        directory, name = place_of(path)
        return {"scope": self.scope, "path": directory, "name": name}

    def row(self, connection: Connection, path: str) -> Row | None:
        """Return the row of a path."""
        row: Row | None = connection.execute(self.sql["file"], self.place(path)).fetchone()
        return row

    def add(
        self,
        connection: Connection,
        files: list[Timed],
        *,
        known: Mapping[str, Whose] = MappingProxyType({}),
        only_new: bool = False,
        session: int = 0,
        natures: Mapping[str, Nature] = MappingProxyType({}),
    ) -> bool:
        """Write rows; return whether any path was known. See ``add_files``.

        Raises:
            InvalidArgumentError: there is no such living session.
        """
        whose = Whose(self.owner, session, self.end_of(connection, session) if session else None)
        apart = {
            path: whose._replace(owner=self.owner_of(connection, nature), nature=nature)
            for path, nature in natures.items()
        }
        if session:  # what is in one is under no rule
            apart = {path: one.unruled for path, one in apart.items()}
        return add_files(connection, self.sql, self.scope, whose, files, known=known, only_new=only_new, apart=apart)

    def owner_of(self, connection: Connection, nature: Nature) -> int:
        """Return who owns a record that somebody adds.

        Nobody what is in quarantine, or its undo would end with a block. And what is compressed is whose the file was
        before, not that of whoever has swept: or it would go at the end of a block that has nothing to do with it.
        """
        if nature.kind is Kind.QUARANTINED:
            return _NOBODY
        if nature.kind is Kind.COMPRESSED:
            before = self.whose(connection, (nature.origin,)).get(nature.origin)
            return _NOBODY if before is None else before.owner
        return self.owner

    def end_of(self, connection: Connection, session: int) -> float:
        """Return when a living session ends.

        Raises:
            InvalidArgumentError: there is none.
        """
        found = connection.execute(self.sql["living_session"], {"id": session, "scope": self.scope}).fetchone()
        if found is None:
            raise no_such_session(session)
        return float(found[0])

    def whose(self, connection: Connection, paths: Iterable[str]) -> dict[str, Whose]:
        """Return whose the records are of those of ``paths`` that have one."""
        found = {path: connection.execute(self.sql["whose"], self.place(path)).fetchone() for path in paths}
        return {
            path: Whose(row[0], row[1], row[2], nature_of(*row[3:])) for path, row in found.items() if row is not None
        }

    def unpin(self, connection: Connection, records: Iterable[int]) -> None:
        """End the pins of rows that are there, by id."""
        if connection.execute(self.sql["any_keep"]).fetchone()[0]:
            connection.execute(self.sql["unpin_files"], {"ids": dumps(list(records))})

    def retire(self, connection: Connection, records: dict[int, int], size: float) -> None:
        """Delete rows that are there, by id; each comes with the id of its directory, which goes with its last file.

        Args:
            connection: In a transaction.
            records: Which.
            size: The sum of what they take, in bytes; see ``room_of``.
        """
        take_numbers(connection, self.sql, 0)
        take_out(connection, self.sql, self.scope, records)
        connection.executemany(self.sql["retire"], consecutive(records))
        connection.execute(self.sql["count_records"], (-len(records), -size, 0, self.scope))
        drop_empty(connection, self.sql, records.values())

    def count(self, connection: Connection, counters: Mapping[str, float]) -> None:
        """Add to the counters within a transaction."""
        rows = [(self.scope, name, value) for name, value in counters.items()]
        connection.executemany(self.sql["add_to_counter"], rows)

    def close(self, *, busy: bool) -> None:
        """Let go of what is open; the next use opens it again. While ``busy``, others are told that we live."""
        if not busy:
            self.owners.leave()
        self.database.close()

    def added(self, now: float, files: Iterable[NewFile]) -> None:
        """Rewind if files that were put on record at ``now`` may be due behind a sweep."""
        latest = self.latest
        if now <= latest or any(file[1] is not None and file[1] <= latest for file in files):
            self.rewind()

    def rewind(self) -> None:
        """Let running sweeps look from the start again."""
        self.epoch += 1

    def count_settlements(self, connection: Connection) -> int:
        """Return how many claims have ended."""
        return int(connection.execute(self.sql["settlements"]).fetchone()[0])
