"""One scope of a database, as one registry object of this process uses it."""

import os
import socket
from threading import RLock
from typing import Any

from temp_file_manager.registry.postgres.server import Row, Server
from temp_file_manager.registry.postgres.sql import load_statements


class Scope:
    """One scope of a database, and this process's number as an owner in it.

    Args:
        server: Where it is.
        name: ``local:MACHINE:BASE`` or ``volume:NAME``.

    Attributes:
        server: Where it is.
        sql: The statements by name.
        number: Its number; 0, which is nobody's, until it has had a record.
        owner: The number of this object in this process; 0 until its first change.
        registry: Tells this database's numbers from those of another.
    """

    def __init__(self, server: Server, name: str) -> None:
        self.server = server
        self.sql = load_statements()
        self.name = name
        self.number = 0
        self.owner = 0
        self.registry = ""
        self._entering = RLock()

    @property
    def process(self) -> str:
        """This process, for people: its host and its number."""
        return f"{socket.gethostname()} {os.getpid()}"

    def after_fork(self) -> None:
        """Be another owner than the parent."""
        self.owner = 0
        self._entering = RLock()

    def look(self, statement: str, **bound: Any) -> list[Row]:
        """Return what a statement of this name reads, of this scope."""
        self.server.refuse_older()
        if not self.number:
            found = self.server.reader.execute(self.sql["scope"], {"name": self.name})
            if found:
                self.number, self.registry = found[0]
        return self.server.reader.execute(self.sql[statement], bound | {"scope": self.number, "owner": self.owner})

    def change(self, statement: str, **bound: Any) -> list[Row]:
        """Return what a statement of this name does, of this scope and this owner: one transaction, one round trip."""
        self.enter()
        return self.server.writer.execute(self.sql[statement], bound | {"scope": self.number, "owner": self.owner})

    def enter(self) -> None:
        """Make the scope if nobody has, and become an owner in it: one, whichever threads ask for it at a time."""
        self.server.refuse_changes()
        if self.owner:
            return
        with self._entering:
            if not self.owner:
                bound = {"name": self.name, "kind": self.name.partition(":")[0], "process": self.process}
                ((self.number, self.owner, self.registry),) = self.server.writer.execute(self.sql["enter"], bound)
